/* What the two 512-bit kernels share: an 8 x 48 tile (24 accumulators of 32 registers; 8 rows of
 * 32-bit units are half a cache line), loads and stores by data type, the packing of panels. */
#include "base/dtype.h"
#include <immintrin.h>

typedef __m512 vf;
enum { V = 16, ROWS = 8, VECS = 3 };

static inline __mmask16 mask_of(int64_t n) { return (__mmask16)(n >= V ? 0xFFFF : (1u << n) - 1); }
static inline vf v_zero(void) { return _mm512_setzero_ps(); }
static inline vf v_add(vf a, vf b) { return _mm512_add_ps(a, b); }
static inline vf v_getu(const float *p) { return _mm512_loadu_ps(p); }
static inline void v_putu(float *p, vf v) { _mm512_storeu_ps(p, v); }
static inline vf v_get(const float *p) { return _mm512_load_ps(p); }
static inline void v_put(float *p, vf v) { _mm512_store_ps(p, v); }

/* The bits of v rounded to bf16, in the upper half of each lane (the lower is left over). */
static inline __m512i bf16_bits(vf v)
{
    const __m512i u = _mm512_castps_si512(v);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
    const __m512i r = _mm512_add_epi32(u, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF)));
    const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    return _mm512_mask_or_epi32(r, nan, u, _mm512_set1_epi32(0x400000));
}

static inline vf v_round(vf v)
{
    return _mm512_castsi512_ps(_mm512_and_si512(bf16_bits(v), _mm512_set1_epi32(-65536)));
}

static inline vf v_load(const void *p, int64_t i, ts_dtype t, int64_t n)
{
    const __mmask16 m = mask_of(n);
    if (t == TS_DTYPE_F32)
        return _mm512_maskz_loadu_ps(m, (const float *)p + i);
    const __m256i h = _mm256_maskz_loadu_epi16(m, (const uint16_t *)p + i);
    if (t == TS_DTYPE_F16)
        return _mm512_cvtph_ps(h);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}

static inline void v_store(void *p, int64_t i, ts_dtype t, int64_t n, vf v)
{
    const __mmask16 m = mask_of(n);
    if (t == TS_DTYPE_F32) {
        _mm512_mask_storeu_ps((float *)p + i, m, v);
        return;
    }
    const __m256i h = t == TS_DTYPE_F16
                          ? _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
                          : _mm512_cvtepi32_epi16(_mm512_srli_epi32(bf16_bits(v), 16));
    _mm256_mask_storeu_epi16((uint16_t *)p + i, m, h);
}
