/* Statements, macros and loops. */
#include "text/jinja/interp.h"
#include "text/jinja/scope.h"

#include <string.h>

/* What a body ended with. */
typedef enum jump { GO_ON, BREAK, CONTINUE } jump;

static ts_status run_body(ts_jx *x, ts_jscope *s, const ts_jlist *body, jump *j);

ts_status ts_jscope_create(ts_jx *x, ts_jscope *parent, ts_jscope **out)
{
    TS_TRY(ts_jx_alloc(x, 1, sizeof **out, out));
    (*out)->parent = parent;
    return TS_OK;
}

ts_status ts_jscope_set(ts_jx *x, ts_jscope *s, int id, ts_jv v)
{
    if (!s->parent) {
        s->v[id] = v;
        return TS_OK;
    }
    for (size_t i = 0; i < s->n; i++) {
        if (s->id[i] == id) {
            s->v[i] = v;
            return TS_OK;
        }
    }
    if (s->n == s->cap) {
        const size_t cap = s->cap ? s->cap * 2 : 4;
        ts_jv *more;
        int *ids;
        TS_TRY(ts_jx_alloc(x, cap, sizeof *more, &more));
        TS_TRY(ts_jx_alloc(x, cap, sizeof *ids, &ids));
        if (s->n) {
            memcpy(more, s->v, s->n * sizeof *more);
            memcpy(ids, s->id, s->n * sizeof *ids);
        }
        s->v = more;
        s->id = ids;
        s->cap = cap;
    }
    s->id[s->n] = id;
    s->v[s->n++] = v;
    return TS_OK;
}

ts_jv ts_jscope_get(const ts_jscope *s, int id)
{
    for (; s->parent; s = s->parent)
        for (size_t i = 0; i < s->n; i++)
            if (s->id[i] == id)
                return s->v[i];
    return s->v[id];
}

/* ---------------------------------------------------------------- writing */

static ts_status write_text(ts_jx *x, const char *s, size_t n)
{
    if (n > TS_JINJA_BYTES - x->used)
        return ts_jx_fail(x, "MemoryError", "the rendering needs more than %d MiB",
                          TS_JINJA_BYTES >> 20);
    x->used += n;
    return ts_str_add(x->out, s, n);
}

static ts_status write_value(ts_jx *x, ts_jv v)
{
    if (v.type == TS_JV_STR)
        return write_text(x, v.s, v.n);
    const size_t before = x->out->len;
    TS_TRY(ts_jv_put(x, v, x->out));
    const size_t n = x->out->len - before;
    if (n > TS_JINJA_BYTES - x->used)
        return ts_jx_fail(x, "MemoryError", "the rendering needs more than %d MiB",
                          TS_JINJA_BYTES >> 20);
    x->used += n;
    return TS_OK;
}

/* What a body writes, as a string. */
static ts_status capture(ts_jx *x, ts_jscope *s, const ts_jlist *body, jump *j, ts_jv *out)
{
    ts_str text = { 0 }, *const before = x->out;
    TS_TRY(ts_jx_enter(x));
    x->out = &text;
    const ts_status st = run_body(x, s, body, j);
    ts_jx_leave(x);
    x->out = before;
    return ts_jx_finish(x, &text, st, out);
}

/* ---------------------------------------------------------------- assignments */

static ts_status assign(ts_jx *x, ts_jscope *s, const ts_jnode *target, ts_jv v)
{
    if (target->kind == TS_JN_NAME)
        return ts_jscope_set(x, s, target->id, v);
    if (target->kind == TS_JN_NSREF) {
        const ts_jv ns = ts_jscope_get(s, target->id);
        if (ns.type != TS_JV_NAMESPACE)
            return ts_jx_fail(x, "TemplateRuntimeError",
                              "cannot assign attribute on non-namespace object");
        if (target->value.s[0] == '_')
            return ts_jx_fail(x, "SecurityError", "Chat templates cannot store underscore-prefixed "
                                                  "attributes on a namespace");
        return ts_jdict_set(x, ns.dict, ts_jv_str(target->value.s, target->value.n), v);
    }
    ts_jseq *items;
    TS_TRY(ts_jv_items(x, v, &items));
    if (items->n != target->list.n)
        return ts_jx_fail(x, "ValueError", "%s values to unpack (expected %zu, got %zu)",
                          items->n < target->list.n ? "not enough" : "too many", target->list.n, items->n);
    for (size_t i = 0; i < items->n; i++)
        TS_TRY(assign(x, s, target->list.v[i], ts_jseq_at(items, i)));
    return TS_OK;
}

static ts_status run_set(ts_jx *x, ts_jscope *s, const ts_jnode *n, jump *j)
{
    ts_jv v;
    if (n->kind == TS_JN_SET) {
        TS_TRY(ts_jx_eval(x, s, n->a, &v));
    } else {
        ts_jscope *inner;
        TS_TRY(ts_jscope_create(x, s, &inner));
        TS_TRY(capture(x, inner, &n->body, j, &v));
        if (*j != GO_ON)
            return TS_OK;
        if (n->a)
            TS_TRY(ts_jx_filters(x, inner, n->a, v, &v));
    }
    x->line = n->line;
    return assign(x, s, n->target, v);
}

static ts_status run_with(ts_jx *x, ts_jscope *s, const ts_jnode *n, jump *j)
{
    ts_jscope *inner;
    ts_jv v;
    TS_TRY(ts_jscope_create(x, s, &inner));
    for (size_t i = 0; i + 1 < n->list.n; i += 2) {
        TS_TRY(ts_jx_eval(x, s, n->list.v[i + 1], &v));
        TS_TRY(assign(x, inner, n->list.v[i], v));
    }
    return run_body(x, inner, &n->body, j);
}

/* ---------------------------------------------------------------- loops */

/* A loop under way. Items pass the test one by one, as they are needed. */
struct ts_jloop {
    const ts_jnode *node;
    ts_jscope *outer;
    ts_jseq *source;
    size_t at;     /* of the source */
    ts_jseq items; /* that passed */
    size_t cap;
    size_t index;  /* of the item in work */
    int64_t depth; /* from 0 */
    ts_jv changed; /* what changed() saw last */
};

/* Has n items ready if there are as many. */
static ts_status want(ts_jx *x, ts_jloop *l, size_t n)
{
    while (l->items.n < n && l->at < l->source->n) {
        const ts_jv v = ts_jseq_at(l->source, l->at++);
        if (l->node->b) {
            ts_jscope *inner;
            ts_jv is;
            TS_TRY(ts_jscope_create(x, l->outer, &inner));
            TS_TRY(assign(x, inner, l->node->target, v));
            if (x->id_loop >= 0)
                TS_TRY(ts_jv_undefined_text(x, "The 'loop' object is not available in the loop filter", &is));
            if (x->id_loop >= 0)
                TS_TRY(ts_jscope_set(x, inner, x->id_loop, is));
            TS_TRY(ts_jx_eval(x, inner, l->node->b, &is));
            if (!ts_jv_true(is))
                continue;
        }
        TS_TRY(ts_jseq_add(x, &l->items, &l->cap, v));
    }
    return TS_OK;
}

static ts_status loop_over(ts_jx *x, ts_jscope *s, const ts_jnode *n, ts_jv items, int64_t depth, jump *j)
{
    ts_jloop *l;
    TS_TRY(ts_jx_alloc(x, 1, sizeof *l, &l));
    *l = (ts_jloop){ .node = n, .outer = s, .depth = depth };
    TS_TRY(ts_jv_items(x, items, &l->source));
    for (;; l->index++) {
        ts_jscope *inner;
        TS_TRY(want(x, l, l->index + 1));
        if (l->index >= l->items.n)
            break;
        TS_TRY(ts_jx_step(x, 1));
        TS_TRY(ts_jscope_create(x, s, &inner));
        TS_TRY(assign(x, inner, n->target, l->items.v[l->index]));
        if (x->id_loop >= 0)
            TS_TRY(ts_jscope_set(x, inner, x->id_loop, (ts_jv){ .type = TS_JV_LOOP, .loop = l }));
        jump body = GO_ON;
        TS_TRY(run_body(x, inner, &n->body, &body));
        if (body == BREAK)
            break;
    }
    if (l->items.n || !n->other.n)
        return TS_OK;
    ts_jscope *inner;
    TS_TRY(ts_jscope_create(x, s, &inner));
    return run_body(x, inner, &n->other, j);
}

static ts_status run_for(ts_jx *x, ts_jscope *s, const ts_jnode *n, jump *j)
{
    ts_jv items;
    TS_TRY(ts_jx_eval(x, s, n->a, &items));
    return loop_over(x, s, n, items, 0, j);
}

static ts_status loop_neighbour(ts_jx *x, const ts_jloop *l, bool is_next, ts_jv *out)
{
    const size_t at = l->index + (is_next ? 1 : 0);
    if (is_next ? at < l->items.n : at > 0) {
        *out = l->items.v[is_next ? at : at - 1];
        return TS_OK;
    }
    return ts_jv_undefined_text(x, is_next ? "there is no next item" : "there is no previous item", out);
}

ts_status ts_jloop_attr(ts_jx *x, ts_jloop *l, ts_jv name, ts_jv *out)
{
    static const char *const names[] = { "index", "index0", "first", "depth", "depth0", "previtem",
                                         "nextitem", "last", "length", "revindex", "revindex0", "cycle",
                                         "changed" };
    int k = 0;
    const int count = sizeof names / sizeof *names;
    while (k < count && !ts_jv_is(name, names[k]))
        k++;
    if (k == count)
        return TS_OK;
    if (k >= 6)
        TS_TRY(want(x, l, k <= 7 ? l->index + 2 : k <= 10 ? SIZE_MAX : 0));
    const int64_t i = (int64_t)l->index, n = (int64_t)l->items.n;
    switch (k) {
    case 0: *out = ts_jv_int(i + 1); break;
    case 1: *out = ts_jv_int(i); break;
    case 2: *out = ts_jv_bool(!i); break;
    case 3: *out = ts_jv_int(l->depth + 1); break;
    case 4: *out = ts_jv_int(l->depth); break;
    case 5:
    case 6: return loop_neighbour(x, l, k == 6, out);
    case 7: *out = ts_jv_bool(i + 1 == n); break;
    case 8: *out = ts_jv_int(n); break;
    case 9: *out = ts_jv_int(n - i); break;
    case 10: *out = ts_jv_int(n - i - 1); break;
    default: {
        ts_jmethod *m;
        TS_TRY(ts_jx_alloc(x, 1, sizeof *m, &m));
        *m = (ts_jmethod){ .self = { .type = TS_JV_LOOP, .loop = l }, .id = k == 12 };
        *out = (ts_jv){ .type = TS_JV_METHOD, .method = m };
        break;
    }
    }
    return TS_OK;
}

ts_status ts_jloop_method(ts_jx *x, const ts_jmethod *m, const ts_jcall *c, ts_jv *out)
{
    ts_jloop *l = m->self.loop;
    if (!m->id) {
        if (!c->n)
            return ts_jx_fail(x, "TypeError", "no items for cycling given");
        *out = c->v[l->index % c->n];
        return TS_OK;
    }
    ts_jv now;
    bool is_same = false;
    TS_TRY(ts_jv_seq(x, TS_JV_TUPLE, c->n, &now));
    if (c->n)
        memcpy(now.seq->v, c->v, c->n * sizeof *c->v);
    if (l->changed.type != TS_JV_ABSENT)
        TS_TRY(ts_jv_equal(x, l->changed, now, &is_same));
    l->changed = now;
    *out = ts_jv_bool(!is_same);
    return TS_OK;
}

/* loop(items) in a recursive loop: the loop's text for them. */
ts_status ts_jloop_call(ts_jx *x, ts_jloop *l, const ts_jcall *c, ts_jv *out)
{
    if (!l->node->flag)
        return ts_jx_fail(x, "TypeError", "The loop must have the 'recursive' marker to be called "
                                          "recursively.");
    if (c->n != 1 || c->n_named)
        return ts_jx_fail(x, "TypeError", "loop() takes one argument");
    ts_str text = { 0 }, *const before = x->out;
    jump j = GO_ON;
    TS_TRY(ts_jx_enter(x));
    x->out = &text;
    const ts_status st = loop_over(x, l->outer, l->node, c->v[0], l->depth + 1, &j);
    x->out = before;
    ts_jx_leave(x);
    return ts_jx_finish(x, &text, st, out);
}

/* ---------------------------------------------------------------- macros */

/* Takes a named argument out of those that are left. */
static ts_jv take_named(const ts_jcall *c, bool *used, const char *name)
{
    for (size_t i = 0; i < c->n_named; i++) {
        if (!used[i] && !strcmp(c->names[i], name)) {
            used[i] = true;
            return c->named[i];
        }
    }
    return (ts_jv){ 0 };
}

static ts_status bind_params(ts_jx *x, const ts_jmacro *m, const ts_jcall *c, bool *used, ts_jscope *s)
{
    const size_t n = m->params.n, first_default = n - m->defaults.n;
    for (size_t i = 0; i < n; i++) {
        const ts_jnode *param = m->params.v[i];
        ts_jv v = i < c->n ? c->v[i] : take_named(c, used, x->t->names[param->id]);
        if (v.type == TS_JV_ABSENT && i >= first_default) {
            TS_TRY(ts_jx_eval(x, s, m->defaults.v[i - first_default], &v));
        } else if (v.type == TS_JV_ABSENT) {
            TS_TRY(ts_jv_undefined_text(x, "a parameter of a macro was not provided", &v));
        }
        TS_TRY(ts_jscope_set(x, s, param->id, v));
    }
    return TS_OK;
}

static ts_status bind_rest(ts_jx *x, const ts_jmacro *m, const ts_jcall *c, bool *used, ts_jscope *s)
{
    ts_jv rest = { .type = TS_JV_DICT }, v;
    const size_t n = m->params.n;
    if ((m->uses & TS_JUSE_CALLER) && !m->has_caller) {
        v = take_named(c, used, "caller");
        if (v.type == TS_JV_ABSENT || v.type == TS_JV_NONE)
            TS_TRY(ts_jv_undefined_text(x, "No caller defined", &v));
        TS_TRY(ts_jscope_set(x, s, x->id_caller, v));
    }
    TS_TRY(ts_jdict_create(x, &rest.dict));
    for (size_t i = 0; i < c->n_named; i++) {
        if (used[i])
            continue;
        if (!(m->uses & TS_JUSE_KWARGS))
            return ts_jx_fail(x, "TypeError", "macro '%s' takes no keyword argument '%s'", m->name,
                              c->names[i]);
        TS_TRY(ts_jdict_set(x, rest.dict, ts_jv_text(c->names[i]), c->named[i]));
    }
    if (m->uses & TS_JUSE_KWARGS)
        TS_TRY(ts_jscope_set(x, s, x->id_kwargs, rest));
    const size_t more = c->n > n ? c->n - n : 0;
    if (more && !(m->uses & TS_JUSE_VARARGS))
        return ts_jx_fail(x, "TypeError", "macro '%s' takes not more than %zu argument(s)", m->name, n);
    if (m->uses & TS_JUSE_VARARGS) {
        TS_TRY(ts_jv_seq(x, TS_JV_TUPLE, more, &v));
        for (size_t i = 0; i < more; i++)
            v.seq->v[i] = c->v[n + i];
        TS_TRY(ts_jscope_set(x, s, x->id_varargs, v));
    }
    return TS_OK;
}

ts_status ts_jx_call_macro(ts_jx *x, const ts_jclosure *f, const ts_jcall *c, ts_jv *out)
{
    ts_jscope *s;
    bool *used;
    jump j = GO_ON;
    TS_TRY(ts_jx_enter(x));
    TS_TRY(ts_jscope_create(x, f->scope, &s));
    TS_TRY(ts_jx_alloc(x, c->n_named, sizeof *used, &used));
    TS_TRY(bind_params(x, f->macro, c, used, s));
    TS_TRY(bind_rest(x, f->macro, c, used, s));
    TS_TRY(capture(x, s, &f->macro->body, &j, out));
    ts_jx_leave(x);
    return TS_OK;
}

static ts_status closure(ts_jx *x, ts_jscope *s, const ts_jmacro *m, ts_jv *out)
{
    ts_jclosure *f;
    TS_TRY(ts_jx_alloc(x, 1, sizeof *f, &f));
    *f = (ts_jclosure){ .macro = m, .scope = s };
    *out = (ts_jv){ .type = TS_JV_MACRO, .closure = f };
    return TS_OK;
}

static ts_status run_call_block(ts_jx *x, ts_jscope *s, const ts_jnode *n)
{
    ts_jv f, caller, text;
    ts_jcall c;
    TS_TRY(closure(x, s, n->macro, &caller));
    TS_TRY(ts_jx_eval(x, s, n->a->a, &f));
    TS_TRY(ts_jx_args(x, s, n->a->args, "caller", caller, &c));
    TS_TRY(ts_jx_call(x, f, &c, &text));
    return write_value(x, text);
}

/* The block's text, and where it stands in the whole. */
static ts_status run_generation(ts_jx *x, ts_jscope *s, const ts_jnode *n)
{
    ts_jscope *inner;
    ts_jv text;
    jump j = GO_ON;
    ts_jinja_text *r = x->result;
    TS_TRY(ts_jscope_create(x, s, &inner));
    TS_TRY(capture(x, inner, &n->macro->body, &j, &text));
    TS_TRY(ts_grow(&r->spans, &r->cap_spans, r->n_spans + 1, sizeof *r->spans));
    r->spans[r->n_spans++] = (ts_jinja_span){ r->text.len, r->text.len + text.n };
    return write_value(x, text);
}

static ts_status run_filter_block(ts_jx *x, ts_jscope *s, const ts_jnode *n, jump *j)
{
    ts_jscope *inner;
    ts_jv text;
    TS_TRY(ts_jscope_create(x, s, &inner));
    TS_TRY(capture(x, inner, &n->body, j, &text));
    if (*j != GO_ON)
        return TS_OK;
    TS_TRY(ts_jx_filters(x, inner, n->a, text, &text));
    return write_value(x, text);
}

static ts_status run_block(ts_jx *x, ts_jscope *s, const ts_jnode *n, jump *j)
{
    ts_jscope *inner;
    while (!n->flag && s->parent) /* it sees the template's variables alone */
        s = s->parent;
    TS_TRY(ts_jscope_create(x, s, &inner));
    return run_body(x, inner, &n->body, j);
}

/* ---------------------------------------------------------------- statements */

static ts_status run_if(ts_jx *x, ts_jscope *s, const ts_jnode *n, jump *j)
{
    ts_jv v;
    TS_TRY(ts_jx_eval(x, s, n->a, &v));
    if (ts_jv_true(v))
        return run_body(x, s, &n->body, j);
    return run_body(x, s, &n->other, j);
}

static ts_status run_print(ts_jx *x, ts_jscope *s, const ts_jnode *n)
{
    for (size_t i = 0; i < n->list.n; i++) {
        ts_jv v;
        TS_TRY(ts_jx_eval(x, s, n->list.v[i], &v));
        TS_TRY(write_value(x, v));
    }
    return TS_OK;
}

static ts_status run(ts_jx *x, ts_jscope *s, const ts_jnode *n, jump *j)
{
    ts_jv v;
    x->line = n->line;
    switch (n->kind) {
    case TS_JN_DATA: return write_text(x, n->value.s, n->value.n);
    case TS_JN_PRINT: return run_print(x, s, n);
    case TS_JN_IF: return run_if(x, s, n, j);
    case TS_JN_FOR: return run_for(x, s, n, j);
    case TS_JN_SET:
    case TS_JN_SET_BLOCK: return run_set(x, s, n, j);
    case TS_JN_WITH: return run_with(x, s, n, j);
    case TS_JN_MACRO:
        TS_TRY(closure(x, s, n->macro, &v));
        return ts_jscope_set(x, s, n->id, v);
    case TS_JN_CALL_BLOCK: return run_call_block(x, s, n);
    case TS_JN_GENERATION: return run_generation(x, s, n);
    case TS_JN_FILTER_BLOCK: return run_filter_block(x, s, n, j);
    case TS_JN_BLOCK: return run_block(x, s, n, j);
    default: *j = n->kind == TS_JN_BREAK ? BREAK : CONTINUE; return TS_OK;
    }
}

static ts_status run_body(ts_jx *x, ts_jscope *s, const ts_jlist *body, jump *j)
{
    TS_TRY(ts_jx_enter(x));
    for (size_t i = 0; i < body->n && *j == GO_ON; i++) {
        TS_TRY(ts_jx_step(x, 1));
        TS_TRY(run(x, s, body->v[i], j));
    }
    ts_jx_leave(x);
    return TS_OK;
}

/* The template's own scope: the variables, and what of the global functions they do not hide. */
static ts_status first_scope(ts_jx *x, ts_jscope **out)
{
    const ts_jinja *t = x->t;
    ts_jscope *s;
    TS_TRY(ts_jscope_create(x, NULL, &s));
    TS_TRY(ts_jx_alloc(x, t->n_names, sizeof *s->v, &s->v));
    for (size_t i = 0; i < t->n_names; i++) {
        const json_t *v = json_object_get(x->vars, t->names[i]);
        const int f = ts_jx_function_id(t->names[i]);
        if (v)
            TS_TRY(ts_jv_from_json(x, v, &s->v[i]));
        else if (f >= 0)
            s->v[i] = (ts_jv){ .type = TS_JV_FUNCTION, .function = f };
        x->id_loop = strcmp(t->names[i], "loop") ? x->id_loop : (int)i;
        x->id_caller = strcmp(t->names[i], "caller") ? x->id_caller : (int)i;
        x->id_kwargs = strcmp(t->names[i], "kwargs") ? x->id_kwargs : (int)i;
        x->id_varargs = strcmp(t->names[i], "varargs") ? x->id_varargs : (int)i;
    }
    *out = s;
    return TS_OK;
}

ts_status ts_jinja_render(const ts_jinja *t, const json_t *vars, const struct tm *now, ts_jinja_text *out)
{
    ts_jx x = { .t = t, .vars = vars, .now = now, .line = 1, .out = &out->text, .result = out,
                .arena = out->work, .id_loop = -1, .id_caller = -1, .id_kwargs = -1, .id_varargs = -1 };
    ts_jscope *s;
    jump j = GO_ON;
    ts_str_reset(&out->text);
    out->n_spans = 0;
    ts_status st = first_scope(&x, &s);
    if (st == TS_OK)
        st = run_body(&x, s, &t->body, &j);
    if (st != TS_OK) {
        ts_str_reset(&out->text);
        out->n_spans = 0;
    }
    ts_arena_reset(&x.arena);
    out->work = x.arena;
    return st;
}

void ts_jinja_text_deinit(ts_jinja_text *t)
{
    ts_str_deinit(&t->text);
    ts_arena_deinit(&t->work);
    ts_free(&t->spans);
    *t = (ts_jinja_text){ 0 };
}
