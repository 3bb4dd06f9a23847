/* Panels by 16 x 16 units. PAIRS (0 or 1) says what a unit is. */
#include "device/cpu/gemm.h"

/* Where 16 neighbouring columns of step 0 go: within a panel of 48, or half and half to two panels
 * of 8. */
typedef struct place16 {
    char *lo, *hi; /* hi NULL: 64 bytes at lo, else 32 at each, hi first */
} place16;

static inline place16 place_of(const ts_gemm_panels *p, int64_t x)
{
    const int64_t panel = p->steps * p->width * 4;
    place16 d = { p->dst + x / p->width * panel + x % p->width * 4, NULL };
    if (p->width == ROWS)
        d.hi = x + ROWS < p->n_x ? d.lo + panel : d.lo; /* the same: there is no second panel */
    return d;
}

/* Step s of 16 columns. */
INLINE void put_units(place16 d, int64_t s, int64_t width, __m512i v)
{
    if (!d.hi) {
        _mm512_storeu_si512(d.lo + s * width * 4, v);
        return;
    }
    _mm256_storeu_si256((__m256i *)(d.hi + s * width * 4), _mm512_extracti64x4_epi64(v, 1));
    _mm256_storeu_si256((__m256i *)(d.lo + s * width * 4), _mm512_castsi512_si256(v));
}

/* Elements [k, k + 2) of 16 neighbouring x as pairs, or element k of them as floats; `row` is
 * k's. */
INLINE __m512i units_across(const char *row, int64_t ld, bool two, int64_t x, int64_t n,
                            const ts_dtype t)
{
    if (!PAIRS)
        return _mm512_castps_si512(v_load(row, x, t, n));
    __m512i lo, hi = _mm512_setzero_si512();
    if (t == TS_DTYPE_BF16) {
        const uint16_t *h = (const uint16_t *)row + x;
        lo = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask_of(n), h));
        if (two)
            hi = _mm512_slli_epi32(
                _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask_of(n), h + ld)), 16);
        return _mm512_or_si512(lo, hi);
    }
    lo = _mm512_srli_epi32(bf16_bits(v_load(row, x, t, n)), 16);
    if (two)
        hi = bf16_bits(v_load(row, ld + x, t, n));
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
    const __m512i hi =
        n > V ? bf16_bits(v_load(row, k + V, p->src_dtype, n - V)) : _mm512_setzero_si512();
    const __m512i lane = _mm512_set_epi32(
        0x3F003D, 0x3B0039, 0x370035, 0x330031, 0x2F002D, 0x2B0029, 0x270025, 0x230021, 0x1F001D,
        0x1B0019, 0x170015, 0x130011, 0x0F000D, 0x0B0009, 0x070005, 0x030001);
    return _mm512_permutex2var_epi16(lo, lane, hi);
}

/* r[i] lane j becomes r[j] lane i. */
INLINE void transpose16(__m512i r[16])
{
    __m512i t[16];
    UNROLL
    for (int i = 0; i < 8; i++) { /* pairs of rows, then pairs of pairs, within each 128 bits */
        t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
    UNROLL
    for (int i = 0; i < 4; i++) {
        r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
        r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
    }
    UNROLL
    for (int i = 0; i < 4; i++) { /* 128-bit parts: rows i, 4 + i, 8 + i, 12 + i */
        t[i] = _mm512_shuffle_i32x4(r[i], r[4 + i], 0x88);
        t[4 + i] = _mm512_shuffle_i32x4(r[i], r[4 + i], 0xDD);
        t[8 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0x88);
        t[12 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0xDD);
    }
    UNROLL
    for (int i = 0; i < 4; i++) {
        r[i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0x88);
        r[8 + i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0xDD);
        r[4 + i] = _mm512_shuffle_i32x4(t[4 + i], t[12 + i], 0x88);
        r[12 + i] = _mm512_shuffle_i32x4(t[4 + i], t[12 + i], 0xDD);
    }
}

/* k_major sources: row by row (or two), as they lie in memory. `full`: all 96 columns are there. */
INLINE void pack_across(const ts_gemm_panels *p, int64_t x_begin, int64_t x_end, int64_t s_begin,
                        int64_t s_end, const ts_dtype t, const bool full)
{
    enum { AHEAD = 8, GROUPS = TS_GEMM_PACK_X / V };
    const int64_t per = PAIRS ? 2 : 1, width = p->width, ld = p->ld;
    const int64_t x_fill = (x_end + width - 1) / width * width; /* zeros to the end of the panel */
    const int groups = full ? GROUPS : (int)((x_fill - x_begin + V - 1) / V);
    place16 to[GROUPS];
    for (int i = 0; i < groups; i++)
        to[i] = place_of(p, x_begin + i * V);
    for (int64_t s = s_begin; s < s_end; s++) {
        const char *row = (const char *)p->src + s * per * ld * (int64_t)ts_dtype_size(t);
        const bool two = s * per + 1 < p->n_k;
        if (full) {
            const int64_t row_bytes = ld * (int64_t)ts_dtype_size(t);
            const char *next = row + AHEAD * per * row_bytes + x_begin * (int64_t)ts_dtype_size(t);
            for (int64_t r = 0; r < per; r++, next += row_bytes)
                for (int64_t o = 0; o < TS_GEMM_PACK_X * (int64_t)ts_dtype_size(t); o += 64)
                    __builtin_prefetch(next + o);
        }
#pragma GCC unroll 6
        for (int i = 0; i < groups; i++) {
            const int64_t x = x_begin + i * V, n = full ? V : x_end - x;
            put_units(to[i], s, width,
                      n > 0 ? units_across(row, ld, two, x, n, t) : _mm512_setzero_si512());
        }
    }
}

/* What the next 16 rows have beside these units of 16: a row each is too many streams for the
 * processor to see by itself. */
INLINE void fetch_next(const ts_gemm_panels *p, int64_t x, int64_t x_end, int64_t k)
{
    const int64_t size = (int64_t)ts_dtype_size(p->src_dtype), bytes = V * (PAIRS ? 2 : 1) * size;
    const char *row = (const char *)p->src + ((x + V) * p->ld + k) * size;
    for (int64_t i = x + V; i < x + 2 * V && i < x_end; i++, row += p->ld * size)
        for (int64_t o = 0; o < bytes; o += 64)
            __builtin_prefetch(row + o, 0, 2);
}

/* x-major sources: 16 x 16 units at a time, turned. */
static void pack_along(const ts_gemm_panels *p, int64_t x_begin, int64_t x_end, int64_t s_begin,
                       int64_t s_end)
{
    const int64_t per = PAIRS ? 2 : 1;
    const int64_t x_fill = (x_end + p->width - 1) / p->width * p->width;
    for (int64_t x = x_begin; x < x_fill; x += V) {
        const place16 to = place_of(p, x);
        for (int64_t s = s_begin; s < s_end; s += V) {
            __m512i r[16];
            fetch_next(p, x, x_end, s * per);
            UNROLL
            for (int i = 0; i < 16; i++)
                r[i] = x + i < x_end ? units_along(p, x + i, s * per) : _mm512_setzero_si512();
            transpose16(r);
            UNROLL
            for (int i = 0; i < 16; i++)
                if (s + i < s_end)
                    put_units(to, s + i, p->width, r[i]);
        }
    }
}

static void pack(const ts_gemm_panels *p, int64_t x_begin, int64_t x_end, int64_t s_begin,
                 int64_t s_end)
{
    const bool full = x_end - x_begin == TS_GEMM_PACK_X;
    if (!p->k_major)
        pack_along(p, x_begin, x_end, s_begin, s_end);
    else if (full && p->src_dtype == TS_DTYPE_F32)
        pack_across(p, x_begin, x_end, s_begin, s_end, TS_DTYPE_F32, true);
    else if (full && PAIRS && p->src_dtype == TS_DTYPE_BF16)
        pack_across(p, x_begin, x_end, s_begin, s_end, TS_DTYPE_BF16, true);
    else
        pack_across(p, x_begin, x_end, s_begin, s_end, p->src_dtype, false);
}
