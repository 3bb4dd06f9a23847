/* Products of pairs of bf16, 16 pairs at a time. */
#include "device/cpu/gemm/gemm_vec512.h"
#include "device/packing.h"

#define PAIRS 1
typedef __m512i vu;
static inline vu v_units(const char *p) { return _mm512_loadu_si512(p); }
static inline vu v_unit(const char *p)
{
    int32_t u;
    memcpy(&u, p, 4);
    return _mm512_set1_epi32(u);
}
static inline vu v_half(const char *p)
{
    uint16_t u;
    memcpy(&u, p, 2);
    return _mm512_set1_epi32(u);
}
static inline vf v_dot(vf acc, vu a, vu b)
{
    return _mm512_dpbf16_ps(acc, (__m512bh)a, (__m512bh)b);
}

#include "device/cpu/gemm/gemm_pack512_body.h"
#include "device/cpu/gemm/nf4_pairs512_body.h"

/* Rounds as bf16_bits does, but takes numbers below 2^-126 for zero: v_dot leaves none. */
INLINE void store_bf16(uint16_t *c, int64_t ld, vf acc[ROWS][VECS], const int rows, const int vecs)
{
    UNROLL
    for (int i = 0; i < rows; i++, c += ld) {
        if (vecs > 1)
            _mm512_storeu_si512(c, (__m512i)_mm512_cvtne2ps_pbh(acc[i][1], acc[i][0]));
        if (vecs % 2)
            _mm256_storeu_si256((__m256i *)(void *)(c + (vecs - 1) * V),
                                (__m256i)_mm512_cvtneps_pbh(acc[i][vecs - 1]));
    }
}
#define STORE_BF16 store_bf16
#include "device/cpu/gemm/gemm_tile_body.h"
#include "device/cpu/gemm/gemm_cases512_body.h"

_Static_assert((int)WIDTH == (int)TS_PACKING_PAIRS, "what memory is foreseen with");
void ts_gemm_kernels_init_bf16(ts_gemm_kernels *k)
{
    *k = (ts_gemm_kernels){
        .rows = ROWS, .width = WIDTH, .pairs = true, .tile = tile, .pack = pack, .look_up = look_up
    };
}
