/* Products with weights of few bits by vpmaddwd: eight columns at a time, widened to 16 bits. */
#include "device/cpu/gemm/gemm_kernels.h"
#include "device/cpu/gemm/quant_body.h"

#include <immintrin.h>

enum { COLS = 8, STEPS = TS_QUANT_GROUP / 4, ROWS = 2 };

/* Four of a = 256 hi + lo, four times over. */
INLINE __m256i four_of(const int8_t *hi)
{
    int32_t h, l;
    memcpy(&h, hi, 4);
    memcpy(&l, hi + TS_QUANT_GROUP, 4);
    const __m128i a = _mm_add_epi16(_mm_slli_epi16(_mm_cvtepi8_epi16(_mm_cvtsi32_si128(h)), 8),
                                    _mm_cvtepi8_epi16(_mm_cvtsi32_si128(l)));
    return _mm256_broadcastq_epi64(a);
}

/* Columns c..c+7 of all groups. */
INLINE void columns(const ts_quant_tile *t, const int rows, int c)
{
    __m256 acc[ROWS];
    UNROLL
    for (int r = 0; r < rows; r++)
        acc[r] = _mm256_loadu_ps(t->acc + r * TS_QUANT_PANEL + c);
    for (int64_t g = 0; g < t->groups; g++) {
        const uint8_t *w = t->w + g * TS_QUANT_GROUP * TS_QUANT_PANEL + c * 4;
        const int8_t *a = t->a + g * 2 * TS_QUANT_GROUP;
        __m256i sum[ROWS][2]; /* pairs of lanes of columns 0..3 and 4..7 */
        UNROLL
        for (int r = 0; r < rows; r++)
            sum[r][0] = sum[r][1] = _mm256_setzero_si256();
        for (int s = 0; s < STEPS; s++, w += TS_QUANT_PANEL * 4, a += 4) {
            const __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)w);
            const __m256i v0 = _mm256_cvtepu8_epi16(_mm256_castsi256_si128(v));
            const __m256i v1 = _mm256_cvtepu8_epi16(_mm256_extracti128_si256(v, 1));
            UNROLL
            for (int r = 0; r < rows; r++) {
                const __m256i x = four_of(a + r * t->a_row);
                sum[r][0] = _mm256_add_epi32(sum[r][0], _mm256_madd_epi16(v0, x));
                sum[r][1] = _mm256_add_epi32(sum[r][1], _mm256_madd_epi16(v1, x));
            }
        }
        const __m128i b =
            _mm_loadu_si128((const __m128i *)(const void *)(t->scale + g * TS_QUANT_PANEL + c));
        const __m256 s = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(b), 16));
        UNROLL
        for (int r = 0; r < rows; r++) {
            const ts_quant_side side = t->side[r * t->side_row + g];
            __m256i whole = _mm256_hadd_epi32(sum[r][0], sum[r][1]);
            whole = _mm256_sub_epi32(_mm256_permute4x64_epi64(whole, 0xD8),
                                     _mm256_set1_epi32(side.excess));
            acc[r] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(whole),
                                     _mm256_mul_ps(_mm256_set1_ps(side.scale), s), acc[r]);
        }
    }
    UNROLL
    for (int r = 0; r < rows; r++)
        _mm256_storeu_ps(t->acc + r * TS_QUANT_PANEL + c, acc[r]);
}

static void tile(const ts_quant_tile *t)
{
    for (int c = 0; c < TS_QUANT_PANEL; c += COLS) {
        if (t->rows == 1)
            columns(t, 1, c);
        else
            columns(t, 2, c);
    }
}

static void unpack(const uint8_t *nf4, int64_t n, uint8_t *out)
{
    enum { STEP = TS_QUANT_PANEL * 4 };
    const __m256i level =
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)ts_quant_nf4));
    const __m256i low = _mm256_set1_epi8(15);
    for (int64_t i = 0; i < n * STEPS / 2; i++, nf4 += STEP, out += 2 * STEP)
        for (int j = 0; j < STEP; j += 32) {
            const __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(nf4 + j));
            const __m256i h = _mm256_and_si256(_mm256_srli_epi16(v, 4), low);
            __m256i *to = (__m256i *)(void *)(out + j);
            _mm256_storeu_si256(to, _mm256_shuffle_epi8(level, _mm256_and_si256(v, low)));
            _mm256_storeu_si256((__m256i *)(void *)(out + STEP + j), _mm256_shuffle_epi8(level, h));
        }
}

void ts_quant_kernels_init_avx2(ts_quant_kernels *k)
{
    *k = (ts_quant_kernels){
        .name = "avx2", .tile_rows = ROWS, .tile = tile, .unpack = unpack, .split_row = split_row,
        .put_row = put_row
    };
}
