/* Matrix multiplication in three forms, for a linear layer y = x W^T with W [out, in] as files have
 * it:
 *
 *   NT  C[m,n] = sum_k A[m,k] B[n,k]     forward          A = x,  B = W
 *   NN  C[m,n] = sum_k A[m,k] B[k,n]     input gradient   A = dy, B = W
 *   TN  C[m,n] = sum_k A[k,m] B[k,n]     weight gradient  A = dy, B = x
 *
 * Products of F32 are summed in fp32; of BF16 exactly as bf16 x bf16 in fp32 (pairs, as vdpbf16ps
 * does, or after widening: variants may differ in rounding, never in layout); F16 is widened to
 * fp32. The order in which k is summed depends on m, n, k and the variant only, never on the
 * threads. B may come packed (gemm_pack): the layout is the device's own business, its size from
 * ts_device's gemm_packed_bytes, for one form (NT or NN) and data type. */
#ifndef TS_DEVICE_KERNELS_GEMM_H
#define TS_DEVICE_KERNELS_GEMM_H
#include "device/kernels/nf4.h"
#include <stdbool.h>

typedef enum ts_gemm_form { TS_GEMM_NT, TS_GEMM_NN, TS_GEMM_TN } ts_gemm_form;

typedef struct ts_gemm_args {
    ts_gemm_form form;
    int64_t m, n, k;
    ts_dtype dtype;        /* of A and B: F32, BF16, F16 */
    const void *a;         /* NT, NN: [m, k], lda; TN: [k, m], lda */
    const void *b;         /* NT: [n, k], ldb; NN, TN: [k, n], ldb; or packed (ldb unused) */
    int64_t lda, ldb, ldc; /* in elements, from row to row */
    bool b_packed;
    /* Of a BF16 product in form NT or NN, on a device with `rounds_b`: B is F32, not packed, and each value is rounded
     * to bf16 where it is read, to the bits of a copy that was rounded beforehand. */
    bool b_wide;
    /* Of a product in form NT or NN: B stands in here instead of b, from row b_row and column b_col on; each value is rounded
     * to dtype where it is read, to the bits of a copy that was unpacked beforehand. */
    const ts_nf4 *b_nf4;
    int64_t b_row, b_col;
    ts_dtype c_dtype;      /* F32, BF16, F16 */
    void *c;               /* [m, n], ldc */
    bool accumulate;       /* C += (only with an F32 C) */
    const float *bias;     /* [n], added to every row, or NULL; not with accumulate */
    /* [m, n] of c_dtype, row stride ldc, added before rounding, or NULL; may be c */
    const void *add;
} ts_gemm_args;

/* gemm_pack: B of a form into the device's layout and type. */
typedef struct ts_gemm_pack_args {
    ts_gemm_form form;     /* NT: src is [n, k]; NN: src is [k, n] */
    int64_t n, k, ld;
    ts_dtype src_dtype, dtype;
    const void *src;
    void *dst;
} ts_gemm_pack_args;
/* gemm_i8, gemm_i8_pack: NT and NN with both operands rounded to 8-bit integers, in blocks of
 * TS_GEMM_I8_BLOCK neighbours along k, each block of a row of A and of a column of B with its own
 * scale s = largest magnitude / 127, q = round(value / s), ties to even:
 *
 *   C[m,n] = sum over blocks b (in order, in fp32) of s_A[m,b] s_B[n,b] sum_k in b q_A q_B + bias + add
 *
 * The inner sums are exact. A has `dtype` and is quantised on the way; B must have been packed by
 * gemm_i8_pack (its `dtype` is I8, and so it is for gemm_packed_bytes). Not with accumulate. A
 * value that is not finite makes its row or column NaN. */
enum { TS_GEMM_I8_BLOCK = 192 };

/* gemm_groups: one product for each stretch of rows, with a matrix of its own (experts). Rows
 * [offsets[g], offsets[g + 1]) are group g's, of `rows` in all; b and c of groups lie b_stride and c_stride
 * bytes apart.
 *
 *   NT, NN  C's rows of g = A's rows of g times matrix g of b;  rows behind the last group become zero
 *   TN      matrix g of c (+)= A's rows of g, transposed, times B's rows of g;  without rows: zero (+ C)
 *
 * Without offsets each group has all of the `rows` rows, and a, b and c of groups lie a_stride, b_stride and
 * c_stride bytes apart (heads, whose columns stand side by side; NT, NN).
 *
 * Each is, to the bit, what gemm makes of that group alone. one.bias, if there is one (NT), is the first
 * group's; those of groups follow one another, n values each. */
typedef struct ts_gemm_groups_args {
    ts_gemm_args one;       /* of any group: form, n, k (TN: m, n), types, strides of rows; a, b and c begin
                               with the first group's */
    int64_t groups, rows;
    const int32_t *offsets; /* [groups + 1], ascending, the first 0; on the device; or NULL */
    size_t a_stride, b_stride, c_stride;
} ts_gemm_groups_args;

/* gemm, gemm_groups, gemm_pack: n is ignored (the kernel shares out its own tiles). */
#endif
