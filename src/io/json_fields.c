#include "io/json_fields.h"

#include "base/json_memory.h"

#include <string.h>

enum { MAX_DEPTH = 2048 };

typedef struct reader {
    const char *p, *end;
    char *to;         /* where the next text with escapes goes; the rest of the line would fit */
    const char *what; /* why a function below returned false, at p */
} reader;

static bool bad(reader *r, const char *what)
{
    r->what = what;
    return false;
}

static const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;

/* The high bit of each byte that is a quote, a backslash, a control character or not ASCII. Bits
 * above a true one may be wrong: only the lowest is to be used. */
static inline uint64_t specials(uint64_t w)
{
    const uint64_t quote = w ^ ones * '"', slash = w ^ ones * '\\';
    return ((quote - ones) | (slash - ones) | (w - ones * 0x20) | w) & highs;
}

static inline size_t plain_bytes(const char *p, const char *end)
{
    const char *const from = p;
    for (; end - p >= 8; p += 8) {
        uint64_t w;
        memcpy(&w, p, sizeof w);
        const uint64_t stop = specials(w);
        if (stop)
            return (size_t)(p - from) + (size_t)(__builtin_ctzll(stop) >> 3);
    }
    while (p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20 && !(*p & 0x80))
        p++;
    return (size_t)(p - from);
}

/* Steps over what stands in a text up to a quote or a backslash. */
static bool text_bytes(reader *r)
{
    for (;;) {
        r->p += plain_bytes(r->p, r->end);
        if (r->p == r->end)
            return bad(r, "the string does not end");
        if ((unsigned char)*r->p < 0x20)
            return bad(r, "a control character in a string (it would be \\n, \\t, \\u00..)");
        while (r->p < r->end && (*r->p & 0x80)) {
            const int len = ts_utf8_len(r->p, (size_t)(r->end - r->p));
            if (len == 0)
                return bad(r, "a byte that is not UTF-8");
            r->p += len;
        }
        if (r->p < r->end && (*r->p == '"' || *r->p == '\\'))
            return true;
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    const char low = (char)(c | 0x20);
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

static bool hex4(reader *r, uint32_t *out)
{
    uint32_t c = 0;
    for (int i = 0; i < 4; i++) {
        const int d = r->end - r->p > i ? hex_digit(r->p[i]) : -1;
        if (d < 0)
            return bad(r, "four hexadecimal digits were expected");
        c = c << 4 | (uint32_t)d;
    }
    r->p += 4;
    *out = c;
    return true;
}

/* What follows \u, a pair of them for a character past U+FFFF. */
static bool code_point(reader *r)
{
    static const char half[] = "half of a surrogate pair, which is no character";
    uint32_t c, low = 0;
    const char *const from = r->p;
    if (!hex4(r, &c))
        return false;
    if (c >= 0xD800 && c < 0xDC00 && r->end - r->p >= 2 && r->p[0] == '\\' && r->p[1] == 'u') {
        r->p += 2;
        if (!hex4(r, &low))
            return false;
    }
    if (c >= 0xD800 && c < 0xE000) {
        if (c >= 0xDC00 || low < 0xDC00 || low > 0xDFFF) {
            r->p = from - 2; /* the backslash */
            return bad(r, half);
        }
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
    }
    r->to += ts_utf8_encode(c, r->to);
    return true;
}

static const char meaning[128] = { ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
                                   ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t' };

/* What a backslash before the character means; 0: something else. */
static char meant(const reader *r)
{
    const unsigned char c = r->p < r->end ? (unsigned char)*r->p : 0;
    return c < sizeof meaning ? meaning[c] : 0;
}

static bool escape(reader *r)
{
    const char c = meant(r);
    if (c) {
        *r->to++ = c;
        r->p++;
        return true;
    }
    if (r->p == r->end || *r->p != 'u')
        return bad(r, "an unknown escape");
    r->p++;
    return code_point(r);
}

/* A string behind its first quote. A text with escapes in it is written to r->to. */
static bool text(reader *r, ts_json_field *out)
{
    const char *from = r->p;
    if (!text_bytes(r))
        return false;
    if (*r->p == '"') {
        *out = (ts_json_field){ from, (size_t)(r->p++ - from), TS_JSON_TEXT };
        return true;
    }
    char *const begin = r->to;
    for (;;) {
        memcpy(r->to, from, (size_t)(r->p - from));
        r->to += r->p - from;
        if (*r->p++ == '"')
            break;
        if (!escape(r))
            return false;
        from = r->p;
        if (!text_bytes(r))
            return false;
    }
    *out = (ts_json_field){ begin, (size_t)(r->to - begin), TS_JSON_TEXT };
    return true;
}

/* The high bit of each quote and backslash; again only the lowest is to be used. */
static inline uint64_t stops(uint64_t w)
{
    const uint64_t quote = w ^ ones * '"', slash = w ^ ones * '\\';
    return (((quote - ones) & ~quote) | ((slash - ones) & ~slash)) & highs;
}

static const char *to_stop(const char *p, const char *end)
{
    for (; end - p >= 8; p += 8) {
        uint64_t w;
        memcpy(&w, p, sizeof w);
        const uint64_t stop = stops(w);
        if (stop)
            return p + (__builtin_ctzll(stop) >> 3);
    }
    while (p < end && *p != '"' && *p != '\\')
        p++;
    return p;
}

/* Steps over a string that nobody wants, from behind its first quote. */
static bool skip_string(reader *r)
{
    for (uint32_t c;;) {
        r->p = to_stop(r->p, r->end);
        if (r->p == r->end)
            return bad(r, "the string does not end");
        if (*r->p++ == '"')
            return true;
        if (meant(r))
            r->p++;
        else if (r->p == r->end || *r->p != 'u')
            return bad(r, "an unknown escape");
        else if (r->p++, !hex4(r, &c))
            return false;
    }
}

static void skip_blank(reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\r' || *r->p == '\n'))
        r->p++;
}

/* Steps over the character, after white space, if it comes next. */
static bool take(reader *r, char c)
{
    skip_blank(r);
    if (r->p == r->end || *r->p != c)
        return false;
    r->p++;
    return true;
}

static bool digits(reader *r)
{
    const char *const from = r->p;
    while (r->p < r->end && *r->p >= '0' && *r->p <= '9')
        r->p++;
    return r->p > from || bad(r, "a digit was expected");
}

static bool word(reader *r, const char *name)
{
    const size_t n = strlen(name);
    if ((size_t)(r->end - r->p) < n || memcmp(r->p, name, n) != 0)
        return bad(r, "a value was expected");
    r->p += n;
    return true;
}

static bool number(reader *r)
{
    r->p += *r->p == '-';
    if (r->p < r->end && *r->p == 'I')
        return word(r, "Infinity");
    const char *const from = r->p;
    if (!digits(r))
        return false;
    if (*from == '0' && r->p - from > 1)
        return bad(r, "a number does not begin with 0 and another digit");
    if (r->p < r->end && *r->p == '.') {
        r->p++;
        if (!digits(r))
            return false;
    }
    if (r->p < r->end && (*r->p | 0x20) == 'e') {
        r->p++;
        r->p += r->p < r->end && (*r->p == '+' || *r->p == '-');
        return digits(r);
    }
    return true;
}

static bool value(reader *r, int depth);

/* Steps over an object or a list behind its bracket. */
static bool inside(reader *r, bool is_object, int depth)
{
    if (depth > MAX_DEPTH)
        return bad(r, "brackets are nested too deeply");
    if (take(r, is_object ? '}' : ']'))
        return true;
    do {
        if (is_object && !take(r, '"'))
            return bad(r, "a name in quotes was expected");
        if (is_object && !skip_string(r))
            return false;
        if (is_object && !take(r, ':'))
            return bad(r, "a colon was expected");
        if (!value(r, depth + 1))
            return false;
    } while (take(r, ','));
    return take(r, is_object ? '}' : ']') ||
           bad(r, is_object ? "a comma or } was expected" : "a comma or ] was expected");
}

/* Steps over a value. */
static bool value(reader *r, int depth)
{
    skip_blank(r);
    if (r->p == r->end)
        return bad(r, "a value was expected");
    switch (*r->p) {
    case '"': r->p++; return skip_string(r);
    case '{':
    case '[': r->p++; return inside(r, r->p[-1] == '{', depth);
    case 't': return word(r, "true");
    case 'f': return word(r, "false");
    case 'n': return word(r, "null");
    case 'N': return word(r, "NaN");
    case 'I': return word(r, "Infinity");
    case '-': return number(r);
    default: return (*r->p >= '0' && *r->p <= '9') ? number(r) : bad(r, "a value was expected");
    }
}

/* Which of the keys the name behind its first quote is; n_keys: none. */
static bool name(reader *r, const char *const *keys, size_t n_keys, size_t *k)
{
    ts_json_field f = { .s = r->p };
    if (!skip_string(r))
        return false;
    f.n = (size_t)(r->p - 1 - f.s);
    if (memchr(f.s, '\\', f.n)) { /* spelt out; what cannot be is none of the keys */
        reader again = { .p = f.s, .end = r->end, .to = r->to };
        if (!text(&again, &f))
            f.n = SIZE_MAX;
    }
    for (*k = 0; *k < n_keys; ++*k)
        if (strlen(keys[*k]) == f.n && memcmp(f.s, keys[*k], f.n) == 0)
            break;
    return true;
}

/* The members of the outermost object, behind its brace. *text_key: the key in whose text reading
 * stopped. */
static bool members(reader *r, const char *const *keys, size_t n_keys, ts_json_field *field,
                    const char **text_key)
{
    if (take(r, '}'))
        return true;
    do {
        size_t k;
        if (!take(r, '"'))
            return bad(r, "a name in quotes was expected");
        if (!name(r, keys, n_keys, &k))
            return false;
        if (!take(r, ':'))
            return bad(r, "a colon was expected");
        skip_blank(r);
        const char *const from = r->p;
        if (k < n_keys && r->p < r->end && *r->p == '"') {
            r->p++;
            *text_key = keys[k];
            if (!text(r, &field[k]))
                return false;
            *text_key = NULL;
            continue;
        }
        if (!value(r, 0))
            return false;
        if (k < n_keys)
            field[k] = (ts_json_field){ from, (size_t)(r->p - from), TS_JSON_OTHER };
    } while (take(r, ','));
    return take(r, '}') || bad(r, "a comma or } was expected");
}

/* The character that p stands at, counted from 1. */
static size_t column(const char *s, const char *p)
{
    size_t n = 1;
    for (; s < p; s++)
        n += (*s & 0xC0) != 0x80;
    return n;
}

ts_status ts_json_fields_read(ts_json_fields *f, const char *s, size_t n, const char *const *keys,
                              size_t n_keys)
{
    reader r = { .p = s, .end = s + n };
    const char *text_key = NULL;
    TS_TRY(ts_grow(&f->memory.s, &f->memory.cap, n + 4, 1));
    TS_TRY(ts_grow(&f->v, &f->cap, n_keys + !n_keys, sizeof *f->v));
    memset(f->v, 0, n_keys * sizeof *f->v);
    r.to = f->memory.s;
    if (!take(&r, '{'))
        return ts_error(TS_ERR_USER, "expected a JSON object, found \"%.*s\"",
                        (int)(r.end - r.p < 20 ? r.end - r.p : 20), r.p);
    bool good = members(&r, keys, n_keys, f->v, &text_key);
    if (good) {
        skip_blank(&r);
        good = r.p == r.end || bad(&r, "nothing was expected behind the object");
    }
    if (good)
        return TS_OK;
    if (text_key)
        return ts_error(TS_ERR_USER, "not valid JSON: \"%s\", column %zu: %s", text_key,
                        column(s, r.p), r.what);
    return ts_error(TS_ERR_USER, "not valid JSON: column %zu: %s", column(s, r.p), r.what);
}

/* ---- what is asked of the fields ---- */

/* Names of the object's members, for a message. */
static ts_status list_names(const char *s, size_t n, ts_str *out)
{
    reader r = { .p = s, .end = s + n };
    TS_TRY(ts_str_puts(out, ""));
    for (bool more = take(&r, '{'); more && take(&r, '"') && out->len < 200; more = take(&r, ',')) {
        const char *const from = r.p;
        if (!skip_string(&r))
            break;
        const size_t len = (size_t)(r.p - 1 - from);
        TS_TRY(ts_str_printf(out, "%s%.*s", out->len ? ", " : "", (int)(len < 60 ? len : 60), from));
        if (!take(&r, ':') || !value(&r, 0))
            break;
    }
    return out->len ? TS_OK : ts_str_puts(out, "nothing");
}

static ts_status no_field(const char *s, size_t n, const char *key, const char *option)
{
    ts_str names = { 0 };
    ts_status st = list_names(s, n, &names);
    if (st == TS_OK)
        st = ts_error(TS_ERR_USER, "the record has no \"%s\"%s%s%s; it has: %s", key,
                      option ? " (" : "", option ? option : "", option ? ")" : "", names.s);
    ts_str_deinit(&names);
    return st;
}

ts_status ts_json_texts_read(ts_json_fields *f, const char *s, size_t n, const char *const *keys,
                             size_t n_keys, const char *option)
{
    TS_TRY(ts_json_fields_read(f, s, n, keys, n_keys));
    for (size_t k = 0; k < n_keys; k++) {
        const ts_json_field *v = &f->v[k];
        if (v->kind == TS_JSON_ABSENT)
            return no_field(s, n, keys[k], option);
        if (v->kind != TS_JSON_TEXT)
            return ts_error(TS_ERR_USER, "\"%s\" is not a string: %.*s", keys[k],
                            (int)(v->n < 40 ? v->n : 40), v->s);
    }
    return TS_OK;
}

static ts_status no_memory(void) { return ts_error(TS_ERR_NOMEM, "no memory for a record"); }

ts_status ts_json_fields_object(ts_json_fields *f, const char *s, size_t n,
                                const char *const *keys, size_t n_keys, json_t **out)
{
    TS_TRY(ts_json_fields_read(f, s, n, keys, n_keys));
    json_t *o = json_object();
    for (size_t k = 0; o && k < n_keys; k++) {
        const ts_json_field *v = &f->v[k];
        json_error_t e;
        bool is_short = true;
        if (v->kind == TS_JSON_ABSENT)
            continue;
        json_t *made = v->kind == TS_JSON_TEXT
                           ? json_stringn(v->s, v->n)
                           : ts_json_read_guarded(v->s, v->n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &e,
                                                  &is_short);
        if (made && json_object_set_new(o, keys[k], made) == 0)
            continue;
        json_decref(o);
        if (made || is_short)
            return no_memory();
        return ts_error(TS_ERR_USER, "\"%s\" cannot be read: %s", keys[k], e.text);
    }
    if (!o)
        return no_memory();
    *out = o;
    return TS_OK;
}

void ts_json_fields_deinit(ts_json_fields *f)
{
    ts_str_deinit(&f->memory);
    ts_free(&f->v);
    f->cap = 0;
}
