/* Matrices in numbers of eight bits and less (base/fp8.h), with scales: what products of few bits are
 * made of where the processor has none. A code c of a block with factor f is the number c * f.
 *
 *   amax    *amax = max(*amax, |x|); a NaN stays
 *   narrow  codes and factors from x: a block's largest |x| determines its factor
 *   widen   y = code * factor
 *
 * A block is block_rows x block_cols elements, less at the ends; both 0: the matrix is one, whose scale
 * comes from outside. Blocks of several rows have one column or as many as rows. A block that holds
 * what is no finite number is NaN as a whole; where the scale comes from outside, that element alone.
 *
 * Factors are fp32, amax / largest, or powers of two (TS_SCALE_POWER_*): one byte, e8m0. */
#ifndef TS_DEVICE_KERNELS_NARROW_H
#define TS_DEVICE_KERNELS_NARROW_H
#include "base/dtype.h"
#include "base/fp8.h"

#include <stdbool.h>

typedef enum ts_scale_kind {
    TS_SCALE_F32,
    TS_SCALE_POWER_UP,   /* the least power with which nothing is larger than `largest` */
    TS_SCALE_POWER_DOWN, /* OCP MX 1.0: amax's own power over that of `largest` */
} ts_scale_kind;

/* n = rows */
typedef struct ts_amax_args {
    int64_t cols, ld;
    ts_dtype dtype;
    const void *x; /* [rows, cols] */
    float *amax;
} ts_amax_args;

typedef struct ts_narrow_args {
    ts_fp8 format;
    ts_scale_kind kind;
    int64_t rows, cols, block_rows, block_cols;
    float largest;      /* what a block's amax becomes: at most the format's */
    int64_t ld;         /* of x or y, in elements */
    ts_dtype dtype;     /* of x or y */
    const void *x;      /* narrow: [rows, cols] */
    void *y;            /* widen: likewise */
    uint8_t *codes;     /* [rows, cols] */
    void *factors;      /* of blocks, row after row of them: uint8, or float where F32 */
    /* narrow of one block: its amax; or what is multiplied with before it is rounded */
    const float *amax, *scale;
} ts_narrow_args;
/* narrow, widen: n = ts_narrow_bands */

/* Rows of blocks, and all blocks. */
static inline int64_t ts_narrow_bands(const ts_narrow_args *a)
{
    return a->block_rows ? (a->rows + a->block_rows - 1) / a->block_rows : a->rows;
}
static inline int64_t ts_narrow_blocks(const ts_narrow_args *a)
{
    return a->block_rows ? ts_narrow_bands(a) * ((a->cols + a->block_cols - 1) / a->block_cols) : 1;
}
#endif
