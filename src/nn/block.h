/* A transformer block: attention, attention to a second sequence where there is one, and MLP, each
 * with norms and a residual connection. Which of them, and in which order, is said by the settings;
 * nothing here knows a family.
 *
 * A module's settings are filled in first; declaring it then makes its parameters. */
#ifndef TS_NN_BLOCK_H
#define TS_NN_BLOCK_H
#include "nn/altup.h"
#include "nn/compressed.h"
#include "nn/experts.h"
#include "nn/hyper.h"
#include "nn/indexer.h"
#include "nn/linear.h"
#include "nn/norm.h"
#include "nn/delta.h"
#include "nn/kda.h"
#include "nn/mamba.h"
#include "nn/mamba3.h"
#include "nn/per_layer.h"
#include "nn/selective.h"
#include "nn/short_conv.h"
#include "nn/sublayer.h"

/* x -> o: projection to queries, keys and values, norm of q and k, rotary embedding, attention,
 * projection. One linear gives all three (linear_qkv, Megatron's fused rows: of each group its queries, their
 * gates where there are some, its key, its value), or one gives queries and another keys and values (linear_q,
 * linear_kv): these may be made from another sequence, and have no gates. */
typedef struct ts_attention_layer {
    /* Heads; once declared those that are here, the first of which is head0 of all_q. */
    int64_t n_q, n_kv, head_dim, head0, all_q;
    ts_attention_mask mask;
    float scale, softcap;
    float clip;   /* q, k and v are held to +- this before they are rotated; 0: not */
    bool qk_norm; /* norm of q and k: over all heads together where rope.full_norm, a layer norm of each where
                     rope.own_weights */
    bool norm_last; /* behind the rotation, not before it */
    float temper_by, temper_every; /* of queries by their positions (ts_op_temper); 0: not so */
    bool is_apart;
    bool one_for_both;         /* linear_qkv gives no values: a key is its value too, before norm and rotation */
    bool lends;                /* a later layer attends to its keys and values (ts_run.lent): it never runs again */
    int64_t keys_of;           /* 1 + the layer whose keys and values it has: it makes queries alone; 0: its own */
    bool keys_raw;             /* what is lent is as it is projected: who has it norms, rotates and keeps it too */
    bool has_gate;             /* qkv has a gate for each query: its sigmoid multiplies what the head gives */
    ts_linear gate;            /* of x, one gate for each head, likewise; out 0: none */
    bool has_sinks;            /* a learned logit a head in the softmax's denominator */
    ts_param *sinks;
    const ts_storage *slopes;  /* ALiBi, of the heads here; NULL: none */
    ts_linear qkv, q, kv, proj; /* q and kv where is_apart, else qkv */
    ts_rope_op rope;            /* rot_dim 0 and no weights: nothing to do */
} ts_attention_layer;
ts_status ts_attention_declare(const ts_declarer *d, ts_attention_layer *l) TS_NODISCARD;

/* Multi-head latent attention (ops/latent.h): queries, keys and values from latent vectors, which are
 * normed. In generation the latent vectors of keys and values are kept, with the keys' rotated part. */
typedef struct ts_latent_layer {
    int64_t n_heads, head0, all_heads; /* as ts_attention_layer has them */
    int64_t nope, rope, value;         /* of a head: key without positions, rotated part, value */
    int64_t q_rank, kv_rank;           /* q_rank 0: queries are made from x at once */
    ts_attention_mask mask;
    float scale, softcap;
    bool interleaved;
    const ts_storage *cos, *sin;       /* [positions, rope / 2] */
    const ts_tensor_group *group;
    float q_scale, kv_scale; /* latent vectors, normed, times this */
    ts_linear q_down, q, kv_down, kv_up, proj; /* q: from x, or from the latent vector */
    ts_norm_layer q_norm, kv_norm;
    ts_indexer indexer; /* which keys queries attend to; heads 0: all */
} ts_latent_layer;
ts_status ts_latent_declare(const ts_declarer *d, ts_latent_layer *l) TS_NODISCARD;

/* As what stands between a norm and the stream: attention of x to itself, and (is_apart) to the run's context, whose
 * keys and values no cache holds: each pass makes them anew. */
/* Attention of a sequence to itself, some queries at a time: first what all need, rows; then of each sequence queries
 * [begin, begin + n): y [B * n, hidden]. */
static inline bool ts_attention_has_slices(const ts_attention_layer *l)
{
    return l->n_q && !l->is_apart && !l->keys_of && !l->lends && !l->has_gate && !l->gate.out;
}
ts_status ts_attention_begin(ts_tape *tape, const ts_attention_layer *l, const ts_run *run, int64_t layer, ts_tensor *x,
                             ts_tensor **rows) TS_NODISCARD;
ts_status ts_attention_slice(ts_tape *tape, const ts_attention_layer *l, const ts_run *run, int64_t layer, ts_tensor *rows,
                             int64_t begin, int64_t n, ts_tensor **y) TS_NODISCARD;
ts_sublayer ts_attention_sublayer(const ts_attention_layer *l);
ts_sublayer ts_cross_attention_sublayer(const ts_attention_layer *l);
ts_sublayer ts_latent_sublayer(const ts_latent_layer *l);

/* A state-space layer and attention that read the same and whose results are added. */
typedef struct ts_beside_layer {
    bool present;
    float attention_in, attention_out, scan_out; /* factors of what goes in and comes out */
    ts_sublayer scan, attention;
} ts_beside_layer;
ts_sublayer ts_beside_sublayer(const ts_beside_layer *l);

/* Experts that read what an MLP reads, and whose result is the MLP's alone: theirs joins the stream behind the next
 * layer (LongCat-Flash, arXiv 2509.01322), so that their rows may travel meanwhile. */
typedef struct ts_shortcut_layer {
    bool present;
    ts_sublayer experts, mlp;
} ts_shortcut_layer;
ts_sublayer ts_shortcut_sublayer(const ts_shortcut_layer *l);

/* An MLP and experts side by side, added (Gemma 4): experts_out(experts(x)) + mlp_out(mlp(mlp_in(x))), of norms. What experts
 * and their router read they norm themselves. mlp_out and experts_out: mlp.norm.weight, mlp.experts.out_norm.weight. */
typedef struct ts_joined_layer {
    bool present;
    const ts_norm_layer *mlp_in; /* the block's pre_mlp_norm */
    ts_norm_layer mlp_out, experts_out;
    ts_sublayer experts, mlp;
} ts_joined_layer;
ts_sublayer ts_joined_sublayer(const ts_joined_layer *l);

/* What a use of a shared linear layer adds of its own: up(down(x)), one result, or three whose heads stand side by side
 * (queries, keys and values of fused rows, as many heads of each). */
typedef struct ts_own_adapter {
    ts_adapter adapter;        /* first, so that its function finds the rest */
    int64_t rank;              /* 0: there is none */
    int64_t results, head_dim; /* results 1: head_dim counts for nothing */
    ts_linear down[3], up[3];
} ts_own_adapter;

/* A state-space layer that reads the norm of the stream and of what a block makes of it, which several layers use
 * (Zamba2, arXiv 2411.15242): x -> scan(norm(x + back(mlp(norm(attention(norm([x | embedding]))))))). The weights of
 * attention, MLP and their norms are declared by the first of these layers. */
typedef struct ts_hybrid_layer {
    bool present;
    const struct ts_block *first; /* the first layer of the block; NULL: this one */
    int64_t uses;                 /* of the block in a pass */
    ts_norm_layer wide_norm, mlp_norm, scan_norm;
    ts_own_adapter qkv_adapter, fc1_adapter;
    ts_linear back;
    ts_sublayer attention, mlp, scan;
} ts_hybrid_layer;
/* In the place of ts_block_declare, for layers that have it. of_block: declares the weights of the block, which may be on
 * stages of a pipeline where the layer is not; all others d. */
ts_status ts_hybrid_declare(const ts_declarer *d, const ts_declarer *of_block, struct ts_block *b) TS_NODISCARD;
ts_sublayer ts_hybrid_sublayer(const ts_hybrid_layer *l);
/* Before a pass: gradients of the weights of b's shared block, the first that uses it, are complete behind all of the
 * pass alone, though a layer that runs again in the backward pass tells of its use only then. */
ts_status ts_hybrid_expect(ts_tape *tape, const struct ts_block *b) TS_NODISCARD;

typedef struct ts_block {
    int64_t number; /* of the layer: names streams of random numbers and the cache */
    ts_norm_layer input_norm, post_attn_norm, pre_cross_norm, post_cross_norm, pre_mlp_norm,
        post_mlp_norm, per_layer_norm;
    ts_attention_layer attention, cross_attention; /* n_q 0: none */
    ts_latent_layer latent;   /* in the place of attention; n_heads 0: none */
    ts_compressed_layer compressed; /* likewise; n_heads 0: none */
    ts_mamba_layer mamba;     /* likewise; heads 0: none */
    ts_mamba3_layer mamba3;   /* likewise */
    ts_selective_layer selective; /* likewise; channels 0: none */
    ts_delta_layer delta;
    ts_short_conv_layer short_conv; /* likewise; hidden 0: none */
    ts_beside_layer beside;   /* attention and mamba are both there, side by side */
    ts_hybrid_layer hybrid;   /* attention, mlp and mamba are all there, in one mixer */
    ts_kda_layer kda;
    ts_mlp_layer mlp;         /* fc1.out 0: none */
    ts_experts_layer experts; /* in the place of mlp, or (shortcut, joined) beside it; experts.experts 0: there are none */
    ts_shortcut_layer shortcut;
    ts_joined_layer joined;   /* reads the stream itself: pre_mlp_norm is its MLP's alone */
    bool joins_shortcut;      /* what the experts of the layer before have made joins the stream behind this one */
    ts_per_layer per_layer;   /* width 0: none */
    ts_altup_layer altup;     /* inputs 0: the stream is one. Else it comes and goes without res, all streams in x */
    ts_hyper_layer mixer_hyper, feed_hyper; /* streams 0: the stream is one. Else likewise */
    /* What runs, in this order: attention or what is in its place, cross_attention, mlp or experts and what takes
     * per-layer embeddings, unless others were put there. Where forward is NULL nothing stands. */
    ts_sublayer mixer, cross, feed, inject;
    bool parallel;        /* both sublayers read the same residual stream; then both are there, and no cross */
    bool has_scales;      /* each sublayer's output, behind its norm, is multiplied with a vector (LayerScale): */
    int64_t width;        /* of these */
    ts_param *mixer_scale, *feed_scale;
    float residual_scale; /* of each sublayer's output */
    bool has_scalar;      /* the stream behind the block is multiplied with one number, which is not trained: */
    ts_param *scalar;
    float scale;          /* its value, by whoever prepares a pass */
} ts_block;

/* Declares what the block has and puts it into its places. b stays where it is. */
ts_status ts_block_declare(const ts_declarer *d, ts_block *b) TS_NODISCARD;
/* The residual stream in two parts, x + res (res NULL: x alone), so that the addition can be done
 * by the next norm. The results are the same two parts after the block, with what the pass adds behind
 * it (ts_join). */
ts_status ts_block_forward(ts_tape *tape, const ts_block *b, const ts_run *run, ts_tensor *x,
                           ts_tensor *res, ts_tensor **x_out, ts_tensor **res_out) TS_NODISCARD;
#endif
