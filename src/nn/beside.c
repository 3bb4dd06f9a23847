/* Attention and a state-space layer side by side. */
#include "nn/block.h"

/* Each frees what it made; both results and their sum are in the frame. */
static ts_status both(ts_tape *tape, const ts_beside_layer *l, const ts_run *run, int64_t layer, ts_tensor *x,
                      ts_tensor **y)
{
    ts_tensor *scanned, *attended, *in = x;
    TS_TRY(l->scan.forward(l->scan.module, tape, run, layer, x, &scanned));
    if (l->attention_in != 1)
        TS_TRY(ts_op_add(tape, x, l->attention_in, NULL, 0, &in));
    TS_TRY(l->attention.forward(l->attention.module, tape, run, layer, in, &attended));
    return ts_op_add(tape, scanned, l->scan_out, attended, l->attention_out, y);
}

static ts_status forward(const void *module, ts_tape *tape, const ts_run *run, int64_t layer, ts_tensor *x,
                         ts_tensor **y)
{
    TS_TRY(ts_tape_push(tape));
    const ts_status st = both(tape, module, run, layer, x, y);
    ts_tape_pop(tape, st == TS_OK ? *y : NULL);
    return st;
}

static ts_status make_state(const void *module, ts_device *dev, ts_dtype dtype, int64_t slots, ts_layer_state **out)
{
    const ts_beside_layer *l = module;
    ts_layer_state *scan, *keys;
    TS_TRY(l->scan.make_state(l->scan.module, dev, dtype, slots, &scan));
    const ts_status st = l->attention.make_state(l->attention.module, dev, dtype, slots, &keys);
    if (st != TS_OK) {
        ts_layer_state_destroy(&scan);
        return st;
    }
    return ts_pair_state_create(scan, keys, out);
}

ts_sublayer ts_beside_sublayer(const ts_beside_layer *l)
{
    return (ts_sublayer){ .forward = forward, .module = l, .make_state = make_state, .codes = l->attention.codes };
}
