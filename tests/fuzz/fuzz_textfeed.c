#include "fuzz.h"
#include "data/preprocess_batch.h"

/* First byte: which kind of file. Documents lie inside their batch, in order; NullTokenizer reads
 * them. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = { "t.txt", "t.jsonl", "t.json", "t.txt" };
    static const char *key[] = { "text" };
    const ts_text_tokenizer numbers = { .vocab_size = 101, .eod = 100, .pad = -1, .bos = -1 };
    char path[FUZZ_PATH];
    const char *input[] = { path };
    ts_preprocess_options o = { .feed = { .input = { input, 1 }, .json_keys = { key, 1 } },
                                .append_eod = true };
    ts_textfeed *f = NULL;
    ts_text_batch b = { 0 };
    ts_token_run run = { 0 };
    ts_token_batch out = { .runs = &run };
    if (size < 1)
        return 0;
    const int kind = data[0] & 3;
    fuzz_write(names[kind], data + 1, size - 1);
    fuzz_path(names[kind], path);
    o.feed.document_separator = kind == 3 ? "ab" : NULL;
    o.feed.piece = 64 + (data[0] >> 4);
    o.feed.on_bad_record = data[0] >> 2 & 1 ? TS_BAD_RECORD_SKIP : TS_BAD_RECORD_STOP;
    if (ts_textfeed_create(&o.feed, &f) != TS_OK)
        abort();
    while (ts_textfeed_next(f, &b) == TS_OK && b.n) {
        size_t at = 0;
        int64_t line = 1;
        for (size_t i = 0; i < b.n; i++) {
            if (b.spans[i].at < at || b.spans[i].n > b.text.len - b.spans[i].at ||
                b.spans[i].line < line)
                abort();
            at = b.spans[i].at + b.spans[i].n;
            line = b.spans[i].line;
        }
        ts_batch_work work = { 0 };
        (void)!ts_preprocess_batch(&o, NULL, &numbers, &work, &b, &out);
    }
    ts_json_fields_deinit(&out.fields);
    ts_str_deinit(&out.bad);
    ts_ids_deinit(&run.ids);
    ts_free(&run.lengths);
    ts_text_batch_deinit(&b);
    ts_textfeed_destroy(&f);
    fuzz_remove(names[kind]);
    return 0;
}
