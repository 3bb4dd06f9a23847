/* Sixteen floats at a time: the vocabulary of attention's tiles. Whole vectors only; packing
 * pads. */
#include "base/dtype.h"
#include <immintrin.h>
typedef __m512 vf;
enum { V = 16, MR = 6, NR = 4 }; /* register tile: 24 sums, 4 of b, 1 of a */

static inline vf v_set(float s) { return _mm512_set1_ps(s); }
static inline vf v_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void v_store(float *p, vf v) { _mm512_storeu_ps(p, v); }
static inline vf v_add(vf a, vf b) { return _mm512_add_ps(a, b); }
static inline vf v_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
static inline vf v_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
static inline vf v_div(vf a, vf b) { return _mm512_div_ps(a, b); }
static inline vf v_max(vf a, vf b) { return _mm512_max_ps(a, b); }
static inline vf v_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }   /* a * b + c */
static inline vf v_fnma(vf a, vf b, vf c) { return _mm512_fnmadd_ps(a, b, c); } /* c - a * b */
static inline vf v_fms(vf a, vf b, vf c) { return _mm512_fmsub_ps(a, b, c); }   /* a * b - c */
static inline float v_hmax(vf v) { return _mm512_reduce_max_ps(v); }
static inline float v_hsum(vf v) { return _mm512_reduce_add_ps(v); }
static inline vf v_abs(vf v) { return _mm512_abs_ps(v); }
/* The magnitude of a with the sign of b. */
static inline vf v_sign_of(vf a, vf b)
{
    return _mm512_or_ps(a, _mm512_and_ps(b, _mm512_set1_ps(-0.0f)));
}
/* 0, 1, ... 15 */
static inline vf v_iota(void)
{
    return _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

static inline __mmask16 v_below(int64_t n)
{
    return (__mmask16)(n >= V ? 0xFFFF : n <= 0 ? 0 : (1 << n) - 1);
}
/* Lanes from..to-1 of a, the others of b. */
static inline vf v_range(int64_t from, int64_t to, vf a, vf b)
{
    return _mm512_mask_blend_ps((__mmask16)(v_below(to) & ~v_below(from)), b, a);
}
/* Lanes whose bit is set; the others 0. */
static inline vf v_bits(const uint8_t *bits, vf a)
{
    return _mm512_maskz_mov_ps((__mmask16)(bits[0] | bits[1] << 8), a);
}

/* 2^(x - n) by polynomial, then times 2^n; n: x rounded. A very negative x gives 0. */
static inline void v_split(vf x, vf *n, vf *f)
{
    *n = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    *f = _mm512_sub_ps(x, *n);
}
static inline vf v_times_2n(vf p, vf n) { return _mm512_scalef_ps(p, n); }

/* min(n, 16) elements of type t from p + i; the rest is 0. */
static inline vf v_get(const void *p, int64_t i, int64_t n, ts_dtype t)
{
    const __mmask16 m = v_below(n);
    if (t == TS_DTYPE_F32)
        return _mm512_maskz_loadu_ps(m, (const float *)p + i);
    const __m256i h = _mm256_maskz_loadu_epi16(m, (const uint16_t *)p + i);
    if (t == TS_DTYPE_F16)
        return _mm512_cvtph_ps(h);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}

static inline __m256i v_to_bf16(vf v)
{
    const __m512i u = _mm512_castps_si512(v);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
    __m512i r = _mm512_add_epi32(u, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF)));
    const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    r = _mm512_mask_or_epi32(r, nan, u, _mm512_set1_epi32(0x400000));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(r, 16));
}

/* V whole numbers of a byte each; V numbers of e4m3 that are numbers: the bits of one, where fp32 has them, are 2^-120 of it. */
static inline vf v_from_i8(const uint8_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)));
}
static inline vf v_from_e4m3(const uint8_t *p)
{
    const __m512i u = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
    const __m512i size = _mm512_slli_epi32(_mm512_and_si512(u, _mm512_set1_epi32(0x7F)), 20);
    const __m512i sign = _mm512_slli_epi32(_mm512_and_si512(u, _mm512_set1_epi32(0x80)), 24);
    return _mm512_mul_ps(_mm512_castsi512_ps(_mm512_or_si512(size, sign)), _mm512_set1_ps(0x1p120f));
}

static inline void v_put(void *p, int64_t i, int64_t n, ts_dtype t, vf v)
{
    const __mmask16 m = v_below(n);
    if (t == TS_DTYPE_F32)
        _mm512_mask_storeu_ps((float *)p + i, m, v);
    else if (t == TS_DTYPE_F16)
        _mm256_mask_storeu_epi16((uint16_t *)p + i, m,
                                 _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
    else
        _mm256_mask_storeu_epi16((uint16_t *)p + i, m, v_to_bf16(v));
}

/* V x V words: dst[j][i] = src[i][j]. Rows of src stand `step` bytes apart, those of dst ldd
 * words. */
static inline void v_transpose(const char *src, int64_t step, uint32_t *dst, int64_t ldd)
{
    __m512i r[16], t[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++)
        r[i] = _mm512_loadu_si512(src + i * step);
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
#pragma GCC unroll 4
    /* r[i + c]: 128-bit lane l has column 4 l + c of rows i..i+3 */
    for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) { /* a 4 x 4 transpose of lanes */
        const __m512i x0 = _mm512_shuffle_i32x4(r[c], r[4 + c], 0x88);
        const __m512i x1 = _mm512_shuffle_i32x4(r[c], r[4 + c], 0xDD);
        const __m512i x2 = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0x88);
        const __m512i x3 = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0xDD);
        _mm512_storeu_si512(dst + c * ldd, _mm512_shuffle_i32x4(x0, x2, 0x88));
        _mm512_storeu_si512(dst + (4 + c) * ldd, _mm512_shuffle_i32x4(x1, x3, 0x88));
        _mm512_storeu_si512(dst + (8 + c) * ldd, _mm512_shuffle_i32x4(x0, x2, 0xDD));
        _mm512_storeu_si512(dst + (12 + c) * ldd, _mm512_shuffle_i32x4(x1, x3, 0xDD));
    }
}

/* Lane i of the result: the sum of x[i]'s lanes. */
static inline vf v_sums(const vf x[V])
{
    vf a[8], b[4];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++)
        a[i] = v_add(_mm512_unpacklo_ps(x[2 * i], x[2 * i + 1]),
                     _mm512_unpackhi_ps(x[2 * i], x[2 * i + 1]));
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        const __m512d even = _mm512_castps_pd(a[2 * i]), odd = _mm512_castps_pd(a[2 * i + 1]);
        b[i] = v_add(_mm512_castpd_ps(_mm512_unpacklo_pd(even, odd)),
                     _mm512_castpd_ps(_mm512_unpackhi_pd(even, odd)));
    }
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++)
        a[i] = v_add(_mm512_shuffle_f32x4(b[2 * i], b[2 * i + 1], 0x88),
                     _mm512_shuffle_f32x4(b[2 * i], b[2 * i + 1], 0xDD));
    return v_add(_mm512_shuffle_f32x4(a[0], a[1], 0x88), _mm512_shuffle_f32x4(a[0], a[1], 0xDD));
}
