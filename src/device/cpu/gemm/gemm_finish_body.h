/* What happens to the sums of a tile that is not plainly stored. No include guard: written once for
 * every instruction set, with the names that gemm_tile_body.h lists. */
#include "device/cpu/gemm/gemm_kernels.h"

enum { WIDTH = V * VECS };

/* Rows 0, 3 and 6 have a pointer each: the others are one or two strides further, which an x86
 * address can say, so that nothing but these, the stride and b takes a register. */
typedef struct rows_of_a {
    const char *at[3];
    int64_t row;
} rows_of_a;

INLINE rows_of_a rows_at(const char *a, int64_t row)
{
    return (rows_of_a){ { a, a + 3 * row, a + 6 * row }, row };
}
INLINE const char *row_at(const rows_of_a *a, const int i) { return a->at[i / 3] + i % 3 * a->row; }
INLINE void rows_on(rows_of_a *a, int64_t bytes)
{
    a->at[0] += bytes, a->at[1] += bytes, a->at[2] += bytes;
}

/* What is not a plain store: sums wait in memory meanwhile. `type` is a constant where this is
 * called. */
INLINE void finish_as(const ts_gemm_tile *t, const float *sum, const ts_dtype type)
{
    for (int j = 0; j < t->cols; j += V) {
        const int64_t n = t->cols - j;
        const vf bias = t->bias ? v_load(t->bias, j, TS_DTYPE_F32, n) : v_zero();
        for (int64_t i = 0; i < t->rows; i++) {
            vf v = v_get(sum + i * WIDTH + j);
            if (t->from)
                v = v_add(v, v_load(t->from, i * t->from_ld + j, TS_DTYPE_F32, n));
            if (t->bias)
                v = v_add(v, bias);
            if (t->add)
                v = v_add(v, v_load(t->add, i * t->ldc + j, type, n));
            v_store(t->c, i * t->ldc + j, type, n, v);
        }
    }
}

static void finish(const ts_gemm_tile *t, const float *sum)
{
    switch (t->c_dtype) {
    case TS_DTYPE_BF16: finish_as(t, sum, TS_DTYPE_BF16); break;
    case TS_DTYPE_F16: finish_as(t, sum, TS_DTYPE_F16); break;
    default: finish_as(t, sum, TS_DTYPE_F32); break;
    }
}
