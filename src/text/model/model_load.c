#include "text/model/model.h"

#include <string.h>

static const char meta[] = "\xE2\x96\x81";

static bool begins_meta(const char *s, size_t n) { return n >= 3 && !memcmp(s, meta, 3); }

/* Notes that a merge joins over a U+2581 that follows a character ending in this byte. */
static void note_join(ts_token_model *m, const char *a, size_t a_len, int32_t left, const char *b,
                      size_t b_len)
{
    if (a_len == 0 || !begins_meta(b, b_len))
        return;
    const bool is_byte = a_len == 6 && !memcmp(a, "<0x", 3);
    if (is_byte || left == m->unk) /* stands for text that ends in anything */
        m->never_cut = true;
    m->joins[(unsigned char)a[a_len - 1]] = true;
}

/* The id of a merge's result. Merges mostly stand in the order of what they make, which saves the
 * look-up. */
static int32_t find_made(const ts_token_model *m, const char *s, size_t n)
{
    const int32_t last = m->bpe.n ? m->bpe.list[m->bpe.n - 1].id : -1;
    for (int32_t id = last + 1; id >= last && id >= 0; id--)
        if (ts_vocab_is(&m->vocab, id, s, n))
            return id;
    return ts_vocab_find(&m->vocab, s, n);
}

ts_status ts_token_model_add_merge(ts_token_model *m, const char *a, size_t a_len, const char *b,
                                   size_t b_len, uint32_t rank, const char *file)
{
    const int32_t left = ts_vocab_find(&m->vocab, a, a_len),
                  right = ts_vocab_find(&m->vocab, b, b_len);
    const size_t skip = m->prefix_len < b_len ? m->prefix_len : b_len;
    char local[256];
    ts_str long_text = { 0 };
    const char *text = local;
    const size_t n = a_len + b_len - skip;
    if (n <= sizeof local) {
        memcpy(local, a, a_len);
        memcpy(local + a_len, b + skip, b_len - skip);
    } else {
        TS_TRY(ts_str_add(&long_text, a, a_len));
        const ts_status st = ts_str_add(&long_text, b + skip, b_len - skip);
        if (st != TS_OK) {
            ts_str_deinit(&long_text);
            return st;
        }
        text = long_text.s;
    }
    const int32_t id = find_made(m, text, n);
    ts_str_deinit(&long_text);
    if (left < 0 || right < 0 || id < 0)
        return ts_error(
            TS_ERR_USER, "%s: merge %u ('%.*s' '%.*s'): its %s is not in the vocabulary", file,
            rank + 1, (int)(a_len < 40 ? a_len : 40), a, (int)(b_len < 40 ? b_len : 40), b,
            left < 0    ? "first part"
            : right < 0 ? "second part"
                        : "result");
    note_join(m, a, a_len, left, b, b_len);
    return ts_bpe_add(&m->bpe, left, right, rank, id);
}

ts_status
ts_token_model_add_splits(ts_token_model *m, int32_t id, const char *s, size_t n, uint32_t rank,
                          int32_t (*find)(const ts_token_model *m, const char *s, size_t n))
{
    for (size_t i = 1; i < n; i++) {
        const int32_t left = find(m, s, i);
        const int32_t right = left < 0 ? -1 : find(m, s + i, n - i);
        if (right < 0)
            continue;
        note_join(m, s, i, left, s + i, n - i);
        TS_TRY(ts_bpe_add(&m->bpe, left, right, rank, id));
    }
    return TS_OK;
}
