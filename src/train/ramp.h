/* How large the global batch is: constant, or growing with the samples consumed
 * (--rampup-batch-size, Megatron's rule). A pure function of the samples: nothing to store, nothing
 * to drift on resume. */
#ifndef TS_TRAIN_RAMP_H
#define TS_TRAIN_RAMP_H
#include "train/options.h"

/* While at most `samples` are consumed the batch is start + increment x the number of whole steps,
 * of which samples / ((full - start) / increment) make one; `full` afterwards. */
typedef struct ts_batch_ramp {
    int64_t full, start, increment;
    int64_t samples; /* 0: the batch is full from the first step on */
} ts_batch_ramp;

/* From the options, for dp processes. Words that are no numbers, sizes that micro-batches and
 * processes do not divide, and lengths in iterations (which have no fixed number of samples here)
 * are TS_ERR_USER. */
ts_status ts_batch_ramp_init(ts_batch_ramp *r, const ts_train_options *o, int dp) TS_NODISCARD;
/* Sequences of the step that begins after `consumed` samples. */
int64_t ts_batch_ramp_at(const ts_batch_ramp *r, int64_t consumed);
/* Steps of a run of n samples as Megatron counts them: an incomplete last batch is dropped, but a
 * run that ends while the batch grows takes one that passes n. */
int64_t ts_batch_ramp_steps(const ts_batch_ramp *r, int64_t n);
#endif
