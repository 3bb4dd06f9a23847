/* The micro-kernel, written once for every instruction set. No include guard: the including file has
 * chosen V (lanes), ROWS, VECS, the types vf (floats) and vu (units), and v_* below.
 *
 *   vu v_units(const char *p)               V units
 *   vu v_unit(const char *p)                one unit in all lanes
 *   vu v_half(const char *p)                the first half of one, the other half zero (pairs only)
 *   vf v_dot(vf acc, vu a, vu b)
 *   vf v_zero(void), v_add(vf, vf), v_get(const float *p), v_put(float *p, vf)
 *   vf v_load(const void *p, int64_t i, ts_dtype t, int64_t n)      elements i .. i + min(n, V)
 *   v_store(void *p, int64_t i, ts_dtype t, int64_t n, vf v)
 *
 * ROWS x VECS accumulators, VECS registers of B and one of A must fit in the registers. */
#include "device/cpu/gemm.h"

enum { WIDTH = V * VECS };
#define INLINE static inline __attribute__((always_inline))

static void finish(const ts_gemm_tile *t, const float *sum)
{
    for (int i = 0; i < t->rows; i++) {
        for (int j = 0; j < t->cols; j += V) {
            const int64_t at = i * t->ldc + j, n = t->cols - j;
            vf v = v_get(sum + i * WIDTH + j);
            if (t->from)
                v = v_add(v, v_load(t->from, i * t->from_ld + j, TS_DTYPE_F32, n));
            if (t->bias)
                v = v_add(v, v_load(t->bias, j, TS_DTYPE_F32, n));
            if (t->add)
                v = v_add(v, v_load(t->add, at, t->c_dtype, n));
            v_store(t->c, at, t->c_dtype, n, v);
        }
    }
}

INLINE void step(vf acc[ROWS][VECS], const vu a[ROWS], const char *b, const int rows, const int vecs)
{
    vu bv[VECS];
#pragma GCC unroll 4
    for (int j = 0; j < vecs; j++)
        bv[j] = v_units(b + j * V * 4);
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) {
#pragma GCC unroll 4
        for (int j = 0; j < vecs; j++)
            acc[i][j] = v_dot(acc[i][j], a[i], bv[j]);
    }
}

/* rows and vecs are constants where this is called: the loops over them vanish. */
INLINE void tile_of(const ts_gemm_tile *t, const int rows, const int vecs)
{
    vf acc[ROWS][VECS];
    vu av[ROWS];
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) {
#pragma GCC unroll 4
        for (int j = 0; j < vecs; j++)
            acc[i][j] = v_zero();
    }
    const char *a = t->a, *b = t->b;
    const int64_t a_row = t->a_row, a_step = t->a_step;
    for (int64_t s = t->steps; s > 0; s--) {
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++)
            av[i] = v_unit(a + i * a_row);
        step(acc, av, b, rows, vecs);
        a += a_step, b += WIDTH * 4;
    }
    if (t->half_step) {
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++)
            av[i] = v_half(a + i * a_row);
        step(acc, av, b, rows, vecs);
    }
    _Alignas(64) float sum[ROWS * WIDTH];
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) {
#pragma GCC unroll 4
        for (int j = 0; j < vecs; j++)
            v_put(sum + i * WIDTH + j * V, acc[i][j]);
    }
    finish(t, sum);
}
