#include "base/str.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ts_str_deinit(ts_str *b)
{
    ts_free(&b->s);
    b->len = b->cap = 0;
}

void ts_str_reset(ts_str *b)
{
    b->len = 0;
    if (b->s)
        b->s[0] = 0;
}

ts_status ts_str_add(ts_str *b, const char *s, size_t n)
{
    TS_TRY(ts_grow(&b->s, &b->cap, b->len + n + 1, 1));
    if (n)
        memcpy(b->s + b->len, s, n);
    b->len += n;
    b->s[b->len] = 0;
    return TS_OK;
}

ts_status ts_str_puts(ts_str *b, const char *s) { return ts_str_add(b, s, strlen(s)); }

ts_status ts_str_printf(ts_str *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    const int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    const ts_status st = ts_grow(&b->s, &b->cap, b->len + (size_t)n + 1, 1);
    if (st == TS_OK) {
        vsnprintf(b->s + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
    return st;
}

ts_status ts_str_json(ts_str *b, const char *s, size_t n)
{
    TS_TRY(ts_str_add(b, "\"", 1));
    size_t from = 0;
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)s[i];
        const int len = c < 0x80 ? 1 : ts_utf8_len(s + i, n - i);
        if (len && c >= 0x20 && c != '"' && c != '\\') {
            i += (size_t)len - 1;
            continue;
        }
        TS_TRY(ts_str_add(b, s + from, i - from));
        from = i + 1;
        if (!len)
            TS_TRY(ts_str_puts(b, "\xEF\xBF\xBD"));
        else if (c == '"' || c == '\\')
            TS_TRY(ts_str_printf(b, "\\%c", c));
        else if (c == '\n')
            TS_TRY(ts_str_puts(b, "\\n"));
        else if (c == '\t')
            TS_TRY(ts_str_puts(b, "\\t"));
        else if (c == '\r')
            TS_TRY(ts_str_puts(b, "\\r"));
        else
            TS_TRY(ts_str_printf(b, "\\u%04x", c));
    }
    TS_TRY(ts_str_add(b, s + from, n - from));
    return ts_str_add(b, "\"", 1);
}

/* NULL: stands for itself. */
static const char *xml_of(char c)
{
    switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\'': return "&#39;";
    default: return (unsigned char)c >= ' ' || c == '\n' || c == '\t' ? NULL : "\xEF\xBF\xBD";
    }
}

ts_status ts_str_xml(ts_str *b, const char *s)
{
    for (size_t n = strlen(s); n;) {
        const int len = ts_utf8_len(s, n);
        const char *other = len == 0 ? "\xEF\xBF\xBD" : len == 1 ? xml_of(*s) : NULL;
        TS_TRY(other ? ts_str_puts(b, other) : ts_str_add(b, s, (size_t)len));
        s += len ? len : 1;
        n -= len ? (size_t)len : 1;
    }
    return TS_OK;
}

ts_status ts_str_json_real(ts_str *b, double v, int digits)
{
    return isfinite(v) ? ts_str_printf(b, "%.*g", digits, v) : ts_str_puts(b, "null");
}

ts_status ts_str_real(ts_str *b, double v)
{
    char text[32];
    int digits = 15;
    do
        snprintf(text, sizeof text, "%.*g", digits, v);
    while (strtod(text, NULL) != v && digits++ < 17);
    return ts_str_puts(b, text);
}

static bool is_tail(unsigned char c) { return (c & 0xC0) == 0x80; }

int ts_utf8_len(const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s;
    if (n == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xC2 && p[0] <= 0xDF)
        return n >= 2 && is_tail(p[1]) ? 2 : 0;
    if (p[0] >= 0xE0 && p[0] <= 0xEF) {
        if (n < 3 || !is_tail(p[1]) || !is_tail(p[2]))
            return 0;
        if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F))
            return 0;
        return 3;
    }
    if (p[0] >= 0xF0 && p[0] <= 0xF4) {
        if (n < 4 || !is_tail(p[1]) || !is_tail(p[2]) || !is_tail(p[3]))
            return 0;
        if ((p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F))
            return 0;
        return 4;
    }
    return 0;
}

size_t ts_utf8_check(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n) {
        uint64_t eight = ~(uint64_t)0;
        if (n - i >= sizeof eight)
            memcpy(&eight, s + i, sizeof eight);
        if (!(eight & 0x8080808080808080u)) { /* all ASCII */
            i += sizeof eight;
            continue;
        }
        const int len = ts_utf8_len(s + i, n - i);
        if (!len)
            return i;
        i += (size_t)len;
    }
    return n;
}

uint32_t ts_utf8_decode(const char *s, int len)
{
    const unsigned char *p = (const unsigned char *)s;
    switch (len) {
    case 1: return p[0];
    case 2: return (uint32_t)(p[0] & 0x1F) << 6 | (p[1] & 0x3F);
    case 3: return (uint32_t)(p[0] & 0x0F) << 12 | (uint32_t)(p[1] & 0x3F) << 6 | (p[2] & 0x3F);
    default:
        return (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3F) << 12 |
               (uint32_t)(p[2] & 0x3F) << 6 | (p[3] & 0x3F);
    }
}

int ts_utf8_encode(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

static uint64_t mix(uint64_t h)
{
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    return h ^ (h >> 29);
}

/* The last word overlaps the one before it, and in a short text its own parts: the length is part
 * of the hash, so no two texts are taken for one. */
uint64_t ts_hash_bytes(const char *s, size_t n)
{
    uint64_t h = 0x9e3779b97f4a7c15u ^ n, w = 0;
    if (n >= 8) {
        for (size_t i = 0; i + 8 < n; i += 8) {
            memcpy(&w, s + i, 8);
            h = mix(h ^ w) * 0x9fb21c651e98df25u;
        }
        memcpy(&w, s + n - 8, 8);
    } else if (n >= 4) {
        uint32_t low, high;
        memcpy(&low, s, 4);
        memcpy(&high, s + n - 4, 4);
        w = (uint64_t)high << 32 | low;
    } else if (n) {
        w = (uint64_t)(unsigned char)s[n - 1] << 16 | (uint64_t)(unsigned char)s[n / 2] << 8 |
            (unsigned char)s[0];
    }
    return mix(mix(h ^ w) * 0x9fb21c651e98df25u);
}

enum { NAME_MAX_LEN = 96 };

int ts_edit_distance(const char *a, const char *b)
{
    int d[3][NAME_MAX_LEN + 1];
    const int n = (int)strnlen(a, NAME_MAX_LEN), m = (int)strnlen(b, NAME_MAX_LEN);
    for (int j = 0; j <= m; j++)
        d[0][j] = j;
    for (int i = 1; i <= n; i++) {
        int *row = d[i % 3];
        const int *up = d[(i + 2) % 3], *up2 = d[(i + 1) % 3];
        row[0] = i;
        for (int j = 1; j <= m; j++) {
            int v = up[j - 1] + (a[i - 1] != b[j - 1]);
            if (up[j] + 1 < v)
                v = up[j] + 1;
            if (row[j - 1] + 1 < v)
                v = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                up2[j - 2] + 1 < v)
                v = up2[j - 2] + 1;
            row[j] = v;
        }
    }
    return d[n % 3][m];
}

const char *ts_human_bytes(double bytes, char *buf)
{
    static const char *const unit[] = { "B", "kB", "MB", "GB", "TB", "PB" };
    int i = 0;
    while (bytes >= 1000 && i < 5)
        bytes /= 1000, i++;
    snprintf(buf, 32, i ? "%.1f %s" : "%.0f %s", bytes, unit[i]);
    return buf;
}
