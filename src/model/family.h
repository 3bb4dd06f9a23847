/* Families: how Hugging Face describes and names a model. */
#ifndef TS_MODEL_FAMILY_H
#define TS_MODEL_FAMILY_H
#include "base/json.h"
#include "model/arch.h"

/* Our parameters, Megatron core's names. Per layer i: "decoder.layers.<i>." + these; outside layers whole.
 *   embedding.word_embeddings.weight  [vocab, hidden]     embedding.position_embeddings.weight
 *   input_layernorm.{weight,bias}                         pre_mlp_layernorm.{weight,bias}
 *   post_attn_norm.weight  post_mlp_layernorm.weight      (norms of a sublayer's output)
 *   self_attention.linear_qkv.{weight,bias}   [(r + 2) head_dim for each kv group: its r queries, k, v; hidden]
 *   self_attention.{q_layernorm,k_layernorm}.weight
 *   self_attention.linear_proj.{weight,bias}  [hidden, n_heads head_dim]
 *   mlp.linear_fc1.{weight,bias}   [ffn, hidden], gated: [2 ffn, hidden], gate rows first
 *   mlp.linear_fc2.{weight,bias}   [hidden, ffn]
 *   decoder.final_layernorm.{weight,bias}    output_layer.{weight,bias}  [vocab, hidden] */

/* Rows of a parameter and where they stand in a Hugging Face tensor. A tensor of one dimension has rows of
 * one element. transposed: the file holds [in, out] (GPT-2's Conv1D): hf_row then counts columns. */
typedef struct ts_name_piece {
    char *hf_name;   /* owned by the map */
    char *name;      /* ours */
    int64_t hf_row, row, rows;
    bool transposed;
} ts_name_piece;

/* One Hugging Face tensor as a family has it in files. */
typedef struct ts_name_tensor {
    char *hf_name;
    int rank;
    int64_t dim[2];  /* in the file's orientation */
} ts_name_tensor;

typedef struct ts_name_map {
    ts_name_piece *piece;
    size_t n_pieces, cap_pieces;
    ts_name_tensor *tensor; /* every tensor once, in the family's usual order */
    size_t n_tensors, cap_tensors;
} ts_name_map;
void ts_name_map_deinit(ts_name_map *m);

/* Helpers that families share (model/names.c); prefixes and names are printf formats without surprises. */
/* A tensor that is one of our parameters whole: [dim0, dim1] (dim1 0: one dimension). */
ts_status ts_name_whole(ts_name_map *m, const char *name, int64_t dim0, int64_t dim1, bool transposed,
                        const char *hf_fmt, ...) TS_PRINTF(6, 7) TS_NODISCARD;
/* Separate q, k, v tensors (names: three words) of layer i, weights and, if a->bias_qkv, biases. */
ts_status ts_name_qkv_split(ts_name_map *m, const ts_arch *a, int64_t layer, const char *hf_prefix,
                            const char *q, const char *k, const char *v) TS_NODISCARD;
/* One tensor with all q rows, then all k rows, then all v rows (Phi-3; GPT-2 with transposed). */
ts_status ts_name_qkv_packed(ts_name_map *m, const ts_arch *a, int64_t layer, const char *hf_prefix,
                             const char *qkv, bool transposed) TS_NODISCARD;

typedef struct ts_family {
    const char *model_type;      /* config.json's */
    const char *architecture;    /* "LlamaForCausalLM" */
    /* Reads a config.json (of transformers 4 or 5) into *a, which ts_arch_init has prepared. Every size
     * must be checked for range here or by ts_arch_check, messages name file and key. */
    ts_status (*read)(const json_t *config, const char *file, ts_arch *a);
    /* Lists tensors and pieces of the described model. */
    ts_status (*names)(const ts_arch *a, ts_name_map *m);
    /* Writes a config that `read` and transformers understand; NULL: this family is read only. *fits is
     * false when the description needs what the family cannot say. */
    ts_status (*write)(const ts_arch *a, json_t *config, bool *fits);
} ts_family;

/* All families, NULL at the end. */
extern const ts_family *const ts_families[];

/* The family of a config (by model_type, else architectures[0]); an unknown one is TS_ERR_USER that names
 * it and lists what is known. */
ts_status ts_family_of(const json_t *config, const char *file, const ts_family **out) TS_NODISCARD;
const ts_family *ts_family_named(const char *model_type); /* or NULL */
/* Reads folder/config.json: family, description (checked), and the config itself (json_decref). */
ts_status ts_family_read_folder(const char *folder, const ts_family **family, ts_arch *arch,
                                json_t **config) TS_NODISCARD;
/* The first family whose `write` fits the description: for models that were described by options. */
ts_status ts_family_describe(const ts_arch *a, const ts_family **family, json_t **config) TS_NODISCARD;
#endif
