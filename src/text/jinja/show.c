/* Values as text: str(), repr() and json.dumps() of Python. */
#include "text/jinja/value.h"
#include "text/unicode.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* The shortest digits that read back as the number, laid out as Python does. */
void ts_jv_float_text(double f, char buf[64])
{
    if (isnan(f) || isinf(f)) {
        snprintf(buf, 64, "%s", isnan(f) ? "nan" : f < 0 ? "-inf" : "inf");
        return;
    }
    char digits[40];
    int n = 1;
    do
        snprintf(digits, sizeof digits, "%.*e", n - 1, f);
    while (strtod(digits, NULL) != f && ++n <= 17);
    const int exponent = atoi(strchr(digits, 'e') + 1);
    if (exponent >= -4 && exponent < 16) {
        snprintf(buf, 64, "%.*f", n - 1 - exponent > 1 ? n - 1 - exponent : 1, f);
        return;
    }
    *strchr(digits, 'e') = 0;
    snprintf(buf, 64, "%se%c%02d", digits, exponent < 0 ? '-' : '+', abs(exponent));
}

static bool is_printable(uint32_t c)
{
    switch (ts_char_category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return false;
    case UTF8PROC_CATEGORY_ZS: return c == ' ';
    default: return true;
    }
}

static ts_status repr_str(ts_jv v, ts_str *out)
{
    const bool has_single = memchr(v.s, '\'', v.n) != NULL, has_double = memchr(v.s, '"', v.n) != NULL;
    const char quote = has_single && !has_double ? '"' : '\'';
    TS_TRY(ts_str_add(out, &quote, 1));
    size_t len;
    for (size_t i = 0; i < v.n; i += len) {
        const uint32_t c = ts_utf8_next((const unsigned char *)v.s + i, &len);
        if (c == (unsigned char)quote || c == '\\')
            TS_TRY(ts_str_printf(out, "\\%c", (int)c));
        else if (c == '\n' || c == '\r' || c == '\t')
            TS_TRY(ts_str_puts(out, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t"));
        else if ((c >= 32 && c < 127) || (c >= 127 && is_printable(c)))
            TS_TRY(ts_str_add(out, v.s + i, len));
        else
            TS_TRY(ts_str_printf(out, c < 256 ? "\\x%02x" : c < 65536 ? "\\u%04x" : "\\U%08x", c));
    }
    return ts_str_add(out, &quote, 1);
}

static ts_status repr_seq(ts_jx *x, ts_jv v, ts_str *out)
{
    const bool is_tuple = v.type == TS_JV_TUPLE;
    if (v.type == TS_JV_VIEW)
        TS_TRY(ts_str_printf(out, "%s(", v.seq->view));
    TS_TRY(ts_str_puts(out, is_tuple ? "(" : "["));
    for (size_t i = 0; i < v.seq->n; i++) {
        if (i)
            TS_TRY(ts_str_puts(out, ", "));
        TS_TRY(ts_jv_put_repr(x, v.seq->v[i], out));
    }
    TS_TRY(ts_str_puts(out, is_tuple ? (v.seq->n == 1 ? ",)" : ")") : "]"));
    return v.type == TS_JV_VIEW ? ts_str_puts(out, ")") : TS_OK;
}

static ts_status repr_dict(ts_jx *x, const ts_jdict *d, ts_str *out)
{
    TS_TRY(ts_str_puts(out, "{"));
    for (size_t i = 0; i < d->n; i++) {
        if (i)
            TS_TRY(ts_str_puts(out, ", "));
        TS_TRY(ts_jv_put_repr(x, d->v[i].key, out));
        TS_TRY(ts_str_puts(out, ": "));
        TS_TRY(ts_jv_put_repr(x, d->v[i].value, out));
    }
    return ts_str_puts(out, "}");
}

static ts_status repr_range(const ts_jseq *s, ts_str *out)
{
    const long long start = s->start, stop = (long long)s->at, step = s->step;
    return step == 1 ? ts_str_printf(out, "range(%lld, %lld)", start, stop)
                     : ts_str_printf(out, "range(%lld, %lld, %lld)", start, stop, step);
}

static ts_status put_plain(ts_jx *x, ts_jv v, bool is_repr, ts_str *out)
{
    char buf[64];
    switch (v.type) {
    case TS_JV_UNDEFINED: return ts_str_puts(out, is_repr ? "Undefined" : "");
    case TS_JV_NONE: return ts_str_puts(out, "None");
    case TS_JV_BOOL: return ts_str_puts(out, v.b ? "True" : "False");
    case TS_JV_INT: return ts_str_printf(out, "%lld", (long long)v.i);
    case TS_JV_FLOAT: ts_jv_float_text(v.f, buf); return ts_str_puts(out, buf);
    case TS_JV_STR:
        if (!is_repr)
            return ts_str_add(out, v.s, v.n);
        if (!v.is_safe)
            return repr_str(v, out);
        TS_TRY(ts_str_puts(out, "Markup("));
        TS_TRY(repr_str(v, out));
        return ts_str_puts(out, ")");
    case TS_JV_LIST:
    case TS_JV_TUPLE:
    case TS_JV_VIEW: return repr_seq(x, v, out);
    case TS_JV_RANGE: return repr_range(v.seq, out);
    case TS_JV_DICT: return repr_dict(x, v.dict, out);
    case TS_JV_NAMESPACE:
        TS_TRY(ts_str_puts(out, "<Namespace "));
        TS_TRY(repr_dict(x, v.dict, out));
        return ts_str_puts(out, ">");
    case TS_JV_MACRO: {
        TS_TRY(ts_str_puts(out, "<Macro "));
        TS_TRY(repr_str(ts_jv_text(v.closure->macro->name), out));
        return ts_str_puts(out, ">");
    }
    default: return ts_str_printf(out, "<%s object>", ts_jv_type_name(v));
    }
}

static ts_status put(ts_jx *x, ts_jv v, bool is_repr, ts_str *out)
{
    TS_TRY(ts_jx_enter(x));
    TS_TRY(ts_jx_step(x, 1));
    if (out->len > TS_JINJA_BYTES)
        return ts_jx_fail(x, "MemoryError", "a text of more than %d MiB", TS_JINJA_BYTES >> 20);
    TS_TRY(put_plain(x, v, is_repr, out));
    ts_jx_leave(x);
    return TS_OK;
}

ts_status ts_jv_put(ts_jx *x, ts_jv v, ts_str *out) { return put(x, v, false, out); }
ts_status ts_jv_put_repr(ts_jx *x, ts_jv v, ts_str *out) { return put(x, v, true, out); }

ts_status ts_jv_to_str(ts_jx *x, ts_jv v, ts_jv *out)
{
    if (v.type == TS_JV_STR) {
        *out = v;
        return TS_OK;
    }
    ts_str s = { 0 };
    ts_status st = ts_jv_put(x, v, &s);
    if (st == TS_OK)
        st = ts_jv_copy(x, ts_str_text(&s), s.len, out);
    ts_str_deinit(&s);
    return st;
}

/* ---------------------------------------------------------------- JSON */

static ts_status dump_char(uint32_t c, ts_str *out)
{
    static const char from[] = "\"\\\n\r\t\f\b", to[] = "\"\\nrtfb";
    const char *known = c < 128 && c ? strchr(from, (int)c) : NULL;
    if (known)
        return ts_str_printf(out, "\\%c", to[known - from]);
    if (c < 0x10000)
        return ts_str_printf(out, "\\u%04x", c);
    c -= 0x10000;
    return ts_str_printf(out, "\\u%04x\\u%04x", 0xD800 + (c >> 10), 0xDC00 + (c & 0x3FF));
}

static ts_status dump_str(ts_jv v, bool is_ascii, ts_str *out)
{
    size_t len, from = 0;
    TS_TRY(ts_str_puts(out, "\""));
    for (size_t i = 0; i < v.n; i += len) {
        const uint32_t c = ts_utf8_next((const unsigned char *)v.s + i, &len);
        if (c >= 32 && c != '"' && c != '\\' && (!is_ascii || c < 127))
            continue;
        if (i > from)
            TS_TRY(ts_str_add(out, v.s + from, i - from));
        TS_TRY(dump_char(c, out));
        from = i + len;
    }
    if (v.n > from)
        TS_TRY(ts_str_add(out, v.s + from, v.n - from));
    return ts_str_puts(out, "\"");
}

static ts_status dump(ts_jx *x, ts_jv v, const ts_jdump *how, size_t level, ts_str *out);

static ts_status dump_break(const ts_jdump *how, size_t level, ts_str *out)
{
    if (how->indent.type == TS_JV_NONE)
        return TS_OK;
    TS_TRY(ts_str_puts(out, "\n"));
    for (size_t i = 0; i < level; i++) {
        if (how->indent.type == TS_JV_STR)
            TS_TRY(ts_str_add(out, how->indent.s, how->indent.n));
        else
            for (int64_t k = 0; k < ts_jv_whole(how->indent); k++)
                TS_TRY(ts_str_puts(out, " "));
    }
    return TS_OK;
}

static ts_status dump_list(ts_jx *x, const ts_jseq *s, const ts_jdump *how, size_t level, ts_str *out)
{
    if (!s->n)
        return ts_str_puts(out, "[]");
    TS_TRY(ts_str_puts(out, "["));
    for (size_t i = 0; i < s->n; i++) {
        if (i)
            TS_TRY(ts_str_add(out, how->item.s, how->item.n));
        TS_TRY(dump_break(how, level + 1, out));
        TS_TRY(dump(x, s->v[i], how, level + 1, out));
    }
    TS_TRY(dump_break(how, level, out));
    return ts_str_puts(out, "]");
}

static ts_status dump_key(ts_jx *x, ts_jv key, const ts_jdump *how, ts_str *out)
{
    if (key.type == TS_JV_STR)
        return dump_str(key, how->ascii, out);
    if (!ts_jv_is_number(key) && key.type != TS_JV_NONE)
        return ts_jx_fail(x, "TypeError", "keys must be str, int, float, bool or None, not %s",
                          ts_jv_type_name(key));
    TS_TRY(ts_str_puts(out, "\""));
    TS_TRY(dump(x, key, how, 0, out));
    return ts_str_puts(out, "\"");
}

/* The pairs in the order in which they are written. */
static ts_status pairs_in_order(ts_jx *x, const ts_jdict *d, bool sort, const ts_jpair **out)
{
    ts_jpair *v;
    *out = d->v;
    if (!sort || d->n < 2)
        return TS_OK;
    TS_TRY(ts_jx_alloc(x, d->n, sizeof *v, &v));
    for (size_t n = 0; n < d->n; n++) {
        size_t at = n;
        for (; at; at--) {
            int c;
            TS_TRY(ts_jv_order(x, d->v[n].key, v[at - 1].key, "<", &c));
            if (c != -1)
                break;
            v[at] = v[at - 1];
        }
        v[at] = d->v[n];
    }
    *out = v;
    return TS_OK;
}

static ts_status dump_dict(ts_jx *x, const ts_jdict *d, const ts_jdump *how, size_t level, ts_str *out)
{
    const ts_jpair *v;
    if (!d->n)
        return ts_str_puts(out, "{}");
    TS_TRY(pairs_in_order(x, d, how->sort, &v));
    TS_TRY(ts_str_puts(out, "{"));
    for (size_t i = 0; i < d->n; i++) {
        if (i)
            TS_TRY(ts_str_add(out, how->item.s, how->item.n));
        TS_TRY(dump_break(how, level + 1, out));
        TS_TRY(dump_key(x, v[i].key, how, out));
        TS_TRY(ts_str_add(out, how->key.s, how->key.n));
        TS_TRY(dump(x, v[i].value, how, level + 1, out));
    }
    TS_TRY(dump_break(how, level, out));
    return ts_str_puts(out, "}");
}

static ts_status dump_plain(ts_jx *x, ts_jv v, const ts_jdump *how, size_t level, ts_str *out)
{
    char buf[64];
    switch (v.type) {
    case TS_JV_NONE: return ts_str_puts(out, "null");
    case TS_JV_BOOL: return ts_str_puts(out, v.b ? "true" : "false");
    case TS_JV_INT: return ts_str_printf(out, "%lld", (long long)v.i);
    case TS_JV_FLOAT:
        ts_jv_float_text(v.f, buf);
        return ts_str_puts(out, isnan(v.f)               ? "NaN"
                                : isinf(v.f) && v.f > 0 ? "Infinity"
                                : isinf(v.f)            ? "-Infinity"
                                                        : buf);
    case TS_JV_STR: return dump_str(v, how->ascii, out);
    case TS_JV_LIST:
    case TS_JV_TUPLE: return dump_list(x, v.seq, how, level, out);
    case TS_JV_DICT: return dump_dict(x, v.dict, how, level, out);
    default:
        return ts_jx_fail(x, "TypeError", "Object of type %s is not JSON serializable",
                          ts_jv_type_name(v));
    }
}

static ts_status dump(ts_jx *x, ts_jv v, const ts_jdump *how, size_t level, ts_str *out)
{
    TS_TRY(ts_jx_enter(x));
    TS_TRY(ts_jx_step(x, 1));
    if (out->len > TS_JINJA_BYTES)
        return ts_jx_fail(x, "MemoryError", "a text of more than %d MiB", TS_JINJA_BYTES >> 20);
    TS_TRY(dump_plain(x, v, how, level, out));
    ts_jx_leave(x);
    return TS_OK;
}

ts_status ts_jv_dump(ts_jx *x, ts_jv v, const ts_jdump *how, ts_str *out)
{
    return dump(x, v, how, 0, out);
}
