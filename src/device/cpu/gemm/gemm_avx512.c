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

static void look_up(const uint8_t *code, int64_t first, int64_t n, const float value[16], void *to)
{
    const __m512 all = _mm512_loadu_ps(value);
    const __m512i down = _mm512_setr_epi32(4, 0, 12, 8, 20, 16, 28, 24, 4, 0, 12, 8, 20, 16, 28, 24);
    float *out = to;
    int64_t i = first % 2 ? n : 0;
    for (; i + V <= n; i += V) { /* sixteen codes in eight bytes, of which the look-up takes the lowest four bits */
        int32_t four[2];
        memcpy(four, code + (first + i) / 2, sizeof four);
        const __m512i both = _mm512_inserti64x4(_mm512_set1_epi32(four[0]), _mm256_set1_epi32(four[1]), 1);
        _mm512_storeu_ps(out + i, _mm512_permutexvar_ps(_mm512_srlv_epi32(both, down), all));
    }
    for (i = first % 2 ? 0 : i; i < n; i++)
        out[i] = value[(first + i) % 2 ? code[(first + i) / 2] & 15 : code[(first + i) / 2] >> 4];
}

static void round_to_bf16(float *units, int64_t n) { round_units(units, n); }

void ts_gemm_kernels_init_avx512(ts_gemm_kernels *k)
{
    *k = (ts_gemm_kernels){
        .rows = ROWS, .width = WIDTH, .pairs = false, .tile = tile, .finish = finish, .pack = pack,
        .round = round_to_bf16, .look_up = look_up,
    };
}
