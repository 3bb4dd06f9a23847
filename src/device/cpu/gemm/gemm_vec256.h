/* What 256-bit kernels of matrix products share: vectors of eight floats, loads and stores by data
 * type. */
#include "base/dtype.h"
#include <immintrin.h>

typedef __m256 vf;
enum { V = 8 };
static inline vf v_zero(void) { return _mm256_setzero_ps(); }
static inline vf v_add(vf a, vf b) { return _mm256_add_ps(a, b); }
static inline vf v_getu(const float *p) { return _mm256_loadu_ps(p); }
static inline void v_putu(float *p, vf v) { _mm256_storeu_ps(p, v); }
static inline vf v_get(const float *p) { return _mm256_load_ps(p); }
static inline void v_put(float *p, vf v) { _mm256_store_ps(p, v); }

/* To bf16, as ts_f32_to_bf16 does. */
static inline vf v_round(vf v)
{
    const __m256i u = _mm256_castps_si256(v), odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
    const __m256i r = _mm256_add_epi32(u, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF)));
    const __m256i quiet = _mm256_or_si256(u, _mm256_set1_epi32(0x400000));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    return _mm256_castsi256_ps(_mm256_and_si256(_mm256_blendv_epi8(r, quiet, nan), _mm256_set1_epi32(-65536)));
}

static inline vf load_full(const void *p, ts_dtype t)
{
    if (t == TS_DTYPE_F32)
        return _mm256_loadu_ps(p);
    const __m128i h = _mm_loadu_si128(p);
    if (t == TS_DTYPE_F16)
        return _mm256_cvtph_ps(h);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}

static inline vf v_load(const void *p, int64_t i, ts_dtype t, int64_t n)
{
    const size_t size = ts_dtype_size(t);
    const char *at = (const char *)p + i * (int64_t)size;
    if (n >= V)
        return load_full(at, t);
    float part[V] = { 0 };
    memcpy(part, at, (size_t)n * size);
    return load_full(part, t);
}

static inline void store_full(void *p, int64_t i, ts_dtype t, vf v)
{
    if (t == TS_DTYPE_F32) {
        _mm256_storeu_ps((float *)p + i, v);
        return;
    }
    __m128i h;
    if (t == TS_DTYPE_F16) {
        h = _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    } else {
        const __m256i high = _mm256_srli_epi32(_mm256_castps_si256(v_round(v)), 16);
        h = _mm_packus_epi32(_mm256_castsi256_si128(high), _mm256_extracti128_si256(high, 1));
    }
    _mm_storeu_si128((__m128i *)(void *)((uint16_t *)p + i), h);
}

static inline void v_store(void *p, int64_t i, ts_dtype t, int64_t n, vf v)
{
    if (n >= V) {
        store_full(p, i, t, v);
        return;
    }
    float part[V];
    _mm256_storeu_ps(part, v);
    for (int64_t l = 0; l < V && l < n; l++)
        ts_store_f32(p, i + l, t, part[l]);
}
