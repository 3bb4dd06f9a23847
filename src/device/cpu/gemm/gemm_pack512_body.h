/* Panels by 16 x 16 units. PAIRS (0 or 1) says what a unit is. */
#include "device/cpu/gemm/gemm_kernels.h"

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

/* Step s of 16 columns; `past`: past the caches. */
INLINE void put_units(place16 d, int64_t s, int64_t width, __m512i v, const bool past)
{
    if (!d.hi) {
        if (past)
            _mm512_stream_si512((void *)(d.lo + s * width * 4), v);
        else
            _mm512_storeu_si512(d.lo + s * width * 4, v);
        return;
    }
    _mm256_storeu_si256((__m256i *)(d.hi + s * width * 4), _mm512_extracti64x4_epi64(v, 1));
    _mm256_storeu_si256((__m256i *)(d.lo + s * width * 4), _mm512_castsi512_si256(v));
}

/* Two vectors of floats as bf16, one after the other. The instruction takes subnormal numbers for
 * zero, as products of bf16 do. */
static inline __m512i bf16_of(vf first, vf then)
{
#if defined(__AVX512BF16__)
    return (__m512i)_mm512_cvtne2ps_pbh(then, first);
#else
    const __m512i odd = _mm512_set_epi32(
        0x3F003D, 0x3B0039, 0x370035, 0x330031, 0x2F002D, 0x2B0029, 0x270025, 0x230021, 0x1F001D,
        0x1B0019, 0x170015, 0x130011, 0x0F000D, 0x0B0009, 0x070005, 0x030001);
    return _mm512_permutex2var_epi16(bf16_bits(first), odd, bf16_bits(then));
#endif
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
    const __m512i both = bf16_of(v_load(row, x, t, n), two ? v_load(row, ld + x, t, n) : v_zero());
    const __m512i turn = _mm512_set_epi32(
        0x1F000F, 0x1E000E, 0x1D000D, 0x1C000C, 0x1B000B, 0x1A000A, 0x190009, 0x180008, 0x170007,
        0x160006, 0x150005, 0x140004, 0x130003, 0x120002, 0x110001, 0x100000);
    return _mm512_permutexvar_epi16(turn, both);
}

/* 16 units along k, n elements of which are there, from `row` on; x-major sources. */
INLINE __m512i units_along(const char *row, int64_t n, const ts_dtype t)
{
    if (!PAIRS)
        return _mm512_castps_si512(v_load(row, 0, t, n));
    if (t == TS_DTYPE_BF16) {
        const __mmask32 m = n >= 32 ? ~(__mmask32)0 : ((__mmask32)1 << n) - 1;
        return _mm512_maskz_loadu_epi16(m, row);
    }
    return bf16_of(v_load(row, 0, t, n), n > V ? v_load(row, V, t, n - V) : v_zero());
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

/* Columns [x, x_end) of step s. */
INLINE void pack_some(const ts_gemm_panels *p, const char *row, bool two, int64_t x, int64_t x_end,
                      int64_t s, const ts_dtype t)
{
    const int64_t x_fill = (x_end + p->width - 1) / p->width * p->width; /* zeros fill the panel */
    for (int64_t at = x; at < x_fill; at += V)
        put_units(place_of(p, at), s, p->width,
                  at < x_end ? units_across(row, p->ld, two, at, x_end - at, t)
                             : _mm512_setzero_si512(),
                  false);
}

/* Elements of two rows, 32 of each, as pairs: columns 0 to 15, then 16 to 31. */
INLINE void pairs_of(__m512i first, __m512i second, __m512i out[2])
{
    const __m512i low = _mm512_set_epi32(
        0x2F000F, 0x2E000E, 0x2D000D, 0x2C000C, 0x2B000B, 0x2A000A, 0x290009, 0x280008, 0x270007,
        0x260006, 0x250005, 0x240004, 0x230003, 0x220002, 0x210001, 0x200000);
    const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
    out[0] = _mm512_permutex2var_epi16(first, low, second);
    out[1] = _mm512_permutex2var_epi16(first, high, second);
}

/* The units of 96 columns of two whole rows of bf16. */
INLINE void bf16_units(const char *row, int64_t ld, int64_t x, __m512i v[TS_GEMM_PACK_X / V])
{
    const uint16_t *a = (const uint16_t *)row + x, *b = a + ld;
    UNROLL
    for (int i = 0; i < TS_GEMM_PACK_X / V; i += 2)
        pairs_of(_mm512_loadu_si512(a + i * V), _mm512_loadu_si512(b + i * V), v + i);
}

/* All 96 of them; `to` is where the first goes. */
INLINE void pack_96(const ts_gemm_panels *p, const char *row, bool two, int64_t x, char *to,
                    const int width, const ts_dtype t, const bool past)
{
    const int64_t panel = p->steps * width * 4;
    __m512i v[TS_GEMM_PACK_X / V];
    if (PAIRS && t == TS_DTYPE_BF16 && two) {
        bf16_units(row, p->ld, x, v);
    } else {
        UNROLL
        for (int i = 0; i < TS_GEMM_PACK_X / V; i++)
            v[i] = units_across(row, p->ld, two, x + i * V, V, t);
    }
    UNROLL
    for (int i = 0; i < TS_GEMM_PACK_X / V; i++) {
        if (width == ROWS)
            put_units((place16){ to + 2 * i * panel, to + (2 * i + 1) * panel }, 0, width, v[i],
                      false);
        else
            put_units((place16){ to + i * V / width * panel + i * V % width * 4, NULL }, 0, width,
                      v[i], past);
    }
}

/* k_major sources: row by row (or two), as they lie in memory. */
INLINE void pack_across(const ts_gemm_panels *p, int64_t x_begin, int64_t x_end, int64_t s_begin,
                        int64_t s_end, const int width, const ts_dtype t, const bool past)
{
    const int64_t per = PAIRS ? 2 : 1, row_bytes = per * p->ld * (int64_t)ts_dtype_size(t);
    const int64_t panel = p->steps * width * 4, on = TS_GEMM_PACK_X / width * panel;
    const char *row = (const char *)p->src + s_begin * row_bytes;
    char *first = p->dst + x_begin / width * panel + s_begin * width * 4;
    for (int64_t s = s_begin; s < s_end; s++, row += row_bytes, first += width * 4) {
        const bool two = s * per + 1 < p->n_k;
        char *to = first;
        int64_t x = x_begin;
        for (; x + TS_GEMM_PACK_X <= x_end; x += TS_GEMM_PACK_X, to += on)
            pack_96(p, row, two, x, to, width, t, past);
        if (x < x_end)
            pack_some(p, row, two, x, x_end, s, t);
    }
}

INLINE void pack_across_of(const ts_gemm_panels *p, int64_t x_begin, int64_t x_end, int64_t s_begin,
                           int64_t s_end, const ts_dtype t)
{
    if (p->width == ROWS)
        pack_across(p, x_begin, x_end, s_begin, s_end, ROWS, t, false);
    else
        pack_across(p, x_begin, x_end, s_begin, s_end, VECS * V, t, false);
}

/* Rows that lie one after another are fetched in that order while others are worked on: the
 * processor sees that by itself, but not 16 rows read side by side. */
typedef struct fetcher {
    const char *at, *row_end;
    int64_t bytes, skip; /* of a row; from its end to the next */
    int64_t rows;        /* left */
} fetcher;

static inline fetcher fetch_rows(const ts_gemm_panels *p, int64_t x, int64_t s_begin, int64_t s_end)
{
    const int64_t size = (int64_t)ts_dtype_size(p->src_dtype), per = PAIRS ? 2 : 1;
    const int64_t bytes = (s_end - s_begin) * per * size;
    const char *at = (const char *)p->src + (x * p->ld + s_begin * per) * size;
    return (fetcher){ at, at + bytes, bytes, p->ld * size - bytes, p->n_x - x };
}

INLINE void fetch_some(fetcher *f, int64_t bytes)
{
    for (; bytes > 0 && f->rows > 0; bytes -= 64) {
        __builtin_prefetch(f->at, 0, 2);
        f->at += 64;
        if (f->at >= f->row_end) {
            f->at = f->row_end + f->skip, f->row_end += f->bytes + f->skip;
            f->rows--;
        }
    }
}

/* 16 x 16 units of `rows` rows from `row` on, turned, to step s and those after it. `full`: all are
 * there. */
INLINE void turn_units(const ts_gemm_panels *p, const char *row, int64_t rows, int64_t s,
                       int64_t steps, place16 to, const ts_dtype t, const bool full,
                       const bool past)
{
    const int64_t per = PAIRS ? 2 : 1, row_bytes = p->ld * (int64_t)ts_dtype_size(t);
    __m512i r[16];
    UNROLL
    for (int i = 0; i < V; i++, row += row_bytes)
        r[i] = full       ? units_along(row, V * per, t)
               : i < rows ? units_along(row, p->n_k - s * per, t)
                          : _mm512_setzero_si512();
    transpose16(r);
    UNROLL
    for (int i = 0; i < V; i++)
        if (full || i < steps)
            put_units(to, s + i, p->width, r[i], past);
}

/* x-major sources. */
INLINE void pack_along(const ts_gemm_panels *p, int64_t x_begin, int64_t x_end, int64_t s_begin,
                       int64_t s_end, const ts_dtype t, const bool past)
{
    const int64_t per = PAIRS ? 2 : 1, size = (int64_t)ts_dtype_size(t);
    const int64_t x_fill = (x_end + p->width - 1) / p->width * p->width;
    fetcher f = fetch_rows(p, x_begin + V, s_begin, s_end);
    for (int64_t x = x_begin; x < x_fill; x += V) {
        const place16 to = place_of(p, x);
        for (int64_t s = s_begin; s < s_end; s += V) {
            const char *from = (const char *)p->src + (x * p->ld + s * per) * size;
            fetch_some(&f, V * V * per * size);
            if (x + V <= x_end && s + V <= s_end && (s + V) * per <= p->n_k)
                turn_units(p, from, V, s, V, to, t, true, past);
            else
                turn_units(p, from, x_end - x, s, s_end - s, to, t, false, past);
        }
    }
}

/* Weights, on their way to memory: nobody reads the panels soon. */
static void pack_past(const ts_gemm_panels *p, int64_t x_begin, int64_t x_end, int64_t s_begin,
                      int64_t s_end)
{
    if (p->k_major)
        pack_across(p, x_begin, x_end, s_begin, s_end, VECS * V, TS_DTYPE_F32, true);
    else
        pack_along(p, x_begin, x_end, s_begin, s_end, TS_DTYPE_F32, true);
    _mm_sfence();
}

static void pack(const ts_gemm_panels *p, int64_t x_begin, int64_t x_end, int64_t s_begin,
                 int64_t s_end)
{
    if (PAIRS && p->past && p->src_dtype == TS_DTYPE_F32 && p->width == VECS * V)
        pack_past(p, x_begin, x_end, s_begin, s_end);
    else if (!p->k_major && p->src_dtype == TS_DTYPE_F32)
        pack_along(p, x_begin, x_end, s_begin, s_end, TS_DTYPE_F32, false);
    else if (!p->k_major)
        pack_along(p, x_begin, x_end, s_begin, s_end, p->src_dtype, false);
    else if (p->src_dtype == TS_DTYPE_F32)
        pack_across_of(p, x_begin, x_end, s_begin, s_end, TS_DTYPE_F32);
    else if (PAIRS && p->src_dtype == TS_DTYPE_BF16)
        pack_across_of(p, x_begin, x_end, s_begin, s_end, TS_DTYPE_BF16);
    else
        pack_across_of(p, x_begin, x_end, s_begin, s_end, p->src_dtype);
}
