/* A model's weights from one form into another, tensor by tensor: memory stays at the largest tensor.
 *
 * Two small tables know the forms. A reader tells its form by content and opens it as a
 * ts_convert_model: values under Megatron core's names (model/family.h) and, for a Hugging Face
 * folder or a GGUF file, its tensors as they are. A writer makes its form of that. */
#ifndef TS_CONVERT_CONVERT_H
#define TS_CONVERT_CONVERT_H
#include "base/option.h"
#include "model/adapters.h"
#include "model/new_rows.h"
#include "model/param_values.h"
#include "tessera/convert.h"

#define TS_CONVERT_LOADS(W)                                                                        \
    W(TS_CONVERT_LOAD_AUTO, "auto") /* told by content */                                          \
    W(TS_CONVERT_LOAD_TESSERA, "tessera")                                                          \
    W(TS_CONVERT_LOAD_HF, "hf")                                                                    \
    W(TS_CONVERT_LOAD_GGUF, "gguf")                                                                \
    W(TS_CONVERT_LOAD_MG, "mg")                                                                    \
    W(TS_CONVERT_LOAD_TORCH_DIST, "torch_dist")                                                    \
    W(TS_CONVERT_LOAD_PT, "pt")
typedef enum ts_convert_load {
    TS_CONVERT_LOADS(TS_CHOICE_VALUE) TS_CONVERT_LOAD_KINDS
} ts_convert_load;

#define TS_CONVERT_SAVES(W) W(TS_CONVERT_SAVE_HF, "hf") W(TS_CONVERT_SAVE_GGUF, "gguf") W(TS_CONVERT_SAVE_MG, "mg")
typedef enum ts_convert_save { TS_CONVERT_SAVES(TS_CHOICE_VALUE) } ts_convert_save;

#define TS_CONVERT_SCHEDULES(W) W(TS_CONVERT_STRAIGHT, "none") W(TS_CONVERT_DUALPIPEV, "dualpipev")
typedef enum ts_convert_schedule { TS_CONVERT_SCHEDULES(TS_CHOICE_VALUE) } ts_convert_schedule;
#define TS_CONVERT_IMPLS(W) W(TS_CONVERT_IMPL_LOCAL, "local") W(TS_CONVERT_IMPL_TE, "transformer_engine")
typedef enum ts_convert_impl { TS_CONVERT_IMPLS(TS_CHOICE_VALUE) } ts_convert_impl;

/* How checkpoints of Megatron are to be cut (model/megatron/layout.h). */
typedef struct ts_convert_cut {
    int64_t tp, pp, ep, expert_tp; /* expert_tp 0: as tp */
    int64_t chunk_layers, vocab_by, mtp_layers;
    ts_option_list stage_layers, noop_layers;
    bool grouped, tp_extends_ep, mla_split;
    int schedule, impl; /* TS_CONVERT_DUALPIPEV, ...; TS_CONVERT_IMPL_* */
} ts_convert_cut;

/* Types of GGUF files: llama.cpp's words (convert/gguf_types.c). */
#define TS_GGUF_TYPES(W)                                                                           \
    W(TS_GGUF_TYPE_AUTO, "auto")                                                                   \
    W(TS_GGUF_TYPE_F32, "f32")                                                                     \
    W(TS_GGUF_TYPE_F16, "f16")                                                                     \
    W(TS_GGUF_TYPE_BF16, "bf16")                                                                   \
    W(TS_GGUF_TYPE_Q8_0, "q8_0,Q8_0")                                                              \
    W(TS_GGUF_TYPE_Q4_0, "q4_0,Q4_0")                                                              \
    W(TS_GGUF_TYPE_Q4_1, "q4_1,Q4_1")                                                              \
    W(TS_GGUF_TYPE_Q5_0, "q5_0,Q5_0")                                                              \
    W(TS_GGUF_TYPE_Q5_1, "q5_1,Q5_1")                                                              \
    W(TS_GGUF_TYPE_Q2_K, "q2_k,Q2_K")                                                              \
    W(TS_GGUF_TYPE_Q2_K_S, "q2_k_s,Q2_K_S")                                                        \
    W(TS_GGUF_TYPE_Q3_K_S, "q3_k_s,Q3_K_S")                                                        \
    W(TS_GGUF_TYPE_Q3_K_M, "q3_k_m,Q3_K_M,q3_k,Q3_K")                                              \
    W(TS_GGUF_TYPE_Q3_K_L, "q3_k_l,Q3_K_L")                                                        \
    W(TS_GGUF_TYPE_Q4_K_S, "q4_k_s,Q4_K_S")                                                        \
    W(TS_GGUF_TYPE_Q4_K_M, "q4_k_m,Q4_K_M,q4_k,Q4_K")                                              \
    W(TS_GGUF_TYPE_Q5_K_S, "q5_k_s,Q5_K_S")                                                        \
    W(TS_GGUF_TYPE_Q5_K_M, "q5_k_m,Q5_K_M,q5_k,Q5_K")                                              \
    W(TS_GGUF_TYPE_Q6_K, "q6_k,Q6_K")
typedef enum ts_gguf_type_word { TS_GGUF_TYPES(TS_CHOICE_VALUE) } ts_gguf_type_word;

/* How several adapters become one, with w the weight of each and s what it multiplies with:
 *   cat     A = [w s A, ...], B = [B, ...]: the sum exactly, of all their ranks together
 *   linear  A = sum of sign(w s) sqrt|w s| A, B = sum of sqrt|w s| B: of their common rank
 *   svd     the nearest of the largest rank to the sum */
#define TS_LORA_COMBINATIONS(W) W(TS_LORA_CAT, "cat") W(TS_LORA_LINEAR, "linear") W(TS_LORA_SVD, "svd")
typedef enum ts_lora_combination { TS_LORA_COMBINATIONS(TS_CHOICE_VALUE) } ts_lora_combination;

typedef struct ts_convert_options {
    const char *load_dir, *save_dir, *model_type_hf, *max_shard_size, *hf_cfg_dir;
    int load_type, save_type; /* TS_CONVERT_LOAD_*, TS_CONVERT_SAVE_* */
    int dtype;                /* TS_SAVE_HF_* */
    const char *outfile;      /* a GGUF file to be made */
    int outtype;              /* TS_GGUF_TYPE_* */
    int64_t step, threads;
    bool nf4, unpacked; /* --qlora-nf4, --qlora-save-dequantize */
    bool check, json;
    ts_lora_options lora; /* an adapter to be merged */
    bool adapter_alone;   /* or to be written as it is */
    ts_option_list lora_merge, lora_weights; /* adapters that are made one, in place of a model */
    int lora_combination;                    /* TS_LORA_* */
    ts_convert_cut cut;
    ts_text_options text;     /* tokens that the tokenizer gets; no others */
    ts_new_rows_options rows; /* and rows for them, of this seed */
    int64_t seed;
} ts_convert_options;
extern const ts_option ts_convert_rows[];
extern const size_t ts_convert_count_rows;
/* Warns of a cut for several processes where none is made. */
void ts_convert_warn(const ts_convert_options *o, const ts_option_set *set);

typedef struct ts_convert_model ts_convert_model;

typedef struct ts_convert_reader {
    const char *name; /* --load-model-type */
    bool (*is)(const char *path);
    /* Fills m; what it made is freed by close, also after a failure. */
    ts_status (*open)(const ts_convert_options *o, ts_convert_model *m);
    void (*close)(ts_convert_model *m);
} ts_convert_reader;

struct ts_convert_model {
    const ts_convert_reader *reader;
    const char *path;
    int64_t iteration;        /* -1: none */
    ts_weights_source source; /* arch NULL: of a family that is not known here */
    ts_st_dtype dtype;        /* of the matrices in files */
    const ts_st_dir *tensors; /* under Hugging Face's names; NULL: it is no such folder */
    const json_t *config;     /* likewise */
    const json_t *told;       /* the adapter that a checkpoint has; NULL: none */
    ts_adapters *adapters;    /* what is merged; NULL: nothing */
    void *own;
};

typedef struct ts_convert_writer {
    const char *name; /* --save-model-type */
    ts_status (*check)(const ts_convert_options *o); /* where it goes: before anything is read */
    /* Fills what r has of tensors, bytes and architecture. */
    ts_status (*write)(const ts_convert_options *o, ts_convert_model *m,
                       ts_convert_result *r);
} ts_convert_writer;

extern const ts_convert_reader ts_convert_checkpoint, ts_convert_hf, ts_convert_gguf, ts_convert_mg, ts_convert_torch_dist,
    ts_convert_pt;
extern const ts_convert_writer ts_convert_hf_writer, ts_convert_gguf_writer, ts_convert_mg_writer;

/* Everything is checked before anything is written; nothing is left under --save-dir when it fails.
 * With --check the result's logits are compared: more than rounding is TS_ERR_RUN. */
ts_status ts_convert_run(const ts_convert_options *o, ts_convert_result *r) TS_NODISCARD;

/* --lora-merge, by folders alone: as PEFT's add_weighted_adapter. TS_ERR_USER: an adapter that is no sum of A and B, ranks or
 * sizes that do not fit. */
ts_status ts_convert_blend_lora(const ts_convert_options *o, ts_convert_result *r) TS_NODISCARD;

/* For readers and writers: the type that is asked for, or this one; bytes of a shard (0: the
 * default); progress on the log. */
static inline ts_st_dtype ts_convert_dtype(const ts_convert_options *o, ts_st_dtype as_is)
{
    return ts_save_hf_dtype_of((ts_save_hf_dtype)o->dtype, as_is);
}
/* Whether --save-dir can be made: for writers of folders. */
ts_status ts_convert_check_folder(const ts_convert_options *o) TS_NODISCARD;
/* What is read. */
static inline const char *ts_convert_from(const ts_convert_options *o) { return o->lora_merge.n ? o->lora_merge.v[0] : o->load_dir; }
/* What is made. */
static inline const char *ts_convert_to(const ts_convert_options *o) { return o->outfile ? o->outfile : o->save_dir; }
ts_status ts_convert_shard_bytes(const ts_convert_options *o, size_t *out) TS_NODISCARD;
void ts_convert_progress(size_t done, size_t all);
/* The type of a GGUF file's matrices, where it is a plain one; asserted. */
ts_st_dtype ts_convert_gguf_dtype(const ts_convert_options *o, const ts_convert_model *m);
/* The largest difference of logits between what was read and what was written. */
ts_status ts_convert_compare(const ts_convert_options *o, const ts_convert_model *m,
                             ts_convert_result *r) TS_NODISCARD;
#endif
