#include "text/json_cut.h"

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

/* Finds a key in the object at p: the begin of its value, and where it ends. */
static const char *find_key(const char *p, const char *end, const char *key, const char **value_end)
{
    const size_t n = strlen(key);
    p = skip_space(p, end);
    if (p == end || *p != '{')
        return NULL;
    p = skip_space(p + 1, end);
    while (p < end && *p == '"') {
        const char *name = p + 1, *close = skip_string(p, end);
        p = close ? skip_space(close, end) : end;
        if (p == end || *p != ':')
            return NULL;
        const char *value = skip_space(p + 1, end);
        *value_end = skip_value(value, end);
        if (!*value_end)
            return NULL;
        if ((size_t)(close - 1 - name) == n && !memcmp(name, key, n))
            return value;
        p = skip_space(*value_end, end);
        if (p < end && *p == ',')
            p = skip_space(p + 1, end);
    }
    return NULL;
}

ts_status ts_json_cut_init(ts_json_cut *c, const char *text, size_t n)
{
    const char *end = text + n, *model_end = NULL;
    *c = (ts_json_cut){ 0 };
    const char *model = find_key(text, end, "model", &model_end);
    if (model) {
        c->vocab = find_key(model, model_end, "vocab", &c->vocab_end);
        c->merges = find_key(model, model_end, "merges", &c->merges_end);
    }
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
    return ts_error(TS_ERR_USER, "%s: in %s: expected %s, found '%.*s'", r->file, r->what, expected, n, r->p);
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
        const int d = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
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
        const int low = r->end - r->p >= 6 && r->p[0] == '\\' && r->p[1] == 'u' ? hex4(r->p + 2, r->end) : -1;
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

ts_status ts_json_reader_number(ts_json_reader *r, double *v)
{
    char text[40];
    size_t n = 0;
    r->p = skip_space(r->p, r->end);
    while (r->p + n < r->end && n < sizeof text - 1 && r->p[n] && strchr("+-.0123456789eE", r->p[n])) {
        text[n] = r->p[n];
        n++;
    }
    text[n] = 0;
    char *stop = text;
    *v = n ? strtod(text, &stop) : 0;
    if (n == 0 || *stop || text[0] == '+' || text[0] == '.')
        return bad(r, "a number");
    r->p += n;
    return TS_OK;
}
