/* Optimizers over a parameter set: moments as flat arrays beside the values and gradients. */
#ifndef TS_TRAIN_OPTIMIZER_H
#define TS_TRAIN_OPTIMIZER_H
#include "tensor/param.h"
#include "train/options.h"

typedef struct ts_optimizer {
    const ts_train_options *o;
    ts_param_set *params;
    /* fp32, like the set's flat arrays; v: Adam only, m: NULL for SGD without momentum */
    ts_storage *m, *v;
    ts_storage *sums;   /* doubles: one for each block of sumsq */
    ts_storage *zeros;  /* int64, when they are counted */
    int64_t steps;      /* taken so far: Adam's t */
} ts_optimizer;

ts_status ts_optimizer_init(ts_optimizer *z, const ts_train_options *o,
                            ts_param_set *params) TS_NODISCARD;
void ts_optimizer_deinit(ts_optimizer *z);

/* Sum of squares of a flat array of the set's size, in double, in a fixed order; *zero_count (may
 * be NULL) counts its zeros without the padding between parameters. */
ts_status ts_optimizer_sumsq(ts_optimizer *z, const float *flat, double *sum,
                             int64_t *zero_count) TS_NODISCARD;
/* One step with gradients `grads` (flat) times grad_scale; the values count as changed
 * afterwards. */
void ts_optimizer_step(ts_optimizer *z, const float *grads, double lr, double grad_scale);
#endif
