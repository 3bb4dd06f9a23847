/* A part of a layer as its block sees it. */
#ifndef TS_NN_SUBLAYER_H
#define TS_NN_SUBLAYER_H
#include "nn/run.h"

/* What stands between a norm and the residual stream: attention or an MLP of any kind. */
/* Of a layer that keeps keys and values, or what grows like them. */
typedef enum ts_kv_takes { TS_KV_CODES_NONE /* it keeps no such thing */, TS_KV_CODES_TAKEN, TS_KV_CODES_REFUSED } ts_kv_takes;

typedef struct ts_sublayer {
    ts_status (*forward)(const void *module, ts_tape *tape, const ts_run *run, int64_t layer,
                         ts_tensor *x, ts_tensor **y);
    const void *module; /* borrowed */
    /* What it keeps of earlier tokens, in activations of this type; NULL: nothing. */
    ts_status (*make_state)(const void *module, ts_device *dev, ts_dtype dtype, int64_t slots,
                            ts_layer_state **out);
    ts_kv_takes codes; /* whether keys and values may be held in eight bits */
    bool has_pages; /* what it keeps are keys and values alone, which may lie in pages (ts_run) */
} ts_sublayer;

/* What a module does with x, in attention's place. */
typedef struct ts_mixer {
    ts_status (*run)(ts_tape *tape, const void *module, const ts_run *run, int64_t layer, ts_tensor *x,
                     ts_tensor **y);
    const void *module; /* borrowed */
    const char *part;   /* what the device's counts call it */
    bool trains;        /* it has parameters with gradients */
} ts_mixer;
/* In a frame of its own; where attention is not kept it runs again in the backward pass. */
ts_status ts_mixer_forward(ts_tape *tape, const ts_mixer *m, const ts_run *run, int64_t layer, ts_tensor *x,
                           ts_tensor **y) TS_NODISCARD;
#endif
