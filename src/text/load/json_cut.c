#include "text/load/json_cut.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
        p++;
    return p;
}

/* Past a string whose quote stands at p; NULL: it does not end. */
static const char *skip_string(const char *p, const char *end)
{
    for (p++; p < end; p++) {
        if (*p == '"')
            return p + 1;
        if (*p == '\\')
            p++;
    }
    return NULL;
}

/* Past a value; brackets are only counted. */
static const char *skip_value(const char *p, const char *end)
{
    size_t depth = 0;
    while (p && p < end) {
        const char c = *p;
        if (c == '"') {
            p = skip_string(p, end);
            if (depth == 0)
                return p;
            continue;
        }
        if (c == '{' || c == '[')
            depth++;
        else if ((c == '}' || c == ']') && depth > 0 && --depth == 0)
            return p + 1;
        else if (depth == 0 && (c == ',' || c == '}' || c == ']'))
            return p;
        p++;
    }
    return NULL;
}

/* A member of an object. */
typedef struct member {
    const char *name, *value; /* the name as it is written */
    size_t n;
} member;

/* Steps over the member at p, of which *m tells where it stands; with skip = false only to its
 * value. NULL: there is none. */
static const char *next_member(const char *p, const char *end, bool skip, member *m)
{
    if (p == end || *p != '"')
        return NULL;
    const char *close = skip_string(p, end);
    m->name = p + 1;
    m->n = close ? (size_t)(close - 1 - m->name) : 0;
    p = close ? skip_space(close, end) : end;
    if (p == end || *p != ':')
        return NULL;
    m->value = skip_space(p + 1, end);
    return skip ? skip_value(m->value, end) : m->value;
}

/* From the end of a member to the next. */
static const char *to_next(const char *p, const char *end)
{
    p = skip_space(p, end);
    return p < end && *p == ',' ? skip_space(p + 1, end) : p;
}

static const char *into_object(const char *p, const char *end)
{
    p = skip_space(p, end);
    return p < end && *p == '{' ? skip_space(p + 1, end) : end;
}

static bool is_name(const member *m, const char *key)
{
    return m->n == strlen(key) && memcmp(m->name, key, m->n) == 0;
}

/* The first "vocab" and "merges" of the object at p. */
static void find_parts(ts_json_cut *c, const char *p, const char *end)
{
    member m;
    for (p = into_object(p, end); !c->vocab || !c->merges; p = to_next(p, end)) {
        p = next_member(p, end, true, &m);
        if (!p)
            break;
        if (!c->vocab && is_name(&m, "vocab")) {
            c->vocab = m.value;
            c->vocab_end = p;
        } else if (!c->merges && is_name(&m, "merges")) {
            c->merges = m.value;
            c->merges_end = p;
        }
    }
}

/* The text is gone through once, as far as these parts reach. */
ts_status ts_json_cut_init(ts_json_cut *c, const char *text, size_t n)
{
    const char *end = text + n, *p = into_object(text, end);
    member m;
    *c = (ts_json_cut){ 0 };
    while (next_member(p, end, false, &m) && !is_name(&m, "model")) {
        p = skip_value(m.value, end);
        if (!p)
            break;
        p = to_next(p, end);
    }
    if (p && p < end && next_member(p, end, false, &m) && is_name(&m, "model"))
        find_parts(c, m.value, end);
    const char *cut[2][2] = { { c->vocab, c->vocab_end }, { c->merges, c->merges_end } };
    const int swap = c->vocab && c->merges && c->merges < c->vocab;
    for (int i = 0; i < 2; i++) {
        const char *from = cut[i ^ swap][0];
        if (!from)
            continue;
        TS_TRY(ts_str_add(&c->rest, text, (size_t)(from - text)));
        TS_TRY(ts_str_puts(&c->rest, "null"));
        text = cut[i ^ swap][1];
    }
    return ts_str_add(&c->rest, text, (size_t)(end - text));
}

void ts_json_reader_deinit(ts_json_reader *r)
{
    ts_str_deinit(&r->buf[0]);
    ts_str_deinit(&r->buf[1]);
}

static ts_status bad(const ts_json_reader *r, const char *expected)
{
    const int n = (int)(r->end - r->p < 20 ? r->end - r->p : 20);
    return ts_error(TS_ERR_USER, "%s: in %s: expected %s, found '%.*s'", r->file, r->what, expected,
                    n, r->p);
}

bool ts_json_reader_take(ts_json_reader *r, char c)
{
    r->p = skip_space(r->p, r->end);
    if (r->p == r->end || *r->p != c)
        return false;
    r->p++;
    return true;
}

ts_status ts_json_reader_expect(ts_json_reader *r, char c)
{
    const char text[2] = { c, 0 };
    return ts_json_reader_take(r, c) ? TS_OK : bad(r, text);
}

static int hex4(const char *p, const char *end)
{
    int v = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        const char c = p[i];
        const int d = c >= '0' && c <= '9'                 ? c - '0'
                      : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                           : -1;
        if (d < 0)
            return -1;
        v = v * 16 + d;
    }
    return v;
}

/* One escape at r->p, which is behind the backslash. */
static ts_status unescape(ts_json_reader *r, ts_str *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c[4];
    const char *at = r->p < r->end && *r->p ? strchr(from, *r->p) : NULL;
    if (at) {
        r->p++;
        return ts_str_add(out, &to[at - from], 1);
    }
    int v = r->p < r->end && *r->p == 'u' ? hex4(r->p + 1, r->end) : -1;
    if (v < 0)
        return bad(r, "an escape");
    r->p += 5;
    if (v >= 0xD800 && v < 0xDC00) {
        const int low =
            r->end - r->p >= 6 && r->p[0] == '\\' && r->p[1] == 'u' ? hex4(r->p + 2, r->end) : -1;
        if (low < 0xDC00 || low > 0xDFFF)
            return bad(r, "the second half of a surrogate pair");
        v = 0x10000 + ((v - 0xD800) << 10) + (low - 0xDC00);
        r->p += 6;
    } else if (v >= 0xDC00 && v < 0xE000) {
        return bad(r, "the first half of a surrogate pair");
    }
    const size_t n = (size_t)ts_utf8_encode((uint32_t)v, c);
    return ts_str_add(out, c, n);
}

ts_status ts_json_reader_text(ts_json_reader *r, const char **s, size_t *n)
{
    if (!ts_json_reader_take(r, '"'))
        return bad(r, "a string");
    const char *from = r->p;
    while (r->p < r->end && *r->p != '"' && *r->p != '\\' && (unsigned char)*r->p >= 0x20)
        r->p++;
    ts_str *buf = NULL;
    if (r->p < r->end && *r->p == '\\') {
        buf = &r->buf[r->which];
        r->which = !r->which;
        ts_str_reset(buf);
    }
    while (buf && r->p < r->end && *r->p != '"' && (unsigned char)*r->p >= 0x20) {
        TS_TRY(ts_str_add(buf, from, (size_t)(r->p - from)));
        if (*r->p == '\\') {
            r->p++;
            TS_TRY(unescape(r, buf));
        }
        from = r->p;
        while (r->p < r->end && *r->p != '"' && *r->p != '\\' && (unsigned char)*r->p >= 0x20)
            r->p++;
    }
    if (buf)
        TS_TRY(ts_str_add(buf, from, (size_t)(r->p - from)));
    if (r->p == r->end || *r->p != '"')
        return bad(r, "the end of a string");
    *s = buf ? buf->s : from;
    *n = buf ? buf->len : (size_t)(r->p - from);
    r->p++;
    return ts_utf8_check(*s, *n) == *n ? TS_OK : bad(r, "UTF-8");
}

/* Digits into a significand of 64 bits, as far as they fit; *skipped counts those that do not. */
static const char *digits(const char *p, const char *end, uint64_t *v, int64_t *taken,
                          int64_t *skipped)
{
    for (; p < end && *p >= '0' && *p <= '9'; p++) {
        const uint64_t d = (uint64_t)(*p - '0');
        if (*skipped == 0 && *v <= (UINT64_MAX - d) / 10) {
            *v = *v * 10 + d;
            ++*taken;
        } else {
            ++*skipped;
        }
    }
    return p;
}

/* The library that reads these files rounds twice: the digits to a double, then once more when
 * dividing by a power of ten. Scores of pieces tie or do not tie by the last bit, so it is done
 * the same way. */
static double scaled(uint64_t significand, int64_t exponent)
{
    double f = (double)significand;
    while (exponent < -308 && f != 0) {
        f /= 1e308;
        exponent += 308;
    }
    if (f == 0 || exponent == 0)
        return f;
    char text[16];
    snprintf(text, sizeof text, "1e%d",
             (int)(exponent < 0     ? -exponent
                   : exponent < 400 ? exponent
                                    : 400));
    const double power = strtod(text, NULL);
    return exponent < 0 ? f / power : f * power;
}

ts_status ts_json_reader_number(ts_json_reader *r, double *v)
{
    const char *p = skip_space(r->p, r->end);
    uint64_t m = 0;
    int64_t whole = 0, part = 0, skipped = 0, exponent = 0, e_taken = 0, e_skipped = 0;
    const bool negative = p < r->end && *p == '-';
    p = digits(p + negative, r->end, &m, &whole, &skipped);
    if (whole == 0)
        return bad(r, "a number");
    exponent = skipped;
    if (p < r->end && *p == '.') {
        const char *point = p + 1;
        p = digits(point, r->end, &m, &part, &skipped);
        if (p == point)
            return bad(r, "a number");
        exponent -= part;
    }
    if (p < r->end && (*p | 32) == 'e') {
        uint64_t e = 0;
        p++;
        const bool down = p < r->end && *p == '-';
        p += p < r->end && (*p == '-' || *p == '+');
        p = digits(p, r->end, &e, &e_taken, &e_skipped);
        if (e_taken == 0)
            return bad(r, "a number");
        e = e > 100000 || e_skipped ? 100000 : e;
        exponent += down ? -(int64_t)e : (int64_t)e;
    }
    *v = scaled(m, exponent < -200000 ? -200000 : exponent);
    if (isinf(*v))
        return bad(r, "a number that is not too large");
    if (negative)
        *v = -*v;
    r->p = p;
    return TS_OK;
}
