/* A matrix whose rows count as vectors of length one (Baichuan 2's NormHead, arXiv 2309.10305):
 *
 *   n_r = w_r * scale_r,  scale_r = 1 / max(|w_r|, TS_UNIT_FLOOR)
 *
 * unit_scales makes scale. unit_times: y[i][r] = x[i][r] * scale_r, what turns products with w into those with n and
 * gradients of these into those of w but for what is along a row. unit_across, with y: y_r = g_r . w_r, before sums
 * are added to g; then, with these in x (NULL: 0), it takes that of them away: g_r -= n_r scale_r (g_r . w_r - x_r). */
#ifndef TS_DEVICE_KERNELS_UNIT_H
#define TS_DEVICE_KERNELS_UNIT_H
#include "base/dtype.h"

#define TS_UNIT_FLOOR 1e-12f

typedef struct ts_unit_args {
    int64_t rows, cols;  /* of w */
    int64_t ld;          /* unit_times: from row to row of x and y */
    ts_dtype w_dtype, dtype;
    const void *w;       /* [rows, cols] of w_dtype */
    float *scale;        /* [rows]: unit_scales writes, the others read */
    const void *x;       /* [n, ld] of dtype; unit_across: fp32 [rows] */
    void *y;             /* likewise; unit_times: may be x */
    float *g;            /* [rows, cols]: unit_across */
} ts_unit_args;
/* unit_scales, unit_across: n = rows of w. unit_times: n = rows of x. */
#endif
