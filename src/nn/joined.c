/* An MLP and experts side by side, each with norms of its own. */
#include "nn/block.h"

static ts_status both(ts_tape *tape, const ts_joined_layer *l, const ts_run *run, int64_t layer, ts_tensor *x, ts_tensor **y)
{
    ts_tensor *dense, *sparse;
    TS_TRY(ts_op_norm(tape, &l->mlp_in->op, x, NULL, NULL, &dense));
    TS_TRY(l->mlp.forward(l->mlp.module, tape, run, layer, dense, &dense));
    TS_TRY(ts_op_norm(tape, &l->mlp_out.op, dense, NULL, NULL, &dense));
    TS_TRY(l->experts.forward(l->experts.module, tape, run, layer, x, &sparse));
    TS_TRY(ts_op_norm(tape, &l->experts_out.op, sparse, NULL, NULL, &sparse));
    return ts_op_add(tape, dense, 1, sparse, 1, y);
}

static ts_status forward(const void *module, ts_tape *tape, const ts_run *run, int64_t layer, ts_tensor *x,
                         ts_tensor **y)
{
    TS_TRY(ts_tape_push(tape));
    const ts_status st = both(tape, module, run, layer, x, y);
    ts_tape_pop(tape, st == TS_OK ? *y : NULL);
    return st;
}

ts_sublayer ts_joined_sublayer(const ts_joined_layer *l)
{
    return (ts_sublayer){ .forward = forward, .module = l };
}
