/* A template's text as tokens. The rules are those of Jinja2's lexer with trim_blocks and
 * lstrip_blocks; the white space that they drop is dropped here. */
#include "text/jinja/ast.h"
#include "text/unicode.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

ts_status ts_jinja_syntax(const ts_jinja *t, int line, const char *fmt, ...)
{
    char what[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    what[ts_utf8_check(what, strlen(what))] = 0;
    return ts_error(TS_ERR_USER, "%s:%d: TemplateSyntaxError: %s", t->name, line, what);
}

bool ts_jinja_is_space(uint32_t c)
{
    return (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
           c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
           c == 0x202F || c == 0x205F || c == 0x3000;
}

size_t ts_jinja_skip_space(const char *s, size_t at, size_t n)
{
    while (at < n) {
        size_t len;
        if (!ts_jinja_is_space(ts_utf8_next((const unsigned char *)s + at, &len)))
            break;
        at += len;
    }
    return at;
}

size_t ts_jinja_back_space(const char *s, size_t at, size_t n)
{
    while (n > at) {
        size_t begin = n - 1, len;
        while (begin > at && ((unsigned char)s[begin] & 0xC0) == 0x80)
            begin--;
        if (!ts_jinja_is_space(ts_utf8_next((const unsigned char *)s + begin, &len)))
            break;
        n = begin;
    }
    return n;
}

typedef struct lexer {
    ts_jinja *t;
    const char *s; /* [n], lines end with \n */
    size_t n, at;
    int line;
    bool line_starting; /* the last piece ended with a new line */
    ts_jtok *v;
    size_t count, cap;
    char open[TS_JINJA_NESTING]; /* brackets that wait to be closed, in one tag */
    int n_open;
} lexer;

static ts_status add(lexer *l, ts_jtok_kind kind, const char *s, size_t n, ts_jtok **out)
{
    TS_TRY(ts_grow(&l->v, &l->cap, l->count + 1, sizeof *l->v));
    ts_jtok *tok = &l->v[l->count++];
    *tok = (ts_jtok){ .kind = kind, .line = l->line, .s = s, .n = n };
    if (out)
        *out = tok;
    return TS_OK;
}

static bool starts(const lexer *l, size_t at, const char *what)
{
    const size_t n = strlen(what);
    return l->n - at >= n && !memcmp(l->s + at, what, n);
}

/* Takes the bytes up to `to`, counting lines. */
static void take(lexer *l, size_t to)
{
    for (size_t i = l->at; i < to; i++)
        l->line += l->s[i] == '\n';
    if (to > l->at)
        l->line_starting = l->s[to - 1] == '\n';
    l->at = to;
}

/* If the end of a tag stands at `at`, the offset behind it and the white space that it drops, else 0:
 * end is %}, }} or #}. */
static size_t tag_end(const lexer *l, size_t at, const char *end)
{
    const bool is_variable = end[0] == '}';
    if (starts(l, at, "-") && starts(l, at + 1, end))
        return ts_jinja_skip_space(l->s, at + 3, l->n);
    if (!is_variable && starts(l, at, "+") && starts(l, at + 1, end))
        return at + 3;
    if (!starts(l, at, end))
        return 0;
    at += 2;
    return at + (!is_variable && at < l->n && l->s[at] == '\n');
}

/* Text before a tag whose sign is given: how much of [begin, end) is left. */
static size_t strip_before(const lexer *l, size_t begin, size_t end, char sign, bool is_variable)
{
    if (sign == '-')
        return ts_jinja_back_space(l->s, begin, end);
    if (sign == '+' || is_variable)
        return end;
    size_t line = end;
    while (line > begin && l->s[line - 1] != '\n')
        line--;
    const bool at_line = line > begin || l->line_starting;
    return at_line && ts_jinja_skip_space(l->s, line, end) == end ? line : end;
}

static ts_status put_data(lexer *l, size_t end, char sign, bool is_variable)
{
    const size_t left = strip_before(l, l->at, end, sign, is_variable);
    if (left > l->at)
        TS_TRY(add(l, TS_JT_DATA, l->s + l->at, left - l->at, NULL));
    take(l, end);
    return TS_OK;
}

static char sign_at(const lexer *l, size_t at)
{
    return at < l->n && (l->s[at] == '-' || l->s[at] == '+') ? l->s[at] : 0;
}

/* If "{% raw %}" stands at `at`: the offset behind it, else 0. */
static size_t raw_begin(const lexer *l, size_t at)
{
    at += 2;
    at += sign_at(l, at) != 0;
    at = ts_jinja_skip_space(l->s, at, l->n);
    if (!starts(l, at, "raw"))
        return 0;
    at = ts_jinja_skip_space(l->s, at + 3, l->n);
    if (starts(l, at, "-%}"))
        return ts_jinja_skip_space(l->s, at + 3, l->n);
    return starts(l, at, "%}") ? at + 2 : 0;
}

static ts_status lex_raw(lexer *l)
{
    for (size_t at = l->at; at < l->n; at++) {
        if (!starts(l, at, "{%"))
            continue;
        const char sign = sign_at(l, at + 2);
        size_t p = ts_jinja_skip_space(l->s, at + 2 + (sign != 0), l->n);
        if (!starts(l, p, "endraw"))
            continue;
        p = tag_end(l, ts_jinja_skip_space(l->s, p + 6, l->n), "%}");
        if (!p)
            continue;
        TS_TRY(put_data(l, at, sign, false));
        take(l, p);
        return TS_OK;
    }
    return ts_jinja_syntax(l->t, l->line, "Missing end of raw directive");
}

static ts_status lex_comment(lexer *l)
{
    for (size_t at = l->at; at < l->n; at++) {
        const size_t end = tag_end(l, at, "#}");
        if (end) {
            take(l, end);
            return TS_OK;
        }
    }
    return ts_jinja_syntax(l->t, l->line, "Missing end of comment tag");
}

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* \xHH, \uHHHH, \UHHHHHHHH and octal; at stands behind the backslash. */
static ts_status code_escape(const lexer *l, size_t *at, size_t end, uint32_t *c)
{
    const char kind = l->s[*at];
    size_t digits = kind == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 3, n = 0;
    const bool is_octal = digits == 3;
    *at += !is_octal;
    for (*c = 0; n < digits && *at < end; n++, ++*at) {
        const int d = hex(l->s[*at]);
        if (d < 0 || (is_octal && d > 7))
            break;
        *c = is_octal ? *c << 3 | (uint32_t)d : *c << 4 | (uint32_t)d;
    }
    if ((!is_octal && n < digits) || *c > 0x10FFFF || (*c >= 0xD800 && *c < 0xE000))
        return ts_jinja_syntax(l->t, l->line, "a \\%c escape in a string names no character", kind);
    return TS_OK;
}

/* The text between the quotes, [at, end), without escapes. */
static ts_status unescape(lexer *l, size_t at, size_t end, ts_jtok *tok)
{
    static const char from[] = "ntrbfav\\'\"", to[] = "\n\t\r\b\f\a\v\\'\"";
    char *s;
    TS_TRY(ts_arena_alloc(&l->t->arena, end - at + 1, &s));
    size_t n = 0;
    while (at < end) {
        if (l->s[at] != '\\' || at + 1 >= end) {
            s[n++] = l->s[at++];
            continue;
        }
        const char c = l->s[++at];
        const char *known = memchr(from, c, sizeof from - 1);
        uint32_t code;
        if (known) {
            s[n++] = to[known - from];
            at++;
        } else if (c == '\n') {
            at++;
        } else if (c == 'x' || c == 'u' || c == 'U' || (c >= '0' && c <= '7')) {
            TS_TRY(code_escape(l, &at, end, &code));
            n += (size_t)ts_utf8_encode(code, s + n);
        } else if (c == 'N') {
            return ts_jinja_syntax(l->t, l->line, "\\N{...} in a string is not supported");
        } else {
            s[n++] = '\\';
        }
    }
    tok->s = s;
    tok->n = n;
    return TS_OK;
}

static ts_status lex_string(lexer *l)
{
    const char quote = l->s[l->at];
    size_t end = l->at + 1;
    while (end < l->n && l->s[end] != quote)
        end += l->s[end] == '\\' ? 2 : 1;
    if (end >= l->n)
        return ts_jinja_syntax(l->t, l->line, "unexpected char %c: a string that does not end", quote);
    ts_jtok *tok;
    TS_TRY(add(l, TS_JT_STRING, NULL, 0, &tok));
    TS_TRY(unescape(l, l->at + 1, end, tok));
    take(l, end + 1);
    return TS_OK;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* Offset behind (digits _)* digits at `at`, or `at`. */
static size_t digits_end(const lexer *l, size_t at)
{
    if (at >= l->n || !is_digit(l->s[at]))
        return at;
    while (at < l->n && (is_digit(l->s[at]) ||
                         (l->s[at] == '_' && at + 1 < l->n && is_digit(l->s[at + 1]))))
        at++;
    return at;
}

/* Offset behind a floating-point number at `at`, or 0. */
static size_t float_end(const lexer *l, size_t at)
{
    if (at && l->s[at - 1] == '.')
        return 0;
    size_t whole = digits_end(l, at), end = 0, p = whole;
    if (p < l->n && l->s[p] == '.' && digits_end(l, p + 1) > p + 1)
        end = p = digits_end(l, p + 1);
    if (p < l->n && (l->s[p] == 'e' || l->s[p] == 'E')) {
        const size_t e = p + 1 + (p + 1 < l->n && (l->s[p + 1] == '+' || l->s[p + 1] == '-'));
        if (digits_end(l, e) > e)
            end = digits_end(l, e);
    }
    return end;
}

/* Offset behind 0b.., 0o.., 0x.. at `at` and its base, or 0. */
static size_t based_end(const lexer *l, size_t at, int *base)
{
    if (l->s[at] != '0' || at + 2 >= l->n)
        return 0;
    const char c = l->s[at + 1] | 32;
    *base = c == 'b' ? 2 : c == 'o' ? 8 : c == 'x' ? 16 : 0;
    size_t p = at + 2;
    while (*base && p < l->n) {
        const size_t d = p + (l->s[p] == '_');
        const int v = d < l->n ? hex(l->s[d]) : -1;
        if (v < 0 || v >= *base)
            break;
        p = d + 1;
    }
    return *base && p > at + 2 ? p : 0;
}

/* The characters [at, end) without underscores into buf; false: too long. */
static bool plain_digits(const lexer *l, size_t at, size_t end, char buf[400])
{
    size_t n = 0;
    for (; at < end && n < 399; at++)
        if (l->s[at] != '_')
            buf[n++] = l->s[at];
    buf[n] = 0;
    return at == end;
}

static ts_status lex_number(lexer *l)
{
    char buf[400];
    int base = 10;
    ts_jtok *tok;
    size_t end = float_end(l, l->at), begin = l->at;
    const bool is_float = end != 0;
    TS_TRY(add(l, is_float ? TS_JT_FLOAT : TS_JT_INT, NULL, 0, &tok));
    if (!is_float) {
        end = based_end(l, l->at, &base);
        begin = end ? l->at + 2 : l->at;
        base = end ? base : 10;
        if (!end && l->s[l->at] != '0')
            end = digits_end(l, l->at);
        else if (!end)
            for (end = l->at + 1; end < l->n && (l->s[end] == '0' ||
                 (l->s[end] == '_' && end + 1 < l->n && l->s[end + 1] == '0'));)
                end++;
    }
    bool fits = plain_digits(l, begin, end, buf);
    if (fits && is_float) {
        tok->f = strtod(buf, NULL);
    } else if (fits) {
        const unsigned long long v = strtoull(buf, NULL, base);
        fits = v <= INT64_MAX;
        tok->i = (int64_t)v;
    }
    if (!fits)
        return ts_jinja_syntax(l->t, l->line, "a number of more than 64 bits is not supported");
    take(l, end);
    return TS_OK;
}

static bool word_at(const lexer *l, size_t at, size_t *len)
{
    const uint32_t c = ts_utf8_next((const unsigned char *)l->s + at, len);
    return c < 128 ? (c == '_' || is_digit((char)c) || ((c | 32) >= 'a' && (c | 32) <= 'z'))
                   : ts_char_is_word(c);
}

static ts_status lex_name(lexer *l, bool *found)
{
    size_t end = l->at, len;
    while (end < l->n && word_at(l, end, &len))
        end += len;
    *found = end > l->at;
    if (*found)
        TS_TRY(add(l, TS_JT_NAME, l->s + l->at, end - l->at, NULL));
    take(l, end);
    return TS_OK;
}

static ts_status lex_operator(lexer *l)
{
    static const char *const two[] = { "**", "//", "==", "!=", ">=", "<=" };
    static const char one[] = "+-/*%~[](){}><=.:|,;";
    const char c = l->s[l->at];
    size_t n = strchr(one, c) && c ? 1 : 0;
    for (size_t i = 0; i < sizeof two / sizeof *two; i++)
        if (starts(l, l->at, two[i]))
            n = 2;
    if (!n) {
        const size_t len = ts_utf8_width((unsigned char)c);
        return ts_jinja_syntax(l->t, l->line, "unexpected char '%.*s'", (int)len, l->s + l->at);
    }
    if (n == 1 && (c == '(' || c == '[' || c == '{')) {
        if (l->n_open == TS_JINJA_NESTING)
            return ts_jinja_syntax(l->t, l->line, "brackets are nested too deep");
        l->open[l->n_open++] = c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (n == 1 && (c == ')' || c == ']' || c == '}')) {
        if (!l->n_open)
            return ts_jinja_syntax(l->t, l->line, "unexpected '%c'", c);
        if (l->open[--l->n_open] != c)
            return ts_jinja_syntax(l->t, l->line, "unexpected '%c', expected '%c'", c,
                                   l->open[l->n_open]);
    }
    TS_TRY(add(l, TS_JT_OP, l->s + l->at, n, NULL));
    take(l, l->at + n);
    return TS_OK;
}

/* What stands in a tag, up to and with its end. */
static ts_status lex_tag(lexer *l, bool is_variable)
{
    l->n_open = 0;
    while (l->at < l->n) {
        const size_t end = l->n_open ? 0 : tag_end(l, l->at, is_variable ? "}}" : "%}");
        if (end) {
            TS_TRY(add(l, is_variable ? TS_JT_VAR_END : TS_JT_BLOCK_END, NULL, 0, NULL));
            take(l, end);
            return TS_OK;
        }
        const size_t blank = ts_jinja_skip_space(l->s, l->at, l->n);
        bool found = blank > l->at;
        if (found) {
            take(l, blank);
        } else if (is_digit(l->s[l->at])) {
            TS_TRY(lex_number(l));
        } else if (l->s[l->at] == '\'' || l->s[l->at] == '"') {
            TS_TRY(lex_string(l));
        } else {
            TS_TRY(lex_name(l, &found));
            if (!found)
                TS_TRY(lex_operator(l));
        }
    }
    return TS_OK; /* the parser says what is missing */
}

/* Text up to the next tag, and that tag. */
static ts_status lex_piece(lexer *l)
{
    size_t at = l->at;
    while (at < l->n && !(l->s[at] == '{' && at + 1 < l->n && strchr("{%#", l->s[at + 1]) && l->s[at + 1]))
        at++;
    if (at >= l->n) {
        TS_TRY(add(l, TS_JT_DATA, l->s + l->at, l->n - l->at, NULL));
        take(l, l->n);
        return TS_OK;
    }
    const char kind = l->s[at + 1];
    const char sign = sign_at(l, at + 2);
    const size_t raw = kind == '%' ? raw_begin(l, at) : 0;
    TS_TRY(put_data(l, at, sign, kind == '{'));
    if (raw) {
        take(l, raw);
        return lex_raw(l);
    }
    take(l, at + 2 + (sign != 0));
    if (kind == '#')
        return lex_comment(l);
    TS_TRY(add(l, kind == '{' ? TS_JT_VAR_BEGIN : TS_JT_BLOCK_BEGIN, NULL, 0, NULL));
    return lex_tag(l, kind == '{');
}

/* A copy with \n for every end of line, and without the one at the end of the text. */
static ts_status normalise(lexer *l, const char *text, size_t n)
{
    char *s;
    size_t to = 0;
    TS_TRY(ts_arena_alloc(&l->t->arena, n + 1, &s));
    for (size_t i = 0; i < n; i++) {
        const bool is_cr = text[i] == '\r';
        if (is_cr && i + 1 < n && text[i + 1] == '\n')
            continue;
        s[to++] = is_cr ? '\n' : text[i];
    }
    l->s = s;
    l->n = to && s[to - 1] == '\n' ? to - 1 : to;
    return TS_OK;
}

ts_status ts_jinja_lex(ts_jinja *t, const char *text, size_t n, ts_jtok **out)
{
    lexer l = { .t = t, .line = 1, .line_starting = true };
    ts_status st = normalise(&l, text, n);
    while (st == TS_OK && l.at < l.n)
        st = lex_piece(&l);
    if (st == TS_OK)
        st = add(&l, TS_JT_EOF, NULL, 0, NULL);
    if (st != TS_OK)
        ts_free(&l.v);
    else
        *out = l.v;
    return st;
}
