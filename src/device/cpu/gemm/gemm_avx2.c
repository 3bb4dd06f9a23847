/* Products of floats, 8 at a time: a 6 x 16 tile in 12 of 16 registers. */
#include "device/cpu/gemm/gemm_vec256.h"

typedef __m256 vu;
enum { ROWS = 6, VECS = 2 };
static inline vu v_units(const char *p) { return _mm256_loadu_ps((const float *)(const void *)p); }
static inline vu v_unit(const char *p)
{
    float f;
    memcpy(&f, p, 4);
    return _mm256_set1_ps(f);
}
static inline vu v_half(const char *p) { return v_unit(p); }
static inline vf v_dot(vf acc, vu a, vu b) { return _mm256_fmadd_ps(a, b, acc); }

#include "device/cpu/gemm/gemm_tile_body.h"

#define CASES(r)                                                                                   \
    case (r) * 4 + 1: tile_of(t, r, 1); break;                                                     \
    case (r) * 4 + 2: tile_of(t, r, 2); break;

static void tile(const ts_gemm_tile *t)
{
    switch (t->rows * 4 + (t->cols + V - 1) / V) {
        CASES(1)
        CASES(2)
        CASES(3)
        CASES(4)
        CASES(5)
        CASES(6)
    default: break;
    }
}

/* x-major sources go through a strip of floats, so that both sides are touched line by line. */
static void pack_x_major(const ts_gemm_panels *p, int64_t x, int64_t s_begin, int64_t s_end)
{
    enum { STRIP = 32 };
    float strip[STRIP];
    const size_t size = ts_dtype_size(p->src_dtype);
    const char *row = (const char *)p->src + x * p->ld * (int64_t)size;
    float *d = (float *)(void *)p->dst + x / p->width * p->steps * p->width + x % p->width;
    for (int64_t s = s_begin; s < s_end; s += STRIP) {
        const int64_t n = s_end - s < STRIP ? s_end - s : STRIP;
        for (int64_t l = 0; l < n; l += V)
            _mm256_storeu_ps(strip + l,
                             x < p->n_x ? v_load(row, s + l, p->src_dtype, n - l) : v_zero());
        for (int64_t l = 0; l < n; l++)
            d[(s + l) * p->width] = strip[l];
    }
}

static void pack_k_major(const ts_gemm_panels *p, int64_t x_begin, int64_t x_fill, int64_t s)
{
    const size_t size = ts_dtype_size(p->src_dtype);
    const char *row = (const char *)p->src + s * p->ld * (int64_t)size;
    float strip[TS_GEMM_PACK_X + V];
    for (int64_t x = x_begin; x < x_fill; x += TS_GEMM_PACK_X) {
        const int64_t n = x_fill - x < TS_GEMM_PACK_X ? x_fill - x : TS_GEMM_PACK_X;
        for (int64_t l = 0; l < n; l += V)
            _mm256_storeu_ps(strip + l, x + l < p->n_x
                                            ? v_load(row, x + l, p->src_dtype, p->n_x - x - l)
                                            : v_zero());
        for (int64_t l = 0; l < n; l += p->width)
            memcpy(p->dst + ((x + l) / p->width * p->steps + s) * p->width * 4, strip + l,
                   (size_t)p->width * 4);
    }
}

static void pack(const ts_gemm_panels *p, int64_t x_begin, int64_t x_end, int64_t s_begin,
                 int64_t s_end)
{
    const int64_t x_fill = (x_end + p->width - 1) / p->width * p->width;
    if (p->k_major)
        for (int64_t s = s_begin; s < s_end; s++)
            pack_k_major(p, x_begin, x_fill, s);
    else
        for (int64_t x = x_begin; x < x_fill; x++)
            pack_x_major(p, x, s_begin, s_end);
}

void ts_gemm_kernels_init_avx2(ts_gemm_kernels *k)
{
    *k = (ts_gemm_kernels){
        .rows = ROWS, .width = WIDTH, .pairs = false, .tile = tile, .pack = pack
    };
}
