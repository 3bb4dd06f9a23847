/* Blocks of 32 values. The same body is compiled for plain x86-64 and for AVX2, which gives the same bits faster. */
#include "io/gguf/encode.h"

#include "base/dtype.h"

#include <float.h>
#include <math.h>

enum { N = 32 };

#define INLINE static inline __attribute__((always_inline))

INLINE void put_half(unsigned char *at, float v)
{
    const uint16_t h = ts_f32_to_f16(v);
    memcpy(at, &h, sizeof h);
}

/* Of a scale that is too small to have an inverse too. */
INLINE float inverse(float d) { return d != 0 ? 1 / d : 0; }

/* The first of the values that are furthest from zero, with its sign. */
INLINE float furthest(const float *x)
{
    float most = 0, v = 0;
    for (int i = 0; i < N; i++)
        if (most < fabsf(x[i])) {
            most = fabsf(x[i]);
            v = x[i];
        }
    return v;
}

INLINE void range(const float *x, float *low, float *high)
{
    *low = FLT_MAX;
    *high = -FLT_MAX;
    for (int i = 0; i < N; i++) {
        *low = x[i] < *low ? x[i] : *low;
        *high = x[i] > *high ? x[i] : *high;
    }
}

/* Level number (x - low) / d, rounded by `half` added, at most `most`. */
INLINE void levels(const float *x, float low, float inv, float half, int most, unsigned char *to)
{
    const float top = (float)most;
    for (int i = 0; i < N; i++) {
        const float v = (x[i] - low) * inv + half;
        to[i] = (unsigned char)(v < top ? v > 0 ? v : 0 : top);
    }
}

/* Lower halves of bytes first. */
INLINE void put_nibbles(const unsigned char *level, unsigned char *to)
{
    for (int i = 0; i < N / 2; i++)
        to[i] = (unsigned char)((level[i] & 15) | level[i + N / 2] << 4);
}

INLINE void put_fifths(const unsigned char *level, unsigned char *to)
{
    uint32_t high = 0;
    for (int i = 0; i < N; i++)
        high |= (uint32_t)(level[i] >> 4 & 1) << i;
    memcpy(to, &high, sizeof high);
}

INLINE void q4_0(const float *x, unsigned char *b)
{
    unsigned char level[N];
    const float d = furthest(x) / -8;
    put_half(b, d);
    levels(x, 0, inverse(d), 8.5f, 15, level);
    put_nibbles(level, b + 2);
}

INLINE void q4_1(const float *x, unsigned char *b)
{
    unsigned char level[N];
    float low, high;
    range(x, &low, &high);
    const float d = (high - low) / 15;
    put_half(b, d);
    put_half(b + 2, low);
    levels(x, low, inverse(d), 0.5f, 15, level);
    put_nibbles(level, b + 4);
}

INLINE void q5_0(const float *x, unsigned char *b)
{
    unsigned char level[N];
    const float d = furthest(x) / -16;
    put_half(b, d);
    levels(x, 0, inverse(d), 16.5f, 31, level);
    put_fifths(level, b + 2);
    put_nibbles(level, b + 6);
}

INLINE void q5_1(const float *x, unsigned char *b)
{
    unsigned char level[N];
    float low, high;
    range(x, &low, &high);
    const float d = (high - low) / 31;
    put_half(b, d);
    put_half(b + 2, low);
    levels(x, low, inverse(d), 0.5f, 31, level);
    put_fifths(level, b + 4);
    put_nibbles(level, b + 8);
}

/* Halves are rounded away from zero. Magnitudes are compared as the integers that they are, which compilers turn into
 * vectors where they would not reorder a maximum of floats. */
INLINE void q8_0(const float *x, unsigned char *b)
{
    int32_t bits[N], most = 0;
    float top;
    memcpy(bits, x, sizeof bits);
    for (int i = 0; i < N; i++) {
        const int32_t m = bits[i] & INT32_MAX;
        most = m > most ? m : most;
    }
    memcpy(&top, &most, sizeof top);
    const float d = top / 127, inv = inverse(d);
    put_half(b, d);
    for (int i = 0; i < N; i++) {
        const float v = x[i] * inv;
        const int32_t whole = (int32_t)(v < 127 ? v > -127 ? v : -127 : 127);
        const float rest = v - (float)whole;
        b[2 + i] = (unsigned char)(whole + (rest >= 0.5f) - (rest <= -0.5f));
    }
}

/* The nearest of the sixteen numbers of four bits, the first of two that are as near. */
INLINE unsigned char nearest_fp4(float x, float half_scale)
{
    static const float doubled[16] = { 0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12 };
    int best = 0;
    float least = fabsf(doubled[0] * half_scale - x);
    for (int i = 1; i < 16; i++) {
        const float e = fabsf(doubled[i] * half_scale - x);
        if (e < least) {
            best = i;
            least = e;
        }
    }
    return (unsigned char)best;
}

INLINE void mxfp4(const float *x, unsigned char *b)
{
    const float most = fabsf(furthest(x));
    unsigned char level[N];
    /* of 2^(e - 127), at least so small that its half is no zero */
    const int e = most > 0 ? (int)floorf(log2f(most)) - 2 + 127 : 0;
    b[0] = (unsigned char)(e < 0 ? 0 : e);
    const float half_scale = ldexpf(1, b[0] - 128);
    for (int i = 0; i < N; i++)
        level[i] = nearest_fp4(x[i], half_scale);
    put_nibbles(level, b + 1);
}

/* ---- for whichever machine it is ---- */

#if defined(__x86_64__)
#define ENCODER(type_)                                                                             \
    __attribute__((target("avx2"))) static void type_##_avx2(const float *x, unsigned char *b)     \
    {                                                                                              \
        type_(x, b);                                                                               \
    }                                                                                              \
    void ts_encode_##type_(const float *x, unsigned char *b)                                       \
    {                                                                                              \
        if (__builtin_cpu_supports("avx2"))                                                        \
            type_##_avx2(x, b);                                                                    \
        else                                                                                       \
            type_(x, b);                                                                           \
    }
#else
#define ENCODER(type_)                                                                             \
    void ts_encode_##type_(const float *x, unsigned char *b) { type_(x, b); }
#endif

ENCODER(q4_0)
ENCODER(q4_1)
ENCODER(q5_0)
ENCODER(q5_1)
ENCODER(q8_0)
ENCODER(mxfp4)
