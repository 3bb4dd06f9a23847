/* Rows of operands turned to columns, 256 bits at a time: eight steps of a panel that is 16 wide. Written
 * once for packing (gemm_avx2.c) and for products of few rows (gemm_few_avx2.c).
 *
 *   src 16 rows, `ld` elements apart     k0 k1 .. k7         to[8][16]     row 0 .. row 15   of k0
 *                                        k0 k1 .. k7   ->                  row 0 .. row 15   of k1
 *                                        ...                               ...                        */
#ifndef TS_DEVICE_CPU_GEMM_GEMM_TURN_AVX2_H
#define TS_DEVICE_CPU_GEMM_GEMM_TURN_AVX2_H
#include "base/dtype.h"
#include "device/cpu/helpers.h"

#include <immintrin.h>
#include <stdbool.h>

INLINE __m256 turn_load(const char *p, ts_dtype t)
{
    return t == TS_DTYPE_F32 ? _mm256_loadu_ps((const float *)(const void *)p)
                             : _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}

/* Lanes of 4 x 4, then the halves. */
INLINE void turn_8x8(__m256 r[8])
{
    __m256 t[8];
    UNROLL
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    UNROLL
    for (int i = 0; i < 8; i += 4) {
        r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xEE);
        r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xEE);
    }
    UNROLL
    for (int i = 0; i < 4; i++) {
        t[i] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x20);
        t[i + 4] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x31);
    }
    UNROLL
    for (int i = 0; i < 8; i++)
        r[i] = t[i];
}

/* Both lanes turn eight rows of eight words at once. Which rows stand where makes a last step, which puts a
 * zero word below each (so a bf16 becomes the float it is), give the rows in their order. */
INLINE void turn_words(const char *src, int64_t row, __m256i t[8])
{
    static const int low[8] = { 0, 1, 2, 3, 8, 9, 10, 11 };
    __m256i r[8];
    UNROLL
    for (int i = 0; i < 8; i++) {
        const char *p = src + low[i] * row;
        const __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
        const __m128i y = _mm_loadu_si128((const __m128i *)(const void *)(p + 4 * row));
        r[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(x), y, 1);
    }
    UNROLL
    for (int i = 0; i < 4; i++) { /* words of rows i and i + 4 */
        t[2 * i] = _mm256_unpacklo_epi16(r[i], r[i + 4]);
        t[2 * i + 1] = _mm256_unpackhi_epi16(r[i], r[i + 4]);
    }
    UNROLL
    for (int i = 0; i < 4; i++) { /* of rows i, i + 2, i + 4, i + 6 */
        r[2 * i] = _mm256_unpacklo_epi16(t[i], t[i + 4]);
        r[2 * i + 1] = _mm256_unpackhi_epi16(t[i], t[i + 4]);
    }
    UNROLL
    for (int i = 0; i < 4; i++) { /* of all eight */
        t[2 * i] = _mm256_unpacklo_epi16(r[i], r[i + 4]);
        t[2 * i + 1] = _mm256_unpackhi_epi16(r[i], r[i + 4]);
    }
}

/* Rows 0 to 7 of a step, and 8 to 15. */
INLINE __m256 turn_low(__m256i t)
{
    return _mm256_castsi256_ps(_mm256_unpacklo_epi16(_mm256_setzero_si256(), t));
}
INLINE __m256 turn_high(__m256i t)
{
    return _mm256_castsi256_ps(_mm256_unpackhi_epi16(_mm256_setzero_si256(), t));
}

INLINE void turn_bf16(const char *src, int64_t row, float *to)
{
    __m256i t[8];
    turn_words(src, row, t);
    UNROLL
    for (int i = 0; i < 8; i++) {
        _mm256_storeu_ps(to + i * 16, turn_low(t[i]));
        _mm256_storeu_ps(to + i * 16 + 8, turn_high(t[i]));
    }
}

/* Rows that lie a multiple of 4 KiB apart share one place of the first cache, which has room for fewer than 16
 * there: a line of each is brought together, [16][64 bytes]. */
INLINE bool turn_shares(int64_t row) { return row % 4096 == 0; }
INLINE void turn_together(const char *src, int64_t row, char *to)
{
    for (int i = 0; i < 16; i++, src += row, to += 64) {
        const __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)src);
        const __m256i y = _mm256_loadu_si256((const __m256i *)(const void *)(src + 32));
        _mm256_store_si256((__m256i *)(void *)to, x);
        _mm256_store_si256((__m256i *)(void *)(to + 32), y);
    }
}

/* `type` is a constant where this is called. */
INLINE void turn_16x8(const char *src, int64_t ld, const ts_dtype type, float *to)
{
    const int64_t row = ld * (int64_t)ts_dtype_size(type);
    if (type == TS_DTYPE_BF16) {
        turn_bf16(src, row, to);
        return;
    }
    for (int x = 0; x < 16; x += 8) {
        __m256 r[8];
        UNROLL
        for (int i = 0; i < 8; i++)
            r[i] = turn_load(src + (x + i) * row, type);
        turn_8x8(r);
        UNROLL
        for (int i = 0; i < 8; i++)
            _mm256_storeu_ps(to + i * 16 + x, r[i]);
    }
}
#endif
