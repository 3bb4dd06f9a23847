/* Classes of characters: \d, \p{..} and what stands in brackets, as sets. */
#include "text/regex/regex_parser.h"
#include "text/unicode.h"

#include <string.h>
#include <utf8proc.h>

enum { MAX_DEPTH = 30 };

/* The bits of (?W) (?D) (?S) that make a named class ASCII; (?P) does so to all of POSIX's. */
static bool is_ascii_only(const ts_rx *x, const char *name)
{
    static const struct { const char *name; unsigned options; } own[] = {
        { "word", TS_RX_ASCII_WORD },
        { "digit", TS_RX_ASCII_DIGIT },
        { "space", TS_RX_ASCII_SPACE },
    };
    static const char posix[] =
        ",newline,alpha,blank,cntrl,digit,graph,lower,print,posixpunct,space,upper,xdigit,word,"
        "alnum,";
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if ((x->options & own[i].options) && !strcmp(name, own[i].name))
            return true;
    const char *at = x->options & TS_RX_ASCII_POSIX ? strstr(posix, name) : NULL;
    return at && at[-1] == ',' && at[strlen(name)] == ',';
}

/* What the dialects have in \w, \p{Word} and \b beside letters, marks, digits and connectors: Rust
 * the joiners, Oniguruma six numbers of Latin-1, but not in brackets. */
static ts_status add_odd_words(const ts_rx *x, const char *name, size_t n, ts_charset *s)
{
    if (n != 4 || memcmp(name, "word", 4) != 0)
        return TS_OK;
    if (x->dialect == TS_DIALECT_RUST) {
        TS_TRY(ts_charset_add(s, 0x200C, 0x200D));
    } else if (!x->in_class) {
        TS_TRY(ts_charset_add(s, 0xB2, 0xB3));
        TS_TRY(ts_charset_add(s, 0xB9, 0xB9));
        TS_TRY(ts_charset_add(s, 0xBC, 0xBE));
    }
    ts_charset_settle(s);
    return TS_OK;
}

/* Adds a named set; ascii: only what it has of U+0000 to U+007F, and all else when negated. */
static ts_status add_named(ts_rx *x, const char *name, size_t n, bool ascii, bool negated,
                           ts_charset *s, bool *found)
{
    ts_charset own = { 0 }, low = { 0 };
    ts_status st = ts_charset_add_property(&own, x->dialect, name, n, found);
    if (st == TS_OK && ascii) {
        st = ts_charset_add(&low, 0, 0x7F);
        if (st == TS_OK)
            st = ts_charset_intersect(&own, &low);
    }
    if (st == TS_OK && !ascii)
        st = add_odd_words(x, name, n, &own);
    if (st == TS_OK && x->dialect == TS_DIALECT_RUST && (x->options & TS_RX_FOLD)) {
        st = ts_rx_need_folds(x); /* before it is negated, and outside of brackets too */
        if (st == TS_OK)
            st = ts_folds_close(&x->folds, &own);
    }
    if (st == TS_OK && negated)
        st = ts_charset_invert(&own);
    if (st == TS_OK && *found)
        st = ts_charset_unite(s, &own);
    ts_charset_deinit(&own);
    ts_charset_deinit(&low);
    return st;
}

ts_status ts_rx_add_type(ts_rx *x, ts_rx_type type, bool negated, ts_charset *s)
{
    static const char *const names[] = { "word", "digit", "space", "xdigit" };
    const char *name = names[type];
    bool found;
    return add_named(x, name, strlen(name), is_ascii_only(x, name), negated, s, &found);
}

bool ts_rx_at_property(const ts_rx *x)
{
    /* Without a brace Oniguruma takes it for the letter. */
    return (*x->p == 'p' || *x->p == 'P') &&
           (x->dialect == TS_DIALECT_RUST || (x->end - x->p > 1 && x->p[1] == '{'));
}

ts_status ts_rx_add_property(ts_rx *x, const char *at, bool negated, ts_charset *s)
{
    const char *name = x->p, *end = x->p + 1;
    char plain[64] = "";
    bool found = false;
    if (x->p == x->end)
        return ts_rx_refuse(x, at, "\\p without a name");
    if (*x->p == '{') {
        end = memchr(x->p, '}', (size_t)(x->end - x->p));
        if (!end)
            return ts_rx_refuse(x, at, "\\p{ without its }");
        name++;
        if (*name == '^') {
            negated = !negated;
            name++;
        }
    }
    const size_t n = (size_t)(end - name);
    x->p = end + (*x->p == '{');
    for (size_t i = 0, k = 0; i < n && k + 1 < sizeof plain; i++)
        if (!strchr(" -_", name[i]))
            plain[k++] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] + 32) : name[i];
    TS_TRY(add_named(x, plain, strlen(plain), is_ascii_only(x, plain), negated, s, &found));
    return found ? TS_OK
                 : ts_rx_refuse(x, at, "\\p{..} with a property that is not known here");
}

/* What a class is read as: values, one of which may still become the begin of a range. */
typedef struct members {
    ts_charset set;
    uint32_t value; /* pending, with has_value */
    bool has_value, in_range;
    bool after_type; /* a named class stands before */
} members;

static ts_status settle_value(members *m)
{
    const bool has = m->has_value;
    m->has_value = false;
    return has ? ts_charset_add(&m->set, m->value, m->value) : TS_OK;
}

static ts_status take_value(ts_rx *x, members *m, const char *at, uint32_t c)
{
    if (!m->in_range) {
        TS_TRY(settle_value(m));
        m->has_value = true;
        m->value = c;
        m->after_type = false;
        return TS_OK;
    }
    m->in_range = m->has_value = false;
    if (m->value > c)
        return ts_rx_refuse(x, at, "a range that ends before it begins");
    return ts_charset_add(&m->set, m->value, c);
}

static ts_status take_type(ts_rx *x, members *m, const char *at)
{
    if (m->in_range)
        return ts_rx_refuse(x, at, "a class at the end of a range");
    m->after_type = true;
    return settle_value(m);
}

/* \w and its like behind the backslash; false: it is none. */
static bool type_of(ts_rx *x, ts_rx_type *type, bool *negated)
{
    static const char letters[] = "wdsh";
    const char low = (char)(*x->p | 32), *hit = strchr(letters, low);
    if (!*x->p || !hit || !((*x->p >= 'A' && *x->p <= 'Z') || (*x->p >= 'a' && *x->p <= 'z')))
        return false;
    *type = (ts_rx_type)(hit - letters);
    *negated = *x->p != low;
    x->p++;
    return true;
}

static ts_status take_escape(ts_rx *x, members *m)
{
    const char *const at = x->p++;
    ts_rx_type type;
    bool negated, is_code;
    uint32_t c;
    if (x->p == x->end)
        return ts_rx_refuse(x, at, "a backslash at its end");
    if (type_of(x, &type, &negated)) {
        TS_TRY(take_type(x, m, at));
        return ts_rx_add_type(x, type, negated, &m->set);
    }
    if (ts_rx_at_property(x)) {
        negated = *x->p++ == 'P';
        TS_TRY(take_type(x, m, at));
        return ts_rx_add_property(x, at, negated, &m->set);
    }
    TS_TRY(ts_rx_code(x, true, &is_code, &c));
    if (!is_code) {
        const bool letter = (*x->p >= '0' && *x->p <= '9') || (*x->p >= 'A' && *x->p <= 'Z') ||
                            (*x->p >= 'a' && *x->p <= 'z') || (unsigned char)*x->p >= 0x80;
        if (letter && x->dialect == TS_DIALECT_RUST)
            return ts_rx_refuse(x, at, "an escape that is none in a class");
        c = ts_rx_char(x);
    }
    return take_value(x, m, at, c);
}

/* [:name:] behind its opening bracket; *found is false when it is not one. */
static ts_status take_posix(ts_rx *x, members *m, bool *found)
{
    static const char known[] = ",alnum,alpha,blank,cntrl,digit,graph,lower,print,punct,space,"
                                "upper,xdigit,ascii,word,";
    const char *const at = x->p - 1, *p = x->p + 1;
    const bool negated = p < x->end && *p == '^', rust = x->dialect == TS_DIALECT_RUST;
    char name[24] = ",";
    size_t n = 1;
    p += negated;
    while (p < x->end && n < 20 && ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z')))
        name[n++] = *p++;
    *found = x->end - p >= 2 && p[0] == ':' && p[1] == ']' && (n > 1 || negated);
    if (!*found)
        return TS_OK;
    name[n] = ',';
    name[n + 1] = 0;
    if (!strstr(known, name))
        return ts_rx_refuse(x, at, "a [:name:] that is not known");
    name[n] = 0;
    x->p = p + 2;
    TS_TRY(take_type(x, m, at));
    const char *own = !strcmp(name + 1, "punct") ? "posixpunct" : name + 1;
    bool any;
    return add_named(x, own, strlen(own), rust || is_ascii_only(x, own), negated, &m->set, &any);
}

static ts_status class_set(ts_rx *x, ts_charset *set, bool *negated);

static ts_status take_nested(ts_rx *x, members *m)
{
    const char *const at = x->p++;
    ts_charset inner = { 0 };
    bool negated;
    if (m->in_range) /* [a-[b]]: Oniguruma forgets the begin of the range */
        m->has_value = false;
    TS_TRY(settle_value(m));
    m->in_range = m->after_type = false;
    ts_status st = class_set(x, &inner, &negated);
    if (st == TS_OK && negated)
        st = ts_charset_invert(&inner);
    if (st == TS_OK && negated && inner.n == 0) /* Oniguruma's [^a[^\x{0}-\x{10ffff}]] is odd */
        st = ts_rx_refuse(x, at, "a negated class without a member in a class");
    if (st == TS_OK)
        st = ts_charset_unite(&m->set, &inner);
    ts_charset_deinit(&inner);
    return st;
}

static bool at_operator(const ts_rx *x, char c)
{
    return x->end - x->p >= 2 && x->p[0] == c && x->p[1] == c;
}

static ts_status take_hyphen(ts_rx *x, members *m)
{
    const char *const at = x->p++;
    const bool ends = x->p == x->end || *x->p == ']' || at_operator(x, '&');
    if (!m->in_range && !ends && m->has_value) {
        m->in_range = true;
        return TS_OK;
    }
    if (!m->in_range && !ends && m->after_type)
        return ts_rx_refuse(x, at, "a range that begins with a class");
    return take_value(x, m, at, '-');
}

/* One more part of a class. */
static ts_status take_part(ts_rx *x, members *m)
{
    const char *const at = x->p;
    bool found = false;
    uint32_t c;
    if (x->sequence) {
        if (*x->p == '-' && m->has_value)
            return take_hyphen(x, m);
        TS_TRY(ts_rx_code_of_sequence(x, &found, &c));
        return found ? take_value(x, m, at, c) : TS_OK;
    }
    if (*x->p == '[') {
        x->p++;
        if (x->p < x->end && *x->p == ':')
            TS_TRY(take_posix(x, m, &found));
        if (found)
            return TS_OK;
        x->p--;
        if (m->in_range && x->dialect == TS_DIALECT_RUST)
            return ts_rx_refuse(x, at, "a class at the end of a range");
        return take_nested(x, m);
    }
    if (*x->p == '\\')
        return take_escape(x, m);
    if (*x->p == '-')
        return take_hyphen(x, m);
    return take_value(x, m, at, ts_rx_char(x));
}

/* The operands that stand before && (and Rust's -- and ~~) are `all`, with `op` before this one. */
static ts_status close_operand(ts_charset *all, char op, ts_charset *own)
{
    ts_charset both = { 0 };
    ts_status st = TS_OK;
    if (op == 0) {
        st = ts_charset_copy(all, own);
    } else if (op == '&') {
        st = ts_charset_intersect(all, own);
    } else {
        st = ts_charset_copy(&both, all);
        if (st == TS_OK)
            st = ts_charset_intersect(&both, own);
        if (st == TS_OK && op == '~')
            st = ts_charset_unite(all, own);
        if (st == TS_OK)
            st = ts_charset_invert(&both);
        if (st == TS_OK)
            st = ts_charset_intersect(all, &both);
    }
    ts_charset_deinit(&both);
    ts_charset_reset(own);
    return st;
}

static bool at_any_operator(const ts_rx *x, char *op)
{
    const bool rust = x->dialect == TS_DIALECT_RUST;
    *op = at_operator(x, '&')                                                   ? '&'
          : rust && at_operator(x, '-') && x->end - x->p > 2 && x->p[2] != ']' ? '-'
          : rust && at_operator(x, '~')                                         ? '~'
                                                                                : 0;
    return *op != 0 && !x->sequence;
}

/* The parts up to the closing bracket. */
static ts_status class_parts(ts_rx *x, ts_charset *all)
{
    members m = { 0 };
    ts_status st = TS_OK;
    const char *const first = x->p;
    char op = 0, next;
    while (st == TS_OK && x->p < x->end && (*x->p != ']' || x->p == first)) {
        if (*x->p == ']') { /* the first */
            st = take_value(x, &m, x->p++, ']');
        } else if (at_any_operator(x, &next)) {
            st = settle_value(&m);
            if (st == TS_OK)
                st = close_operand(all, op, &m.set);
            op = next;
            x->p += 2;
            m.in_range = m.after_type = false;
        } else {
            st = take_part(x, &m);
        }
    }
    if (st == TS_OK && x->p == x->end)
        st = ts_rx_refuse(x, first - 1, "a class without its closing bracket");
    x->p++;
    if (st == TS_OK)
        st = settle_value(&m);
    if (st == TS_OK)
        st = close_operand(all, op, &m.set);
    ts_charset_deinit(&m.set);
    return st;
}

/* p is behind the opening bracket. */
static ts_status class_set(ts_rx *x, ts_charset *set, bool *negated)
{
    if (x->depth >= MAX_DEPTH)
        return ts_rx_refuse(x, x->p - 1, "classes that are nested more than 30 deep");
    x->depth++;
    *negated = x->p < x->end && *x->p == '^';
    x->p += *negated;
    const ts_status st = class_parts(x, set);
    x->depth--;
    return st;
}

/* Beside the class, what several characters fold to by one of its members: U+00DF is "ss" too. */
static ts_status put_long_folds(ts_rx *x, ts_charset *set, ts_str *out)
{
    for (size_t i = 0; i < x->folds.n; i++) {
        const ts_fold *f = &x->folds.v[i];
        if (!f->key[1] || !ts_charset_has(set, f->c) ||
            (i > 0 && !memcmp(f->key, f[-1].key, sizeof f->key)))
            continue;
        TS_TRY(ts_str_puts(out, "|"));
        for (int k = 0; k < 3 && f->key[k]; k++) {
            const uint32_t one[3] = { f->key[k] };
            TS_TRY(ts_rx_put_folded(x, one, out));
        }
    }
    return TS_OK;
}

ts_status ts_rx_class(ts_rx *x, ts_str *out)
{
    ts_charset set = { 0 };
    ts_str more = { 0 };
    ts_status st = TS_OK;
    bool negated;
    x->in_class = true;
    st = class_set(x, &set, &negated);
    x->in_class = false;
    if (st != TS_OK)
        goto done;
    if (x->options & TS_RX_FOLD) {
        TS_TRY_TO(done, st, ts_rx_need_folds(x));
        TS_TRY_TO(done, st, ts_folds_close(&x->folds, &set));
        if (!negated && !x->in_behind && x->dialect == TS_DIALECT_ONIGURUMA)
            TS_TRY_TO(done, st, put_long_folds(x, &set, &more));
    }
    if (negated)
        TS_TRY_TO(done, st, ts_charset_invert(&set));
    if (more.len)
        TS_TRY_TO(done, st, ts_str_puts(out, "(?:"));
    TS_TRY_TO(done, st, ts_rx_put_set(x, &set, out));
    if (more.len)
        st = ts_str_printf(out, "%s)", ts_str_text(&more));
done:
    ts_charset_deinit(&set);
    ts_str_deinit(&more);
    return st;
}
