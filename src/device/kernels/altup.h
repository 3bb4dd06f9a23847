/* What Gemma 3n does between blocks of a wide stream, and with its MLPs' gates.
 *
 *   mix (alternating updates, Baykal et al., arXiv 2301.13310): a row is some blocks, each `cols` wide;
 *       y[j] = b[j] + sum over i of m[j][i] x[i]     j < outs, i < ins; b NULL: 0; m of each row its own
 *       turned: m[i][j] counts, which is what brings gradients back; plus is added to each of m
 *   mix_dots:  dm[j][i] = sum over c of dy[j][c] x[i][c]
 *
 *   magnitude: y = p * a / b,   a = sqrt(mean(x^2)),   b = sqrt(max(mean(p^2), least))
 *       with s = sum(dy * p):   dp = a / b * (dy - p * s / (cols b^2)), the last term only where mean(p^2) > least
 *                               dx = x * s / (b cols a), 0 where a is
 *
 *   sparse: the first `cols` of `width` columns, y = max(0, x - cut), cut = mean(x) + times * std(x), and the
 *       others pass; with d = dy where x > cut, else 0, and s = sum(d):
 *       dx = d - s / cols * (1 + times * (x - mean) / std), the last term 0 where std is
 *       Of rows whose columns several processes share out, sums over all columns are given.
 *   sparse_sum: of a row's columns that are here the sum of x, of (x - mean)^2, or s: the next that is not given
 *
 *   weigh_cols: y = x * w by columns; weigh_cols_dw: dw[c] += sum over rows of dy * x, rows in order */
#ifndef TS_DEVICE_KERNELS_ALTUP_H
#define TS_DEVICE_KERNELS_ALTUP_H
#include "base/dtype.h"
#include <stdbool.h>

typedef struct ts_mix_args {
    int64_t cols, outs, ins;
    bool turned;
    float plus;
    ts_dtype dtype;   /* of x, b, y, dy */
    const void *x;    /* [rows, ins * cols] */
    const void *b;    /* [rows, outs * cols] */
    const float *m;   /* [rows, outs * ins] */
    void *y;          /* [rows, outs * cols]; not x */
    const void *dy;   /* [rows, outs * cols] */
    float *dm;        /* [rows, outs * ins], written */
} ts_mix_args;
/* mix, mix_dots: n = rows. */

typedef struct ts_magnitude_args {
    int64_t cols;
    ts_dtype dtype;
    float least;
    const void *x, *p;
    void *y;
    const void *dy;
    void *dx, *dp;    /* written */
} ts_magnitude_args;
/* magnitude_fwd, magnitude_bwd: n = rows. */

typedef struct ts_sparse_args {
    int64_t cols, width;
    ts_dtype dtype;
    float times;
    const void *x;    /* [rows, width] */
    void *y;
    const void *dy;
    void *dx;         /* not dy */
    int64_t all;      /* columns of all processes; 0: they are all here, and so are their sums: */
    const float *sum, *square, *slope; /* [rows] of x, of (x - mean)^2, of d */
    float *sums;      /* [rows], written by sparse_sum */
} ts_sparse_args;
/* sparse_fwd, sparse_bwd, sparse_sum: n = rows. */

typedef struct ts_weigh_cols_args {
    int64_t cols, rows;
    ts_dtype dtype;
    const void *x;
    const float *w;   /* [cols] */
    void *y;
    const void *dy;
    float *dw;        /* [cols] */
} ts_weigh_cols_args;
/* weigh_cols: n = rows. weigh_cols_dw: n = cols. */
#endif
