/* Escapes outside of brackets: places, classes and references. */
#include "text/regex/regex_parser.h"

#include <string.h>

static ts_status put_back_reference(ts_rx *x, const char *begin, size_t n, ts_str *out)
{
    if (x->options & TS_RX_FOLD)
        return ts_rx_refuse(x, begin, "a back reference where case does not count");
    if (x->n_named && x->dialect == TS_DIALECT_ONIGURUMA)
        return ts_rx_refuse(x, begin, "a back reference by number beside groups with names");
    x->highest_ref = n > x->highest_ref ? n : x->highest_ref;
    return ts_str_printf(out, "\\g{%zu}", n);
}

ts_status ts_rx_named_reference(ts_rx *x, const char *begin, char close, ts_str *out)
{
    const char *name = x->p, *end = memchr(name, close, (size_t)(x->end - name));
    if (!end || end == name)
        return ts_rx_refuse(x, begin, "a reference without a name");
    const size_t n = (size_t)(end - name);
    x->p = end + 1;
    if (x->options & TS_RX_FOLD)
        return ts_rx_refuse(x, begin, "a back reference where case does not count");
    uint32_t number;
    const char *p = name + (*name == '-');
    if (ts_rx_digits(&p, end, &number) && p == end && number > 0) {
        if (*name == '-' && number > x->n_groups)
            return ts_rx_refuse(x, begin, "a back reference to no group");
        return put_back_reference(
            x, begin, *name == '-' ? x->n_groups + 1 - number : number, out);
    }
    bool any = false;
    TS_TRY(ts_str_puts(out, "(?:"));
    for (size_t i = x->n_groups; i-- > 0;) {
        const ts_rx_group *g = &x->group[i];
        if (g->name_len != n || memcmp(x->names.s + g->name, name, n) != 0)
            continue;
        TS_TRY(ts_str_printf(out, "%s\\g{%zu}", any ? "|" : "", i + 1));
        any = true;
    }
    return any ? ts_str_puts(out, ")")
               : ts_rx_refuse(x, begin, "a back reference to a name that no group before it has");
}

/* \b and \B by the dialect's words. */
static ts_status put_boundary(ts_rx *x, bool negated, ts_str *out)
{
    ts_charset word = { 0 };
    ts_str w = { 0 };
    ts_status st = ts_rx_add_type(x, TS_RX_WORD, false, &word);
    if (st == TS_OK)
        st = ts_rx_put_set(x, &word, &w);
    const char *s = ts_str_text(&w);
    if (st == TS_OK)
        st = negated ? ts_str_printf(out, "(?:(?<=%s)(?=%s)|(?<!%s)(?!%s))", s, s, s, s)
                     : ts_str_printf(out, "(?:(?<=%s)(?!%s)|(?<!%s)(?=%s))", s, s, s, s);
    ts_charset_deinit(&word);
    ts_str_deinit(&w);
    return st;
}

/* Escapes for a place. */
static ts_status anchor_escape(ts_rx *x, const char *begin, ts_str *out, bool *found)
{
    const bool rust = x->dialect == TS_DIALECT_RUST;
    *found = true;
    switch (*x->p++) {
    case 'A':
        return ts_str_puts(out, "\\A");
    case 'z':
        return ts_str_puts(out, "\\z");
    case 'Z':
        return ts_str_puts(out, "\\Z");
    case 'G':
        return ts_str_puts(out, "\\G");
    case 'b':
        if (rust && ts_rx_at(x, "{"))
            return ts_rx_refuse(x, begin, "\\b{..}");
        return put_boundary(x, false, out);
    case 'B':
        if (rust && ts_rx_at(x, "{"))
            return ts_rx_refuse(x, begin, "\\B{..}");
        return put_boundary(x, true, out);
    case 'K':
        if (x->in_look)
            return ts_rx_refuse(x, begin, "\\K in a look-around");
        return ts_str_puts(out, "\\K");
    default:
        x->p--;
        *found = false;
        return TS_OK;
    }
}

/* Escapes for one of several characters. */
static ts_status set_escape(ts_rx *x, const char *begin, ts_str *out, bool *found)
{
    static const char letters[] = "wWdDsShH";
    const char k = *x->p, *letter = k ? strchr(letters, k) : NULL;
    ts_charset s = { 0 };
    ts_status st = TS_OK;
    *found = letter || ts_rx_at_property(x) || (k && strchr("RNO", k));
    if (!*found)
        return TS_OK;
    x->p++;
    if (k == 'R')
        return ts_str_puts(out, "(?:\\x{d}\\x{a}|(?!\\x{d}\\x{a})"
                                "[\\x{a}-\\x{d}\\x{85}\\x{2028}-\\x{2029}])");
    if (k == 'N' || k == 'O')
        return ts_str_puts(out, k == 'N' ? "[^\\x{a}]" : "(?s:.)");
    if (letter)
        st = ts_rx_add_type(x, (ts_rx_type)((letter - letters) / 2), (letter - letters) & 1, &s);
    else
        st = ts_rx_add_property(x, begin, k == 'P', &s);
    if (st == TS_OK)
        st = ts_rx_put_set(x, &s, out);
    ts_charset_deinit(&s);
    return st;
}

/* What is neither a place nor a set: refused, a reference, or a character, which is *c. */
static ts_status other_escape(ts_rx *x, const char *begin, ts_str *out, bool *is_char, uint32_t *c)
{
    const bool rust = x->dialect == TS_DIALECT_RUST;
    *is_char = false;
    if (ts_rx_take(x, "k<"))
        return ts_rx_named_reference(x, begin, '>', out);
    if (ts_rx_take(x, "k'"))
        return ts_rx_named_reference(x, begin, '\'', out);
    if (*x->p == 'X' || *x->p == 'y' || *x->p == 'Y')
        return ts_rx_refuse(x, begin, "a text segment (\\X, \\y, \\Y)");
    if (ts_rx_at(x, "g<") || ts_rx_at(x, "g'"))
        return ts_rx_refuse(x, begin, "a call of a group (\\g)");
    if (*x->p >= '1' && *x->p <= '9') {
        const char *p = x->p;
        uint32_t n;
        ts_rx_digits(&p, x->end, &n);
        if (rust || n <= 9 || n <= x->n_groups) {
            x->p = p;
            return put_back_reference(x, begin, n, out);
        }
    }
    const bool octal = *x->p >= '1' && *x->p <= '7'; /* what no reference is, as in a class */
    TS_TRY(ts_rx_code(x, octal, is_char, c));
    if (*is_char)
        return TS_OK;
    const bool letter = (*x->p >= '0' && *x->p <= '9') || (*x->p >= 'A' && *x->p <= 'Z') ||
                        (*x->p >= 'a' && *x->p <= 'z') || (unsigned char)*x->p >= 0x80 ||
                        *x->p == '<' || *x->p == '>';
    if (rust && letter)
        return ts_rx_refuse(x, begin, "an escape");
    *is_char = true;
    *c = ts_rx_char(x);
    return TS_OK;
}

ts_status ts_rx_escape(ts_rx *x, const char *begin, ts_str *out, bool *is_place, bool *is_char,
                       uint32_t *c)
{
    bool found;
    TS_TRY(anchor_escape(x, begin, out, &found));
    *is_place = found;
    if (!found)
        TS_TRY(set_escape(x, begin, out, &found));
    return found ? TS_OK : other_escape(x, begin, out, is_char, c);
}
