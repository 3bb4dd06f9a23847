/* Regular expressions of tokenizers in PCRE2's words. Everything on which the engines differ is
 * written out: classes as sets of Unicode 16.0, case, word boundaries, possessive and nested
 * repeats. What cannot be said so is refused. */
#include "text/regex/regex.h"
#include "text/regex/regex_parser.h"
#include "text/unicode.h"

#include <string.h>

enum {
    MAX_DEPTH = 200,
    MAX_RUN = 256,
    MAX_REPEAT = 65535,
    MAX_SHOWN = 16,       /* bytes of what is refused */
    MAX_STACKED = 50,     /* repeats of one thing */
    MAX_OUTPUT = 1 << 22, /* far more than PCRE2 takes */
};

/* What a repeat at this place would repeat. */
typedef struct atom {
    size_t begin;     /* in the output */
    bool is_there;
    int repeats;      /* on it already: the next one needs a group */
    bool is_look;     /* an anchor or look-around, which cannot be repeated */
} atom;

/* Characters that were read but not yet written, because several may belong together. */
typedef struct run {
    uint32_t c[MAX_RUN];
    size_t n;
} run;

typedef struct repeat {
    uint32_t low, high; /* high: UINT32_MAX for no end */
    bool lazy, possessive;
} repeat;

ts_status ts_rx_refuse(const ts_rx *x, const char *at, const char *what)
{
    const size_t rest = (size_t)(x->end - at);
    size_t n = rest < MAX_SHOWN ? rest : MAX_SHOWN;
    while (n < rest && ((unsigned char)at[n] & 0xC0) == 0x80)
        n--; /* not in the middle of a character */
    return ts_error(TS_ERR_USER,
                    "%s: cannot use the regular expression '%.*s': %s at byte %zu ('%.*s%s'), which "
                    "is not supported",
                    x->where, (int)(x->end - x->pattern), x->pattern, what,
                    (size_t)(at - x->pattern), (int)n, at, n < rest ? "..." : "");
}

static ts_status alternatives(ts_rx *x, ts_str *out);

/* ---- repeats ---- */

/* {n}, {n,}, {,m}, {n,m}; false: the brace is a character. */
static bool interval(ts_rx *x, repeat *r, bool *fixed)
{
    const char *p = x->p + 1;
    const bool has_low = ts_rx_digits(&p, x->end, &r->low);
    *fixed = false;
    r->high = r->low;
    if (p < x->end && *p == ',') {
        p++;
        const bool has_high = ts_rx_digits(&p, x->end, &r->high);
        if (!has_high && !has_low)
            return false;
        r->high = has_high ? r->high : UINT32_MAX;
    } else if (has_low) {
        *fixed = true;
    } else {
        return false;
    }
    if (p == x->end || *p != '}')
        return false;
    x->p = p + 1;
    return true;
}

/* A repeat at p, if there is one. */
static ts_status take_repeat(ts_rx *x, repeat *r, bool *found)
{
    const char *const from = x->p, c = x->p < x->end ? *x->p : 0;
    const bool rust = x->dialect == TS_DIALECT_RUST;
    bool fixed = false, braces = false;
    *r = (repeat){ .low = c == '+', .high = c == '?' ? 1 : UINT32_MAX };
    *found = false;
    if (c == '{') {
        braces = interval(x, r, &fixed);
        if (!braces)
            return TS_OK;
    } else if (c == '?' || c == '*' || c == '+') {
        x->p++;
    } else {
        return TS_OK;
    }
    *found = true;
    if (r->low > r->high) {
        if (rust)
            return ts_rx_refuse(x, from, "an interval that ends before it begins");
        const uint32_t low = r->low; /* Oniguruma: {3,1} is {1,3}, possessive */
        r->low = r->high;
        r->high = low;
        r->possessive = true;
    }
    if ((r->high != UINT32_MAX && r->high > MAX_REPEAT) || r->low > MAX_REPEAT)
        return ts_rx_refuse(x, from, "a repeat of more than 65535 times");
    /* Oniguruma: {n}? and {n,m}+ are two repeats, one on the other. */
    if ((rust || (!fixed && !r->possessive)) && ts_rx_take(x, "?"))
        r->lazy = true;
    else if ((rust || !braces) && ts_rx_take(x, "+"))
        r->possessive = true;
    if (x->options & TS_RX_LAZY && !r->possessive)
        r->lazy = !r->lazy;
    return TS_OK;
}

/* Puts `text` before out[at...]. */
static ts_status insert(ts_str *out, size_t at, const char *text)
{
    const size_t n = strlen(text), tail = out->len - at;
    TS_TRY(ts_str_puts(out, text));
    memmove(out->s + at + n, out->s + at, tail);
    memcpy(out->s + at, text, n);
    return TS_OK;
}

static ts_status put_repeat(ts_str *out, atom *a, const repeat *r)
{
    if (a->repeats) {
        TS_TRY(insert(out, a->begin, "(?:"));
        TS_TRY(ts_str_puts(out, ")"));
    }
    /* Of groups and repeats it is an atomic group: see regex.c. */
    const bool atomic = r->possessive && out->s[a->begin] == '(';
    if (atomic)
        TS_TRY(insert(out, a->begin, "(?>"));
    if (r->high == UINT32_MAX && r->low < 2)
        TS_TRY(ts_str_puts(out, r->low ? "+" : "*"));
    else if (r->low == 0 && r->high == 1)
        TS_TRY(ts_str_puts(out, "?"));
    else if (r->high == UINT32_MAX)
        TS_TRY(ts_str_printf(out, "{%u,}", r->low));
    else
        TS_TRY(ts_str_printf(out, "{%u,%u}", r->low, r->high));
    a->repeats++;
    return ts_str_puts(out, atomic ? ")" : r->possessive ? "+" : r->lazy ? "?" : "");
}

/* ---- groups ---- */

static ts_status add_group(ts_rx *x, const char *name, size_t n)
{
    TS_TRY(ts_grow(&x->group, &x->groups_cap, x->n_groups + 1, sizeof *x->group));
    x->group[x->n_groups++] = (ts_rx_group){ x->names.len, n };
    x->n_named += n > 0;
    return ts_str_add(&x->names, name, n);
}

/* The rest of a group up to its closing parenthesis, with `options` inside. */
static ts_status group_body(ts_rx *x, const char *open, const char *begin, unsigned options,
                            ts_str *out)
{
    const unsigned before = x->options;
    if (x->depth >= MAX_DEPTH)
        return ts_rx_refuse(x, begin, "groups that are nested more than 200 deep");
    TS_TRY(ts_str_puts(out, open));
    x->options = options;
    x->depth++;
    TS_TRY(alternatives(x, out));
    x->depth--;
    x->options = before;
    if (!ts_rx_take(x, ")"))
        return ts_rx_refuse(x, begin, "a parenthesis that is not closed");
    return ts_str_puts(out, ")");
}

static ts_status look(ts_rx *x, const char *open, bool behind, const char *begin, ts_str *out)
{
    const bool in_behind = x->in_behind, in_look = x->in_look;
    x->in_behind |= behind;
    x->in_look = true;
    TS_TRY(group_body(x, open, begin, x->options, out));
    x->in_behind = in_behind;
    x->in_look = in_look;
    return TS_OK;
}

static ts_status named_group(ts_rx *x, char close, const char *begin, ts_str *out)
{
    const char *end = memchr(x->p, close, (size_t)(x->end - x->p)), *name = x->p;
    if (!end || end == name)
        return ts_rx_refuse(x, begin, "a group without a name");
    for (size_t i = 0; i < x->n_groups && x->dialect == TS_DIALECT_RUST; i++)
        if (x->group[i].name_len == (size_t)(end - name) &&
            !memcmp(x->names.s + x->group[i].name, name, x->group[i].name_len))
            return ts_rx_refuse(x, begin, "a second group of the same name");
    TS_TRY(add_group(x, name, (size_t)(end - name)));
    x->p = end + 1;
    return group_body(x, "(", begin, x->options, out);
}

/* The bit of an option letter, 0: none that is known. */
static unsigned option_of(const ts_rx *x, char c)
{
    const bool rust = x->dialect == TS_DIALECT_RUST;
    switch (c) {
    case 'i':
        return TS_RX_FOLD;
    case 'x':
        return TS_RX_EXTENDED;
    case 'm':
        return rust ? TS_RX_LINES : TS_RX_DOTALL;
    case 's':
        return rust ? TS_RX_DOTALL : 0;
    case 'U':
        return rust ? TS_RX_LAZY : 0;
    case 'W':
        return rust ? 0 : TS_RX_ASCII_WORD;
    case 'D':
        return rust ? 0 : TS_RX_ASCII_DIGIT;
    case 'S':
        return rust ? 0 : TS_RX_ASCII_SPACE;
    case 'P':
        return rust ? 0 : TS_RX_ASCII_POSIX;
    default:
        return 0;
    }
}

/* (?imx-imx) or (?imx-imx:..); p is at the first letter. *alone: no colon. */
static ts_status option_group(ts_rx *x, const char *begin, ts_str *out, bool *alone)
{
    unsigned options = x->options;
    bool off = false;
    *alone = false;
    for (; x->p < x->end && *x->p != ':' && *x->p != ')'; x->p++) {
        const unsigned bit = option_of(x, *x->p);
        if (*x->p == '-' && !off)
            off = true;
        else if (*x->p == 'u' && x->dialect == TS_DIALECT_RUST && !off)
            continue;
        else if (!bit)
            return ts_rx_refuse(x, begin, "a group of a kind or with an option");
        options = off ? options & ~bit : options | bit;
    }
    if (ts_rx_take(x, ":"))
        return group_body(x, "(?:", begin, options, out);
    if (!ts_rx_take(x, ")"))
        return ts_rx_refuse(x, begin, "options without an end");
    *alone = true;
    if (x->dialect == TS_DIALECT_RUST) { /* they hold to the end of the group around */
        x->options = options;
        return TS_OK;
    }
    /* Oniguruma: the rest of the group around, alternatives and all, becomes a group. */
    const unsigned before = x->options;
    TS_TRY(ts_str_puts(out, "(?:"));
    x->options = options;
    x->depth++;
    TS_TRY(alternatives(x, out));
    x->depth--;
    x->options = before;
    return ts_str_puts(out, ")");
}

/* Whether p is at (?:..) around characters alone that is not repeated: Oniguruma joins them with
 * those around, which counts for case (U+00DF is "s(?:s)"). */
static bool is_plain_group(ts_rx *x)
{
    const char *p = x->p + 3, *const begin = p;
    const bool extended = x->options & TS_RX_EXTENDED;
    if (!(x->options & TS_RX_FOLD) || x->dialect != TS_DIALECT_ONIGURUMA || x->plain_end ||
        !ts_rx_at(x, "(?:"))
        return false;
    while (p < x->end && *p && !strchr("\\[](){}*+?|.^$", *p) &&
           !(extended && strchr("# \t\n\r\f", *p)))
        p++;
    if (p == begin || p == x->end || *p != ')')
        return false;
    x->plain_end = p++;
    const bool repeated = p < x->end && *p && strchr("*+?{", *p);
    if (repeated || (extended && p < x->end && strchr("# \t\n\r\f(", *p)))
        x->plain_end = NULL;
    return x->plain_end != NULL;
}

/* At an opening parenthesis. */
static ts_status group(ts_rx *x, ts_str *out, atom *a, bool *alone)
{
    const char *const begin = x->p++;
    *alone = false;
    if (!ts_rx_at(x, "?")) {
        if (ts_rx_at(x, "*"))
            return ts_rx_refuse(x, begin, "(*..)");
        if (x->only_named)
            return group_body(x, "(?:", begin, x->options, out);
        TS_TRY(add_group(x, "", 0));
        return group_body(x, "(", begin, x->options, out);
    }
    x->p++;
    if (ts_rx_take(x, ":"))
        return group_body(x, "(?:", begin, x->options, out);
    if (ts_rx_take(x, ">"))
        return group_body(x, "(?>", begin, x->options, out);
    a->is_look = true;
    if (ts_rx_take(x, "="))
        return look(x, "(?=", false, begin, out);
    if (ts_rx_take(x, "!"))
        return look(x, "(?!", false, begin, out);
    if (ts_rx_take(x, "<="))
        return look(x, "(?<=", true, begin, out);
    if (ts_rx_take(x, "<!"))
        return look(x, "(?<!", true, begin, out);
    a->is_look = false;
    if (ts_rx_take(x, "<"))
        return named_group(x, '>', begin, out);
    if (x->dialect == TS_DIALECT_RUST && ts_rx_take(x, "P<"))
        return named_group(x, '>', begin, out);
    if (x->dialect == TS_DIALECT_RUST && ts_rx_take(x, "P="))
        return ts_rx_named_reference(x, begin, ')', out);
    if (x->dialect == TS_DIALECT_ONIGURUMA && ts_rx_take(x, "'"))
        return named_group(x, '\'', begin, out);
    return option_group(x, begin, out, alone);
}

/* ---- branches ---- */

/* Writes the run, and, with a repeat behind it, its last character as an atom of its own. */
static ts_status flush(ts_rx *x, run *r, bool split, atom *a, ts_str *out)
{
    if (r->n == 0)
        return TS_OK;
    const size_t n = r->n - (split ? 1 : 0);
    TS_TRY(ts_rx_put_text(x, r->c, n, out));
    r->n = 0;
    if (!split)
        return TS_OK;
    *a = (atom){ .begin = out->len, .is_there = true };
    return ts_rx_put_text(x, r->c + n, 1, out);
}

static ts_status push(ts_rx *x, run *r, uint32_t c, atom *a, ts_str *out)
{
    if (r->n == MAX_RUN) {
        if (x->options & TS_RX_FOLD)
            return ts_rx_refuse(x, x->p, "a text of more than 256 characters of any case");
        TS_TRY(flush(x, r, false, a, out));
    }
    r->c[r->n++] = c;
    return TS_OK;
}

/* Comments, and white space where it does not count. */
static ts_status skip(ts_rx *x)
{
    for (const char *from = NULL; from != x->p;) {
        from = x->p;
        if (x->p == x->plain_end) {
            x->plain_end = NULL;
            x->p++;
        } else if (is_plain_group(x)) {
            x->p += 3;
        } else if (ts_rx_take(x, "(?#")) {
            while (x->p < x->end && *x->p != ')')
                x->p += *x->p == '\\' && x->end - x->p > 1 ? 2 : 1;
            if (!ts_rx_take(x, ")"))
                return ts_rx_refuse(x, from, "a comment without an end");
        } else if (x->options & TS_RX_EXTENDED && x->p < x->end) {
            if (*x->p == '#') {
                const char *nl = memchr(x->p, '\n', (size_t)(x->end - x->p));
                x->p = nl ? nl + 1 : x->end;
            } else if (strchr(" \t\n\r\f", *x->p) && *x->p) {
                x->p++;
            } else if (x->dialect == TS_DIALECT_RUST && (*x->p == '\v' || *x->p & 0x80)) {
                return ts_rx_refuse(x, x->p, "a character beyond ASCII under (?x)");
            }
        }
    }
    return TS_OK;
}

static ts_status put_plain_anchor(ts_rx *x, char c, ts_str *out)
{
    if (x->dialect == TS_DIALECT_ONIGURUMA) /* lines, by PCRE2_MULTILINE */
        return ts_str_printf(out, "%c", c);
    if (x->options & TS_RX_LINES)
        return ts_str_puts(out, c == '^' ? "(?:\\A|(?<=\\x{a}))" : "(?=\\x{a}|\\z)");
    return ts_str_puts(out, c == '^' ? "\\A" : "\\z");
}

/* One more part of a branch that is no plain character; *c is one all the same with *is_char. */
static ts_status part(ts_rx *x, ts_str *out, atom *a, bool *is_char, uint32_t *c, bool *ended)
{
    const char *const begin = x->p;
    *is_char = false;
    *a = (atom){ .begin = out->len, .is_there = true };
    switch (*x->p) {
    case '(':
        return group(x, out, a, ended);
    case '[':
        x->p++;
        return ts_rx_class(x, out);
    case '.':
        x->p++;
        return ts_str_puts(out, x->options & TS_RX_DOTALL ? "(?s:.)" : "[^\\x{a}]");
    case '^':
    case '$':
        a->is_look = x->dialect == TS_DIALECT_ONIGURUMA;
        return put_plain_anchor(x, *x->p++, out);
    case '\\':
        x->p++;
        if (x->p == x->end)
            return ts_rx_refuse(x, begin, "a backslash at its end");
        return ts_rx_escape(x, begin, out, &a->is_look, is_char, c);
    default:
        *is_char = true;
        *c = ts_rx_char(x);
        return TS_OK;
    }
}

/* The other numbers of \x{61 62}. */
static ts_status finish_sequence(ts_rx *x, run *r, atom *a, ts_str *out)
{
    bool more;
    uint32_t c;
    while (x->sequence) {
        TS_TRY(ts_rx_code_of_sequence(x, &more, &c));
        if (more)
            TS_TRY(push(x, r, c, a, out));
    }
    return TS_OK;
}

/* A part that is not a repeat. *ended: it took the rest of the branch with it. */
static ts_status next_part(ts_rx *x, run *r, atom *a, ts_str *out, bool *ended)
{
    const unsigned before = x->options;
    ts_str piece = { 0 };
    atom next;
    bool is_char, alone = false;
    uint32_t c;
    ts_status st = out->len < MAX_OUTPUT
                       ? part(x, &piece, &next, &is_char, &c, &alone)
                       : ts_rx_refuse(x, x->p, "more than there is room for");
    if (st == TS_OK && is_char) {
        st = push(x, r, c, a, out);
        if (st == TS_OK)
            st = finish_sequence(x, r, a, out);
    } else if (st == TS_OK) {
        const unsigned now = x->options;
        x->options = before; /* the run came before an option of Rust's */
        st = flush(x, r, false, a, out);
        x->options = now;
        next.begin = out->len;
        next.is_there = !alone;
        *a = next;
        if (st == TS_OK)
            st = ts_str_add(out, ts_str_text(&piece), piece.len);
    }
    ts_str_deinit(&piece);
    *ended = alone && x->dialect == TS_DIALECT_ONIGURUMA;
    return st;
}

/* Up to an alternative, the end of the group or of the pattern. */
static ts_status branch(ts_rx *x, ts_str *out)
{
    run r = { .n = 0 };
    atom a = { 0 };
    repeat times;
    bool found, ended = false;
    for (;;) {
        TS_TRY(skip(x));
        const char *const begin = x->p;
        if (ended || x->p == x->end || *x->p == '|' || *x->p == ')')
            return flush(x, &r, false, &a, out);
        TS_TRY(take_repeat(x, &times, &found));
        if (!found) {
            TS_TRY(next_part(x, &r, &a, out, &ended));
            continue;
        }
        TS_TRY(flush(x, &r, true, &a, out));
        if (!a.is_there || a.is_look)
            return ts_rx_refuse(x, begin, "a repeat of nothing or of a place");
        if (a.repeats >= (x->dialect == TS_DIALECT_RUST ? 1 : MAX_STACKED))
            return ts_rx_refuse(x, begin, "a repeat of a repeat");
        TS_TRY(put_repeat(out, &a, &times));
    }
}

static ts_status alternatives(ts_rx *x, ts_str *out)
{
    TS_TRY(branch(x, out));
    while (ts_rx_take(x, "|")) {
        TS_TRY(ts_str_puts(out, "|"));
        TS_TRY(branch(x, out));
    }
    return TS_OK;
}

static ts_status whole(ts_rx *x, ts_str *out)
{
    x->p = x->pattern;
    x->options = 0;
    x->n_groups = x->n_named = x->highest_ref = 0;
    ts_str_reset(&x->names);
    ts_str_reset(out);
    TS_TRY(alternatives(x, out));
    if (x->p < x->end)
        return ts_rx_refuse(x, x->p, "a parenthesis that was not opened");
    return TS_OK;
}

ts_status ts_regex_translate(const char *pattern, size_t n, ts_dialect dialect, const char *where,
                             ts_str *out)
{
    ts_rx x = { .pattern = pattern, .end = pattern + n, .dialect = dialect, .where = where };
    ts_status st = ts_rx_find_categories(&x);
    if (st == TS_OK)
        st = whole(&x, out);
    if (st == TS_OK && x.n_named && dialect == TS_DIALECT_ONIGURUMA) {
        x.only_named = true; /* beside groups with names others do not capture */
        st = whole(&x, out);
    }
    if (st == TS_OK && x.highest_ref > x.n_groups)
        st = ts_rx_refuse(&x, pattern, "a back reference to no group");
    ts_free(&x.group);
    ts_str_deinit(&x.names);
    ts_folds_deinit(&x.folds);
    for (size_t i = 0; i < sizeof x.category / sizeof *x.category; i++)
        ts_charset_deinit(&x.category[i]);
    return st;
}
