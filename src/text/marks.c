#include "text/marks.h"

#include <string.h>

void ts_marks_deinit(ts_marks *m)
{
    ts_free(&m->pos);
    ts_str_deinit(&m->buf[0]);
    ts_str_deinit(&m->buf[1]);
}

ts_status ts_marks_begin(ts_marks *m, ts_text_mark *v, size_t n)
{
    TS_TRY(ts_grow(&m->pos, &m->cap, n + 1, sizeof *m->pos));
    for (size_t i = 0; i < n; i++)
        m->pos[i] = v[i].at;
    m->v = v;
    m->at = 0;
    m->end = n;
    return TS_OK;
}

static void put(ts_marks *m, size_t over, size_t from)
{
    m->v[m->at].over = over;
    m->v[m->at++].from = from;
}

void ts_marks_finish(ts_marks *m, size_t n_ids)
{
    ts_marks_leave(m, 0, n_ids);
    m->at = 0;
}

size_t ts_marks_enter(ts_marks *m, size_t begin, size_t end, size_t n_ids)
{
    const size_t outer = m->end;
    while (m->at < m->end && m->pos[m->at] <= begin)
        put(m, n_ids, n_ids);
    for (m->end = m->at; m->end < outer && m->pos[m->end] < end; m->end++)
        m->pos[m->end] -= begin;
    return outer;
}

void ts_marks_leave(ts_marks *m, size_t outer, size_t n_ids)
{
    while (m->at < m->end)
        put(m, n_ids, n_ids);
    m->end = outer;
}

void ts_marks_token(ts_marks *m, size_t begin, size_t end, size_t index)
{
    while (m->at < m->end && (m->pos[m->at] <= begin || m->pos[m->at] < end))
        put(m, index, index + (m->pos[m->at] > begin));
}

/* ---- places in a text that changes ---- */

/* How far a text and what became of its beginning go together. */
static size_t common(const char *a, size_t n_a, const char *b, size_t n_b)
{
    size_t i = 0;
    while (i < n_a && i < n_b && a[i] == b[i])
        i++;
    return i;
}

ts_status ts_marks_normalized(ts_marks *m, const ts_normalizer *nm, const char *s, const char *text, size_t n)
{
    for (size_t i = m->at; text != s && i < m->end; i++) {
        const char *part;
        size_t len;
        bool moved;
        TS_TRY(ts_normalize(nm, s, m->pos[i], m->buf, &part, &len, &moved));
        m->pos[i] = common(part, len, text, n);
    }
    return TS_OK;
}

ts_status ts_marks_rewritten(ts_marks *m, const ts_pretoken *p, const ts_unicode *u, ts_pre_work *w, const char *s,
                             bool first)
{
    for (size_t i = m->at; i < m->end; i++) {
        const char *part;
        const ts_pieces *pieces;
        TS_TRY(ts_pretokenize(p, u, w, s, m->pos[i], first, false, &part, &pieces));
        if (part != s)
            m->pos[i] = pieces->n ? pieces->v[pieces->n - 1].off + pieces->v[pieces->n - 1].len : 0;
    }
    return TS_OK;
}

ts_status ts_marks_moved(ts_marks *m, ts_marks_way *way, const void *ctx, const char *s, const char *text, size_t n)
{
    for (size_t i = m->at; i < m->end; i++) {
        ts_str_reset(&m->buf[0]);
        TS_TRY(way(ctx, s, m->pos[i], &m->buf[0]));
        m->pos[i] = common(ts_str_text(&m->buf[0]), m->buf[0].len, text, n);
    }
    return TS_OK;
}

/* ---- tokens of a piece ---- */

static size_t chars(const char *s, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)s[i] & 0xC0) != 0x80;
    return count;
}

/* The token's text as it stands in a piece: without the marks of its place in the word. */
static const char *bare_text(const ts_token_model *m, int32_t id, bool is_first, size_t *n)
{
    const char *t = ts_vocab_text(&m->vocab, id, n);
    if (!t)
        *n = 0;
    if (t && !is_first && m->prefix_len && *n > m->prefix_len && !memcmp(t, m->prefix, m->prefix_len)) {
        t += m->prefix_len;
        *n -= m->prefix_len;
    }
    if (t && m->suffix_len && *n > m->suffix_len && !memcmp(t + *n - m->suffix_len, m->suffix, m->suffix_len))
        *n -= m->suffix_len;
    return t;
}

/* Bytes that an unknown token stands for: a character, or all up to the next token's text. */
static size_t unknown_bytes(const ts_token_model *m, const char *s, size_t n, const int32_t *next)
{
    const size_t one = n ? ts_utf8_width((unsigned char)*s) : 0;
    if (m->kind == TS_MODEL_WORDPIECE || m->kind == TS_MODEL_WORDLEVEL || !next)
        return n;
    if (m->kind == TS_MODEL_BPE && !m->fuse_unk)
        return one;
    size_t len;
    const char *t = bare_text(m, *next, false, &len);
    const char *hit = t && one < n ? memmem(s + one, n - one, t, len) : NULL;
    return hit ? (size_t)(hit - s) : one;
}

static size_t token_bytes(const ts_token_model *m, const char *s, size_t n, const int32_t *ids, size_t n_ids,
                          bool is_first)
{
    size_t len;
    if (n && *ids == m->byte_token[(unsigned char)*s])
        return 1;
    if (*ids == m->unk)
        return unknown_bytes(m, s, n, n_ids > 1 ? ids + 1 : NULL);
    const char *t = bare_text(m, *ids, is_first, &len);
    if (t && m->bytes && !m->raw)
        len = chars(t, len);
    return len < n ? len : n;
}

void ts_marks_piece(ts_marks *m, const ts_token_model *model, bool trims, const char *s, size_t n, size_t off,
                    const ts_ids *ids, size_t first)
{
    size_t at = 0;
    for (size_t i = first; i < ids->n && ts_marks_wait(m); i++) {
        const size_t len = token_bytes(model, s + at, n - at, ids->v + i, ids->n - i, i == first);
        size_t begin = at, end = at + len;
        at = end;
        while (trims && begin < end && s[begin] == ' ')
            begin++;
        while (trims && end > begin && s[end - 1] == ' ')
            end--;
        ts_marks_token(m, off + begin, off + end, i);
    }
}
