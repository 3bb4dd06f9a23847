/* Uses a tokenizer from bytes: texts to ids and back. */
#ifndef TS_TESTS_FUZZ_TEXT_H
#define TS_TESTS_FUZZ_TEXT_H
#include "fuzz.h"
#include "text/tok.h"

/* Lent to every tokenizer: it takes longer to make than the rest. */
static inline const ts_unicode *fuzz_unicode(void)
{
    static ts_unicode *unicode;
    if (!unicode && ts_unicode_create(&unicode) != TS_OK)
        abort();
    return unicode;
}

static inline void fuzz_decode(const ts_tokenizer *tok, const ts_ids *ids)
{
    ts_str out = { 0 };
    for (int skip = 0; skip < 2; skip++) {
        ts_str_reset(&out);
        const ts_status st = ts_tokenizer_decode(tok, ids->v, ids->n, skip, &out);
        if (st == TS_ERR_NOMEM ||
            (st == TS_OK && ts_utf8_check(ts_str_text(&out), out.len) != out.len))
            abort();
    }
    ts_str_reset(&out);
    if (ts_tokenizer_decode_written(tok, ids->v, ids->n, &out) == TS_ERR_NOMEM)
        abort();
    ts_str_deinit(&out);
}

/* A text that goes on where another ended. */
static inline void fuzz_rest(const ts_tokenizer *tok, ts_tokenizer_scratch *scratch,
                             const char *text, size_t n)
{
    ts_ids ids = { 0 };
    if (ts_tokenizer_encode_rest(tok, scratch, text, n, &ids) == TS_ERR_NOMEM)
        abort();
    for (size_t i = 0; i < ids.n; i++)
        if (ids.v[i] < 0 || ids.v[i] >= ts_tokenizer_vocab_size(tok))
            abort();
    ts_ids_deinit(&ids);
}

/* Ids are in range, and the same when words come from the cache. */
static inline void fuzz_encode(const ts_tokenizer *tok, ts_tokenizer_scratch *scratch,
                               const char *text, size_t n)
{
    ts_ids ids = { 0 }, again = { 0 };
    for (int special = 0; special < 2; special++) {
        ids.n = again.n = 0;
        const ts_status st = ts_tokenizer_encode(tok, scratch, text, n, special, &ids);
        if (st == TS_ERR_NOMEM ||
            ts_tokenizer_encode(tok, scratch, text, n, special, &again) != st)
            abort();
        if (st != TS_OK)
            continue;
        if (ids.n != again.n || (ids.n && memcmp(ids.v, again.v, ids.n * sizeof *ids.v)))
            abort();
        const int64_t most = ts_tokenizer_vocab_size(tok);
        for (size_t i = 0; i < ids.n && !special; i++) /* a template may name any id */
            if (ids.v[i] < 0 || ids.v[i] >= most)
                abort();
        fuzz_decode(tok, &ids);
    }
    ts_ids_deinit(&ids);
    ts_ids_deinit(&again);
    fuzz_rest(tok, scratch, text, n);
}

static inline void fuzz_ids(const ts_tokenizer *tok)
{
    const int64_t n = ts_tokenizer_vocab_size(tok);
    ts_ids ids = { 0 };
    for (int64_t i = 0; i < n && i < 300; i++) {
        (void)ts_tokenizer_id_token(tok, (int32_t)i);
        (void)ts_tokenizer_is_special(tok, (int32_t)i);
        if (ts_ids_add(&ids, (int32_t)i) != TS_OK)
            abort();
    }
    fuzz_decode(tok, &ids);
    if (ts_ids_add(&ids, (int32_t)n) != TS_OK) /* is none */
        abort();
    fuzz_decode(tok, &ids);
    ts_ids_deinit(&ids);
}

/* The target's own text may be NULL. */
static inline void fuzz_use(const ts_tokenizer *tok, const char *own, size_t n_own)
{
    static const char text[] = "Hello  w\xC3\xB6rld, it's 1234 <s> "
                               "\xE6\x97\xA5\xE6\x9C\xAC \xE2\x96\x81x "
                               "<|tok|>\n\n e\xCC\x81 aaaaaaaaaaaaaaaa"
                               "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb [MASK] "
                               "\xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD.";
    ts_tokenizer_scratch *scratch = NULL;
    if (ts_tokenizer_scratch_create(tok, &scratch) != TS_OK)
        abort();
    fuzz_encode(tok, scratch, text, sizeof text - 1);
    if (own)
        fuzz_encode(tok, scratch, own, n_own);
    fuzz_ids(tok);
    ts_tokenizer_scratch_destroy(&scratch);
}
#endif
