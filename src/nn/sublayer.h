/* A part of a layer as its block sees it. */
#ifndef TS_NN_SUBLAYER_H
#define TS_NN_SUBLAYER_H
#include "nn/run.h"

/* What stands between a norm and the residual stream: attention or an MLP of any kind. */
typedef struct ts_sublayer {
    ts_status (*forward)(const void *module, ts_tape *tape, const ts_run *run, int64_t layer,
                         ts_tensor *x, ts_tensor **y);
    const void *module; /* borrowed */
    /* What it keeps of earlier tokens, in activations of this type; NULL: nothing. */
    ts_status (*make_state)(const void *module, ts_device *dev, ts_dtype dtype, int64_t slots,
                            ts_layer_state **out);
} ts_sublayer;
#endif
