/* RMS norm (Zhang and Sennrich, arXiv 1910.07467) and layer norm (Ba et al., arXiv 1607.06450),
 * with the residual addition before them:
 *
 *   s = x + res (res may be NULL: s = x)          g = w + offset
 *   RMS:   rstd = 1 / sqrt(mean(s^2) + eps)       h = s * rstd              y = h * g
 *   layer: mean, rstd = 1 / sqrt(var(s) + eps)    h = (s - mean) * rstd     y = h * g + b
 *
 *   d = dy * g     RMS:   dx = rstd * (d - h * mean(d * h)) + dsum
 *                  layer: dx = rstd * (d - mean(d) - h * mean(d * h)) + dsum
 *   dw += sum over rows of dy * h      db += sum over rows of dy
 *
 * dsum is the gradient that reaches s by other ways; dx is the gradient of x and of res alike.
 * Sums are in fp32 (RMS, mean) in a fixed order that does not depend on how rows are shared out. */
#ifndef TS_DEVICE_KERNELS_NORM_H
#define TS_DEVICE_KERNELS_NORM_H
#include "base/dtype.h"
#include <stdbool.h>

typedef struct ts_norm_args {
    int64_t cols;            /* rows lie one after another */
    ts_dtype dtype;          /* of x, res, sum, y, dy, dsum, dx: F32, BF16 or F16 */
    float eps, offset;       /* offset 1: Gemma's (1 + w) */
    const void *x, *res;     /* [rows, cols]; forward */
    void *sum; /* [rows, cols]; forward, written when res is given. May be x or res itself.
                                Backward reads s here (or in x when there was no res) */
    const float *w, *b;      /* [cols]; w NULL: all 1; b NULL: none */
    void *y;                 /* [rows, cols] */
    float *rstd, *mean;      /* [rows]; forward writes, backward reads; mean: layer norm only */
    const void *dy, *dsum;   /* [rows, cols]; dsum may be NULL */
    void *dx;                /* [rows, cols]; may be dsum itself */
    float *dw, *db;          /* [cols]; added to; db may be NULL */
    int64_t rows;            /* for *_dw, which shares out columns */
} ts_norm_args;
/* rms_fwd, rms_bwd, ln_fwd, ln_bwd: n = rows (backward: dx only).
 * rms_dw, ln_dw: n = cols; each share sums all rows, in order, for its columns. */
#endif
