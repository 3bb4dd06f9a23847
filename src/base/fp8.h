/* Numbers of eight bits: what a code means, and the code that is nearest to a number.
 *
 *   e4m3  sign, 4 bits of exponent (bias 7), 3 of fraction; no infinity, up to 448     OCP 8-bit floating
 *   e5m2  sign, 5 bits of exponent (bias 15), 2 of fraction; as half precision, 57344  point, revision 1.0
 *   hif8  sign, a prefix that says how many of the other bits are exponent: 3 bits of  arXiv 2409.16626
 *         fraction near 1, fewer away from it; powers of two down to 2^-22; up to 2^15
 *   e8m0  2^(code - 127), no sign: scales of blocks                                    OCP MX 1.0
 *   e2m1  of four bits, one code a byte: sign; 0, 0.5, 1, 1.5, 2, 3, 4, 6; no NaN      OCP MX 1.0
 *
 * Encoding rounds to the nearest, of two equally near to the even code (e8m0 has no last bit of a fraction
 * that could be even: to the greater power; e2m1: to the greater size, as training for it does). What is too large, infinities too, becomes the largest finite
 * number of its sign. NaN stays NaN, but for e2m1, where it is zero. hif8 has one zero. e8m0 takes the size of a number alone; what is too
 * small, zero too, becomes 2^-127. */
#ifndef TS_BASE_FP8_H
#define TS_BASE_FP8_H
#include <stdint.h>
#include <string.h>

typedef enum ts_fp8 { TS_FP8_E4M3, TS_FP8_E5M2, TS_FP8_HIF8, TS_FP8_E8M0, TS_FP8_FORMATS,
    TS_FP4_E2M1 = TS_FP8_FORMATS, TS_FP_FORMATS } ts_fp8;

/* The value of each code. */
extern const float ts_fp8_values[TS_FP_FORMATS][256];

static inline float ts_fp8_to_f32(ts_fp8 f, uint8_t code) { return ts_fp8_values[f][code]; }

/* The largest finite number. */
static inline float ts_fp8_max(ts_fp8 f)
{
    static const float max[TS_FP_FORMATS] = { 448, 57344, 32768, 0x1p127f, 6 };
    return max[f];
}

static inline uint32_t ts_fp8_bits(float x)
{
    uint32_t u;
    memcpy(&u, &x, 4);
    return u;
}

/* A number a without sign in a format of that many bits of fraction, whose smallest normal number is
 * 2^least: normal numbers by their bits, others by an addition that leaves them in the last ones. */
static inline uint32_t ts_fp8_magnitude(float a, int fraction, int least, uint32_t largest)
{
    const int cut = 23 - fraction;
    const uint32_t u = ts_fp8_bits(a);
    const uint32_t normal = ((u + (1u << (cut - 1)) - 1 + (u >> cut & 1)) >> cut) -
                            ((uint32_t)(126 + least) << fraction);
    const uint32_t shifter = (uint32_t)(127 + 23 - fraction + least) << 23;
    float s;
    memcpy(&s, &shifter, 4);
    const uint32_t small = ts_fp8_bits(a + s) - shifter;
    const uint32_t code = u < (uint32_t)(127 + least) << 23 ? small : normal;
    return code < largest ? code : largest;
}

static inline uint8_t ts_f32_to_e4m3(float x)
{
    const uint32_t u = ts_fp8_bits(x), a = u & 0x7FFFFFFFu;
    float size;
    memcpy(&size, &a, 4);
    return (uint8_t)((u >> 24 & 0x80) | (a > 0x7F800000u ? 0x7F : ts_fp8_magnitude(size, 3, -6, 0x7E)));
}

static inline uint8_t ts_f32_to_e5m2(float x)
{
    const uint32_t u = ts_fp8_bits(x), a = u & 0x7FFFFFFFu;
    float size;
    memcpy(&size, &a, 4);
    return (uint8_t)((u >> 24 & 0x80) | (a > 0x7F800000u ? 0x7F : ts_fp8_magnitude(size, 2, -14, 0x7B)));
}

static inline uint8_t ts_f32_to_e2m1(float x)
{
    const uint32_t u = ts_fp8_bits(x), a = u & 0x7FFFFFFFu;
    float size;
    memcpy(&size, &a, 4);
    return (uint8_t)((u >> 28 & 8) | (uint32_t)((size >= 0.25f) + (size >= 0.75f) + (size >= 1.25f) +
                                                (size >= 1.75f) + (size >= 2.5f) + (size >= 3.5f) + (size >= 5)));
}

uint8_t ts_f32_to_hif8(float x);
uint8_t ts_f32_to_e8m0(float x);

static inline uint8_t ts_f32_to_fp8(ts_fp8 f, float x)
{
    switch (f) {
    case TS_FP8_E4M3: return ts_f32_to_e4m3(x);
    case TS_FP8_E5M2: return ts_f32_to_e5m2(x);
    case TS_FP8_HIF8: return ts_f32_to_hif8(x);
    case TS_FP4_E2M1: return ts_f32_to_e2m1(x);
    default: return ts_f32_to_e8m0(x);
    }
}
#endif
