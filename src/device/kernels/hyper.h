/* Coefficients of manifold-constrained hyper-connections (Xie et al., arXiv 2512.24880, as DeepSeek-V4 has them). A
 * row x is n numbers for what a sublayer reads, n for where its result goes, n n for what the n streams pass to each
 * other:
 *
 *   z = x scale + base          a scale for each of the three
 *   read  = sigmoid(z) + eps    write = 2 sigmoid(z)
 *   M = softmax of z by rows + eps, then in turn columns and rows divided by (their sum + eps), columns first and
 *       last (Sinkhorn and Knopp): both sum to one in the end
 *   y = read, write and M turned, so that a row of it says what one stream gets of all
 *
 * iterations 0: read alone.
 * hyper_bwd: dz, and dx = dz scale. hyper_dw: dbase += sums over rows of dz, dscale += those of dz x; rows in order. */
#ifndef TS_DEVICE_KERNELS_HYPER_H
#define TS_DEVICE_KERNELS_HYPER_H
#include <stdint.h>

enum { TS_HYPER_MOST = 8, TS_HYPER_SUMS = 160 }; /* streams; streams times iterations */

typedef struct ts_hyper_args {
    int64_t rows, streams, iterations;
    float eps;
    const float *x;            /* [rows, streams (streams + 2)], or [rows, streams] */
    const float *scale, *base; /* [3 or 1], [columns of x] */
    float *y;
    const float *dy;
    float *dz, *dx;            /* as x; either may be NULL */
    float *dscale, *dbase;     /* added to; either may be NULL */
} ts_hyper_args;
/* hyper_fwd, hyper_bwd: n = rows. hyper_dw: n = scales. */

static inline int64_t ts_hyper_scales(int64_t iterations) { return iterations ? 3 : 1; }
static inline int64_t ts_hyper_cols(int64_t streams, int64_t iterations)
{
    return iterations ? streams * (streams + 2) : streams;
}
#endif
