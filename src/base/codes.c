#include "base/codes.h"

#include "base/dtype.h"
#include "base/fp8.h"

#include <math.h>

enum { MX_BLOCK = 32 };

size_t ts_codes_size(ts_codes c)
{
    return c == TS_CODES_NONE ? 4 : c == TS_CODES_F16 || c == TS_CODES_BF16 ? 2 : 1;
}

size_t ts_codes_scale_bytes(ts_codes c)
{
    return c == TS_CODES_NONE || c == TS_CODES_BF16 ? 0 : c == TS_CODES_MX ? TS_CODES_BLOCK / MX_BLOCK : sizeof(float);
}

static float largest(const float *x, int64_t n)
{
    float most = 0;
    for (int64_t i = 0; i < n; i++)
        most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    return most;
}

/* With its sign: of dynamic codes 1 has one, -1 none. */
static float largest_signed(const float *x, int64_t n)
{
    float most = 0;
    for (int64_t i = 0; i < n; i++)
        most = fabsf(x[i]) > fabsf(most) ? x[i] : most;
    return most;
}

/* ---- dynamic ---- */

static const float power_of_ten[] = { 1e-6F, 1e-5F, 1e-4F, 1e-3F, 1e-2F, 1e-1F, 1 };
enum { POWERS = 7 };

/* Number k of those above 0 but for 1 itself, in their order: 2^i << second of power i, each in the middle of
 * its part of [0.1, 1]. */
static float dynamic_size(int k, bool second)
{
    int i = 0;
    k += 1 << second;
    while (k >> (i + 1 + second))
        i++;
    const int parts = 1 << (i + second);
    return power_of_ten[i] * (float)(0.1 + 0.9 * ((k - parts) + 0.5) / parts);
}

/* In the order of values: the last is 1, and 0 is code 127, or the first. */
static float dynamic_value(int code, bool second)
{
    const int zero = second ? 0 : 127;
    if (code == 255)
        return 1;
    if (code == zero)
        return 0;
    return code > zero ? dynamic_size(code - zero - 1, second) : -dynamic_size(zero - 1 - code, second);
}

/* From a first guess to the nearest; of two equally near the one that is smaller in size. */
static uint8_t dynamic_code(float x, bool second)
{
    const int zero = second ? 0 : 127, last = x < 0 ? zero : 255 - zero, sign = x < 0 ? -1 : 1;
    const float a = fabsf(x);
    int i = 0;
    while (i < POWERS - 1 && a > power_of_ten[i])
        i++;
    const int parts = 1 << (i + second), in = (int)((a / power_of_ten[i] - 0.1F) / 0.9F * (float)parts);
    int k = parts - (1 << second) + (in < 0 ? 0 : in >= parts ? parts - 1 : in) + 1; /* distance from zero's code */
    k = k > last ? last : k;
    while (k < last && fabsf(dynamic_value(zero + sign * (k + 1), second)) - a <
                           a - fabsf(dynamic_value(zero + sign * k, second)))
        k++;
    while (k > 0 && a - fabsf(dynamic_value(zero + sign * (k - 1), second)) <=
                        fabsf(dynamic_value(zero + sign * k, second)) - a)
        k--;
    return (uint8_t)(zero + sign * k);
}

/* ---- codes of a number of at most 1 in size ---- */

static ts_fp8 format_of(ts_codes c)
{
    return c == TS_CODES_E4M3 ? TS_FP8_E4M3 : c == TS_CODES_E5M2 ? TS_FP8_E5M2 : TS_FP8_HIF8;
}

static float top_of(ts_codes c, bool second)
{
    return c == TS_CODES_HIF8 ? (second ? 224 : 15) : ts_fp8_max(format_of(c));
}

static uint8_t code_of(ts_codes c, bool second, float x)
{
    x = x > 1 ? 1 : x < -1 ? -1 : x;
    const uint8_t code = c == TS_CODES_DYNAMIC ? dynamic_code(x, second)
                                               : ts_f32_to_fp8(format_of(c), x * top_of(c, second));
    return second && x > 0 && code == 0 ? 1 : code;
}

static float value_of(ts_codes c, bool second, uint8_t code)
{
    return c == TS_CODES_DYNAMIC ? dynamic_value(code, second)
                                 : ts_fp8_to_f32(format_of(c), code) / top_of(c, second);
}

/* ---- half precision: a power of two finer than its own ---- */

enum { F16_TOP = 32768 };

static void write_f16(bool second, const float *x, int64_t n, uint16_t *codes, float most)
{
    for (int64_t i = 0; i < n; i++) {
        codes[i] = ts_f32_to_f16(most > 0 ? x[i] / most * F16_TOP : 0);
        if (second && x[i] > 0 && codes[i] == 0)
            codes[i] = 1;
    }
}

static void write_bf16(const float *x, int64_t n, uint16_t *codes)
{
    for (int64_t i = 0; i < n; i++)
        codes[i] = ts_f32_to_bf16(x[i]);
}

static void read_bf16(const uint16_t *codes, int64_t n, float *x)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = ts_bf16_to_f32(codes[i]);
}

/* ---- whole numbers ---- */

enum { I8_TOP = 127 };

static void write_i8(const float *x, int64_t n, int8_t *codes, float most)
{
    for (int64_t i = 0; i < n; i++)
        codes[i] = (int8_t)lrintf(most > 0 ? x[i] / most * I8_TOP : 0);
}

static void read_i8(const int8_t *codes, int64_t n, float most, float *x)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = most * ((float)codes[i] / I8_TOP);
}

void ts_codes_write_random(const float *x, int64_t n, const ts_rng *rng, int64_t first, void *codes, void *scale)
{
    int8_t *code = codes;
    const float most = largest(x, n);
    uint32_t words[4] = { 0 };
    memcpy(scale, &most, sizeof most);
    for (int64_t i = 0; i < n; i++) {
        const int64_t at = (first + i) % 8;
        if (i == 0 || at == 0)
            ts_rng_block(rng, (uint64_t)(first + i) / 8, words);
        const uint32_t r = words[at / 2] >> (at % 2 ? 16 : 0) & 0xFFFF;
        const float number = most > 0 ? x[i] / most * I8_TOP : 0;
        code[i] = (int8_t)floorf(number + ((float)r + 0.5F) / 65536);
    }
}

/* ---- mx ---- */

static ts_fp8 mx_format(bool second) { return second ? TS_FP8_E5M2 : TS_FP8_E4M3; }

static float root(float square) { return square < 0 ? -sqrtf(-square) : sqrtf(square); }

/* The least scale with which the largest square is at most what still rounds to the format's largest number. */
static int mx_power(float most, bool second)
{
    int e;
    const double fraction = frexp((double)most * (double)most / (second ? 61440 : 464), &e);
    const int power = fraction == 0.5 ? e - 1 : e;
    return most == 0 || power < -127 ? -127 : power > 127 ? 127 : power;
}

static void write_mx(bool second, const float *x, int64_t n, uint8_t *codes, uint8_t *scale)
{
    const int power = mx_power(largest(x, n), second);
    const double factor = ldexp(1, -power);
    *scale = (uint8_t)(power + 127);
    for (int64_t i = 0; i < n; i++) {
        codes[i] = ts_f32_to_fp8(mx_format(second), (float)((double)x[i] * fabs((double)x[i]) * factor));
        if (second && x[i] > 0 && codes[i] == 0)
            codes[i] = 1;
    }
}

static void read_mx(bool second, const uint8_t *codes, uint8_t scale, int64_t n, float *x)
{
    const float twice = scale % 2 ? 1 : 2, factor = ldexpf(1, scale % 2 ? (scale - 127) / 2 : (scale - 128) / 2);
    for (int64_t i = 0; i < n; i++)
        x[i] = root(twice * ts_fp8_to_f32(mx_format(second), codes[i])) * factor;
}

/* ---- blocks ---- */

void ts_codes_write(ts_codes c, bool second, const float *x, int64_t n, void *codes, void *scale)
{
    uint8_t *code = codes;
    if (c == TS_CODES_NONE) {
        memcpy(codes, x, (size_t)n * sizeof *x);
        return;
    }
    if (c == TS_CODES_BF16) {
        write_bf16(x, n, codes);
        return;
    }
    if (c == TS_CODES_MX) {
        for (int64_t at = 0; at < n; at += MX_BLOCK)
            write_mx(second, x + at, n - at < MX_BLOCK ? n - at : MX_BLOCK, code + at,
                     (uint8_t *)scale + at / MX_BLOCK);
        return;
    }
    const float most = c == TS_CODES_DYNAMIC ? largest_signed(x, n) : largest(x, n);
    memcpy(scale, &most, sizeof most);
    if (c == TS_CODES_F16)
        write_f16(second, x, n, codes, most);
    else if (c == TS_CODES_I8)
        write_i8(x, n, codes, most);
    else
        for (int64_t i = 0; i < n; i++)
            code[i] = code_of(c, second, most != 0 ? x[i] / most : 0);
}

void ts_codes_read(ts_codes c, bool second, const void *codes, const void *scale, int64_t n, float *x)
{
    const uint8_t *code = codes;
    const uint16_t *half = codes;
    float most;
    if (c == TS_CODES_NONE) {
        memcpy(x, codes, (size_t)n * sizeof *x);
        return;
    }
    if (c == TS_CODES_BF16) {
        read_bf16(codes, n, x);
        return;
    }
    if (c == TS_CODES_MX) {
        for (int64_t at = 0; at < n; at += MX_BLOCK)
            read_mx(second, code + at, ((const uint8_t *)scale)[at / MX_BLOCK],
                    n - at < MX_BLOCK ? n - at : MX_BLOCK, x + at);
        return;
    }
    memcpy(&most, scale, sizeof most);
    if (c == TS_CODES_I8) {
        read_i8(codes, n, most, x);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        x[i] = most * (c == TS_CODES_F16 ? ts_f16_to_f32(half[i]) / F16_TOP : value_of(c, second, code[i]));
}
