/* Reading and writing what the config.json files of most families have in common. Defaults are
 * those of transformers' configuration classes; a null counts as missing unless a function says
 * otherwise. */
#ifndef TS_MODEL_FAMILIES_CONFIG_H
#define TS_MODEL_FAMILIES_CONFIG_H
#include "model/family.h"

/* What a family takes when a key is missing. */
typedef struct ts_config_defaults {
    int64_t vocab, hidden, ffn, layers, heads;
    int64_t kv_heads; /* TS_AS_HEADS, or TS_NO_KEY */
    int64_t head_dim; /* 0: hidden / heads; TS_NO_KEY: always that */
    int64_t positions;
    const char *eps_key, *act_key;
    double eps;
    const char *act;
    double init_std;
    double theta;  /* 0: no rotary embedding */
    double rotary; /* rotated part of a head by default; 0: always all of it */
    bool tied;
    int64_t bos, eos, pad; /* -1: none */
} ts_config_defaults;

enum { TS_AS_HEADS = 0, TS_NO_KEY = -1 };

/* Sizes, norm epsilon, activation, tying, token ids, rope[0], attention scale 1 /
 * sqrt(head_dim), and layers that see everything. */
ts_status ts_config_read(const json_t *o, const char *file, const ts_config_defaults *d,
                         ts_arch *a) TS_NODISCARD;

/* hidden_size must be a multiple of the number of heads even where head_dim is given: some of
 * transformers' classes say so. */
ts_status ts_config_whole_heads(const ts_arch *a, const char *file) TS_NODISCARD;

/* A whole number in [lo, hi]; `missing` for a missing key, `null` for a null. */
ts_status ts_config_int(const json_t *o, const char *file, const char *key, int64_t missing,
                        int64_t null, int64_t lo, int64_t hi, int64_t *out) TS_NODISCARD;
/* A finite number. */
ts_status ts_config_real(const json_t *o, const char *file, const char *key, double missing,
                         double null, double *out) TS_NODISCARD;
/* TS_ERR_USER when the key is given and neither null nor false: `why` says what it would need. */
ts_status ts_config_refuse(const json_t *o, const char *file, const char *key,
                           const char *why) TS_NODISCARD;
/* is_causal, which all of transformers' classes know, must not be false. */
ts_status ts_config_causal(const json_t *o, const char *file) TS_NODISCARD;
/* bos, pad and eos (a number or a list). */
ts_status ts_config_ids(const json_t *o, const char *file, const ts_config_defaults *d,
                        ts_arch *a) TS_NODISCARD;
ts_status ts_config_act(const json_t *o, const char *file, const char *key, const char *def,
                        ts_act *out) TS_NODISCARD;
/* sliding_window for every layer: `missing` for a missing key, none for a null. */
ts_status ts_config_window(const json_t *o, const char *file, int64_t missing,
                           ts_arch *a) TS_NODISCARD;
/* Qwen's rule: the layers from max_window_layers on see sliding_window keys where
 * use_sliding_window is set, unless layer_types says it layer by layer. */
ts_status ts_config_qwen_windows(const json_t *o, const char *file, ts_arch *a) TS_NODISCARD;
ts_status ts_config_write_qwen_windows(const ts_arch *a, json_t *o) TS_NODISCARD;
/* layer_types, if given, says which layers have the window and which see everything: *given
 * tells. */
ts_status ts_config_layer_types(const json_t *o, const char *file, int64_t window, ts_arch *a,
                                bool *given) TS_NODISCARD;

/* The rotary embedding that `rope_parameters` (transformers 5) or rope_scaling, rope_theta and
 * partial_rotary_factor (transformers 4) in `o` describe. Needs a->head_dim, a->max_positions. */
ts_status ts_config_rope(const json_t *o, const char *file, const ts_config_defaults *d,
                         const ts_arch *a, ts_rope_config *out) TS_NODISCARD;
/* The object with the rotary embedding's parameters, or NULL. */
ts_status ts_config_rope_find(const json_t *o, const char *file, const json_t **out) TS_NODISCARD;
/* The same from one object of parameters (or NULL) with what stands outside it: theta and
 * rotated part. */
ts_status ts_config_rope_object(const json_t *config, const json_t *rope, const char *file,
                                double theta, double rotary, const ts_arch *a,
                                ts_rope_config *out) TS_NODISCARD;

/* Writing: the keys that ts_config_read reads, in transformers 4's form, which transformers 5
 * reads too. The setters fail with TS_ERR_NOMEM only. */
ts_status ts_config_write(const ts_arch *a, const ts_config_defaults *d, json_t *o) TS_NODISCARD;
ts_status ts_config_put(json_t *o, const char *key,
                        json_t *value) TS_NODISCARD; /* takes value, NULL: no memory */
ts_status ts_config_write_ids(const ts_arch *a, json_t *o) TS_NODISCARD;
/* transformers' name; GPT-2 calls the tanh form of GELU gelu_new. */
const char *ts_config_act_name(ts_act act, bool gpt2);
/* The part of a head whose product with head_dim, rounded down, is the rotated width. */
double ts_config_rotary_part(const ts_arch *a);
/* layer_types and sliding_window as a's layers have them. */
ts_status ts_config_write_layers(const ts_arch *a, json_t *o) TS_NODISCARD;
/* A rope_scaling object, or null where there is no scaling. */
ts_status ts_config_write_rope(const ts_rope_config *r, json_t *o) TS_NODISCARD;
#endif
