/* Opens a tokenizer from bytes and uses it on a fixed text. */
#ifndef TS_TESTS_FUZZ_TEXT_H
#define TS_TESTS_FUZZ_TEXT_H
#include "fuzz.h"
#include "text/tok.h"

#include <string.h>

static inline void fuzz_tokenizer(const char *data, size_t size, const char *name)
{
    static const char text[] = "Hello  wörld, it's 1234 <s> "
                               "\xE6\x97\xA5\xE6\x9C\xAC \xE2\x96\x81x "
                               "<|tok|>\n\n e\xCC\x81 aaaaaaaaaaaaaaaa"
                               "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb [MASK] "
                               "\xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD.";
    ts_tokenizer *tok = NULL;
    ts_tokenizer_scratch *scratch = NULL;
    ts_ids ids = { 0 };
    ts_str out = { 0 };
    static ts_unicode *unicode; /* made once: it takes longer than the rest */
    if (!unicode && ts_unicode_create(&unicode) != TS_OK)
        abort();
    if (ts_tokenizer_open_bytes(data, size, name, unicode, &tok) != TS_OK)
        return;
    if (ts_tokenizer_scratch_create(tok, &scratch) != TS_OK)
        abort();
    for (int special = 0; special < 2; special++) {
        ids.n = 0;
        if (ts_tokenizer_encode(tok, scratch, text, sizeof text - 1, special, &ids) != TS_OK)
            continue;
        ts_str_reset(&out);
        const ts_status st = ts_tokenizer_decode(tok, ids.v, ids.n, !special, &out);
        if (st == TS_OK && ts_utf8_check(ts_str_text(&out), out.len) != out.len)
            abort();
    }
    const int64_t size_of = ts_tokenizer_vocab_size(tok);
    ids.n = 0;
    for (int64_t i = 0; i < size_of && i < 300; i++)
        if (ts_ids_add(&ids, (int32_t)i) != TS_OK)
            abort();
    ts_str_reset(&out);
    if (ts_tokenizer_decode(tok, ids.v, ids.n, false, &out) == TS_ERR_NOMEM)
        abort();
    ts_ids_deinit(&ids);
    ts_str_deinit(&out);
    ts_tokenizer_scratch_destroy(&scratch);
    ts_tokenizer_destroy(&tok);
}
#endif
