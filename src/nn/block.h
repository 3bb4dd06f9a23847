/* A transformer block: attention and MLP, each with norms and a residual connection. Which of them,
 * and in which order, is said by the settings; nothing here knows a family. */
#ifndef TS_NN_BLOCK_H
#define TS_NN_BLOCK_H
#include "nn/run.h"

/* norm(x), absent when w is NULL. */
typedef struct ts_norm_layer {
    ts_norm_op op;
    bool present;
} ts_norm_layer;

/* x -> o: fused query-key-value projection, norm of q and k, rotary embedding, attention,
 * projection. */
typedef struct ts_attention_layer {
    ts_param *qkv, *qkv_bias, *proj, *proj_bias;
    ts_rope_op rope;     /* rot_dim 0 and no weights: nothing to do */
    int64_t n_q, n_kv, head_dim, window;
    float scale, softcap;
} ts_attention_layer;
ts_status ts_attention_forward(ts_tape *tape, const ts_attention_layer *l, const ts_run *run,
                               int64_t layer, ts_tensor *x, ts_tensor **y) TS_NODISCARD;

/* x -> fc2(act(fc1 x)), gated or not. */
typedef struct ts_mlp_layer {
    ts_param *fc1, *fc1_bias, *fc2, *fc2_bias;
    ts_act act;
    bool gated;
} ts_mlp_layer;
ts_status ts_mlp_forward(ts_tape *tape, const ts_mlp_layer *l, ts_tensor *x,
                         ts_tensor **y) TS_NODISCARD;

typedef struct ts_block {
    int64_t number;       /* of the layer: names streams of random numbers and the cache */
    ts_norm_layer input_norm, post_attn_norm, pre_mlp_norm, post_mlp_norm;
    ts_attention_layer attention;
    ts_mlp_layer mlp;
    bool parallel;        /* both sublayers read the same residual stream */
    float residual_scale; /* of each sublayer's output */
} ts_block;

/* The residual stream in two parts, x + res (res NULL: x alone), so that the addition can be done
 * by the next norm. The results are the same two parts after the block. */
ts_status ts_block_forward(ts_tape *tape, const ts_block *b, const ts_run *run, ts_tensor *x,
                           ts_tensor *res, ts_tensor **x_out, ts_tensor **res_out) TS_NODISCARD;
#endif
