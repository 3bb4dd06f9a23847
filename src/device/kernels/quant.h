/* Weights of few bits, and products with them, for inference.
 *
 * A matrix W [n, k] is cut in groups of 64 along k; each row's group has a scale s (bf16, rounded
 * up) and whole numbers q in [-127, 127]: W ~ s q. INT8 holds any q; NF4 holds one of sixteen, the
 * levels of the QLoRA paper times 127, rounded. s is the largest |W| of the group / 127, or NaN
 * where one is not finite.
 *
 * Products: a group of a row of A becomes whole numbers a = round(A / t) with t = max |A| / 32512,
 * so that nothing is lost that 16 bits hold, and
 *   C[m,n] = sum over groups of (t s) (sum over k of a q) + bias + add,
 * where the inner sum is exact and the outer one is in fp32, in the order of k. So the bits of an
 * element depend on its row of A and of W alone. A group with an infinity or NaN gives NaN.
 *
 * The layout is the same on every device: panels of 48 rows, [panel][group][16][48][4] of q + 128
 * in bytes (NF4: [panel][group][8][48][4], the low half byte is step 2i of 16, the high one step
 * 2i + 1, each the number of a level), then scales [panel][group][48]. What is missing of the last
 * panel or group is zero. */
#ifndef TS_DEVICE_KERNELS_QUANT_H
#define TS_DEVICE_KERNELS_QUANT_H
#include "base/dtype.h"
#include <stdbool.h>

typedef enum ts_quant { TS_QUANT_NONE, TS_QUANT_INT8, TS_QUANT_NF4 } ts_quant;
enum { TS_QUANT_GROUP = 64, TS_QUANT_PANEL = 48 };

static inline int64_t ts_quant_groups(int64_t k)
{
    return (k + TS_QUANT_GROUP - 1) / TS_QUANT_GROUP;
}
static inline int64_t ts_quant_panels(int64_t n)
{
    return (n + TS_QUANT_PANEL - 1) / TS_QUANT_PANEL;
}
/* Bytes of one panel's group, of all q, and of all with the scales. */
static inline int64_t ts_quant_group_bytes(ts_quant q)
{
    return TS_QUANT_GROUP * TS_QUANT_PANEL / (q == TS_QUANT_NF4 ? 2 : 1);
}
static inline int64_t ts_quant_data_bytes(ts_quant q, int64_t n, int64_t k)
{
    return ts_quant_panels(n) * ts_quant_groups(k) * ts_quant_group_bytes(q);
}
static inline size_t ts_quant_bytes(ts_quant q, int64_t n, int64_t k)
{
    return (size_t)(ts_quant_data_bytes(q, n, k) +
                    ts_quant_panels(n) * ts_quant_groups(k) * TS_QUANT_PANEL * 2);
}

/* quantize: W into the layout. */
typedef struct ts_quantize_args {
    ts_quant quant;
    int64_t n, k, ld;
    ts_dtype src_dtype;
    const void *src;       /* [n, k] */
    void *dst;             /* ts_quant_bytes */
} ts_quantize_args;

/* gemm_quant: C = A W^T. */
typedef struct ts_gemm_quant_args {
    ts_quant quant;
    int64_t m, n, k;
    ts_dtype a_dtype, c_dtype;
    const void *a;         /* [m, k], lda */
    const void *b;         /* W, in the layout */
    int64_t lda, ldc;      /* in elements */
    void *c;               /* [m, n], ldc */
    const float *bias;     /* [n] or NULL */
    const void *add;       /* like c, or NULL; may be c */
} ts_gemm_quant_args;

/* gemm_rows: y[r] = W[ids[r] - first] of a matrix that exists in a form for products alone; zeros
 * where it has no such row. */
typedef struct ts_gemm_rows_args {
    ts_quant quant;        /* NONE: panels of gemm_pack (form NT) of BF16 */
    int64_t n, k, rows;
    const void *b;
    const int32_t *ids;    /* [rows] */
    int64_t first;         /* what ids say of W's first row */
    ts_dtype y_dtype;
    void *y;               /* [rows, k] */
} ts_gemm_rows_args;
/* quantize, gemm_quant: n is ignored. gemm_rows: n = rows. */
#endif
