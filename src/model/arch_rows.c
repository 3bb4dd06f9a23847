#include "model/arch_rows.h"

#include "base/choice.h"
#include "device/kernels/conv.h"
#include "device/kernels/delta.h"
#include "device/kernels/dsa.h"
#include "device/kernels/hyper.h"
#include "device/kernels/ngram.h"
#include "device/kernels/selective.h"
#include "device/kernels/ssd.h"

#include <string.h>

/* The words of JSON, in the order of the enumerations. */
#define POSITIONS(W)                                                                               \
    W(TS_POSITION_NONE, "none") W(TS_POSITION_ROPE, "rope") W(TS_POSITION_LEARNED, "learned")  \
    W(TS_POSITION_ALIBI, "alibi")
#define NORMS(W) W(TS_NORM_RMS, "rms") W(TS_NORM_LAYER, "layer")
#define QK_NORMS(W)                                                                                \
    W(TS_QK_NORM_NONE, "none") W(TS_QK_NORM_HEAD, "head") W(TS_QK_NORM_FULL, "full") \
    W(TS_QK_NORM_UNIT, "unit")           \
    W(TS_QK_NORM_OWN, "own")
#define ATTENTIONS(W)                                                                              \
    W(TS_ATTENTION_SOFTMAX, "softmax") W(TS_ATTENTION_LATENT, "latent")                            \
    W(TS_ATTENTION_NONE, "none") W(TS_ATTENTION_MAMBA, "mamba") W(TS_ATTENTION_DELTA, "delta")        \
    W(TS_ATTENTION_CONV, "conv") W(TS_ATTENTION_BESIDE, "beside") \
    W(TS_ATTENTION_KDA, "kda") W(TS_ATTENTION_SELECTIVE, "selective") \
    W(TS_ATTENTION_COMPRESSED, "compressed") W(TS_ATTENTION_HYBRID, "hybrid") \
    W(TS_ATTENTION_MAMBA3, "mamba3")
#define MLPS(W)                                                                                    \
    W(TS_MLP_PLAIN, "plain") W(TS_MLP_GATED, "gated") W(TS_MLP_EXPERTS, "experts")                 \
    W(TS_MLP_NONE, "none")
#define SELECTIVE_NORMS(W)                                                                         \
    W(TS_SELECTIVE_NORM_NONE, "none") W(TS_SELECTIVE_NORM_BARE, "bare") W(TS_SELECTIVE_NORM_OWN, "own")
#define SCORES(W)                                                                                  \
    W(TS_ROUTE_SOFTMAX, "softmax")                                                                 \
    W(TS_ROUTE_CHOSEN, "softmax_of_chosen")                                                        \
    W(TS_ROUTE_SIGMOID, "sigmoid")                                                                 \
    W(TS_ROUTE_SQRT_SOFTPLUS, "sqrtsoftplus")                                                      \
    W(TS_ROUTE_SPARSEMIXER, "sparsemixer")
#define SCALINGS(W)                                                                                \
    W(TS_ROPE_DEFAULT, "default")                                                                  \
    W(TS_ROPE_LINEAR, "linear")                                                                    \
    W(TS_ROPE_DYNAMIC, "dynamic")                                                                  \
    W(TS_ROPE_YARN, "yarn")                                                                        \
    W(TS_ROPE_LONGROPE, "longrope")                                                                \
    W(TS_ROPE_LLAMA3, "llama3")                                                                    \
    W(TS_ROPE_PROPORTIONAL, "proportional")
enum { POSITIONS(TS_CHOICE_ORDER) };
POSITIONS(TS_CHOICE_CHECK)
enum { NORMS(TS_CHOICE_ORDER) };
NORMS(TS_CHOICE_CHECK)
enum { TS_ACTS(TS_CHOICE_ORDER) };
TS_ACTS(TS_CHOICE_CHECK)
enum { QK_NORMS(TS_CHOICE_ORDER) };
QK_NORMS(TS_CHOICE_CHECK)
enum { ATTENTIONS(TS_CHOICE_ORDER) };
ATTENTIONS(TS_CHOICE_CHECK)
enum { MLPS(TS_CHOICE_ORDER) };
MLPS(TS_CHOICE_CHECK)
enum { SELECTIVE_NORMS(TS_CHOICE_ORDER) };
SELECTIVE_NORMS(TS_CHOICE_CHECK)
enum { SCORES(TS_CHOICE_ORDER) };
SCORES(TS_CHOICE_CHECK)
enum { SCALINGS(TS_CHOICE_ORDER) };
SCALINGS(TS_CHOICE_CHECK)
_Static_assert(sizeof(ts_position_kind) == sizeof(int) && sizeof(ts_act) == sizeof(int),
               "enumerations are read and written as int");

#define ROW(struct_, type_, field_, ...)                                                           \
    .field = #field_, .type = TS_FIELD_##type_, .offset = offsetof(struct_, field_),               \
    .size = sizeof((struct_ *)0)->field_, __VA_ARGS__
#define F(type_, field_, ...) { .key = #field_, ROW(ts_arch, type_, field_, __VA_ARGS__) }
#define SIZE(field_, most_, name_, ...)                                                            \
    F(INT, field_, .lo = 1, .hi = most_, .name = name_, __VA_ARGS__)
#define COUNT(field_, most_, name_, ...)                                                           \
    F(INT, field_, .hi = most_, .name = name_, .later = true, __VA_ARGS__)
#define SCALE(field_, name_, ...)                                                                  \
    F(REAL, field_, .hi = 1e9, .name = name_, __VA_ARGS__)
#define ID(field_) F(INT, field_, .def = -1, .lo = -1, .hi = INT32_MAX, .later = true, .words = TOKENS)
/* 0 without latent attention */
#define LATENT(field_, most_, words_, option_)                                                     \
    F(INT, field_, .hi = most_, .name = #field_, .shapes = true, .later = true, .words = words_,   \
      .option = option_)
#define TOKENS "ids of special tokens"
#define DELTA(field_, key_, most_, words_)                                                         \
    { .key = key_, ROW(ts_arch, INT, delta.field_, .hi = most_, .later = true, .shapes = true, .name = key_, .words = words_) }
#define MAMBA_SCALE(field_, key_)                                                                  \
    { .key = key_, ROW(ts_arch, REAL, mamba.field_, .def = 1, .hi = 1e9, .above = true, .name = key_, .later = true, \
      .words = "factors of state-space layers") }
#define MAMBA(type_, field_, key_, ...)                                                            \
    { .key = key_, ROW(ts_arch, type_, mamba.field_, .later = true, .shapes = true, __VA_ARGS__) }

#define MAMBA3(type_, field_, key_, words_, ...)                                                   \
    { .key = key_, ROW(ts_arch, type_, mamba3.field_, .later = true, .name = key_, .words = words_, __VA_ARGS__) }

#define SELECTIVE(type_, field_, key_, ...)                                                        \
    { .key = key_, ROW(ts_arch, type_, selective.field_, .later = true, .shapes = true, __VA_ARGS__) }

/* Order of messages: the most particular first. It is JSON's too. */
const ts_field_row ts_arch_rows[] = {
    F(CHOICE, position, .def = TS_POSITION_ROPE, .choices = TS_CHOICES(POSITIONS), .shapes = true,
      .words = "position embedding", .option = "position-embedding-type"),
    F(CHOICE, norm, .def = TS_NORM_RMS, .choices = TS_CHOICES(NORMS), .words = "kind of norm",
      .option = "normalization"),
    F(REAL, norm_offset, .hi = 1, .name = "norm offset", .words = "norm weights as 1 + w",
      .option = "apply-layernorm-1p"),
    F(BOOL, gated, .def = true, .shapes = true, .words = "gated MLP", .option = "swiglu"),
    F(CHOICE, act, .def = TS_ACT_SILU, .choices = TS_CHOICES(TS_ACTS),
      .words = "activation of the MLP"),
    F(REAL, act_clamp, .hi = 1e9, .later = true, .name = "swiglu_limit", .words = "clamp of the gated MLP",
      .option = "activation-func-clamp-value", .says = TS_SAYS_VALUE),
    F(BOOL, clamps_value, .later = true, .words = "clamp behind the activation"),
    F(REAL, glu_offset, .lo = -1e9, .hi = 1e9, .later = true, .name = "glu_linear_offset",
      .words = "offset of the gated MLP", .option = "glu-linear-offset", .says = TS_SAYS_VALUE),
    F(CHOICE, qk_norm, .choices = TS_CHOICES(QK_NORMS), .shapes = true,
      .words = "norm of queries and keys", .option = "qk-layernorm"),
    F(BOOL, qk_norm_last, .later = true, .words = "norm of queries and keys behind their rotation"),
    F(REAL, temper_by, .hi = 1e9, .later = true, .name = "attn_scale", .words = "temperature of attention"),
    F(INT, temper_every, .hi = TS_ARCH_MAX_POSITIONS, .later = true, .name = "floor_scale",
      .words = "temperature of attention"),
    F(BOOL, value_norm, .later = true, .words = "norm of values"),
    F(BOOL, keys_raw, .later = true, .words = "shared keys that each layer norms for itself"),
    F(BOOL, bias_qkv, .shapes = true, .words = "bias of queries, keys and values",
      .option = "add-qkv-bias"),
    F(BOOL, bias_down, .shapes = true, .later = true, .words = "bias of latent projections"),
    F(BOOL, bias_proj, .shapes = true, .words = "bias of the attention's output",
      .option = "disable-bias-linear"),
    F(BOOL, bias_fc1, .shapes = true, .words = "biases of the MLP",
      .option = "disable-bias-linear"),
    F(BOOL, bias_fc2, .shapes = true, .words = "bias of the MLP's output",
      .option = "disable-bias-linear"),
    F(BOOL, bias_head, .shapes = true, .words = "bias of the output layer",
      .option = "add-output-layer-bias", .says = TS_SAYS_VALUE),
    F(BOOL, tied, .shapes = true, .words = "tied output layer",
      .option = "untie-embeddings-and-output-weights", .says = TS_SAYS_NOT),
    COUNT(labels, 1 << 20, "num_labels", .shapes = true, .words = "labels"),
    F(CHOICE, problem, .choices = TS_CHOICES(TS_PROBLEMS), .later = true, .words = "what labels tell"),
    SIZE(n_kv_heads, TS_ARCH_MAX_HEADS, "num_key_value_heads", .shapes = true,
         .words = "key and value heads", .option = "num-query-groups"),
    SIZE(head_dim, TS_ARCH_MAX_HEAD_DIM, "head_dim", .shapes = true, .words = "width of a head",
         .option = "kv-channels"),
    LATENT(kv_lora_rank, TS_ARCH_MAX_WIDTH, "latent vector of keys and values", "kv-lora-rank"),
    LATENT(q_lora_rank, TS_ARCH_MAX_WIDTH, "latent vector of queries", "q-lora-rank"),
    LATENT(qk_rope_dim, TS_ARCH_MAX_HEAD_DIM, "rotated part of a latent head", "qk-pos-emb-head-dim"),
    LATENT(v_head_dim, TS_ARCH_MAX_HEAD_DIM, "width of a head's value", "v-head-dim"),
    LATENT(index_heads, TS_ARCH_MAX_HEADS, "heads of the indexer", "dsa-indexer-n-heads"),
    LATENT(index_dim, TS_DSA_MOST_INDEX, "width of a head of the indexer", "dsa-indexer-head-dim"),
    COUNT(index_topk, INT32_MAX, "index_topk", .words = "keys that sparse attention attends to", .option = "dsa-indexer-topk"),
    COUNT(out_groups, TS_ARCH_MAX_HEADS, "o_groups", .shapes = true, .words = "groups of the output projection",
          .option = "o-groups"),
    COUNT(out_rank, TS_ARCH_MAX_WIDTH, "o_lora_rank", .shapes = true, .words = "rank of the output projection",
          .option = "o-lora-rank"),
    F(BOOL, index_interleaved, .later = true, .words = "order of the indexer's rotated pairs"),
    SCALE(q_latent_scale, "scale of latent vectors of queries", .def = 1, .above = true, .later = true,
          .words = "scale of latent vectors of queries", .option = "enable-mla-scale-q-lora"),
    SCALE(kv_latent_scale, "scale of latent vectors of keys and values", .def = 1, .above = true, .later = true,
          .words = "scale of latent vectors of keys and values", .option = "enable-mla-scale-kv-lora"),
    F(BOOL, latent_norm, .def = true, .shapes = true, .later = true, .words = "norms of latent vectors",
      .option = "qk-layernorm"),
    F(REAL, latent_eps, .def = 1e-6, .hi = 1, .name = "epsilon of latent norms", .later = true,
      .words = "epsilon of latent norms"),
    COUNT(n_experts, TS_ROUTE_MAX, "num_experts", .shapes = true, .words = "experts", .option = "num-experts"),
    COUNT(experts_per_token, TS_ROUTE_MAX, "num_experts_per_tok", .words = "experts of a token",
          .option = "moe-router-topk"),
    COUNT(expert_ffn, TS_ARCH_MAX_WIDTH, "moe_intermediate_size", .shapes = true, .words = "width of an expert",
          .option = "moe-ffn-hidden-size"),
    COUNT(zero_experts, TS_ROUTE_MAX, "zero_expert_num", .shapes = true, .words = "experts that compute nothing",
          .option = "num-zero-experts"),
    F(BOOL, experts_bias, .shapes = true, .later = true, .words = "biases of experts",
      .option = "disable-bias-linear"),
    F(BOOL, probs_on_input, .later = true, .words = "weights of experts on their input",
      .option = "moe-apply-probs-on-input", .says = TS_SAYS_VALUE),
    COUNT(shared_ffn, TS_ARCH_MAX_WIDTH, "shared_expert_intermediate_size", .shapes = true,
          .words = "width of the shared expert",
          .option = "moe-shared-expert-intermediate-size"),
    F(BOOL, shared_gate, .later = true, .shapes = true, .words = "gate of the shared expert",
      .option = "shared-expert-gate"),
    F(CHOICE, router_score, .choices = TS_CHOICES(SCORES), .later = true, .words = "score of the router",
      .option = "moe-router-score-function"),
    F(BOOL, router_norm, .later = true, .words = "weights of experts divided by their sum",
      .option = "norm-topk-prob"),
    F(REAL, router_scale, .def = 1, .hi = 1e9, .above = true, .later = true, .name = "routed_scaling_factor",
      .words = "scale of the weights of experts", .option = "moe-router-topk-scaling-factor"),
    COUNT(router_groups, TS_ROUTE_MAX, "n_group", .def = 1, .words = "groups of experts",
          .option = "moe-router-num-groups"),
    COUNT(router_group_topk, TS_ROUTE_MAX, "topk_group", .def = 1, .words = "groups of a token",
          .option = "moe-router-group-topk"),
    COUNT(router_group_best, TS_ROUTE_MAX, "best of a group", .def = 1, .words = "experts that score a group"),
    F(BOOL, router_bias, .later = true, .shapes = true, .words = "bias of the router's choice",
      .option = "moe-router-enable-expert-bias"),
    F(BOOL, experts_stacked, .apart = true), /* of files */
    F(BOOL, other_names, .apart = true),     /* likewise */
    F(BOOL, has_ahead, .apart = true),       /* of copies */
    F(BOOL, norm_bias, .shapes = true, .words = "bias of norms"),
    F(BOOL, norm_bare, .shapes = true, .later = true, .words = "norms without weights"),
    F(BOOL, pre_norm, .def = true, .shapes = true, .words = "norms before attention and MLP"),
    F(BOOL, post_norm, .shapes = true, .words = "norms after attention and MLP",
      .option = "post-norm", .says = TS_SAYS_VALUE),
    F(BOOL, reward, .shapes = true, .later = true, .words = "a head of rewards in place of the output layer"),
    F(BOOL, final_norm, .def = true, .shapes = true, .words = "norm after the last layer"),
    F(BOOL, parallel_residual, .words = "attention and MLP side by side"),
    F(BOOL, shared_norm, .shapes = true, .later = true, .words = "one norm for attention and MLP"),
    F(BOOL, embed_norm, .shapes = true, .later = true, .words = "norm of the embedding",
      .option = "embed-layernorm", .says = TS_SAYS_VALUE),
    F(BOOL, attn_gate, .shapes = true, .later = true, .words = "gate of attention's output",
      .option = "attention-output-gate", .says = TS_SAYS_VALUE),
    F(BOOL, head_gate, .shapes = true, .later = true, .words = "gate of each head's output"),
    F(BOOL, attn_sinks, .shapes = true, .later = true, .words = "sinks of attention",
      .option = "softmax-type"),
    COUNT(per_layer_width, TS_ARCH_MAX_HEAD_DIM, "hidden_size_per_layer_input", .shapes = true,
          .words = "width of per-layer embeddings"),
    COUNT(per_layer_vocab, TS_ARCH_MAX_VOCAB, "vocab_size_per_layer_input", .shapes = true,
          .words = "vocabulary of per-layer embeddings"),
    COUNT(ngram_order, TS_NGRAM_MOST, "emb_neighbor_num", .shapes = true, .words = "n-grams that have embeddings",
          .option = "emb-neighbor-num", .says = TS_SAYS_VALUE),
    COUNT(ngram_splits, TS_NGRAM_MOST_TABLES, "emb_split_num", .shapes = true, .words = "tables of n-grams",
          .option = "emb-split-num", .says = TS_SAYS_VALUE),
    F(REAL, ngram_ratio, .hi = 1e9, .shapes = true, .later = true, .name = "ngram_vocab_size_ratio",
      .words = "rows of tables of n-grams", .option = "ngram-vocab-size-ratio", .says = TS_SAYS_VALUE),
    COUNT(altup_inputs, TS_ARCH_MAX_ALTUP, "altup_num_inputs", .shapes = true, .words = "streams side by side"),
    COUNT(altup_active, TS_ARCH_MAX_ALTUP, "altup_active_idx", .words = "stream that layers work on"),
    F(REAL, altup_clip, .hi = 1e9, .name = "altup_coef_clip", .later = true, .words = "bounds of coefficients"),
    COUNT(hyper_streams, TS_HYPER_MOST, "num_residual_streams", .shapes = true, .words = "streams of hyper-connections",
          .option = "num-residual-streams"),
    COUNT(hyper_turns, TS_HYPER_SUMS, "mhc_sinkhorn_iterations", .words = "turns of hyper-connections",
          .option = "mhc-sinkhorn-iterations"),
    F(REAL, hyper_start, .hi = 1e9, .name = "mhc_init_gating_factor", .apart = true), /* of random weights alone */
    F(REAL, hyper_eps, .def = 1e-6, .hi = 1, .name = "hc_eps", .later = true, .words = "epsilon of hyper-connections"),
    COUNT(laurel_rank, TS_ARCH_MAX_WIDTH, "laurel_rank", .shapes = true, .words = "rank of the learned residual"),
    COUNT(adapter_rank, TS_ARCH_MAX_WIDTH, "adapter_rank", .shapes = true, .words = "rank of adapters of shared blocks"),
    F(BOOL, adapts_attention, .later = true, .shapes = true, .words = "adapters of shared attention"),
    F(BOOL, layer_scalar, .later = true, .shapes = true, .words = "scale of the stream behind layers"),
    SCALE(embed_scale, "embedding scale", .def = 1, .above = true,
          .words = "scale of the embedding"),
    SCALE(attn_scale, "attention scale", .def = 1, .above = true,
          .words = "scale of attention scores"),
    F(BOOL, attn_by_layer, .words = "attention scores divided by the layer's number"),
    SCALE(attn_softcap, "attn_logit_softcapping", .words = "soft cap of attention scores",
          .option = "attn-logit-softcapping", .says = TS_SAYS_VALUE),
    SCALE(logit_softcap, "final_logit_softcapping", .words = "soft cap of logits",
          .option = "output-logit-softcapping", .says = TS_SAYS_VALUE),
    SCALE(qkv_clip, "clip_qkv", .later = true, .words = "bounds of queries, keys and values"),
    SCALE(attn_in_scale, "attention_in_multiplier", .def = 1, .above = true, .later = true,
          .words = "scale of what attention reads"),
    SCALE(attn_out_scale, "attention_out_multiplier", .def = 1, .above = true, .later = true,
          .words = "scale of attention's output"),
    SCALE(mlp_gate_scale, "scale of gates of MLPs", .def = 1, .above = true, .later = true,
          .words = "scale of gates of MLPs"),
    SCALE(mlp_out_scale, "scale of outputs of MLPs", .def = 1, .above = true, .later = true,
          .words = "scale of outputs of MLPs"),
    F(BOOL, unit_head, .later = true, .words = "output layer with rows of length one"),
    F(BOOL, branch_scale, .later = true, .shapes = true, .words = "scales of sublayers' outputs"),
    SCALE(residual_scale, "residual scale", .def = 1, .above = true,
          .words = "scale of residuals"),
    SCALE(logit_scale, "logit scale", .def = 1, .above = true, .words = "scale of logits"),
    F(REAL, norm_eps, .def = 1e-6, .hi = 1, .name = "norm epsilon", .words = "epsilon of norms",
      .option = "norm-epsilon", .says = TS_SAYS_VALUE),
    SCALE(init_std, "initializer_range", .def = 0.02, .words = "deviation of random weights",
          .option = "init-method-std"),
    SIZE(n_layers, TS_ARCH_MAX_LAYERS, "num_hidden_layers", .shapes = true, .words = "layers",
         .option = "num-layers", .says = TS_SAYS_VALUE),
    SIZE(hidden, TS_ARCH_MAX_WIDTH, "hidden_size", .shapes = true, .words = "hidden size",
         .option = "hidden-size", .says = TS_SAYS_VALUE),
    SIZE(n_heads, TS_ARCH_MAX_HEADS, "num_attention_heads", .shapes = true, .words = "heads",
         .option = "num-attention-heads", .says = TS_SAYS_VALUE),
    SIZE(ffn, TS_ARCH_MAX_WIDTH, "intermediate_size", .shapes = true, .words = "width of the MLP",
         .option = "ffn-hidden-size"),
    SIZE(vocab, TS_ARCH_MAX_VOCAB, "vocab_size", .shapes = true, .words = "vocabulary"),
    SIZE(max_positions, TS_ARCH_MAX_POSITIONS, "max_position_embeddings", .shapes = true,
         .words = "positions", .option = "max-position-embeddings"),
    MAMBA(INT, heads, "mamba_num_heads", .name = "mamba_num_heads", .hi = TS_ARCH_MAX_HEADS, .words = "heads of state-space layers",
          .option = "mamba-num-heads"),
    MAMBA(INT, head_dim, "mamba_head_dim", .name = "mamba_head_dim", .hi = TS_SSD_MOST_HEAD, .words = "width of a head of state-space layers",
          .option = "mamba-head-dim"),
    MAMBA(INT, groups, "mamba_num_groups", .name = "mamba_num_groups", .hi = TS_ARCH_MAX_HEADS, .words = "groups of state-space layers",
          .option = "mamba-num-groups"),
    MAMBA(INT, state, "mamba_state_dim", .name = "mamba_state_dim", .hi = TS_SSD_MOST_STATE, .words = "state of state-space layers",
          .option = "mamba-state-dim"),
    MAMBA(INT, conv, "mamba_d_conv", .name = "mamba_d_conv", .hi = TS_CONV_MOST, .words = "width of convolutions", .option = "mamba-d-conv"),
    MAMBA(BOOL, bias, "mamba_bias", .words = "biases of state-space layers"),
    MAMBA(BOOL, conv_bias, "mamba_conv_bias", .words = "bias of convolutions"),
    MAMBA(BOOL, norm_first, "mamba_norm_first", .words = "gate of state-space layers behind their norm"),
    MAMBA(BOOL, no_norm, "mamba_no_norm", .words = "state-space layers without a norm"),
    MAMBA(INT, norm_groups, "mamba_norm_groups", .name = "mamba_norm_groups", .hi = TS_ARCH_MAX_HEADS, .words = "norm of state-space layers"),
    MAMBA(REAL, dt_min, "mamba_dt_min", .name = "mamba_dt_min", .hi = 1e9, .words = "limits of steps of state-space layers"),
    MAMBA(REAL, dt_max, "mamba_dt_max", .name = "mamba_dt_max", .hi = 1e9, .words = "limits of steps of state-space layers"),
    MAMBA_SCALE(in_scale, "mamba_in_scale"),
    MAMBA_SCALE(z_scale, "mamba_z_scale"),
    MAMBA_SCALE(x_scale, "mamba_x_scale"),
    MAMBA_SCALE(b_scale, "mamba_b_scale"),
    MAMBA_SCALE(c_scale, "mamba_c_scale"),
    MAMBA_SCALE(dt_scale, "mamba_dt_scale"),
    MAMBA_SCALE(out_scale, "mamba_out_scale"),
    MAMBA3(INT, heads, "mamba3_num_heads", "heads of layers of Mamba 3", .shapes = true, .hi = TS_ARCH_MAX_HEADS),
    MAMBA3(INT, head_dim, "mamba3_head_dim", "width of a head of Mamba 3", .shapes = true, .hi = TS_SSD_MOST_HEAD),
    MAMBA3(INT, groups, "mamba3_num_groups", "groups of layers of Mamba 3", .shapes = true, .hi = TS_ARCH_MAX_HEADS),
    MAMBA3(INT, state, "mamba3_state_dim", "state of layers of Mamba 3", .shapes = true, .hi = TS_SSD_MOST_STATE),
    MAMBA3(INT, angles, "mamba3_angles", "angles of layers of Mamba 3", .shapes = true, .hi = TS_SSD_MOST_STATE / 2),
    MAMBA3(REAL, floor, "mamba3_a_floor", "least rate of decay of Mamba 3", .hi = 1e9),
    MAMBA3(REAL, eps, "mamba3_eps", "epsilon of norms within layers of Mamba 3", .def = 1e-5, .hi = 1),
    { .key = "mamba3_norm", ROW(ts_arch, BOOL, mamba3.norm, .later = true, .shapes = true, .words = "norm of heads of Mamba 3") },
    SELECTIVE(INT, channels, "selective_channels", .name = "selective_channels", .hi = TS_ARCH_MAX_WIDTH,
              .words = "channels of selective scans"),
    SELECTIVE(INT, state, "selective_state", .name = "selective_state", .hi = TS_SELECTIVE_MOST_STATE,
              .words = "state of selective scans"),
    SELECTIVE(INT, conv, "selective_conv", .name = "selective_conv", .hi = TS_CONV_MOST,
              .words = "convolutions of selective scans"),
    SELECTIVE(INT, rank, "selective_rank", .name = "selective_rank", .hi = TS_ARCH_MAX_WIDTH,
              .words = "rank of steps of selective scans"),
    SELECTIVE(BOOL, bias, "selective_bias", .words = "biases of selective scans"),
    SELECTIVE(BOOL, conv_bias, "selective_conv_bias", .words = "bias of convolutions of selective scans"),
    SELECTIVE(CHOICE, norm, "selective_norm", .choices = TS_CHOICES(SELECTIVE_NORMS), .words = "norms within selective scans"),
    SELECTIVE(REAL, eps, "selective_eps", .name = "selective_eps", .hi = 1, .words = "epsilon of norms within selective scans"),
    { .key = "conv_L_cache", ROW(ts_arch, INT, short_conv.width, .later = true, .shapes = true, .hi = TS_CONV_MOST,
      .name = "conv_L_cache", .words = "width of short convolutions") },
    { .key = "short_conv_bias", ROW(ts_arch, BOOL, short_conv.bias, .later = true, .shapes = true,
      .words = "biases of short convolutions") },
    DELTA(key_heads, "linear_num_key_heads", TS_ARCH_MAX_HEADS, "heads of keys of linear attention"),
    DELTA(heads, "linear_num_value_heads", TS_ARCH_MAX_HEADS, "heads of values of linear attention"),
    DELTA(key_dim, "linear_key_head_dim", TS_DELTA_MOST_HEAD, "width of keys of linear attention"),
    DELTA(value_dim, "linear_value_head_dim", TS_DELTA_MOST_HEAD, "width of values of linear attention"),
    DELTA(conv, "linear_conv_kernel_dim", TS_CONV_MOST, "width of convolutions of linear attention"),
    COUNT(mtp_layers, TS_ARCH_MAX_MTP, "num_nextn_predict_layers", .shapes = true,
          .words = "layers that predict further tokens", .option = "mtp-num-layers", .says = TS_SAYS_VALUE),
    { .key = "ropes", ROW(ts_arch, ROPES, rope, .words = NULL) },
    F(COUNT, n_ropes, .words = NULL),
    { .key = "layers", ROW(ts_arch, LAYERS, layer, .words = NULL) },
    F(IDS, eos, .words = TOKENS),
    F(COUNT, n_eos, .words = NULL),
    ID(bos),
    ID(pad),
    F(BOOL, pad_frozen, .def = true, .apart = true), /* of training; a checkpoint has it beside */
    F(TEXT, family, .apart = true), /* two families can describe one model */
};
const size_t ts_arch_row_count = sizeof ts_arch_rows / sizeof *ts_arch_rows;

/* key: of the list with an entry a layer */
#define L(key_, type_, field_, ...) { .key = key_, ROW(ts_layer_arch, type_, field_, __VA_ARGS__) }
const ts_field_row ts_layer_rows[] = {
    L("windows", INT, window, .hi = INT32_MAX, .always = true, .words = "window",
      .option = "window-size"),
    L("chunks", INT, chunk, .hi = INT32_MAX, .words = "chunk of attention"),
    L("layer_ropes", INT, rope, .hi = TS_ARCH_MAX_ROPES - 1, .always = true),
    L("layer_positions", CHOICE, position, .choices = TS_CHOICES(POSITIONS), .model = "position"),
    L("layer_attentions", CHOICE, attention, .choices = TS_CHOICES(ATTENTIONS),
      .words = "kind of attention"),
    L("layer_head_dims", INT, head_dim, .hi = TS_ARCH_MAX_HEAD_DIM, .words = "width of heads of single layers"),
    L("layer_heads", INT, heads, .hi = TS_ARCH_MAX_HEADS, .words = "heads of single layers"),
    L("layer_kv_heads", INT, kv_heads, .hi = TS_ARCH_MAX_HEADS, .words = "key and value heads of single layers"),
    L("layer_ffns", INT, ffn, .hi = TS_ARCH_MAX_WIDTH, .words = "width of the MLP of single layers"),
    L("layer_clamps", REAL, clamp, .hi = 1e9, .words = "clamps of MLPs of single layers"),
    L("layer_shared_clamps", REAL, shared_clamp, .hi = 1e9, .words = "clamps of shared experts of single layers"),
    L("layer_sparsity", REAL, sparsity, .hi = 1, .words = "sparsity of MLPs"),
    L("layer_one_for_both", INT, one_for_both, .hi = 1, .words = "keys that are values too"),
    L("layer_keys_of", INT, keys_of, .hi = TS_ARCH_MAX_LAYERS, .words = "layers that share keys and values"),
    L("layer_shortcuts", INT, shortcut, .hi = 1, .words = "experts beside the MLP"),
    L("layer_joined", INT, joined, .hi = 1, .words = "experts added to the MLP"),
    L("layer_compress", INT, compress, .hi = TS_ARCH_MAX_POSITIONS, .words = "tokens of compressed keys",
      .option = "compress-ratios"),
    L("layer_sparse", INT, sparse, .hi = 1, .words = "compressed keys that an indexer chooses", .option = "compress-ratios"),
    L("layer_hashed", INT, hashed, .hi = 1, .words = "experts by a token's number", .option = "n-hash-layers"),
    L("layer_shared", INT, shared, .hi = TS_ARCH_MAX_LAYERS, .words = "blocks that layers share"),
    L("layer_choices_of", INT, choices_of, .hi = TS_ARCH_MAX_LAYERS, .words = "layers that share an indexer's choices",
      .option = "index-topk-freq"),
    L("layer_mlps", CHOICE, mlp, .choices = TS_CHOICES(MLPS), .model = "gated"),
};
const size_t ts_layer_row_count = sizeof ts_layer_rows / sizeof *ts_layer_rows;

enum {
    STRETCHED = INT32_MAX & ~(1 << TS_ROPE_DEFAULT),
    DYNAMIC = 1 << TS_ROPE_DYNAMIC,
    YARN = 1 << TS_ROPE_YARN,
    LONGROPE = 1 << TS_ROPE_LONGROPE,
    LLAMA3 = 1 << TS_ROPE_LLAMA3,
    PROPORTIONAL = 1 << TS_ROPE_PROPORTIONAL,
};
#define R(type_, field_, ...) { .key = #field_, ROW(ts_rope_config, type_, field_, __VA_ARGS__) }
#define PAIRS "order of rotated pairs", .option = "rotary-interleaved"
#define PART "rotated part of a head", .option = "rotary-percent"
#define BASE "base of rotary embeddings", .option = "rotary-base"
#define STRETCH "stretching of rotary embeddings", .option = "rope-scaling-type"
const ts_field_row ts_rope_rows[] = {
    R(REAL, theta, .words = BASE),
    R(INT, dim, .words = PART),
    R(INT, odd_dim, .words = PART),
    R(BOOL, interleaved, .words = PAIRS),
    R(CHOICE, scaling, .choices = TS_CHOICES(SCALINGS), .words = STRETCH),
    R(REAL, factor, .words = STRETCH, .scalings = STRETCHED),
    R(REAL, low_freq_factor, .words = STRETCH, .scalings = LLAMA3),
    R(REAL, high_freq_factor, .words = STRETCH, .scalings = LLAMA3),
    R(INT, original_max_positions, .words = STRETCH, .scalings = LLAMA3 | YARN | LONGROPE),
    R(REAL, beta_fast, .words = STRETCH, .scalings = YARN),
    R(REAL, beta_slow, .words = STRETCH, .scalings = YARN),
    R(REAL, mscale, .words = STRETCH, .scalings = YARN),
    R(REAL, mscale_all_dim, .words = STRETCH, .scalings = YARN),
    R(REAL, attention_factor, .words = STRETCH, .scalings = YARN | LONGROPE),
    R(BOOL, no_truncate, .words = STRETCH, .scalings = YARN),
    R(INT, max_positions, .words = STRETCH, .scalings = DYNAMIC),
    R(INT, angles, .words = PART, .scalings = PROPORTIONAL),
    R(REAL, query_beta, .words = "scale of queries by their position"),
    R(FACTORS, short_factor, .words = STRETCH, .scalings = LONGROPE),
    R(FACTORS, long_factor, .words = STRETCH, .scalings = LONGROPE),
};
const size_t ts_rope_row_count = sizeof ts_rope_rows / sizeof *ts_rope_rows;

double ts_field_get(const void *base, const ts_field_row *r)
{
    const char *at = (const char *)base + r->offset;
    int v;
    switch (r->type) {
    case TS_FIELD_REAL:
        return *(const double *)(const void *)at;
    case TS_FIELD_BOOL:
        return *(const bool *)at;
    case TS_FIELD_INT:
        if (r->size == sizeof(int64_t))
            return (double)*(const int64_t *)(const void *)at;
        break;
    default:
        TS_ASSERT(r->type == TS_FIELD_CHOICE, "%s is no number", r->key);
    }
    memcpy(&v, at, sizeof v);
    return v;
}

void ts_field_set(void *base, const ts_field_row *r, double v)
{
    char *at = (char *)base + r->offset;
    int n;
    switch (r->type) {
    case TS_FIELD_REAL:
        *(double *)(void *)at = v;
        return;
    case TS_FIELD_BOOL:
        *(bool *)at = v != 0;
        return;
    case TS_FIELD_INT:
        if (r->size == sizeof(int64_t)) {
            *(int64_t *)(void *)at = (int64_t)v;
            return;
        }
        break;
    default:
        TS_ASSERT(r->type == TS_FIELD_CHOICE, "%s is no number", r->key);
    }
    n = (int)v;
    memcpy(at, &n, sizeof n);
}

const ts_field_row *ts_arch_row_at(size_t offset)
{
    for (size_t i = 0; i < ts_arch_row_count; i++)
        if (ts_arch_rows[i].offset == offset)
            return &ts_arch_rows[i];
    return NULL;
}

const ts_field_row *ts_arch_row_named(const char *key)
{
    for (size_t i = 0; key && i < ts_arch_row_count; i++)
        if (!strcmp(ts_arch_rows[i].key, key))
            return &ts_arch_rows[i];
    return NULL;
}

const char *ts_field_choice(const char *choices, int i, size_t *n)
{
    for (; i > 0 && choices; i--) {
        choices = strchr(choices, '|');
        choices = choices ? choices + 1 : NULL;
    }
    *n = choices ? strcspn(choices, "|") : 0;
    return choices;
}

ts_layer_arch ts_layer_default(const ts_arch *a)
{
    ts_layer_arch l = { 0 };
    for (size_t i = 0; i < ts_layer_row_count; i++) {
        const ts_field_row *r = &ts_layer_rows[i], *of = ts_arch_row_named(r->model);
        ts_field_set(&l, r, of ? ts_field_get(a, of) : r->def);
    }
    l.attention = a->kv_lora_rank ? TS_ATTENTION_LATENT : TS_ATTENTION_SOFTMAX;
    return l;
}
