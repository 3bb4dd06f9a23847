/* What `posttrain` asks beside the options of pretraining: what is trained for, and on which samples. */
#ifndef TS_TRAIN_TUNING_OPTIONS_H
#define TS_TRAIN_TUNING_OPTIONS_H
#include "base/option.h"
#include "data/tuning_source.h"

#define TS_STAGES(W)                                                                               \
    W(TS_STAGE_PRETRAIN, "pt")                                                                     \
    W(TS_STAGE_CLASSES, "cls")                                                                     \
    W(TS_STAGE_REGRESSION, "reg")                                                                  \
    W(TS_STAGE_EMBED, "embed")                                                                     \
    W(TS_STAGE_RERANK, "rerank")                                                                   \
    W(TS_STAGE_SFT, "sft")                                                                         \
    W(TS_STAGE_DPO, "dpo")                                                                         \
    W(TS_STAGE_SIMPO, "simpo")                                                                     \
    W(TS_STAGE_ORPO, "orpo")                                                                       \
    W(TS_STAGE_KTO, "kto")                                                                         \
    W(TS_STAGE_REWARD, "rm,orm")                                                                   \
    W(TS_STAGE_PROCESS, "prm")
typedef enum ts_stage { TS_STAGES(TS_CHOICE_VALUE) } ts_stage;

#define TS_PADDING_SIDES(W)                                                                        \
    W(TS_PADDING_RIGHT, "right")                                                                   \
    W(TS_PADDING_LEFT, "left")
typedef enum ts_padding_side { TS_PADDING_SIDES(TS_CHOICE_VALUE) } ts_padding_side;

typedef struct ts_tuning_options {
    int stage;        /* TS_STAGE_* */
    int padding_side; /* TS_PADDING_* */
    bool instruction, pairwise;
    bool shuffles, padded_samples, full_shuffle;
    bool pads, cuts;
    bool neat_pack, per_token_loss;
    int64_t multiple, piece;
    double noise_alpha; /* NEFTune's */
} ts_tuning_options;
extern const ts_option ts_tuning_option_rows[];
extern const size_t ts_tuning_option_count;
/* For a command that trains on text alone: the same names, refused or without effect. */
extern const ts_option ts_tuning_later_rows[];
extern const size_t ts_tuning_later_count;
#define TS_SUBJECT_TUNING                                                                          \
    "tuning on answers and preferences, which is `tessera posttrain`; this command trains on the tokens of --data-path"

static inline bool ts_tuning_on(const ts_tuning_options *o) { return o->stage != TS_STAGE_PRETRAIN; }
/* Options that contradict each other or need another, and stages that there are not, are TS_ERR_USER. */
ts_status ts_tuning_options_check(const ts_tuning_options *o, const ts_option_set *set) TS_NODISCARD;
/* Warns of those that have no effect beside the others. */
void ts_tuning_options_warn(const ts_tuning_options *o, const ts_option_set *set);
/* Of what the lengths of micro-batches are multiples, where they are those of their longest samples (also with `varies`,
 * --variable-seq-lengths): what is asked for, and `each`. 0: they are all --seq-length. */
int64_t ts_tuning_multiple(const ts_tuning_options *o, bool varies, int64_t each);
/* How its samples become rows; `global` samples are a global batch. */
ts_tuning_data ts_tuning_options_data(const ts_tuning_options *o, int64_t global);
#endif
