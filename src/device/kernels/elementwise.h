/* Additions, copies, conversions, blocks in another order, dropout, column sums. */
#ifndef TS_DEVICE_KERNELS_ELEMENTWISE_H
#define TS_DEVICE_KERNELS_ELEMENTWISE_H
#include "base/dtype.h"
#include "base/rng.h"

#include <stdbool.h>

/* fill: y = alpha.  copy: y = x (types may differ).  add: y = alpha * x + beta * z, in fp32,
 * rounded once. n = elements; y may be x or z. */
typedef struct ts_elementwise_args {
    ts_dtype x_dtype, z_dtype, y_dtype; /* F32, BF16, F16 */
    const void *x, *z;
    void *y;
    float alpha, beta;
} ts_elementwise_args;

/* swap_blocks: y[j][i] = x[i][j], blocks of `bytes` each; x is [a][b] of them, y [b][a]. n = a * b; y
 * overlaps nothing. */
typedef struct ts_swap_blocks_args {
    int64_t a, b;
    size_t bytes;
    const void *x;
    void *y;
} ts_swap_blocks_args;

/* copy_cols: y[i][c] = x[i][c], or x + y rounded once, for c < cols; row i of x begins at element
 * i * x_row, of y at i * y_row. Both of one type. n = rows. */
typedef struct ts_copy_cols_args {
    int64_t cols, x_row, y_row;
    ts_dtype dtype;
    bool adds;
    const void *x;
    void *y;
} ts_copy_cols_args;

/* dropout: y = res + keep(e) * x / (1 - p); element e = first + i of the stream decides. Backward
 * is the same call with x = dy, res = NULL. n = elements; y may be x or res. keep: uniform(e) >=
 * p. Noise, x NULL: y = res + p (2 uniform(e) - 1). */
typedef struct ts_dropout_args {
    ts_dtype dtype;
    const void *x, *res; /* res NULL: 0 */
    void *y;
    float p;             /* below 1; of noise any */
    ts_rng rng;
    int64_t first;
} ts_dropout_args;

/* col_sum: db[c] += sum over rows of dy[r][c], rows in order; with offsets [groups + 1], ascending, of the rows
 * [offsets[g], offsets[g + 1]) of each group by itself, db [groups, cols]. col_max: db[c] becomes the largest of it and
 * these. n = cols. */
typedef struct ts_col_sum_args {
    int64_t rows, cols, ld;
    ts_dtype dtype;
    const void *dy;
    float *db;
    int64_t groups;
    const int32_t *offsets; /* NULL: all rows are one group */
} ts_col_sum_args;
#endif
