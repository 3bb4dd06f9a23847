#include "text/json_fields.h"

#include <string.h>

enum { MAX_DEPTH = 32, MAX_KEYS = 16, MAX_DIGITS = 15 };

/* The line under work; false from any of the readers: leave it to the library. */
typedef struct reader {
    const char *p, *end;
    char *to; /* where the next text with escapes goes; the rest of the line would fit */
    bool unique;
} reader;

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

/* Bytes from p on up to a quote, a backslash or the end; false: not fit for a string. */
static bool text_bytes(const char *p, const char *end, size_t *n)
{
    const char *const from = p;
    for (;;) {
        p += plain_bytes(p, end);
        if (p == end || (unsigned char)*p < 0x20)
            return false; /* a string that does not end, or a control character */
        while (p < end && (*p & 0x80)) {
            const int len = ts_utf8_len(p, (size_t)(end - p));
            if (len == 0)
                return false;
            p += len;
        }
        if (p < end && (*p == '"' || *p == '\\'))
            break;
    }
    *n = (size_t)(p - from);
    return true;
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
    if (r->end - r->p < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        const int d = hex_digit(r->p[i]);
        if (d < 0)
            return false;
        c = c << 4 | (uint32_t)d;
    }
    r->p += 4;
    *out = c;
    return true;
}

/* What follows \u, a pair of them for a character past U+FFFF. */
static bool code_point(reader *r)
{
    uint32_t c, low;
    if (!hex4(r, &c) || c == 0 || (c >= 0xDC00 && c < 0xE000))
        return false;
    if (c >= 0xD800 && c < 0xDC00) {
        if (r->end - r->p < 2 || r->p[0] != '\\' || r->p[1] != 'u')
            return false;
        r->p += 2;
        if (!hex4(r, &low) || low < 0xDC00 || low > 0xDFFF)
            return false;
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
    }
    r->to += ts_utf8_encode(c, r->to);
    return true;
}

static bool escape(reader *r)
{
    static const char means[128] = { ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
                                     ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t' };
    if (r->p == r->end)
        return false;
    const unsigned char c = (unsigned char)*r->p++;
    if (c == 'u')
        return code_point(r);
    const char meant = c < sizeof means ? means[c] : 0;
    *r->to = meant;
    r->to += meant != 0;
    return meant != 0;
}

/* A string behind its first quote. A text with escapes in it is written to r->to. */
static bool string(reader *r, ts_json_field *out)
{
    size_t n;
    if (!text_bytes(r->p, r->end, &n))
        return false;
    if (r->p[n] == '"') {
        *out = (ts_json_field){ r->p, n };
        r->p += n + 1;
        return true;
    }
    char *const begin = r->to;
    for (;;) {
        memcpy(r->to, r->p, n);
        r->to += n;
        r->p += n;
        if (*r->p++ == '"')
            break;
        if (!escape(r) || !text_bytes(r->p, r->end, &n))
            return false;
    }
    *out = (ts_json_field){ begin, (size_t)(r->to - begin) };
    return true;
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

static size_t digits(reader *r)
{
    const char *const from = r->p;
    while (r->p < r->end && *r->p >= '0' && *r->p <= '9')
        r->p++;
    return (size_t)(r->p - from);
}

/* A number of few digits: any that could overflow is left to the library. */
static bool number(reader *r)
{
    r->p += *r->p == '-';
    const char *const from = r->p;
    size_t n = digits(r);
    if (n == 0 || n > MAX_DIGITS || (*from == '0' && n > 1))
        return false;
    if (r->p < r->end && *r->p == '.') {
        r->p++;
        n = digits(r);
        if (n == 0)
            return false;
    }
    return r->p == r->end || (*r->p | 0x20) != 'e';
}

static bool word(reader *r, const char *text)
{
    const size_t n = strlen(text);
    if ((size_t)(r->end - r->p) < n || memcmp(r->p, text, n) != 0)
        return false;
    r->p += n;
    return true;
}

static bool value(reader *r, int depth);

/* Steps over an object or a list behind its bracket. */
static bool inside(reader *r, bool is_object, int depth)
{
    const char close = is_object ? '}' : ']';
    char *const to = r->to;
    int n = 0;
    if (depth > MAX_DEPTH)
        return false;
    if (take(r, close))
        return true;
    do {
        ts_json_field key;
        if (is_object && !(take(r, '"') && string(r, &key) && take(r, ':')))
            return false;
        if (is_object && (r->to != to || (r->unique && ++n > 1)))
            return false; /* a key with escapes; keys that would have to be compared */
        if (!value(r, depth + 1))
            return false;
    } while (take(r, ','));
    return take(r, close);
}

/* Steps over a value. */
static bool value(reader *r, int depth)
{
    ts_json_field text;
    char *const to = r->to;
    skip_blank(r);
    if (r->p == r->end)
        return false;
    switch (*r->p) {
    case '"':
        r->p++;
        if (!string(r, &text))
            return false;
        r->to = to;
        return true;
    case '{':
    case '[': r->p++; return inside(r, r->p[-1] == '{', depth);
    case 't': return word(r, "true");
    case 'f': return word(r, "false");
    case 'n': return word(r, "null");
    default:
        return (*r->p == '-' || (*r->p >= '0' && *r->p <= '9')) && r->end - r->p > 1 && number(r);
    }
}

static bool is_key(const ts_json_field *f, const char *key)
{
    return strlen(key) == f->n && memcmp(f->s, key, f->n) == 0;
}

/* The members of the outermost object, behind its brace. */
static bool members(reader *r, const char *const *keys, size_t n_keys, ts_json_field *field)
{
    ts_json_field seen[MAX_KEYS];
    size_t n = 0, wanted = 0;
    do {
        char *const to = r->to;
        if (n == MAX_KEYS || !take(r, '"') || !string(r, &seen[n]) || r->to != to || !take(r, ':'))
            return false;
        for (size_t i = 0; i < n; i++)
            if (seen[i].n == seen[n].n && memcmp(seen[i].s, seen[n].s, seen[n].n) == 0)
                return false;
        size_t k = 0;
        while (k < n_keys && !is_key(&seen[n], keys[k]))
            k++;
        n++;
        if (k < n_keys) {
            wanted++;
            if (!take(r, '"') || !string(r, &field[k]))
                return false;
        } else if (!value(r, 0)) {
            return false;
        }
    } while (take(r, ','));
    return take(r, '}') && wanted == n_keys;
}

ts_status ts_json_fields_read(ts_json_fields *f, const char *s, size_t n, const char *const *keys,
                              size_t n_keys, bool unique, ts_json_field *field, bool *found)
{
    TS_TRY(ts_grow(&f->memory.s, &f->memory.cap, n + 4, 1));
    reader r = { .p = s, .end = s + n, .to = f->memory.s, .unique = unique };
    *found = take(&r, '{') && members(&r, keys, n_keys, field);
    if (*found) {
        skip_blank(&r);
        *found = r.p == r.end;
    }
    return TS_OK;
}

void ts_json_fields_deinit(ts_json_fields *f) { ts_str_deinit(&f->memory); }
