#include "ops/altup.h"

#include "ops/columns.h"

static ts_cost cost_of(const ts_tensor *t, double work, double passes)
{
    const double n = (double)ts_tensor_count(t);
    return (ts_cost){ work * n, passes * n * (double)ts_dtype_size(t->dtype), t->dtype };
}

static ts_status like(ts_tape *tape, const ts_tensor *x, ts_tensor **y)
{
    return ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], y);
}

/* ---- mix ---- */

typedef struct mix_attr {
    int64_t ins, outs;
    float plus;
} mix_attr;

static ts_mix_args mix_args(const mix_attr *n, const ts_tensor *x, const ts_tensor *m)
{
    return (ts_mix_args){ .cols = x->dim[1] / n->ins, .ins = n->ins, .outs = n->outs, .plus = n->plus,
                          .dtype = x->dtype, .x = ts_tensor_data(x), .m = ts_tensor_data(m) };
}

/* The streams of x get those of dy by the same numbers, turned. */
static ts_status mix_back_x(ts_tape *tape, const mix_attr *n, ts_tensor *x, const ts_tensor *m, const ts_tensor *dy)
{
    ts_tensor *dx;
    if (!x->wants_grad)
        return TS_OK;
    TS_TRY(like(tape, x, &dx));
    const ts_mix_args a = { .cols = x->dim[1] / n->ins, .ins = n->outs, .outs = n->ins, .turned = true, .plus = n->plus,
                            .dtype = x->dtype, .x = ts_tensor_data(dy), .m = ts_tensor_data(m), .y = ts_tensor_data(dx) };
    ts_launch_mix(tape->dev, &a, x->dim[0], cost_of(dy, 2 * (double)n->ins, 2));
    return ts_tape_accumulate(tape, x, dx);
}

static ts_status mix_backward(ts_tape *tape, ts_record *r)
{
    const mix_attr *n = r->attr;
    ts_tensor *x = r->in[0], *m = r->in[2], *dy = r->out[0]->grad, *dm;
    TS_TRY(ts_tape_accumulate(tape, r->in[1], dy));
    TS_TRY(mix_back_x(tape, n, x, m, dy));
    if (!m->wants_grad)
        return TS_OK;
    TS_TRY(like(tape, m, &dm));
    ts_mix_args a = mix_args(n, x, m);
    a.dy = ts_tensor_data(dy);
    a.dm = ts_tensor_data(dm);
    ts_launch_mix_dots(tape->dev, &a, x->dim[0], cost_of(dy, 2 * (double)n->ins, 2));
    return ts_tape_accumulate(tape, m, dm);
}

static const ts_op mix_op = { .name = "mix", .backward = mix_backward };

ts_status ts_op_mix(ts_tape *tape, ts_tensor *x, ts_tensor *b, ts_tensor *m, int64_t ins, int64_t outs, float plus,
                    ts_tensor **y)
{
    const mix_attr n = { ins, outs, plus };
    const int64_t cols = x->dim[1] / ins;
    ts_record *r;
    TS_ASSERT(x->dim[1] % ins == 0 && m->dtype == TS_DTYPE_F32 && m->dim[0] == x->dim[0] && m->dim[1] == ins * outs &&
                  (!b || (b->dim[1] == outs * cols && b->dtype == x->dtype)),
              "mix: %lld streams of %lld columns into %lld", (long long)ins, (long long)x->dim[1], (long long)outs);
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], outs * cols, y));
    ts_mix_args a = mix_args(&n, x, m);
    a.b = b ? ts_tensor_data(b) : NULL;
    a.y = ts_tensor_data(*y);
    ts_launch_mix(tape->dev, &a, x->dim[0], cost_of(*y, 2 * (double)ins, 3));
    if (!tape->recording || !(x->wants_grad || m->wants_grad || (b && b->wants_grad)))
        return TS_OK;
    TS_TRY(ts_tape_record(tape, &mix_op, sizeof n, &r));
    *(mix_attr *)r->attr = n;
    r->in[0] = x, r->in[1] = b, r->in[2] = m, r->out[0] = *y;
    (*y)->wants_grad = true;
    ts_record_save(tape, r, x);
    ts_record_save(tape, r, m);
    return TS_OK;
}

/* ---- magnitude ---- */

static ts_magnitude_args magnitude_args(float least, const ts_tensor *x, const ts_tensor *p)
{
    return (ts_magnitude_args){ .cols = x->dim[1], .dtype = x->dtype, .least = least, .x = ts_tensor_data(x),
                                .p = ts_tensor_data(p) };
}

static ts_status magnitude_backward(ts_tape *tape, ts_record *r)
{
    ts_tensor *x = r->in[0], *p = r->in[1], *dx, *dp;
    TS_TRY(like(tape, x, &dx));
    TS_TRY(like(tape, p, &dp));
    ts_magnitude_args a = magnitude_args(*(const float *)r->attr, x, p);
    a.dy = ts_tensor_data(r->out[0]->grad);
    a.dx = ts_tensor_data(dx);
    a.dp = ts_tensor_data(dp);
    ts_launch_magnitude_bwd(tape->dev, &a, x->dim[0], cost_of(x, 10, 8));
    TS_TRY(ts_tape_accumulate(tape, x, dx));
    return ts_tape_accumulate(tape, p, dp);
}

static const ts_op magnitude_op = { .name = "magnitude", .backward = magnitude_backward };

ts_status ts_op_magnitude(ts_tape *tape, ts_tensor *x, ts_tensor *p, float least, ts_tensor **y)
{
    ts_record *r;
    TS_ASSERT(x->dim[0] == p->dim[0] && x->dim[1] == p->dim[1] && x->dtype == p->dtype, "magnitude: shapes differ");
    TS_TRY(like(tape, p, y));
    ts_magnitude_args a = magnitude_args(least, x, p);
    a.y = ts_tensor_data(*y);
    ts_launch_magnitude_fwd(tape->dev, &a, x->dim[0], cost_of(x, 5, 4));
    if (!tape->recording || !(x->wants_grad || p->wants_grad))
        return TS_OK;
    TS_TRY(ts_tape_record(tape, &magnitude_op, sizeof least, &r));
    *(float *)r->attr = least;
    r->in[0] = x, r->in[1] = p, r->out[0] = *y;
    (*y)->wants_grad = true;
    ts_record_save(tape, r, x);
    ts_record_save(tape, r, p);
    return TS_OK;
}

/* ---- sparse gates ---- */

typedef struct sparse_attr {
    ts_comm *group;
    int64_t cols, all;
    float times;
    ts_tensor *sum, *square; /* of all columns, where a group shares them out; else NULL */
} sparse_attr;

static ts_sparse_args sparse_args(const sparse_attr *n, const ts_tensor *x)
{
    return (ts_sparse_args){ .cols = n->cols, .width = x->dim[1], .dtype = x->dtype, .times = n->times,
                             .x = ts_tensor_data(x), .all = n->sum ? n->all : 0,
                             .sum = n->sum ? ts_tensor_data(n->sum) : NULL,
                             .square = n->square ? ts_tensor_data(n->square) : NULL };
}

/* Of all columns of each row the next sum that `a` does not have; NULL where these are all here. */
static ts_status sum_columns(ts_tape *tape, ts_comm *group, ts_sparse_args a, const ts_tensor *x, ts_tensor **sums)
{
    *sums = NULL;
    if (!ts_group_shares(group))
        return TS_OK;
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, x->dim[0], 0, sums));
    a.sums = ts_tensor_data(*sums);
    ts_launch_sparse_sum(tape->dev, &a, x->dim[0], cost_of(x, 2, 1));
    return ts_group_sum(tape, group, a.sums, x->dim[0], TS_DTYPE_F32);
}

static ts_status sparse_backward(ts_tape *tape, ts_record *r)
{
    const sparse_attr *n = r->attr;
    ts_tensor *x = r->in[0], *dx, *slope;
    ts_sparse_args a = sparse_args(n, x);
    a.dy = ts_tensor_data(r->out[0]->grad);
    TS_TRY(sum_columns(tape, n->group, a, x, &slope));
    TS_TRY(like(tape, x, &dx));
    a.slope = slope ? ts_tensor_data(slope) : NULL;
    a.dx = ts_tensor_data(dx);
    ts_launch_sparse_bwd(tape->dev, &a, x->dim[0], cost_of(x, 8, 5));
    return ts_tape_accumulate(tape, x, dx);
}

static const ts_op sparse_op = { .name = "sparse", .backward = sparse_backward };

ts_status ts_op_sparse(ts_tape *tape, ts_comm *group, ts_tensor *x, int64_t cols, int64_t all, float times, ts_tensor **y)
{
    sparse_attr n = { .group = group, .cols = cols, .all = all, .times = times };
    ts_record *r;
    TS_ASSERT(cols > 0 && cols <= x->dim[1], "sparse: %lld columns of %lld", (long long)cols, (long long)x->dim[1]);
    TS_TRY(like(tape, x, y));
    TS_TRY(sum_columns(tape, group, sparse_args(&n, x), x, &n.sum));
    TS_TRY(sum_columns(tape, group, sparse_args(&n, x), x, &n.square));
    ts_sparse_args a = sparse_args(&n, x);
    a.y = ts_tensor_data(*y);
    ts_launch_sparse_fwd(tape->dev, &a, x->dim[0], cost_of(x, 4, 4));
    if (!tape->recording || !x->wants_grad)
        return TS_OK;
    TS_TRY(ts_tape_record(tape, &sparse_op, sizeof n, &r));
    *(sparse_attr *)r->attr = n;
    r->in[0] = x, r->out[0] = *y;
    (*y)->wants_grad = true;
    ts_record_save(tape, r, x);
    if (n.sum) {
        ts_record_save(tape, r, n.sum);
        ts_record_save(tape, r, n.square);
    }
    return TS_OK;
}

/* ---- columns by a weight ---- */

static ts_weigh_cols_args scale_args(const ts_param *w, const ts_tensor *x)
{
    return (ts_weigh_cols_args){ .cols = x->dim[1], .rows = x->dim[0], .dtype = x->dtype, .x = ts_tensor_data(x),
                                 .w = ts_param_vector(w) };
}

static ts_status scale_backward(ts_tape *tape, ts_record *r)
{
    ts_tensor *x = r->in[0], *dx;
    if (!x->wants_grad)
        return TS_OK;
    TS_TRY(like(tape, x, &dx));
    ts_weigh_cols_args a = scale_args(r->param[0], r->out[0]->grad);
    a.y = ts_tensor_data(dx);
    ts_launch_weigh_cols(tape->dev, &a, a.rows, cost_of(x, 1, 2));
    return ts_tape_accumulate(tape, x, dx);
}

static ts_status scale_weight(ts_tape *tape, ts_record *r)
{
    if (!ts_param_has_grad(r->param[0]))
        return TS_OK;
    ts_weigh_cols_args a = scale_args(r->param[0], r->in[0]);
    a.dy = ts_tensor_data(r->out[0]->grad);
    a.dw = r->param[0]->grad;
    ts_launch_weigh_cols_dw(tape->dev, &a, a.cols, cost_of(r->in[0], 2, 2));
    return TS_OK;
}

static const ts_op scale_op = { .name = "weigh_cols", .backward = scale_backward, .weight = scale_weight };

ts_status ts_op_weigh_cols(ts_tape *tape, ts_tensor *x, ts_param *w, ts_tensor **y)
{
    ts_record *r;
    TS_ASSERT(w->dim[0] == x->dim[1], "weigh_cols: %s for rows of %lld", w->name, (long long)x->dim[1]);
    TS_TRY(like(tape, x, y));
    TS_TRY(ts_param_need(w));
    ts_weigh_cols_args a = scale_args(w, x);
    a.y = ts_tensor_data(*y);
    ts_launch_weigh_cols(tape->dev, &a, a.rows, cost_of(x, 1, 2));
    if (!tape->recording || !(x->wants_grad || ts_param_has_grad(w)))
        return TS_OK;
    TS_TRY(ts_tape_record(tape, &scale_op, 0, &r));
    r->in[0] = x, r->out[0] = *y;
    (*y)->wants_grad = true;
    if (ts_param_has_grad(w))
        ts_record_save(tape, r, x);
    return ts_record_param(tape, r, 0, w);
}

/* ---- one tensor to several streams ---- */

static ts_status streams_backward(ts_tape *tape, ts_record *r)
{
    ts_tensor *x = r->in[0], *more = r->in[1], *dy = r->out[0]->grad, *d;
    const int64_t first = *(const int64_t *)r->attr, cols = more->dim[1];
    TS_TRY(ts_tape_accumulate(tape, x, dy));
    if (!more->wants_grad)
        return TS_OK;
    TS_TRY(like(tape, more, &d));
    for (int64_t j = first; j < x->dim[1] / cols; j++)
        (j > first ? ts_add_band : ts_copy_band)(tape, (ts_band){ dy, j * cols, x->dim[1] }, (ts_band){ d, 0, cols },
                                                 x->dim[0], cols);
    return ts_tape_accumulate(tape, more, d);
}

static const ts_op streams_op = { .name = "add_streams", .backward = streams_backward };

ts_status ts_op_add_streams(ts_tape *tape, ts_tensor *x, ts_tensor *more, int64_t first, ts_tensor **y)
{
    const int64_t cols = more->dim[1], n = x->dim[1] / cols;
    ts_record *r;
    TS_ASSERT(x->dim[0] == more->dim[0] && x->dim[1] % cols == 0 && first < n && x->dtype == more->dtype,
              "add_streams: %lld columns to streams of %lld", (long long)cols, (long long)x->dim[1]);
    TS_TRY(like(tape, x, y));
    ts_copy_band(tape, (ts_band){ x, 0, x->dim[1] }, (ts_band){ *y, 0, x->dim[1] }, x->dim[0], x->dim[1]);
    for (int64_t j = first; j < n; j++)
        ts_add_band(tape, (ts_band){ more, 0, cols }, (ts_band){ *y, j * cols, x->dim[1] }, x->dim[0], cols);
    if (!tape->recording || !(x->wants_grad || more->wants_grad))
        return TS_OK;
    TS_TRY(ts_tape_record(tape, &streams_op, sizeof first, &r));
    *(int64_t *)r->attr = first;
    r->in[0] = x, r->in[1] = more, r->out[0] = *y;
    (*y)->wants_grad = true;
    return TS_OK;
}
