#include "base/dtype.h"
#include <immintrin.h>

#define FEW_ROWS 6
typedef __m256 vf;
enum { V = 8, VECS = 2, ROWS = FEW_ROWS };
static inline vf v_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void v_store(float *p, vf v) { _mm256_storeu_ps(p, v); }
static inline vf v_set(float x) { return _mm256_set1_ps(x); }
static inline vf v_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }

#include "device/cpu/gemm/gemm_few_body.h"

static inline vf full(const void *p, ts_dtype t)
{
    if (t == TS_DTYPE_F32)
        return _mm256_loadu_ps(p);
    const __m128i h = _mm_loadu_si128(p);
    if (t == TS_DTYPE_F16)
        return _mm256_cvtph_ps(h);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}

/* Elements k.. of row x, zeros where there are none. */
static inline vf part(const ts_gemm_panels *p, int64_t x, int64_t k)
{
    const size_t size = ts_dtype_size(p->src_dtype);
    const char *at = (const char *)p->src + (size_t)(x * p->ld + k) * size;
    const int64_t n = p->n_k - k;
    if (x >= p->n_x || n <= 0)
        return _mm256_setzero_ps();
    if (n >= V)
        return full(at, p->src_dtype);
    float rest[V] = { 0 };
    memcpy(rest, at, (size_t)n * size);
    return full(rest, p->src_dtype);
}

INLINE void transpose(vf r[V])
{
    vf t[V];
    UNROLL
    for (int i = 0; i < V; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    UNROLL
    for (int i = 0; i < V; i += 4) {
        r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xEE);
        r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xEE);
    }
    UNROLL
    for (int i = 0; i < 4; i++) {
        t[i] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x20);
        t[i + 4] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x31);
    }
    UNROLL
    for (int i = 0; i < V; i++)
        r[i] = t[i];
}

static void turn(const ts_gemm_panels *p, const char *ahead)
{
    float *to = (float *)(void *)p->dst;
    const int64_t line = V * V * (int64_t)ts_dtype_size(p->src_dtype);
    for (int64_t s = 0; s < p->n_k; s += V)
        for (int x = 0; x < WIDTH; x += V, ahead += line) {
            vf r[V];
            for (int64_t o = 0; o < line; o += 64)
                __builtin_prefetch(ahead + o, 0, 2);
            UNROLL
            for (int i = 0; i < V; i++)
                r[i] = part(p, x + i, s);
            transpose(r);
            UNROLL
            for (int i = 0; i < V; i++)
                if (s + i < p->n_k)
                    v_store(to + (s + i) * WIDTH + x, r[i]);
        }
}

void ts_gemm_few_kernels_init_avx2(ts_gemm_few_kernels *k)
{
    *k = (ts_gemm_few_kernels){ .rows = ROWS, .width = WIDTH, .turn = turn, .add = add };
}
