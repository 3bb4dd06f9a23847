/* Values: making, comparing, and dictionaries. */
#include "text/jinja/value.h"
#include "text/unicode.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

ts_status ts_jx_fail(const ts_jx *x, const char *kind, const char *fmt, ...)
{
    char what[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    what[ts_utf8_check(what, strlen(what))] = 0;
    return ts_error(TS_ERR_USER, "%s:%d: %s: %s", x->t->name, x->line, kind, what);
}

ts_status ts_jx_alloc(ts_jx *x, size_t count, size_t size, void *out)
{
    size_t bytes;
    if (!ts_mul_size(count, size, &bytes) || bytes > TS_JINJA_BYTES - x->used)
        return ts_jx_fail(x, "MemoryError", "the rendering needs more than %d MiB",
                          TS_JINJA_BYTES >> 20);
    x->used += bytes + 16;
    if (x->used > TS_JINJA_BYTES)
        x->used = TS_JINJA_BYTES;
    return ts_arena_alloc(&x->arena, bytes ? bytes : 1, out);
}

ts_status ts_jx_step(ts_jx *x, size_t n)
{
    x->steps += n > TS_JINJA_STEPS ? TS_JINJA_STEPS : (int64_t)n;
    if (x->steps <= TS_JINJA_STEPS)
        return TS_OK;
    x->steps = TS_JINJA_STEPS;
    return ts_jx_fail(x, "TimeoutError", "the rendering takes more than %d steps", TS_JINJA_STEPS);
}

ts_status ts_jx_enter(ts_jx *x)
{
    if (x->depth >= TS_JINJA_DEPTH)
        return ts_jx_fail(x, "RecursionError", "deeper than %d levels", TS_JINJA_DEPTH);
    x->depth++;
    return TS_OK;
}

ts_jv ts_jv_text(const char *s) { return ts_jv_str(s, strlen(s)); }

bool ts_jv_is(ts_jv v, const char *text)
{
    return v.type == TS_JV_STR && v.n == strlen(text) && !memcmp(v.s, text, v.n);
}

ts_status ts_jv_copy(ts_jx *x, const char *s, size_t n, ts_jv *out)
{
    char *to;
    TS_TRY(ts_jx_alloc(x, n + 1, 1, &to));
    if (n)
        memcpy(to, s, n);
    *out = ts_jv_str(to, n);
    return TS_OK;
}

ts_status ts_jv_seq(ts_jx *x, ts_jtype type, size_t n, ts_jv *out)
{
    ts_jv v = { .type = (uint8_t)type };
    TS_TRY(ts_jx_alloc(x, 1, sizeof *v.seq, &v.seq));
    TS_TRY(ts_jx_alloc(x, n, sizeof *v.seq->v, &v.seq->v));
    v.seq->n = n;
    *out = v;
    return TS_OK;
}

ts_status ts_jv_pair(ts_jx *x, ts_jv a, ts_jv b, ts_jv *out)
{
    TS_TRY(ts_jv_seq(x, TS_JV_TUPLE, 2, out));
    out->seq->v[0] = a;
    out->seq->v[1] = b;
    return TS_OK;
}

static ts_status undefined(ts_jx *x, const ts_jhint *hint, ts_jv *out)
{
    ts_jhint *copy;
    TS_TRY(ts_jx_alloc(x, 1, sizeof *copy, &copy));
    *copy = *hint;
    *out = (ts_jv){ .type = TS_JV_UNDEFINED, .hint = copy };
    return TS_OK;
}

ts_status ts_jv_undefined(ts_jx *x, ts_jv owner, ts_jv name, ts_jv *out)
{
    return undefined(x, &(ts_jhint){ .owner = owner, .name = name }, out);
}

ts_status ts_jv_undefined_text(ts_jx *x, const char *text, ts_jv *out)
{
    return undefined(x, &(ts_jhint){ .text = text }, out);
}

ts_status ts_jv_unsafe(ts_jx *x, ts_jv owner, ts_jv name, ts_jv *out)
{
    return undefined(x, &(ts_jhint){ .owner = owner, .name = name, .is_unsafe = true }, out);
}

ts_status ts_jx_fail_undefined(ts_jx *x, ts_jv v)
{
    const ts_jhint *h = v.hint;
    if (h->text)
        return ts_jx_fail(x, "UndefinedError", "%s", h->text);
    ts_str name = { 0 };
    ts_status st = h->name.type == TS_JV_STR ? ts_str_add(&name, h->name.s, h->name.n)
                                             : ts_jv_put_repr(x, h->name, &name);
    if (st == TS_OK) {
        const char *is = ts_jv_type_name(h->owner), *text = ts_str_text(&name);
        if (h->is_unsafe)
            st = ts_jx_fail(x, "SecurityError", "access to attribute '%s' of '%s' object is unsafe.",
                            text, is);
        else if (h->owner.type == TS_JV_ABSENT)
            st = ts_jx_fail(x, "UndefinedError", "'%s' is undefined", text);
        else if (h->owner.type == TS_JV_NONE)
            st = ts_jx_fail(x, "UndefinedError", "'None' has no attribute '%s'", text);
        else if (h->name.type != TS_JV_STR)
            st = ts_jx_fail(x, "UndefinedError", "%s object has no element %s", is, text);
        else
            st = ts_jx_fail(x, "UndefinedError", "'%s object' has no attribute '%s'", is, text);
    }
    ts_str_deinit(&name);
    return st;
}

static ts_status from_array(ts_jx *x, const json_t *j, ts_jv *out)
{
    TS_TRY(ts_jv_seq(x, TS_JV_LIST, json_array_size(j), out));
    for (size_t i = 0; i < out->seq->n; i++)
        TS_TRY(ts_jv_from_json(x, json_array_get(j, i), &out->seq->v[i]));
    return TS_OK;
}

static ts_status from_object(ts_jx *x, const json_t *j, ts_jv *out)
{
    const char *key;
    json_t *item;
    *out = (ts_jv){ .type = TS_JV_DICT };
    TS_TRY(ts_jdict_create(x, &out->dict));
    json_object_foreach((json_t *)j, key, item) {
        ts_jv v;
        TS_TRY(ts_jv_from_json(x, item, &v));
        TS_TRY(ts_jdict_set(x, out->dict, ts_jv_text(key), v));
    }
    return TS_OK;
}

ts_status ts_jv_from_json(ts_jx *x, const json_t *j, ts_jv *out)
{
    TS_TRY(ts_jx_enter(x));
    ts_status st = TS_OK;
    switch (json_typeof(j)) {
    case JSON_NULL: *out = ts_jv_none(); break;
    case JSON_TRUE: *out = ts_jv_bool(true); break;
    case JSON_FALSE: *out = ts_jv_bool(false); break;
    case JSON_INTEGER: *out = ts_jv_int(json_integer_value(j)); break;
    case JSON_REAL: *out = ts_jv_float(json_real_value(j)); break;
    case JSON_STRING:
        if (json_string_length(j) > TS_JINJA_BYTES)
            st = ts_jx_fail(x, "MemoryError", "a string of more than %d MiB", TS_JINJA_BYTES >> 20);
        else
            *out = ts_jv_str(json_string_value(j), json_string_length(j));
        break;
    case JSON_ARRAY: st = from_array(x, j, out); break;
    case JSON_OBJECT: st = from_object(x, j, out); break;
    }
    ts_jx_leave(x);
    return st;
}

/* ---------------------------------------------------------------- dictionaries */

/* Equal keys have equal hashes: numbers by value. */
static ts_status hash_of(ts_jx *x, ts_jv v, uint64_t *out)
{
    TS_TRY(ts_jx_enter(x));
    ts_status st = TS_OK;
    double f;
    switch (v.type) {
    case TS_JV_STR: *out = ts_hash_bytes(v.s, v.n); break;
    case TS_JV_BOOL:
    case TS_JV_INT:
    case TS_JV_FLOAT:
        f = ts_jv_real(v) + 0.0; /* -0.0 is 0.0 */
        *out = ts_hash_bytes((const char *)&f, sizeof f);
        break;
    case TS_JV_TUPLE:
        *out = 7;
        for (size_t i = 0; i < v.seq->n && st == TS_OK; i++) {
            uint64_t h = 0;
            st = hash_of(x, v.seq->v[i], &h);
            *out = *out * 0x9E3779B97F4A7C15u + h;
        }
        break;
    case TS_JV_LIST:
    case TS_JV_DICT:
    case TS_JV_SLICE:
        st = ts_jx_fail(x, "TypeError", "unhashable type: '%s'", ts_jv_type_name(v));
        break;
    default: *out = v.type; break;
    }
    ts_jx_leave(x);
    return st;
}

ts_status ts_jdict_create(ts_jx *x, ts_jdict **out) { return ts_jx_alloc(x, 1, sizeof **out, out); }

static ts_status find(ts_jx *x, const ts_jdict *d, ts_jv key, uint64_t hash, size_t *at)
{
    bool is_equal = false;
    if (d->index) {
        for (size_t i = hash & (d->n_index - 1); d->index[i]; i = (i + 1) & (d->n_index - 1)) {
            *at = d->index[i] - 1;
            if (d->v[*at].hash == hash)
                TS_TRY(ts_jv_equal(x, d->v[*at].key, key, &is_equal));
            if (is_equal)
                return TS_OK;
        }
        *at = d->n;
        return TS_OK;
    }
    for (*at = 0; *at < d->n; ++*at) {
        if (d->v[*at].hash == hash)
            TS_TRY(ts_jv_equal(x, d->v[*at].key, key, &is_equal));
        if (is_equal)
            return TS_OK;
    }
    return TS_OK;
}

static void put_index(ts_jdict *d, size_t at)
{
    size_t i = d->v[at].hash & (d->n_index - 1);
    while (d->index[i])
        i = (i + 1) & (d->n_index - 1);
    d->index[i] = (uint32_t)at + 1;
}

static ts_status make_room(ts_jx *x, ts_jdict *d)
{
    enum { FEW = 8 };
    if (d->n < d->cap)
        return TS_OK;
    const size_t cap = d->cap ? d->cap * 2 : FEW;
    ts_jpair *v;
    TS_TRY(ts_jx_alloc(x, cap, sizeof *v, &v));
    if (d->n)
        memcpy(v, d->v, d->n * sizeof *v);
    d->v = v;
    d->cap = cap;
    if (cap > FEW) {
        d->n_index = cap * 2;
        TS_TRY(ts_jx_alloc(x, d->n_index, sizeof *d->index, &d->index));
        for (size_t i = 0; i < d->n; i++)
            put_index(d, i);
    }
    return TS_OK;
}

ts_status ts_jdict_set(ts_jx *x, ts_jdict *d, ts_jv key, ts_jv value)
{
    uint64_t hash = 0;
    size_t at;
    TS_TRY(hash_of(x, key, &hash));
    TS_TRY(find(x, d, key, hash, &at));
    if (at == d->n) {
        TS_TRY(make_room(x, d));
        d->v[d->n++] = (ts_jpair){ .key = key, .hash = hash };
        if (d->index)
            put_index(d, at);
    }
    d->v[at].value = value;
    return TS_OK;
}

ts_status ts_jdict_get(ts_jx *x, const ts_jdict *d, ts_jv key, ts_jv *out)
{
    uint64_t hash = 0;
    size_t at;
    TS_TRY(hash_of(x, key, &hash));
    TS_TRY(find(x, d, key, hash, &at));
    *out = at < d->n ? d->v[at].value : (ts_jv){ 0 };
    return TS_OK;
}

/* ---------------------------------------------------------------- what values are */

bool ts_jv_true(ts_jv v)
{
    switch (v.type) {
    case TS_JV_ABSENT:
    case TS_JV_UNDEFINED:
    case TS_JV_NONE: return false;
    case TS_JV_BOOL: return v.b;
    case TS_JV_INT: return v.i != 0;
    case TS_JV_FLOAT: return v.f != 0;
    case TS_JV_STR: return v.n != 0;
    case TS_JV_LIST:
    case TS_JV_TUPLE:
    case TS_JV_RANGE:
    case TS_JV_VIEW: return v.seq->n != 0;
    case TS_JV_DICT: return v.dict->n != 0;
    default: return true;
    }
}

const char *ts_jv_type_name(ts_jv v)
{
    static const char *const name[] = {
        [TS_JV_ABSENT] = "Undefined",   [TS_JV_UNDEFINED] = "Undefined", [TS_JV_NONE] = "NoneType",
        [TS_JV_BOOL] = "bool",          [TS_JV_INT] = "int",             [TS_JV_FLOAT] = "float",
        [TS_JV_STR] = "str",            [TS_JV_LIST] = "list",           [TS_JV_TUPLE] = "tuple",
        [TS_JV_RANGE] = "range",        [TS_JV_VIEW] = "dict_items",     [TS_JV_GENERATOR] = "generator",
        [TS_JV_DICT] = "dict",          [TS_JV_NAMESPACE] = "Namespace", [TS_JV_MACRO] = "Macro",
        [TS_JV_FUNCTION] = "function",  [TS_JV_METHOD] = "builtin_function_or_method",
        [TS_JV_LOOP] = "LoopContext",   [TS_JV_CYCLER] = "Cycler",       [TS_JV_JOINER] = "Joiner",
        [TS_JV_SLICE] = "slice",
    };
    return v.type == TS_JV_VIEW ? v.seq->view : name[v.type];
}

size_t ts_jv_chars(ts_jv v)
{
    size_t n = 0;
    for (size_t i = 0; i < v.n; i++)
        n += ((unsigned char)v.s[i] & 0xC0) != 0x80;
    return n;
}

ts_status ts_jv_length(ts_jx *x, ts_jv v, size_t *out)
{
    switch (v.type) {
    case TS_JV_UNDEFINED: *out = 0; return TS_OK;
    case TS_JV_STR: *out = ts_jv_chars(v); return ts_jx_step(x, v.n / 64);
    case TS_JV_LIST:
    case TS_JV_TUPLE:
    case TS_JV_RANGE:
    case TS_JV_VIEW: *out = v.seq->n; return TS_OK;
    case TS_JV_DICT: *out = v.dict->n; return TS_OK;
    default:
        return ts_jx_fail(x, "TypeError", "object of type '%s' has no len()", ts_jv_type_name(v));
    }
}

ts_jv ts_jseq_at(const ts_jseq *s, size_t i)
{
    return s->v ? s->v[i] : ts_jv_int(s->start + (int64_t)i * s->step);
}

static ts_status seq_equal(ts_jx *x, const ts_jseq *a, const ts_jseq *b, bool *out)
{
    *out = a->n == b->n;
    for (size_t i = 0; *out && i < a->n; i++)
        TS_TRY(ts_jv_equal(x, ts_jseq_at(a, i), ts_jseq_at(b, i), out));
    return TS_OK;
}

static ts_status dict_equal(ts_jx *x, const ts_jdict *a, const ts_jdict *b, bool *out)
{
    *out = a->n == b->n;
    for (size_t i = 0; *out && i < a->n; i++) {
        ts_jv other;
        TS_TRY(ts_jdict_get(x, b, a->v[i].key, &other));
        *out = other.type != TS_JV_ABSENT;
        if (*out)
            TS_TRY(ts_jv_equal(x, a->v[i].value, other, out));
    }
    return TS_OK;
}

ts_status ts_jv_equal(ts_jx *x, ts_jv a, ts_jv b, bool *out)
{
    if (ts_jv_is_number(a) && ts_jv_is_number(b)) {
        *out = a.type == TS_JV_FLOAT || b.type == TS_JV_FLOAT ? ts_jv_real(a) == ts_jv_real(b)
                                                              : ts_jv_whole(a) == ts_jv_whole(b);
        return TS_OK;
    }
    *out = a.type == b.type;
    if (!*out)
        return TS_OK;
    TS_TRY(ts_jx_enter(x));
    TS_TRY(ts_jx_step(x, 1));
    ts_status st = TS_OK;
    switch (a.type) {
    case TS_JV_ABSENT:
    case TS_JV_UNDEFINED:
    case TS_JV_NONE: break;
    case TS_JV_STR: *out = a.n == b.n && !memcmp(a.s, b.s, a.n); break;
    case TS_JV_LIST:
    case TS_JV_TUPLE:
    case TS_JV_RANGE: st = seq_equal(x, a.seq, b.seq, out); break;
    case TS_JV_DICT: st = dict_equal(x, a.dict, b.dict, out); break;
    case TS_JV_FUNCTION: *out = a.function == b.function; break;
    default: *out = a.seq == b.seq; break;
    }
    ts_jx_leave(x);
    return st;
}

static ts_status seq_order(ts_jx *x, const ts_jseq *a, const ts_jseq *b, const char *op, int *out)
{
    for (size_t i = 0; i < a->n && i < b->n; i++) {
        bool is_equal;
        TS_TRY(ts_jv_equal(x, a->v[i], b->v[i], &is_equal));
        if (!is_equal)
            return ts_jv_order(x, a->v[i], b->v[i], op, out);
    }
    *out = a->n < b->n ? -1 : a->n > b->n;
    return TS_OK;
}

ts_status ts_jv_order(ts_jx *x, ts_jv a, ts_jv b, const char *op, int *out)
{
    TS_TRY(ts_jx_step(x, 1));
    if (ts_jv_is_whole(a) && ts_jv_is_whole(b)) {
        const int64_t i = ts_jv_whole(a), j = ts_jv_whole(b);
        *out = i < j ? -1 : i > j;
    } else if (ts_jv_is_number(a) && ts_jv_is_number(b)) {
        const double f = ts_jv_real(a), g = ts_jv_real(b);
        *out = f < g ? -1 : f > g ? 1 : f == g ? 0 : 2; /* 2: not to be compared */
    } else if (a.type == TS_JV_STR && b.type == TS_JV_STR) { /* UTF-8 sorts as its characters do */
        const int c = memcmp(a.s, b.s, a.n < b.n ? a.n : b.n);
        *out = c < 0 || (!c && a.n < b.n) ? -1 : c > 0 || a.n > b.n;
    } else if (a.type == b.type && (a.type == TS_JV_LIST || a.type == TS_JV_TUPLE)) {
        TS_TRY(ts_jx_enter(x));
        TS_TRY(seq_order(x, a.seq, b.seq, op, out));
        ts_jx_leave(x);
    } else if (a.type == TS_JV_UNDEFINED || b.type == TS_JV_UNDEFINED) {
        return ts_jx_fail_undefined(x, a.type == TS_JV_UNDEFINED ? a : b);
    } else {
        return ts_jx_fail(x, "TypeError", "'%s' not supported between instances of '%s' and '%s'", op,
                          ts_jv_type_name(a), ts_jv_type_name(b));
    }
    return TS_OK;
}

static ts_status chars_of(ts_jx *x, ts_jv v, ts_jseq **out)
{
    ts_jv list;
    size_t len, at = 0;
    TS_TRY(ts_jv_seq(x, TS_JV_LIST, ts_jv_chars(v), &list));
    for (size_t i = 0; i < list.seq->n; i++, at += len) {
        len = ts_utf8_width((unsigned char)v.s[at]);
        list.seq->v[i] = ts_jv_str(v.s + at, len);
        list.seq->v[i].is_safe = v.is_safe;
    }
    *out = list.seq;
    return TS_OK;
}

ts_status ts_jv_items(ts_jx *x, ts_jv v, ts_jseq **out)
{
    ts_jv list;
    switch (v.type) {
    case TS_JV_LIST:
    case TS_JV_TUPLE:
    case TS_JV_RANGE:
    case TS_JV_VIEW: *out = v.seq; return TS_OK;
    case TS_JV_GENERATOR:
        TS_TRY(ts_jv_seq(x, TS_JV_LIST, 0, &list));
        list.seq->v = v.seq->v + v.seq->at;
        list.seq->n = v.seq->n - v.seq->at;
        v.seq->at = v.seq->n;
        *out = list.seq;
        return TS_OK;
    case TS_JV_STR: return chars_of(x, v, out);
    case TS_JV_UNDEFINED:
        TS_TRY(ts_jv_seq(x, TS_JV_LIST, 0, &list));
        *out = list.seq;
        return TS_OK;
    case TS_JV_DICT:
        TS_TRY(ts_jv_seq(x, TS_JV_LIST, v.dict->n, &list));
        for (size_t i = 0; i < v.dict->n; i++)
            list.seq->v[i] = v.dict->v[i].key;
        *out = list.seq;
        return TS_OK;
    default:
        return ts_jx_fail(x, "TypeError", "'%s' object is not iterable", ts_jv_type_name(v));
    }
}
