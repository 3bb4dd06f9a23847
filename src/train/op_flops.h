/* --op-cal-tflops: operations of the products that were executed (matrices, attention as its mask lets it), counted
 * kernel by kernel, and how many of them were recomputation. */
#ifndef TS_TRAIN_OP_FLOPS_H
#define TS_TRAIN_OP_FLOPS_H
#include "train/trainer.h"

typedef struct ts_op_flops {
    double all, again; /* of this process: all, and of these what had been computed before */
} ts_op_flops;

/* Since the device was opened. */
ts_op_flops ts_op_flops_now(const ts_device *d);

/* Of the steps since the last log line. */
typedef struct ts_op_interval {
    ts_op_flops flops;
    double seconds;
    int64_t steps;
} ts_op_interval;

void ts_op_interval_add(ts_op_interval *i, const ts_op_flops *before, const ts_op_flops *after, double seconds);
/* Sums it up over all processes, and rank 0 logs it; then it is empty. Collective. */
ts_status ts_op_interval_say(ts_op_interval *i, const ts_trainer *t) TS_NODISCARD;
#endif
