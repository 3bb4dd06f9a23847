#include "ops/hyper.h"

static ts_hyper_args args_of(const ts_hyper_op *o, const ts_tensor *x)
{
    return (ts_hyper_args){ .rows = x->dim[0], .streams = o->streams, .iterations = o->iterations, .eps = o->eps,
                            .x = ts_tensor_data(x), .scale = ts_param_vector(o->scale),
                            .base = ts_param_vector(o->base) };
}

/* Each half of an iteration adds and divides every element once; backwards twice as much. */
static ts_cost cost_of(const ts_hyper_op *o, const ts_tensor *x, double passes)
{
    const double n = (double)ts_tensor_count(x);
    return (ts_cost){ passes * n * (8 + 4 * (double)o->iterations), (passes + 1) * n * sizeof(float), TS_DTYPE_F32 };
}

static ts_status hyper_backward(ts_tape *tape, ts_record *r)
{
    const ts_hyper_op *o = r->attr;
    ts_tensor *x = r->in[0], *dx;
    if (!x->wants_grad)
        return TS_OK;
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, x->dim[0], x->dim[1], &dx));
    ts_hyper_args a = args_of(o, x);
    a.dy = ts_tensor_data(r->out[0]->grad);
    a.dx = ts_tensor_data(dx);
    ts_launch_hyper_bwd(tape->dev, &a, a.rows, cost_of(o, x, 3));
    return ts_tape_accumulate(tape, x, dx);
}

/* A row's gradient is made once more: it costs nothing beside a product with the streams. */
static ts_status hyper_weight(ts_tape *tape, ts_record *r)
{
    const ts_hyper_op *o = r->attr;
    const ts_tensor *x = r->in[0];
    ts_tensor *dz;
    if (!ts_param_has_grad(o->scale) && !ts_param_has_grad(o->base))
        return TS_OK;
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, x->dim[0], x->dim[1], &dz));
    ts_hyper_args a = args_of(o, x);
    a.dy = ts_tensor_data(r->out[0]->grad);
    a.dz = ts_tensor_data(dz);
    ts_launch_hyper_bwd(tape->dev, &a, a.rows, cost_of(o, x, 3));
    a.dscale = ts_param_has_grad(o->scale) ? o->scale->grad : NULL;
    a.dbase = ts_param_has_grad(o->base) ? o->base->grad : NULL;
    ts_launch_hyper_dw(tape->dev, &a, ts_hyper_scales(o->iterations), cost_of(o, x, 1));
    ts_tape_drop(tape, dz);
    return TS_OK;
}

static const ts_op hyper_op = { .name = "hyper", .backward = hyper_backward, .weight = hyper_weight };

ts_status ts_op_hyper(ts_tape *tape, const ts_hyper_op *o, ts_tensor *x, ts_tensor **y)
{
    ts_record *r;
    TS_ASSERT(o->streams > 0 && o->streams <= TS_HYPER_MOST && o->streams * o->iterations <= TS_HYPER_SUMS &&
                  x->dtype == TS_DTYPE_F32 && x->dim[1] == ts_hyper_cols(o->streams, o->iterations) &&
                  o->base->dim[0] == x->dim[1] && o->scale->dim[0] == ts_hyper_scales(o->iterations),
              "hyper: %lld columns of %lld streams", (long long)x->dim[1], (long long)o->streams);
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, x->dim[0], x->dim[1], y));
    TS_TRY(ts_param_need(o->scale));
    TS_TRY(ts_param_need(o->base));
    ts_hyper_args a = args_of(o, x);
    a.y = ts_tensor_data(*y);
    ts_launch_hyper_fwd(tape->dev, &a, a.rows, cost_of(o, x, 1));
    if (!tape->recording || !(x->wants_grad || ts_param_has_grad(o->scale) || ts_param_has_grad(o->base)))
        return TS_OK;
    TS_TRY(ts_tape_record(tape, &hyper_op, sizeof *o, &r));
    *(ts_hyper_op *)r->attr = *o;
    r->in[0] = x, r->out[0] = *y;
    (*y)->wants_grad = true;
    ts_record_save(tape, r, x);
    TS_TRY(ts_record_param(tape, r, 0, o->scale));
    return ts_record_param(tape, r, 1, o->base);
}
