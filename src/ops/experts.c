#include "ops/experts.h"

#include "ops/ops.h"

/* ---- the order ---- */

ts_status ts_sort_rows(ts_tape *tape, const ts_sort_op *o, const ts_tensor *ids, const ts_tensor *weights,
                       ts_sorted_rows *out)
{
    const int64_t T = ids->dim[0], k = ids->dim[1], pairs = T * k;
    const int64_t rows = o->pads ? o->experts * o->capacity : pairs;
    ts_sorted_rows s = { .T = T, .k = k, .rows = rows, .experts = o->experts, .drops = o->capacity > 0 || o->misses };
    TS_TRY(ts_tape_new(tape, TS_DTYPE_I32, rows, 0, &s.from));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_I32, pairs, 0, &s.at));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_I32, o->experts + 1, 0, &s.offsets));
    if (o->keeps)
        TS_TRY(ts_tape_new(tape, TS_DTYPE_I32, T, k, &s.kept));
    const ts_sort_rows_args a = { .pairs = pairs, .k = k, .rows = rows, .experts = o->experts, .first = o->first,
                                  .capacity = o->capacity, .pads = o->pads, .by_slot = o->by_slot,
                                  .weights = o->by_weight ? ts_tensor_data(weights) : NULL,
                                  .ids = ts_tensor_data(ids), .from = ts_tensor_data(s.from),
                                  .at = ts_tensor_data(s.at), .offsets = ts_tensor_data(s.offsets),
                                  .kept = s.kept ? ts_tensor_data(s.kept) : NULL };
    ts_launch_sort_rows(tape->dev, &a, 0, (ts_cost){ 4 * (double)pairs, 12 * (double)pairs, TS_DTYPE_F32 });
    *out = s;
    return TS_OK;
}

/* ---- there and back ---- */

static ts_cost cost_of(const ts_sorted_rows *s, const ts_tensor *x, double passes)
{
    const double n = (double)(s ? s->T * s->k : x->dim[0]) * (double)x->dim[1];
    return (ts_cost){ 2 * n, passes * n * (double)ts_dtype_size(x->dtype), x->dtype };
}

static ts_combine_args args_of(const ts_sorted_rows *s, const ts_tensor *x)
{
    return (ts_combine_args){ .k = s ? s->k : 1, .cols = x->dim[1], .dtype = x->dtype, .x = ts_tensor_data(x),
                              .at = s ? ts_tensor_data(s->at) : NULL };
}

typedef struct sorted_attr {
    ts_sorted_rows s;
    bool alone; /* no order: row t is row t */
} sorted_attr;

static const ts_sorted_rows *order_of(const sorted_attr *a) { return a->alone ? NULL : &a->s; }

static ts_status gather_backward(ts_tape *tape, ts_record *r)
{
    const sorted_attr *n = r->attr;
    const ts_tensor *dy = r->out[0]->grad;
    ts_tensor *x = r->in[0], *dx;
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], &dx));
    ts_combine_args a = args_of(&n->s, dy);
    a.y = ts_tensor_data(dx);
    ts_launch_combine_fwd(tape->dev, &a, n->s.T, cost_of(&n->s, dy, 2));
    return ts_tape_accumulate(tape, x, dx);
}

static void gather(ts_tape *tape, const ts_sorted_rows *s, const ts_tensor *x, const ts_tensor *y)
{
    const ts_embed_args a = { .rows = s->rows, .cols = x->dim[1], .table_dtype = x->dtype, .dtype = x->dtype,
                              .table = ts_tensor_data(x), .here = x->dim[0], .ids = ts_tensor_data(s->from),
                              .scale = 1, .y = ts_tensor_data(y) };
    ts_launch_embed_fwd(tape->dev, &a, s->rows, cost_of(s, x, 2));
}

static ts_status gather_replay(ts_tape *tape, ts_record *r, int i)
{
    (void)i;
    gather(tape, &((const sorted_attr *)r->attr)->s, r->in[0], r->out[0]);
    return TS_OK;
}

static const ts_op gather_op = { .name = "gather_rows", .backward = gather_backward, .replay = gather_replay,
                                 .replayed = TS_REPLAY_ROWS, .from_inputs = true };

ts_status ts_op_gather_rows(ts_tape *tape, const ts_sorted_rows *s, ts_tensor *x, ts_tensor **y)
{
    void *data;
    TS_ASSERT(x->dim[0] == s->T, "gather_rows: %lld rows, %lld expected", (long long)x->dim[0], (long long)s->T);
    TS_TRY(ts_tape_need(tape, x, &data));
    TS_TRY(ts_tape_new(tape, x->dtype, s->rows, x->dim[1], y));
    gather(tape, s, x, *y);
    if (tape->recording && x->wants_grad) {
        ts_record *r;
        TS_TRY(ts_tape_record(tape, &gather_op, sizeof(sorted_attr), &r));
        *(sorted_attr *)r->attr = (sorted_attr){ .s = *s };
        r->in[0] = x;
        r->out[0] = *y;
        (*y)->wants_grad = true;
        ts_record_save(tape, r, s->at);
        if (!ts_tape_replays(tape, TS_REPLAY_ROWS))
            return TS_OK;
        (*y)->maker = r;
        ts_record_save(tape, r, s->from);
        ts_record_save(tape, r, x);
    }
    return TS_OK;
}

/* What combine_bwd does with a gradient is what is wanted of x here, and the other way round. */
static ts_status scale_backward(ts_tape *tape, ts_record *r)
{
    const sorted_attr *n = r->attr;
    const ts_tensor *dy = r->out[0]->grad;
    ts_tensor *x = r->in[0], *w = r->in[1], *dx, *dw;
    void *data;
    if (x->wants_grad) {
        TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], &dx));
        ts_combine_args a = args_of(&n->s, dy);
        a.weights = ts_tensor_data(w);
        a.y = ts_tensor_data(dx);
        ts_launch_combine_fwd(tape->dev, &a, n->s.T, cost_of(&n->s, dy, 2));
        TS_TRY(ts_tape_accumulate(tape, x, dx));
    }
    if (!w->wants_grad)
        return TS_OK;
    TS_TRY(ts_tape_need(tape, x, &data));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, w->dim[0], w->dim[1], &dw));
    ts_combine_args a = args_of(&n->s, dy);
    a.dy = data;
    a.dweights = ts_tensor_data(dw);
    ts_launch_combine_bwd(tape->dev, &a, n->s.T, cost_of(&n->s, dy, 2));
    return ts_tape_accumulate(tape, w, dw);
}

static const ts_op scale_op = { .name = "scale_rows", .backward = scale_backward };

ts_status ts_op_scale_rows(ts_tape *tape, const ts_sorted_rows *s, ts_tensor *x, ts_tensor *weights, ts_tensor **y)
{
    void *data;
    TS_ASSERT(x->dim[0] == s->T, "scale_rows: %lld rows, %lld expected", (long long)x->dim[0], (long long)s->T);
    TS_TRY(ts_tape_need(tape, x, &data));
    TS_TRY(ts_tape_new(tape, x->dtype, s->rows, x->dim[1], y));
    if (s->drops)
        tape->dev->zero(tape->dev, ts_tensor_data(*y), ts_tensor_bytes(*y));
    ts_combine_args a = args_of(s, x);
    a.weights = ts_tensor_data(weights);
    a.dy = data;
    a.dx = ts_tensor_data(*y);
    ts_launch_combine_bwd(tape->dev, &a, s->T, cost_of(s, x, 2));
    if (!tape->recording || !(x->wants_grad || weights->wants_grad))
        return TS_OK;
    ts_record *r;
    TS_TRY(ts_tape_record(tape, &scale_op, sizeof(sorted_attr), &r));
    *(sorted_attr *)r->attr = (sorted_attr){ .s = *s };
    r->in[0] = x;
    r->in[1] = weights;
    r->out[0] = *y;
    (*y)->wants_grad = true;
    if (weights->wants_grad)
        ts_record_save(tape, r, x);
    ts_record_save(tape, r, weights);
    ts_record_save(tape, r, s->at);
    return TS_OK;
}

static ts_status combine_backward(ts_tape *tape, ts_record *r)
{
    const sorted_attr *n = r->attr;
    const ts_sorted_rows *s = order_of(n);
    ts_tensor *x = r->in[0], *w = r->in[1], *dx = NULL, *dw = NULL;
    void *data;
    TS_TRY(ts_tape_need(tape, x, &data));
    if (w)
        TS_TRY(ts_tape_need(tape, w, &data));
    ts_combine_args a = args_of(s, x);
    a.weights = w ? ts_tensor_data(w) : NULL;
    a.dy = ts_tensor_data(r->out[0]->grad);
    if (x->wants_grad) {
        TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], &dx));
        if (s && s->drops) /* rows of nobody */
            tape->dev->zero(tape->dev, ts_tensor_data(dx), ts_tensor_bytes(dx));
        a.dx = ts_tensor_data(dx);
    }
    if (w && w->wants_grad) {
        TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, w->dim[0], w->dim[1], &dw));
        a.dweights = ts_tensor_data(dw);
    }
    ts_launch_combine_bwd(tape->dev, &a, r->out[0]->dim[0], cost_of(s, x, 3));
    if (dx)
        TS_TRY(ts_tape_accumulate(tape, x, dx));
    return dw ? ts_tape_accumulate(tape, w, dw) : TS_OK;
}

static const ts_op combine_op = { .name = "combine", .backward = combine_backward };

ts_status ts_op_combine(ts_tape *tape, const ts_sorted_rows *s, ts_tensor *x, ts_tensor *weights, ts_tensor **y)
{
    const int64_t T = weights ? weights->dim[0] : s->T;
    TS_ASSERT(s ? T == s->T && x->dim[0] == s->rows : T == x->dim[0] && weights->dim[1] == 1,
              "combine: %lld rows and weights of %lld", (long long)x->dim[0], (long long)T);
    TS_TRY(ts_tape_new(tape, x->dtype, T, x->dim[1], y));
    ts_combine_args a = args_of(s, x);
    a.weights = weights ? ts_tensor_data(weights) : NULL;
    a.y = ts_tensor_data(*y);
    ts_launch_combine_fwd(tape->dev, &a, T, cost_of(s, x, 2));
    if (!tape->recording || !(x->wants_grad || (weights && weights->wants_grad)))
        return TS_OK;
    ts_record *r;
    TS_TRY(ts_tape_record(tape, &combine_op, sizeof(sorted_attr), &r));
    *(sorted_attr *)r->attr = (sorted_attr){ .s = s ? *s : (ts_sorted_rows){ 0 }, .alone = !s };
    r->in[0] = x;
    r->in[1] = weights;
    r->out[0] = *y;
    (*y)->wants_grad = true;
    ts_record_save(tape, r, x);
    if (weights)
        ts_record_save(tape, r, weights);
    if (s)
        ts_record_save(tape, r, s->at);
    return TS_OK;
}

/* ---- products ---- */

typedef struct groups_attr {
    ts_sorted_rows s;
    ts_groups_op o;
} groups_attr;

static int64_t outer(const ts_param *w) { return w->dim[0] / w->matrices; }

/* y = x w^T + b, or x w, with the matrices from o->first on. */
static ts_status multiply(ts_tape *tape, const groups_attr *n, const ts_param *b, ts_gemm_form form, const ts_tensor *x,
                          const ts_tensor *y)
{
    ts_form f;
    TS_TRY(ts_param_form(n->o.w, form, x->dtype, &f));
    f.data = (const char *)f.data + (size_t)n->o.first * f.stride;
    ts_groups_multiply(tape, &n->s, &f, b ? ts_param_vector(b) + n->o.first * outer(n->o.w) : NULL, form, x, y);
    return TS_OK;
}

static ts_status groups_backward(ts_tape *tape, ts_record *r)
{
    const groups_attr *n = r->attr;
    ts_tensor *x = r->in[0], *dx;
    if (!x->wants_grad)
        return TS_OK;
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], &dx));
    TS_TRY(multiply(tape, n, NULL, TS_GEMM_NN, r->out[0]->grad, dx));
    return ts_tape_accumulate(tape, x, dx);
}

static ts_status groups_weight(ts_tape *tape, ts_record *r)
{
    const groups_attr *n = r->attr;
    const ts_tensor *dy = r->out[0]->grad;
    ts_param *w = n->o.w;
    void *data;
    if (ts_param_has_grad(w)) {
        TS_TRY(ts_tape_need(tape, r->in[0], &data));
        if (n->s.experts < w->matrices) /* others write the rest */
            ts_param_grad_settle(w);
        ts_groups_weight(tape, &n->s, r->in[0], data, dy, w->grad + n->o.first * outer(w) * w->dim[1],
                         !ts_param_grad_begin(w));
    }
    if (ts_param_has_grad(n->o.b)) /* of each expert the sum of its rows, in order */
        ts_groups_bias(tape, &n->s, dy, n->o.b->grad + n->o.first * outer(w));
    return TS_OK;
}

static const ts_op groups_op = { .name = "linear_groups", .backward = groups_backward, .weight = groups_weight };

ts_status ts_op_linear_groups_of(ts_tape *tape, const ts_sorted_rows *s, const ts_groups_op *o, ts_tensor *x,
                                 ts_tensor **y)
{
    const ts_param *w = o->w;
    const groups_attr n = { .s = *s, .o = *o };
    void *data;
    TS_ASSERT(x->dim[1] == w->dim[1] && o->first + s->experts <= w->matrices && x->dim[0] == s->rows,
              "linear_groups: %lld rows of %lld times %s", (long long)x->dim[0], (long long)x->dim[1], w->name);
    TS_ASSERT(!o->b || (o->b->rank == 1 && ts_param_count(o->b) == w->dim[0]), "linear_groups: %s and %s", w->name,
              o->b->name);
    TS_TRY(ts_tape_need(tape, x, &data));
    TS_TRY(ts_param_need(o->b));
    TS_TRY(ts_tape_new(tape, x->dtype, s->rows, outer(w), y));
    TS_TRY(multiply(tape, &n, o->elsewhere ? NULL : o->b, TS_GEMM_NT, x, *y));
    if (!tape->recording || !(x->wants_grad || ts_param_has_grad(w) || ts_param_has_grad(o->b)))
        return TS_OK;
    ts_record *r;
    TS_TRY(ts_tape_record(tape, &groups_op, sizeof n, &r));
    *(groups_attr *)r->attr = n;
    r->in[0] = x;
    r->out[0] = *y;
    (*y)->wants_grad = true;
    if (ts_param_has_grad(w))
        ts_record_save(tape, r, x);
    ts_record_save(tape, r, s->offsets);
    TS_TRY(ts_record_param(tape, r, 0, o->w));
    return ts_record_param(tape, r, 1, o->b);
}

ts_status ts_op_linear_groups(ts_tape *tape, const ts_sorted_rows *s, ts_tensor *x, ts_param *w, ts_tensor **y)
{
    return ts_op_linear_groups_of(tape, s, &(ts_groups_op){ .w = w }, x, y);
}
