/* Families: how Hugging Face describes and names a model. */
#ifndef TS_MODEL_FAMILY_H
#define TS_MODEL_FAMILY_H
#include "base/json.h"
#include "model/arch.h"

/* Our parameters, Megatron core's names. Per layer i: "decoder.layers.<i>." + these; outside layers
 * whole.
 *   embedding.word_embeddings.weight  [vocab, hidden]     embedding.position_embeddings.weight
 *   input_layernorm.{weight,bias}                         pre_mlp_layernorm.{weight,bias}
 *   post_attn_norm.weight  post_mlp_layernorm.weight      (norms of a sublayer's output)
 *   self_attention.linear_qkv.{weight,bias}   [(r + 2) head_dim for each kv group: its
 *                                              r queries, k, v; hidden]; with gates (attn_gate) r of them
 *                                              between queries and k
 *   self_attention.{q_layernorm,k_layernorm}.weight
 *   self_attention.linear_proj.{weight,bias}  [hidden, n_heads head_dim]
 *   self_attention.linear_gate.weight  [n_heads, hidden], of head_gate
 *   self_attention.core_attention.softmax_offset  [n_heads], sinks: a name without ".weight"
 *   latent attention instead of linear_qkv: linear_q_proj, or linear_q_down_proj, q_layernorm and
 *     linear_q_up_proj; linear_kv_down_proj [kv_lora_rank + qk_rope_dim, hidden], kv_layernorm,
 *     linear_kv_up_proj [for each head its key without positions, its value; kv_lora_rank]
 *   compressed attention (nn/compressed.h) likewise: linear_q_down_proj, q_layernorm, linear_q_up_proj, linear_kv_proj,
 *     kv_layernorm, compressor.{linear_kv,linear_gate,position_bias,norm}, core_attention.softmax_offset,
 *     core_attention.indexer.{linear_wq_b,linear_weights_proj,compressor}, linear_groups_proj [groups, rank, columns];
 *     mlp.router.token_experts [vocab, K]
 *   embedding.norm.{weight,bias}
 *   embedding.ngram.<i>.table.weight  [rows, hidden / tables]  embedding.ngram.<i>.proj.weight  [hidden, hidden / tables]
 *   mlp.linear_fc1.{weight,bias}   [ffn, hidden], gated: [2 ffn, hidden], gate rows first
 *   mlp.linear_fc2.{weight,bias}   [hidden, ffn]
 *   mlp.router.weight [E, hidden], mlp.router.expert_bias, mlp.experts.linear_fc1.weight [E, 2 ffn, hidden],
 *   mlp.experts.linear_fc2.weight, mlp.shared_experts.{linear_fc1,linear_fc2}.weight,
 *   mlp.shared_experts.gate_weight, mlp.router.bias, mlp.experts.{linear_fc1,linear_fc2}.bias (nn/experts.h)
 *   mixer.{A_log,D,dt_bias}  [heads]        (state-space layers: nn/mamba.h)
 *   mixer.{in_proj_z,in_proj_xbc,in_proj_dt,out_proj}.{weight,bias}
 *   self_attention.{in_proj_qkv,in_proj_z,in_proj_b,in_proj_a,out_proj,norm,conv1d}.weight
 *   self_attention.{A_log,dt_bias}          (gated delta nets: nn/delta.h)
 *   of Kimi delta attention (nn/kda.h) instead of in_proj_z and in_proj_a:
 *   self_attention.{f_proj_down,f_proj_up,g_proj_down,g_proj_up}.weight
 *   of Mamba 3 (nn/mamba3.h): mixer.{dt_bias,B_bias,C_bias,D}, mixer.{in_proj_z,in_proj_x,in_proj_bc,in_proj_steps,B_norm,
 *   C_norm,norm,out_proj}.weight
 *   mixer.conv1d.weight  [heads head_dim + 2 groups state, width]  mixer.conv1d.bias  mixer.norm.weight
 *   self_attention.core_attention.indexer.{linear_wq_b,linear_wk,k_norm,linear_weights_proj} (nn/indexer.h)
 *   mtp.layers.<k>.{enorm,hnorm,eh_proj,final_layernorm}.weight, mtp.layers.<k>.transformer_layer. + what a layer has;
 *   of several streams e_proj and h_proj, and hyper_head.*, in the place of eh_proj
 *   (model/mtp.h); files count these layers behind the others
 *   decoder.final_layernorm.{weight,bias}    output_layer.{weight,bias}  [vocab, hidden] */

/* Rows of a parameter, of a stack of matrices those of all, and where they stand in a Hugging Face tensor. A tensor of one dimension has
 * rows of one element, as has one that is_line. transposed: the file holds [in, out] (GPT-2's Conv1D), of a stack
 * [matrices, in, out]: hf_row then counts columns. Row number i of the piece is the file's hf_row + i step. */
typedef struct ts_name_piece {
    const char *hf_name; /* the tensor's */
    char *name;          /* ours; owned by the map */
    int64_t hf_row, row, rows, step;
    int64_t matrix; /* of a transposed stack: which of its matrices; else 0 */
    bool transposed;
} ts_name_piece;

/* One Hugging Face tensor as a family has it in files. */
typedef struct ts_name_tensor {
    char *hf_name;                /* owned by the map */
    int rank;
    int64_t dim[5];               /* in the file's orientation */
    int64_t cols;                 /* values of a row that is more than the last dimension; 0: it is that */
    int64_t groups;               /* our columns are so many groups side by side, whose values take turns in the file; 0: no */
    bool is_copy;                 /* of another tensor: not read */
    bool is_choice;               /* numbers of experts, in I64 */
    bool is_line;                 /* of rank 2, a vector in rows: its pieces count elements, as those of one do */
    size_t first_piece, n_pieces; /* of the map's pieces; together they are the whole tensor */
} ts_name_tensor;

typedef struct ts_name_map {
    ts_name_piece *piece;
    size_t n_pieces, cap_pieces;
    ts_name_tensor *tensor; /* every tensor once, in the order of transformers' state dict */
    size_t n_tensors, cap_tensors;
} ts_name_map;
void ts_name_map_deinit(ts_name_map *m);

/* A family's names are a table of these rows, in the order of its files. One row stands for a
 * weight and, where the description has it, the bias behind it; or for what has neither word behind its
 * name (A_log). */
typedef enum ts_name_part {
    TS_PART_ALL,  /* the parameter whole */
    /* the query rows of every group, one group after the other, each head's gate behind it where there are some;
     * likewise keys and values */
    TS_PART_Q,
    TS_PART_K,
    TS_PART_V,
    TS_PART_QKV,  /* all queries, then all keys, then all values */
    /* the upper and the lower half of a gated linear_fc1; of a plain one there is no gate, and the whole
     * is up */
    TS_PART_GATE,
    TS_PART_UP,
    TS_PART_PAIRS, /* the rows of a gated fc1 in turn, one of the gate, one of up; all experts in one tensor */
    TS_PART_LINE, /* a vector, in the file a matrix of one row */
    TS_PART_HEADS, /* likewise of a row a head */
    TS_PART_FLAT, /* vectors, in the file one behind the other in one */
    TS_PART_EACH_HEAD, /* of each head a vector; the second '*' of hf_name is its number */
    TS_PART_FILTER, /* whole; the file holds [columns, 1, width] (a convolution of each column for itself), or vectors so */
    /* whole; layers that predict further tokens have it in files once more, of what is outside of all layers: it is
     * written, and not read */
    TS_PART_COPY,
    TS_PART_CHOICES, /* whole: numbers of experts, which the file holds as I64 */
    TS_PART_STACK, /* a stack, in the file one matrix of all rows */
    TS_PART_MORE, /* whole, behind the rows of the row before, in the same tensor */
    /* of gated delta nets, for each head of keys in turn: q, k, and v of the heads that share them, then
     * (another parameter, in the same tensor) z of these; beta of these, then (likewise) a */
    TS_PART_DELTA_QKV,
    TS_PART_DELTA_Z,
    TS_PART_DELTA_B,
    TS_PART_DELTA_A,
    /* rows of queries, keys and values of a delta rule, which stand one behind the other; a filter's are in the
     * file [columns, 1, width] */
    TS_PART_RULE_Q,
    TS_PART_RULE_K,
    TS_PART_RULE_V,
    TS_PART_EACH, /* whole; of parameters that no layer has and whose names have a number, which '*' stands for in both names,
                     from 0 on as many as there are */
    TS_PART_RATE, /* a vector, in the file [1, 1, n, 1] */
    /* Of vision towers (model/vision.h): whole, in the file a convolution's weight, [out, channels, (frames,) patch, patch] or
     * [out, in, merge, merge] of which ours has the merged rows side by side; a vector or a matrix in a stack of one, of rank 3 */
    TS_PART_PATCH,
    TS_PART_MERGE,
    TS_PART_ONE,
    TS_PART_UPPER, /* of what is in no layer: the upper half of its rows, the lower */
    TS_PART_LOWER,
} ts_name_part;

typedef struct ts_name_row {
    const char *name;    /* ours, without what is before it in a layer and ".weight" (unless it has none) */
    /* likewise; with '*' for the layer's number in the names of a layer (where two of our layers are one in files
     * "*%" for half of it and '+' for the rest; "*@" for the first layer that uses the same shared block, and '#' for which of
     * all uses of such blocks it is), and a second one for the expert's
     * where each expert has tensors of its own. A '%' at the end: it has no ".weight" in files. Where files have them in one (arch's experts_stacked) these
     * are gate_up_proj and down_proj beside them. */
    const char *hf_name;
    ts_name_part part;
    bool transposed;
} ts_name_row;
/* Rows of layers that begin with "mtp." are of those that predict further tokens alone, which are then counted from 0 and
 * have no others. If they begin so, no key of config.json need tell of these layers. */
#define TS_NAMES_FURTHER "mtp.layers.*."


/* Adds what the table (a row without name at the end) says about the parameters that the
 * description has; rows of others are passed over. Rows of layers stand together and are gone
 * through layer by layer. A parameter that no row covers is a programmer's mistake. */
ts_status ts_name_table(ts_name_map *m, const ts_arch *a, const ts_name_row *rows) TS_NODISCARD;
/* The same of its vision tower alone, or (TS_NAMES_WORDS) of all but the tower. */
typedef enum ts_names_of { TS_NAMES_WORDS, TS_NAMES_TOWER } ts_names_of;
ts_status ts_name_table_of(ts_name_map *m, const ts_arch *a, ts_names_of of, const ts_name_row *rows) TS_NODISCARD;

/* A part of a tensor's name, and what stands there in other files. */
typedef struct ts_name_other {
    const char *ours, *theirs;
    bool stays; /* what is made of such files has it too (arch's other_names) */
} ts_name_other;

/* What config.json says is a table of rows too (model/families/config.h). A family has a base, whose
 * rows, names and prefix are its own unless it says otherwise. */
typedef struct ts_family ts_family;
struct ts_family {
    const char *model_type;      /* config.json's; NULL: a base alone, no family */
    const char *architecture;    /* "LlamaForCausalLM" */
    const ts_family *base;
    const char *prefix; /* "model.": begins the names of the base model; files saved from the base
                                    model alone lack it. NULL: the base's */
    const ts_name_row *names;         /* NULL: the base's */
    /* Where the names hang on the description, its table of them; `names` for what is the same in all. */
    const ts_name_row *(*names_of)(const ts_arch *a);
    const ts_name_other *others;      /* of names, a row without text behind them; NULL: the base's */
    const struct ts_config_row *rows; /* a row of kind TS_CONFIG_END behind them */
    bool read_only; /* transformers has no class: configs are not written */
    /* files may have layers that predict further tokens and that are not read: mtp.*, model.mtp_*, model.mtp.*, or
     * numbered behind the others */
    bool has_further;
    /* It sees pictures (model/families/vision.h): what it has beside the family of its words, whose rows and names are read;
     * rows and names here are none. NULL: it does not. */
    const struct ts_vision_family *vision;
};

/* ---- for family.c and families/config.c: the same of families that see pictures (families/vision.c) ---- */
ts_status ts_vision_read(const ts_family *f, const json_t *config, const char *file, ts_arch *a) TS_NODISCARD;
ts_status ts_vision_names(const ts_family *f, const ts_arch *a, ts_name_map *m) TS_NODISCARD;
/* Lasts as long as the description. */
const char *ts_vision_module(const ts_family *f, const ts_arch *a, const char *name);

/* Reads a config.json (of transformers 4 or 5) into *a, which ts_arch_init has prepared. Sizes are
 * checked for range here, the whole by ts_arch_check afterwards; messages name file and key. */
ts_status ts_family_read(const ts_family *f, const json_t *config, const char *file,
                         ts_arch *a) TS_NODISCARD;
/* Writes a config that ts_family_read and transformers understand. What the family cannot say is left
 * out: whether it fits is found by reading it back. */
ts_status ts_family_write(const ts_family *f, const ts_arch *a, json_t *config) TS_NODISCARD;
/* Where a model has a head of classes: says so in a config that speaks of words so far, as transformers'
 * ...ForSequenceClassification. */
ts_status ts_family_write_labels(const ts_family *f, const ts_arch *a, json_t *config) TS_NODISCARD;
/* False: what is always so in this family is otherwise in the description. */
bool ts_family_may_say(const ts_family *f, const ts_arch *a);
/* Own or inherited. */
const char *ts_family_prefix(const ts_family *f); /* NULL: none */
const ts_name_row *ts_family_name_rows(const ts_family *f);

/* Tensors and pieces of a described model, of a->other_names under the family's other names that stay. */
ts_status ts_family_names(const ts_family *f, const ts_arch *a, ts_name_map *m) TS_NODISCARD;
/* The i-th other name under which files may hold this tensor: first without the prefix, then as the family's
 * others say, with it and without. False: it has no more. */
enum { TS_FAMILY_NAME = 256 };
bool ts_family_alias(const ts_family *f, const char *hf_name, int i, char out[TS_FAMILY_NAME]);
/* The other name of this tensor that stays. False: it has none. */
bool ts_family_other_name(const ts_family *f, const char *hf_name, char out[TS_FAMILY_NAME]);
/* The family's name of one of our parameters that no layer has (of "output_layer": "lm_head"),
 * without ".weight"; a: of which description, where the names hang on it (NULL: they do not). */
const char *ts_family_module(const ts_family *f, const ts_arch *a, const char *name);
/* A tensor that files of the family may hold and that no parameter needs: buffers of masks and
 * frequencies, the output layer of a tied model. Tensors that are neither mapped nor ignored are a
 * mistake. */
bool ts_family_ignores(const ts_family *f, const ts_arch *a, const char *hf_name);
/* Whether files of the family may have a layer that predicts a further token behind a model like this one
 * (TS_NAMES_FURTHER), which no key of config.json has to tell. */
bool ts_family_may_predict(const ts_family *f, const ts_arch *a);
/* A tensor of a layer that predicts further tokens, of a family that does not read them. */
bool ts_family_further(const ts_family *f, const ts_arch *a, const char *hf_name);

/* All families, NULL at the end; Llama first. */
extern const ts_family *const ts_families[];

/* The family of a config (by model_type, else architectures[0]); an unknown one is TS_ERR_USER that
 * names it and lists what is known. */
ts_status ts_family_of(const json_t *config, const char *file, const ts_family **out) TS_NODISCARD;
const ts_family *ts_family_named(const char *model_type); /* or NULL */
/* The config.json of a folder, or what the keys of a GGUF file say as one (json_decref); an object. *file: where it
 * stands, for messages. */
ts_status ts_family_config(const char *folder, ts_str *file, json_t **out) TS_NODISCARD;
/* Reads it: family, description (checked), and the config itself (json_decref). */
ts_status ts_family_read_folder(const char *folder, const ts_family **family, ts_arch *arch,
                                json_t **config) TS_NODISCARD;
/* The family that the description came from (arch's `family`), else the first of ts_families that
 * can say it exactly: for models that were described by options. TS_ERR_USER when none can, with the
 * nearest class and what it has otherwise. */
ts_status ts_family_describe(const ts_arch *a, const ts_family **family,
                             json_t **config) TS_NODISCARD;

/* A family that computes the same as a description, exactly or after changes that do not count:
 * norm weights counted from 0 or from 1 (they are stored with the difference added), biases and
 * position embeddings that the description lacks (they are stored as zeros). */
typedef struct ts_family_fit {
    const ts_family *family;
    ts_arch arch; /* what the config says */
    json_t *config;
} ts_family_fit;
/* The fewest changes win; TS_ERR_USER as ts_family_describe. */
ts_status ts_family_fit_init(ts_family_fit *f, const ts_arch *a) TS_NODISCARD;
void ts_family_fit_deinit(ts_family_fit *f);
#endif
