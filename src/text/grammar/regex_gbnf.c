/* Regular expressions as rules of a grammar. */
#include "text/grammar/rules.h"

#include <string.h>

typedef struct parser {
    const char *whole, *s;
    bool in_json; /* characters stand in a JSON text: quotes and backslashes are escaped */
    int depth;
    ts_str *out;
} parser;

static ts_status wrong(const parser *p, const char *what)
{
    return ts_error(TS_ERR_USER, "the regular expression %s: %s at character %td", p->whole, what, p->s - p->whole + 1);
}

/* ---- characters ---- */

static ts_status put_escaped(ts_str *out, const char *s, size_t n, bool in_class)
{
    for (size_t i = 0; i < n; i++) {
        const char c = s[i];
        if ((unsigned char)c < 0x20 || c == 0x7F)
            TS_TRY(ts_str_printf(out, "\\x%02X", (unsigned char)c));
        else if (c == '\\' || (in_class ? c == ']' || c == '[' : c == '"'))
            TS_TRY(ts_str_printf(out, "\\%c", c));
        else if (in_class && (c == '^' || c == '-'))
            TS_TRY(ts_str_printf(out, "\\x%02X", (unsigned char)c));
        else
            TS_TRY(ts_str_add(out, &c, 1));
    }
    return TS_OK;
}

ts_status ts_gbnf_text(const char *s, size_t n, ts_str *out)
{
    TS_TRY(ts_str_puts(out, "\""));
    TS_TRY(put_escaped(out, s, n, false));
    return ts_str_puts(out, "\"");
}

static ts_status put_char(const parser *p, const char *s, size_t n)
{
    if (p->in_json && (*s == '"' || *s == '\\'))
        return ts_str_puts(p->out, *s == '"' ? "\"\\\\\\\"\"" : "\"\\\\\\\\\"");
    if (p->in_json && (unsigned char)*s < 0x20)
        return wrong(p, "a control character, which JSON texts do not hold");
    return ts_gbnf_text(s, n, p->out);
}

/* The class behind a backslash, as it stands inside brackets; NULL: none. */
static const char *class_of(char c)
{
    switch (c) {
    case 'd': return "0-9";
    case 'w': return "a-zA-Z0-9_";
    case 's': return " \\t\\n\\r\\x0B\\x0C";
    default: return NULL;
    }
}

/* The character that an escape means, to s; its length, 0: it is none. */
static size_t escaped(const char *at, char *s)
{
    static const char from[] = "nrtfv0", to[] = "\n\r\t\f\v";
    const char *hit = *at ? strchr(from, *at) : NULL;
    *s = hit ? to[hit - from] : *at;
    return hit || (*at && strchr("\\.[]{}()*+?^$|/-\"'#&~,:;<=>!@%_` ", *at)) ? 1 : 0;
}

/* ---- brackets ---- */

typedef struct members {
    ts_str text; /* as they stand inside GBNF's brackets */
    bool quote, backslash; /* of a JSON text: apart */
} members;

static ts_status add_member(const parser *p, members *m, const char *s, size_t n, bool is_range)
{
    if (p->in_json && (*s == '"' || *s == '\\')) {
        m->quote |= *s == '"';
        m->backslash |= *s == '\\';
        return is_range ? wrong(p, "a range that ends with a quote or a backslash") : TS_OK;
    }
    return put_escaped(&m->text, s, n, true);
}

static ts_status member(parser *p, char *to, size_t *n)
{
    *n = 1;
    if (*p->s == '\\') {
        if (!escaped(p->s + 1, to))
            return wrong(p, "an escape that is not known in brackets");
        p->s += 2;
        return TS_OK;
    }
    const int len = ts_utf8_len(p->s, strlen(p->s));
    if (!len)
        return wrong(p, *p->s ? "not UTF-8" : "brackets do not end");
    memcpy(to, p->s, (size_t)len);
    *n = (size_t)len;
    p->s += len;
    return TS_OK;
}

static ts_status members_of(parser *p, members *m)
{
    char s[4];
    size_t n;
    for (bool first = true; *p->s != ']' || first; first = false) {
        const char *class = *p->s == '\\' ? class_of(p->s[1]) : NULL;
        if (class) {
            TS_TRY(ts_str_puts(&m->text, p->in_json && p->s[1] == 's' ? " " : class));
            p->s += 2;
            continue;
        }
        TS_TRY(member(p, s, &n));
        const bool is_range = *p->s == '-' && p->s[1] != ']' && p->s[1];
        TS_TRY(add_member(p, m, s, n, is_range));
        if (!is_range)
            continue;
        p->s++;
        TS_TRY(ts_str_puts(&m->text, "-"));
        TS_TRY(member(p, s, &n));
        TS_TRY(add_member(p, m, s, n, true));
    }
    p->s++;
    return TS_OK;
}

#define NO_JSON "\\\"\\\\\\x00-\\x1F"

static ts_status brackets(parser *p)
{
    members m = { 0 };
    p->s++;
    const bool is_not = *p->s == '^';
    p->s += is_not;
    ts_status st = members_of(p, &m);
    const char *text = ts_str_text(&m.text);
    if (st == TS_OK && is_not)
        st = ts_str_printf(p->out, "[^%s%s]", p->in_json ? NO_JSON : "", text);
    else if (st == TS_OK && p->in_json && (m.quote || m.backslash))
        st = ts_str_printf(p->out, "(%s%s%s%s%s)", *text ? "[" : "", text, *text ? "] | " : "",
                           m.quote ? "\"\\\\\\\"\"" : "\"\\\\\\\\\"", m.quote && m.backslash ? " | \"\\\\\\\\\"" : "");
    else if (st == TS_OK)
        st = ts_str_printf(p->out, "[%s]", text);
    ts_str_deinit(&m.text);
    return st;
}

/* ---- items ---- */

static ts_status alternatives(parser *p);

static ts_status group(parser *p)
{
    if (++p->depth > TS_GBNF_MOST_DEPTH)
        return wrong(p, "groups within groups, too deep");
    p->s++;
    if (p->s[0] == '?' && p->s[1] == ':')
        p->s += 2;
    else if (*p->s == '?')
        return wrong(p, "looking ahead or behind, names and flags are not known here,");
    TS_TRY(ts_str_puts(p->out, "("));
    TS_TRY(alternatives(p));
    if (*p->s != ')')
        return wrong(p, "expected )");
    p->s++;
    p->depth--;
    return ts_str_puts(p->out, ")");
}

static ts_status escape(parser *p)
{
    char c;
    const char name = p->s[1];
    const char *class = class_of(name), *not_class = name >= 'A' && name <= 'Z' ? class_of((char)(name | 0x20)) : NULL;
    p->s += 2;
    if (class)
        return ts_str_printf(p->out, "[%s]", p->in_json && name == 's' ? " " : class);
    if (not_class)
        return ts_str_printf(p->out, "[^%s%s]", p->in_json ? NO_JSON : "", not_class);
    if (!escaped(p->s - 1, &c))
        return wrong(p, "this escape is not known here:");
    return put_char(p, &c, 1);
}

static ts_status item(parser *p)
{
    switch (*p->s) {
    case '(': return group(p);
    case '[': return brackets(p);
    case '\\': return escape(p);
    case '.': p->s++; return ts_str_printf(p->out, "[^%s\\n\\r]", p->in_json ? NO_JSON : "");
    case '^':
    case '$': return wrong(p, "^ and $ may stand at its beginning and its end alone, not");
    case '*':
    case '+':
    case '?':
    case '{': return wrong(p, "there is nothing to repeat");
    default: break;
    }
    const int n = ts_utf8_len(p->s, strlen(p->s));
    if (!n)
        return wrong(p, "not UTF-8");
    p->s += n;
    return put_char(p, p->s - n, (size_t)n);
}

static ts_status quantifier(parser *p)
{
    if (*p->s == '{') {
        static const char digits[] = "0123456789";
        const size_t m = strspn(p->s + 1, digits), comma = p->s[1 + m] == ',';
        const size_t n = 1 + m + comma + (comma ? strspn(p->s + 2 + m, digits) : 0) + 1;
        if (p->s[n - 1] != '}' || n < 3 + comma)
            return wrong(p, "expected {m}, {m,} or {m,n}");
        TS_TRY(ts_str_add(p->out, p->s, n));
        p->s += n;
    } else if (*p->s && strchr("*+?", *p->s)) {
        TS_TRY(ts_str_add(p->out, p->s++, 1));
    } else {
        return TS_OK;
    }
    p->s += *p->s == '?'; /* few or many: the same texts */
    return TS_OK;
}

static bool at_end(const parser *p)
{
    return !*p->s || *p->s == '|' || *p->s == ')' || (*p->s == '$' && !p->s[1] && !p->depth);
}

static ts_status alternatives(parser *p)
{
    for (;;) {
        TS_TRY(ts_str_puts(p->out, "\"\""));
        while (!at_end(p)) {
            TS_TRY(ts_str_puts(p->out, " "));
            TS_TRY(item(p));
            TS_TRY(quantifier(p));
        }
        if (*p->s != '|')
            return TS_OK;
        p->s++;
        TS_TRY(ts_str_puts(p->out, " | "));
    }
}

ts_status ts_gbnf_regex(const char *regex, bool in_json, ts_str *out)
{
    parser p = { .whole = regex, .s = regex, .in_json = in_json, .out = out };
    p.s += *p.s == '^';
    TS_TRY(ts_str_puts(out, "("));
    TS_TRY(alternatives(&p));
    p.s += *p.s == '$' && !p.s[1];
    if (*p.s)
        return wrong(&p, "expected its end");
    return ts_str_puts(out, ")");
}

ts_status ts_grammar_of_regex(const char *regex, const char *rule, ts_str *out)
{
    TS_TRY(ts_str_printf(out, "%s ::= ", rule));
    TS_TRY(ts_gbnf_regex(regex, false, out));
    return ts_str_puts(out, "\n");
}
