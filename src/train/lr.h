/* The learning rate as a pure function of how many samples were trained on (Megatron's
 * OptimizerParamScheduler): nothing to store, nothing to drift on resume. */
#ifndef TS_TRAIN_LR_H
#define TS_TRAIN_LR_H
#include "train/options.h"

typedef struct ts_lr_schedule {
    double init, max, min;
    double warmup; /* samples; a share of the decay is no whole number of them */
    int64_t decay, wsd_decay; /* samples */
    ts_lr_decay style;
    ts_wsd_decay wsd_style;
} ts_lr_schedule;

/* From the options; global batch in samples, of its full size also where it grows. A warm-up that
 * is as long as the run or longer leaves nothing of the decay. */
ts_status ts_lr_schedule_init(ts_lr_schedule *s, const ts_train_options *o,
                              int64_t global_batch) TS_NODISCARD;
/* The same with the rates of --decoupled-lr. */
void ts_lr_schedule_decoupled(ts_lr_schedule *s, const ts_train_options *o);
/* The rate after `samples` samples: with 0, the rate of the first step. */
double ts_lr_at(const ts_lr_schedule *s, int64_t samples);
#endif
