/* The micro-kernel, written once for every instruction set. No include guard: the including file
 * has chosen V (lanes), ROWS, VECS, the types vf (floats) and vu (units), and v_* below.
 *
 *   vu v_units(const char *p)               V units
 *   vu v_unit(const char *p)                one unit in all lanes
 *   vu v_half(const char *p)                the first half of one, the other half zero (pairs only)
 *   vf v_dot(vf acc, vu a, vu b)
 *   vf v_zero(void), v_add(vf, vf), v_get(const float *p), v_put(float *p, vf)
 *   vf v_load(const void *p, int64_t i, ts_dtype t, int64_t n)      elements i .. i + min(n, V)
 *   v_store(void *p, int64_t i, ts_dtype t, int64_t n, vf v)
 *   vf v_round(vf)                                                  to bf16
 *
 * And, where there is a faster way than v_store that gives the same bits:
 *   STORE_BF16(uint16_t *c, int64_t ld, vf acc[ROWS][VECS], int rows, int vecs)
 *
 * ROWS x VECS accumulators, VECS registers of B and one of A must fit in the registers. */
#include "device/cpu/gemm/gemm_finish_body.h"

typedef ts_gemm_tile tile_args;
INLINE const ts_gemm_tile *tile_out(const tile_args *t) { return t; }

INLINE void round_units(float *units, int64_t n)
{
    for (int64_t i = 0; i < n; i += V)
        v_putu(units + i, v_round(v_getu(units + i)));
}

INLINE void step(vf acc[ROWS][VECS], const rows_of_a *a, const char *b, const int rows,
                 const int vecs, const bool half)
{
    vu bv[VECS];
    UNROLL
    for (int j = 0; j < vecs; j++)
        bv[j] = v_units(b + j * V * 4);
    UNROLL
    for (int i = 0; i < rows; i++) {
        const char *p = row_at(a, i);
        const vu av = half ? v_half(p) : v_unit(p);
        UNROLL
        for (int j = 0; j < vecs; j++)
            acc[i][j] = v_dot(acc[i][j], av, bv[j]);
    }
}

/* `count` steps, a fetch of 64 bytes ahead with each. Called twice rather than looped over twice: of
 * two loops in one, compilers make a loop with three jumps a step. */
INLINE void steps(vf acc[ROWS][VECS], rows_of_a *a, const int64_t a_step, const char **b,
                  const char **ahead, int64_t count, const int rows, const int vecs)
{
    UNROLL_TWICE
    for (; count > 0; count--) {
        step(acc, a, *b, rows, vecs, false);
        __builtin_prefetch(*ahead, 0, 2), *ahead += 64;
        rows_on(a, a_step), *b += WIDTH * 4;
    }
}

/* What the end of this tile and the begin of the next will touch: C, and the front of A and B. */
INLINE void prefetch(const ts_gemm_tile *t, const int rows, const int vecs)
{
    const int64_t c_row = t->ldc * (int64_t)ts_dtype_size(t->c_dtype);
    const char *c = t->c, *a = t->a_next;
    for (int i = 0; i < rows; i++) {
        for (int j = 0; j < vecs; j++)
            __builtin_prefetch(c + j * V * 4, 1);
        __builtin_prefetch(a);
        c += c_row, a += t->a_row;
    }
}

/* rows and vecs are constants where this is called: the loops over them vanish. */
INLINE void tile_of(const ts_gemm_tile *t, const int rows, const int vecs)
{
    enum { LAST = 24 }; /* steps after the prefetch */
    vf acc[ROWS][VECS];
    UNROLL
    for (int i = 0; i < rows; i++) {
        UNROLL
        for (int j = 0; j < vecs; j++)
            acc[i][j] = v_zero();
    }
    const int64_t a_step = t->a_step;
    rows_of_a a = rows_at(t->a, t->a_row);
    const char *b = t->b, *ahead = t->ahead;
    const int64_t last = t->steps < LAST ? t->steps : LAST;
    steps(acc, &a, a_step, &b, &ahead, t->steps - last, rows, vecs);
    prefetch(t, rows, vecs);
    steps(acc, &a, a_step, &b, &ahead, last, rows, vecs);
    if (t->half_step)
        step(acc, &a, b, rows, vecs, true);
    if (t->c_dtype == TS_DTYPE_F32 && t->cols == vecs * V && !t->bias && !t->add) {
        float *c = t->c;
        const float *from = t->from;
        UNROLL
        for (int i = 0; i < rows; i++, c += t->ldc) {
            if (from) {
                UNROLL
                for (int j = 0; j < vecs; j++)
                    acc[i][j] = v_add(acc[i][j], v_getu(from + j * V));
                from += t->from_ld;
            }
            UNROLL
            for (int j = 0; j < vecs; j++)
                v_putu(c + j * V, acc[i][j]);
        }
        return;
    }
#ifdef STORE_BF16
    if (t->c_dtype == TS_DTYPE_BF16 && t->cols == vecs * V && !t->bias && !t->add && !t->from) {
        STORE_BF16(t->c, t->ldc, acc, rows, vecs);
        return;
    }
#endif
    _Alignas(64) float sum[ROWS * WIDTH];
    UNROLL
    for (int i = 0; i < rows; i++) {
        UNROLL
        for (int j = 0; j < vecs; j++)
            v_put(sum + i * WIDTH + j * V, acc[i][j]);
    }
    finish(t, sum);
}
