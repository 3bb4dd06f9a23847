/* Stages that tell something of whole texts: the options of their heads, losses and vectors. */
#ifndef TS_TRAIN_HEAD_OPTIONS_H
#define TS_TRAIN_HEAD_OPTIONS_H
#include "model/arch.h"
#include "train/objective/pooled.h"
#include "train/tuning_options.h"

#define TS_RANK_LOSSES(W)                                                                          \
    W(TS_RANK_POINTWISE, "pointwise")                                                              \
    W(TS_RANK_LISTWISE, "listwise")                                                                \
    W(TS_RANK_PAIRWISE, "pairwise")
typedef enum ts_rank_loss { TS_RANK_LOSSES(TS_CHOICE_VALUE) } ts_rank_loss;

typedef struct ts_head_options {
    int64_t labels; /* 0: as many as the stage has of itself */
    int problem, rank_loss, pooling; /* TS_PROBLEM_*, TS_RANK_*, TS_POOL_* */
    int64_t negatives;
    double temperature;
    bool unit, gathers;
    ts_option_list dims; /* lengths of vectors that are trained for as well */
} ts_head_options;
extern const ts_option ts_head_option_rows[];
extern const size_t ts_head_option_count;
/* For a command that trains on text alone: those names that scripts give, refused. */
extern const ts_option ts_head_later_rows[];
extern const size_t ts_head_later_count;

/* A stage that tells something of whole texts. */
static inline bool ts_head_on(int stage) { return stage > TS_STAGE_PRETRAIN && stage < TS_STAGE_SFT; }
/* Options that contradict each other or the stage: TS_ERR_USER. */
ts_status ts_head_options_check(const ts_head_options *o, int stage, const ts_option_set *set) TS_NODISCARD;
void ts_head_options_warn(int stage, const ts_option_set *set);

/* The head that the stage's model has: its labels (0: none) and what they tell. */
int64_t ts_head_labels(const ts_head_options *o, int stage);
ts_problem ts_head_problem(const ts_head_options *o, int stage);
/* Texts of a sample, and what is told of them. */
ts_texts ts_head_texts(const ts_head_options *o, int stage);
/* dims: those of the options, which were parsed (ts_head_dims); kept while the rules are. */
ts_pooled_rules ts_head_rules(const ts_head_options *o, int stage, bool pads_left);
/* Lengths of vectors that are trained for, *out [*n] (ts_free): `hidden` and those of the options, which must be below. */
ts_status ts_head_dims(const ts_head_options *o, int64_t hidden, int64_t **out, int64_t *n) TS_NODISCARD;
#endif
