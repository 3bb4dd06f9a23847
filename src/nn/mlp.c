#include "nn/block.h"

static ts_status run_mlp(ts_tape *tape, const ts_mlp_layer *l, ts_tensor *x, ts_tensor **y)
{
    ts_tensor *h, *a;
    TS_TRY(ts_op_linear(tape, x, l->fc1, l->fc1_bias, &h));
    TS_TRY(ts_op_act(tape, l->act, l->gated, h, &a));
    ts_tape_drop(tape, h);
    return ts_op_linear(tape, a, l->fc2, l->fc2_bias, y);
}

ts_status ts_mlp_forward(ts_tape *tape, const ts_mlp_layer *l, ts_tensor *x, ts_tensor **y)
{
    TS_TRY(ts_tape_push(tape));
    const ts_status st = run_mlp(tape, l, x, y);
    ts_tape_pop(tape, st == TS_OK ? *y : NULL);
    return st;
}
