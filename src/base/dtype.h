/* Element types of tensors and files, and the conversions between them. */
#ifndef TS_BASE_DTYPE_H
#define TS_BASE_DTYPE_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef enum ts_dtype {
    TS_DTYPE_F32,
    TS_DTYPE_BF16,
    TS_DTYPE_F16,
    TS_DTYPE_F64,
    TS_DTYPE_I8,
    TS_DTYPE_U8,
    TS_DTYPE_I16,
    TS_DTYPE_U16,
    TS_DTYPE_I32,
    TS_DTYPE_I64,
    TS_DTYPES,
} ts_dtype;

static inline size_t ts_dtype_size(ts_dtype t)
{
    static const uint8_t size[TS_DTYPES] = { 4, 2, 2, 8, 1, 1, 2, 2, 4, 8 };
    return size[t];
}

static inline const char *ts_dtype_name(ts_dtype t)
{
    static const char *const name[TS_DTYPES] = { "fp32", "bf16", "fp16", "fp64",  "int8",
                                                 "uint8", "int16", "uint16", "int32", "int64" };
    return name[t];
}

static inline float ts_bf16_to_f32(uint16_t h)
{
    const uint32_t u = (uint32_t)h << 16;
    float f;
    memcpy(&f, &u, 4);
    return f;
}

/* Round to nearest, ties to even; NaN stays NaN. */
static inline uint16_t ts_f32_to_bf16(float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    if ((u & 0x7FFFFFFFu) > 0x7F800000u)
        return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7FFFu + (u >> 16 & 1)) >> 16);
}

/* Up or down at random: away from zero with the probability of what is cut off, so that the mean is
 * the number itself. r: uniform below 2^16. Infinities stay, NaN stays NaN. */
static inline uint16_t ts_f32_to_bf16_random(float f, uint32_t r)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    if ((u & 0x7FFFFFFFu) > 0x7F800000u)
        return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + r) >> 16);
}

static inline float ts_f16_to_f32(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16, e = h >> 10 & 31, m = h & 0x3FF;
    uint32_t u;
    float f;
    if (e == 31)
        u = sign | 0x7F800000u | m << 13;
    else if (e)
        u = sign | (e + 112) << 23 | m << 13;
    else { /* zero or subnormal: m * 2^-24 */
        f = (float)m * 0x1p-24f;
        return sign ? -f : f;
    }
    memcpy(&f, &u, 4);
    return f;
}

/* Round to nearest, ties to even; too large becomes infinity; NaN stays NaN. */
static inline uint16_t ts_f32_to_f16(float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    const uint16_t sign = (uint16_t)(u >> 16 & 0x8000);
    u &= 0x7FFFFFFFu;
    if (u > 0x7F800000u)
        return (uint16_t)(sign | 0x7E00);
    if (u >= 0x477FF000u) /* 65520 and more */
        return (uint16_t)(sign | 0x7C00);
    if (u < 0x38800000u) { /* below 2^-14: subnormal; adding 0.5 puts the bits in place, rounded */
        float a;
        memcpy(&a, &u, 4);
        a += 0.5f;
        uint32_t v;
        memcpy(&v, &a, 4);
        return (uint16_t)(sign | (v - 0x3F000000u));
    }
    return (uint16_t)(sign | ((u + 0xFFFu + (u >> 13 & 1) - 0x38000000u) >> 13));
}

/* Element i of an array of t, as float. */
static inline float ts_load_f32(const void *p, int64_t i, ts_dtype t)
{
    switch (t) {
    case TS_DTYPE_BF16: return ts_bf16_to_f32(((const uint16_t *)p)[i]);
    case TS_DTYPE_F16: return ts_f16_to_f32(((const uint16_t *)p)[i]);
    default: return ((const float *)p)[i];
    }
}

/* Narrow types may take the place of floats that were read before. */
static inline void ts_store_f32(void *p, int64_t i, ts_dtype t, float v)
{
    if (t == TS_DTYPE_BF16 || t == TS_DTYPE_F16) {
        const uint16_t h = t == TS_DTYPE_BF16 ? ts_f32_to_bf16(v) : ts_f32_to_f16(v);
        memcpy((char *)p + i * (int64_t)sizeof h, &h, sizeof h);
        return;
    }
    ((float *)p)[i] = v;
}
#endif
