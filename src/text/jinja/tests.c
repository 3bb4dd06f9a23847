/* Tests: what stands behind "is". */
#include "text/jinja/interp.h"

#include <string.h>

typedef ts_status (*test_fn)(ts_jx *x, ts_jv v, ts_jv arg, bool *out);
typedef struct test_row {
    const char *name;
    size_t n_args;
    test_fn fn;
} test_row;

static ts_status remainder_of(ts_jx *x, ts_jv v, ts_jv by, int64_t wanted, bool *out)
{
    ts_jv r;
    TS_TRY(ts_jx_arith(x, TS_JO_MOD, v, by, &r));
    return ts_jv_equal(x, r, ts_jv_int(wanted), out);
}

static ts_status t_odd(ts_jx *x, ts_jv v, ts_jv a, bool *out)
{
    (void)a;
    return remainder_of(x, v, ts_jv_int(2), 1, out);
}

static ts_status t_even(ts_jx *x, ts_jv v, ts_jv a, bool *out)
{
    (void)a;
    return remainder_of(x, v, ts_jv_int(2), 0, out);
}

static ts_status t_divisibleby(ts_jx *x, ts_jv v, ts_jv a, bool *out)
{
    return remainder_of(x, v, a, 0, out);
}

#define TYPE(name, condition)                                                                      \
    static ts_status t_##name(ts_jx *x, ts_jv v, ts_jv a, bool *out)                               \
    {                                                                                              \
        (void)x, (void)a;                                                                          \
        *out = (condition);                                                                        \
        return TS_OK;                                                                              \
    }
TYPE(defined, v.type != TS_JV_UNDEFINED)
TYPE(undefined, v.type == TS_JV_UNDEFINED)
TYPE(none, v.type == TS_JV_NONE)
TYPE(boolean, v.type == TS_JV_BOOL)
TYPE(true, v.type == TS_JV_BOOL && v.b)
TYPE(false, v.type == TS_JV_BOOL && !v.b)
TYPE(integer, v.type == TS_JV_INT)
TYPE(float, v.type == TS_JV_FLOAT)
TYPE(number, ts_jv_is_number(v))
TYPE(string, v.type == TS_JV_STR)
TYPE(mapping, v.type == TS_JV_DICT)
TYPE(iterable, v.type == TS_JV_UNDEFINED || v.type == TS_JV_STR || v.type == TS_JV_DICT || ts_jv_is_seq(v) ||
                   v.type == TS_JV_LOOP)
TYPE(sequence, v.type == TS_JV_STR || v.type == TS_JV_DICT || v.type == TS_JV_LIST || v.type == TS_JV_TUPLE ||
                   v.type == TS_JV_RANGE)
TYPE(callable, v.type == TS_JV_UNDEFINED || v.type == TS_JV_MACRO || v.type == TS_JV_FUNCTION ||
                   v.type == TS_JV_METHOD || v.type == TS_JV_LOOP || v.type == TS_JV_JOINER)
TYPE(escaped, v.type == TS_JV_STR && v.is_safe)
TYPE(filter, v.type == TS_JV_STR && ts_jinja_filter_id(v.s, v.n) >= 0)
TYPE(test, v.type == TS_JV_STR && ts_jinja_test_id(v.s, v.n) >= 0)

static ts_status t_case(ts_jx *x, ts_jv v, const char *method, bool *out)
{
    bool is_unsafe = false;
    ts_jv text, is;
    TS_TRY(ts_jv_to_str(x, v, &text));
    const ts_jmethod m = { .self = text, .id = ts_jx_method_id(text, ts_jv_text(method), &is_unsafe) };
    TS_TRY(ts_jx_call_method(x, &m, &(ts_jcall){ 0 }, &is));
    *out = is.b;
    return TS_OK;
}

static ts_status t_lower(ts_jx *x, ts_jv v, ts_jv a, bool *out)
{
    (void)a;
    return t_case(x, v, "islower", out);
}

static ts_status t_upper(ts_jx *x, ts_jv v, ts_jv a, bool *out)
{
    (void)a;
    return t_case(x, v, "isupper", out);
}

/* The same object: for what has no identity of its own here, the same type and value. */
static ts_status t_sameas(ts_jx *x, ts_jv v, ts_jv a, bool *out)
{
    *out = v.type == a.type;
    if (!*out)
        return TS_OK;
    if (ts_jv_is_seq(v) || v.type >= TS_JV_DICT) {
        *out = v.seq == a.seq;
        return TS_OK;
    }
    return ts_jv_equal(x, v, a, out);
}

static ts_status t_in(ts_jx *x, ts_jv v, ts_jv a, bool *out) { return ts_jx_contains(x, a, v, out); }

#define COMPARE(name, op)                                                                          \
    static ts_status t_##name(ts_jx *x, ts_jv v, ts_jv a, bool *out)                               \
    {                                                                                              \
        return ts_jx_compare(x, op, v, a, out);                                                    \
    }
COMPARE(eq, TS_JO_EQ)
COMPARE(ne, TS_JO_NE)
COMPARE(lt, TS_JO_LT)
COMPARE(le, TS_JO_LE)
COMPARE(gt, TS_JO_GT)
COMPARE(ge, TS_JO_GE)

static const test_row rows[] = {
    { "odd", 0, t_odd },             { "even", 0, t_even },
    { "divisibleby", 1, t_divisibleby }, { "defined", 0, t_defined },
    { "undefined", 0, t_undefined }, { "filter", 0, t_filter },
    { "test", 0, t_test },           { "none", 0, t_none },
    { "boolean", 0, t_boolean },     { "false", 0, t_false },
    { "true", 0, t_true },           { "integer", 0, t_integer },
    { "float", 0, t_float },         { "lower", 0, t_lower },
    { "upper", 0, t_upper },         { "string", 0, t_string },
    { "mapping", 0, t_mapping },     { "number", 0, t_number },
    { "sequence", 0, t_sequence },   { "iterable", 0, t_iterable },
    { "callable", 0, t_callable },   { "sameas", 1, t_sameas },
    { "escaped", 0, t_escaped },     { "in", 1, t_in },
    { "==", 1, t_eq },               { "eq", 1, t_eq },
    { "equalto", 1, t_eq },          { "!=", 1, t_ne },
    { "ne", 1, t_ne },               { ">", 1, t_gt },
    { "gt", 1, t_gt },               { "greaterthan", 1, t_gt },
    { "ge", 1, t_ge },               { ">=", 1, t_ge },
    { "<", 1, t_lt },                { "lt", 1, t_lt },
    { "lessthan", 1, t_lt },         { "<=", 1, t_le },
    { "le", 1, t_le },
};

int ts_jinja_test_id(const char *name, size_t n)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strlen(rows[i].name) == n && !memcmp(rows[i].name, name, n))
            return (int)i;
    return -1;
}

ts_status ts_jx_test(ts_jx *x, int id, ts_jv v, const ts_jcall *c, bool *out)
{
    const test_row *t = &rows[id];
    if (c->n + c->n_named != t->n_args)
        return ts_jx_fail(x, "TypeError", "the test '%s' takes %zu argument(s), %zu given", t->name,
                          t->n_args, c->n + c->n_named);
    return t->fn(x, v, c->n ? c->v[0] : c->n_named ? c->named[0] : ts_jv_none(), out);
}
