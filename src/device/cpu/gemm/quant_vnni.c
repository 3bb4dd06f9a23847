/* Products with weights of few bits by vpdpbusd: 16 columns at a time, four of k in a lane. */
#include "device/cpu/gemm/gemm_kernels.h"
#include "device/cpu/gemm/quant_body.h"

#include <immintrin.h>

enum { VECS = TS_QUANT_PANEL / 16, STEPS = TS_QUANT_GROUP / 4, ROWS = 4 };

INLINE __m512i four_of(const int8_t *p)
{
    int32_t v;
    memcpy(&v, p, 4);
    return _mm512_set1_epi32(v);
}

/* As an instruction, not an intrinsic: gcc 12 copies the accumulators of intrinsics to and fro. */
INLINE void dot(__m512i *sum, __m512i w, __m512i a)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(*sum) : "v"(w), "v"(a));
}

INLINE void tile_of(const ts_quant_tile *t, const int rows)
{
    const uint8_t *w = t->w;
    for (int64_t g = 0; g < t->groups; g++) {
        const int8_t *a = t->a + g * 2 * TS_QUANT_GROUP;
        __m512i hi[ROWS][VECS], lo[ROWS][VECS];
        UNROLL
        for (int r = 0; r < rows; r++) {
            const __m512i over = _mm512_set1_epi32(-t->side[r * t->side_row + g].excess);
            UNROLL
            for (int j = 0; j < VECS; j++)
                hi[r][j] = _mm512_setzero_si512(), lo[r][j] = over;
        }
        for (int s = 0; s < STEPS; s++, w += TS_QUANT_PANEL * 4, a += 4) {
            __m512i v[VECS];
            UNROLL
            for (int j = 0; j < VECS; j++)
                v[j] = _mm512_loadu_si512(w + j * 64);
            UNROLL
            for (int r = 0; r < rows; r++) {
                const __m512i h = four_of(a + r * t->a_row),
                              l = four_of(a + r * t->a_row + TS_QUANT_GROUP);
                UNROLL
                for (int j = 0; j < VECS; j++) {
                    dot(&hi[r][j], v[j], h);
                    dot(&lo[r][j], v[j], l);
                }
            }
        }
        UNROLL
        for (int j = 0; j < VECS; j++) {
            const __m256i b = _mm256_loadu_si256(
                (const __m256i *)(const void *)(t->scale + g * TS_QUANT_PANEL + j * 16));
            const __m512 s = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(b), 16));
            UNROLL
            for (int r = 0; r < rows; r++) {
                const __m512i sum = _mm512_add_epi32(_mm512_slli_epi32(hi[r][j], 8), lo[r][j]);
                const __m512 ts =
                    _mm512_mul_ps(_mm512_set1_ps(t->side[r * t->side_row + g].scale), s);
                float *acc = t->acc + r * TS_QUANT_PANEL + j * 16;
                _mm512_storeu_ps(
                    acc, _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), ts, _mm512_loadu_ps(acc)));
            }
        }
    }
}

static void tile(const ts_quant_tile *t)
{
    switch (t->rows) {
    case 1: tile_of(t, 1); break;
    case 2: tile_of(t, 2); break;
    case 3: tile_of(t, 3); break;
    default: tile_of(t, 4); break;
    }
}

static void unpack(const uint8_t *nf4, int64_t n, uint8_t *out)
{
    enum { STEP = TS_QUANT_PANEL * 4 };
    const __m512i level =
        _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)ts_quant_nf4));
    const __m512i low = _mm512_set1_epi8(15);
    for (int64_t i = 0; i < n * STEPS / 2; i++, nf4 += STEP, out += 2 * STEP)
        for (int j = 0; j < STEP; j += 64) {
            const __m512i v = _mm512_loadu_si512(nf4 + j);
            const __m512i h = _mm512_and_si512(_mm512_srli_epi16(v, 4), low);
            _mm512_storeu_si512(out + j, _mm512_shuffle_epi8(level, _mm512_and_si512(v, low)));
            _mm512_storeu_si512(out + STEP + j, _mm512_shuffle_epi8(level, h));
        }
}

void ts_quant_kernels_init_vnni(ts_quant_kernels *k)
{
    *k = (ts_quant_kernels){
        .name = "vnni", .tile_rows = ROWS, .tile = tile, .unpack = unpack, .split_row = split_row,
        .put_row = put_row
    };
}
