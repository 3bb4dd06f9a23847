/* Products in 8-bit integers with AVX2, 32 at a time: bytes are widened to 16 bits, because the
 * instruction for bytes saturates. */
#include "device/cpu/gemm/gemm_vec256.h"

#include <string.h>

enum { ROWS = 4, VECS = 2 };
typedef __m256i vi, vb;
static inline vi v_units(const void *p) { return _mm256_loadu_si256(p); }
static inline vi v_ints(const void *p) { return _mm256_loadu_si256(p); }
static inline vi v_unit(const void *p)
{
    int32_t u;
    memcpy(&u, p, 4);
    return _mm256_set1_epi32(u);
}
static inline vi v_dot(vi acc, vi a, vi b)
{
    const vi low = _mm256_set1_epi16(0xFF);
    const vi even = _mm256_madd_epi16(_mm256_and_si256(a, low),
                                      _mm256_srai_epi16(_mm256_slli_epi16(b, 8), 8));
    const vi odd = _mm256_madd_epi16(_mm256_srli_epi16(a, 8), _mm256_srai_epi16(b, 8));
    return _mm256_add_epi32(acc, _mm256_add_epi32(even, odd));
}
static inline vf v_float(vi v) { return _mm256_cvtepi32_ps(v); }
static inline vf v_set(float f) { return _mm256_set1_ps(f); }
static inline vf v_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
static inline vf v_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
static inline vb vb_none(void) { return _mm256_setzero_si256(); }
static inline vb vb_more(vb b, vf v)
{
    const __m256i magnitude = _mm256_set1_epi32(0x7FFFFFFF);
    return _mm256_max_epi32(b, _mm256_and_si256(_mm256_castps_si256(v), magnitude));
}
static inline void vb_put(vb b, uint32_t *p) { _mm256_storeu_si256((__m256i *)(void *)p, b); }
static inline uint32_t vb_max(vb b)
{
    uint32_t lane[V], most = 0;
    vb_put(b, lane);
    for (int l = 0; l < V; l++)
        most = lane[l] > most ? lane[l] : most;
    return most;
}
static inline vi vi_quant(vf v, vf by) { return _mm256_cvtps_epi32(_mm256_mul_ps(v, by)); }
static inline vi vi_none(void) { return _mm256_setzero_si256(); }
static inline vi v_ints_of(int i) { return _mm256_set1_epi32(i); }
static inline vi vi_add(vi a, vi b) { return _mm256_add_epi32(a, b); }
static inline vi vi_times(vi a, int by) { return _mm256_mullo_epi32(a, v_ints_of(by)); }
static inline void vi_put(void *p, vi v) { _mm256_storeu_si256(p, v); }
static inline int32_t vi_sum(vi v)
{
    uint32_t lane[V], sum = 0;
    vi_put(lane, v);
    for (int l = 0; l < V; l++)
        sum += lane[l];
    return (int32_t)sum;
}
static inline vi vi_low(vi v, int i, vi u)
{
    const vi byte = _mm256_and_si256(v, _mm256_set1_epi32(0xFF));
    return _mm256_or_si256(u, _mm256_sll_epi32(byte, _mm_cvtsi32_si128(8 * i)));
}
static inline void v_bytes(uint8_t *p, int64_t n, vi v)
{
    const vi byte = _mm256_and_si256(v, _mm256_set1_epi32(0xFF));
    const __m128i words =
        _mm_packus_epi32(_mm256_castsi256_si128(byte), _mm256_extracti128_si256(byte, 1));
    uint8_t eight[8];
    _mm_storel_epi64((__m128i *)(void *)eight, _mm_packus_epi16(words, words));
    memcpy(p, eight, n < V ? (size_t)n : V);
}

#include "device/cpu/gemm/gemm_i8_body.h"

static void tile(const ts_i8_tile *t)
{
    switch (t->out.rows * 2 + (t->out.cols > V)) {
    case 2: tile_of(t, 1, 1); break;
    case 3: tile_of(t, 1, 2); break;
    case 4: tile_of(t, 2, 1); break;
    case 5: tile_of(t, 2, 2); break;
    case 6: tile_of(t, 3, 1); break;
    case 7: tile_of(t, 3, 2); break;
    case 8: tile_of(t, 4, 1); break;
    default: tile_of(t, 4, 2); break;
    }
}

_Static_assert((int)WIDTH == (int)TS_PACKING_I8, "what memory is foreseen with");
void ts_i8_kernels_init_avx2(ts_i8_kernels *k)
{
    *k = (ts_i8_kernels){ .rows = ROWS, .width = WIDTH, .variant = "avx2", .quantise = quantise,
                          .pack = pack, .tile = tile };
}
