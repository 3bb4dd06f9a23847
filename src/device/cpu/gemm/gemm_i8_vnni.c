/* Products in 8-bit integers by vpdpbusd, 64 at a time. */
#include "device/cpu/gemm/gemm_kernels.h"
#include "device/cpu/gemm/gemm_vec512.h"

#include <string.h>

typedef __m512i vi, vb;
static inline vi v_units(const void *p) { return _mm512_loadu_si512(p); }
static inline vi v_ints(const void *p) { return _mm512_loadu_si512(p); }
static inline vi v_unit(const void *p)
{
    int32_t u;
    memcpy(&u, p, 4);
    return _mm512_set1_epi32(u);
}
/* By hand: gcc 12 moves each sum to another register and back round the intrinsic, which halves the
 * speed. */
static inline vi v_dot(vi acc, vi a, vi b)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(a), "v"(b));
    return acc;
}
static inline vf v_float(vi v) { return _mm512_cvtepi32_ps(v); }
static inline vf v_set(float f) { return _mm512_set1_ps(f); }
static inline vf v_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
static inline vf v_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
static inline vb vb_none(void) { return _mm512_setzero_si512(); }
static inline vb vb_more(vb b, vf v)
{
    const __m512i magnitude = _mm512_set1_epi32(0x7FFFFFFF);
    return _mm512_max_epi32(b, _mm512_and_si512(_mm512_castps_si512(v), magnitude));
}
static inline uint32_t vb_max(vb b) { return (uint32_t)_mm512_reduce_max_epi32(b); }
static inline void vb_put(vb b, uint32_t *p) { _mm512_storeu_si512(p, b); }
static inline vi vi_quant(vf v, vf by) { return _mm512_cvtps_epi32(_mm512_mul_ps(v, by)); }
static inline vi vi_none(void) { return _mm512_setzero_si512(); }
static inline vi v_ints_of(int i) { return _mm512_set1_epi32(i); }
static inline vi vi_add(vi a, vi b) { return _mm512_add_epi32(a, b); }
static inline vi vi_times(vi a, int by) { return _mm512_mullo_epi32(a, v_ints_of(by)); }
static inline int32_t vi_sum(vi v) { return _mm512_reduce_add_epi32(v); }
static inline void vi_put(void *p, vi v) { _mm512_storeu_si512(p, v); }
static inline vi vi_low(vi v, int i, vi u)
{
    const __m512i byte = _mm512_and_si512(v, _mm512_set1_epi32(0xFF));
    return _mm512_or_si512(u, _mm512_sll_epi32(byte, _mm_cvtsi32_si128(8 * i)));
}
static inline void v_bytes(uint8_t *p, int64_t n, vi v)
{
    _mm_mask_storeu_epi8(p, mask_of(n), _mm512_cvtepi32_epi8(v));
}

/* The upper halves of 16 and 16 lanes. */
static inline __m512i upper_halves(__m512i low, __m512i high)
{
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i odd = _mm512_add_epi32(_mm512_mullo_epi32(lane, _mm512_set1_epi32(0x40004)),
                                         _mm512_set1_epi32(0x30001));
    return _mm512_permutex2var_epi16(low, odd, high);
}

INLINE void store_bf16(uint16_t *c, int64_t ld, vf v[ROWS][VECS], const int rows, const int vecs)
{
    UNROLL
    for (int i = 0; i < rows; i++, c += ld) {
        const __m512i last = bf16_bits(v[i][vecs - 1]);
        if (vecs > 1)
            _mm512_storeu_si512(c, upper_halves(bf16_bits(v[i][0]), bf16_bits(v[i][1])));
        if (vecs % 2)
            _mm256_storeu_si256((__m256i *)(void *)(c + (vecs - 1) * V),
                                _mm512_castsi512_si256(upper_halves(last, last)));
    }
}
#define STORE_BF16 store_bf16

#include "device/cpu/gemm/gemm_i8_body.h"
#include "device/cpu/gemm/gemm_cases512_body.h"

_Static_assert((int)WIDTH == (int)TS_PACKING_I8_VNNI, "what memory is foreseen with");
void ts_i8_kernels_init_vnni(ts_i8_kernels *k)
{
    *k = (ts_i8_kernels){ .rows = ROWS, .width = WIDTH, .variant = "vnni", .quantise = quantise,
                          .pack = pack, .tile = tile };
}
