/* Products place by place, columns times numbers, values held within bounds, heads without their mean.
 *
 *   product:     y = x * f(z), f(z): z, z sigmoid(z), sigmoid(z)      dx = dy * f(z)    dz = dy * x * f'(z)
 *                a z may count for several x that lie together; its dz is then the sum of theirs
 *   scale_cols:  y[r][c] = x[r][c] times the factor of the stretch that column c is in
 *   clip:        y = x held to [-most, most]                          dx = dy where |x| <= most, else 0 */
#ifndef TS_DEVICE_KERNELS_PRODUCT_H
#define TS_DEVICE_KERNELS_PRODUCT_H
#include "base/dtype.h"

typedef enum ts_factor_kind { TS_FACTOR_ITSELF, TS_FACTOR_SILU, TS_FACTOR_SIGMOID } ts_factor_kind;

typedef struct ts_product_args {
    ts_dtype dtype; /* of all */
    ts_factor_kind kind;
    int64_t each;   /* x that one z counts for, such as the values of a head; 0, 1: one */
    const void *x, *z;
    void *y;
    const void *dy;
    void *dx, *dz;
} ts_product_args;
/* product_fwd, product_bwd: n = elements of z. */

enum { TS_SCALE_STRETCHES = 4 };
/* Columns in stretches one behind the other, n of them in each, together all columns. */
typedef struct ts_stretch_factors {
    int n_stretches;
    int64_t n[TS_SCALE_STRETCHES];
    float factor[TS_SCALE_STRETCHES];
} ts_stretch_factors;

typedef struct ts_scale_cols_args {
    int64_t cols;
    ts_dtype dtype;
    ts_stretch_factors by;
    const void *x;
    void *y; /* [rows, cols]; may be x */
} ts_scale_cols_args;
/* scale_cols: n = rows. */

typedef struct ts_clip_args {
    ts_dtype dtype;
    float most;
    const void *x;
    void *y;
    const void *dy;
    void *dx;
} ts_clip_args;
/* clip_fwd, clip_bwd: n = elements. */

/* centre_heads: of rows of `groups` groups of `heads` heads, all but the last head of each lose their mean (it is
 * its own backward):  y = x - mean of x over the head. The last passes. n = rows. */
typedef struct ts_centre_args {
    int64_t groups, heads, dim;
    ts_dtype dtype;
    const void *x;
    void *y; /* [rows, groups heads dim]; may be x */
} ts_centre_args;
#endif
