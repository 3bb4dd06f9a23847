/* Oniguruma's Ruby syntax in PCRE2's words. What differs: \s \w \h, (?m), and character classes, which
 * may be nested and intersected (&&). A class with such parts becomes an expression for one character:
 * union is alternation, intersection a look-ahead, negation a negative look-ahead. */
#include "text/regex.h"

#include <string.h>

#define SPACE "\\x09-\\x0d\\x20\\x85\\xa0\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
#define WORD "\\p{L}\\p{M}\\p{N}\\p{Pc}\\x{24b6}-\\x{24e9}"
#define HEX "0-9a-fA-F"

enum { MAX_DEPTH = 30 };

static ts_status class_of(const char **at, ts_str *out, int depth);

/* One escape inside a class, as members of it; a negated \S, \W, \H goes to `parts` as its own. */
static ts_status class_escape(const char **at, ts_str *flat, ts_str *parts)
{
    const char *p = *at + 1;
    *at += 2;
    switch (*p) {
    case 's':
        return ts_str_puts(flat, SPACE);
    case 'w':
        return ts_str_puts(flat, WORD);
    case 'h':
        return ts_str_puts(flat, HEX);
    case 'S':
        return ts_str_puts(parts, "|[^" SPACE "]");
    case 'W':
        return ts_str_puts(parts, "|[^" WORD "]");
    case 'H':
        return ts_str_puts(parts, "|[^" HEX "]");
    case 0:
        --*at;
        return ts_str_puts(flat, "\\\\");
    default:
        break;
    }
    TS_TRY(ts_str_add(flat, p - 1, 2));
    if ((*p == 'p' || *p == 'P' || *p == 'x') && p[1] == '{') {
        const char *close = strchr(p, '}');
        if (close) {
            TS_TRY(ts_str_add(flat, p + 1, (size_t)(close - p)));
            *at = close + 1;
        }
    }
    return TS_OK;
}

/* One operand of && : [flat] and further parts, as one expression. */
static ts_status close_operand(ts_str *flat, ts_str *parts, ts_str *out)
{
    if (parts->len == 0)
        return flat->len ? ts_str_printf(out, "[%s]", ts_str_text(flat)) : ts_str_puts(out, "(?!)");
    TS_TRY(ts_str_puts(out, "(?:"));
    if (flat->len)
        TS_TRY(ts_str_printf(out, "[%s]%s", ts_str_text(flat), ts_str_text(parts)));
    else
        TS_TRY(ts_str_puts(out, ts_str_text(parts) + 1));
    return ts_str_puts(out, ")");
}

/* The members up to the closing bracket. `simple` is set when everything is in `flat`. */
static ts_status class_body(const char **at, ts_str *flat, ts_str *expr, bool *simple, int depth)
{
    ts_str parts = { 0 }, operands = { 0 };
    ts_status st = TS_OK;
    const char *first = *at;
    bool is_open = true;
    while (**at && is_open && st == TS_OK) {
        const char *p = *at;
        if (*p == ']' && p != first) {
            is_open = false;
            ++*at;
        } else if (p[0] == '[' && p[1] == ':' && strstr(p, ":]")) {
            const char *close = strstr(p, ":]") + 2;
            st = ts_str_add(flat, p, (size_t)(close - p));
            *at = close;
        } else if (*p == '[') {
            TS_TRY_TO(done, st, ts_str_puts(&parts, "|"));
            st = class_of(at, &parts, depth + 1);
        } else if (p[0] == '&' && p[1] == '&') {
            TS_TRY_TO(done, st, ts_str_puts(&operands, "(?="));
            TS_TRY_TO(done, st, close_operand(flat, &parts, &operands));
            st = ts_str_puts(&operands, ")");
            ts_str_reset(flat);
            ts_str_reset(&parts);
            *at += 2;
        } else if (*p == '\\') {
            st = class_escape(at, flat, &parts);
        } else {
            st = ts_str_add(flat, p, 1);
            ++*at;
        }
    }
    *simple = parts.len == 0 && operands.len == 0;
    if (st == TS_OK && !*simple) {
        TS_TRY_TO(done, st, ts_str_printf(expr, "(?:%s", ts_str_text(&operands)));
        TS_TRY_TO(done, st, close_operand(flat, &parts, expr));
        st = ts_str_puts(expr, ")");
    }
done:
    ts_str_deinit(&parts);
    ts_str_deinit(&operands);
    return st;
}

/* A whole class; *at stands at its opening bracket. */
static ts_status class_of(const char **at, ts_str *out, int depth)
{
    ts_str flat = { 0 }, expr = { 0 };
    bool simple = true;
    ts_status st = TS_OK;
    const char *begin = *at;
    if (depth > MAX_DEPTH)
        return ts_error(TS_ERR_USER, "character classes nested more than %d deep", MAX_DEPTH);
    ++*at;
    const bool negated = **at == '^';
    *at += negated;
    TS_TRY_TO(done, st, class_body(at, &flat, &expr, &simple, depth));
    if ((*at)[-1] != ']' || *at - begin < 2) /* not closed: leave the complaint to the compiler */
        st = ts_str_puts(out, begin);
    else if (simple)
        st = ts_str_printf(out, negated ? "[^%s]" : "[%s]", ts_str_text(&flat));
    else
        st = ts_str_printf(out, negated ? "(?:(?!%s)(?s:.))" : "%s", ts_str_text(&expr));
done:
    ts_str_deinit(&flat);
    ts_str_deinit(&expr);
    return st;
}

static ts_status escape(const char **at, ts_str *out)
{
    static const struct { char c; const char *text; } map[] = {
        { 's', "[" SPACE "]" }, { 'S', "[^" SPACE "]" }, { 'w', "[" WORD "]" }, { 'W', "[^" WORD "]" },
        { 'h', "[" HEX "]" },   { 'H', "[^" HEX "]" },
    };
    const char c = (*at)[1];
    *at += c ? 2 : 1;
    for (size_t i = 0; i < sizeof map / sizeof *map; i++)
        if (c == map[i].c)
            return ts_str_puts(out, map[i].text);
    return c ? ts_str_add(out, *at - 2, 2) : ts_str_puts(out, "\\");
}

ts_status ts_regex_translate(const char *pattern, ts_str *out)
{
    for (const char *p = pattern; *p;) {
        if (*p == '\\')
            TS_TRY(escape(&p, out));
        else if (*p == '[')
            TS_TRY(class_of(&p, out, 0));
        else if (p[0] == '(' && p[1] == '?' && p[2] == 'm' && (p[3] == ':' || p[3] == ')')) {
            TS_TRY(ts_str_puts(out, "(?s")); /* Ruby's m is everyone else's s */
            p += 3;
        } else
            TS_TRY(ts_str_add(out, p++, 1));
    }
    return TS_OK;
}
