/* Products of floats, 16 at a time. */
#include "device/cpu/gemm/gemm_vec512.h"

#define PAIRS 0
typedef __m512 vu;
static inline vu v_units(const char *p) { return _mm512_loadu_ps(p); }
static inline vu v_unit(const char *p)
{
    float f;
    memcpy(&f, p, 4);
    return _mm512_set1_ps(f);
}
static inline vu v_half(const char *p) { return v_unit(p); }
static inline vf v_dot(vf acc, vu a, vu b) { return _mm512_fmadd_ps(a, b, acc); }

#include "device/cpu/gemm/gemm_pack512_body.h"
#include "device/cpu/gemm/gemm_tile_body.h"
#include "device/cpu/gemm/gemm_cases512_body.h"

static void round_to_bf16(float *units, int64_t n) { round_units(units, n); }

void ts_gemm_kernels_init_avx512(ts_gemm_kernels *k)
{
    *k = (ts_gemm_kernels){
        .rows = ROWS, .width = WIDTH, .pairs = false, .tile = tile, .pack = pack,
        .round = round_to_bf16,
    };
}
