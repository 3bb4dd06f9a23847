/* The micro-kernel, for any vector. No include guard: the including file has chosen V, VECS, vf and
 * v_load, v_store, v_set, v_fma. */
#include "device/cpu/gemm/gemm_few.h"

enum { WIDTH = V * VECS };

INLINE void add_of(const float *a, int64_t lda, const float *panel, int64_t steps, float *acc,
                   const int rows)
{
    vf sum[ROWS][VECS];
    UNROLL
    for (int i = 0; i < rows; i++) {
        UNROLL
        for (int j = 0; j < VECS; j++)
            sum[i][j] = v_load(acc + i * WIDTH + j * V);
    }
    for (int64_t s = 0; s < steps; s++, a++, panel += WIDTH) {
        vf b[VECS];
        UNROLL
        for (int j = 0; j < VECS; j++)
            b[j] = v_load(panel + j * V);
        UNROLL
        for (int i = 0; i < rows; i++) {
            const vf x = v_set(a[i * lda]);
            UNROLL
            for (int j = 0; j < VECS; j++)
                sum[i][j] = v_fma(x, b[j], sum[i][j]);
        }
    }
    UNROLL
    for (int i = 0; i < rows; i++) {
        UNROLL
        for (int j = 0; j < VECS; j++)
            v_store(acc + i * WIDTH + j * V, sum[i][j]);
    }
}

static void add(const float *a, int64_t lda, const float *panel, int64_t steps, float *acc,
                int rows)
{
    switch (rows) {
    case 1: add_of(a, lda, panel, steps, acc, 1); break;
    case 2: add_of(a, lda, panel, steps, acc, 2); break;
    case 3: add_of(a, lda, panel, steps, acc, 3); break;
    case 4: add_of(a, lda, panel, steps, acc, 4); break;
    case 5: add_of(a, lda, panel, steps, acc, 5); break;
    case 6: add_of(a, lda, panel, steps, acc, 6); break;
#if FEW_ROWS > 6
    case 7: add_of(a, lda, panel, steps, acc, 7); break;
    case 8: add_of(a, lda, panel, steps, acc, 8); break;
#endif
    default: break;
    }
}
