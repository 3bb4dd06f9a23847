/* Causal convolution along a sequence, each column for itself (a depthwise one), with an activation:
 *
 *   v[i] = bias + sum over k < width of w[k] x[i - (width - 1) + k],   y = v * sigmoid(v), or v
 *
 * Row i of a sequence sees rows from first_key[i] on alone: those of its document. What stands before
 * the first row is `before` or, without it, nothing.
 *
 *   dv = dy * (silu'(v) or 1)    dx[j] = sum over i that see j of w[..] dv[i]
 *   dw[k] += sum over rows of dv[i] x[i - (width - 1) + k]    db += sum over rows of dv
 *
 * Backward makes v again. Sums over rows are in their order. */
#ifndef TS_DEVICE_KERNELS_CONV_H
#define TS_DEVICE_KERNELS_CONV_H
#include "base/dtype.h"
#include <stdbool.h>

enum { TS_CONV_MOST = 8 }; /* width */

typedef struct ts_conv_args {
    int64_t B, S, cols, width;
    ts_dtype dtype, w_dtype; /* of x, before, y and their gradients; of w */
    bool silu;
    const void *x;            /* [B * S, cols] */
    const void *w;            /* [cols, width] */
    const float *bias;        /* [cols] or NULL */
    const void *before;       /* [B, width - 1, cols]: the rows before each sequence; NULL: none. Forward */
    const int32_t *first_key; /* [B * S] or NULL */
    void *y;                  /* [B * S, cols] */
    const void *dy;
    void *dx;                 /* [B * S, cols] */
    float *dw, *db;           /* [cols, width], [cols]: added to; NULL: not wanted */
} ts_conv_args;
/* conv_fwd: n = rows. conv_bwd: n = cols, without `before`. */
#endif
