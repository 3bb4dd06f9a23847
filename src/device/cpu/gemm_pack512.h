/* Panels by 16 x 16 units. PAIRS (0 or 1) says what a unit is. */
#include "device/cpu/gemm.h"

/* Elements [k, k + 2) of 16 neighbouring x as pairs, or element k of them as floats; k_major sources. */
static inline __m512i units_across(const ts_gemm_panels *p, int64_t k, int64_t x, int64_t x_end)
{
    const char *row = (const char *)p->src + k * p->ld * (int64_t)ts_dtype_size(p->src_dtype);
    const int64_t n = x_end - x;
    if (!PAIRS)
        return _mm512_castps_si512(v_load(row, x, p->src_dtype, n));
    const bool two = k + 1 < p->n_k;
    __m512i lo, hi = _mm512_setzero_si512();
    if (p->src_dtype == TS_DTYPE_BF16) {
        const __mmask16 m = mask_of(n);
        lo = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, (const uint16_t *)row + x));
        if (two) {
            const uint16_t *next = (const uint16_t *)row + p->ld;
            hi = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, next + x));
            hi = _mm512_slli_epi32(hi, 16);
        }
        return _mm512_or_si512(lo, hi);
    }
    lo = _mm512_srli_epi32(bf16_bits(v_load(row, x, p->src_dtype, n)), 16);
    if (two)
        hi = bf16_bits(v_load(row, p->ld + x, p->src_dtype, n));
    return _mm512_mask_blend_epi16(0xAAAAAAAAu, lo, hi);
}

/* 16 units along k of row x; x-major sources. */
static inline __m512i units_along(const ts_gemm_panels *p, int64_t x, int64_t k)
{
    const char *row = (const char *)p->src + x * p->ld * (int64_t)ts_dtype_size(p->src_dtype);
    const int64_t n = p->n_k - k;
    if (!PAIRS)
        return _mm512_castps_si512(v_load(row, k, p->src_dtype, n));
    if (p->src_dtype == TS_DTYPE_BF16) {
        const __mmask32 m = n >= 32 ? ~(__mmask32)0 : ((__mmask32)1 << n) - 1;
        return _mm512_maskz_loadu_epi16(m, (const uint16_t *)row + k);
    }
    const __m512i lo = bf16_bits(v_load(row, k, p->src_dtype, n));
    const __m512i hi = n > V ? bf16_bits(v_load(row, k + V, p->src_dtype, n - V)) : _mm512_setzero_si512();
    const __m512i lane = _mm512_set_epi32(0x3F003D, 0x3B0039, 0x370035, 0x330031, 0x2F002D, 0x2B0029,
                                          0x270025, 0x230021, 0x1F001D, 0x1B0019, 0x170015, 0x130011,
                                          0x0F000D, 0x0B0009, 0x070005, 0x030001);
    return _mm512_permutex2var_epi16(lo, lane, hi);
}

/* r[i] lane j becomes r[j] lane i. */
static inline __attribute__((always_inline)) void transpose16(__m512i r[16])
{
    __m512i t[16];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) { /* pairs of rows, then pairs of pairs, within each 128 bits */
        t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
        r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) { /* 128-bit parts: rows i, 4 + i, 8 + i, 12 + i */
        t[i] = _mm512_shuffle_i32x4(r[i], r[4 + i], 0x88);
        t[4 + i] = _mm512_shuffle_i32x4(r[i], r[4 + i], 0xDD);
        t[8 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0x88);
        t[12 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0xDD);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        r[i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0x88);
        r[8 + i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0xDD);
        r[4 + i] = _mm512_shuffle_i32x4(t[4 + i], t[12 + i], 0x88);
        r[12 + i] = _mm512_shuffle_i32x4(t[4 + i], t[12 + i], 0xDD);
    }
}

/* 16 units of one step where they belong: within a panel of 48, or half and half in two panels of 8. */
static inline void put_units(const ts_gemm_panels *p, int64_t x, int64_t s, __m512i v)
{
    const int64_t panel = p->steps * p->width * 4;
    char *d = p->dst + x / p->width * panel + (s * p->width + x % p->width) * 4;
    if (p->width != ROWS) {
        _mm512_storeu_si512(d, v);
        return;
    }
    _mm256_storeu_si256((__m256i *)d, _mm512_castsi512_si256(v));
    if (x + ROWS < p->n_x)
        _mm256_storeu_si256((__m256i *)(d + panel), _mm512_extracti64x4_epi64(v, 1));
}

static void pack(const ts_gemm_panels *p, int64_t x_begin, int64_t x_end, int64_t s_begin, int64_t s_end)
{
    const int64_t per = PAIRS ? 2 : 1;
    /* the last panel is filled up with zeros, which loads beyond x_end give */
    const int64_t x_fill = (x_end + p->width - 1) / p->width * p->width;
    if (p->k_major) {
        for (int64_t s = s_begin; s < s_end; s++)
            for (int64_t x = x_begin; x < x_fill; x += V)
                put_units(p, x, s, x < x_end ? units_across(p, s * per, x, x_end) : _mm512_setzero_si512());
        return;
    }
    for (int64_t x = x_begin; x < x_fill; x += V) {
        for (int64_t s = s_begin; s < s_end; s += V) {
            __m512i r[16];
#pragma GCC unroll 16
            for (int i = 0; i < 16; i++)
                r[i] = x + i < x_end ? units_along(p, x + i, s * per) : _mm512_setzero_si512();
            transpose16(r);
#pragma GCC unroll 16
            for (int i = 0; i < 16; i++)
                if (s + i < s_end)
                    put_units(p, x, s + i, r[i]);
        }
    }
}
