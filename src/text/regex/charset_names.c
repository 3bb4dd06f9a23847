/* Properties by name. */
#include "text/regex/charset.h"
#include "text/regex/unicode_sets.h"

#include <string.h>
#include <utf8proc.h>

enum { NAME_MAX_LENGTH = 64 };

static const char *read_number(const char *s, uint32_t *out)
{
    uint32_t v = 0;
    for (int shift = 0; shift < 32; shift += 5) {
        const char c = *s++;
        const uint32_t digit = c == '-'   ? 62u
                               : c == '_' ? 63u
                               : c >= 'a' ? (uint32_t)(c - 'a') + 36u
                               : c >= 'A' ? (uint32_t)(c - 'A') + 10u
                                          : (uint32_t)(c - '0');
        v |= (digit & 31) << shift;
        if (digit < 32)
            break;
    }
    *out = v;
    return s;
}

/* Characters of one of the two sets alone, into a. */
static ts_status differ(ts_charset *a, ts_charset *b)
{
    ts_charset both = { 0 };
    ts_status st = ts_charset_unite(&both, a);
    if (st == TS_OK)
        st = ts_charset_intersect(&both, b);
    if (st == TS_OK)
        st = ts_charset_invert(&both);
    if (st == TS_OK)
        st = ts_charset_unite(a, b);
    if (st == TS_OK)
        st = ts_charset_intersect(a, &both);
    ts_charset_deinit(&both);
    return st;
}

static ts_status add_row(ts_charset *s, const struct property *row)
{
    ts_charset own = { 0 }, other = { 0 };
    ts_status st = row->categories ? ts_charset_add_categories(&own, row->categories) : TS_OK;
    uint32_t at = 0, gap, more;
    for (const char *p = row->differs; *p && st == TS_OK;) {
        p = read_number(p, &gap);
        p = read_number(p, &more);
        st = ts_charset_add(&other, at + gap, at + gap + more);
        at += gap + more + 1;
    }
    if (st == TS_OK)
        st = differ(&own, &other);
    if (st == TS_OK)
        st = ts_charset_unite(s, &own);
    ts_charset_deinit(&own);
    ts_charset_deinit(&other);
    return st;
}

static const struct property *row_of(const char *name)
{
    const size_t n = strlen(name);
    for (size_t i = 0; n && i < sizeof properties / sizeof *properties; i++)
        for (const char *s = properties[i].names; (s = strstr(s, name)); s += n)
            if (s[n] == ',' && (s == properties[i].names || s[-1] == ','))
                return &properties[i];
    return NULL;
}

/* What tiktoken's engine calls otherwise: gc=, sc= and is before a name, no blocks. */
static const char *rust_name(char *name)
{
    static const char *const kind[] = { "gc=", "generalcategory=", "sc=", "script=" };
    for (size_t i = 0; i < sizeof kind / sizeof *kind; i++)
        if (!strncmp(name, kind[i], strlen(kind[i])))
            name += strlen(kind[i]);
    if (!strncmp(name, "is", 2))
        name += 2;
    return !strncmp(name, "in", 2) && strcmp(name, "inherited") != 0 &&
                   strncmp(name, "inscr", 5) != 0
               ? ""
               : name;
}

ts_status ts_charset_add_property(ts_charset *s, ts_dialect dialect, const char *name, size_t n,
                                  bool *found)
{
    char plain[NAME_MAX_LENGTH];
    size_t len = 0;
    *found = false;
    for (size_t i = 0; i < n; i++) {
        const char c = name[i];
        if (c == ' ' || c == '-' || c == '_')
            continue;
        if ((unsigned char)c >= 0x80 || c == ',' || len + 1 == sizeof plain)
            return TS_OK;
        plain[len++] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    plain[len] = 0;
    const struct property *row = row_of(dialect == TS_DIALECT_RUST ? rust_name(plain) : plain);
    *found = row != NULL;
    return row ? add_row(s, row) : TS_OK;
}
