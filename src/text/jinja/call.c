/* Calls: binding arguments to parameters, methods of lists and dictionaries, global functions. */
#include "text/jinja/interp.h"

#include <string.h>

int ts_jrow_find(const ts_jrow *rows, size_t n_rows, const char *name, size_t n)
{
    for (size_t i = 0; i < n_rows; i++)
        if (strlen(rows[i].name) == n && !memcmp(rows[i].name, name, n))
            return (int)i;
    return -1;
}

/* The number of a parameter in "a b c", or -1; name NULL: how many there are. */
static int param_at(const char *params, const char *name)
{
    int i = 0;
    while (*params) {
        const size_t n = strcspn(params, " ");
        if (name && n == strlen(name) && !memcmp(params, name, n))
            return i;
        i++;
        params += n + (params[n] == ' ');
    }
    return name ? -1 : i;
}

ts_status ts_jrow_call(ts_jx *x, const ts_jrow *row, ts_jv self, const ts_jcall *c, ts_jv *out)
{
    ts_jv a[TS_JARGS] = { { 0 } };
    if (!row->params)
        return row->fn(x, self, NULL, c, out);
    const size_t most = (size_t)param_at(row->params, NULL);
    if (c->n > most)
        return ts_jx_fail(x, "TypeError", "%s() takes at most %zu argument%s (%zu given)", row->name,
                          most, most == 1 ? "" : "s", c->n);
    for (size_t i = 0; i < c->n; i++)
        a[i] = c->v[i];
    for (size_t i = 0; i < c->n_named; i++) {
        const int at = param_at(row->params, c->names[i]);
        if (at < 0)
            return ts_jx_fail(x, "TypeError", "%s() got an unexpected keyword argument '%s'", row->name,
                              c->names[i]);
        if (a[at].type != TS_JV_ABSENT)
            return ts_jx_fail(x, "TypeError", "%s() got multiple values for argument '%s'", row->name,
                              c->names[i]);
        a[at] = c->named[i];
    }
    for (size_t i = 0; i < row->required; i++)
        if (a[i].type == TS_JV_ABSENT)
            return ts_jx_fail(x, "TypeError", "%s() is missing an argument", row->name);
    return row->fn(x, self, a, c, out);
}

ts_status ts_jarg_int(ts_jx *x, ts_jv v, int64_t def, int64_t *out)
{
    if (v.type == TS_JV_ABSENT) {
        *out = def;
        return TS_OK;
    }
    if (v.type == TS_JV_UNDEFINED)
        return ts_jx_fail_undefined(x, v);
    if (!ts_jv_is_whole(v))
        return ts_jx_fail(x, "TypeError", "'%s' object cannot be interpreted as an integer",
                          ts_jv_type_name(v));
    *out = ts_jv_whole(v);
    return TS_OK;
}

ts_status ts_jarg_str(ts_jx *x, ts_jv v, const char *def, ts_jv *out)
{
    if (v.type == TS_JV_ABSENT && def) {
        *out = ts_jv_text(def);
        return TS_OK;
    }
    if (v.type != TS_JV_STR)
        return ts_jx_fail(x, "TypeError", "expected a str, found '%s'", ts_jv_type_name(v));
    *out = v;
    return TS_OK;
}

ts_status ts_jx_finish(ts_jx *x, ts_str *s, ts_status st, ts_jv *out)
{
    *out = ts_jv_none();
    if (st == TS_OK)
        st = ts_jx_step(x, s->len / 16);
    if (st == TS_OK)
        st = ts_jv_copy(x, ts_str_text(s), s->len, out);
    ts_str_deinit(s);
    return st;
}

ts_status ts_jseq_add(ts_jx *x, ts_jseq *s, size_t *cap, ts_jv v)
{
    if (s->n >= *cap) {
        ts_jv *more;
        const size_t room = s->n < 4 ? 8 : s->n * 2;
        TS_TRY(ts_jx_alloc(x, room, sizeof *more, &more));
        if (s->n)
            memcpy(more, s->v, s->n * sizeof *more);
        s->v = more;
        *cap = room;
    }
    s->v[s->n++] = v;
    return TS_OK;
}

/* ---------------------------------------------------------------- dict and list */

static ts_status d_get(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    (void)c;
    TS_TRY(ts_jdict_get(x, self.dict, a[0], out));
    if (out->type == TS_JV_ABSENT)
        *out = ts_jarg(a[1], ts_jv_none());
    return TS_OK;
}

static ts_status view(ts_jx *x, ts_jv self, bool keys, bool values, const char *name, ts_jv *out)
{
    TS_TRY(ts_jv_seq(x, TS_JV_VIEW, self.dict->n, out));
    out->seq->view = name;
    for (size_t i = 0; i < self.dict->n; i++) {
        const ts_jpair *p = &self.dict->v[i];
        if (keys && values)
            TS_TRY(ts_jv_pair(x, p->key, p->value, &out->seq->v[i]));
        else
            out->seq->v[i] = keys ? p->key : p->value;
    }
    return TS_OK;
}

static ts_status d_items(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    (void)a, (void)c;
    return view(x, self, true, true, "dict_items", out);
}

static ts_status d_keys(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    (void)a, (void)c;
    return view(x, self, true, false, "dict_keys", out);
}

static ts_status d_values(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    (void)a, (void)c;
    return view(x, self, false, true, "dict_values", out);
}

/* Values do not change, so a copy is the value. */
static ts_status copy(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    (void)x, (void)a, (void)c;
    *out = self;
    return TS_OK;
}

static ts_status l_count(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    int64_t n = 0;
    (void)c;
    for (size_t i = 0; i < self.seq->n; i++) {
        bool is;
        TS_TRY(ts_jv_equal(x, ts_jseq_at(self.seq, i), a[0], &is));
        n += is;
    }
    *out = ts_jv_int(n);
    return TS_OK;
}

static ts_status l_index(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    (void)c;
    int64_t from, to, n = (int64_t)self.seq->n;
    TS_TRY(ts_jarg_int(x, a[1], 0, &from));
    TS_TRY(ts_jarg_int(x, a[2], n, &to));
    from = from < 0 ? (from + n < 0 ? 0 : from + n) : from;
    to = to < 0 ? to + n : to > n ? n : to;
    for (int64_t i = from; i < to; i++) {
        bool is;
        TS_TRY(ts_jv_equal(x, ts_jseq_at(self.seq, (size_t)i), a[0], &is));
        if (is) {
            *out = ts_jv_int(i);
            return TS_OK;
        }
    }
    return ts_jx_fail(x, "ValueError", "the value is not in the list");
}

static ts_status f_is_integer(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    (void)x, (void)a, (void)c;
    *out = ts_jv_bool(self.f == (double)(int64_t)self.f);
    return TS_OK;
}

static ts_status c_next(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    ts_jcycler *y = self.cycler;
    (void)x, (void)a, (void)c;
    *out = ts_jseq_at(y->items.seq, y->at);
    y->at = (y->at + 1) % y->items.seq->n;
    return TS_OK;
}

static ts_status c_reset(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    (void)x, (void)a, (void)c;
    self.cycler->at = 0;
    *out = ts_jv_none();
    return TS_OK;
}

static const ts_jrow dict_methods[] = {
    { "get", "key default", 1, d_get },   { "items", "", 0, d_items }, { "keys", "", 0, d_keys },
    { "values", "", 0, d_values },        { "copy", "", 0, copy },
};
static const ts_jrow list_methods[] = {
    { "count", "value", 1, l_count },
    { "index", "value start stop", 1, l_index },
    { "copy", "", 0, copy },
};
static const ts_jrow float_methods[] = { { "is_integer", "", 0, f_is_integer } };
static const ts_jrow cycler_methods[] = { { "next", "", 0, c_next }, { "reset", "", 0, c_reset } };

#define COUNT(rows) (sizeof(rows) / sizeof *(rows))

static const ts_jrow *methods_of(ts_jv v, size_t *n)
{
    switch (v.type) {
    case TS_JV_STR: *n = ts_jinja_n_str_methods; return ts_jinja_str_methods;
    case TS_JV_DICT: *n = COUNT(dict_methods); return dict_methods;
    case TS_JV_LIST: *n = COUNT(list_methods); return list_methods;
    case TS_JV_TUPLE:
    case TS_JV_RANGE: *n = COUNT(list_methods) - 1; return list_methods;
    case TS_JV_FLOAT: *n = COUNT(float_methods); return float_methods;
    case TS_JV_CYCLER: *n = COUNT(cycler_methods); return cycler_methods;
    default: *n = 0; return NULL;
    }
}

int ts_jx_method_id(ts_jv v, ts_jv name, bool *is_unsafe)
{
    static const char *const of_list[] = { "append", "clear", "pop", "reverse", "insert", "sort",
                                           "extend", "remove", NULL };
    static const char *const of_dict[] = { "clear", "pop", "popitem", "setdefault", "update", NULL };
    size_t n;
    const ts_jrow *rows = methods_of(v, &n);
    for (const char *const *p = v.type == TS_JV_LIST ? of_list : of_dict; *p; p++)
        *is_unsafe |= (v.type == TS_JV_LIST || v.type == TS_JV_DICT) && ts_jv_is(name, *p);
    return ts_jrow_find(rows, n, name.s, name.n);
}

ts_status ts_jx_call_method(ts_jx *x, const ts_jmethod *m, const ts_jcall *c, ts_jv *out)
{
    size_t n;
    if (m->self.type == TS_JV_LOOP)
        return ts_jloop_method(x, m, c, out);
    return ts_jrow_call(x, &methods_of(m->self, &n)[m->id], m->self, c, out);
}

/* ---------------------------------------------------------------- global functions */

ts_status ts_jx_range(ts_jx *x, int64_t start, int64_t stop, int64_t step, ts_jv *out)
{
    enum { MOST = 100000 };
    const bool is_empty = step > 0 ? start >= stop : start <= stop;
    const uint64_t span = is_empty ? 0 : step > 0 ? (uint64_t)stop - (uint64_t)start
                                                  : (uint64_t)start - (uint64_t)stop;
    const uint64_t each = step > 0 ? (uint64_t)step : 0 - (uint64_t)step;
    const uint64_t n = span ? (span - 1) / each + 1 : 0;
    if (n > MOST)
        return ts_jx_fail(x, "OverflowError",
                          "Range too big. The sandbox blocks ranges larger than MAX_RANGE (%d).", MOST);
    TS_TRY(ts_jv_seq(x, TS_JV_RANGE, 0, out));
    *out->seq = (ts_jseq){ .n = (size_t)n, .start = start, .step = step, .at = (size_t)stop };
    return TS_OK;
}

static ts_status g_range(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    int64_t v[3];
    (void)self, (void)c;
    for (int i = 0; i < 3; i++)
        TS_TRY(ts_jarg_int(x, a[i], i == 2, &v[i]));
    if (!v[2])
        return ts_jx_fail(x, "ValueError", "range() arg 3 must not be zero");
    return a[1].type == TS_JV_ABSENT ? ts_jx_range(x, 0, v[0], 1, out)
                                     : ts_jx_range(x, v[0], v[1], v[2], out);
}

/* Pairs of dict(...) and namespace(...): of a dictionary or of pairs, then the named ones. */
static ts_status fill_dict(ts_jx *x, const ts_jcall *c, ts_jdict *d)
{
    ts_jseq *items, *pair;
    if (c->n > 1)
        return ts_jx_fail(x, "TypeError", "dict expected at most 1 argument, got %zu", c->n);
    if (c->n && c->v[0].type == TS_JV_DICT) {
        for (size_t i = 0; i < c->v[0].dict->n; i++)
            TS_TRY(ts_jdict_set(x, d, c->v[0].dict->v[i].key, c->v[0].dict->v[i].value));
    } else if (c->n) {
        TS_TRY(ts_jv_items(x, c->v[0], &items));
        for (size_t i = 0; i < items->n; i++) {
            TS_TRY(ts_jv_items(x, ts_jseq_at(items, i), &pair));
            if (pair->n != 2)
                return ts_jx_fail(x, "ValueError", "dictionary update sequence element #%zu has length "
                                                   "%zu; 2 is required", i, pair->n);
            TS_TRY(ts_jdict_set(x, d, ts_jseq_at(pair, 0), ts_jseq_at(pair, 1)));
        }
    }
    for (size_t i = 0; i < c->n_named; i++)
        TS_TRY(ts_jdict_set(x, d, ts_jv_text(c->names[i]), c->named[i]));
    return TS_OK;
}

static ts_status g_dict(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    (void)self, (void)a;
    *out = (ts_jv){ .type = TS_JV_DICT };
    TS_TRY(ts_jdict_create(x, &out->dict));
    return fill_dict(x, c, out->dict);
}

static ts_status g_namespace(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    (void)self, (void)a;
    *out = (ts_jv){ .type = TS_JV_NAMESPACE };
    TS_TRY(ts_jdict_create(x, &out->dict));
    TS_TRY(fill_dict(x, c, out->dict));
    for (size_t i = 0; i < out->dict->n; i++)
        if (out->dict->v[i].key.type == TS_JV_STR && out->dict->v[i].key.n &&
            out->dict->v[i].key.s[0] == '_')
            return ts_jx_fail(x, "SecurityError",
                              "Chat templates cannot store underscore-prefixed attributes on a namespace");
    return TS_OK;
}

static ts_status g_raise(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    (void)self, (void)c, (void)out;
    ts_jv text;
    TS_TRY(ts_jv_to_str(x, a[0], &text));
    return ts_jx_fail(x, "TemplateError", "%.*s", (int)(text.n < 400 ? text.n : 400), text.s);
}

static ts_status g_strftime(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    char format[512], text[1024];
    ts_jv f = { 0 };
    size_t n = 0;
    (void)self, (void)c;
    TS_TRY(ts_jarg_str(x, a[0], NULL, &f));
    if (f.n > 200)
        return ts_jx_fail(x, "ValueError", "a format of %u bytes is too long", f.n);
    for (size_t i = 0; i < f.n; i++) { /* a time without zone has neither %z nor %Z */
        if (f.s[i] == '%' && i + 1 < f.n && strchr("fzZ", f.s[i + 1])) {
            const char *to = f.s[++i] == 'f' ? "000000" : "";
            memcpy(format + n, to, strlen(to));
            n += strlen(to);
        } else {
            format[n++] = f.s[i];
            if (f.s[i] == '%' && i + 1 < f.n)
                format[n++] = f.s[++i];
        }
    }
    format[n] = 0;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    const size_t got = strftime(text, sizeof text, format, x->now);
#pragma GCC diagnostic pop
    return ts_jv_copy(x, text, got, out);
}

static ts_status g_cycler(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    (void)self, (void)a;
    ts_jv v = { .type = TS_JV_CYCLER };
    if (!c->n || c->n_named)
        return ts_jx_fail(x, "RuntimeError", "at least one item has to be provided");
    TS_TRY(ts_jx_alloc(x, 1, sizeof *v.cycler, &v.cycler));
    TS_TRY(ts_jv_seq(x, TS_JV_TUPLE, c->n, &v.cycler->items));
    memcpy(v.cycler->items.seq->v, c->v, c->n * sizeof *c->v);
    *out = v;
    return TS_OK;
}

static ts_status g_joiner(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    (void)self, (void)c;
    ts_jv v = { .type = TS_JV_JOINER };
    TS_TRY(ts_jx_alloc(x, 1, sizeof *v.cycler, &v.cycler));
    TS_TRY(ts_jarg_str(x, a[0], ", ", &v.cycler->items));
    *out = v;
    return TS_OK;
}

static const ts_jrow functions[] = {
    { "range", "start stop step", 1, g_range },
    { "dict", NULL, 0, g_dict },
    { "namespace", NULL, 0, g_namespace },
    { "raise_exception", "message", 1, g_raise },
    { "strftime_now", "format", 1, g_strftime },
    { "cycler", NULL, 0, g_cycler },
    { "joiner", "sep", 0, g_joiner },
};

int ts_jx_function_id(const char *name)
{
    return ts_jrow_find(functions, COUNT(functions), name, strlen(name));
}

ts_status ts_jx_call_function(ts_jx *x, int id, const ts_jcall *c, ts_jv *out)
{
    return ts_jrow_call(x, &functions[id], ts_jv_none(), c, out);
}

ts_status ts_jx_call(ts_jx *x, ts_jv f, const ts_jcall *c, ts_jv *out)
{
    TS_TRY(ts_jx_step(x, 1));
    switch (f.type) {
    case TS_JV_FUNCTION: return ts_jx_call_function(x, f.function, c, out);
    case TS_JV_METHOD: return ts_jx_call_method(x, f.method, c, out);
    case TS_JV_MACRO: return ts_jx_call_macro(x, f.closure, c, out);
    case TS_JV_LOOP: return ts_jloop_call(x, f.loop, c, out);
    case TS_JV_UNDEFINED: return ts_jx_fail_undefined(x, f);
    case TS_JV_JOINER:
        *out = f.cycler->at++ ? f.cycler->items : ts_jv_str("", 0);
        return TS_OK;
    default: return ts_jx_fail(x, "TypeError", "'%s' object is not callable", ts_jv_type_name(f));
    }
}
