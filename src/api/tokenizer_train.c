#include "api/preprocess_run.h"
#include "api/words.h"
#include "base/file.h"
#include "base/log.h"
#include "base/thread.h"
#include "tessera/tokenizer.h"
#include "text/bpe_train.h"

#include <string.h>

#define ROW(type, field, name, def, lo, hi, help)                                                  \
    TS_ROW(type, ts_tokenizer_train_options, field, name, def, lo, hi, NULL, "tokenizer", help)
const ts_option ts_tokenizer_train_rows[] = {
    ROW(LIST, input, "input", NULL, 0, 0, "text files in UTF-8"),
    ROW(TEXT, output, "output", NULL, 0, 0, "folder for tokenizer.json and tokenizer_config.json"),
    ROW(INT, vocab_size, "vocab-size", "32000", 257, 1 << 24, "tokens in all"),
    ROW(INT, min_frequency, "min-frequency", "2", 1, 1e15, "a pair that is rarer is not merged"),
    ROW(LIST, special, "special-tokens", "<|endoftext|>", 0, 0,
        "special tokens; the first one ends documents"),
};
const size_t ts_tokenizer_train_count =
    sizeof ts_tokenizer_train_rows / sizeof *ts_tokenizer_train_rows;

static void show(void *ctx, int64_t tokens)
{
    const double *began = ctx;
    if (ts_log_is_terminal())
        ts_log_raw("\r%lld tokens, %.1f s ", (long long)tokens, ts_now() - *began);
}

static ts_status feed_file(ts_bpe_trainer *t, const char *path, double *bytes)
{
    ts_map m;
    TS_TRY(ts_map_open(path, &m));
    const size_t bad = ts_utf8_check((const char *)m.data, m.size);
    ts_status st = bad == m.size ? ts_bpe_trainer_feed(t, (const char *)m.data, m.size)
                                 : ts_error(TS_ERR_USER, "%s: byte %zu is not UTF-8", path, bad);
    *bytes += (double)m.size;
    ts_map_close(&m);
    return st;
}

static ts_status write_folder(const ts_bpe_trainer *t, const ts_tokenizer_train_options *o)
{
    ts_str text = { 0 }, path = { 0 };
    ts_status st = ts_mkdirs(o->output);
    if (st == TS_OK)
        st = ts_bpe_trainer_json(t, &text);
    if (st == TS_OK && (st = ts_path_join(&path, o->output, "tokenizer.json")) == TS_OK)
        st = ts_file_write_atomic(path.s, text.s, text.len);
    ts_str_reset(&text);
    if (st == TS_OK)
        st = ts_str_puts(&text, "{\n  \"tokenizer_class\": \"PreTrainedTokenizerFast\"");
    for (const char *const *role = (const char *const[]){ "bos_token", "eos_token", NULL };
         *role && o->special.n; role++) {
        if (st == TS_OK)
            st = ts_str_printf(&text, ",\n  \"%s\": ", *role);
        if (st == TS_OK)
            st = ts_str_json(&text, o->special.v[0], strlen(o->special.v[0]));
    }
    if (st == TS_OK)
        st = ts_str_puts(&text, "\n}\n");
    if (st == TS_OK && (st = ts_path_join(&path, o->output, "tokenizer_config.json")) == TS_OK)
        st = ts_file_write_atomic(path.s, text.s, text.len);
    ts_str_deinit(&text);
    ts_str_deinit(&path);
    return st;
}

ts_status ts_tokenizer_train_run(const ts_tokenizer_train_options *o)
{
    ts_bpe_trainer *t;
    double bytes = 0, began = ts_now();
    if (!o->input.n || !o->output)
        return ts_error(TS_ERR_USER, "--%s is missing", o->input.n ? "output" : "input");
    TS_TRY(ts_bpe_trainer_create(&t));
    ts_status st = TS_OK;
    for (int64_t i = 0; i < o->input.n && st == TS_OK; i++)
        st = feed_file(t, o->input.v[i], &bytes);
    if (st == TS_OK)
        st = ts_bpe_trainer_run(t, o->vocab_size, o->min_frequency, o->special.v,
                                (size_t)o->special.n, show, &began);
    if (st == TS_OK)
        st = write_folder(t, o);
    if (st == TS_OK)
        ts_log(TS_LOG_INFO, "%s%lld tokens from %.1f MB in %.1f s: %s/tokenizer.json",
               ts_log_is_terminal() ? "\r" : "", (long long)ts_bpe_trainer_tokens(t), bytes / 1e6,
               ts_now() - began, o->output);
    ts_bpe_trainer_destroy(&t);
    return st;
}

ts_status ts_tokenizer_train(const char *const *options, size_t n)
{
    ts_tokenizer_train_options o = { 0 };
    const ts_option_table table = { ts_tokenizer_train_rows, ts_tokenizer_train_count, &o };
    ts_option_set *set;
    TS_TRY(ts_words_parse(&table, 1, options, n, &set));
    const ts_status st = ts_tokenizer_train_run(&o);
    ts_option_set_destroy(&set);
    return st;
}
