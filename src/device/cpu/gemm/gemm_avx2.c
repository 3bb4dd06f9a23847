/* Products of floats, 8 at a time: a 6 x 16 tile in 12 of 16 registers. */
#include "device/cpu/gemm/gemm_turn_avx2.h"
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

/* Columns [x, x + n) of one step, to as many panels. */
static void pack_strip(const ts_gemm_panels *p, int64_t x, int64_t n, int64_t s)
{
    const char *row = (const char *)p->src + s * p->ld * (int64_t)ts_dtype_size(p->src_dtype);
    float strip[TS_GEMM_PACK_X + V];
    for (int64_t l = 0; l < n; l += V)
        _mm256_storeu_ps(strip + l, x + l < p->n_x ? v_load(row, x + l, p->src_dtype, p->n_x - x - l) : v_zero());
    for (int64_t l = 0; l < n; l += p->width)
        memcpy(p->dst + ((x + l) / p->width * p->steps + s) * p->width * 4, strip + l, (size_t)p->width * 4);
}

/* `count` whole panels of 16 from column x on, one step. */
INLINE void pack_step(const ts_gemm_panels *p, int64_t x, int64_t count, int64_t s, const ts_dtype type)
{
    const char *row = (const char *)p->src + (s * p->ld + x) * (int64_t)ts_dtype_size(type);
    float *d = (float *)(void *)p->dst + x * p->steps + s * WIDTH;
    for (int64_t i = 0; i < count; i++, row += WIDTH * ts_dtype_size(type), d += p->steps * WIDTH) {
        _mm256_storeu_ps(d, load_full(row, type));
        _mm256_storeu_ps(d + V, load_full(row + V * ts_dtype_size(type), type));
    }
}

/* Some panels at a time with all their steps: one step of many panels would touch lines that lie far apart, at
 * distances that caches map to the same few places. */
static void pack_k_major(const ts_gemm_panels *p, int64_t x_begin, int64_t x_fill, int64_t s_begin, int64_t s_end)
{
    for (int64_t x = x_begin; x < x_fill; x += TS_GEMM_PACK_X) {
        const int64_t n = x_fill - x < TS_GEMM_PACK_X ? x_fill - x : TS_GEMM_PACK_X;
        const bool whole = p->width == WIDTH && x + n <= p->n_x;
        for (int64_t s = s_begin; s < s_end; s++)
            if (!whole)
                pack_strip(p, x, n, s);
            else if (p->src_dtype == TS_DTYPE_BF16)
                pack_step(p, x, n / WIDTH, s, TS_DTYPE_BF16);
            else if (p->src_dtype == TS_DTYPE_F16)
                pack_step(p, x, n / WIDTH, s, TS_DTYPE_F16);
            else
                pack_step(p, x, n / WIDTH, s, TS_DTYPE_F32);
    }
}

/* Panels of 16 rows, eight steps at a time; returns the step it came to. */
INLINE int64_t pack_whole_as(const ts_gemm_panels *p, int64_t x, int64_t s, int64_t s_end, const ts_dtype type)
{
    const int64_t size = (int64_t)ts_dtype_size(type), last = s_end < p->n_k ? s_end : p->n_k;
    const char *src = (const char *)p->src + x * p->ld * size;
    float *d = (float *)(void *)p->dst + x * p->steps;
    for (; s + V <= last; s += V)
        turn_16x8(src + s * size, p->ld, type, d + s * WIDTH);
    return s;
}

static int64_t pack_whole(const ts_gemm_panels *p, int64_t x, int64_t s, int64_t s_end)
{
    switch (p->src_dtype) {
    case TS_DTYPE_BF16: return pack_whole_as(p, x, s, s_end, TS_DTYPE_BF16);
    case TS_DTYPE_F16: return pack_whole_as(p, x, s, s_end, TS_DTYPE_F16);
    default: return pack_whole_as(p, x, s, s_end, TS_DTYPE_F32);
    }
}

static void pack_rows(const ts_gemm_panels *p, int64_t x_begin, int64_t x_fill, int64_t s_begin, int64_t s_end)
{
    for (int64_t x = x_begin; x < x_fill; x += p->width) {
        const bool whole = p->width == WIDTH && x + WIDTH <= p->n_x;
        const int64_t s = whole ? pack_whole(p, x, s_begin, s_end) : s_begin;
        for (int64_t i = 0; s < s_end && i < p->width; i++)
            pack_x_major(p, x + i, s, s_end);
    }
}

static void pack(const ts_gemm_panels *p, int64_t x_begin, int64_t x_end, int64_t s_begin,
                 int64_t s_end)
{
    const int64_t x_fill = (x_end + p->width - 1) / p->width * p->width;
    if (p->k_major)
        pack_k_major(p, x_begin, x_fill, s_begin, s_end);
    else
        pack_rows(p, x_begin, x_fill, s_begin, s_end);
}

static void look_up(const uint8_t *code, int64_t first, int64_t n, const float value[16], void *to)
{
    const __m256 low = _mm256_loadu_ps(value), high = _mm256_loadu_ps(value + V);
    const __m256i down = _mm256_setr_epi32(4, 0, 12, 8, 20, 16, 28, 24);
    float *out = to;
    int64_t i = first % 2 ? n : 0;
    for (; i + V <= n; i += V) { /* eight codes in four bytes */
        int32_t four;
        memcpy(&four, code + (first + i) / 2, sizeof four);
        const __m256i c = _mm256_srlv_epi32(_mm256_set1_epi32(four), down);
        _mm256_storeu_ps(out + i, _mm256_blendv_ps(_mm256_permutevar8x32_ps(low, c), _mm256_permutevar8x32_ps(high, c),
                                                   _mm256_castsi256_ps(_mm256_slli_epi32(c, 28))));
    }
    for (i = first % 2 ? 0 : i; i < n; i++)
        out[i] = value[(first + i) % 2 ? code[(first + i) / 2] & 15 : code[(first + i) / 2] >> 4];
}

static void round_to_bf16(float *units, int64_t n) { round_units(units, n); }

void ts_gemm_kernels_init_avx2(ts_gemm_kernels *k)
{
    *k = (ts_gemm_kernels){
        .rows = ROWS, .width = WIDTH, .pairs = false, .tile = tile, .finish = finish, .pack = pack,
        .round = round_to_bf16, .look_up = look_up,
    };
}
