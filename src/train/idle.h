/* Trained parameters that learn nothing: whose gradient is zero in each of the first steps of a run. */
#ifndef TS_TRAIN_IDLE_H
#define TS_TRAIN_IDLE_H
#include "train/optimizer.h"

/* Zero is a valid one that looks at nothing. */
typedef struct ts_idle {
    bool *is_idle; /* [n] parameters of the whole model that have had no gradient so far */
    int64_t n, steps; /* looked at so far */
} ts_idle;
enum { TS_IDLE_STEPS = 10 };

ts_status ts_idle_init(ts_idle *i, const ts_optimizer *z) TS_NODISCARD;
void ts_idle_deinit(ts_idle *i);
/* Looks at the gradients of a step in which something was trained; after the last of these steps warns of those that are
 * left, on the process that counts them. Collective. */
ts_status ts_idle_step(ts_idle *i, const ts_optimizer *z, const float *grads) TS_NODISCARD;
#endif
