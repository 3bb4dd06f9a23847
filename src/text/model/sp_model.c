/* SentencePiece's encoders over normalised text, with its rules for unknown pieces and byte
 * fallback. */
#include "text/model/model.h"
#include "text/unicode.h"

#include <string.h>

enum { FROZEN = 1 << 30 }; /* a user-defined symbol in BPE: it merges with nothing */

/* The unknown token or its bytes; a run of unknown pieces is one token. */
static ts_status unknown(const ts_token_model *m, const char *s, size_t n, ts_ids *out)
{
    if (!m->byte_fallback)
        return out->n && out->v[out->n - 1] == m->unk ? TS_OK : ts_ids_add(out, m->unk);
    for (size_t i = 0; i < n; i++)
        TS_TRY(ts_ids_add(out, m->byte_token[(unsigned char)s[i]]));
    return TS_OK;
}

static ts_status unigram(const ts_token_model *m, ts_token_model_work *w, const char *s, size_t n,
                         ts_ids *out)
{
    size_t cuts, from = 0;
    TS_TRY(ts_unigram_path(m, w, s, n, &cuts));
    while (cuts > 0) {
        const size_t end = w->cut[--cuts];
        const int32_t id = w->node[end].id;
        TS_TRY(id == m->unk ? unknown(m, s + from, end - from, out) : ts_ids_add(out, id));
        from = end;
    }
    return TS_OK;
}

/* What a piece of characters is in itself: reserved pieces are never found in text. */
static int32_t piece_id(const ts_token_model *m, const char *s, size_t n)
{
    const int32_t id = ts_vocab_find(&m->vocab, s, n);
    return id >= 0 ? id : m->unk;
}

/* An unused piece goes back to the two that it was last seen to come from. */
static ts_status put_piece(const ts_token_model *m, ts_token_model_work *w, int32_t id, ts_ids *out,
                           int depth)
{
    if (depth < 200 && (size_t)id < m->vocab.n_ids && m->type[id] == TS_SP_UNUSED)
        for (size_t k = w->pairs_n; k-- > 0;)
            if (w->pairs[3 * k] == id) {
                TS_TRY(put_piece(m, w, w->pairs[3 * k + 1], out, depth + 1));
                return put_piece(m, w, w->pairs[3 * k + 2], out, depth + 1);
            }
    return ts_ids_add(out, id);
}

/* Merges one step at a time where unused pieces need their history; such models are small and
 * rare. */
static ts_status merge_with_history(const ts_token_model *m, ts_token_model_work *w)
{
    ts_bpe_symbol *s = w->bpe.sym;
    w->pairs_n = 0;
    for (;;) {
        uint32_t best = UINT32_MAX;
        size_t at = 0;
        int32_t id = -1;
        for (size_t i = 0; i + 1 < w->bpe.n; i++) {
            const ts_bpe_made p = ts_bpe_find(&m->bpe, s[i].id, s[i + 1].id);
            if (p.id < 0)
                continue;
            if ((size_t)p.id < m->vocab.n_ids && m->type[p.id] == TS_SP_UNUSED) {
                TS_TRY(ts_grow(&w->pairs, &w->pairs_cap, 3 * (w->pairs_n + 1), sizeof *w->pairs));
                w->pairs[3 * w->pairs_n] = p.id;
                w->pairs[3 * w->pairs_n + 1] = s[i].id;
                w->pairs[3 * w->pairs_n++ + 2] = s[i + 1].id;
            }
            if (p.rank < best) {
                best = p.rank;
                at = i;
                id = p.id;
            }
        }
        if (id < 0)
            return TS_OK;
        s[at].id = id;
        memmove(s + at + 1, s + at + 2, (w->bpe.n - at - 2) * sizeof *s);
        w->bpe.n--;
    }
}

/* First symbols: user-defined ones whole, else characters. A character that is in no piece is
 * unknown; its place in the text is kept as a negative id. */
static ts_status first_symbols(const ts_token_model *m, ts_token_model_work *w, const char *s,
                               size_t n)
{
    w->bpe.n = 0;
    for (size_t i = 0, len; i < n; i += len) {
        len = ts_utf8_width((unsigned char)s[i]);
        int32_t id = ts_trie_prefix(&m->user, 0, s + i, n - i, &len);
        if (id >= 0)
            id |= FROZEN;
        else
            id = ts_trie_prefix(&m->trie, 0, s + i, len, &len);
        TS_TRY(ts_bpe_push(&w->bpe, id >= 0 ? id : -1 - (int32_t)i));
    }
    return TS_OK;
}

static ts_status bpe(const ts_token_model *m, ts_token_model_work *w, const char *s, size_t n,
                     ts_ids *out)
{
    const int32_t n_ids = (int32_t)m->vocab.n_ids;
    TS_TRY(first_symbols(m, w, s, n));
    TS_TRY(m->has_unused ? merge_with_history(m, w) : ts_bpe_merge(&m->bpe, &w->bpe));
    for (size_t i = 0; i < w->bpe.n; i++) {
        const int32_t id = w->bpe.sym[i].id;
        if (id >= 0 && (id & ~FROZEN) < n_ids) {
            const int32_t real = id & ~FROZEN;
            TS_TRY(m->has_unused ? put_piece(m, w, real, out, 0) : ts_ids_add(out, real));
            continue;
        }
        /* Unknown: a character that merged with nothing, known by its place or by a number of
         * its own. */
        size_t len;
        const char *c = id < 0 ? s + (-1 - id) : ts_vocab_text(&m->extra, id - n_ids, &len);
        if (id < 0)
            len = ts_utf8_width((unsigned char)*c);
        TS_TRY(unknown(m, c, len, out));
    }
    return TS_OK;
}

/* Pieces cut before every U+2581. */
static ts_status words(const ts_token_model *m, const char *s, size_t n, ts_ids *out)
{
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && (n - end < 3 || memcmp(s + end, "\xE2\x96\x81", 3)); end++)
            continue;
        const int32_t id = piece_id(m, s + i, end - i);
        TS_TRY(id == m->unk ? unknown(m, s + i, end - i, out) : ts_ids_add(out, id));
    }
    return TS_OK;
}

static ts_status chars(const ts_token_model *m, const char *s, size_t n, ts_ids *out)
{
    for (size_t i = 0, len; i < n; i += len) {
        len = ts_utf8_width((unsigned char)s[i]);
        int32_t id = ts_trie_prefix(&m->user, 0, s + i, n - i, &len);
        if (id < 0)
            id = piece_id(m, s + i, len);
        TS_TRY(id == m->unk ? unknown(m, s + i, len, out) : ts_ids_add(out, id));
    }
    return TS_OK;
}

ts_status ts_sp_encode(const ts_token_model *m, ts_token_model_work *w, const char *s, size_t n,
                       ts_ids *out)
{
    if (n > INT32_MAX / 2)
        return ts_error(TS_ERR_USER, "a text of %zu bytes is too long to encode at once", n);
    switch (m->kind) {
    case TS_MODEL_SP_BPE:
        return bpe(m, w, s, n, out);
    case TS_MODEL_SP_WORD:
        return words(m, s, n, out);
    case TS_MODEL_SP_CHAR:
        return chars(m, s, n, out);
    default:
        return unigram(m, w, s, n, out);
    }
}
