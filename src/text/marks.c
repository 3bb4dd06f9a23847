#include "text/marks.h"

#include "text/unicode.h"

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
    m->over = m->from = 0;
    m->end = n;
    return TS_OK;
}

/* Tokens from number `index` on stand behind `begin` and end behind `end`. */
static void put(ts_marks *m, size_t begin, size_t end, size_t index)
{
    for (; m->from < m->end && m->pos[m->from] <= begin; m->from++)
        m->v[m->from].from = index;
    for (; m->over < m->end && m->pos[m->over] < end; m->over++)
        m->v[m->over].over = index;
}

void ts_marks_finish(ts_marks *m, size_t n_ids)
{
    ts_marks_leave(m, 0, n_ids);
    m->over = m->from = 0;
}

/* Marks at the stretch's ends belong to it where a token there may be empty: one of blanks that it loses. */
size_t ts_marks_enter(ts_marks *m, const char *s, size_t begin, size_t end, bool trims, size_t n_ids)
{
    const bool loses = trims && begin < end, first = loses && s[begin] == ' ', last = loses && s[end - 1] == ' ';
    const size_t outer = m->end;
    put(m, begin, begin + !first, n_ids);
    for (m->end = m->over; m->end < outer && m->pos[m->end] < end + last; m->end++)
        m->pos[m->end] -= begin;
    return outer;
}

void ts_marks_leave(ts_marks *m, size_t outer, size_t n_ids)
{
    put(m, SIZE_MAX, SIZE_MAX, n_ids);
    m->end = outer;
}

void ts_marks_token(ts_marks *m, size_t begin, size_t end, size_t index) { put(m, begin, end, index); }

/* ---- places in a text that changes ---- */

/* Where the end of a text's beginning lies in what became of the text; part: what became of the beginning alone. What
 * the rest changed in it is one character with the rest. */
static size_t behind(const char *part, size_t n_part, const char *text, size_t n)
{
    size_t i = 0;
    while (i < n_part && i < n && part[i] == text[i])
        i++;
    if (i == n_part || i == n)
        return i;
    while (i > 0 && ((unsigned char)text[i] & 0xC0) == 0x80)
        i--;
    return i + ts_utf8_width((unsigned char)text[i]);
}

ts_status ts_marks_normalized(ts_marks *m, const ts_normalizer *nm, const char *s, const char *text, size_t n)
{
    for (size_t i = m->over; text != s && i < m->end; i++) {
        const char *part;
        size_t len;
        bool moved;
        TS_TRY(ts_normalize(nm, s, m->pos[i], m->buf, &part, &len, &moved));
        m->pos[i] = behind(part, len, text, n);
    }
    return TS_OK;
}

ts_status ts_marks_rewritten(ts_marks *m, const ts_pretoken *p, const ts_unicode *u, ts_pre_work *w, const char *s,
                             bool first)
{
    for (size_t i = m->over; i < m->end; i++) {
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
    for (size_t i = m->over; i < m->end; i++) {
        ts_str_reset(&m->buf[0]);
        TS_TRY(way(ctx, s, m->pos[i], &m->buf[0]));
        m->pos[i] = behind(ts_str_text(&m->buf[0]), m->buf[0].len, text, n);
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

static bool is_byte(const ts_token_model *m, char c, int32_t id) { return id == m->byte_token[(unsigned char)c]; }

/* Bytes of the token ids[0], or of the run of tokens that stand for the same text, *n_run of them: Unigram's bytes of
 * what it does not know. */
static size_t token_bytes(const ts_token_model *m, const char *s, size_t n, const int32_t *ids, size_t n_ids,
                          bool is_first, size_t *n_run)
{
    size_t len = 0;
    *n_run = 1;
    while (len < n && len < n_ids && is_byte(m, s[len], ids[len]) && (len == 0 || m->kind == TS_MODEL_UNIGRAM))
        *n_run = ++len;
    if (len)
        return len;
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
    size_t at = 0, n_run;
    for (size_t i = first; i < ids->n && ts_marks_wait(m); i += n_run) {
        size_t begin = at,
               end = at + token_bytes(model, s + at, n - at, ids->v + i, ids->n - i, i == first, &n_run);
        at = end;
        while (trims && begin < end && s[begin] == ' ')
            begin++;
        while (trims && end > begin && s[end - 1] == ' ')
            end--;
        for (size_t k = 0; k < n_run; k++)
            ts_marks_token(m, off + begin, off + end, i + k);
    }
}
