#include "ops/ops.h"

static void launch(ts_tape *tape, bool gated, bool forward, const ts_act_args *a, int64_t rows)
{
    const double n = (double)rows * (double)a->cols * (gated ? 3 : 2);
    const ts_cost c = { 8 * n, (forward ? 1 : 2) * n * (double)ts_dtype_size(a->dtype), a->dtype };
    if (gated && forward)
        ts_launch_glu_fwd(tape->dev, a, rows, c);
    else if (gated)
        ts_launch_glu_bwd(tape->dev, a, rows, c);
    else if (forward)
        ts_launch_act_fwd(tape->dev, a, rows, c);
    else
        ts_launch_act_bwd(tape->dev, a, rows, c);
}

static ts_act_args args_of(const ts_act_op *n, const ts_tensor *x, const ts_tensor *y)
{
    return (
        ts_act_args){ .act = n->act, .cols = y->dim[1], .clamp = n->clamp, .offset = n->offset,
                      .of_value = n->clamps_value,
                      .dtype = x->dtype, .x = ts_tensor_data(x) };
}

static ts_status act_backward(ts_tape *tape, ts_record *r)
{
    const ts_act_op *n = r->attr;
    ts_tensor *x = r->in[0], *dx;
    ts_act_args a = args_of(n, x, r->out[0]);
    a.dy = ts_tensor_data(r->out[0]->grad);
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], &dx));
    a.dx = ts_tensor_data(dx);
    launch(tape, n->gated, false, &a, x->dim[0]);
    return ts_tape_accumulate(tape, x, dx);
}

static ts_status act_replay(ts_tape *tape, ts_record *r, int i)
{
    const ts_act_op *n = r->attr;
    (void)i;
    ts_act_args a = args_of(n, r->in[0], r->out[0]);
    a.y = ts_tensor_data(r->out[0]);
    launch(tape, n->gated, true, &a, r->in[0]->dim[0]);
    return TS_OK;
}

static const ts_op act_op = { .name = "activation", .backward = act_backward,
                              .replay = act_replay, .replayed = TS_REPLAY_ACT };

ts_status ts_op_act_of(ts_tape *tape, const ts_act_op *o, ts_tensor *x, ts_tensor **y)
{
    const bool gated = o->gated;
    TS_ASSERT(!gated || x->dim[1] % 2 == 0, "activation: gated rows of %lld", (long long)x->dim[1]);
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], gated ? x->dim[1] / 2 : x->dim[1], y));
    ts_act_args a = args_of(o, x, *y);
    a.y = ts_tensor_data(*y);
    launch(tape, gated, true, &a, x->dim[0]);
    if (tape->recording && x->wants_grad) {
        ts_record *r;
        TS_TRY(ts_tape_record(tape, &act_op, sizeof *o, &r));
        *(ts_act_op *)r->attr = *o;
        r->in[0] = x;
        r->out[0] = *y;
        (*y)->wants_grad = true;
        (*y)->maker = r;
        ts_record_save(tape, r, x);
    }
    return TS_OK;
}

ts_status ts_op_act(ts_tape *tape, ts_act act, bool gated, ts_tensor *x, ts_tensor **y)
{
    return ts_op_act_of(tape, &(ts_act_op){ .act = act, .gated = gated }, x, y);
}
