/* Stages that compare answers: the options of their losses, and of what they compare with. */
#ifndef TS_TRAIN_PREFER_OPTIONS_H
#define TS_TRAIN_PREFER_OPTIONS_H
#include "model/open.h"
#include "train/objective/prefer.h"
#include "train/tuning_options.h"

#define TS_PREFER_LOSSES(W)                                                                        \
    W(TS_PREFER_LOSS_SIGMOID, "sigmoid")                                                           \
    W(TS_PREFER_LOSS_HINGE, "hinge")                                                               \
    W(TS_PREFER_LOSS_IPO, "ipo")
typedef enum ts_prefer_loss { TS_PREFER_LOSSES(TS_CHOICE_VALUE) } ts_prefer_loss;

typedef struct ts_prefer_options {
    int dpo_loss, simpo_loss; /* TS_PREFER_LOSS_* */
    double dpo_beta, dpo_smoothing, ftx;
    double simpo_beta, simpo_smoothing, gamma;
    double orpo_beta, kto_beta, desirable, undesirable;
    const char *reference;
    int64_t reference_step; /* -1: the newest */
    bool reference_free, precompute;
    bool no_final_norm, loosely;
} ts_prefer_options;
extern const ts_option ts_prefer_option_rows[];
extern const size_t ts_prefer_option_count;
/* For a command that trains on text alone: those names that scripts give, refused. */
extern const ts_option ts_prefer_later_rows[];
extern const size_t ts_prefer_later_count;

/* A stage that compares answers, or scores them. */
static inline bool ts_prefer_on(int stage) { return stage > TS_STAGE_SFT && stage != TS_STAGE_PROCESS; }
/* Options that contradict each other or the stage: TS_ERR_USER. */
ts_status ts_prefer_options_check(const ts_prefer_options *o, int stage, const ts_option_set *set) TS_NODISCARD;
void ts_prefer_options_warn(int stage, const ts_option_set *set);
ts_prefer_rules ts_prefer_options_rules(const ts_prefer_options *o, int stage, bool pads_left);
#endif
