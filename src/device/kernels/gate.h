/* RMS norm of each group of columns, with a gate:
 *
 *   gate before the norm (Mamba 2):   u = x * f(z),   y = u * rstd * w
 *   behind it (gated delta nets):     u = x,          y = u * rstd * w * f(z)
 *   f: silu, sigmoid, or 1 where z is NULL;   rstd = 1 / sqrt(mean of u^2 over the group + eps)
 *
 * Column c has weight w[c mod w_cols]. dw += sums over rows (in order; of one row, over the columns
 * that share the weight, in order). */
#ifndef TS_DEVICE_KERNELS_GATE_H
#define TS_DEVICE_KERNELS_GATE_H
#include "base/dtype.h"
#include <stdbool.h>

typedef enum ts_gate_kind { TS_GATE_SILU, TS_GATE_SIGMOID } ts_gate_kind;

typedef struct ts_gate_args {
    int64_t cols, group, w_cols; /* group divides cols; w_cols divides cols */
    ts_dtype dtype;              /* of x, z, y and their gradients */
    ts_gate_kind kind;
    bool behind;                 /* the gate is behind the norm */
    float eps, offset;           /* the weight counts as offset + w */
    const void *x, *z;           /* [rows, cols] */
    const float *w;              /* [w_cols] */
    void *y;
    float *rstd;                 /* [rows, cols / group]: forward writes, backward reads */
    const void *dy;
    void *dx, *dz;               /* dz NULL where z is */
    float *dw;                   /* [w_cols], added to */
    int64_t rows;                /* for gate_dw */
} ts_gate_args;
/* gate_fwd, gate_bwd: n = rows. gate_dw: n = w_cols. */
#endif
