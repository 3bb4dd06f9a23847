#include "base/dtype.h"
#include <immintrin.h>

#define FEW_ROWS 8
typedef __m512 vf;
enum { V = 16, VECS = 3, ROWS = FEW_ROWS };
static inline vf v_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void v_store(float *p, vf v) { _mm512_storeu_ps(p, v); }
static inline vf v_set(float x) { return _mm512_set1_ps(x); }
static inline vf v_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }

#include "device/cpu/gemm/gemm_few_body.h"

/* Elements k..k+3 of rows j, 4 + j, 8 + j, 12 + j. */
INLINE vf corners(const float *row, int64_t ld, int j)
{
    const float *p = row + j * ld;
    vf v = _mm512_castps128_ps512(_mm_loadu_ps(p));
    v = _mm512_insertf32x4(v, _mm_loadu_ps(p + 4 * ld), 1);
    v = _mm512_insertf32x4(v, _mm_loadu_ps(p + 8 * ld), 2);
    return _mm512_insertf32x4(v, _mm_loadu_ps(p + 12 * ld), 3);
}

/* 16 rows of `steps` floats (a multiple of 4) to columns. */
INLINE void turn16(const float *row, int64_t ld, int64_t steps, float *to, const char *ahead,
                   const int ahead_bytes)
{
    for (int64_t s = 0; s < steps; s += 4, row += 4, to += 4 * WIDTH, ahead += ahead_bytes) {
        for (int o = 0; o < ahead_bytes; o += 64)
            __builtin_prefetch(ahead + o, 0, 2);
        const vf a = corners(row, ld, 0), b = corners(row, ld, 1), c = corners(row, ld, 2),
                 d = corners(row, ld, 3);
        const vf ab = _mm512_unpacklo_ps(a, b), cd = _mm512_unpacklo_ps(c, d);
        const vf AB = _mm512_unpackhi_ps(a, b), CD = _mm512_unpackhi_ps(c, d);
        v_store(to, _mm512_shuffle_ps(ab, cd, 0x44));
        v_store(to + WIDTH, _mm512_shuffle_ps(ab, cd, 0xEE));
        v_store(to + 2 * WIDTH, _mm512_shuffle_ps(AB, CD, 0x44));
        v_store(to + 3 * WIDTH, _mm512_shuffle_ps(AB, CD, 0xEE));
    }
}

enum { STRIP = 64 };

/* 16 rows as floats, zeros where there are none. */
static void widened(const ts_gemm_panels *p, int64_t x, float *out)
{
    const size_t size = ts_dtype_size(p->src_dtype);
    for (int i = 0; i < V; i++) {
        const char *row = (const char *)p->src + (size_t)((x + i) * p->ld) * size;
        for (int64_t k = 0; k < STRIP; k += V) {
            const int64_t n = x + i < p->n_x ? p->n_k - k : 0;
            const __mmask16 m = (__mmask16)(n >= V ? 0xFFFF : n <= 0 ? 0 : (1 << n) - 1);
            vf v;
            if (p->src_dtype == TS_DTYPE_F32) {
                v = _mm512_maskz_loadu_ps(m, row + k * 4);
            } else {
                const __m256i h = _mm256_maskz_loadu_epi16(m, row + k * 2);
                v = p->src_dtype == TS_DTYPE_F16
                        ? _mm512_cvtph_ps(h)
                        : _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
            }
            v_store(out + i * STRIP + k, v);
        }
    }
}

/* STRIP steps at most. */
static void turn(const ts_gemm_panels *p, const char *ahead)
{
    float wide[V * STRIP], *to = (float *)(void *)p->dst;
    for (int64_t x = 0; x < WIDTH; x += V) {
        if (p->src_dtype == TS_DTYPE_F32 && x + V <= p->n_x && p->n_k % 4 == 0) {
            turn16((const float *)p->src + x * p->ld, p->ld, p->n_k, to + x, ahead, V * 16);
            ahead += V * p->n_k * 4;
        } else {
            widened(p, x, wide);
            turn16(wide, STRIP, (p->n_k + 3) / 4 * 4, to + x, ahead, V * 8);
            ahead += V * p->n_k * 2;
        }
    }
}

void ts_gemm_few_kernels_init_avx512(ts_gemm_few_kernels *k)
{
    *k = (ts_gemm_few_kernels){ .rows = ROWS, .width = WIDTH, .turn = turn, .add = add };
}
