#include "base/option.h"
#include "base/option_set.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef ts_option_entry entry;

#define FLAG_VALUES(W) W(FLAG_FALSE, "0,false,False") W(FLAG_TRUE, "1,true,True")
enum { FLAG_VALUES(TS_CHOICE_VALUE) };

static void *field(const entry *e) { return ts_option_field(e); }

ts_status ts_option_own(ts_option_set *s, const char *text, const char **out)
{
    char *copy;
    TS_TRY(ts_strdup(text, &copy));
    TS_TRY(ts_option_keep(s, copy));
    *out = copy;
    return TS_OK;
}

ts_status ts_option_keep(ts_option_set *s, void *p)
{
    const ts_status st = ts_grow(&s->owned, &s->cap_owned, s->n_owned + 1, sizeof *s->owned);
    if (st == TS_OK)
        s->owned[s->n_owned++] = p;
    else
        free(p);
    return st;
}

/* ---- numbers ---- */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* Decimal numbers as Python writes them: single _ may stand between digits. False: something else,
 * or too long. */
static bool plain_number(const char *text, char *out, size_t size)
{
    size_t n = 0;
    for (const char *p = text; *p; p++) {
        if (*p == '_' && p > text && is_digit(p[-1]) && is_digit(p[1]))
            continue;
        if (!strchr("0123456789+-.eE", *p) || n + 1 >= size)
            return false;
        out[n++] = *p;
    }
    out[n] = 0;
    return n > 0;
}

/* A bound as it would be typed. */
static const char *bound(double v, char *buf, size_t size)
{
    snprintf(buf, size, "%g", v);
    if (strtod(buf, NULL) != v || (fabs(v) >= 1e5 && fabs(v) < 1e12))
        snprintf(buf, size, "%.15g", v);
    return buf;
}

static ts_status out_of_range(const ts_option *r, const char *text, bool low)
{
    char lo[32], hi[32];
    bound(r->lo, lo, sizeof lo);
    bound(r->hi, hi, sizeof hi);
    /* An upper bound that only keeps arithmetic safe says nothing to who is below the lower one. */
    if (low && r->hi >= 1e6)
        return ts_error(TS_ERR_USER, "--%s: %s is out of range, expected at least %s", r->name,
                        text, lo);
    return ts_error(TS_ERR_USER, "--%s: %s is out of range, expected %s%s%s%s", r->name, text,
                    r->below ? "at least " : "", lo, r->below ? " and below " : " to ", hi);
}

static ts_status set_number(const entry *e, const char *text)
{
    const ts_option *r = e->row;
    const bool whole = r->type == TS_OPTION_INT;
    char digits[64], *end = digits;
    double v = 0;
    if (plain_number(text, digits, sizeof digits))
        v = strtod(digits, &end);
    if (end == digits || *end || (whole && v != floor(v)))
        return ts_error(TS_ERR_USER, "--%s: \"%s\" is not a %snumber%s", r->name, text,
                        whole ? "whole " : "", whole ? " (such as 4096, 4_096 or 4e6)" : "");
    if ((r->lo != 0 || r->hi != 0) && (v < r->lo || v > r->hi || (r->below && v >= r->hi)))
        return out_of_range(r, text, v < r->lo);
    if (isinf(v) || (whole && fabs(v) > 9e18))
        return ts_error(TS_ERR_USER, "--%s: %s is too large", r->name, text);
    if (!whole) {
        *(double *)field(e) = v;
        return TS_OK;
    }
    const long long n = strtoll(digits, &end, 10);
    *(int64_t *)field(e) = *end ? (int64_t)v : n; /* 1e6 and 4096.0 are whole numbers too */
    return TS_OK;
}

ts_status ts_option_numbers(const char *name, const ts_option_list *words, int64_t **out, int64_t *n)
{
    int64_t *v = NULL;
    size_t cap = 0;
    ts_status st = ts_grow(&v, &cap, 1, sizeof *v);
    *n = 0;
    for (int64_t i = 0; i < words->n; i++)
        for (const char *s = words->v[i]; st == TS_OK && *s;) {
            char *end;
            const bool is_digit = *s >= '0' && *s <= '9';
            st = ts_grow(&v, &cap, (size_t)*n + 1, sizeof *v);
            const long long x = is_digit ? strtoll(s, &end, 10) : -1;
            if (st == TS_OK && (x < 0 || x > 1 << 30 || (*end && (*end != ',' || !end[1]))))
                st = ts_error(TS_ERR_USER, "--%s %s: expected numbers from 0 on, such as 1,3,3,1",
                              name, words->v[i]);
            if (st == TS_OK)
                v[(*n)++] = x, s = end + (*end == ',');
        }
    if (st == TS_OK)
        *out = v;
    else
        ts_free(&v);
    return st;
}

/* ---- choices ---- */

int ts_option_choice(const char *choices, const char *text)
{
    const size_t n = strlen(text);
    int i = 0;
    for (const char *p = choices; *p; p += *p != 0) {
        const size_t len = strcspn(p, "|,");
        if (len == n && !memcmp(p, text, n))
            return i;
        p += len;
        i += *p == '|';
    }
    return -1;
}

bool ts_option_is_one_of(const char *words, const char *text)
{
    if (!words)
        return false;
    if (ts_option_choice(words, text) >= 0)
        return true;
    char *end, *own_end;
    const double v = strtod(text, &end);
    if (end == text || *end)
        return false;
    for (const char *p = words; *p; p += strcspn(p, "|"), p += *p != 0)
        if (strtod(p, &own_end) == v && own_end != p && (*own_end == '|' || !*own_end))
            return true;
    return false;
}

ts_status ts_option_choices(const char *choices, bool other, ts_str *out)
{
    bool first = true, later = false;
    for (const char *p = choices; *p; p += *p != 0) {
        const size_t len = strcspn(p, "|,");
        if (later == other) {
            TS_TRY(ts_str_puts(out, first ? "" : other ? ", " : "|"));
            TS_TRY(ts_str_add(out, p, len));
            first = false;
        }
        p += len;
        later = *p == ',';
    }
    return TS_OK;
}

ts_status ts_option_none_of(const ts_option *r, const char *text)
{
    ts_str first = { 0 }, more = { 0 };
    ts_status st = ts_option_choices(r->choices, false, &first);
    if (st == TS_OK)
        st = ts_option_choices(r->choices, true, &more);
    if (st == TS_OK)
        st = ts_error(TS_ERR_USER, "--%s: \"%s\" is none of %s%s%s%s", r->name, text,
                      ts_str_text(&first), more.len ? " (also spelled " : "", ts_str_text(&more),
                      more.len ? ")" : "");
    ts_str_deinit(&first);
    ts_str_deinit(&more);
    return st;
}

static ts_status set_choice(const entry *e, const char *text)
{
    const int i = ts_option_choice(e->row->choices, text);
    if (i < 0)
        return ts_option_none_of(e->row, text);
    *(int *)field(e) = i;
    return TS_OK;
}

/* ---- all types ---- */

ts_status ts_option_set_list(ts_option_set *s, const entry *e, int n, char *const *words, bool add)
{
    ts_option_list *l = field(e);
    const int64_t old = add ? l->n : 0;
    const char **v;
    TS_TRY(ts_alloc(&v, (size_t)(old + n + 1), sizeof *v));
    TS_TRY(ts_option_keep(s, v));
    for (int64_t i = 0; i < old; i++)
        v[i] = l->v[i];
    for (int i = 0; i < n; i++)
        TS_TRY(ts_option_own(s, words[i], &v[old + i]));
    *l = (ts_option_list){ v, old + n };
    return TS_OK;
}

ts_status ts_option_set_word(ts_option_set *s, const entry *e, const char *text)
{
    switch (e->row->type) {
    case TS_OPTION_FLAG:
    case TS_OPTION_NOFLAG: {
        const int truth = ts_option_choice(TS_CHOICES(FLAG_VALUES), text);
        if (truth < 0)
            return ts_error(TS_ERR_USER, "%s: \"%s\" is neither true nor false", e->row->name,
                            text);
        *(bool *)field(e) =
            truth == (e->row->type == TS_OPTION_FLAG ? FLAG_TRUE : FLAG_FALSE);
        return TS_OK;
    }
    case TS_OPTION_INT:
    case TS_OPTION_REAL: return set_number(e, text);
    case TS_OPTION_TEXT: return ts_option_own(s, text, (const char **)field(e));
    case TS_OPTION_CHOICE: return set_choice(e, text);
    case TS_OPTION_LIST:
    case TS_OPTION_EACH: {
        char *word = (char *)(uintptr_t)text;
        return ts_option_set_list(s, e, 1, &word, ts_option_adds(e));
    }
    case TS_OPTION_NOTE:
    case TS_OPTION_LATER:
    case TS_OPTION_HINT: break;
    }
    return TS_OK;
}
