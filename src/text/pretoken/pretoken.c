#include "text/pretoken/pretoken.h"

#include <string.h>

static ts_status push(ts_pieces *out, size_t off, size_t len, bool first)
{
    if (len == 0)
        return TS_OK;
    if (out->n == out->cap)
        TS_TRY(ts_grow(&out->v, &out->cap, out->n + 1, sizeof *out->v));
    out->v[out->n++] = (ts_piece){ .off = off, .len = len, .first = first };
    return TS_OK;
}

/* What a step makes of the stretches it is given in order: [off, off + len), match or gap. */
typedef struct splitter {
    const ts_pre_step *step;
    ts_pieces *out;
    size_t begin; /* of the piece under work */
    bool first;
    size_t off, len; /* what was made last and may still grow, with `any` */
    bool any;
    bool before; /* whether the stretch before was a match */
} splitter;

static ts_status finish(splitter *sp)
{
    const bool any = sp->any;
    sp->any = false;
    return any ? push(sp->out, sp->off, sp->len, sp->first && sp->off == sp->begin) : TS_OK;
}

/* Matches of no width count: they part what would else be joined. */
static ts_status stretch(splitter *sp, size_t off, size_t len, bool is_match)
{
    const bool match = is_match != sp->step->invert;
    bool join = false;
    switch (sp->step->behavior) {
    case TS_SPLIT_REMOVED:
        if (match)
            return TS_OK;
        break;
    case TS_SPLIT_ISOLATED:
        break;
    case TS_SPLIT_CONTIGUOUS:
        join = match == sp->before;
        break;
    case TS_SPLIT_PREVIOUS:
        join = match && !sp->before;
        break;
    case TS_SPLIT_NEXT: /* a gap takes the match before it */
        join = !match && sp->before;
        break;
    }
    sp->before = match;
    if (join && sp->any) {
        sp->len += len;
        return TS_OK;
    }
    TS_TRY(finish(sp));
    sp->any = true;
    sp->off = off;
    sp->len = len;
    return TS_OK;
}

static ts_status split_chars(splitter *sp, const char *s, size_t n, size_t off)
{
    size_t gap = 0, len;
    for (size_t i = 0; i < n; i += len) {
        const unsigned char b = (unsigned char)s[i];
        len = 1;
        if (!(b < 0x80 ? sp->step->ascii[b]
                       : sp->step->is_match(ts_utf8_next((const unsigned char *)s + i, &len))))
            continue;
        if (i > gap)
            TS_TRY(stretch(sp, off + gap, i - gap, false));
        TS_TRY(stretch(sp, off + i, len, true));
        gap = i + len;
    }
    return gap < n ? stretch(sp, off + gap, n - gap, false) : TS_OK;
}

static ts_status split_text(splitter *sp, const char *s, size_t n, size_t off)
{
    size_t gap = 0;
    const size_t len = sp->step->text_len;
    while (gap < n) {
        const char *hit = memmem(s + gap, n - gap, sp->step->text, len);
        if (!hit)
            break;
        const size_t i = (size_t)(hit - s);
        if (i > gap)
            TS_TRY(stretch(sp, off + gap, i - gap, false));
        TS_TRY(stretch(sp, off + i, len, true));
        gap = i + len;
    }
    return gap < n ? stretch(sp, off + gap, n - gap, false) : TS_OK;
}

static ts_status split_regex(splitter *sp, const char *s, size_t n, size_t off)
{
    ts_regex_walk walk = { 0 };
    size_t gap = 0, start, end;
    bool found;
    for (;;) {
        TS_TRY(ts_regex_next(sp->step->regex, &walk, s, n, &found, &start, &end));
        if (!found)
            break;
        if (start > gap)
            TS_TRY(stretch(sp, off + gap, start - gap, false));
        TS_TRY(stretch(sp, off + start, end - start, true));
        gap = end;
    }
    return gap < n ? stretch(sp, off + gap, n - gap, false) : TS_OK;
}

/* \w+|[^\w\s]+ */
static ts_status split_words(splitter *sp, const char *s, size_t n, size_t off)
{
    size_t from = 0, len;
    int before = -1; /* 0: blank, 1: word, 2: sign */
    for (size_t i = 0; i <= n; i += len) {
        int now = -1;
        len = 1;
        if (i < n) {
            const uint32_t c = ts_utf8_next((const unsigned char *)s + i, &len);
            now = ts_char_is_word(c) ? 1 : ts_char_is_space(c) ? 0 : 2;
        }
        if (now != before && i > from) {
            TS_TRY(stretch(sp, off + from, i - from, before != 0));
            from = i;
        }
        before = now;
    }
    return TS_OK;
}

static ts_status split_scan(splitter *sp, const ts_unicode *u, const char *s, size_t n, size_t off)
{
    const unsigned char *p = (const unsigned char *)s, *end = p + n;
    while (p < end) {
        const size_t len = sp->step->scan(u, p, end);
        TS_TRY(push(sp->out, off, len, sp->first && off == sp->begin));
        p += len;
        off += len;
    }
    return TS_OK;
}

static ts_status split_fixed(splitter *sp, const char *s, size_t n, size_t off)
{
    size_t from = 0, i = 0;
    for (int64_t k = 0; i < n;) {
        i += ts_utf8_width((unsigned char)s[i]);
        if (++k == sp->step->fixed || i >= n) {
            TS_TRY(push(sp->out, off + from, i - from, sp->first && from == 0));
            from = i;
            k = 0;
        }
    }
    return TS_OK;
}

static ts_status split_piece(const ts_pre_step *st, const ts_unicode *u, const char *text,
                             ts_piece piece, ts_pieces *out)
{
    splitter sp = { .step = st, .out = out, .begin = piece.off, .first = piece.first };
    const char *s = text + piece.off;
    if (st->fixed > 0)
        return split_fixed(&sp, s, piece.len, piece.off);
    switch (st->match) {
    case TS_MATCH_SCAN:
        return split_scan(&sp, u, s, piece.len, piece.off);
    case TS_MATCH_REGEX:
        TS_TRY(split_regex(&sp, s, piece.len, piece.off));
        break;
    case TS_MATCH_TEXT:
        TS_TRY(split_text(&sp, s, piece.len, piece.off));
        break;
    case TS_MATCH_CHAR:
        TS_TRY(split_chars(&sp, s, piece.len, piece.off));
        break;
    case TS_MATCH_WORD:
        TS_TRY(split_words(&sp, s, piece.len, piece.off));
        break;
    default:
        return push(out, piece.off, piece.len, piece.first);
    }
    return finish(&sp);
}

/* Metaspace: blanks become the replacement, which also comes in front. */
static ts_status rewrite_meta(const ts_pre_step *st, const char *s, ts_piece p, bool goes_on,
                              ts_str *out)
{
    const bool has = p.len >= st->text_len && !memcmp(s, st->text, st->text_len);
    const bool wanted =
        st->prepend == TS_PREPEND_ALWAYS || (st->prepend == TS_PREPEND_FIRST && p.first);
    if (wanted && !has && s[0] != ' ' && !goes_on)
        TS_TRY(ts_str_add(out, st->text, st->text_len));
    for (size_t i = 0, end; i < p.len; i = end) {
        const char *blank = memchr(s + i, ' ', p.len - i);
        end = blank ? (size_t)(blank - s) : p.len;
        TS_TRY(ts_str_add(out, s + i, end - i));
        if (blank) {
            TS_TRY(ts_str_add(out, st->text, st->text_len));
            end++;
        }
    }
    return TS_OK;
}

/* Pieces of `in` rewritten into `text`. */
static ts_status rewrite(const ts_pre_step *st, bool bytes, bool goes_on, const char *from,
                         const ts_pieces *in, ts_str *text, ts_pieces *out)
{
    ts_str_reset(text);
    out->n = 0;
    for (size_t i = 0; i < in->n; i++) {
        const ts_piece p = in->v[i];
        const size_t off = text->len;
        const char *s = from + p.off;
        if (bytes) {
            for (size_t k = 0; k < p.len; k++) {
                char c[4];
                const size_t n = (size_t)ts_utf8_encode(ts_byte_to_char((unsigned char)s[k]), c);
                TS_TRY(ts_str_add(text, c, n));
            }
        } else if (st->is_metaspace) {
            TS_TRY(rewrite_meta(st, s, p, goes_on && p.first, text));
        } else {
            TS_TRY(ts_str_add(text, " ", s[0] == ' ' || (goes_on && p.first) ? 0 : 1));
            TS_TRY(ts_str_add(text, s, p.len));
        }
        TS_TRY(push(out, off, text->len - off, p.first));
    }
    return TS_OK;
}

ts_status ts_pretokenize(const ts_pretoken *p, const ts_unicode *u, ts_pre_work *w, const char *s,
                         size_t n, bool first, bool goes_on, const char **text,
                         const ts_pieces **out)
{
    int now = 0, buf = 0; /* which of the two is current, which buffer is free */
    w->pieces[0].n = 0;
    TS_TRY(push(&w->pieces[0], 0, n, first));
    for (size_t i = 0; i < p->n; i++) {
        const ts_pre_step *st = &p->step[i];
        if (st->is_metaspace || st->add_space) {
            TS_TRY(rewrite(st, false, goes_on, s, &w->pieces[now], &w->text[buf],
                           &w->pieces[!now]));
            s = ts_str_text(&w->text[buf]);
            buf = !buf;
            now = !now;
        }
        if (st->match != TS_MATCH_NONE || st->fixed > 0) {
            w->pieces[!now].n = 0;
            for (size_t k = 0; k < w->pieces[now].n; k++)
                TS_TRY(split_piece(st, u, s, w->pieces[now].v[k], &w->pieces[!now]));
            now = !now;
        }
        if (st->map_bytes) {
            TS_TRY(rewrite(st, true, false, s, &w->pieces[now], &w->text[buf],
                           &w->pieces[!now]));
            s = ts_str_text(&w->text[buf]);
            buf = !buf;
            now = !now;
        }
    }
    *text = s;
    *out = &w->pieces[now];
    return TS_OK;
}

void ts_pre_work_deinit(ts_pre_work *w)
{
    for (int i = 0; i < 2; i++) {
        ts_free(&w->pieces[i].v);
        ts_str_deinit(&w->text[i]);
    }
}

void ts_pretoken_deinit(ts_pretoken *p)
{
    for (size_t i = 0; i < p->n; i++) {
        ts_regex_destroy(&p->step[i].regex);
        ts_free(&p->step[i].text);
    }
    ts_free(&p->step);
    p->n = p->cap = 0;
}
