/* Coefficients of hyper-connections (device/kernels/hyper.h has the formulas); ts_op_mix mixes streams by them. */
#ifndef TS_OPS_HYPER_H
#define TS_OPS_HYPER_H
#include "device/kernels/hyper.h"
#include "ops/ops.h"

typedef struct ts_hyper_op {
    int64_t streams, iterations; /* at most TS_HYPER_MOST, and TS_HYPER_SUMS their product */
    float eps;
    ts_param *scale, *base;      /* [3], or [1] without iterations; [columns of x] */
} ts_hyper_op;

/* x, y: fp32 [T, streams (streams + 2)], or [T, streams] without iterations. */
ts_status ts_op_hyper(ts_tape *tape, const ts_hyper_op *o, ts_tensor *x, ts_tensor **y) TS_NODISCARD;
#endif
