/* What config.json says, as rows: "config key -> field", read and written by the same row. A family is
 * the rows that it has otherwise than its base: first those of the base, in their order, each replaced
 * by the family's row of the same field or key where it has one, then its own. Defaults are those of
 * transformers' configuration classes. */
#ifndef TS_MODEL_FAMILIES_CONFIG_H
#define TS_MODEL_FAMILIES_CONFIG_H
#include "model/family.h"

typedef enum ts_config_kind {
    TS_CONFIG_END,
    /* a number or a truth in a key, in the bounds of the field's row (model/arch_rows.h); an activation by
     * its name */
    TS_CONFIG_COPY,
    TS_CONFIG_FIXED,  /* `def`, always: no key says it */
    TS_CONFIG_REFUSE, /* the key must be missing, null or false */
    TS_CONFIG_OWN,    /* nothing but its functions */
} ts_config_kind;

typedef struct ts_config_row ts_config_row;
typedef ts_status ts_config_read_fn(const ts_config_row *r, const json_t *o, const char *file,
                                    ts_arch *a);
typedef ts_status ts_config_write_fn(const ts_config_row *r, const ts_arch *a, json_t *o);

enum { TS_CONFIG_FIELDS = 5 };
struct ts_config_row {
    ts_config_kind kind;
    const char *key;
    /* offsets in ts_arch, 0: none. All get the value, the first is written. Rows of `layer` come last, when
     * everything else is there and all layers are as the model's fields say. */
    size_t field[TS_CONFIG_FIELDS];
    double def;          /* of a missing key */
    bool has_null;       /* a null is `null` (and that is written as one), else it is a missing key */
    double null;
    double most;         /* upper bound; 0: the field's */
    const char *before;  /* a key that counts instead of `key` where it is there */
    const char *word;    /* of an activation that has several: the one to write; ALWAYS: what the key may say */
    const char *why;     /* REFUSE: what it would need */
    bool late;           /* it comes with the rows of `layer` */
    double part;         /* rotary embedding: the rotated part of a head; 0: always all of it */
    ts_config_read_fn *read;   /* instead of what the kind does; NULL: that */
    ts_config_write_fn *write;
};

#define TS_CONFIG_AT(field_) offsetof(ts_arch, field_)
#define TS_CONFIG_ROW(kind_, key_, field_, def_, ...)                                              \
    { .kind = TS_CONFIG_##kind_, .key = key_, .field = { TS_CONFIG_AT(field_) }, .def = def_,      \
      __VA_ARGS__ }
#define TS_COPY(key_, field_, def_)                                                                \
    { .kind = TS_CONFIG_COPY, .key = key_, .field = { TS_CONFIG_AT(field_) }, .def = def_ }
#define TS_COPY_BOTH(key_, field_, other_, def_)                                                   \
    { .kind = TS_CONFIG_COPY, .key = key_, .def = def_,                                            \
      .field = { TS_CONFIG_AT(field_), TS_CONFIG_AT(other_) } }
/* A token's id: -1 and null for none. A soft cap: 0 and null for none. */
#define TS_ID(key_, field_, def_)                                                                  \
    TS_CONFIG_ROW(COPY, key_, field_, def_, .has_null = true, .null = -1)
#define TS_CAP(key_, field_, def_) TS_CONFIG_ROW(COPY, key_, field_, def_, .has_null = true)
#define TS_FIXED(field_, value_)                                                                   \
    { .kind = TS_CONFIG_FIXED, .field = { TS_CONFIG_AT(field_) }, .def = value_ }
#define TS_REFUSE(key_, why_) { .kind = TS_CONFIG_REFUSE, .key = key_, .why = why_ }
#define TS_OWN(key_, field_, read_, write_, def_)                                                  \
    TS_CONFIG_ROW(OWN, key_, field_, def_, .read = read_, .write = write_)
/* What is to be looked at when the fields are there. */
#define TS_CHECK(read_) { .kind = TS_CONFIG_OWN, .read = read_ }

/* Rows that more than one table has. */
#define TS_NOT_QUANTISED TS_REFUSE("quantization_config", "the weights must not be quantised")
/* Or they are in a form that model/weights_scaled.h reads. */
#define TS_MAY_BE_QUANTISED { .kind = TS_CONFIG_OWN, .key = "quantization_config", .read = ts_config_quantised }
#define TS_CAUSAL { .kind = TS_CONFIG_OWN, .key = "is_causal", .read = ts_config_causal }
#define TS_KV_HEADS(def_)                                                                          \
    TS_OWN("num_key_value_heads", n_kv_heads, ts_config_read_kv_heads, ts_config_write_kv_heads, def_)
#define TS_HEAD_DIM(def_)                                                                          \
    TS_OWN("head_dim", head_dim, ts_config_read_head_dim, ts_config_write_head_dim, def_)
/* Whether each head of queries and keys has a layer norm with weights of its own. */
#define TS_OWN_NORMS(key_) TS_OWN(key_, qk_norm, ts_config_read_own_norms, ts_config_write_own_norms, 0)
/* Heads that are hidden / heads wide, whatever head_dim says. */
#define TS_NO_HEAD_DIM TS_OWN("head_dim", head_dim, ts_config_no_head_dim, NULL, 0)
#define TS_ROPE(theta_, part_)                                                                     \
    TS_CONFIG_ROW(OWN, "rope_theta", rope, theta_, .part = part_, .read = ts_config_read_rope,     \
                  .write = ts_config_write_ropes)
#define TS_ENDS(def_)                                                                              \
    TS_OWN("eos_token_id", eos, ts_config_read_ends, ts_config_write_ends, def_)
/* sliding_window for every layer: `def` where the key is missing, none for a null. */
#define TS_WINDOW(def_)                                                                            \
    TS_OWN("sliding_window", layer, ts_config_read_window, ts_config_write_window, def_)
/* Qwen's rule: the layers from max_window_layers on see sliding_window keys where use_sliding_window
 * is set, unless layer_types says it layer by layer. */
#define TS_QWEN_WINDOWS                                                                            \
    TS_OWN("sliding_window", layer, ts_config_read_qwen_windows, ts_config_write_qwen_windows, 4096)

ts_config_read_fn ts_config_quantised, ts_config_causal, ts_config_read_kv_heads, ts_config_read_head_dim, ts_config_no_head_dim,
    ts_config_kv_as_heads, ts_config_wide_mlp, ts_config_read_rope, ts_config_read_ends, ts_config_read_window,
    ts_config_read_qwen_windows, ts_config_read_own_norms;
ts_config_write_fn ts_config_write_kv_heads, ts_config_write_head_dim, ts_config_write_ropes,
    ts_config_write_ends, ts_config_write_window, ts_config_write_qwen_windows,
    ts_config_write_layers, ts_config_write_own_norms;
/* What models of this type compute whatever the key says, which therefore must say it, in one of the words (with
 * blanks between them) that published files have for it, where it is there. */
#define TS_ALWAYS(key_, words_) { .kind = TS_CONFIG_OWN, .key = key_, .word = words_, .read = ts_config_always }
ts_config_read_fn ts_config_always;

/* ---- mixtures of experts (config_experts.c) ---- */

/* norm_topk_prob: weights of the chosen sum up to 1 (of a softmax: it is one of the chosen) or are shares of all. */
#define TS_TOPK_NORM(def_)                                                                         \
    TS_OWN("norm_topk_prob", router_norm, ts_config_read_topk_norm, ts_config_write_topk_norm, def_)
/* Which layers have experts: every decoder_sparse_step-th, but for mlp_only_layers; those from
 * first_k_dense_replace on; all. */
#define TS_QWEN_EXPERTS                                                                            \
    { .kind = TS_CONFIG_OWN, .key = "mlp_only_layers", .late = true, .read = ts_config_read_qwen_experts, \
      .write = ts_config_write_qwen_experts }
#define TS_FIRST_DENSE(def_)                                                                       \
    { .kind = TS_CONFIG_OWN, .key = "first_k_dense_replace", .late = true, .def = def_,            \
      .read = ts_config_read_first_dense, .write = ts_config_write_first_dense }
/* mlp_layer_types, "dense" or "sparse" layer by layer; where it is missing the layers from `first_`-th on have experts,
 * below 0: what other rows said stays. */
#define TS_MLP_TYPES(first_)                                                                       \
    { .kind = TS_CONFIG_OWN, .key = "mlp_layer_types", .late = true, .def = first_,                \
      .read = ts_config_read_mlp_types, .write = ts_config_write_mlp_types }
#define TS_ALL_EXPERTS { .kind = TS_CONFIG_OWN, .late = true, .read = ts_config_all_experts }
/* DeepSeek-V3's way, GLM's too: experts, of a token, their width, shared ones, groups and groups of a token;
 * a sigmoid scores, a bias helps to choose. */
#define TS_EXPERT_ROWS(n_, k_, ffn_, shared_, groups_, of_token_)                                  \
    TS_CONFIG_ROW(COPY, "n_routed_experts", n_experts, n_, .before = "num_local_experts"),          \
        TS_COPY("num_experts_per_tok", experts_per_token, k_),                                      \
        TS_COPY("moe_intermediate_size", expert_ffn, ffn_),                                         \
        TS_OWN("n_shared_experts", shared_ffn, ts_config_read_shared_experts,                       \
               ts_config_write_shared_experts, shared_),                                            \
        TS_COPY("n_group", router_groups, groups_),                                                 \
        TS_COPY("topk_group", router_group_topk, of_token_),                                        \
        TS_OWN(NULL, router_group_best, ts_config_two_best, NULL, 0),                               \
        TS_FIXED(router_score, TS_ROUTE_SIGMOID), TS_FIXED(router_bias, true),                      \
        TS_ALWAYS("scoring_func", "sigmoid noaux_tc"), TS_ALWAYS("topk_method", "noaux_tc")
ts_config_read_fn ts_config_read_topk_norm, ts_config_read_qwen_experts, ts_config_read_first_dense,
    ts_config_all_experts, ts_config_read_shared_experts, ts_config_two_best, ts_config_read_mlp_types;
ts_config_write_fn ts_config_write_topk_norm, ts_config_write_qwen_experts, ts_config_write_first_dense,
    ts_config_write_shared_experts, ts_config_write_mlp_types;

/* Where layers carry a state, the activation is that of their convolutions too, which know silu alone. */
#define TS_STATE_ACT { .kind = TS_CONFIG_OWN, .late = true, .read = ts_config_state_act }
ts_config_read_fn ts_config_state_act;
/* hidden_size must be a multiple of the number of heads even where head_dim is given: some of
 * transformers' classes say so. */
ts_config_read_fn ts_config_whole_heads;
/* 1 / sqrt(head_dim), which no key says. */
ts_config_read_fn ts_config_attn_scale;

/* What a row's kind does, for who adds to it. */
ts_config_read_fn ts_config_copy_in;
ts_config_write_fn ts_config_copy_out;

/* ---- for functions of rows: a null counts as missing unless said otherwise ---- */

/* A whole number in [lo, hi]; `missing` for a missing key, `null` for a null. */
ts_status ts_config_int(const json_t *o, const char *file, const char *key, int64_t missing,
                        int64_t null, int64_t lo, int64_t hi, int64_t *out) TS_NODISCARD;
/* A finite number. */
ts_status ts_config_real(const json_t *o, const char *file, const char *key, double missing,
                         double null, double *out) TS_NODISCARD;
/* The list at key with an entry for each layer; NULL: the key is missing or null. Another length is refused. */
ts_status ts_config_layer_list(const json_t *o, const char *file, const char *key, const ts_arch *a,
                               const json_t **list) TS_NODISCARD;
/* The number of its entry i among `words`, which end with NULL; another word is refused. */
ts_status ts_config_layer_word(const json_t *list, const char *file, const char *key, int64_t i,
                               const char *const *words, int *number) TS_NODISCARD;
/* Such a list, of the words that `word` has for each layer. */
typedef const char *ts_config_word_fn(const ts_layer_arch *l);
ts_status ts_config_put_words(json_t *o, const char *key, const ts_arch *a, ts_config_word_fn *word) TS_NODISCARD;
/* layer_types, if given, says which layers have the window and which see everything: *given
 * tells. */
ts_status ts_config_layer_types(const json_t *o, const char *file, int64_t window, ts_arch *a,
                                bool *given) TS_NODISCARD;
/* transformers' name of an activation and back; NULL, false: none. */
const char *ts_config_act_name(ts_act act);
bool ts_config_act_named(const char *name, ts_act *out);

/* The object with the rotary embedding's parameters, or NULL. */
ts_status ts_config_rope_find(const json_t *o, const char *file, const json_t **out) TS_NODISCARD;
/* The rotary embedding that `rope_parameters` (transformers 5) or rope_scaling, rope_theta and
 * partial_rotary_factor (transformers 4) in `o` describe. Needs a->head_dim, a->max_positions. */
ts_status ts_config_rope(const json_t *o, const char *file, double theta, double part,
                         const ts_arch *a, ts_rope_config *out) TS_NODISCARD;
/* The same from one object of parameters (or NULL) with what stands outside it: theta and
 * rotated part. */
ts_status ts_config_rope_object(const json_t *config, const json_t *rope, const char *file,
                                double theta, double rotary, const ts_arch *a,
                                ts_rope_config *out) TS_NODISCARD;

/* Writing: in transformers 4's form, which transformers 5 reads too; TS_ERR_NOMEM only. put takes the
 * value, NULL: no memory. */
ts_status ts_config_put(json_t *o, const char *key, json_t *value) TS_NODISCARD;
ts_status ts_config_write_ids(const ts_arch *a, json_t *o) TS_NODISCARD;
/* The part of a head whose product with head_dim, rounded down, is the rotated width. */
double ts_config_rotary_part(const ts_arch *a, const ts_rope_config *r);
/* transformers 5's form: an object in this key that says all of it but the rotated part, its base too. */
ts_status ts_config_write_rope_object(const ts_rope_config *r, json_t *o, const char *key) TS_NODISCARD;
/* A rope_scaling object, or null where there is no scaling. */
ts_status ts_config_write_rope(const ts_rope_config *r, json_t *o) TS_NODISCARD;
#endif
