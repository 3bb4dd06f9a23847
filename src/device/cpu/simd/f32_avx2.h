/* The vocabulary at eight floats: AVX2, FMA, F16C. f32_avx512.h says what the words mean. */
#ifndef TS_DEVICE_CPU_SIMD_F32_AVX2_H
#define TS_DEVICE_CPU_SIMD_F32_AVX2_H
#include "device/cpu/simd/isa_name.h"
#include <immintrin.h>

typedef __m256 vf, vm;
typedef float vs;
typedef struct vd {
    __m256d lo, hi;
} vd;
enum { V = 8, V_STRIP = 4 };

INLINE __m256i v_lanes(int64_t n)
{
    const int left = (int)(n > V ? V : n < 0 ? 0 : n);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(left), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
INLINE vf v_set(vs s) { return _mm256_set1_ps(s); }
INLINE vf v_add(vf a, vf b) { return _mm256_add_ps(a, b); }
INLINE vf v_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
INLINE vf v_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
INLINE vf v_div(vf a, vf b) { return _mm256_div_ps(a, b); }
INLINE vf v_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
INLINE vf v_fnma(vf a, vf b, vf c) { return _mm256_fnmadd_ps(a, b, c); }
INLINE vf v_max(vf a, vf b) { return _mm256_max_ps(a, b); }
INLINE vf v_min(vf a, vf b) { return _mm256_min_ps(a, b); }
INLINE vf v_sqrt(vf a) { return _mm256_sqrt_ps(a); }
INLINE vf v_abs(vf a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
INLINE vm v_ge(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_GE_OQ); }
INLINE vm v_eq(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
INLINE vf v_sel(vm m, vf a, vf b) { return _mm256_blendv_ps(b, a, m); }
INLINE vf v_keep(int64_t n, vf a, vf other)
{
    return n >= V ? a : v_sel(_mm256_castsi256_ps(v_lanes(n)), a, other);
}
INLINE vf v_copysign(vf a, vf sign)
{
    const vf bit = _mm256_set1_ps(-0.0f);
    return _mm256_or_ps(_mm256_andnot_ps(bit, a), _mm256_and_ps(bit, sign));
}
INLINE int v_first(vm m, int64_t n)
{
    const int in = _mm256_movemask_ps(_mm256_and_ps(m, _mm256_castsi256_ps(v_lanes(n))));
    return in ? __builtin_ctz((unsigned)in) : -1;
}
INLINE int v_count(vm m, int64_t n)
{
    return __builtin_popcount(
        (unsigned)_mm256_movemask_ps(_mm256_and_ps(m, _mm256_castsi256_ps(v_lanes(n)))));
}
INLINE vs v_sum(vf v)
{
    const __m128 h = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 q = _mm_add_ps(h, _mm_movehl_ps(h, h));
    return _mm_cvtss_f32(_mm_add_ss(q, _mm_movehdup_ps(q)));
}
INLINE vs v_hmax(vf v)
{
    const __m128 h = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 q = _mm_max_ps(h, _mm_movehl_ps(h, h));
    return _mm_cvtss_f32(_mm_max_ss(q, _mm_movehdup_ps(q)));
}

INLINE __m128i v_to_bf16(vf v)
{
    const __m256i u = _mm256_castps_si256(v), high = _mm256_srli_epi32(u, 16);
    const __m256i half = _mm256_add_epi32(_mm256_and_si256(high, _mm256_set1_epi32(1)),
                                          _mm256_set1_epi32(0x7FFF));
    const __m256i r = _mm256_srli_epi32(_mm256_add_epi32(u, half), 16);
    const __m256i quiet = _mm256_or_si256(high, _mm256_set1_epi32(0x40));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    const __m256i w = _mm256_blendv_epi8(r, quiet, nan);
    return _mm_packus_epi32(_mm256_castsi256_si128(w), _mm256_extracti128_si256(w, 1));
}
INLINE vf v_from_bf16(__m128i h)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}
INLINE __m128i v_to_f16(vf v)
{
    return _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* AVX2 has no masks for 16-bit lanes: a tail goes through the stack. */
INLINE vf v_load_as(const void *p, int64_t i, int64_t n, ts_dtype t)
{
    if (t == TS_DTYPE_F32) {
        const float *f = (const float *)p + i;
        return n >= V ? _mm256_loadu_ps(f) : _mm256_maskload_ps(f, v_lanes(n));
    }
    const uint16_t *h = (const uint16_t *)p + i;
    uint16_t tail[V] = { 0 };
    if (n < V) {
        for (int k = 0; k < n; k++)
            tail[k] = h[k];
        h = tail;
    }
    const __m128i u = _mm_loadu_si128((const __m128i *)(const void *)h);
    return t == TS_DTYPE_BF16 ? v_from_bf16(u) : _mm256_cvtph_ps(u);
}
INLINE void v_store_as(void *p, int64_t i, int64_t n, ts_dtype t, vf v)
{
    if (t == TS_DTYPE_F32) {
        float *f = (float *)p + i;
        if (n >= V)
            _mm256_storeu_ps(f, v);
        else
            _mm256_maskstore_ps(f, v_lanes(n), v);
        return;
    }
    uint16_t *h = (uint16_t *)p + i;
    const __m128i u = t == TS_DTYPE_BF16 ? v_to_bf16(v) : v_to_f16(v);
    if (n >= V) {
        _mm_storeu_si128((__m128i *)(void *)h, u);
        return;
    }
    uint16_t tail[V];
    _mm_storeu_si128((__m128i *)(void *)tail, u);
    for (int k = 0; k < n; k++)
        h[k] = tail[k];
}
INLINE vf v_round_as(vf v, ts_dtype t)
{
    return t == TS_DTYPE_BF16  ? v_from_bf16(v_to_bf16(v))
           : t == TS_DTYPE_F16 ? _mm256_cvtph_ps(v_to_f16(v))
                               : v;
}

INLINE void v_unzip(vf lo, vf hi, vf *even, vf *odd)
{
    /* a: neighbours 0-3 of lo and of hi, b: 4-7 of each; so each half comes out in order. */
    const vf a = _mm256_permute2f128_ps(lo, hi, 0x20), b = _mm256_permute2f128_ps(lo, hi, 0x31);
    *even = _mm256_shuffle_ps(a, b, 0x88);
    *odd = _mm256_shuffle_ps(a, b, 0xDD);
}
INLINE void v_zip(vf even, vf odd, vf *lo, vf *hi)
{
    const vf a = _mm256_unpacklo_ps(even, odd), b = _mm256_unpackhi_ps(even, odd);
    *lo = _mm256_permute2f128_ps(a, b, 0x20);
    *hi = _mm256_permute2f128_ps(a, b, 0x31);
}

INLINE vd vd_zero(void) { return (vd){ _mm256_setzero_pd(), _mm256_setzero_pd() }; }
INLINE vd vd_add_square(vd s, vf v)
{
    const __m256d lo = _mm256_cvtps_pd(_mm256_castps256_ps128(v));
    const __m256d hi = _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1));
    return (vd){ _mm256_fmadd_pd(lo, lo, s.lo), _mm256_fmadd_pd(hi, hi, s.hi) };
}
INLINE double vd_sum(vd s)
{
    const __m256d t = _mm256_add_pd(s.lo, s.hi);
    const __m128d h = _mm_add_pd(_mm256_castpd256_pd128(t), _mm256_extractf128_pd(t, 1));
    return _mm_cvtsd_f64(_mm_add_sd(h, _mm_unpackhi_pd(h, h)));
}

/* exp: x = j ln2 + r, |r| <= ln2/2; e^r = 1 + (r + r^2 q(r)), q of degree 4 (error 0.06 u); 2^j in
 * two factors, so that the smallest and the largest results come out right.
 * Error: r + r^2 q 0.5 u, last sum 1 u, halves of j exact: under 2 u in all (u = 2^-24). */
INLINE vf v_exp(vf x)
{
    const vf c = v_min(v_set(89.0f), v_max(v_set(-104.0f), x));
    const vf k = _mm256_round_ps(v_mul(c, v_set(0x1.715476p0f)),
                                 _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const vf r = v_fnma(k, v_set(-0x1.05c610p-29f), v_fnma(k, v_set(0x1.62e430p-1f), c));
    vf q = v_fma(r, v_set(0.00138144666f), v_set(0.00836878044f));
    q = v_fma(q, r, v_set(0.0416683942f));
    q = v_fma(q, r, v_set(0.166665201f));
    q = v_fma(q, r, v_set(0.499999934f));
    const vf y = v_add(v_set(1), v_fma(v_mul(r, r), q, r));
    const __m256i j = _mm256_cvtps_epi32(k), j1 = _mm256_srai_epi32(j, 1),
                  j2 = _mm256_sub_epi32(j, j1);
    const __m256i bias = _mm256_set1_epi32(127);
    const vf two1 = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(j1, bias), 23));
    const vf two2 = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(j2, bias), 23));
    return v_mul(v_mul(y, two1), two2);
}

/* 4 blocks side by side, one to a lane of 64 bits (see f32_avx512.h); lanes 2k and 2k + 1 work on
 * blocks k and k + 2. */
INLINE void v_philox4(const ts_rng *r, uint64_t block, uint32_t out[2 * V])
{
    const __m256i m0 = _mm256_set1_epi64x(0xD2511F53), m2 = _mm256_set1_epi64x(0xCD9E8D57);
    __m256i c0 = _mm256_add_epi64(_mm256_set1_epi64x((int64_t)block),
                                  _mm256_setr_epi64x(0, 2, 1, 3));
    __m256i c1 = _mm256_srli_epi64(c0, 32);
    __m256i c2 = _mm256_set1_epi32((int)r->hi[0]), c3 = _mm256_set1_epi32((int)r->hi[1]);
    __m256i k0 = _mm256_set1_epi32((int)r->key[0]), k1 = _mm256_set1_epi32((int)r->key[1]);
    for (int i = 0; i < 10; i++) {
        const __m256i p0 = _mm256_mul_epu32(c0, m0), p2 = _mm256_mul_epu32(c2, m2);
        c0 = _mm256_xor_si256(_mm256_srli_epi64(p2, 32), _mm256_xor_si256(c1, k0));
        c2 = _mm256_xor_si256(_mm256_srli_epi64(p0, 32), _mm256_xor_si256(c3, k1));
        c1 = p2, c3 = p0;
        k0 = _mm256_add_epi32(k0, _mm256_set1_epi32((int)0x9E3779B9u));
        k1 = _mm256_add_epi32(k1, _mm256_set1_epi32((int)0xBB67AE85u));
    }
    const __m256i a = _mm256_blend_epi32(c0, _mm256_slli_epi64(c1, 32), 0xAA),
                  b = _mm256_blend_epi32(c2, _mm256_slli_epi64(c3, 32), 0xAA);
    __m256i *o = (__m256i *)(void *)out;
    _mm256_storeu_si256(o, _mm256_unpacklo_epi64(a, b));
    _mm256_storeu_si256(o + 1, _mm256_unpackhi_epi64(a, b));
}
INLINE void v_philox(const ts_rng *r, uint64_t block, uint32_t out[4 * V])
{
    v_philox4(r, block, out);
    v_philox4(r, block + 4, out + 2 * V);
}
typedef __m256i vu;
INLINE vu v_halves(const uint32_t *u, int64_t at, int64_t n)
{
    const uint16_t *h = (const uint16_t *)(const void *)u + at;
    uint16_t tail[V] = { 0 };
    if (n < V) {
        memcpy(tail, h, (size_t)n * sizeof *tail);
        h = tail;
    }
    return _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)h));
}
INLINE vu v_times16(vu r, int factor)
{
    return _mm256_mullo_epi16(r, _mm256_set1_epi32(factor));
}
INLINE void v_store_random(uint16_t *p, int64_t n, vf v, vu r)
{
    const __m256i u = _mm256_castps_si256(v);
    const __m256i quiet = _mm256_or_si256(u, _mm256_set1_epi32(0x400000));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    const __m256i w =
        _mm256_srli_epi32(_mm256_blendv_epi8(_mm256_add_epi32(u, r), quiet, nan), 16);
    const __m128i h = _mm_packus_epi32(_mm256_castsi256_si128(w), _mm256_extracti128_si256(w, 1));
    uint16_t tail[V];
    _mm_storeu_si128((__m128i *)(void *)(n >= V ? p : tail), h);
    for (int k = 0; k < n && n < V; k++)
        p[k] = tail[k];
}
INLINE vf v_uniform(const uint32_t *u, int64_t n)
{
    const __m256i v = _mm256_maskload_epi32((const int *)(const void *)u, v_lanes(n));
    return v_mul(_mm256_cvtepi32_ps(_mm256_srli_epi32(v, 8)), v_set(0x1p-24f));
}

#include "device/cpu/simd/f32_math.h"
#endif
