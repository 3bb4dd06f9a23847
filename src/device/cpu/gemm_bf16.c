/* Products of pairs of bf16, 16 pairs at a time. */
#include "device/cpu/gemm_vec512.h"

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

#include "device/cpu/gemm_pack512.h"
#include "device/cpu/gemm_tile.h"
#include "device/cpu/gemm_cases512.h"

void ts_gemm_kernels_init_bf16(ts_gemm_kernels *k)
{
    *k = (ts_gemm_kernels){
        .rows = ROWS, .width = WIDTH, .pairs = true, .tile = tile, .pack = pack
    };
}
