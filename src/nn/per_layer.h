/* Per-layer embeddings (Gemma 3n, Gemma 4): beside the stream each token has `width` values for every layer,
 *
 *   inputs = (norm(P x) + sqrt(width) table[token]) / sqrt(2)       x: the embedding, before the first layer
 *   layer i:  stream += norm(W_proj (act(W_gate stream) * inputs[i]))
 *
 * where the first norm is of each layer's values, of P x / sqrt(hidden). */
#ifndef TS_NN_PER_LAYER_H
#define TS_NN_PER_LAYER_H
#include "nn/linear.h"
#include "nn/norm.h"
#include "nn/sublayer.h"

/* Of the model. */
typedef struct ts_per_layer_inputs {
    int64_t width, layers, rows; /* width 0: there are none; rows of the table */
    float scale;                 /* of the table */
    ts_dtype dtype;              /* of activations */
    bool freezes;                /* as ts_embed_op */
    int32_t frozen;
    const ts_tensor_group *group; /* shares out the table's rows; NULL: they are all here */
    ts_param *table;             /* [rows, layers * width] */
    ts_linear projection;
    ts_norm_layer norm;
} ts_per_layer_inputs;
ts_status ts_per_layer_inputs_declare(const ts_declarer *d, ts_per_layer_inputs *l) TS_NODISCARD;
/* *y [T, layers * width] of tokens (int32 [T]) and their embedding x; with sequence parallelism of x's rows, which are
 * those that are here. */
ts_status ts_per_layer_inputs_forward(ts_tape *tape, const ts_per_layer_inputs *l, const ts_tensor *ids, ts_tensor *x,
                                      ts_tensor **y) TS_NODISCARD;

/* Of a layer: what stands before its norm, which is the block's. */
typedef struct ts_per_layer {
    int64_t width; /* 0: there is none */
    ts_act act;
    ts_linear gate, proj;
} ts_per_layer;
ts_status ts_per_layer_declare(const ts_declarer *d, ts_per_layer *l) TS_NODISCARD;
ts_sublayer ts_per_layer_sublayer(const ts_per_layer *l);
#endif
