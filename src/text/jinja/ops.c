/* Operators, attributes and subscripts, as Python has them for its own types. */
#include "text/jinja/interp.h"
#include "text/unicode.h"

#include <math.h>
#include <string.h>

static const char *const op_text[] = { "+", "-", "*", "/", "//", "%", "** or pow()" };

static ts_status bad_operands(ts_jx *x, ts_jop op, ts_jv a, ts_jv b)
{
    if (op == TS_JO_ADD && (a.type == TS_JV_STR || a.type == TS_JV_LIST || a.type == TS_JV_TUPLE))
        return ts_jx_fail(x, "TypeError", "can only concatenate %s (not \"%s\") to %s",
                          ts_jv_type_name(a), ts_jv_type_name(b), ts_jv_type_name(a));
    return ts_jx_fail(x, "TypeError", "unsupported operand type(s) for %s: '%s' and '%s'",
                      op_text[op], ts_jv_type_name(a), ts_jv_type_name(b));
}

static ts_status overflow(ts_jx *x)
{
    return ts_jx_fail(x, "OverflowError", "a whole number of more than 64 bits is not supported");
}

static ts_status power(ts_jx *x, int64_t base, int64_t n, ts_jv *out)
{
    if (n < 0) {
        if (!base)
            return ts_jx_fail(x, "ZeroDivisionError", "0.0 cannot be raised to a negative power");
        *out = ts_jv_float(pow((double)base, (double)n));
        return TS_OK;
    }
    int64_t r = 1;
    for (; n; n >>= 1) {
        if ((n & 1) && __builtin_mul_overflow(r, base, &r))
            return overflow(x);
        if (n > 1 && __builtin_mul_overflow(base, base, &base))
            return overflow(x);
    }
    *out = ts_jv_int(r);
    return TS_OK;
}

static ts_status whole_arith(ts_jx *x, ts_jop op, int64_t a, int64_t b, ts_jv *out)
{
    int64_t r = 0;
    bool is_over = false;
    if (!b && (op == TS_JO_DIV || op == TS_JO_FLOORDIV || op == TS_JO_MOD))
        return ts_jx_fail(x, "ZeroDivisionError", "%s",
                          op == TS_JO_DIV ? "division by zero" : "integer division or modulo by zero");
    switch (op) {
    case TS_JO_ADD: is_over = __builtin_add_overflow(a, b, &r); break;
    case TS_JO_SUB: is_over = __builtin_sub_overflow(a, b, &r); break;
    case TS_JO_MUL: is_over = __builtin_mul_overflow(a, b, &r); break;
    case TS_JO_DIV: *out = ts_jv_float((double)a / (double)b); return TS_OK;
    case TS_JO_POW: return power(x, a, b, out);
    default:
        if (b == -1) { /* the smallest number has no opposite */
            is_over = op == TS_JO_FLOORDIV && __builtin_sub_overflow(0, a, &r);
            break;
        }
        r = op == TS_JO_MOD ? a % b : a / b;
        if (a % b && (a % b < 0) != (b < 0))
            r += op == TS_JO_MOD ? b : -1;
        break;
    }
    *out = ts_jv_int(r);
    return is_over ? overflow(x) : TS_OK;
}

static ts_status real_arith(ts_jx *x, ts_jop op, double a, double b, ts_jv *out)
{
    double r = 0;
    if (b == 0 && (op == TS_JO_DIV || op == TS_JO_FLOORDIV || op == TS_JO_MOD))
        return ts_jx_fail(x, "ZeroDivisionError", "float division by zero");
    switch (op) {
    case TS_JO_ADD: r = a + b; break;
    case TS_JO_SUB: r = a - b; break;
    case TS_JO_MUL: r = a * b; break;
    case TS_JO_DIV: r = a / b; break;
    case TS_JO_POW:
        if ((a == 0 && b < 0) || (a < 0 && b != floor(b)))
            return ts_jx_fail(x, "ValueError", "a power that is no real number");
        r = pow(a, b);
        if (isinf(r) && !isinf(a) && !isinf(b))
            return ts_jx_fail(x, "OverflowError", "Numerical result out of range");
        break;
    default: {
        double mod = fmod(a, b);
        double div = (a - mod) / b;
        if (mod != 0 && (b < 0) != (mod < 0)) {
            mod += b;
            div -= 1;
        } else if (mod == 0) {
            mod = copysign(0, b);
        }
        const double whole = floor(div) + (div - floor(div) > 0.5);
        r = op == TS_JO_MOD ? mod : div != 0 ? whole : copysign(0, a / b);
        break;
    }
    }
    *out = ts_jv_float(r);
    return TS_OK;
}

ts_status ts_jx_escape(ts_jx *x, ts_jv v, ts_jv *out)
{
    TS_TRY(ts_jv_to_str(x, v, &v));
    ts_str s = { 0 };
    ts_status st = TS_OK;
    for (size_t i = 0; i < v.n && st == TS_OK; i++) {
        const char c = v.s[i];
        const char *to = v.is_safe   ? NULL
                         : c == '&'  ? "&amp;"
                         : c == '<'  ? "&lt;"
                         : c == '>'  ? "&gt;"
                         : c == '"'  ? "&#34;"
                         : c == '\'' ? "&#39;"
                                     : NULL;
        st = to ? ts_str_puts(&s, to) : ts_str_add(&s, &c, 1);
    }
    st = ts_jx_finish(x, &s, st, out);
    out->is_safe = true;
    return st;
}

static ts_status concat_str(ts_jx *x, ts_jv a, ts_jv b, ts_jv *out)
{
    const bool is_safe = a.is_safe || b.is_safe;
    if (is_safe && !a.is_safe)
        TS_TRY(ts_jx_escape(x, a, &a));
    if (is_safe && !b.is_safe)
        TS_TRY(ts_jx_escape(x, b, &b));
    char *s;
    const size_t n = (size_t)a.n + b.n;
    TS_TRY(ts_jx_alloc(x, n + 1, 1, &s));
    if (a.n)
        memcpy(s, a.s, a.n);
    if (b.n)
        memcpy(s + a.n, b.s, b.n);
    *out = ts_jv_str(s, n);
    out->is_safe = is_safe;
    return TS_OK;
}

static ts_status concat_seq(ts_jx *x, ts_jv a, ts_jv b, ts_jv *out)
{
    TS_TRY(ts_jv_seq(x, a.type, a.seq->n + b.seq->n, out));
    if (a.seq->n)
        memcpy(out->seq->v, a.seq->v, a.seq->n * sizeof *a.seq->v);
    if (b.seq->n)
        memcpy(out->seq->v + a.seq->n, b.seq->v, b.seq->n * sizeof *b.seq->v);
    return TS_OK;
}

static ts_status repeat(ts_jx *x, ts_jv v, int64_t times, ts_jv *out)
{
    const size_t k = times > 0 ? (size_t)times : 0;
    const bool is_str = v.type == TS_JV_STR;
    const size_t n = is_str ? v.n : v.seq->n, each = is_str ? 1 : sizeof *v.seq->v;
    size_t all;
    if (!ts_mul_size(n, k, &all) || all > TS_JINJA_BYTES / each)
        return ts_jx_fail(x, "MemoryError", "the result of * is too large");
    char *s;
    if (is_str)
        TS_TRY(ts_jx_alloc(x, all + 1, 1, &s));
    else
        TS_TRY(ts_jv_seq(x, v.type, all, out));
    for (size_t i = 0; i < k && n; i++)
        memcpy((is_str ? s : (char *)out->seq->v) + i * n * each,
               is_str ? (const void *)v.s : v.seq->v, n * each);
    if (is_str) {
        *out = ts_jv_str(s, all);
        out->is_safe = v.is_safe;
    }
    return TS_OK;
}

static bool can_repeat(ts_jv v)
{
    return v.type == TS_JV_STR || v.type == TS_JV_LIST || v.type == TS_JV_TUPLE;
}

ts_status ts_jx_arith(ts_jx *x, ts_jop op, ts_jv a, ts_jv b, ts_jv *out)
{
    if (op == TS_JO_MOD && a.type == TS_JV_STR)
        return ts_jx_percent(x, a, b, out);
    if (a.type == TS_JV_UNDEFINED || b.type == TS_JV_UNDEFINED)
        return ts_jx_fail_undefined(x, a.type == TS_JV_UNDEFINED ? a : b);
    if (ts_jv_is_whole(a) && ts_jv_is_whole(b))
        return whole_arith(x, op, ts_jv_whole(a), ts_jv_whole(b), out);
    if (ts_jv_is_number(a) && ts_jv_is_number(b))
        return real_arith(x, op, ts_jv_real(a), ts_jv_real(b), out);
    if (op == TS_JO_ADD && a.type == b.type && a.type == TS_JV_STR)
        return concat_str(x, a, b, out);
    if (op == TS_JO_ADD && a.type == b.type && can_repeat(a))
        return concat_seq(x, a, b, out);
    if (op == TS_JO_MUL && can_repeat(a) && ts_jv_is_whole(b))
        return repeat(x, a, ts_jv_whole(b), out);
    if (op == TS_JO_MUL && can_repeat(b) && ts_jv_is_whole(a))
        return repeat(x, b, ts_jv_whole(a), out);
    return bad_operands(x, op, a, b);
}

ts_status ts_jx_negate(ts_jx *x, ts_jv v, bool is_plus, ts_jv *out)
{
    if (v.type == TS_JV_UNDEFINED)
        return ts_jx_fail_undefined(x, v);
    if (v.type == TS_JV_FLOAT) {
        *out = ts_jv_float(is_plus ? v.f : -v.f);
        return TS_OK;
    }
    if (!ts_jv_is_whole(v))
        return ts_jx_fail(x, "TypeError", "bad operand type for unary %c: '%s'", is_plus ? '+' : '-',
                          ts_jv_type_name(v));
    if (is_plus) {
        *out = ts_jv_int(ts_jv_whole(v));
        return TS_OK;
    }
    return whole_arith(x, TS_JO_SUB, 0, ts_jv_whole(v), out);
}

size_t ts_jv_find(ts_jv v, ts_jv needle, size_t at)
{
    if (at > v.n || needle.n > v.n - at)
        return (size_t)v.n + 1;
    if (!needle.n)
        return at;
    const char *found = memmem(v.s + at, v.n - at, needle.s, needle.n);
    return found ? (size_t)(found - v.s) : (size_t)v.n + 1;
}

ts_status ts_jx_contains(ts_jx *x, ts_jv in, ts_jv v, bool *out)
{
    ts_jv found;
    ts_jseq *items;
    if (in.type == TS_JV_STR) {
        if (v.type == TS_JV_UNDEFINED)
            return ts_jx_fail(x, "TypeError",
                              "'in <string>' requires string as left operand, not Undefined");
        if (v.type != TS_JV_STR)
            return ts_jx_fail(x, "TypeError", "'in <string>' requires string as left operand, not %s",
                              ts_jv_type_name(v));
        *out = ts_jv_find(in, v, 0) <= in.n;
        return ts_jx_step(x, in.n / 64);
    }
    if (in.type == TS_JV_DICT) {
        TS_TRY(ts_jdict_get(x, in.dict, v, &found));
        *out = found.type != TS_JV_ABSENT;
        return TS_OK;
    }
    if (!ts_jv_is_seq(in) && in.type != TS_JV_UNDEFINED)
        return ts_jx_fail(x, "TypeError", "argument of type '%s' is not iterable", ts_jv_type_name(in));
    TS_TRY(ts_jv_items(x, in, &items));
    *out = false;
    for (size_t i = 0; !*out && i < items->n; i++)
        TS_TRY(ts_jv_equal(x, ts_jseq_at(items, i), v, out));
    return TS_OK;
}

ts_status ts_jx_compare(ts_jx *x, ts_jop op, ts_jv a, ts_jv b, bool *out)
{
    static const char *const text[] = { [TS_JO_LT] = "<", [TS_JO_LE] = "<=", [TS_JO_GT] = ">",
                                        [TS_JO_GE] = ">=" };
    int order;
    if (op == TS_JO_IN || op == TS_JO_NOT_IN) {
        TS_TRY(ts_jx_contains(x, b, a, out));
        *out ^= op == TS_JO_NOT_IN;
        return TS_OK;
    }
    if (op == TS_JO_EQ || op == TS_JO_NE) {
        TS_TRY(ts_jv_equal(x, a, b, out));
        *out ^= op == TS_JO_NE;
        return TS_OK;
    }
    TS_TRY(ts_jv_order(x, a, b, text[op], &order));
    *out = op == TS_JO_LT   ? order == -1
           : op == TS_JO_GT ? order == 1
           : op == TS_JO_LE ? order <= 0
                            : order == 0 || order == 1;
    return TS_OK;
}

/* ---------------------------------------------------------------- attributes and subscripts */

static ts_status slice_bound(ts_jx *x, ts_jv v, int64_t length, int64_t def, bool is_back, int64_t *out)
{
    *out = def;
    if (v.type == TS_JV_NONE)
        return TS_OK;
    if (!ts_jv_is_whole(v))
        return ts_jx_fail(x, "TypeError", "slice indices must be integers or None");
    int64_t i = ts_jv_whole(v);
    const int64_t lowest = is_back ? -1 : 0, highest = is_back ? length - 1 : length;
    if (i < 0)
        i = i < -length ? lowest : i + length;
    *out = i < lowest ? lowest : i > highest ? highest : i;
    return TS_OK;
}

ts_status ts_jx_slice_range(ts_jx *x, const ts_jseq *slice, size_t length, ts_jrange *out)
{
    const ts_jv step = slice->v[2];
    int64_t stop, n = (int64_t)length;
    if (step.type != TS_JV_NONE && !ts_jv_is_whole(step))
        return ts_jx_fail(x, "TypeError", "slice indices must be integers or None");
    out->step = step.type == TS_JV_NONE ? 1 : ts_jv_whole(step);
    if (!out->step)
        return ts_jx_fail(x, "ValueError", "slice step cannot be zero");
    const bool is_back = out->step < 0;
    if (out->step < -n - 1 || out->step > n + 1) /* as good as that */
        out->step = is_back ? -n - 1 : n + 1;
    TS_TRY(slice_bound(x, slice->v[0], n, is_back ? n - 1 : 0, is_back, &out->start));
    TS_TRY(slice_bound(x, slice->v[1], n, is_back ? -1 : n, is_back, &stop));
    const int64_t span = is_back ? out->start - stop : stop - out->start;
    const int64_t each = is_back ? -out->step : out->step;
    out->n = span > 0 ? (size_t)((span + each - 1) / each) : 0;
    return TS_OK;
}

size_t ts_jv_char_offset(ts_jv v, size_t at)
{
    size_t i = 0;
    while (at-- && i < v.n)
        i += ts_utf8_width((unsigned char)v.s[i]);
    return i;
}

static ts_status slice_str(ts_jx *x, ts_jv v, const ts_jseq *slice, ts_jv *out)
{
    ts_jrange r;
    const size_t n = ts_jv_chars(v);
    TS_TRY(ts_jx_step(x, v.n / 64));
    TS_TRY(ts_jx_slice_range(x, slice, n, &r));
    if (r.step == 1 || !r.n) {
        const size_t begin = r.n ? ts_jv_char_offset(v, (size_t)r.start) : 0;
        const ts_jv rest = ts_jv_str(v.s + begin, v.n - begin);
        *out = ts_jv_str(rest.s, ts_jv_char_offset(rest, r.n));
    } else {
        ts_jseq *chars;
        ts_str s = { 0 };
        ts_status st = ts_jv_items(x, v, &chars);
        for (size_t i = 0; i < r.n && st == TS_OK; i++) {
            const ts_jv c = chars->v[r.start + (int64_t)i * r.step];
            st = ts_str_add(&s, c.s, c.n);
        }
        TS_TRY(ts_jx_finish(x, &s, st, out));
    }
    out->is_safe = v.is_safe;
    return TS_OK;
}

static ts_status slice_seq(ts_jx *x, ts_jv v, const ts_jseq *slice, ts_jv *out)
{
    ts_jrange r;
    TS_TRY(ts_jx_slice_range(x, slice, v.seq->n, &r));
    TS_TRY(ts_jx_step(x, r.n));
    if (v.type == TS_JV_RANGE) {
        const int64_t start = v.seq->start + r.start * v.seq->step, step = v.seq->step * r.step;
        return ts_jx_range(x, start, start + step * (int64_t)r.n, step, out);
    }
    TS_TRY(ts_jv_seq(x, v.type, r.n, out));
    for (size_t i = 0; i < r.n; i++)
        out->seq->v[i] = v.seq->v[r.start + (int64_t)i * r.step];
    return TS_OK;
}

/* v[key] proper; ABSENT where Python raises a TypeError or LookupError. */
static ts_status subscript(ts_jx *x, ts_jv v, ts_jv key, ts_jv *out)
{
    const bool is_seq = v.type == TS_JV_LIST || v.type == TS_JV_TUPLE || v.type == TS_JV_RANGE;
    *out = (ts_jv){ 0 };
    if (v.type == TS_JV_DICT) {
        if (key.type == TS_JV_LIST || key.type == TS_JV_DICT || key.type == TS_JV_SLICE)
            return TS_OK;
        return ts_jdict_get(x, v.dict, key, out);
    }
    if (key.type == TS_JV_SLICE && v.type == TS_JV_STR)
        return slice_str(x, v, key.seq, out);
    if (key.type == TS_JV_SLICE && is_seq)
        return slice_seq(x, v, key.seq, out);
    if (!ts_jv_is_whole(key) || (!is_seq && v.type != TS_JV_STR))
        return TS_OK;
    size_t n = 0;
    TS_TRY(ts_jv_length(x, v, &n));
    int64_t i = ts_jv_whole(key);
    i += i < 0 ? (int64_t)n : 0;
    if (i < 0 || (size_t)i >= n)
        return TS_OK;
    if (is_seq) {
        *out = ts_jseq_at(v.seq, (size_t)i);
        return TS_OK;
    }
    const size_t at = ts_jv_char_offset(v, (size_t)i);
    *out = ts_jv_str(v.s + at, ts_utf8_width((unsigned char)v.s[at]));
    out->is_safe = v.is_safe;
    return TS_OK;
}

static bool is_dunder(ts_jv name)
{
    static const char *const known[] = {
        "__class__", "__dict__", "__doc__", "__init__", "__new__", "__eq__", "__ne__", "__hash__",
        "__str__", "__repr__", "__format__", "__getattribute__", "__reduce__", "__reduce_ex__",
        "__sizeof__", "__subclasshook__", "__init_subclass__", "__dir__", "__setattr__", "__delattr__",
        "__lt__", "__le__", "__gt__", "__ge__", "__len__", "__getitem__", "__contains__", "__iter__",
        "__call__", "__module__", "__add__", "__mul__", "__rmul__", "__mod__", "__rmod__",
        "__globals__", "__code__", "__self__", "__func__", "__name__",
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (ts_jv_is(name, known[i]))
            return true;
    return false;
}

static ts_status macro_attr(ts_jx *x, const ts_jmacro *m, ts_jv name, ts_jv *out)
{
    if (ts_jv_is(name, "name"))
        *out = ts_jv_text(m->name);
    else if (ts_jv_is(name, "catch_kwargs"))
        *out = ts_jv_bool(m->uses & TS_JUSE_KWARGS);
    else if (ts_jv_is(name, "catch_varargs"))
        *out = ts_jv_bool(m->uses & TS_JUSE_VARARGS);
    else if (ts_jv_is(name, "caller"))
        *out = ts_jv_bool(m->uses & TS_JUSE_CALLER);
    else if (ts_jv_is(name, "arguments")) {
        TS_TRY(ts_jv_seq(x, TS_JV_TUPLE, m->params.n, out));
        for (size_t i = 0; i < m->params.n; i++)
            out->seq->v[i] = ts_jv_text(x->t->names[m->params.v[i]->id]);
    }
    return TS_OK;
}

/* getattr(v, name); ABSENT where there is none. */
static ts_status attribute(ts_jx *x, ts_jv v, ts_jv name, ts_jv *out)
{
    bool is_unsafe = false;
    *out = (ts_jv){ 0 };
    if (v.type == TS_JV_NAMESPACE)
        return ts_jdict_get(x, v.dict, name, out);
    if (is_dunder(name))
        return ts_jv_unsafe(x, v, name, out);
    if (v.type == TS_JV_LOOP)
        TS_TRY(ts_jloop_attr(x, v.loop, name, out));
    else if (v.type == TS_JV_MACRO)
        TS_TRY(macro_attr(x, v.closure->macro, name, out));
    else if (v.type == TS_JV_CYCLER && ts_jv_is(name, "current"))
        *out = ts_jseq_at(v.cycler->items.seq, v.cycler->at);
    if (out->type != TS_JV_ABSENT)
        return TS_OK;
    const int id = ts_jx_method_id(v, name, &is_unsafe);
    if (is_unsafe)
        return ts_jv_unsafe(x, v, name, out);
    if (id < 0)
        return TS_OK;
    ts_jmethod *m;
    TS_TRY(ts_jx_alloc(x, 1, sizeof *m, &m));
    m->self = v;
    m->id = id;
    *out = (ts_jv){ .type = TS_JV_METHOD, .method = m };
    return TS_OK;
}

ts_status ts_jx_attr(ts_jx *x, ts_jv v, ts_jv name, ts_jv *out)
{
    if (v.type == TS_JV_UNDEFINED)
        return ts_jx_fail_undefined(x, v);
    TS_TRY(attribute(x, v, name, out));
    if (out->type == TS_JV_ABSENT)
        TS_TRY(subscript(x, v, name, out));
    return out->type == TS_JV_ABSENT ? ts_jv_undefined(x, v, name, out) : TS_OK;
}

ts_status ts_jx_item(ts_jx *x, ts_jv v, ts_jv key, ts_jv *out)
{
    if (v.type == TS_JV_UNDEFINED)
        return ts_jx_fail_undefined(x, v);
    TS_TRY(subscript(x, v, key, out));
    if (out->type == TS_JV_ABSENT && key.type == TS_JV_STR)
        TS_TRY(attribute(x, v, key, out));
    return out->type == TS_JV_ABSENT ? ts_jv_undefined(x, v, key, out) : TS_OK;
}
