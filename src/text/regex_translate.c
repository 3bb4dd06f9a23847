/* Oniguruma's Ruby syntax in PCRE2's words. What differs: \s \w \h, (?m), and character classes,
 * which may be nested and intersected (&&). A class with such parts becomes an expression for
 * one character: union is alternation, intersection a look-ahead, negation a negative
 * look-ahead. */
#include "text/regex.h"

#include <string.h>

#define SPACE                                                                                      \
    "\\x09-\\x0d\\x20\\x85\\xa0\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}"   \
    "\\x{3000}"
#define WORD "\\p{L}\\p{M}\\p{N}\\p{Pc}\\x{24b6}-\\x{24e9}"
#define HEX "0-9a-fA-F"

enum { MAX_DEPTH = 30 };

/* What Unicode 16.0 assigns and 14.0, PCRE2's, does not: named beside a general category. A
 * newer PCRE2 finds the same twice. */
static const struct newer {
    uint32_t lo, hi;
    const char *category;
} newer[] = {
    { 0x897, 0x897, "Mn" }, { 0xCF3, 0xCF3, "Mc" }, { 0xECE, 0xECE, "Mn" },
    { 0x1B4E, 0x1B4F, "Po" }, { 0x1B7F, 0x1B7F, "Po" }, { 0x1C89, 0x1C89, "Lu" },
    { 0x1C8A, 0x1C8A, "Ll" }, { 0x2427, 0x2429, "So" }, { 0x2FFC, 0x2FFF, "So" },
    { 0x31E4, 0x31E5, "So" }, { 0x31EF, 0x31EF, "So" }, { 0xA7CB, 0xA7CC, "Lu" },
    { 0xA7CD, 0xA7CD, "Ll" }, { 0xA7DA, 0xA7DA, "Lu" }, { 0xA7DB, 0xA7DB, "Ll" },
    { 0xA7DC, 0xA7DC, "Lu" }, { 0x105C0, 0x105F3, "Lo" }, { 0x10D40, 0x10D49, "Nd" },
    { 0x10D4A, 0x10D4D, "Lo" }, { 0x10D4E, 0x10D4E, "Lm" }, { 0x10D4F, 0x10D4F, "Lo" },
    { 0x10D50, 0x10D65, "Lu" }, { 0x10D69, 0x10D6D, "Mn" }, { 0x10D6E, 0x10D6E, "Pd" },
    { 0x10D6F, 0x10D6F, "Lm" }, { 0x10D70, 0x10D85, "Ll" }, { 0x10D8E, 0x10D8F, "Sm" },
    { 0x10EC2, 0x10EC4, "Lo" }, { 0x10EFC, 0x10EFF, "Mn" }, { 0x1123F, 0x11240, "Lo" },
    { 0x11241, 0x11241, "Mn" }, { 0x11380, 0x11389, "Lo" }, { 0x1138B, 0x1138B, "Lo" },
    { 0x1138E, 0x1138E, "Lo" }, { 0x11390, 0x113B5, "Lo" }, { 0x113B7, 0x113B7, "Lo" },
    { 0x113B8, 0x113BA, "Mc" }, { 0x113BB, 0x113C0, "Mn" }, { 0x113C2, 0x113C2, "Mc" },
    { 0x113C5, 0x113C5, "Mc" }, { 0x113C7, 0x113CA, "Mc" }, { 0x113CC, 0x113CD, "Mc" },
    { 0x113CE, 0x113CE, "Mn" }, { 0x113CF, 0x113CF, "Mc" }, { 0x113D0, 0x113D0, "Mn" },
    { 0x113D1, 0x113D1, "Lo" }, { 0x113D2, 0x113D2, "Mn" }, { 0x113D3, 0x113D3, "Lo" },
    { 0x113D4, 0x113D5, "Po" }, { 0x113D7, 0x113D8, "Po" }, { 0x113E1, 0x113E2, "Mn" },
    { 0x116D0, 0x116E3, "Nd" }, { 0x11B00, 0x11B09, "Po" }, { 0x11BC0, 0x11BE0, "Lo" },
    { 0x11BE1, 0x11BE1, "Po" }, { 0x11BF0, 0x11BF9, "Nd" }, { 0x11F00, 0x11F01, "Mn" },
    { 0x11F02, 0x11F02, "Lo" }, { 0x11F03, 0x11F03, "Mc" }, { 0x11F04, 0x11F10, "Lo" },
    { 0x11F12, 0x11F33, "Lo" }, { 0x11F34, 0x11F35, "Mc" }, { 0x11F36, 0x11F3A, "Mn" },
    { 0x11F3E, 0x11F3F, "Mc" }, { 0x11F40, 0x11F40, "Mn" }, { 0x11F41, 0x11F41, "Mc" },
    { 0x11F42, 0x11F42, "Mn" }, { 0x11F43, 0x11F4F, "Po" }, { 0x11F50, 0x11F59, "Nd" },
    { 0x11F5A, 0x11F5A, "Mn" }, { 0x1342F, 0x1342F, "Lo" }, { 0x13439, 0x1343F, "Cf" },
    { 0x13440, 0x13440, "Mn" }, { 0x13441, 0x13446, "Lo" }, { 0x13447, 0x13455, "Mn" },
    { 0x13460, 0x143FA, "Lo" }, { 0x16100, 0x1611D, "Lo" }, { 0x1611E, 0x16129, "Mn" },
    { 0x1612A, 0x1612C, "Mc" }, { 0x1612D, 0x1612F, "Mn" }, { 0x16130, 0x16139, "Nd" },
    { 0x16D40, 0x16D42, "Lm" }, { 0x16D43, 0x16D6A, "Lo" }, { 0x16D6B, 0x16D6C, "Lm" },
    { 0x16D6D, 0x16D6F, "Po" }, { 0x16D70, 0x16D79, "Nd" }, { 0x18CFF, 0x18CFF, "Lo" },
    { 0x1B132, 0x1B132, "Lo" }, { 0x1B155, 0x1B155, "Lo" }, { 0x1CC00, 0x1CCEF, "So" },
    { 0x1CCF0, 0x1CCF9, "Nd" }, { 0x1CD00, 0x1CEB3, "So" }, { 0x1D2C0, 0x1D2D3, "No" },
    { 0x1DF25, 0x1DF2A, "Ll" }, { 0x1E030, 0x1E06D, "Lm" }, { 0x1E08F, 0x1E08F, "Mn" },
    { 0x1E4D0, 0x1E4EA, "Lo" }, { 0x1E4EB, 0x1E4EB, "Lm" }, { 0x1E4EC, 0x1E4EF, "Mn" },
    { 0x1E4F0, 0x1E4F9, "Nd" }, { 0x1E5D0, 0x1E5ED, "Lo" }, { 0x1E5EE, 0x1E5EF, "Mn" },
    { 0x1E5F0, 0x1E5F0, "Lo" }, { 0x1E5F1, 0x1E5FA, "Nd" }, { 0x1E5FF, 0x1E5FF, "Po" },
    { 0x1F6DC, 0x1F6DC, "So" }, { 0x1F774, 0x1F776, "So" }, { 0x1F77B, 0x1F77F, "So" },
    { 0x1F7D9, 0x1F7D9, "So" }, { 0x1F8B2, 0x1F8BB, "So" }, { 0x1F8C0, 0x1F8C1, "So" },
    { 0x1FA75, 0x1FA77, "So" }, { 0x1FA87, 0x1FA89, "So" }, { 0x1FA8F, 0x1FA8F, "So" },
    { 0x1FAAD, 0x1FAAF, "So" }, { 0x1FABB, 0x1FABF, "So" }, { 0x1FAC6, 0x1FAC6, "So" },
    { 0x1FACE, 0x1FACF, "So" }, { 0x1FADA, 0x1FADC, "So" }, { 0x1FADF, 0x1FADF, "So" },
    { 0x1FAE8, 0x1FAE9, "So" }, { 0x1FAF7, 0x1FAF8, "So" }, { 0x1FBCB, 0x1FBEF, "So" },
    { 0x2B739, 0x2B739, "Lo" }, { 0x2EBF0, 0x2EE5D, "Lo" }, { 0x31350, 0x323AF, "Lo" },
};

/* The characters of \p{name}, as members of a class. */
static ts_status category_members(const char *name, size_t n, ts_str *out)
{
    TS_TRY(ts_str_printf(out, "\\p{%.*s}", (int)n, name));
    for (size_t i = 0; n > 0 && n <= 2 && i < sizeof newer / sizeof *newer; i++)
        if (!strncmp(newer[i].category, name, n))
            TS_TRY(ts_str_printf(out, "\\x{%x}-\\x{%x}", newer[i].lo, newer[i].hi));
    return TS_OK;
}

/* \p{..} or \pL at p, which is behind the backslash: its name, and where it ends. NULL: it is
 * not one. */
static const char *category_name(const char *p, size_t *n)
{
    *n = 0;
    if (p[0] != 'p' && p[0] != 'P') /* or the end, behind which nothing is */
        return NULL;
    const char *close = p[1] == '{' ? strchr(p, '}') : NULL;
    if (close) {
        *n = (size_t)(close - p) - 2;
        return p + 2;
    }
    *n = p[1] >= 'A' && p[1] <= 'Z';
    return *n ? p + 1 : NULL;
}

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
    size_t n;
    const char *name = category_name(p, &n);
    if (name) {
        *at = name + n + (name == p + 2);
        if (*p == 'p')
            return category_members(name, n, flat);
        TS_TRY(ts_str_puts(parts, "|[^"));
        TS_TRY(category_members(name, n, parts));
        return ts_str_puts(parts, "]");
    }
    TS_TRY(ts_str_add(flat, p - 1, 2));
    if (*p == 'x' && p[1] == '{') {
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
    static const struct { char c; const char *text;
    } map[] = {
        { 's', "[" SPACE "]" }, { 'S', "[^" SPACE "]" }, { 'w', "[" WORD "]" },
        { 'W', "[^" WORD "]" }, { 'h', "[" HEX "]" },    { 'H', "[^" HEX "]" },
    };
    size_t n;
    const char c = (*at)[1], *name = category_name(*at + 1, &n);
    if (name) {
        *at = name + n + (name == *at + 3);
        TS_TRY(ts_str_puts(out, c == 'p' ? "[" : "[^"));
        TS_TRY(category_members(name, n, out));
        return ts_str_puts(out, "]");
    }
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
