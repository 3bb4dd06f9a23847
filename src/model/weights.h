/* Weights between Hugging Face folders and a decoder. */
#ifndef TS_MODEL_WEIGHTS_H
#define TS_MODEL_WEIGHTS_H
#include "io/safetensors.h"
#include "model/decoder.h"
#include "model/family.h"

/* A model that came from a folder or from options. */
typedef struct ts_model {
    const ts_family *family;
    json_t *config;          /* as read; NULL: described by options */
    char *folder;            /* where it came from, or NULL */
    ts_st_dtype file_dtype;  /* of its matrices in files */
    ts_decoder *decoder;
} ts_model;
void ts_model_deinit(ts_model *m);

/* What the matrices of a folder are stored in (the type that most bytes have). */
ts_st_dtype ts_weights_dtype(const ts_st_dir *dir);

/* Whether a model that config.json calls tied is so in the files, decided as transformers 5 does:
 * where they hold an embedding and an output layer of different values, both count: a->tied and
 * config's tie_word_embeddings become false, with a warning. */
ts_status ts_weights_settle_tie(const ts_family *family, const ts_st_dir *dir, const char *folder,
                                ts_arch *a, json_t *config) TS_NODISCARD;
/* A tensor of the model under its name, the name in files of the base model alone, or, for the
 * embedding of a tied model, the output layer's; NULL: not there. */
const ts_st_tensor *ts_weights_find(const ts_family *family, const ts_arch *a, const ts_st_dir *dir,
                                    const char *name);

/* Reads all values of an allocated decoder from the folder's files, slice by slice. Missing tensors
 * and shapes that do not fit are TS_ERR_USER with names and both shapes; tensors that the family
 * does not use are reported once in the log. */
ts_status ts_weights_load(ts_decoder *d, const ts_family *family, const ts_st_dir *dir,
                          const char *folder) TS_NODISCARD;

typedef struct ts_weights_save_options {
    ts_st_dtype dtype;       /* F32, BF16 or F16 */
    size_t max_shard_bytes;  /* 0: 5 GB, as transformers */
} ts_weights_save_options;
/* Whether `folder` may be written by ts_weights_save: it is not there, or holds nothing but the
 * files of a model. Anything else in it would be lost, so it is TS_ERR_USER that names what was
 * found. */
ts_status ts_weights_may_save(const char *folder) TS_NODISCARD;

/* Writes a complete Hugging Face folder: config.json (the one read, with the new type; or the
 * family's own), generation_config.json, weights, and the tokenizer's and other small files of the
 * folder that the model came from. Written to the side and renamed: `folder` is replaced when it is
 * complete. */
ts_status ts_weights_save(const ts_model *m, const char *folder,
                          const ts_weights_save_options *o) TS_NODISCARD;
#endif
