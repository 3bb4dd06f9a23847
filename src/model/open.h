/* Models made or opened for use: random values of a description, a Hugging Face folder, a checkpoint.
 * Whoever needs a model from a path gets it here. */
#ifndef TS_MODEL_OPEN_H
#define TS_MODEL_OPEN_H
#include "base/option.h"
#include "ckpt/checkpoint.h"
#include "model/lora_options.h"
#include "model/narrow.h"
#include "model/weights.h"

/* How the values are to be held. */
typedef struct ts_model_use {
    ts_device *dev;
    ts_dtype compute; /* of activations */
    /* masters of this type (0: fp32) with gradients; else values as in the files (fp32 when
     * computing so) */
    bool training;
    ts_dtype master;
    int64_t mtp_layers; /* training: of a folder's layers that predict further tokens so many; else there are none */
    bool no_grads;  /* with training: the same values, to be evaluated alone */
    bool inference; /* without training: one form of each weight, in few bits where `quant` */
    ts_quant quant;
    bool int8, int8_head;  /* see ts_decoder_use_int8 */
    const ts_narrow_options *narrow; /* training; NULL: products are as they are */
    ts_comm *rows; /* that share out sequences, for these; or NULL */
    ts_option_list freeze; /* training: see ts_decoder_freeze */
    bool steps_whole;      /* training: see ts_param_set_step_whole, with these words */
    ts_option_list whole_words;
    bool keeps_tops;       /* training: see ts_param_set_keep_tops */
    ts_tensor_group group; /* that shares out the layers' matrices; comm NULL: none */
    /* What of the model is here, of a pipeline's stage. NULL: all of it. */
    ts_status (*stage_of)(void *ctx, const ts_arch *a, ts_decoder_stage *out);
    void *stage_ctx;
    /* A head of rewards stands in place of the output layer (ts_arch.reward), with or without the final norm before it.
     * loosely: where files have none it begins with random values, of `seed`; else it must be there. */
    bool reward, no_final_norm, loosely;
    bool parts_masters; /* with training: masters in halves (tensor/param.h) */
    const ts_lora_options *lora; /* adapters beside the weights; NULL: none */
    const ts_option_set *set;    /* of its options, to compare; may be NULL */
    uint64_t seed;               /* of those that begin, and of a head that does */
    int64_t labels; /* a head of so many labels, of this kind, takes the output layer's place; 0: as the model has it */
    ts_problem problem;
    bool vectors; /* training: its last layer's vectors are compared, so that the output layer stays as it is */
    ts_shard_options shards; /* with training: what processes that train the same share out */
} ts_model_use;
/* Makes m's decoder of a description, with memory for values; `value`: their type, unless for
 * inference. */
ts_status ts_model_use_decoder(const ts_arch *a, const ts_model_use *use, ts_dtype value,
                               ts_model *m) TS_NODISCARD;
/* A model that is to have a head of rewards comes from one that has it (is_there), or from an adapter, or may begin with
 * random values: TS_ERR_USER names `from`. */
ts_status ts_model_begin_reward(ts_model *m, const ts_model_use *use, bool is_there, const char *from) TS_NODISCARD;
/* Whether there is a config.json in the folder, or a GGUF file of that name, which is read as such a folder is. */
bool ts_model_is_hf(const char *folder);
/* Reads a Hugging Face folder or a GGUF file: description, weights. */
ts_status ts_model_load(const char *folder, const ts_model_use *use, ts_model *out) TS_NODISCARD;
/* Makes a described model with random values; takes the arch over (it is copied). */
ts_status ts_model_make(const ts_arch *a, const ts_model_use *use, uint64_t seed,
                        ts_model *out) TS_NODISCARD;

/* The model that a checkpoint describes, with its weights. */
ts_status ts_model_from_checkpoint(const ts_checkpoint *ck, const ts_model_use *use,
                                   ts_model *out) TS_NODISCARD;
/* --load of any kind: a Hugging Face folder, a GGUF file or checkpoints. For commands that only read. */
ts_status ts_model_open(const char *folder, int64_t step, const ts_model_use *use,
                        ts_model *out) TS_NODISCARD;
/* Why a model that was opened so gives no numbers: *why tells of its first tensor with a value that
 * is not finite, in the order of the model, or is "" when all are finite. */
ts_status ts_model_not_finite(const ts_model *m, const char *folder, int64_t step,
                              ts_str *why) TS_NODISCARD;
/* The description alone; family and config stay NULL where only our own words describe the model. */
ts_status ts_checkpoint_describe(const ts_checkpoint *ck, const ts_family **family, ts_arch *a,
                                 json_t **config) TS_NODISCARD;
/* Where the files beside a checkpoint's weights are: its own folder (which holds
 * generation_config.json at least), or the folder that an older checkpoint names. */
ts_status ts_checkpoint_folder(const ts_checkpoint *ck, char **out) TS_NODISCARD;
#endif
