/* The BPE of tokenizer.json: first symbols with unknown tokens and byte fallback, then merges. */
#include "text/model/model.h"
#include "text/unicode.h"

#include <string.h>

/* An unknown character: held back, because the next may be fused with it. */
static ts_status unknown(const ts_token_model *m, ts_bpe_work *w, int64_t *held)
{
    if (m->unk < 0)
        return m->has_unk_name
                   ? ts_error(TS_ERR_USER, "the tokenizer's unknown token is not in its "
                                           "vocabulary, and the text needs it")
                   : TS_OK; /* nothing stands for it */
    if (*held >= 0 && !m->fuse_unk)
        TS_TRY(ts_bpe_push(w, (int32_t)*held));
    *held = m->unk;
    return TS_OK;
}

static ts_status known(ts_bpe_work *w, int32_t id, int64_t *held)
{
    if (*held >= 0)
        TS_TRY(ts_bpe_push(w, (int32_t)*held));
    *held = -1;
    return ts_bpe_push(w, id);
}

/* The ids of <0xHH> for all bytes of text, or false when one is missing. */
static bool all_bytes(const ts_token_model *m, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (m->byte_token[(unsigned char)s[i]] < 0)
            return false;
    return true;
}

/* A character without an id: bytes as <0xHH> where the file says so, else the unknown token. With
 * the affixes of its place it is `s`. */
static ts_status fall_back(const ts_token_model *m, ts_bpe_work *w, const char *s, size_t n,
                           int64_t *held)
{
    if (!m->byte_fallback || !all_bytes(m, s, n))
        return unknown(m, w, held);
    /* A held unknown stays held behind these: so does the library. */
    for (size_t k = 0; k < n; k++)
        TS_TRY(ts_bpe_push(w, m->byte_token[(unsigned char)s[k]]));
    return TS_OK;
}

/* A character with the prefix and the suffix that its place asks for. */
static ts_status with_affixes(const ts_token_model *m, const char *s, size_t n, bool first,
                              bool last, ts_str *out)
{
    ts_str_reset(out);
    TS_TRY(ts_str_add(out, m->prefix, first ? 0 : m->prefix_len));
    TS_TRY(ts_str_add(out, s, n));
    return ts_str_add(out, m->suffix, last ? m->suffix_len : 0);
}

static ts_status symbols_of_bytes(const ts_token_model *m, ts_token_model_work *w, const char *s,
                                  size_t n)
{
    int64_t held = -1;
    for (size_t i = 0; i < n; i++) {
        const bool last = i + 1 == n;
        const unsigned char b = (unsigned char)s[i];
        const int32_t id = i ? m->byte_rest[last][b] : m->byte_first[last][b];
        if (id >= 0) {
            TS_TRY(known(&w->bpe, id, &held));
            continue;
        }
        if (!m->raw)
            TS_TRY(with_affixes(m, m->spelt[b], m->spelt[b][1] ? 2 : 1, i == 0, last, &w->text));
        TS_TRY(fall_back(m, &w->bpe, ts_str_text(&w->text), w->text.len, &held));
    }
    return held >= 0 ? ts_bpe_push(&w->bpe, (int32_t)held) : TS_OK;
}

static ts_status symbols_of_chars(const ts_token_model *m, ts_token_model_work *w, const char *s,
                                  size_t n)
{
    int64_t held = -1;
    const bool plain = m->prefix_len == 0 && m->suffix_len == 0;
    for (size_t i = 0, len; i < n; i += len) {
        len = ts_utf8_width((unsigned char)s[i]);
        const char *t = s + i;
        size_t t_len = len;
        if (!plain) {
            TS_TRY(with_affixes(m, s + i, len, i == 0, i + len == n, &w->text));
            t = w->text.s;
            t_len = w->text.len;
        }
        const int32_t id = ts_vocab_find(&m->vocab, t, t_len);
        TS_TRY(id >= 0 ? known(&w->bpe, id, &held) : fall_back(m, &w->bpe, t, t_len, &held));
    }
    return held >= 0 ? ts_bpe_push(&w->bpe, (int32_t)held) : TS_OK;
}

/* A piece as the vocabulary spells it: raw bytes in the byte-level alphabet. */
typedef struct spelling {
    const char *s;
    size_t n;
    uint64_t hash;
} spelling;

static ts_status spell(const ts_token_model *m, ts_token_model_work *w, const char *s, size_t n,
                       spelling *out)
{
    *out = (spelling){ s, n, 0 };
    if (m->bytes && !m->raw) {
        TS_TRY(ts_grow(&w->text.s, &w->text.cap, 2 * n + 1, 1));
        char *to = w->text.s;
        for (size_t i = 0; i < n; i++) { /* one byte, or two of which the second is not 0 */
            const char *spelt = m->spelt[(unsigned char)s[i]];
            to[0] = spelt[0];
            to[1] = spelt[1];
            to += 1 + (spelt[1] != 0);
        }
        out->s = w->text.s;
        out->n = (size_t)(to - w->text.s);
    }
    out->hash = ts_hash_bytes(out->s, out->n);
    ts_vocab_fetch(&m->vocab, out->hash);
    return TS_OK;
}

/* The first symbols of a short piece of bytes, without the detour by way of the work space; false:
 * some byte has none. */
static bool short_symbols(const ts_token_model *m, const char *s, size_t n, int32_t *id)
{
    const unsigned char *p = (const unsigned char *)s;
    int32_t any = m->byte_first[n == 1][p[0]];
    id[0] = any;
    for (size_t i = 1; i + 1 < n; i++)
        any |= id[i] = m->byte_rest[0][p[i]];
    if (n > 1)
        any |= id[n - 1] = m->byte_rest[1][p[n - 1]];
    return any >= 0;
}

static ts_status encode_long(const ts_token_model *m, ts_token_model_work *w, const char *s,
                             size_t n, ts_ids *out)
{
    w->bpe.n = 0;
    TS_TRY(m->bytes ? symbols_of_bytes(m, w, s, n) : symbols_of_chars(m, w, s, n));
    TS_TRY(ts_bpe_merge(&m->bpe, &w->bpe));
    TS_TRY(ts_grow(&out->v, &out->cap, out->n + w->bpe.n, sizeof *out->v));
    for (size_t i = 0; i < w->bpe.n; i++)
        out->v[out->n++] = w->bpe.sym[i].id;
    return TS_OK;
}

ts_status ts_bpe_encode(const ts_token_model *m, ts_token_model_work *w, const char *s, size_t n,
                        ts_ids *out)
{
    int32_t id[TS_BPE_SHORT];
    spelling as = { 0 };
    if (m->ignore_merges)
        TS_TRY(spell(m, w, s, n, &as));
    const bool is_short = m->bytes && ts_bpe_merges_short(&m->bpe, n) && short_symbols(m, s, n, id);
    if (m->ignore_merges) {
        const int32_t whole = ts_vocab_find_rare(&m->vocab, as.s, as.n, as.hash);
        if (whole >= 0)
            return ts_ids_add(out, whole);
    }
    if (!is_short)
        return encode_long(m, w, s, n, out);
    const size_t n_ids = ts_bpe_merge_short(&m->bpe, id, n);
    TS_TRY(ts_grow(&out->v, &out->cap, out->n + n_ids, sizeof *out->v));
    memcpy(out->v + out->n, id, n_ids * sizeof *id);
    out->n += n_ids;
    return TS_OK;
}
