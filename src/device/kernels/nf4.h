/* A weight [rows, cols] held in NF4 (base/nf4.h): 4 bits a value, 8 for each block of 64, and nothing else. It may be some
 * rows, in any order, and some neighbouring columns of one or several matrices that were quantised each as a whole, so
 * each row says where its first value stood: at[r], a number of which those of different matrices differ. With
 * a = at[r] + c, the value in column c of row r is
 *
 *   level[code] * (nested level[most[r][a / 64 - at[r] / 64]] * nest[a / 16384].most + nest[a / 16384].offset)
 *
 * rounded to `type`. Products read it a panel at a time (b_nf4 of ts_gemm_args). */
#ifndef TS_DEVICE_KERNELS_NF4_H
#define TS_DEVICE_KERNELS_NF4_H
#include "base/dtype.h"

typedef struct ts_nf4_group {
    float most, offset;
} ts_nf4_group;

typedef struct ts_nf4 {
    int64_t rows, cols, blocks; /* blocks: that a row may lie in, ts_nf4_row_blocks */
    ts_dtype type;
    const uint8_t *code;     /* [rows, (cols + 1) / 2], the first of two values in the upper half */
    const uint8_t *most;     /* [rows, blocks] */
    const int64_t *at;       /* [rows] */
    const ts_nf4_group *nest;
} ts_nf4;

enum { TS_NF4_NEST = 64 * 256 }; /* values that share a ts_nf4_group */

/* Blocks that cols neighbours lie in, wherever they begin. */
static inline int64_t ts_nf4_row_blocks(int64_t cols) { return (cols + 62) / 64 + 1; }
#endif
