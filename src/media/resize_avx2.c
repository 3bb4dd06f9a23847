/* A weight is cut into its upper bits and twelve lower ones, so that pairs of products are summed in one instruction;
 * the sums are whole numbers, so the order does not matter and the bits are the portable passes'. */
#include "media/resize_parts.h"

#include <immintrin.h>
#include <string.h>

enum { LOW = 12 };

/* Two weights in each 32 bits, the first one below. */
static inline int32_t pair(int32_t a, int32_t b) { return (int32_t)((uint32_t)(a & 0xFFFF) | (uint32_t)b << 16); }
static inline int32_t upper(const int32_t *w) { return pair(w[0] >> LOW, w[1] >> LOW); }
static inline int32_t lower(const int32_t *w) { return pair(w[0] & ((1 << LOW) - 1), w[1] & ((1 << LOW) - 1)); }

static inline __m256i sum_of(__m256i high, __m256i low)
{
    const __m256i half = _mm256_set1_epi32(1 << (TS_RESIZE_BITS - 1));
    return _mm256_srai_epi32(_mm256_add_epi32(_mm256_add_epi32(_mm256_slli_epi32(high, LOW), low), half), TS_RESIZE_BITS);
}

/* ---- along the width ---- */

/* Four pixels of three bytes as 16-bit pairs of neighbours: r0 r1 g0 g1 b0 b1 0 0, r2 r3 ... */
static inline __m256i four_pixels(const uint8_t *p, bool is_last)
{
    const __m256i order = _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, 6, -1, 9, -1, 7, -1,
                                           10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
    __m128i v;
    if (is_last) {
        uint8_t copy[16] = { 0 };
        memcpy(copy, p, 12);
        v = _mm_loadu_si128((const __m128i *)(const void *)copy);
    } else
        v = _mm_loadu_si128((const __m128i *)(const void *)p);
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(v), order);
}

static inline __m256i four_weights(int32_t first, int32_t second)
{
    return _mm256_setr_epi32(first, first, first, 0, second, second, second, 0);
}

typedef struct sums {
    __m256i high, low;
} sums;

static inline void add(sums *s, __m256i v, __m256i high, __m256i low)
{
    s->high = _mm256_add_epi32(s->high, _mm256_madd_epi16(v, high));
    s->low = _mm256_add_epi32(s->low, _mm256_madd_epi16(v, low));
}

/* Three bytes of the sums of both halves. */
static inline void store(uint8_t *to, sums s)
{
    const __m128i half = _mm_set1_epi32(1 << (TS_RESIZE_BITS - 1));
    const __m128i high = _mm_add_epi32(_mm256_castsi256_si128(s.high), _mm256_extracti128_si256(s.high, 1));
    const __m128i low = _mm_add_epi32(_mm256_castsi256_si128(s.low), _mm256_extracti128_si256(s.low, 1));
    __m128i v = _mm_srai_epi32(_mm_add_epi32(_mm_add_epi32(_mm_slli_epi32(high, LOW), low), half), TS_RESIZE_BITS);
    v = _mm_packus_epi16(_mm_packs_epi32(v, v), v);
    const uint32_t bytes = (uint32_t)_mm_cvtsi128_si32(v);
    memcpy(to, &bytes, 3);
}

/* The last taps of a value may be fewer than four: their pixels are copied so far as there are any. */
static inline __m256i some_pixels(const uint8_t *p, int64_t n)
{
    uint8_t copy[12] = { 0 };
    memcpy(copy, p, 3 * (size_t)n);
    return four_pixels(copy, true);
}

enum { ROWS = 4 };

/* One value of `rows` rows at once, so that weights are read once. */
static inline void value(const ts_resize_pass *p, int64_t x, int64_t y, int64_t rows, const uint8_t *in_end)
{
    const ts_taps *t = p->taps;
    const int32_t *w = t->weight + x * t->stride;
    const int64_t n = t->count[x];
    const uint8_t *in[ROWS];
    sums s[ROWS];
    for (int64_t r = 0; r < rows; r++) {
        in[r] = p->in + (y + r) * p->in_row + 3 * t->first[x];
        s[r] = (sums){ _mm256_setzero_si256(), _mm256_setzero_si256() };
    }
    for (int64_t k = 0; k < n; k += 4) {
        const __m256i high = four_weights(upper(w + k), upper(w + k + 2));
        const __m256i low = four_weights(lower(w + k), lower(w + k + 2));
        for (int64_t r = 0; r < rows; r++) {
            const uint8_t *at = in[r] + 3 * k;
            const bool fits = at + 16 <= in_end;
            add(&s[r], fits ? four_pixels(at, false) : some_pixels(at, n - k < 4 ? n - k : 4), high, low);
        }
    }
    for (int64_t r = 0; r < rows; r++)
        store(p->out + (y + r) * p->out_row + 3 * x, s[r]);
}

void ts_resize_across_avx2(const ts_resize_pass *p, const uint8_t *in_end)
{
    int64_t y = 0;
    for (; y + ROWS <= p->rows; y += ROWS)
        for (int64_t x = 0; x < p->taps->n; x++)
            value(p, x, y, ROWS, in_end);
    for (; y < p->rows; y++)
        for (int64_t x = 0; x < p->taps->n; x++)
            value(p, x, y, 1, in_end);
}

/* ---- along the height ---- */

/* 16 bytes from column b on, of n taps; odd: the last one has no partner. */
static inline __m128i column(const ts_resize_pass *p, const uint8_t *in, const int32_t *w, int64_t n)
{
    __m256i high[2] = { _mm256_setzero_si256(), _mm256_setzero_si256() }, low[2] = { high[0], high[0] };
    for (int64_t k = 0; k < n; k += 2) {
        const uint8_t *at = in + k * p->in_row;
        const __m128i a = _mm_loadu_si128((const __m128i *)(const void *)at);
        const __m128i b = k + 1 < n ? _mm_loadu_si128((const __m128i *)(const void *)(at + p->in_row)) : _mm_setzero_si128();
        const __m256i first = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(a, b)),
                      second = _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(a, b));
        const __m256i wh = _mm256_set1_epi32(upper(w + k)), wl = _mm256_set1_epi32(lower(w + k));
        high[0] = _mm256_add_epi32(high[0], _mm256_madd_epi16(first, wh));
        low[0] = _mm256_add_epi32(low[0], _mm256_madd_epi16(first, wl));
        high[1] = _mm256_add_epi32(high[1], _mm256_madd_epi16(second, wh));
        low[1] = _mm256_add_epi32(low[1], _mm256_madd_epi16(second, wl));
    }
    const __m256i v = _mm256_permute4x64_epi64(_mm256_packs_epi32(sum_of(high[0], low[0]), sum_of(high[1], low[1])), 0xD8);
    return _mm_packus_epi16(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
}

static void some_columns(const ts_resize_pass *p, int64_t y, int64_t from)
{
    const ts_taps *t = p->taps;
    for (int64_t b = from; b < p->out_row; b++) {
        const uint8_t *in = p->in + t->first[y] * p->in_row + b;
        int32_t sum = 1 << (TS_RESIZE_BITS - 1);
        for (int64_t k = 0; k < t->count[y]; k++)
            sum += in[k * p->in_row] * t->weight[y * t->stride + k];
        sum >>= TS_RESIZE_BITS;
        p->out[y * p->out_row + b] = (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
    }
}

void ts_resize_down_avx2(const ts_resize_pass *p)
{
    const ts_taps *t = p->taps;
    for (int64_t y = 0; y < p->rows; y++) {
        int64_t b = 0;
        for (; b + 16 <= p->out_row; b += 16) {
            const __m128i v = column(p, p->in + t->first[y] * p->in_row + b, t->weight + y * t->stride, t->count[y]);
            _mm_storeu_si128((__m128i *)(void *)(p->out + y * p->out_row + b), v);
        }
        some_columns(p, y, b);
    }
}
