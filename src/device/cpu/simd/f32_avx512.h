/* The vocabulary of row-wise kernels at sixteen floats. Every f32_<isa>.h gives these names:
 *
 *   vf, vs, vm, vd       vector, scalar of its precision, mask, sums in double
 *   V, V_STRIP           lanes; how many vectors of sums a column kernel keeps in registers
 *   n                    what is left of the row: lanes n and up are read as 0 and not written, so
 *                        that a row needs no scalar tail. A constant V compiles to plain loads and
 *                        stores.
 *   v_load_as, v_store_as(p, i, n, type)   element i and on, converted; stores round to nearest,
 *                        ties to even
 *   v_round_as(v, type)  what a store and a load would give
 *   v_max, v_min(a, b)   b when one of them is NaN
 *   v_keep(n, a, other)  a in lanes below n, other in the rest
 *   v_first, v_count(m, n)  lowest lane set (-1: none), number of lanes set, of those below n
 *   v_sum, v_hmax        across lanes, in a fixed tree
 *   v_unzip, v_zip       2V neighbours <-> their even and odd ones
 *   v_exp, v_tanh, v_sigmoid, v_phi   f32_math.h says how exact
 *   v_philox, v_uniform  the numbers of base/rng.h, 4V at a time
 *   vu, v_halves(u, at, n)   V numbers of 16 bits: halves at.. of these, lower ones first
 *   v_times16(r, factor)     times a number below 2^16, modulo 2^16
 *   v_store_random(p, n, v, r)   to bf16 as ts_f32_to_bf16_random does */
#ifndef TS_DEVICE_CPU_SIMD_F32_AVX512_H
#define TS_DEVICE_CPU_SIMD_F32_AVX512_H
#include "device/cpu/simd/isa_name.h"
#include <immintrin.h>

typedef __m512 vf;
typedef float vs;
typedef __mmask16 vm;
typedef struct vd {
    __m512d lo, hi;
} vd;
enum { V = 16, V_STRIP = 8 };

INLINE vm v_lanes(int64_t n) { return (vm)(n >= V ? 0xFFFFu : n <= 0 ? 0u : (1u << n) - 1); }
INLINE vf v_set(vs s) { return _mm512_set1_ps(s); }
INLINE vf v_add(vf a, vf b) { return _mm512_add_ps(a, b); }
INLINE vf v_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
INLINE vf v_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
INLINE vf v_div(vf a, vf b) { return _mm512_div_ps(a, b); }
INLINE vf v_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }   /* a*b + c */
INLINE vf v_fnma(vf a, vf b, vf c) { return _mm512_fnmadd_ps(a, b, c); } /* c - a*b */
INLINE vf v_max(vf a, vf b) { return _mm512_max_ps(a, b); }
INLINE vf v_min(vf a, vf b) { return _mm512_min_ps(a, b); }
INLINE vf v_sqrt(vf a) { return _mm512_sqrt_ps(a); }
INLINE vf v_abs(vf a) { return _mm512_abs_ps(a); }
INLINE vm v_ge(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ); }
INLINE vm v_eq(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
INLINE vf v_sel(vm m, vf a, vf b) { return _mm512_mask_blend_ps(m, b, a); }
INLINE vf v_keep(int64_t n, vf a, vf other) { return n >= V ? a : v_sel(v_lanes(n), a, other); }
INLINE vf v_copysign(vf a, vf sign)
{
    const vf bit = _mm512_set1_ps(-0.0f);
    return _mm512_or_ps(_mm512_andnot_ps(bit, a), _mm512_and_ps(bit, sign));
}
INLINE int v_first(vm m, int64_t n)
{
    const unsigned in = (unsigned)m & v_lanes(n);
    return in ? __builtin_ctz(in) : -1;
}
INLINE int v_count(vm m, int64_t n) { return __builtin_popcount((unsigned)m & v_lanes(n)); }
INLINE vs v_sum(vf v) { return _mm512_reduce_add_ps(v); }
INLINE vs v_hmax(vf v) { return _mm512_reduce_max_ps(v); }

INLINE __m256i v_to_bf16(vf v)
{
    const __m512i u = _mm512_castps_si512(v), high = _mm512_srli_epi32(u, 16);
    const __m512i half = _mm512_add_epi32(_mm512_and_si512(high, _mm512_set1_epi32(1)),
                                          _mm512_set1_epi32(0x7FFF));
    const __m512i r = _mm512_srli_epi32(_mm512_add_epi32(u, half), 16);
    const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    return _mm512_cvtepi32_epi16(_mm512_mask_or_epi32(r, nan, high, _mm512_set1_epi32(0x40)));
}
INLINE vf v_from_bf16(__m256i h)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}
INLINE __m256i v_to_f16(vf v)
{
    return _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

INLINE vf v_load_as(const void *p, int64_t i, int64_t n, ts_dtype t)
{
    if (t == TS_DTYPE_F32) {
        const float *f = (const float *)p + i;
        return n >= V ? _mm512_loadu_ps(f) : _mm512_maskz_loadu_ps(v_lanes(n), f);
    }
    const uint16_t *h = (const uint16_t *)p + i;
    const __m256i u = n >= V ? _mm256_loadu_si256((const __m256i *)(const void *)h)
                             : _mm256_maskz_loadu_epi16(v_lanes(n), h);
    return t == TS_DTYPE_BF16 ? v_from_bf16(u) : _mm512_cvtph_ps(u);
}
INLINE void v_store_as(void *p, int64_t i, int64_t n, ts_dtype t, vf v)
{
    if (t == TS_DTYPE_F32) {
        float *f = (float *)p + i;
        if (n >= V)
            _mm512_storeu_ps(f, v);
        else
            _mm512_mask_storeu_ps(f, v_lanes(n), v);
        return;
    }
    uint16_t *h = (uint16_t *)p + i;
    const __m256i u = t == TS_DTYPE_BF16 ? v_to_bf16(v) : v_to_f16(v);
    if (n >= V)
        _mm256_storeu_si256((__m256i *)(void *)h, u);
    else
        _mm256_mask_storeu_epi16(h, v_lanes(n), u);
}
INLINE vf v_round_as(vf v, ts_dtype t)
{
    return t == TS_DTYPE_BF16  ? v_from_bf16(v_to_bf16(v))
           : t == TS_DTYPE_F16 ? _mm512_cvtph_ps(v_to_f16(v))
                               : v;
}

INLINE void v_unzip(vf lo, vf hi, vf *even, vf *odd)
{
    const __m512i e = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    *even = _mm512_permutex2var_ps(lo, e, hi);
    *odd = _mm512_permutex2var_ps(lo, _mm512_add_epi32(e, _mm512_set1_epi32(1)), hi);
}
INLINE void v_zip(vf even, vf odd, vf *lo, vf *hi)
{
    const __m512i l = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    *lo = _mm512_permutex2var_ps(even, l, odd);
    *hi = _mm512_permutex2var_ps(even, _mm512_add_epi32(l, _mm512_set1_epi32(8)), odd);
}

INLINE vd vd_zero(void) { return (vd){ _mm512_setzero_pd(), _mm512_setzero_pd() }; }
INLINE vd vd_add_square(vd s, vf v)
{
    const __m512d lo = _mm512_cvtps_pd(_mm512_castps512_ps256(v));
    const __m512d hi = _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1));
    return (vd){ _mm512_fmadd_pd(lo, lo, s.lo), _mm512_fmadd_pd(hi, hi, s.hi) };
}
INLINE double vd_sum(vd s) { return _mm512_reduce_add_pd(_mm512_add_pd(s.lo, s.hi)); }

/* exp: x = (i + 16 j) ln2/16 + r, |r| <= ln2/32; 2^(i/16) from a table in a register, e^r by a
 * cubic (error 0.03 u), 2^j by scalef, which also makes infinities, zeros and subnormals. Adding
 * 1.5 * 2^19 leaves x log2(e) rounded to sixteenths, its last four bits the table's index.
 * Error: table 1 u, last sum 1 u, the rest under 0.2 u: 2.2 u in all (u = 2^-24). */
INLINE vf v_exp(vf x)
{
    const vf table =
        _mm512_setr_ps(1, 1.04427373f, 1.09050775f, 1.13878858f, 1.18920708f, 1.24185777f,
                       1.29683959f, 1.35425556f, 1.41421354f, 1.47682619f, 1.54221082f, 1.61049032f,
                       1.68179286f, 1.75625217f, 1.8340081f, 1.91520655f);
    const vf magic = v_set(0x1.8p19f);
    const vf c = v_min(v_set(89.0f), v_max(v_set(-104.0f), x));
    const vf t = v_fma(c, v_set(0x1.715476p0f), magic), k = v_sub(t, magic);
    const vf r = v_fnma(k, v_set(-0x1.05c610p-29f), v_fnma(k, v_set(0x1.62e430p-1f), c));
    const vf q = v_fma(r, v_set(0.166670356f), v_set(0.500016519f));
    const vf p = v_fma(v_mul(r, r), q, r);
    const vf two = _mm512_permutexvar_ps(_mm512_castps_si512(t), table);
    return _mm512_scalef_ps(v_fma(two, p, two), k);
}

/* 8 blocks side by side, one to a lane of 64 bits: factors and products are then where they are
 * wanted, and what else stands in a lane's upper half does not matter. Lanes 2k and 2k + 1 work on
 * blocks k and k + 4, so that their numbers come out in order. */
INLINE void v_philox8(const ts_rng *r, uint64_t block, uint32_t out[2 * V])
{
    const __m512i m0 = _mm512_set1_epi64(0xD2511F53), m2 = _mm512_set1_epi64(0xCD9E8D57);
    __m512i c0 = _mm512_add_epi64(_mm512_set1_epi64((int64_t)block),
                                  _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7));
    __m512i c1 = _mm512_srli_epi64(c0, 32);
    __m512i c2 = _mm512_set1_epi32((int)r->hi[0]), c3 = _mm512_set1_epi32((int)r->hi[1]);
    __m512i k0 = _mm512_set1_epi32((int)r->key[0]), k1 = _mm512_set1_epi32((int)r->key[1]);
    for (int i = 0; i < 10; i++) {
        const __m512i p0 = _mm512_mul_epu32(c0, m0), p2 = _mm512_mul_epu32(c2, m2);
        c0 = _mm512_ternarylogic_epi32(_mm512_srli_epi64(p2, 32), c1, k0, 0x96); /* xor of all */
        c2 = _mm512_ternarylogic_epi32(_mm512_srli_epi64(p0, 32), c3, k1, 0x96);
        c1 = p2, c3 = p0;
        k0 = _mm512_add_epi32(k0, _mm512_set1_epi32((int)0x9E3779B9u));
        k1 = _mm512_add_epi32(k1, _mm512_set1_epi32((int)0xBB67AE85u));
    }
    const __m512i a = _mm512_mask_blend_epi32(0xAAAA, c0, _mm512_slli_epi64(c1, 32)),
                  b = _mm512_mask_blend_epi32(0xAAAA, c2, _mm512_slli_epi64(c3, 32));
    _mm512_storeu_si512(out, _mm512_unpacklo_epi64(a, b));
    _mm512_storeu_si512(out + V, _mm512_unpackhi_epi64(a, b));
}
INLINE void v_philox(const ts_rng *r, uint64_t block, uint32_t out[4 * V])
{
    v_philox8(r, block, out);
    v_philox8(r, block + 8, out + 2 * V);
}
typedef __m512i vu;
INLINE vu v_halves(const uint32_t *u, int64_t at, int64_t n)
{
    const uint16_t *h = (const uint16_t *)(const void *)u + at;
    return _mm512_cvtepu16_epi32(n >= V ? _mm256_loadu_si256((const __m256i *)(const void *)h)
                                        : _mm256_maskz_loadu_epi16(v_lanes(n), h));
}
INLINE vu v_times16(vu r, int factor)
{
    return _mm512_mullo_epi16(r, _mm512_set1_epi32(factor)); /* upper halves stay 0 */
}
INLINE void v_store_random(uint16_t *p, int64_t n, vf v, vu r)
{
    const __m512i u = _mm512_castps_si512(v);
    const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    const __m512i w = _mm512_mask_or_epi32(_mm512_add_epi32(u, r), nan, u,
                                           _mm512_set1_epi32(0x400000));
    const __m256i h = _mm512_cvtepi32_epi16(_mm512_srli_epi32(w, 16));
    if (n >= V)
        _mm256_storeu_si256((__m256i *)(void *)p, h);
    else
        _mm256_mask_storeu_epi16(p, v_lanes(n), h);
}
INLINE vf v_uniform(const uint32_t *u, int64_t n)
{
    const __m512i v = _mm512_maskz_loadu_epi32(v_lanes(n), u);
    return v_mul(_mm512_cvtepi32_ps(_mm512_srli_epi32(v, 8)), v_set(0x1p-24f));
}

#include "device/cpu/simd/f32_math.h"
#endif
