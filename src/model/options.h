/* The options that say which model: a folder to load, or its architecture in Megatron-LM's
 * words. */
#ifndef TS_MODEL_OPTIONS_H
#define TS_MODEL_OPTIONS_H
#include "base/option.h"
#include "model/weights.h"

#define TS_MODEL_POSITIONS(W)                                                                      \
    W(TS_MODEL_POSITION_LEARNED, "learned_absolute")                                               \
    W(TS_MODEL_POSITION_ROPE, "rope")                                                              \
    W(TS_MODEL_POSITION_NONE, "none")                                                              \
    W(TS_MODEL_POSITION_ALIBI, "alibi")
typedef enum ts_model_position { TS_MODEL_POSITIONS(TS_CHOICE_VALUE) } ts_model_position;

#define TS_MODEL_SCALINGS(W)                                                                       \
    W(TS_MODEL_SCALING_NONE, "none")                                                               \
    W(TS_MODEL_SCALING_LINEAR, "linear")                                                           \
    W(TS_MODEL_SCALING_DYNAMIC, "dynamic")                                                         \
    W(TS_MODEL_SCALING_YARN, "yarn")                                                               \
    W(TS_MODEL_SCALING_LLAMA3, "llama3")
typedef enum ts_model_scaling { TS_MODEL_SCALINGS(TS_CHOICE_VALUE) } ts_model_scaling;

#define TS_MODEL_NORMS(W) W(TS_MODEL_NORM_LAYER, "LayerNorm") W(TS_MODEL_NORM_RMS, "RMSNorm")
typedef enum ts_model_norm { TS_MODEL_NORMS(TS_CHOICE_VALUE) } ts_model_norm;

#define TS_MODEL_SOFTMAXES(W)                                                                      \
    W(TS_MODEL_SOFTMAX_VANILLA, "vanilla") W(TS_MODEL_SOFTMAX_LEARNABLE, "learnable")
typedef enum ts_model_softmax { TS_MODEL_SOFTMAXES(TS_CHOICE_VALUE) } ts_model_softmax;

#define TS_MODEL_ROPES(W)                                                                          \
    W(TS_MODEL_ROPE_UNSAID, "default") W(TS_MODEL_ROPE_PLAIN, "rope") W(TS_MODEL_ROPE_YARN, "yarn")
typedef enum ts_model_rope { TS_MODEL_ROPES(TS_CHOICE_VALUE) } ts_model_rope;

#define TS_MODEL_SCORES(W)                                                                         \
    W(TS_MODEL_SCORE_SOFTMAX, "softmax")                                                           \
    W(TS_MODEL_SCORE_SIGMOID, "sigmoid")                                                           \
    W(TS_MODEL_SCORE_SQRT_SOFTPLUS, "sqrtsoftplus")
typedef enum ts_model_score { TS_MODEL_SCORES(TS_CHOICE_VALUE) } ts_model_score;

#define TS_MODEL_MOES(W) W(TS_MODEL_MOE_MEGATRON, "megatron_moe") W(TS_MODEL_MOE_DEEPSPEED, "deepspeed_moe")
typedef enum ts_model_moe { TS_MODEL_MOES(TS_CHOICE_VALUE) } ts_model_moe;

#define TS_MODEL_VARIANTS(W)                                                                       \
    W(TS_MODEL_VARIANT_NONE, "none")                                                               \
    W(TS_MODEL_VARIANT_DELTA, "gated_delta_net")                                                   \
    W(TS_MODEL_VARIANT_KIMI, "kimi_delta_attention")                                               \
    W(TS_MODEL_VARIANT_DSA, "dsa")
typedef enum ts_model_variant { TS_MODEL_VARIANTS(TS_CHOICE_VALUE) } ts_model_variant;

typedef struct ts_model_options {
    const char *model_config; /* a config.json to initialise from */
    const char *preset;       /* the name of a published model (model/presets.h), likewise */
    int64_t num_layers, hidden_size, ffn_hidden_size, num_attention_heads, num_query_groups,
        kv_channels;
    int64_t max_position_embeddings, make_vocab_size_divisible_by, padded_vocab_size;
    bool group_query_attention, swiglu, bias_linear, qkv_bias, untie, qk_layernorm, layernorm_1p;
    bool use_rotary, rotary_interleaved, squared_relu;
    bool dense_bias, output_bias, post_norm, geglu, gelu_tanh, no_position_embedding, glm_rope,
        input_embeds_norm;
    int64_t sliding_window, interleave_sliding_window;
    double attn_softcap, logit_softcap, query_pre_attn_scalar; /* 0: none */
    double embed_scale, logit_scale, dim_model_base, scale_depth;  /* 0: none */
    int position_embedding_type, normalization; /* TS_MODEL_POSITION_*, TS_MODEL_NORM_* */
    double norm_epsilon, rotary_base, rotary_percent, init_method_std;
    int64_t rotary_seq_len_interpolation_factor;
    int rope_scaling_type; /* TS_MODEL_SCALING_* */
    double rope_scaling_factor, low_freq_factor, high_freq_factor, beta_fast, beta_slow, mscale,
        mscale_all_dim;
    bool use_rope_scaling;
    int64_t rope_original_max;
    bool embed_norm, quick_geglu, qk_l2_norm, attn_gate;
    double act_clamp, glu_offset; /* 0: none */
    int softmax_type; /* TS_MODEL_SOFTMAX_* */
    bool latent; /* multi-head latent attention */
    int64_t q_lora_rank, kv_lora_rank, qk_head_dim, qk_rope_dim, v_head_dim; /* 0: not given */
    int rope_type; /* TS_MODEL_ROPE_* */
    /* mixtures of experts: docs/moe.md */
    int64_t num_experts, moe_topk, moe_ffn, moe_shared_ffn, n_shared_experts, moe_groups, moe_group_topk,
        first_k_dense;
    int moe_score; /* TS_MODEL_SCORE_* */
    int moe_model; /* TS_MODEL_MOE_*: whose gate trains them */
    int64_t expert_interval;
    bool moe_pre_softmax, norm_topk_prob, moe_expert_bias, shared_gate, probs_on_input;
    double moe_scale;
    ts_option_list moe_layer_freq;
    int64_t mtp_layers;
    bool dsa; /* TS_MODEL_VARIANT_DSA by another name */
    int64_t index_heads, index_dim, index_topk, index_freq, index_offset;
    bool hyper;
    int64_t hyper_streams, hyper_turns;
    double hyper_start;
    /* compressed attention (compress_options.c) */
    ts_option_list compress_ratios; /* numbers */
    bool kv_compress;
    double compress_theta, rope_factor;
    int64_t original_seq_len, compress_window, out_groups, out_rank, hash_layers; /* original_seq_len 0: not stretched */
    bool scales_q_latent, scales_kv_latent;
    int64_t zero_experts;
    int64_t ngram_order, ngram_splits;
    double ngram_ratio;
    ts_option_list window_size; /* words, see ts_model_window */
    ts_option_list window_skip, no_rope; /* words, see ts_model_describe_skips */
    ts_option_list noop_layers; /* words, see ts_model_noop_layers */
    int64_t mamba_state, mamba_head_dim, mamba_groups, mamba_heads, mamba_conv, mamba_expand, mamba_version;
    double mamba_rope; /* the part of a state whose pairs turn */
    double hybrid_attention, hybrid_mlp; /* parts of the layers */
    const char *hybrid_pattern;          /* NULL: by these */
    /* delta rules: docs/state-space.md */
    int attention_variant; /* TS_MODEL_VARIANT_* */
    int64_t linear_key_heads, linear_heads, linear_key_dim, linear_value_dim, linear_conv;
    int64_t full_interval;      /* 0: not given */
    ts_option_list linear_freq; /* words */
} ts_model_options;
extern const ts_option ts_model_option_rows[];
extern const size_t ts_model_option_count;
/* Rows without values: what scripts say of models that has no effect here or is not there yet. */
extern const ts_option ts_model_script_rows[];
extern const size_t ts_model_script_count;

/* The row of this name, which there must be; an option's value as a number: a flag's is whether what it
 * says is so, a list has none. */
const ts_option *ts_model_option_named(const char *name);
double ts_model_option_value(const ts_model_options *o, const ts_option *row);

/* Contradictions: TS_ERR_USER that names both options. */
ts_status ts_model_options_check(const ts_model_options *o, const ts_option_set *set) TS_NODISCARD;
/* Warns of options that have no effect without another. */
void ts_model_options_warn(const ts_model_options *o, const ts_option_set *set);
/* Keys that a query sees by --window-size, its own among them; 0: all. */
ts_status ts_model_window(const ts_option_list *words, int64_t *keys) TS_NODISCARD;
/* Layers of --num-layers that are none, ascending (*out [n] is the caller's). TS_ERR_USER where they are no
 * layers or given twice. */
ts_status ts_model_noop_layers(const ts_model_options *o, int64_t **out, int64_t *n) TS_NODISCARD;
/* Whether --model-config or --preset describes the model. */
static inline bool ts_model_is_named(const ts_model_options *o) { return o->model_config || o->preset; }
/* Experts as the options say; before the layers of `a` are made, and once they are (which of them). */
ts_status ts_model_describe_experts(const ts_model_options *o, ts_arch *a) TS_NODISCARD;
ts_status ts_model_describe_expert_layers(const ts_model_options *o, ts_arch *a) TS_NODISCARD;
/* "[0,1]*3", "([0]*1+[1]*2)" and so on into has [n]; false: it is no such list, or of another length. */
bool ts_model_read_pattern(const char *s, bool *has, int64_t n);
/* Takes the window and the rotary embedding from the layers that --window-attn-skip-freq and --no-rope-freq name; all
 * layers have theirs. And compares what they name with a model that was read. */
ts_status ts_model_describe_skips(const ts_model_options *o, ts_arch *a) TS_NODISCARD;
ts_status ts_model_compare_skips(const ts_model_options *o, const ts_option_set *set, const ts_arch *a,
                                 const char *folder) TS_NODISCARD;
/* Compares which layers --index-topk-freq says have an indexer with a model that was read. */
ts_status ts_model_compare_choices(const ts_model_options *o, const ts_option_set *set, const ts_arch *a,
                                   const char *folder) TS_NODISCARD;
/* The description in a config.json; `a` must be initialised. */
ts_status ts_model_config_read(const char *file, ts_arch *a) TS_NODISCARD;
/* The description that the options give for a model to be made; `vocab` tokens (0: unknown), padded
 * as the options say. Missing sizes and contradictions are TS_ERR_USER. */
ts_status ts_model_describe(const ts_model_options *o, const ts_option_set *set, int64_t vocab,
                            ts_arch *a) TS_NODISCARD;
/* What options say of latent attention: widths, ranks, norms, which are described before positions; the
 * rotary embedding after them. Nothing without it. */
ts_status ts_model_describe_latent(const ts_model_options *o, ts_arch *a) TS_NODISCARD;
ts_status ts_model_describe_latent_rope(const ts_model_options *o, const ts_option_set *set,
                                        ts_arch *a) TS_NODISCARD;
/* Compares the options that were given with a model that was read from `folder`: a contradiction is
 * TS_ERR_USER that names the option and both values. */
ts_status ts_model_compare(const ts_model_options *o, const ts_option_set *set, const ts_arch *a,
                           const char *folder) TS_NODISCARD;
/* The same of --model-config, beside the checkpoint of a run that may have begun with it. */
ts_status ts_model_compare_config(const ts_model_options *o, const ts_arch *a,
                                  const char *folder) TS_NODISCARD;


/* Models with delta rules (delta_options.c): what they are, when all else of `a` is there; contradictions with a
 * model that was read from `folder`: TS_ERR_USER. */
ts_status ts_model_describe_delta(const ts_model_options *o, const ts_option_set *set, ts_arch *a) TS_NODISCARD;
ts_status ts_model_compare_delta(const ts_model_options *o, const ts_option_set *set, const ts_arch *a,
                                 const char *folder) TS_NODISCARD;

/* Compressed attention and experts by tokens (compress_options.c): what they are, when all else of `a` is there, and
 * which layer is what; contradictions with a model that was read from `folder`: TS_ERR_USER. */
static inline bool ts_model_compresses(const ts_model_options *o) { return o->compress_ratios.n > 0; }
ts_status ts_model_describe_compressed(const ts_model_options *o, ts_arch *a) TS_NODISCARD;
ts_status ts_model_compare_ratios(const ts_model_options *o, const ts_option_set *set, const ts_arch *a,
                                  const char *folder) TS_NODISCARD;

/* Models with state-space layers (mamba_options.c). */
/* Whether an option of such models is given. */
bool ts_model_is_mamba(const ts_option_set *set);
/* Their sizes and which layer is what; all else of `a` is there, and layers as its fields say. */
ts_status ts_model_describe_mamba(const ts_model_options *o, ts_arch *a) TS_NODISCARD;
/* The options that were given beside a model that was read from `folder`: a contradiction is TS_ERR_USER. */
ts_status ts_model_compare_mamba(const ts_model_options *o, const ts_option_set *set, const ts_arch *a,
                                 const char *folder) TS_NODISCARD;
#endif
