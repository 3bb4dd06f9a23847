/* Eight floats at a time: the vocabulary of attention's tiles (see tile_avx512.h). */
#include "base/dtype.h"
#include <immintrin.h>
typedef __m256 vf;
enum { V = 8, MR = 6, NR = 2 }; /* register tile: 12 sums, 2 of b, 1 of a */

static inline vf v_set(float s) { return _mm256_set1_ps(s); }
static inline vf v_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void v_store(float *p, vf v) { _mm256_storeu_ps(p, v); }
static inline vf v_add(vf a, vf b) { return _mm256_add_ps(a, b); }
static inline vf v_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
static inline vf v_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
static inline vf v_div(vf a, vf b) { return _mm256_div_ps(a, b); }
static inline vf v_max(vf a, vf b) { return _mm256_max_ps(a, b); }
static inline vf v_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
static inline vf v_fnma(vf a, vf b, vf c) { return _mm256_fnmadd_ps(a, b, c); }
static inline vf v_fms(vf a, vf b, vf c) { return _mm256_fmsub_ps(a, b, c); }
static inline float v_hmax(vf v)
{
    const __m128 h = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 q = _mm_max_ps(h, _mm_movehl_ps(h, h));
    return _mm_cvtss_f32(_mm_max_ss(q, _mm_movehdup_ps(q)));
}
static inline float v_hsum(vf v)
{
    const __m128 h = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 q = _mm_add_ps(h, _mm_movehl_ps(h, h));
    return _mm_cvtss_f32(_mm_add_ss(q, _mm_movehdup_ps(q)));
}
static inline vf v_abs(vf v) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v); }
static inline vf v_sign_of(vf a, vf b)
{
    return _mm256_or_ps(a, _mm256_and_ps(b, _mm256_set1_ps(-0.0f)));
}
static inline vf v_iota(void) { return _mm256_setr_ps(0, 1, 2, 3, 4, 5, 6, 7); }

static inline vf v_range(int64_t from, int64_t to, vf a, vf b)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const int f = (int)(from < 0   ? 0
                        : from > V ? V
                                   : from),
              t = (int)(to < 0   ? 0
                        : to > V ? V
                                 : to);
    const __m256i in = _mm256_andnot_si256(_mm256_cmpgt_epi32(_mm256_set1_epi32(f), lane),
                                           _mm256_cmpgt_epi32(_mm256_set1_epi32(t), lane));
    return _mm256_blendv_ps(b, a, _mm256_castsi256_ps(in));
}
static inline vf v_bits(const uint8_t *bits, vf a)
{
    const __m256i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    const __m256i has = _mm256_and_si256(_mm256_set1_epi32(bits[0]), bit);
    return _mm256_and_ps(a, _mm256_castsi256_ps(_mm256_cmpeq_epi32(has, bit)));
}

static inline void v_split(vf x, vf *n, vf *f)
{
    x = _mm256_max_ps(_mm256_set1_ps(-127), x); /* a NaN stays; 2^-127 is made 0 below */
    *n = _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    *f = _mm256_sub_ps(x, *n);
}
static inline vf v_times_2n(vf p, vf n)
{
    const __m256i e = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_mul_ps(p, _mm256_castsi256_ps(_mm256_slli_epi32(e, 23)));
}

static inline vf v_get(const void *p, int64_t i, int64_t n, ts_dtype t)
{
    if (n < V) {
        float part[V] = { 0 };
        for (int64_t k = 0; k < n; k++)
            part[k] = ts_load_f32(p, i + k, t);
        return v_load(part);
    }
    if (t == TS_DTYPE_F32)
        return v_load((const float *)p + i);
    const __m128i h = _mm_loadu_si128((const __m128i *)(const void *)((const uint16_t *)p + i));
    if (t == TS_DTYPE_F16)
        return _mm256_cvtph_ps(h);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}

/* V whole numbers of a byte each; V numbers of e4m3 that are numbers: the bits of one, where fp32 has them, are 2^-120 of it. */
static inline vf v_from_i8(const uint8_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p)));
}
static inline vf v_from_e4m3(const uint8_t *p)
{
    const __m256i u = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
    const __m256i size = _mm256_slli_epi32(_mm256_and_si256(u, _mm256_set1_epi32(0x7F)), 20);
    const __m256i sign = _mm256_slli_epi32(_mm256_and_si256(u, _mm256_set1_epi32(0x80)), 24);
    return _mm256_mul_ps(_mm256_castsi256_ps(_mm256_or_si256(size, sign)), _mm256_set1_ps(0x1p120f));
}

static inline void v_put(void *p, int64_t i, int64_t n, ts_dtype t, vf v)
{
    if (n >= V && t == TS_DTYPE_F32) {
        v_store((float *)p + i, v);
    } else if (n >= V && t == TS_DTYPE_F16) {
        const __m128i h = _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT);
        _mm_storeu_si128((__m128i *)(void *)((uint16_t *)p + i), h);
    } else {
        float part[V];
        v_store(part, v);
        for (int64_t k = 0; k < n && k < V; k++)
            ts_store_f32(p, i + k, t, part[k]);
    }
}

static inline void v_transpose(const char *src, int64_t step, uint32_t *dst, int64_t ldd)
{
    __m256 r[8], t[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++)
        r[i] = _mm256_castsi256_ps(
            _mm256_loadu_si256((const __m256i *)(const void *)(src + i * step)));
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) { /* r[i + c]: lane l has column 4 l + c of rows i..i+3 */
        r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xEE);
        r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xEE);
    }
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
        const __m256 low = _mm256_permute2f128_ps(r[c], r[4 + c], 0x20);
        const __m256 high = _mm256_permute2f128_ps(r[c], r[4 + c], 0x31);
        _mm256_storeu_si256((__m256i *)(void *)(dst + c * ldd), _mm256_castps_si256(low));
        _mm256_storeu_si256((__m256i *)(void *)(dst + (4 + c) * ldd), _mm256_castps_si256(high));
    }
}

static inline vf v_sums(const vf x[V])
{
    vf a[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        a[i] = _mm256_hadd_ps(x[2 * i], x[2 * i + 1]);
    const vf low = _mm256_hadd_ps(a[0], a[1]), high = _mm256_hadd_ps(a[2], a[3]);
    return v_add(_mm256_permute2f128_ps(low, high, 0x20), _mm256_permute2f128_ps(low, high, 0x31));
}
