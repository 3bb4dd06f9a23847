/* Expressions are evaluated by walking their tree. */
#include "text/jinja/interp.h"
#include "text/jinja/scope.h"

#include <string.h>

static ts_status eval_list(ts_jx *x, ts_jscope *s, const ts_jnode *n, ts_jtype type, ts_jv *out)
{
    TS_TRY(ts_jv_seq(x, type, n->list.n, out));
    for (size_t i = 0; i < n->list.n; i++)
        TS_TRY(ts_jx_eval(x, s, n->list.v[i], &out->seq->v[i]));
    return TS_OK;
}

static ts_status eval_dict(ts_jx *x, ts_jscope *s, const ts_jnode *n, ts_jv *out)
{
    ts_jv d = { .type = TS_JV_DICT }, key, value;
    TS_TRY(ts_jdict_create(x, &d.dict));
    for (size_t i = 0; i + 1 < n->list.n; i += 2) {
        TS_TRY(ts_jx_eval(x, s, n->list.v[i], &key));
        TS_TRY(ts_jx_eval(x, s, n->list.v[i + 1], &value));
        TS_TRY(ts_jdict_set(x, d.dict, key, value));
    }
    *out = d;
    return TS_OK;
}

static ts_jv constant(const ts_jnode *n)
{
    switch (n->value.kind) {
    case TS_JT_STRING: return ts_jv_str(n->value.s, n->value.n);
    case TS_JT_INT: return ts_jv_int(n->value.i);
    case TS_JT_FLOAT: return ts_jv_float(n->value.f);
    default: return n->id ? ts_jv_bool(n->flag) : ts_jv_none();
    }
}

static ts_status eval_name(ts_jx *x, ts_jscope *s, const ts_jnode *n, ts_jv *out)
{
    *out = ts_jscope_get(s, n->id);
    if (out->type != TS_JV_ABSENT)
        return TS_OK;
    return ts_jv_undefined(x, (ts_jv){ 0 }, ts_jv_text(x->t->names[n->id]), out);
}

static ts_status eval_slice(ts_jx *x, ts_jscope *s, const ts_jnode *n, ts_jv *out)
{
    const ts_jnode *const part[] = { n->a, n->b, n->c };
    TS_TRY(ts_jv_seq(x, TS_JV_SLICE, 3, out));
    for (int i = 0; i < 3; i++) {
        out->seq->v[i] = ts_jv_none();
        if (part[i])
            TS_TRY(ts_jx_eval(x, s, part[i], &out->seq->v[i]));
    }
    return TS_OK;
}

static ts_status eval_compare(ts_jx *x, ts_jscope *s, const ts_jnode *n, ts_jv *out)
{
    ts_jv left, right;
    bool is = true;
    TS_TRY(ts_jx_eval(x, s, n->a, &left));
    for (size_t i = 0; i < n->list.n && is; i++) {
        TS_TRY(ts_jx_eval(x, s, n->list.v[i], &right));
        TS_TRY(ts_jx_compare(x, n->ops[i], left, right, &is));
        left = right;
    }
    *out = ts_jv_bool(is);
    return TS_OK;
}

static ts_status eval_concat(ts_jx *x, ts_jscope *s, const ts_jnode *n, ts_jv *out)
{
    ts_str text = { 0 };
    ts_status st = TS_OK;
    for (size_t i = 0; i < n->list.n && st == TS_OK; i++) {
        ts_jv v;
        st = ts_jx_eval(x, s, n->list.v[i], &v);
        if (st == TS_OK)
            st = ts_jv_put(x, v, &text);
    }
    return ts_jx_finish(x, &text, st, out);
}

/* Room for the arguments, and those by position. */
static ts_status positional(ts_jx *x, ts_jscope *s, const ts_jargs *a, ts_jcall *out)
{
    ts_jseq *star = NULL;
    ts_jv v, *to;
    const size_t n = a ? a->pos.n : 0;
    if (a && a->star) {
        TS_TRY(ts_jx_eval(x, s, a->star, &v));
        TS_TRY(ts_jv_items(x, v, &star));
    }
    TS_TRY(ts_jx_alloc(x, n + (star ? star->n : 0), sizeof *to, &to));
    for (size_t i = 0; i < n; i++)
        TS_TRY(ts_jx_eval(x, s, a->pos.v[i], &to[i]));
    for (size_t i = 0; star && i < star->n; i++)
        to[n + i] = ts_jseq_at(star, i);
    out->v = to;
    out->n = n + (star ? star->n : 0);
    return TS_OK;
}

/* Arguments of **: names must be strings, and new. */
static ts_status spread(ts_jx *x, const ts_jdict *d, const char **names, ts_jv *named, size_t *n)
{
    for (size_t i = 0; i < d->n; i++) {
        char *name;
        if (d->v[i].key.type != TS_JV_STR)
            return ts_jx_fail(x, "TypeError", "keywords must be strings");
        TS_TRY(ts_jx_alloc(x, d->v[i].key.n + 1, 1, &name));
        memcpy(name, d->v[i].key.s, d->v[i].key.n);
        for (size_t k = 0; k < *n; k++)
            if (!strcmp(names[k], name))
                return ts_jx_fail(x, "TypeError", "got multiple values for keyword argument '%s'", name);
        names[*n] = name;
        named[(*n)++] = d->v[i].value;
    }
    return TS_OK;
}

ts_status ts_jx_args(ts_jx *x, ts_jscope *s, const ts_jargs *a, const char *extra_name, ts_jv extra,
                     ts_jcall *out)
{
    ts_jv more = { 0 }, *named;
    const char **names;
    *out = (ts_jcall){ 0 };
    TS_TRY(positional(x, s, a, out));
    if (a && a->star_star) {
        TS_TRY(ts_jx_eval(x, s, a->star_star, &more));
        if (more.type != TS_JV_DICT)
            return ts_jx_fail(x, "TypeError", "argument after ** must be a mapping, not %s",
                              ts_jv_type_name(more));
    }
    const size_t n = a ? a->named.n : 0, most = n + 1 + (more.type == TS_JV_DICT ? more.dict->n : 0);
    if (!extra_name && most == 1)
        return TS_OK;
    TS_TRY(ts_jx_alloc(x, most, sizeof *named, &named));
    TS_TRY(ts_jx_alloc(x, most, sizeof *names, &names));
    for (size_t i = 0; i < n; i++) {
        names[i] = a->names[i];
        TS_TRY(ts_jx_eval(x, s, a->named.v[i], &named[i]));
    }
    size_t k = n;
    if (more.type == TS_JV_DICT)
        TS_TRY(spread(x, more.dict, names, named, &k));
    if (extra_name) {
        names[k] = extra_name;
        named[k++] = extra;
    }
    out->names = names;
    out->named = named;
    out->n_named = k;
    return TS_OK;
}

static ts_status eval_call(ts_jx *x, ts_jscope *s, const ts_jnode *n, ts_jv *out)
{
    ts_jv f;
    ts_jcall c;
    TS_TRY(ts_jx_eval(x, s, n->a, &f));
    TS_TRY(ts_jx_args(x, s, n->args, NULL, (ts_jv){ 0 }, &c));
    x->line = n->line;
    return ts_jx_call(x, f, &c, out);
}

static ts_status apply_filter(ts_jx *x, ts_jscope *s, const ts_jnode *n, ts_jv v, ts_jv *out)
{
    ts_jcall c;
    if (n->id < 0)
        return ts_jx_fail(x, "TemplateRuntimeError", "No filter named '%.*s' found.", (int)n->value.n,
                          n->value.s);
    TS_TRY(ts_jx_args(x, s, n->args, NULL, (ts_jv){ 0 }, &c));
    x->line = n->line;
    return ts_jx_filter(x, n->id, v, &c, out);
}

/* The filters of a block, whose first has nothing to its left. */
ts_status ts_jx_filters(ts_jx *x, ts_jscope *s, const ts_jnode *n, ts_jv first, ts_jv *out)
{
    ts_jv v = first;
    if (n->a) {
        TS_TRY(ts_jx_enter(x));
        TS_TRY(ts_jx_filters(x, s, n->a, first, &v));
        ts_jx_leave(x);
    }
    return apply_filter(x, s, n, v, out);
}

static ts_status eval_test(ts_jx *x, ts_jscope *s, const ts_jnode *n, ts_jv *out)
{
    ts_jcall c;
    ts_jv v;
    bool is;
    if (n->id < 0)
        return ts_jx_fail(x, "TemplateRuntimeError", "No test named '%.*s' found.", (int)n->value.n,
                          n->value.s);
    TS_TRY(ts_jx_eval(x, s, n->a, &v));
    TS_TRY(ts_jx_args(x, s, n->args, NULL, (ts_jv){ 0 }, &c));
    x->line = n->line;
    TS_TRY(ts_jx_test(x, n->id, v, &c, &is));
    *out = ts_jv_bool(is);
    return TS_OK;
}

static ts_status eval_logic(ts_jx *x, ts_jscope *s, const ts_jnode *n, ts_jv *out)
{
    TS_TRY(ts_jx_eval(x, s, n->a, out));
    switch (n->kind) {
    case TS_JN_NOT: *out = ts_jv_bool(!ts_jv_true(*out)); return TS_OK;
    case TS_JN_AND: return ts_jv_true(*out) ? ts_jx_eval(x, s, n->b, out) : TS_OK;
    case TS_JN_OR: return ts_jv_true(*out) ? TS_OK : ts_jx_eval(x, s, n->b, out);
    default: break;
    }
    if (ts_jv_true(*out))
        return ts_jx_eval(x, s, n->b, out);
    if (n->c)
        return ts_jx_eval(x, s, n->c, out);
    return ts_jv_undefined_text(x,
                                "the inline if-expression evaluated to false and no else section was "
                                "defined.",
                                out);
}

static ts_status eval_binary(ts_jx *x, ts_jscope *s, const ts_jnode *n, ts_jv *out)
{
    ts_jv a, b;
    TS_TRY(ts_jx_eval(x, s, n->a, &a));
    if (n->kind == TS_JN_ATTR)
        return ts_jx_attr(x, a, ts_jv_str(n->value.s, n->value.n), out);
    TS_TRY(ts_jx_eval(x, s, n->b, &b));
    x->line = n->line;
    return n->kind == TS_JN_ITEM ? ts_jx_item(x, a, b, out) : ts_jx_arith(x, n->op, a, b, out);
}

static ts_status eval_kind(ts_jx *x, ts_jscope *s, const ts_jnode *n, ts_jv *out)
{
    ts_jv v;
    switch (n->kind) {
    case TS_JN_CONST: *out = constant(n); return TS_OK;
    case TS_JN_NAME: return eval_name(x, s, n, out);
    case TS_JN_LIST: return eval_list(x, s, n, TS_JV_LIST, out);
    case TS_JN_TUPLE: return eval_list(x, s, n, TS_JV_TUPLE, out);
    case TS_JN_DICT: return eval_dict(x, s, n, out);
    case TS_JN_SLICE: return eval_slice(x, s, n, out);
    case TS_JN_CALL: return eval_call(x, s, n, out);
    case TS_JN_TEST: return eval_test(x, s, n, out);
    case TS_JN_COMPARE: return eval_compare(x, s, n, out);
    case TS_JN_CONCAT: return eval_concat(x, s, n, out);
    case TS_JN_ATTR:
    case TS_JN_ITEM:
    case TS_JN_ARITH: return eval_binary(x, s, n, out);
    case TS_JN_FILTER:
        TS_TRY(ts_jx_eval(x, s, n->a, &v));
        return apply_filter(x, s, n, v, out);
    case TS_JN_NEG:
    case TS_JN_POS:
        TS_TRY(ts_jx_eval(x, s, n->a, &v));
        return ts_jx_negate(x, v, n->kind == TS_JN_POS, out);
    default: return eval_logic(x, s, n, out);
    }
}

ts_status ts_jx_eval(ts_jx *x, ts_jscope *s, const ts_jnode *n, ts_jv *out)
{
    TS_TRY(ts_jx_enter(x));
    TS_TRY(ts_jx_step(x, 1));
    x->line = n->line;
    TS_TRY(eval_kind(x, s, n, out));
    ts_jx_leave(x);
    return TS_OK;
}
