/* Filters of texts and numbers, and the table of all of them. */
#include "text/jinja/filters.h"
#include "text/jinja/letters.h"
#include "text/unicode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FILTER(name)                                                                               \
    static ts_status f_##name(ts_jx *x, ts_jv v, const ts_jv *a, const ts_jcall *c, ts_jv *out)

/* A method of str on str(v). */
static ts_status str_method(ts_jx *x, ts_jv v, const char *name, const ts_jv *args, size_t n, ts_jv *out)
{
    bool is_unsafe = false;
    ts_jv text;
    TS_TRY(ts_jv_to_str(x, v, &text));
    const ts_jmethod m = { .self = text, .id = ts_jx_method_id(text, ts_jv_text(name), &is_unsafe) };
    return ts_jx_call_method(x, &m, &(ts_jcall){ .v = args, .n = n }, out);
}

FILTER(upper)
{
    (void)a, (void)c;
    return str_method(x, v, "upper", NULL, 0, out);
}

FILTER(lower)
{
    (void)a, (void)c;
    return str_method(x, v, "lower", NULL, 0, out);
}

FILTER(capitalize)
{
    (void)a, (void)c;
    return str_method(x, v, "capitalize", NULL, 0, out);
}

FILTER(trim)
{
    (void)c;
    return str_method(x, v, "strip", a, a[0].type != TS_JV_ABSENT, out);
}

FILTER(replace)
{
    ts_jv arg[3] = { { 0 } };
    (void)c;
    for (int i = 0; i < 2; i++)
        TS_TRY(ts_jv_to_str(x, a[i], &arg[i]));
    arg[2] = a[2].type == TS_JV_NONE || a[2].type == TS_JV_ABSENT ? ts_jv_int(-1) : a[2];
    return str_method(x, v, "replace", arg, 3, out);
}

FILTER(center)
{
    (void)c;
    const ts_jv width = ts_jarg(a[0], ts_jv_int(80));
    return str_method(x, v, "center", &width, 1, out);
}

/* Words begin behind white space, -, (, {, [ and <. */
FILTER(title)
{
    ts_jv text, piece;
    ts_str s = { 0 };
    ts_status st;
    (void)a, (void)c;
    TS_TRY(ts_jv_to_str(x, v, &text));
    size_t at = 0;
    for (st = TS_OK; at < text.n && st == TS_OK;) {
        size_t end = at;
        while (end < text.n && !strchr("-({[<", text.s[end]) &&
               ts_jinja_skip_space(text.s, end, text.n) == end)
            end++;
        st = str_method(x, ts_jv_str(text.s + at, end - at), "capitalize", NULL, 0, &piece);
        if (st == TS_OK)
            st = ts_str_add(&s, piece.s, piece.n);
        at = end;
        while (at < text.n && (strchr("-({[<", text.s[at]) || ts_jinja_skip_space(text.s, at, text.n) > at))
            at++;
        if (st == TS_OK)
            st = ts_str_add(&s, text.s + end, at - end);
    }
    return ts_jx_finish(x, &s, st, out);
}

FILTER(string)
{
    (void)a, (void)c;
    return ts_jv_to_str(x, v, out);
}

FILTER(safe)
{
    (void)a, (void)c;
    TS_TRY(ts_jv_to_str(x, v, out));
    out->is_safe = true;
    return TS_OK;
}

FILTER(escape)
{
    (void)a, (void)c;
    return ts_jx_escape(x, v, out);
}

FILTER(forceescape)
{
    (void)a, (void)c;
    v.is_safe = v.type != TS_JV_STR && v.is_safe;
    return ts_jx_escape(x, v, out);
}

FILTER(format)
{
    ts_jv format, args;
    (void)a;
    TS_TRY(ts_jv_to_str(x, v, &format));
    if (c->n && c->n_named)
        return ts_jx_fail(x, "FilterArgumentError",
                          "can't handle positional and keyword arguments at the same time");
    if (c->n_named) {
        args = (ts_jv){ .type = TS_JV_DICT };
        TS_TRY(ts_jdict_create(x, &args.dict));
        for (size_t i = 0; i < c->n_named; i++)
            TS_TRY(ts_jdict_set(x, args.dict, ts_jv_text(c->names[i]), c->named[i]));
    } else {
        TS_TRY(ts_jv_seq(x, TS_JV_TUPLE, c->n, &args));
        if (c->n)
            memcpy(args.seq->v, c->v, c->n * sizeof *c->v);
    }
    return ts_jx_percent(x, format, args, out);
}

FILTER(indent)
{
    ts_jv text, width, lines;
    ts_str s = { 0 };
    ts_status st = TS_OK;
    (void)c;
    if (v.type == TS_JV_UNDEFINED)
        return ts_jx_fail_undefined(x, v);
    TS_TRY(ts_jarg_str(x, v, NULL, &text));
    width = ts_jarg(a[0], ts_jv_int(4));
    if (width.type != TS_JV_STR)
        TS_TRY(ts_jx_arith(x, TS_JO_MUL, ts_jv_str(" ", 1), width, &width));
    const bool first = ts_jv_true(a[1]), blank = ts_jv_true(a[2]);
    TS_TRY(ts_jx_arith(x, TS_JO_ADD, text, ts_jv_str("\n", 1), &text));
    TS_TRY(str_method(x, text, "splitlines", NULL, 0, &lines));
    for (size_t i = 0; i < lines.seq->n && st == TS_OK; i++) {
        const ts_jv line = lines.seq->v[i];
        if (i)
            st = ts_str_puts(&s, "\n");
        if (st == TS_OK && (i ? blank || line.n : first))
            st = ts_str_add(&s, width.s, width.n);
        if (st == TS_OK)
            st = ts_str_add(&s, line.s, line.n);
        if (st == TS_OK && s.len > TS_JINJA_BYTES)
            st = ts_jx_fail(x, "MemoryError", "the result of indent is too large");
    }
    return ts_jx_finish(x, &s, st, out);
}

FILTER(truncate)
{
    int64_t length, leeway;
    ts_jv end, text;
    (void)c;
    TS_TRY(ts_jarg_int(x, a[0], 255, &length));
    TS_TRY(ts_jarg_str(x, a[2], "...", &end));
    TS_TRY(ts_jarg_int(x, a[3].type == TS_JV_NONE ? (ts_jv){ 0 } : a[3], 5, &leeway));
    TS_TRY(ts_jarg_str(x, v, NULL, &text));
    const int64_t n_end = (int64_t)ts_jv_chars(end);
    if (length < n_end || leeway < 0)
        return ts_jx_fail(x, "AssertionError", "expected length >= %lld and leeway >= 0", (long long)n_end);
    *out = text;
    if ((int64_t)ts_jv_chars(text) <= length + leeway)
        return TS_OK;
    text.n = (uint32_t)ts_jv_char_offset(text, (size_t)(length - n_end));
    if (!ts_jv_true(a[1])) {
        const char *blank = memrchr(text.s, ' ', text.n);
        text.n = blank ? (uint32_t)(blank - text.s) : text.n;
    }
    return ts_jx_arith(x, TS_JO_ADD, text, end, out);
}

/* Words are what Python's \w+ finds: letters, numbers and the underscore. */
FILTER(wordcount)
{
    ts_jv text;
    int64_t n = 0;
    size_t len;
    bool in_word = false;
    (void)a, (void)c;
    TS_TRY(ts_jv_to_str(x, v, &text));
    for (size_t i = 0; i < text.n; i += len) {
        const uint32_t b = ts_utf8_next((const unsigned char *)text.s + i, &len);
        const bool is_word = b == '_' || ts_jchar_is_alnum(b);
        n += is_word && !in_word;
        in_word = is_word;
    }
    *out = ts_jv_int(n);
    return TS_OK;
}

FILTER(urlencode)
{
    ts_jv text;
    ts_str s = { 0 };
    ts_status st = TS_OK;
    (void)a, (void)c;
    if (v.type == TS_JV_DICT || ts_jv_is_seq(v))
        return ts_jx_fail(x, "TypeError", "urlencode of pairs is not supported");
    TS_TRY(ts_jv_to_str(x, v, &text));
    for (size_t i = 0; i < text.n && st == TS_OK; i++) {
        const unsigned char b = (unsigned char)text.s[i];
        const bool is_plain = (b >= '0' && b <= '9') || ((b | 32) >= 'a' && (b | 32) <= 'z') ||
                              (b && strchr("_.-~/", b));
        st = is_plain ? ts_str_add(&s, text.s + i, 1) : ts_str_printf(&s, "%%%02X", b);
    }
    return ts_jx_finish(x, &s, st, out);
}

/* A number in a string, as Python's int() and float() read it. */
static bool parse_number(ts_jv v, int base, bool is_real, ts_jv *out)
{
    char buf[400], *end;
    size_t n = 0, a = ts_jinja_skip_space(v.s, 0, v.n);
    const size_t b = ts_jinja_back_space(v.s, a, v.n);
    for (; a < b && n < sizeof buf - 1; a++) {
        const bool between = v.s[a] == '_' && n && a + 1 < b && v.s[a + 1] != '_';
        if (!between)
            buf[n++] = v.s[a];
    }
    buf[n] = 0;
    if (!n || a < b || strlen(buf) != n || buf[strcspn(buf, " \t\n\v\f\r")])
        return false;
    if (is_real) {
        *out = ts_jv_float(strtod(buf, &end));
        return !*end && !strpbrk(buf, "xXpP(");
    }
    const char *digits = buf + (*buf == '-' || *buf == '+');
    const char prefix = digits[0] == '0' && digits[1] ? digits[1] | 32 : 0;
    const bool has_prefix = (base == 16 && prefix == 'x') || (base == 8 && prefix == 'o') ||
                            (base == 2 && prefix == 'b');
    if (*digits == '-' || *digits == '+')
        return false;
    const long long whole = strtoll(has_prefix ? digits + 2 : digits, &end, base);
    *out = ts_jv_int(*buf == '-' ? -whole : whole);
    return !*end && (base == 16 ? has_prefix || prefix != 'x' : true) && whole != INT64_MAX;
}

FILTER(int)
{
    int64_t base;
    ts_jv real;
    (void)c;
    TS_TRY(ts_jarg_int(x, a[1], 10, &base));
    *out = ts_jarg(a[0], ts_jv_int(0));
    if (v.type == TS_JV_UNDEFINED)
        return ts_jx_fail_undefined(x, v);
    if (ts_jv_is_whole(v)) {
        *out = ts_jv_int(ts_jv_whole(v));
        return TS_OK;
    }
    if (v.type == TS_JV_STR && base >= 2 && base <= 36 && parse_number(v, (int)base, false, out))
        return TS_OK;
    *out = ts_jarg(a[0], ts_jv_int(0));
    if (v.type == TS_JV_STR ? !parse_number(v, 10, true, &real) : v.type != TS_JV_FLOAT)
        return TS_OK;
    const double f = v.type == TS_JV_FLOAT ? v.f : real.f;
    if (isfinite(f) && fabs(f) >= 9.2e18)
        return ts_jx_fail(x, "OverflowError", "a whole number of more than 64 bits is not supported");
    if (isfinite(f))
        *out = ts_jv_int((int64_t)f);
    return TS_OK;
}

FILTER(float)
{
    (void)c;
    if (v.type == TS_JV_UNDEFINED)
        return ts_jx_fail_undefined(x, v);
    if (ts_jv_is_number(v)) {
        *out = ts_jv_float(ts_jv_real(v));
        return TS_OK;
    }
    if (v.type != TS_JV_STR || !parse_number(v, 10, true, out))
        *out = ts_jarg(a[0], ts_jv_float(0));
    return TS_OK;
}

FILTER(abs)
{
    (void)a, (void)c;
    if (v.type == TS_JV_UNDEFINED)
        return ts_jx_fail_undefined(x, v);
    if (!ts_jv_is_number(v))
        return ts_jx_fail(x, "TypeError", "bad operand type for abs(): '%s'", ts_jv_type_name(v));
    if (v.type == TS_JV_FLOAT) {
        *out = ts_jv_float(fabs(v.f));
        return TS_OK;
    }
    return ts_jx_negate(x, v, ts_jv_whole(v) >= 0, out);
}

FILTER(round)
{
    int64_t digits;
    ts_jv method;
    (void)c;
    TS_TRY(ts_jarg_int(x, a[0], 0, &digits));
    TS_TRY(ts_jarg_str(x, a[1], "common", &method));
    if (v.type == TS_JV_UNDEFINED)
        return ts_jx_fail_undefined(x, v);
    if (!ts_jv_is_number(v))
        return ts_jx_fail(x, "TypeError", "type %s doesn't define __round__ method", ts_jv_type_name(v));
    const bool is_ceil = ts_jv_is(method, "ceil"), is_floor = ts_jv_is(method, "floor");
    if (!is_ceil && !is_floor && !ts_jv_is(method, "common"))
        return ts_jx_fail(x, "FilterArgumentError", "method must be common, ceil or floor");
    if (digits > 300 || digits < -300)
        return ts_jx_fail(x, "ValueError", "a precision of %lld is too large", (long long)digits);
    const double f = ts_jv_real(v), scale = pow(10, (double)digits);
    if (is_ceil || is_floor) {
        *out = ts_jv_float((is_ceil ? ceil(f * scale) : floor(f * scale)) / scale);
    } else if (digits >= 0) { /* correctly rounded, halves to even, as the digits of the number have it */
        char buf[700];
        if (ts_jv_is_whole(v)) {
            *out = ts_jv_int(ts_jv_whole(v));
            return TS_OK;
        }
        snprintf(buf, sizeof buf, "%.*f", (int)digits, f);
        *out = ts_jv_float(strtod(buf, NULL));
    } else {
        const double r = nearbyint(f * scale) / scale;
        *out = ts_jv_is_whole(v) ? ts_jv_int((int64_t)r) : ts_jv_float(r);
    }
    return TS_OK;
}

FILTER(default)
{
    (void)x, (void)c;
    const bool use = v.type == TS_JV_UNDEFINED || (ts_jv_true(a[1]) && !ts_jv_true(v));
    *out = use ? ts_jarg(a[0], ts_jv_str("", 0)) : v;
    return TS_OK;
}

FILTER(attr)
{
    ts_jv name;
    (void)c;
    TS_TRY(ts_jv_to_str(x, a[0], &name));
    TS_TRY(ts_jx_attr(x, v, name, out));
    /* only attributes, not items: of a dictionary those are its methods */
    if (v.type == TS_JV_DICT && out->type != TS_JV_METHOD && out->type != TS_JV_UNDEFINED)
        return ts_jv_undefined(x, v, name, out);
    return TS_OK;
}

FILTER(tojson)
{
    ts_jdump how = { .ascii = ts_jv_true(a[0]), .sort = ts_jv_true(a[3]),
                     .indent = ts_jarg(a[1], ts_jv_none()) };
    ts_str s = { 0 };
    (void)c;
    const bool is_flat = how.indent.type == TS_JV_NONE;
    if (!is_flat && how.indent.type != TS_JV_STR && !ts_jv_is_whole(how.indent))
        return ts_jx_fail(x, "TypeError", "indent must be an integer or a string");
    if (ts_jv_is_whole(how.indent) && ts_jv_whole(how.indent) > 1000)
        return ts_jx_fail(x, "ValueError", "an indent of more than 1000 is not supported");
    how.item = is_flat ? ts_jv_str(", ", 2) : ts_jv_str(",", 1);
    how.key = ts_jv_str(": ", 2);
    if (a[2].type != TS_JV_ABSENT && a[2].type != TS_JV_NONE) {
        ts_jseq *pair;
        TS_TRY(ts_jv_items(x, a[2], &pair));
        if (pair->n != 2)
            return ts_jx_fail(x, "ValueError", "separators are two strings");
        TS_TRY(ts_jarg_str(x, ts_jseq_at(pair, 0), NULL, &how.item));
        TS_TRY(ts_jarg_str(x, ts_jseq_at(pair, 1), NULL, &how.key));
    }
    return ts_jx_finish(x, &s, ts_jv_dump(x, v, &how, &s), out);
}

static const ts_jrow rows[] = {
    { "abs", "", 0, f_abs },
    { "attr", "name", 1, f_attr },
    { "batch", "linecount fill_with", 1, ts_jfilter_batch },
    { "capitalize", "", 0, f_capitalize },
    { "center", "width", 0, f_center },
    { "count", "", 0, ts_jfilter_length },
    { "d", "default_value boolean", 0, f_default },
    { "default", "default_value boolean", 0, f_default },
    { "dictsort", "case_sensitive by reverse", 0, ts_jfilter_dictsort },
    { "e", "", 0, f_escape },
    { "escape", "", 0, f_escape },
    { "first", "", 0, ts_jfilter_first },
    { "float", "default", 0, f_float },
    { "forceescape", "", 0, f_forceescape },
    { "format", NULL, 0, f_format },
    { "groupby", "attribute default case_sensitive", 1, ts_jfilter_groupby },
    { "indent", "width first blank", 0, f_indent },
    { "int", "default base", 0, f_int },
    { "items", "", 0, ts_jfilter_items },
    { "join", "d attribute", 0, ts_jfilter_join },
    { "last", "", 0, ts_jfilter_last },
    { "length", "", 0, ts_jfilter_length },
    { "list", "", 0, ts_jfilter_list },
    { "lower", "", 0, f_lower },
    { "map", NULL, 0, ts_jfilter_map },
    { "max", "case_sensitive attribute", 0, ts_jfilter_max },
    { "min", "case_sensitive attribute", 0, ts_jfilter_min },
    { "reject", NULL, 0, ts_jfilter_reject },
    { "rejectattr", NULL, 0, ts_jfilter_rejectattr },
    { "replace", "old new count", 2, f_replace },
    { "reverse", "", 0, ts_jfilter_reverse },
    { "round", "precision method", 0, f_round },
    { "safe", "", 0, f_safe },
    { "select", NULL, 0, ts_jfilter_select },
    { "selectattr", NULL, 0, ts_jfilter_selectattr },
    { "slice", "slices fill_with", 1, ts_jfilter_slice },
    { "sort", "reverse case_sensitive attribute", 0, ts_jfilter_sort },
    { "string", "", 0, f_string },
    { "sum", "attribute start", 0, ts_jfilter_sum },
    { "title", "", 0, f_title },
    { "tojson", "ensure_ascii indent separators sort_keys", 0, f_tojson },
    { "trim", "chars", 0, f_trim },
    { "truncate", "length killwords end leeway", 0, f_truncate },
    { "unique", "case_sensitive attribute", 0, ts_jfilter_unique },
    { "upper", "", 0, f_upper },
    { "urlencode", "", 0, f_urlencode },
    { "wordcount", "", 0, f_wordcount },
};

int ts_jinja_filter_id(const char *name, size_t n)
{
    return ts_jrow_find(rows, sizeof rows / sizeof *rows, name, n);
}

ts_status ts_jx_filter(ts_jx *x, int id, ts_jv v, const ts_jcall *c, ts_jv *out)
{
    TS_TRY(ts_jx_enter(x));
    TS_TRY(ts_jrow_call(x, &rows[id], v, c, out));
    ts_jx_leave(x);
    return TS_OK;
}
