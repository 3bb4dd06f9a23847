/* Weights between Hugging Face folders and a decoder. */
#ifndef TS_MODEL_WEIGHTS_H
#define TS_MODEL_WEIGHTS_H
#include "base/choice.h"
#include "io/safetensors.h"
#include "io/side_files.h"
#include "model/decoder.h"
#include "model/family.h"

/* A model that came from a folder or from options. */
struct ts_adapters;
typedef struct ts_model {
    const ts_family *family;
    json_t *config;          /* as read; NULL: described by options */
    char *folder;            /* where it came from, or NULL */
    int64_t rows_grown;      /* how many rows its vocabulary had in files, where it has got more; else 0 */
    char *tokens_folder;     /* an adapter's, whose tokenizer is the model's; or NULL: folder's */
    char *nf4_base;          /* the Hugging Face folder that its weights in NF4 are of, which no checkpoint holds, or NULL */
    ts_st_dir *mapped;       /* that folder, where a table stays in it; or NULL */
    ts_st_dtype file_dtype;  /* of its matrices in files */
    ts_decoder *decoder;
    struct ts_adapters *adapters; /* which stand beside its weights (model/adapters.h); NULL: none */
    /* what is saved beside the weights: in checkpoints, and in Hugging Face folders; and how a
     * checkpoint's files make the tokenizer (train/model_files.h). Empty where nothing is saved. */
    ts_side_files files, hf_files;
    json_t *tokenizer;
} ts_model;
void ts_model_deinit(ts_model *m);

/* What the matrices of a folder are stored in (the type that most bytes have). */
ts_st_dtype ts_weights_dtype(const ts_st_dir *dir);

/* The type of the weights in a folder to be made, as options choose it. */
#define TS_SAVE_HF_DTYPES(W)                                                                       \
    W(TS_SAVE_HF_AUTO, "auto") /* as they are */                                                   \
    W(TS_SAVE_HF_F32, TS_WORDS_FP32)                                                               \
    W(TS_SAVE_HF_BF16, TS_WORDS_BF16)                                                              \
    W(TS_SAVE_HF_F16, TS_WORDS_FP16)
typedef enum ts_save_hf_dtype { TS_SAVE_HF_DTYPES(TS_CHOICE_VALUE) } ts_save_hf_dtype;
ts_st_dtype ts_save_hf_dtype_of(ts_save_hf_dtype choice, ts_st_dtype as_is);

/* Whether a model that config.json calls tied is so in the files, decided as transformers 5 does:
 * where they hold an embedding and an output layer of different values, both count: a->tied and
 * config's tie_word_embeddings become false, with a warning. */
ts_status ts_weights_settle_tie(const ts_family *family, const ts_st_dir *dir, const char *folder,
                                ts_arch *a, json_t *config) TS_NODISCARD;
/* Notes in a->experts_stacked whether the files have all experts of a layer in one tensor. */
void ts_weights_settle_experts(const ts_st_dir *dir, ts_arch *a);
/* And in a->other_names whether they have tensors under names that stay (ts_family_other_name). */
ts_status ts_weights_settle_names(const ts_family *family, const ts_st_dir *dir, ts_arch *a) TS_NODISCARD;
/* Layers that predict further tokens, which a->mtp_layers has of config.json: those of them that the files hold. */
ts_status ts_weights_settle_mtp(const ts_family *family, const ts_st_dir *dir, ts_arch *a) TS_NODISCARD;
/* The same of the model that is made: `wanted` of them. More than there are is TS_ERR_USER; config says what there is
 * from now on. */
ts_status ts_weights_want_mtp(const char *folder, int64_t wanted, ts_arch *a, json_t *config) TS_NODISCARD;
/* A tensor of the model under its name, the name in files of the base model alone, or, for the
 * embedding of a tied model, the output layer's; NULL: not there. */
const ts_st_tensor *ts_weights_find(const ts_family *family, const ts_arch *a, const ts_st_dir *dir,
                                    const char *name);

/* The folder's embedding as a table that may stay in the file: its values stand there as they are; or NULL. */
const ts_st_tensor *ts_weights_table(const ts_family *family, const ts_arch *a, const ts_st_dir *dir);
/* Where such a table's values are, once d is allocated. */
void ts_weights_map(ts_decoder *d, const ts_family *family, const ts_st_dir *dir);

/* The first value of a tensor that is not finite: its place, or -1. */
ts_status ts_weights_not_finite(const ts_st_tensor *t, int64_t *at) TS_NODISCARD;

/* n rows of a parameter's whole, from its row `first` on (of a stack of all matrices): those that are here, and what is
 * here of them; values are overwritten. */
/* Rows whose groups of columns the file has in turns, for the groups side by side (ts_name_tensor); with cols / groups in the
 * place of groups the other way. */
ts_status ts_weights_regroup(float *rows, int64_t n, int64_t cols, int64_t groups) TS_NODISCARD;
ts_status ts_weights_put_rows(ts_param *p, int64_t first, int64_t n, float *values) TS_NODISCARD;
/* A tensor of the family's map (t: as it is in files) to the parameters that it is rows of, where they are here. */
ts_status ts_weights_put_tensor(ts_decoder *d, const ts_name_map *map, const ts_name_tensor *tensor,
                                const ts_st_tensor *t) TS_NODISCARD;
/* TS_ERR_USER where a tensor has another shape than wanted; who says so, for the message. */
ts_status ts_weights_check_shape(const ts_st_tensor *t, const ts_name_tensor *want, const char *who_says) TS_NODISCARD;

/* Reads all values of an allocated decoder from the folder's files, slice by slice. Missing tensors
 * and shapes that do not fit are TS_ERR_USER with names and both shapes; tensors that the family
 * does not use are reported once in the log, and layers that predict further tokens (mtp_layers: those
 * in the files) which the decoder does without in a line of their own. */
ts_status ts_weights_load(ts_decoder *d, const ts_family *family, const ts_st_dir *dir,
                          const char *folder, int64_t mtp_layers) TS_NODISCARD;

typedef struct ts_weights_save_options {
    ts_st_dtype dtype;       /* F32, BF16 or F16 */
    size_t max_shard_bytes;  /* 0: 5 GB, as transformers */
    bool keeps_types;        /* each tensor has its source's type, where that is told */
} ts_weights_save_options;
/* Whether `folder` may be written by ts_weights_save: it is not there, or holds nothing but the
 * files of a model. Anything else in it would be lost, so it is TS_ERR_USER that names what was
 * found, and `option`: where the folder's name came from. */
ts_status ts_weights_may_save(const char *folder, const char *option) TS_NODISCARD;

/* Where the values of a described model come from. */
typedef struct ts_weights_source {
    const ts_arch *arch;
    const ts_family *family;    /* NULL: one is found for arch */
    const json_t *config;       /* as read, with `family` */
    const ts_side_files *files; /* beside the weights; without generation_config.json one is made */
    /* Elements [at, at + n) of the parameter (its name in the model) as fp32. */
    ts_status (*read)(void *ctx, const char *param, int64_t at, int64_t n, float *to);
    void *ctx;
    /* may be NULL: the type that a parameter has in its files, which tensors keep where the type of all is not asked for */
    ts_st_dtype (*dtype)(const void *dtype_ctx, const char *param);
    const void *dtype_ctx;
    /* may be NULL: what `read` reads of, where it stands in tensors of files, whose bytes are taken as they are where that gives
     * the same (model/param_values.h); and told that one of these is not needed any more */
    const struct ts_param_values *values;
    void (*is_done)(void *done_ctx, const ts_st_tensor *t);
    void *done_ctx;
    /* may be NULL: told of each tensor that is written */
    void (*progress)(void *ctx, size_t done, size_t all);
} ts_weights_source;
ts_weights_source ts_model_source(ts_model *m);

/* Whether the model can be written as a Hugging Face folder at all: all that ts_weights_write does
 * before it takes values. TS_ERR_USER that says what no class can express. */
ts_status ts_weights_check(const ts_weights_source *s) TS_NODISCARD;
/* Writes a complete Hugging Face folder: config.json (the one read, with the new type; or a
 * family's own), generation_config.json, weights, and the files beside them. Values pass through a
 * buffer of a few MiB (a transposed tensor: its size). Written to the side and renamed: `folder` is
 * replaced when it is complete. */
ts_status ts_weights_write(const ts_weights_source *s, const char *folder, const char *option,
                           const ts_weights_save_options *o) TS_NODISCARD;
/* The same of a model in memory. */
ts_status ts_weights_save(ts_model *m, const char *folder,
                          const ts_weights_save_options *o) TS_NODISCARD;

/* The pieces that a folder is made of, for writers of other sources: its config with the type of its
 * weights; the making of a folder to the side. */
ts_status ts_weights_save_config(const json_t *config, const char *folder,
                                 ts_st_dtype dtype) TS_NODISCARD;
ts_status ts_weights_publish(const char *folder, const char *option,
                             ts_status (*make)(void *ctx, const char *folder),
                             void *ctx) TS_NODISCARD;
/* generation_config.json's text from the description's ids of special tokens. */
ts_status ts_weights_generation_config(const ts_arch *a, ts_str *out) TS_NODISCARD;
#endif
