/* Formatting: "%s" % x and str.format(). */
#include "text/jinja/interp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How one value is laid out. */
typedef struct layout {
    const char *fill;   /* one character of fill_n bytes */
    size_t fill_n;
    char align, sign;   /* 0: not given */
    bool zero, alternate, comma;
    int64_t width, places; /* -1: not given */
    char kind;
} layout;

enum { WIDEST = 1 << 20 };

static ts_status pad_to(const layout *l, const char *s, size_t n, char align, ts_str *out)
{
    const int64_t len = (int64_t)ts_jv_chars(ts_jv_str(s, n)), more = l->width > len ? l->width - len : 0;
    const int64_t left = align == '>' ? more : align == '^' ? more / 2 : 0;
    for (int64_t i = 0; i < left; i++)
        TS_TRY(ts_str_add(out, l->fill, l->fill_n));
    TS_TRY(ts_str_add(out, s, n));
    for (int64_t i = left; i < more; i++)
        TS_TRY(ts_str_add(out, l->fill, l->fill_n));
    return TS_OK;
}

/* Digits with what stands before them, and zeros or blanks between or before. */
static ts_status put_number(const layout *l, bool is_negative, const char *prefix, const char *digits,
                            ts_str *out)
{
    char text[800];
    const char *sign = is_negative ? "-" : l->sign == '+' ? "+" : l->sign == ' ' ? " " : "";
    const int64_t n = (int64_t)(strlen(sign) + strlen(prefix) + strlen(digits));
    if (!(l->zero && !l->align) && l->align != '=') {
        snprintf(text, sizeof text, "%s%s%s", sign, prefix, digits);
        return pad_to(l, text, strlen(text), l->align ? l->align : '>', out);
    }
    TS_TRY(ts_str_puts(out, sign));
    TS_TRY(ts_str_puts(out, prefix));
    for (int64_t i = n; i < l->width; i++)
        TS_TRY(ts_str_add(out, l->zero ? "0" : l->fill, l->zero ? 1 : l->fill_n));
    return ts_str_puts(out, digits);
}

/* Puts a comma between groups of three digits before the point. */
static void group_digits(char buf[700])
{
    char to[700];
    const size_t n = strspn(buf, "0123456789");
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        if (i && (n - i) % 3 == 0)
            to[k++] = ',';
        to[k++] = buf[i];
    }
    snprintf(to + k, sizeof to - k, "%s", buf + n);
    memcpy(buf, to, strlen(to) + 1);
}

static ts_status put_whole(const layout *l, int64_t v, ts_str *out)
{
    char digits[700], *p = digits + 99;
    const bool is_hex = l->kind == 'x' || l->kind == 'X';
    const unsigned base = is_hex ? 16 : l->kind == 'o' ? 8 : l->kind == 'b' ? 2 : 10;
    const char *prefix = !l->alternate || base == 10 ? ""
                         : l->kind == 'x'            ? "0x"
                         : l->kind == 'X'            ? "0X"
                         : base == 8                 ? "0o"
                                                     : "0b";
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    *p = 0;
    do
        *--p = (l->kind == 'X' ? "0123456789ABCDEF" : "0123456789abcdef")[u % base];
    while (u /= base);
    while (digits + 99 - p < l->places && p > digits)
        *--p = '0';
    memmove(digits, p, strlen(p) + 1);
    if (l->comma)
        group_digits(digits);
    return put_number(l, v < 0, prefix, digits, out);
}

static ts_status put_real(ts_jx *x, const layout *l, double v, ts_str *out)
{
    char digits[700];
    const int places = l->places < 0 ? 6 : (int)l->places;
    if (places > 300)
        return ts_jx_fail(x, "ValueError", "precision too big");
    const bool is_negative = v < 0 || (v == 0 && 1 / v < 0);
    const double a = is_negative ? -v : v;
    switch (l->kind) {
    case 'e': snprintf(digits, sizeof digits, "%.*e", places, a); break;
    case 'E': snprintf(digits, sizeof digits, "%.*E", places, a); break;
    case 'g': snprintf(digits, sizeof digits, "%.*g", places, a); break;
    case 'G': snprintf(digits, sizeof digits, "%.*G", places, a); break;
    case '%':
        snprintf(digits, sizeof digits, "%.*f%%", places, a * 100);
        break;
    default: snprintf(digits, sizeof digits, "%.*f", places, a); break;
    }
    if (l->comma)
        group_digits(digits);
    return put_number(l, is_negative, "", digits, out);
}

static ts_status put_text(const layout *l, ts_jv s, char align, ts_str *out)
{
    const size_t n = l->places < 0 ? s.n : ts_jv_char_offset(s, (size_t)l->places);
    return pad_to(l, s.s, n, align, out);
}

static size_t read_count(const char *s, size_t n, int64_t *out)
{
    size_t i = 0;
    for (*out = 0; i < n && s[i] >= '0' && s[i] <= '9'; i++)
        *out = *out > WIDEST ? *out : *out * 10 + (s[i] - '0');
    return i;
}

/* ---------------------------------------------------------------- % */

typedef struct percent {
    ts_jx *x;
    ts_jv args;
    size_t next; /* of a tuple */
    bool is_safe; /* the format is Markup */
} percent;

static ts_status next_arg(percent *p, ts_jv *out)
{
    const bool is_tuple = p->args.type == TS_JV_TUPLE;
    if (p->next >= (is_tuple ? p->args.seq->n : 1))
        return ts_jx_fail(p->x, "TypeError", "not enough arguments for format string");
    *out = is_tuple ? p->args.seq->v[p->next] : p->args;
    p->next++;
    return TS_OK;
}

/* %(key)s: at stands behind the bracket. */
static ts_status keyed_arg(percent *p, ts_jv f, size_t *at, ts_jv *out)
{
    const char *end = memchr(f.s + *at, ')', f.n - *at);
    if (!end)
        return ts_jx_fail(p->x, "ValueError", "incomplete format key");
    if (p->args.type != TS_JV_DICT)
        return ts_jx_fail(p->x, "TypeError", "format requires a mapping");
    const size_t n = (size_t)(end - f.s) - *at;
    TS_TRY(ts_jdict_get(p->x, p->args.dict, ts_jv_str(f.s + *at, n), out));
    if (out->type == TS_JV_ABSENT)
        return ts_jx_fail(p->x, "KeyError", "'%.*s'", (int)(n < 200 ? n : 200), f.s + *at);
    *at += n + 1;
    return TS_OK;
}

static ts_status count_or_star(percent *p, ts_jv f, size_t *at, int64_t *out)
{
    if (*at < f.n && f.s[*at] == '*') {
        ts_jv v;
        ++*at;
        TS_TRY(next_arg(p, &v));
        TS_TRY(ts_jarg_int(p->x, v, 0, out));
    } else {
        *at += read_count(f.s + *at, f.n - *at, out);
    }
    return *out > WIDEST ? ts_jx_fail(p->x, "ValueError", "a width of %lld is too big", (long long)*out)
                         : TS_OK;
}

static ts_status put_percent(percent *p, layout *l, ts_jv v, ts_str *out)
{
    ts_jx *x = p->x;
    const char align = l->align == '<' ? '<' : '>';
    switch (l->kind) {
    case 's':
    case 'r':
    case 'a': {
        ts_str s = { 0 };
        ts_jv text;
        TS_TRY(ts_jx_finish(x, &s, l->kind == 's' ? ts_jv_put(x, v, &s) : ts_jv_put_repr(x, v, &s), &text));
        text.is_safe = v.type == TS_JV_STR && v.is_safe;
        if (p->is_safe)
            TS_TRY(ts_jx_escape(x, text, &text));
        return put_text(l, text, align, out);
    }
    case 'd':
    case 'i':
    case 'u':
    case 'x':
    case 'X':
    case 'o':
        if (v.type == TS_JV_UNDEFINED)
            return ts_jx_fail_undefined(x, v);
        if (!ts_jv_is_whole(v) && (v.type != TS_JV_FLOAT || strchr("xXo", l->kind)))
            return ts_jx_fail(x, "TypeError", "%%%c format: a number is required, not %s", l->kind,
                              ts_jv_type_name(v));
        if (v.type == TS_JV_FLOAT && !(v.f > -9e18 && v.f < 9e18))
            return ts_jx_fail(x, "OverflowError", "cannot convert the float to an integer");
        return put_whole(l, v.type == TS_JV_FLOAT ? (int64_t)v.f : ts_jv_whole(v), out);
    case 'f':
    case 'F':
    case 'e':
    case 'E':
    case 'g':
    case 'G':
        if (!ts_jv_is_number(v))
            return ts_jx_fail(x, "TypeError", "must be real number, not %s", ts_jv_type_name(v));
        return put_real(x, l, ts_jv_real(v), out);
    case 'c':
        if (v.type == TS_JV_STR && ts_jv_chars(v) == 1)
            return put_text(l, v, align, out);
        return ts_jx_fail(x, "TypeError", "%%c requires a char");
    default: return ts_jx_fail(x, "ValueError", "unsupported format character '%c'", l->kind);
    }
}

/* One conversion; *at stands behind the percent sign. */
static ts_status convert(percent *p, ts_jv f, size_t *at, ts_str *out)
{
    layout l = { .fill = " ", .fill_n = 1, .places = -1 };
    ts_jv v = { 0 };
    if (*at < f.n && f.s[*at] == '(') {
        ++*at;
        TS_TRY(keyed_arg(p, f, at, &v));
    }
    for (; *at < f.n && f.s[*at] && strchr("-+ 0#", f.s[*at]); ++*at) {
        const char c = f.s[*at];
        l.align = c == '-' ? '<' : l.align;
        l.sign = c == '+' || (c == ' ' && !l.sign) ? c : l.sign;
        l.zero |= c == '0';
        l.alternate |= c == '#';
    }
    TS_TRY(count_or_star(p, f, at, &l.width));
    if (*at < f.n && f.s[*at] == '.') {
        ++*at;
        TS_TRY(count_or_star(p, f, at, &l.places));
    }
    if (*at >= f.n)
        return ts_jx_fail(p->x, "ValueError", "incomplete format");
    l.kind = f.s[(*at)++];
    if (l.kind == '%')
        return ts_str_puts(out, "%");
    if (v.type == TS_JV_ABSENT)
        TS_TRY(next_arg(p, &v));
    return put_percent(p, &l, v, out);
}

ts_status ts_jx_percent(ts_jx *x, ts_jv format, ts_jv args, ts_jv *out)
{
    percent p = { .x = x, .args = args, .is_safe = format.is_safe };
    ts_str s = { 0 };
    ts_status st = TS_OK;
    for (size_t at = 0; at < format.n && st == TS_OK;) {
        const char *next = memchr(format.s + at, '%', format.n - at);
        const size_t end = next ? (size_t)(next - format.s) : format.n;
        st = ts_str_add(&s, format.s + at, end - at);
        at = end + 1;
        if (st == TS_OK && next)
            st = convert(&p, format, &at, &s);
        if (st == TS_OK && s.len > TS_JINJA_BYTES)
            st = ts_jx_fail(x, "MemoryError", "the result of %% is too large");
    }
    const size_t given = args.type == TS_JV_TUPLE ? args.seq->n : 1;
    const bool is_mapping = args.type == TS_JV_DICT || args.type == TS_JV_LIST ||
                            args.type == TS_JV_UNDEFINED;
    if (st == TS_OK && p.next < given && !is_mapping)
        st = ts_jx_fail(x, "TypeError", "not all arguments converted during string formatting");
    st = ts_jx_finish(x, &s, st, out);
    out->is_safe = format.is_safe;
    return st;
}

/* ---------------------------------------------------------------- str.format */

static bool is_align(char c) { return c == '<' || c == '>' || c == '^' || c == '='; }

/* [[fill]align][sign][#][0][width][,][.precision][kind] */
static ts_status read_spec(ts_jx *x, ts_jv s, layout *l)
{
    size_t at = 0;
    const size_t first = s.n ? ts_jv_char_offset(s, 1) : 0;
    *l = (layout){ .fill = " ", .fill_n = 1, .places = -1 };
    if (first < s.n && is_align(s.s[first])) {
        l->fill = s.s;
        l->fill_n = first;
        l->align = s.s[first];
        at = first + 1;
    } else if (s.n && is_align(s.s[0])) {
        l->align = s.s[at++];
    }
    if (at < s.n && (s.s[at] == '+' || s.s[at] == '-' || s.s[at] == ' '))
        l->sign = s.s[at++];
    if (at < s.n && s.s[at] == '#')
        l->alternate = s.s[at++];
    if (at < s.n && s.s[at] == '0')
        l->zero = s.s[at++];
    at += read_count(s.s + at, s.n - at, &l->width);
    if (at < s.n && s.s[at] == ',')
        l->comma = s.s[at++];
    if (at < s.n && s.s[at] == '.') {
        const size_t n = read_count(s.s + at + 1, s.n - at - 1, &l->places);
        if (!n)
            return ts_jx_fail(x, "ValueError", "Format specifier missing precision");
        at += n + 1;
    }
    if (at < s.n)
        l->kind = s.s[at++];
    if (at < s.n || l->width > WIDEST || l->places > WIDEST)
        return ts_jx_fail(x, "ValueError", "Invalid format specifier");
    return TS_OK;
}

static ts_status put_formatted(ts_jx *x, ts_jv v, ts_jv spec, ts_str *out)
{
    layout l;
    if (!spec.n)
        return ts_jv_put(x, v, out);
    TS_TRY(read_spec(x, spec, &l));
    if (v.type == TS_JV_STR && (!l.kind || l.kind == 's') && !l.sign && l.align != '=')
        return put_text(&l, v, l.align ? l.align : '<', out);
    const bool real_kind = l.kind && strchr("eEfFgG%", l.kind);
    if (ts_jv_is_whole(v) && (!l.kind || strchr("dxXob", l.kind)) && l.places < 0)
        return put_whole(&l, ts_jv_whole(v), out);
    if (ts_jv_is_number(v) && real_kind)
        return put_real(x, &l, ts_jv_real(v), out);
    if (v.type == TS_JV_FLOAT && !l.kind && l.places < 0) {
        char digits[64];
        ts_jv_float_text(v.f < 0 ? -v.f : v.f, digits);
        return put_number(&l, v.f < 0, "", digits, out);
    }
    return ts_jx_fail(x, "ValueError", "Unknown format code for object of type '%s'", ts_jv_type_name(v));
}

/* How fields without a name count. */
typedef struct numbering {
    int64_t next;
    bool automatic, manual;
} numbering;

/* name.attribute[key]..., with *at behind it. */
static ts_status read_field(ts_jx *x, ts_jv f, size_t *at, const ts_jcall *c, numbering *count, ts_jv *out)
{
    size_t begin = *at;
    while (*at < f.n && !strchr(".[!:}", f.s[*at]))
        ++*at;
    int64_t number;
    const ts_jv name = ts_jv_str(f.s + begin, *at - begin);
    const size_t digits = read_count(name.s, name.n, &number);
    *out = (ts_jv){ 0 };
    if (!name.n)
        number = count->next++;
    count->automatic |= !name.n;
    count->manual |= name.n && digits == name.n;
    if (count->automatic && count->manual)
        return ts_jx_fail(x, "ValueError", "cannot switch between automatic field numbering and manual field "
                                           "specification");
    if (digits == name.n && number < (int64_t)c->n)
        *out = c->v[number];
    for (size_t i = 0; i < c->n_named && digits != name.n; i++)
        if (ts_jv_is(name, c->names[i]))
            *out = c->named[i];
    if (out->type == TS_JV_ABSENT)
        return ts_jx_fail(x, digits == name.n ? "IndexError" : "KeyError",
                          "a replacement field of format() has no argument");
    while (*at < f.n && (f.s[*at] == '.' || f.s[*at] == '[')) {
        const bool is_item = f.s[*at] == '[';
        begin = ++*at;
        while (*at < f.n && !strchr(is_item ? "]" : ".[!:}", f.s[*at]))
            ++*at;
        ts_jv key = ts_jv_str(f.s + begin, *at - begin);
        if (is_item && key.n && read_count(key.s, key.n, &number) == key.n)
            key = ts_jv_int(number);
        TS_TRY(is_item ? ts_jx_item(x, *out, key, out) : ts_jx_attr(x, *out, key, out));
        *at += is_item && *at < f.n;
    }
    return TS_OK;
}

/* {field!conversion:spec}; *at stands behind the brace. */
static ts_status replace_field(ts_jx *x, ts_jv f, size_t *at, const ts_jcall *c, numbering *count,
                               ts_str *out)
{
    ts_jv v, spec = ts_jv_str("", 0);
    TS_TRY(read_field(x, f, at, c, count, &v));
    if (*at + 1 < f.n && f.s[*at] == '!') {
        ts_str s = { 0 };
        const char kind = f.s[*at + 1];
        if (kind != 'r' && kind != 's')
            return ts_jx_fail(x, "ValueError", "Unknown conversion specifier '%c'", kind);
        TS_TRY(ts_jx_finish(x, &s, kind == 'r' ? ts_jv_put_repr(x, v, &s) : ts_jv_put(x, v, &s), &v));
        *at += 2;
    }
    if (*at < f.n && f.s[*at] == ':') {
        const size_t begin = ++*at;
        while (*at < f.n && f.s[*at] != '}' && f.s[*at] != '{')
            ++*at;
        spec = ts_jv_str(f.s + begin, *at - begin);
    }
    if (*at >= f.n || f.s[*at] != '}')
        return ts_jx_fail(x, "ValueError", "expected '}' before end of string");
    ++*at;
    return put_formatted(x, v, spec, out);
}

ts_status ts_jx_str_format(ts_jx *x, ts_jv f, const ts_jcall *c, ts_jv *out)
{
    ts_str s = { 0 };
    ts_status st = TS_OK;
    numbering count = { 0 };
    for (size_t at = 0; at < f.n && st == TS_OK;) {
        const char b = f.s[at];
        if ((b == '{' || b == '}') && at + 1 < f.n && f.s[at + 1] == b) {
            st = ts_str_add(&s, &b, 1);
            at += 2;
        } else if (b == '{') {
            at++;
            st = replace_field(x, f, &at, c, &count, &s);
        } else if (b == '}') {
            st = ts_jx_fail(x, "ValueError", "Single '}' encountered in format string");
        } else {
            st = ts_str_add(&s, f.s + at++, 1);
        }
        if (st == TS_OK && s.len > TS_JINJA_BYTES)
            st = ts_jx_fail(x, "MemoryError", "the result of format is too large");
    }
    return ts_jx_finish(x, &s, st, out);
}
