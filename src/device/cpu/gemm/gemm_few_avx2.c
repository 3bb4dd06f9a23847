#include "device/cpu/gemm/gemm_turn_avx2.h"

#include <string.h>

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

/* Where rows or steps are missing. */
static void turn_edge(const ts_gemm_panels *p, int64_t s, float *to)
{
    for (int x = 0; x < WIDTH; x += V) {
        vf r[V];
        UNROLL
        for (int i = 0; i < V; i++)
            r[i] = part(p, x + i, s);
        turn_8x8(r);
        UNROLL
        for (int i = 0; i < V; i++)
            if (s + i < p->n_k)
                v_store(to + i * WIDTH + x, r[i]);
    }
}

INLINE void turn_as(const ts_gemm_panels *p, const char *ahead, const ts_dtype type)
{
    const int64_t size = (int64_t)ts_dtype_size(type), bytes = WIDTH * V * size;
    float *to = (float *)(void *)p->dst;
    for (int64_t s = 0; s < p->n_k; s += V, ahead += bytes, to += V * WIDTH) {
        UNROLL
        for (int64_t o = 0; o < bytes; o += 64)
            __builtin_prefetch(ahead + o, 0, 2);
        if (p->n_x >= WIDTH && s + V <= p->n_k)
            turn_16x8((const char *)p->src + s * size, p->ld, type, to);
        else
            turn_edge(p, s, to);
    }
}

static void turn(const ts_gemm_panels *p, const char *ahead)
{
    switch (p->src_dtype) {
    case TS_DTYPE_BF16: turn_as(p, ahead, TS_DTYPE_BF16); break;
    case TS_DTYPE_F16: turn_as(p, ahead, TS_DTYPE_F16); break;
    default: turn_as(p, ahead, TS_DTYPE_F32); break;
    }
}

/* ---- turned and multiplied at once ---- */

enum { LINE_ROWS = 4, LINE = 32 }; /* steps of 64 bytes */

/* Eight steps from src on. */
INLINE void line_step(const char *src, int64_t row, const float *a, int64_t lda, vf sum[LINE_ROWS][VECS], const int rows)
{
    __m256i t[V];
    turn_words(src, row, t);
    UNROLL
    for (int i = 0; i < V; i++) {
        const vf low = turn_low(t[i]), high = turn_high(t[i]);
        UNROLL
        for (int r = 0; r < rows; r++) {
            const vf x = v_set(a[r * lda + i]);
            sum[r][0] = v_fma(x, low, sum[r][0]);
            sum[r][1] = v_fma(x, high, sum[r][1]);
        }
    }
}

INLINE void line_of(const ts_gemm_panels *p, const char *ahead, const float *a, int64_t lda, float *acc, const int rows)
{
    _Alignas(64) char near[WIDTH * 64];
    const int64_t row = p->ld * 2;
    const bool shares = turn_shares(row);
    const char *src = p->src;
    vf sum[LINE_ROWS][VECS];
    for (int r = 0; r < rows; r++)
        sum[r][0] = v_load(acc + r * WIDTH), sum[r][1] = v_load(acc + r * WIDTH + V);
    for (int64_t s = 0; s < p->n_k; s += V) {
        const bool copied = shares && s / LINE * LINE + LINE <= p->n_k;
        for (int64_t o = 0; o < 4; o++, ahead += 64)
            __builtin_prefetch(ahead, 0, 2);
        if (copied && s % LINE == 0)
            turn_together(src + s * 2, row, near);
        line_step(copied ? near + s % LINE * 2 : src + s * 2, copied ? 64 : row, a + s, lda, sum, rows);
    }
    for (int r = 0; r < rows; r++)
        v_store(acc + r * WIDTH, sum[r][0]), v_store(acc + r * WIDTH + V, sum[r][1]);
}

static bool line(const ts_gemm_panels *p, const char *ahead, const float *a, int64_t lda, float *acc, int rows)
{
    if (p->src_dtype != TS_DTYPE_BF16 || p->n_x < WIDTH || p->n_k % V)
        return false;
    switch (rows) {
    case 1: line_of(p, ahead, a, lda, acc, 1); break;
    case 2: line_of(p, ahead, a, lda, acc, 2); break;
    case 3: line_of(p, ahead, a, lda, acc, 3); break;
    default: line_of(p, ahead, a, lda, acc, 4); break;
    }
    return true;
}

void ts_gemm_few_kernels_init_avx2(ts_gemm_few_kernels *k)
{
    *k = (ts_gemm_few_kernels){ .rows = ROWS, .width = WIDTH, .turn = turn, .add = add, .line = line,
                                .line_rows = LINE_ROWS };
}
