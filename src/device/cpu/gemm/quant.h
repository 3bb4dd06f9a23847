/* The inside of products with weights of few bits (device/kernels/quant.h has the formulas).
 *
 * A quantised row of A is, group by group, 64 bytes of upper halves and 64 of lower ones, both
 * signed: a = 256 hi + lo. Since q + 128 is unsigned, sums come out 128 x (sum of a) too large,
 * which is kept beside the row. */
#ifndef TS_DEVICE_CPU_GEMM_QUANT_H
#define TS_DEVICE_CPU_GEMM_QUANT_H
#include "device/cpu/kernel.h"

typedef struct ts_quant_side {
    float scale;    /* t */
    int32_t excess; /* 128 x sum of a */
} ts_quant_side;

/* acc [rows, 48] += `groups` groups of rows of A (1..tile_rows of them) times a panel. */
typedef struct ts_quant_tile {
    const int8_t *a;           /* [groups][2][64] of row 0 */
    const ts_quant_side *side; /* [groups] of row 0 */
    int64_t a_row, side_row;   /* elements from row to row */
    const uint8_t *w;          /* [groups][16][48][4] */
    const uint16_t *scale;     /* [groups][48], bf16 */
    float *acc;                /* [rows][48] */
    int64_t groups;
    int rows;
} ts_quant_tile;

/* C[0..n) = acc + bias + add, n of a panel's columns. */
typedef struct ts_quant_row {
    const float *acc;  /* [48] */
    const float *bias; /* [n] or NULL */
    const void *add;   /* like c, or NULL; may be c */
    void *c;
    int64_t n;
    ts_dtype c_dtype;
} ts_quant_row;

typedef struct ts_quant_kernels {
    const char *name;
    int tile_rows;
    void (*tile)(const ts_quant_tile *t);
    /* n groups of NF4 into bytes of q + 128 */
    void (*unpack)(const uint8_t *nf4, int64_t n, uint8_t *out);
    /* one row of k elements of type t; the rest of the last group is zero */
    void (*split_row)(const void *row, int64_t k, ts_dtype t, int8_t *a, ts_quant_side *side);
    void (*put_row)(const ts_quant_row *r);
} ts_quant_kernels;

void ts_quant_kernels_init_ref(ts_quant_kernels *k);
void ts_quant_kernels_init_avx2(ts_quant_kernels *k);
void ts_quant_kernels_init_vnni(ts_quant_kernels *k);

/* Levels of NF4 as q + 128. */
extern const uint8_t ts_quant_nf4[16];
#endif
