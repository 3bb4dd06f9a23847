/* Floating-point elements of a file to float32 and back. Sources may be unaligned: loads go through
 * memcpy, which compilers turn into plain loads and vectors. */
#include "io/safetensors.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "safetensors data are little-endian");

static float bits_float(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static uint32_t float_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

/* Without branches: exponent and mantissa move into place and a product with 2^112 mends the
 * exponent, for subnormal numbers too. Infinity and NaN get the largest exponent. */
static inline float half_float(uint16_t h)
{
    const uint32_t rest = (uint32_t)(h & 0x7FFF) << 13;
    const uint32_t scaled = float_bits(bits_float(rest) * 0x1p112f);
    const uint32_t special = (uint32_t)-((h & 0x7C00) == 0x7C00) & 0x7F800000u;
    return bits_float(scaled | special | (uint32_t)(h & 0x8000) << 16);
}

static inline uint16_t float_bf16(float f)
{
    const uint32_t u = float_bits(f);
    if ((u & 0x7FFFFFFFu) > 0x7F800000u)
        return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7FFF + (u >> 16 & 1)) >> 16);
}

/* Without branches: every case is computed, and one is taken. Magnitudes are below 2^31, so that they compare as signed
 * numbers. */
static inline uint16_t float_half(float f)
{
    const uint32_t u = float_bits(f), mag = u & 0x7FFFFFFFu, r = mag - 0x38000000u;
    const int32_t size = (int32_t)mag;
    /* subnormal: adding 0.5 lets the adder round at 2^-24 */
    const uint32_t small = float_bits(bits_float(mag) + 0.5f) - 0x3F000000u;
    const uint32_t usual = (r + 0xFFF + (r >> 13 & 1)) >> 13, nan = 0x7E00 | (mag >> 13 & 0x1FF);
    uint32_t h = size < 0x38800000 ? small : usual;
    h = size >= 0x477FF000 ? 0x7C00 : h; /* 65520 and above round to infinity */
    h = size > 0x7F800000 ? nan : h;
    return (uint16_t)(h | (u >> 16 & 0x8000));
}

bool ts_st_to_f32(ts_st_dtype from, const void *src, int64_t n, float *out)
{
    const unsigned char *p = src;
    if (from == TS_ST_F32) {
        if (n)
            memcpy(out, src, (size_t)n * sizeof *out);
    } else if (from == TS_ST_BF16) {
        for (int64_t i = 0; i < n; i++) {
            uint16_t v;
            memcpy(&v, p + 2 * i, sizeof v);
            out[i] = bits_float((uint32_t)v << 16);
        }
    } else if (from == TS_ST_F16) {
        for (int64_t i = 0; i < n; i++) {
            uint16_t v;
            memcpy(&v, p + 2 * i, sizeof v);
            out[i] = half_float(v);
        }
    } else if (from == TS_ST_F64) {
        for (int64_t i = 0; i < n; i++) {
            double v;
            memcpy(&v, p + 8 * i, sizeof v);
            out[i] = (float)v;
        }
    } else {
        return false;
    }
    return true;
}

bool ts_st_from_f32(ts_st_dtype to, const float *src, int64_t n, void *out)
{
    unsigned char *p = out;
    if (to == TS_ST_F32) {
        if (n)
            memcpy(out, src, (size_t)n * sizeof *src);
    } else if (to == TS_ST_BF16 || to == TS_ST_F16) {
        for (int64_t i = 0; i < n; i++) {
            const uint16_t v = to == TS_ST_BF16 ? float_bf16(src[i]) : float_half(src[i]);
            memcpy(p + 2 * i, &v, sizeof v);
        }
    } else if (to == TS_ST_F64) {
        for (int64_t i = 0; i < n; i++) {
            const double v = (double)src[i];
            memcpy(p + 8 * i, &v, sizeof v);
        }
    } else if (to == TS_ST_I64) {
        for (int64_t i = 0; i < n; i++) {
            const int64_t v = (int64_t)src[i];
            memcpy(p + 8 * i, &v, sizeof v);
        }
    } else {
        return false;
    }
    return true;
}

ts_status ts_st_read_f32(const ts_st_tensor *t, int64_t first, int64_t n, float *out)
{
    TS_ASSERT(first >= 0 && n >= 0 && first <= t->elements && n <= t->elements - first,
              "%s: elements [%lld, +%lld) of %lld", t->name, (long long)first, (long long)n,
              (long long)t->elements);
    if (t->make) {
        t->make(t, first, n, out);
        return TS_OK;
    }
    const size_t item = (size_t)ts_st_dtype_bits(t->dtype) / 8;
    if (!ts_st_to_f32(t->dtype, (const unsigned char *)t->data + (size_t)first * item, n, out))
        return ts_error(TS_ERR_USER, "%s: tensor %s is %s, expected F64, F32, F16 or BF16", t->path,
                        t->name, ts_st_dtype_name(t->dtype));
    return TS_OK;
}

ts_status ts_st_read_whole(const ts_st_tensor *t, int64_t first, int64_t n, float *out)
{
    TS_ASSERT(first >= 0 && n >= 0 && first <= t->elements && n <= t->elements - first,
              "%s: elements [%lld, +%lld) of %lld", t->name, (long long)first, (long long)n, (long long)t->elements);
    if (t->dtype != TS_ST_I64 && t->dtype != TS_ST_I32)
        return ts_st_read_f32(t, first, n, out);
    const size_t item = (size_t)ts_st_dtype_bits(t->dtype) / 8;
    for (int64_t i = 0; i < n; i++) {
        const unsigned char *at = (const unsigned char *)t->data + (size_t)(first + i) * item;
        int32_t narrow;
        int64_t v;
        if (t->dtype == TS_ST_I32) {
            memcpy(&narrow, at, sizeof narrow);
            v = narrow;
        } else {
            memcpy(&v, at, sizeof v);
        }
        out[i] = (float)v;
    }
    return TS_OK;
}

ts_status ts_st_read_rows_f32(const ts_st_tensor *t, int64_t r0, int64_t r1, float *out)
{
    TS_ASSERT(t->rank > 0 && r0 >= 0 && r0 <= r1 && r1 <= t->shape[0], "%s: rows [%lld, %lld)",
              t->name, (long long)r0, (long long)r1);
    const int64_t row = t->shape[0] ? t->elements / t->shape[0] : 0;
    return ts_st_read_f32(t, r0 * row, (r1 - r0) * row, out);
}
