/* A decoder language model described by its features. Families (one small file each) translate a
 * Hugging Face config.json into this description and tensor names into ours; nn/ and
 * model/decoder.c build and run whatever is described, and know no family. */
#ifndef TS_MODEL_ARCH_H
#define TS_MODEL_ARCH_H
#include "base/choice.h"
#include "base/json.h"
#include "device/kernels/act.h"
#include "device/kernels/experts.h"

/* What a head of labels tells of a text: one of them, each of them or not, a number each; transformers' words. */
#define TS_PROBLEMS(W)                                                                             \
    W(TS_PROBLEM_SINGLE, "single_label_classification")                                            \
    W(TS_PROBLEM_MULTI, "multi_label_classification")                                              \
    W(TS_PROBLEM_REGRESSION, "regression")
typedef enum ts_problem { TS_PROBLEMS(TS_CHOICE_VALUE) } ts_problem;

typedef enum ts_norm_kind { TS_NORM_RMS, TS_NORM_LAYER } ts_norm_kind;
typedef enum ts_position_kind {
    TS_POSITION_NONE,
    TS_POSITION_ROPE,
    TS_POSITION_LEARNED,
    TS_POSITION_ALIBI /* scores lose a multiple of the distance, of each head another (Press et al., arXiv
                         2108.12409) */
} ts_position_kind;
typedef enum ts_attention_kind {
    TS_ATTENTION_SOFTMAX, /* over all keys before a query, or its window of them */
    TS_ATTENTION_LATENT,  /* the same of keys and values that are made from latent vectors */
    TS_ATTENTION_NONE,    /* the layer is an MLP alone */
    TS_ATTENTION_MAMBA,   /* a state-space layer (Mamba 2) in its place */
    TS_ATTENTION_DELTA,   /* a gated delta net in its place */
    TS_ATTENTION_CONV,    /* a gated short convolution in its place (LFM2) */
    TS_ATTENTION_BESIDE,  /* softmax attention and a state-space layer side by side (Falcon-H1) */
    TS_ATTENTION_KDA,     /* Kimi delta attention in its place */
    TS_ATTENTION_SELECTIVE, /* a selective scan in its place (Mamba 1) */
    TS_ATTENTION_COMPRESSED, /* softmax attention of all heads to one key a token and to keys of several (DeepSeek-V4) */
    TS_ATTENTION_HYBRID, /* a state-space layer that reads, beside the stream, what a block of attention and MLP makes which
                            several layers share (Zamba2) */
    TS_ATTENTION_MAMBA3, /* a state-space layer of Mamba 3 in its place */
} ts_attention_kind;
/* There are heads of softmax attention; a state-space layer. */
static inline bool ts_has_heads(ts_attention_kind k)
{
    return k == TS_ATTENTION_SOFTMAX || k == TS_ATTENTION_BESIDE || k == TS_ATTENTION_HYBRID;
}
static inline bool ts_has_mamba(ts_attention_kind k)
{
    return k == TS_ATTENTION_MAMBA || k == TS_ATTENTION_BESIDE || k == TS_ATTENTION_HYBRID;
}
/* Heads attend to keys, which may be rotated by their positions. */
static inline bool ts_attends(ts_attention_kind k)
{
    return ts_has_heads(k) || k == TS_ATTENTION_LATENT || k == TS_ATTENTION_COMPRESSED;
}
/* A delta rule of either kind. */
static inline bool ts_is_delta(ts_attention_kind k) { return k == TS_ATTENTION_DELTA || k == TS_ATTENTION_KDA; }
/* Something goes from token to token: a state, or the last rows of a convolution. */
static inline bool ts_carries(ts_attention_kind k)
{
    return ts_has_mamba(k) || ts_is_delta(k) || k == TS_ATTENTION_CONV || k == TS_ATTENTION_SELECTIVE ||
           k == TS_ATTENTION_MAMBA3;
}
typedef enum ts_mlp_kind {
    TS_MLP_PLAIN, /* fc2(act(fc1 x)) */
    TS_MLP_GATED, /* fc2(act(gate x) * up x) */
    TS_MLP_EXPERTS, /* a mixture of experts, of which each is an MLP, gated or plain as the model says */
    TS_MLP_NONE,  /* the layer is attention, or what is in its place, alone */
} ts_mlp_kind;
typedef enum ts_qk_norm_kind {
    TS_QK_NORM_NONE,
    TS_QK_NORM_HEAD, /* one weight of head_dim for all heads (Qwen3, Gemma 3) */
    TS_QK_NORM_FULL, /* over all heads together (OLMo 2) */
    TS_QK_NORM_UNIT, /* of each head, without weights, in layers with a rotary embedding (Llama 4) */
    TS_QK_NORM_OWN,  /* a layer norm of each head, with weights of its own (Command-R+, StableLM 2 12B) */
} ts_qk_norm_kind;

typedef enum ts_rope_scaling {
    TS_ROPE_DEFAULT,
    TS_ROPE_LINEAR,
    TS_ROPE_DYNAMIC,
    TS_ROPE_YARN,
    TS_ROPE_LONGROPE,
    TS_ROPE_LLAMA3,
    TS_ROPE_PROPORTIONAL, /* frequencies of a whole head, of which the first `angles` turn */
} ts_rope_scaling;

enum { TS_ROPE_MAX_FACTORS = 128, TS_ARCH_MAX_EOS = 8, TS_ARCH_MAX_ROPES = 2 };
/* Bounds of a description; products of two of them fit an int64_t. */
enum {
    TS_ARCH_MAX_LAYERS = 10000,
    TS_ARCH_MAX_WIDTH = 1 << 22,
    TS_ARCH_MAX_HEADS = 1 << 16,
    TS_ARCH_MAX_HEAD_DIM = 4096,
    TS_ARCH_MAX_VOCAB = 1 << 28,
    TS_ARCH_MAX_POSITIONS = 1 << 30,
    TS_ARCH_MAX_MTP = 8,
    TS_ARCH_MAX_ALTUP = 8,
};

/* One rotary embedding. Formulas and field names are transformers' (modeling_rope_utils). */
typedef struct ts_rope_config {
    double theta;
    int64_t dim;          /* rotated part of a head, even */
    int64_t odd_dim; /* dim - 1 where a config's part of a head is odd: it is rounded up, but the
                             frequencies are theta^(-2i / odd_dim); 0: not so */
    bool interleaved;     /* pairs (2i, 2i+1) instead of (i, i + dim/2) */
    ts_rope_scaling scaling;
    double factor;
    double low_freq_factor, high_freq_factor;         /* llama3 */
    int64_t original_max_positions;                   /* llama3, yarn, longrope */
    double beta_fast, beta_slow;                      /* yarn */
    double mscale, mscale_all_dim;                    /* yarn; 0: not given */
    double attention_factor;                          /* yarn, longrope; 0: by formula */
    bool no_truncate;                                 /* yarn: "truncate": false */
    int64_t max_positions;                            /* the model's, for dynamic and longrope */
    int64_t angles;                                   /* proportional: pairs that turn, at most dim / 2 */
    /* Queries at position p are multiplied with 1 + query_beta log(1 + floor(p / original_max_positions)), as
     * Llama 4 has it ("llama_4_scaling_beta"); 0: they are not */
    double query_beta;
    /* longrope: dim / 2 */
    float short_factor[TS_ROPE_MAX_FACTORS], long_factor[TS_ROPE_MAX_FACTORS];
} ts_rope_config;

/* What a layer is. The model's fields of the same sense are what its layers have unless something else
 * is said of them (ts_arch_layers); what is built goes by the layers. */
typedef struct ts_layer_arch {
    ts_attention_kind attention;
    ts_mlp_kind mlp;
    ts_position_kind position; /* LEARNED: it came with the embedding, of all layers or of none */
    int rope;                  /* ROPE: which of arch->rope */
    int64_t window;            /* keys a query sees, itself among them; 0: all */
    int64_t chunk;             /* keys stand in chunks of so many, and a query sees those of its own; 0: none */
    int64_t head_dim, heads, kv_heads, ffn; /* 0: as the model's fields say */
    double clamp, shared_clamp; /* as act_clamp, of its MLP or experts and of its shared expert; 0: as the model's */
    double sparsity;           /* the share of an MLP's gates that is 0 (Gemma 3n's gaussian top k); 0: all count */
    int one_for_both;          /* 1: a key before its norm and rotation is its value too */
    int shortcut;              /* 1: beside its MLP experts read the same; what they make joins the stream behind the next layer
                                  (LongCat-Flash) */
    int joined;                /* 1: beside its MLP experts read the stream, each with norms of its own, and both are added
                                  (nn/block.h; Gemma 4) */
    int64_t keys_of;           /* 1 + the number of an earlier layer whose keys and values it attends to; 0: its own */
    int64_t choices_of;        /* likewise of the layer whose indexer's choice of keys it attends by (GLM-5.2) */
    int64_t compress;          /* COMPRESSED: tokens of an entry, beside the window's keys; 0: no entries */
    int sparse;                /* 1: likewise, an indexer chooses among them, and neighbours overlap */
    int hashed;                /* 1: the experts of a token are by its number */
    int64_t shared;            /* HYBRID: 1 + the number of the shared block that it uses; else 0 */
} ts_layer_arch;

/* State-space layers (nn/mamba.h); heads 0: there are none. */
typedef struct ts_mamba_arch {
    int64_t heads, head_dim, groups, state, conv;
    bool bias, conv_bias, norm_first;
    bool no_norm;          /* the gate alone */
    int64_t norm_groups;
    double dt_min, dt_max; /* dt_max 0: no limit */
    /* Factors of what goes in, of parts of its projection, of what comes out; 1: none (Falcon-H1). */
    double in_scale, z_scale, x_scale, b_scale, c_scale, dt_scale, out_scale;
} ts_mamba_arch;

/* Layers of Mamba 3 (nn/mamba3.h); heads 0: there are none. */
typedef struct ts_mamba3_arch {
    int64_t heads, head_dim, groups, state;
    int64_t angles; /* pairs of a state's numbers that turn */
    double floor;   /* of rates of decay */
    double eps;     /* of norms within */
    bool norm;      /* of what heads give */
} ts_mamba3_arch;

/* Selective scans (nn/selective.h); channels 0: there are none. */
typedef enum ts_selective_norm {
    TS_SELECTIVE_NORM_NONE,
    TS_SELECTIVE_NORM_BARE, /* of the parts of a projection that make steps, B and C, without weights (Falcon Mamba) */
    TS_SELECTIVE_NORM_OWN,  /* the same, each with a weight (Jamba) */
} ts_selective_norm;
typedef struct ts_selective_arch {
    int64_t channels, state, conv, rank; /* rank: of steps */
    bool bias, conv_bias;
    ts_selective_norm norm;
    double eps; /* of that norm */
} ts_selective_arch;

/* Gated short convolutions (nn/short_conv.h); width 0: there are none. */
typedef struct ts_short_conv_arch {
    int64_t width;
    bool bias; /* of the convolution and the projections */
} ts_short_conv_arch;

/* Gated delta nets (nn/delta.h) and Kimi delta attention (nn/kda.h); heads 0: there are none. */
typedef struct ts_delta_arch {
    int64_t key_heads, heads, key_dim, value_dim, conv;
} ts_delta_arch;

/* What it sees pictures with (model/vision.h). */
typedef struct ts_vision_arch ts_vision_arch;

/* Each field but `vision` is a row of model/arch_rows.h too. */
typedef struct ts_arch {
    char family[32];  /* model_type of the family that read it */
    int64_t n_layers, hidden, n_heads, n_kv_heads, head_dim, ffn, vocab, max_positions;
    /* Latent attention (DeepSeek's MLA), 0: there is none. A head of a query or key, head_dim wide, ends
     * in qk_rope_dim rotated values; one of a value is v_head_dim wide. q_lora_rank 0: queries have no
     * latent vector. */
    int64_t q_lora_rank, kv_lora_rank, qk_rope_dim, v_head_dim;
    /* Latent attention to the best keys alone (DeepSeek-V3.2), as an indexer finds them; index_heads 0: to all. */
    int64_t index_heads, index_dim, index_topk;
    int64_t out_groups, out_rank; /* of compressed attention's output projection: groups of heads, rank of each (nn/compressed.h) */
    bool index_interleaved;    /* the indexer's rotated pairs are (2i, 2i+1) (GLM-5) */
    double q_latent_scale, kv_latent_scale; /* latent vectors times this; 1: as they are (LongCat-Flash) */
    bool latent_norm;          /* latent vectors are normed */
    double latent_eps;
    ts_norm_kind norm;
    double norm_eps;
    double norm_offset;        /* 1: weight counts as 1 + w (Gemma) */
    bool norm_bias;            /* layer norm with a bias */
    bool norm_bare;            /* norms without weights (OLMo 1) */
    bool pre_norm, post_norm;  /* before a sublayer; on its output, before the residual is added */
    bool final_norm;
    bool parallel_residual;    /* x + attn(norm1 x) + mlp(norm2 x) (GPT-NeoX) */
    bool shared_norm;          /* and both norms are one (Cohere, Falcon) */
    bool embed_norm;           /* of the embedding, before the first layer (Bloom) */
    bool attn_gate;            /* what a head gives is multiplied with the sigmoid of a gate, a projection of x too */
    bool head_gate;            /* likewise with one gate for all of a head (Step 3.5) */
    bool attn_sinks;           /* a learned logit a head in the softmax's denominator (gpt-oss) */
    ts_qk_norm_kind qk_norm;
    bool qk_norm_last;         /* behind the rotation (Hunyuan) */
    double temper_by;          /* layers without positions: see ts_temper_args; 0: not so */
    int64_t temper_every;
    bool value_norm;           /* values are normed by head, without a weight */
    bool keys_raw;             /* layers share keys as they are projected: each norms and rotates them for itself
                                  (Hunyuan-Large) */
    ts_position_kind position; /* of layers; LEARNED: the embedding has a table of positions */
    ts_rope_config rope[TS_ARCH_MAX_ROPES];
    int n_ropes;
    ts_layer_arch *layer;      /* [n_layers], owned */
    ts_mamba_arch mamba;
    ts_mamba3_arch mamba3;
    ts_selective_arch selective;
    ts_delta_arch delta;
    /* Layers behind the last one that predict further tokens (model/mtp.h), each of the last one's kind, but that they
     * compress no keys and choose no experts by tokens; has_ahead: layer[n_layers] says what that is. */
    int64_t mtp_layers;
    bool has_ahead;
    ts_short_conv_arch short_conv;
    bool bias_qkv, bias_down, bias_proj, bias_fc1, bias_fc2, bias_head;
    /* Mixtures of experts (nn/experts.h); n_experts 0: no layer is one */
    int64_t n_experts, experts_per_token, expert_ffn;
    int64_t zero_experts;      /* behind these the router's further ones, which give back what they are given (LongCat-Flash) */
    bool experts_bias;         /* of experts and of their router */
    bool probs_on_input;       /* what experts are given is weighed, not what they make of it (Llama 4) */
    int64_t shared_ffn;        /* of the shared expert; 0: none */
    bool shared_gate;          /* whose result is weighed by a sigmoid */
    ts_route_score router_score;
    bool router_norm;          /* weights of the chosen are divided by their sum */
    double router_scale;       /* and times this */
    int64_t router_groups, router_group_topk, router_group_best; /* 1: no groups */
    bool router_bias;          /* a bias for choosing that no gradient trains */
    bool experts_stacked;      /* in files: all experts of a layer in one tensor */
    bool other_names;          /* in files: some tensors under their family's other names (ts_name_other) */
    bool gated;                /* MLPs of layers are */
    ts_act act;
    double act_clamp, glu_offset; /* of gated MLPs: values are clamped, up is moved (ts_act_op); 0: not so */
    bool clamps_value;         /* the clamp is of what the activation gives */
    bool tied;                 /* the output layer is the embedding */
    int64_t labels;            /* rows of the output layer are so many labels of a sequence (transformers' score of
                                  ...ForSequenceClassification); 0: they are the words of the vocabulary */
    ts_problem problem;        /* what they tell */
    bool reward;               /* a head (rm_head) that makes one number of a token stands in place of the output layer */
    /* Per-layer embeddings (nn/per_layer.h): their width, 0: there are none, and rows of their table */
    int64_t per_layer_width, per_layer_vocab;
    /* Embeddings of n-grams (nn/ngram.h): up to which n, 0: there are none; tables for each n; rows of a table, as a
     * multiple of the vocabulary, and some more */
    int64_t ngram_order, ngram_splits;
    double ngram_ratio;
    /* Alternating updates (nn/altup.h): streams side by side, 0: one; which of them layers work on; and the rank of
     * the projection beside attention */
    int64_t altup_inputs, altup_active, laurel_rank;
    /* Blocks that several layers share: rank of what each use adds to the MLP's first layer, and to the projection to
     * queries, keys and values where adapts_attention says so; 0: nothing */
    int64_t adapter_rank;
    bool adapts_attention;
    double altup_clip;         /* bounds of coefficients' weights, which are kept for config.json alone */
    /* Hyper-connections (nn/hyper.h): streams side by side, 0: one; turns of Sinkhorn's iteration; what scales of
     * coefficients begin with; what is added to sums that divide */
    int64_t hyper_streams, hyper_turns;
    double hyper_start, hyper_eps;
    bool layer_scalar;         /* the stream behind a layer is multiplied with a number that no gradient trains */
    double embed_scale;        /* 1: none */
    double attn_scale;         /* score = attn_scale * q.k */
    bool attn_by_layer;        /* and the scores of layer i, counted from 0, are divided by i + 1 */
    double attn_softcap, logit_softcap; /* 0: none */
    double qkv_clip;           /* queries, keys and values are held to +- this before they are rotated; 0: no */
    /* Attention beside a state-space layer: what goes in and comes out times these. MLPs: the gate before its
     * activation, what comes out. 1: none. */
    double attn_in_scale, attn_out_scale, mlp_gate_scale, mlp_out_scale;
    bool unit_head;            /* rows of the output layer count as of length one (Baichuan 2) */
    bool branch_scale;         /* each sublayer's output times a vector of its own (LayerScale) */
    double residual_scale;     /* each sublayer's output times this; 1: none */
    double logit_scale;        /* 1: none */
    double init_std;           /* for random weights */
    int64_t bos, pad, eos[TS_ARCH_MAX_EOS]; /* -1: none */
    /* the pad token's embedding is not trained (transformers' padding_idx) */
    bool pad_frozen;
    int n_eos;
    ts_vision_arch *vision; /* owned; NULL: it reads words alone */
} ts_arch;

/* Neutral values: pre-norm RMS Llama-like features, sizes 0, scales 1, ids -1. */
void ts_arch_init(ts_arch *a);
void ts_arch_deinit(ts_arch *a);
ts_status ts_arch_copy(const ts_arch *a, ts_arch *out) TS_NODISCARD;
/* n labels in place of words (0: nothing happens), as transformers has it: no bias, no cap and no scale of their own, not
 * the embedding. */
void ts_arch_take_labels(ts_arch *a, int64_t n, ts_problem problem);
/* Makes layer[] of n_layers entries as the model's fields say, with this window. */
ts_status ts_arch_layers(ts_arch *a, int64_t window) TS_NODISCARD;
/* It has a head of rewards from now on, behind the final norm or without it, and no output layer. */
void ts_arch_take_reward(ts_arch *a, bool with_norm);
/* A copy with has_ahead; for decoders. */
ts_status ts_arch_copy_ahead(const ts_arch *a, ts_arch *out) TS_NODISCARD;
/* Layers of every kind: those that predict further tokens come behind the model's own. */
static inline int64_t ts_arch_blocks(const ts_arch *a) { return a->n_layers + a->mtp_layers; }
/* What block i is, counted so. */
static inline const ts_layer_arch *ts_arch_block(const ts_arch *a, int64_t i)
{
    return &a->layer[i < a->n_layers ? i : a->n_layers - !a->has_ahead];
}
/* Tables of n-grams; 0: there are none. */
static inline int64_t ts_arch_ngram_tables(const ts_arch *a)
{
    return a->ngram_order ? (a->ngram_order - 1) * a->ngram_splits : 0;
}
/* Positions of the model and of every layer. */
void ts_arch_set_position(ts_arch *a, ts_position_kind position);
/* Whether any layer has a rotary embedding. */
bool ts_arch_rotates(const ts_arch *a);
/* Whether any layer has attention of this kind, carries something, has an MLP at all. */
bool ts_arch_has(const ts_arch *a, ts_attention_kind kind);
bool ts_arch_carries(const ts_arch *a);
bool ts_arch_has_mlp(const ts_arch *a);
/* Refuses what cannot be (heads that do not divide, sizes out of bounds, ...): TS_ERR_USER naming
 * `file` and the key. Every description is checked before it is built. */
ts_status ts_arch_check(const ts_arch *a, const char *file) TS_NODISCARD;

/* The same model, whatever family described it. */
bool ts_arch_equal(const ts_arch *a, const ts_arch *b);
/* Appends in words what a and b differ in, with the options that say it; *n: how many things. out
 * may be NULL. */
ts_status ts_arch_differences(const ts_arch *a, const ts_arch *b, ts_str *out, int *n) TS_NODISCARD;

/* The description in JSON, in the words of this file: for checkpoints of models that no family of
 * Hugging Face can say. What the layers have is written where it is not what the model's fields say,
 * and read where it is there. Reading checks (TS_ERR_USER that names file and key); `a` must be
 * initialised. */
ts_status ts_arch_write(const ts_arch *a, json_t **out) TS_NODISCARD;
ts_status ts_arch_read(const json_t *o, const char *file, ts_arch *a) TS_NODISCARD;

/* Fills cosines and sines [positions, dim / 2] of positions 0, 1, ...; the attention factor is
 * multiplied in. seq_len, the largest position of the batch + 1, matters to two scalings: dynamic
 * stretches the base when it is above max_positions, longrope takes the long factors when it is
 * above original_max_positions. */
void ts_rope_table(const ts_rope_config *r, int64_t positions, int64_t seq_len, float *cosines,
                   float *sines);
/* A table made so becomes that of queries, which query_beta scales. */
void ts_rope_scale_queries(const ts_rope_config *r, int64_t positions, float *cosines, float *sines);
/* True where the table depends on seq_len. */
bool ts_rope_varies(const ts_rope_config *r);
ts_status ts_rope_check(const ts_rope_config *r, int64_t head_dim, const char *file) TS_NODISCARD;

/* What the scores of stretched latent attention are multiplied with: the square of yarn's magnitude by
 * mscale_all_dim (DeepSeek-V2's code); 1 without. */
double ts_rope_score_factor(const ts_rope_config *r);
/* What layer i has, the model's or its own. */
static inline int64_t ts_layer_head_dim(const ts_arch *a, int64_t i) { return ts_arch_block(a, i)->head_dim ? ts_arch_block(a, i)->head_dim : a->head_dim; }
static inline int64_t ts_layer_heads(const ts_arch *a, int64_t i) { return ts_arch_block(a, i)->heads ? ts_arch_block(a, i)->heads : a->n_heads; }
static inline int64_t ts_layer_kv_heads(const ts_arch *a, int64_t i) { return ts_arch_block(a, i)->kv_heads ? ts_arch_block(a, i)->kv_heads : a->n_kv_heads; }
static inline int64_t ts_layer_ffn(const ts_arch *a, int64_t i) { return ts_arch_block(a, i)->ffn ? ts_arch_block(a, i)->ffn : a->ffn; }
/* Width of a key with its value, behind a group's queries in a fused row. */
static inline int64_t ts_layer_pair(const ts_arch *a, int64_t i) { return (ts_arch_block(a, i)->one_for_both ? 1 : 2) * ts_layer_head_dim(a, i); }
/* Bound of a layer's MLP or experts, of its shared expert. */
static inline double ts_layer_clamp(const ts_arch *a, int64_t i, bool shared)
{
    const double own = shared ? ts_arch_block(a, i)->shared_clamp : ts_arch_block(a, i)->clamp;
    return own > 0 ? own : a->act_clamp;
}
/* Whether a layer has experts, in the place of its MLP or beside it. */
static inline bool ts_has_experts(const ts_layer_arch *l) { return l->mlp == TS_MLP_EXPERTS || l->shortcut || l->joined; }
bool ts_arch_has_shortcuts(const ts_arch *a);
bool ts_arch_has_joined(const ts_arch *a);
bool ts_arch_hashes(const ts_arch *a);
/* Whether a layer attends to keys and values of another, by another's choice of keys. */
bool ts_arch_borrows(const ts_arch *a);
bool ts_arch_shares_choices(const ts_arch *a);
/* What of a layer's own those from layer `at` on read. */
enum { TS_LENDS_KEYS = 1, TS_LENDS_CHOICES = 2 };
unsigned ts_arch_lends(const ts_arch *a, int64_t layer, int64_t at);
/* Layers that use the shared block of this one: the first of them, how many there are (0: it uses none); and which of all
 * that use one this is, from 0 on. */
int64_t ts_arch_first_use(const ts_arch *a, int64_t layer);
int64_t ts_arch_uses(const ts_arch *a, int64_t layer);
int64_t ts_arch_use_number(const ts_arch *a, int64_t layer);
/* Which layers choose by indexers of their own: all before layer `offset`, counted from 0, and from layer offset - 1 on
 * every freq-th. Others go by the choice of the last one before them. */
static inline bool ts_arch_chooses(int64_t layer, int64_t freq, int64_t offset)
{
    return layer < offset || (layer - offset + 1) % freq == 0;
}
void ts_arch_share_choices(ts_arch *a, int64_t freq, int64_t offset);
#endif
