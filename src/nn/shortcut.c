/* Experts beside an MLP, for the layer behind. */
#include "nn/block.h"

static ts_status forward(const void *module, ts_tape *tape, const ts_run *run, int64_t layer, ts_tensor *x,
                         ts_tensor **y)
{
    const ts_shortcut_layer *l = module;
    TS_TRY(l->experts.forward(l->experts.module, tape, run, layer, x, &run->lent[layer]));
    TS_TRY(ts_tape_hold(tape, run->lent[layer]));
    return l->mlp.forward(l->mlp.module, tape, run, layer, x, y);
}

ts_sublayer ts_shortcut_sublayer(const ts_shortcut_layer *l)
{
    return (ts_sublayer){ .forward = forward, .module = l };
}
