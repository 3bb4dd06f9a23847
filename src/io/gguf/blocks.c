/* One function a type: one block to fp32. Products and sums are rounded one by one, in the order of the package gguf
 * (the build forbids fused ones). */
#include "io/gguf/blocks.h"

#include "base/dtype.h"
#include "io/gguf/block_grids.h"
#include "io/gguf/encode.h"

#include <string.h>

enum { K = 256, LARGEST = K }; /* values of a large block */

static inline unsigned u16_at(const unsigned char *p) { return p[0] | (unsigned)p[1] << 8; }
static inline uint32_t u32_at(const unsigned char *p) { return u16_at(p) | (uint32_t)u16_at(p + 2) << 16; }
static inline float half_at(const unsigned char *p) { return ts_f16_to_f32((uint16_t)u16_at(p)); }

/* ---- 32 values: a scale, perhaps a least value ---- */

static void q4_0(const unsigned char *b, float *y)
{
    const float d = half_at(b);
    for (int i = 0; i < 16; i++) {
        y[i] = d * (float)((b[2 + i] & 15) - 8);
        y[i + 16] = d * (float)((b[2 + i] >> 4) - 8);
    }
}

static void q4_1(const unsigned char *b, float *y)
{
    const float d = half_at(b), m = half_at(b + 2);
    for (int i = 0; i < 16; i++) {
        y[i] = d * (float)(b[4 + i] & 15) + m;
        y[i + 16] = d * (float)(b[4 + i] >> 4) + m;
    }
}

static void q5_0(const unsigned char *b, float *y)
{
    const float d = half_at(b);
    const uint32_t high = u32_at(b + 2);
    for (int i = 0; i < 16; i++) {
        y[i] = d * (float)((int)((b[6 + i] & 15) | (high >> i & 1) << 4) - 16);
        y[i + 16] = d * (float)((int)((uint32_t)(b[6 + i] >> 4) | (high >> (i + 16) & 1) << 4) - 16);
    }
}

static void q5_1(const unsigned char *b, float *y)
{
    const float d = half_at(b), m = half_at(b + 2);
    const uint32_t high = u32_at(b + 4);
    for (int i = 0; i < 16; i++) {
        y[i] = d * (float)((b[8 + i] & 15) | (high >> i & 1) << 4) + m;
        y[i + 16] = d * (float)((uint32_t)(b[8 + i] >> 4) | (high >> (i + 16) & 1) << 4) + m;
    }
}

static void q8_0(const unsigned char *b, float *y)
{
    const float d = half_at(b);
    for (int i = 0; i < 32; i++)
        y[i] = (float)(int8_t)b[2 + i] * d;
}

/* 128 signs */
static void q1_0(const unsigned char *b, float *y)
{
    const float d = half_at(b);
    for (int i = 0; i < 128; i++)
        y[i] = b[2 + i / 8] >> i % 8 & 1 ? d : -d;
}

/* ---- 256 values in groups of 16 or 32, with scales of their own in few bits ---- */

/* The two-bit fields of 64 bytes: value i. */
static inline int two_bits(const unsigned char *q, int i) { return q[i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3; }

static void q2_k(const unsigned char *b, float *y)
{
    const float d = half_at(b + 80), m = half_at(b + 82);
    for (int g = 0; g < 16; g++) {
        const float scale = d * (float)(b[g] & 15), least = m * (float)(b[g] >> 4);
        for (int i = g * 16; i < g * 16 + 16; i++)
            y[i] = scale * (float)two_bits(b + 16, i) - least;
    }
}

static void q3_k(const unsigned char *b, float *y)
{
    const unsigned char *high = b, *q = b + 32, *s = b + 96;
    const float d = half_at(b + 108);
    for (int g = 0; g < 16; g++) {
        const int low = (g < 8 ? s[g] : s[g - 8] >> 4) & 15, top = s[8 + g % 4] >> g / 4 * 2 & 3;
        const float scale = d * (float)((low | top << 4) - 32);
        for (int i = g * 16; i < g * 16 + 16; i++)
            y[i] = scale * (float)(two_bits(q, i) - (high[i % 32] >> i / 32 & 1 ? 0 : 4));
    }
}

/* Six bits of scale and of least value for each of eight groups, in twelve bytes. */
static inline void scale_of(const unsigned char *s, int g, int *scale, int *least)
{
    if (g < 4) {
        *scale = s[g] & 63;
        *least = s[g + 4] & 63;
    } else {
        *scale = (s[g + 4] & 15) | s[g - 4] >> 6 << 4;
        *least = s[g + 4] >> 4 | s[g] >> 6 << 4;
    }
}

/* high: the fifth bits, NULL: there are none. */
static inline void four_or_five(const unsigned char *b, const unsigned char *high, const unsigned char *q, float *y)
{
    const float d = half_at(b), m = half_at(b + 2);
    for (int g = 0; g < 8; g++) {
        int s, l;
        scale_of(b + 4, g, &s, &l);
        const float scale = d * (float)s, least = m * (float)l;
        for (int i = 0; i < 32; i++) {
            const int low = q[g / 2 * 32 + i] >> g % 2 * 4 & 15;
            y[g * 32 + i] = scale * (float)(low | (high ? (high[i] >> g & 1) << 4 : 0)) - least;
        }
    }
}

static void q4_k(const unsigned char *b, float *y) { four_or_five(b, NULL, b + 16, y); }
static void q5_k(const unsigned char *b, float *y) { four_or_five(b, b + 16, b + 48, y); }

static void q6_k(const unsigned char *b, float *y)
{
    const unsigned char *high = b + 128, *s = b + 192;
    const float d = half_at(b + 208);
    for (int g = 0; g < 16; g++) {
        const float scale = d * (float)(int8_t)s[g];
        for (int i = g * 16; i < g * 16 + 16; i++) {
            const int low = b[i / 128 * 64 + i % 64] >> i % 128 / 64 * 4 & 15;
            y[i] = scale * (float)((low | two_bits(high, i) << 4) - 32);
        }
    }
}

/* ---- of three levels ---- */

/* Digits to base 3, five or four to a byte; the first of each byte is a run of n values apart from the next. */
static void digits(const unsigned char *q, int n, int each, float d, float *y)
{
    static const unsigned char power[] = { 1, 3, 9, 27, 81 };
    for (int k = 0; k < each; k++)
        for (int i = 0; i < n; i++)
            *y++ = d * (float)(((unsigned char)(q[i] * power[k]) * 3 >> 8) - 1);
}

static void tq1_0(const unsigned char *b, float *y)
{
    const float d = half_at(b + 52);
    digits(b, 32, 5, d, y);
    digits(b + 32, 16, 5, d, y + 160);
    digits(b + 48, 4, 4, d, y + 240);
}

static void tq2_0(const unsigned char *b, float *y)
{
    const float d = half_at(b + 64);
    for (int i = 0; i < K; i++)
        y[i] = d * (float)(two_bits(b, i) - 1);
}

/* ---- levels from a table ---- */

static const signed char fp4[16] = { 0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12 }; /* doubled */
static const signed char uneven[16] = { -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113 };

/* n bytes: first all lower halves, then all upper ones. */
static inline void from_levels(const unsigned char *q, int n, const signed char *level, float d, float *y)
{
    for (int i = 0; i < n; i++) {
        y[i] = d * (float)level[q[i] & 15];
        y[i + n] = d * (float)level[q[i] >> 4];
    }
}

static void mxfp4(const unsigned char *b, float *y)
{
    const uint32_t bits = *b < 2 ? 0x00200000u << *b : (uint32_t)(*b - 1) << 23; /* half of 2^(*b - 127) */
    float d;
    memcpy(&d, &bits, sizeof d);
    from_levels(b + 1, 16, fp4, d, y);
}

/* Half of a scale in E4M3 without sign, whose NaN is zero. */
static float half_e4m3(unsigned char x)
{
    const int e = x >> 3 & 15, m = x & 7;
    if (x == 0x7F)
        return 0;
    return e ? (1 + (float)m / 8) * ts_f16_to_f32((uint16_t)((e + 7) << 10)) : (float)m * 0x1p-10f;
}

static void nvfp4(const unsigned char *b, float *y)
{
    for (int s = 0; s < 4; s++)
        from_levels(b + 4 + 8 * s, 8, fp4, half_e4m3(b[s]), y + 16 * s);
}

static void iq4_nl(const unsigned char *b, float *y) { from_levels(b + 2, 16, uneven, half_at(b), y); }

static void iq4_xs(const unsigned char *b, float *y)
{
    const float d = half_at(b);
    for (int s = 0; s < 8; s++) {
        const int low = b[4 + s / 2] >> s % 2 * 4 & 15, high = u16_at(b + 2) >> 2 * s & 3;
        from_levels(b + 8 + 16 * s, 16, uneven, d * (float)((low | high << 4) - 32), y + 32 * s);
    }
}

/* ---- points of codebooks ---- */

/* Seven signs, and an eighth that makes the number of negative ones even. */
static inline unsigned eight_signs(unsigned s) { return s | (unsigned)__builtin_parity(s) << 7; }

static inline void put_eight(unsigned point, unsigned signs, float d, float *y)
{
    static const float level[4] = { 8, 25, 43, 0 };
    for (int i = 0; i < 8; i++) {
        const float v = d * level[point >> 2 * i & 3];
        y[i] = signs >> i & 1 ? -v : v;
    }
}

static inline void put_four(unsigned point, unsigned signs, const float *level, float d, float *y)
{
    for (int i = 0; i < 4; i++) {
        const float v = d * level[point >> 4 * i & 7];
        y[i] = signs >> i & 1 ? -v : v;
    }
}

static void iq2_xxs(const unsigned char *b, float *y)
{
    for (int s = 0; s < 8; s++) {
        const unsigned char *q = b + 2 + 8 * s;
        const uint32_t more = u32_at(q + 4);
        const float d = half_at(b) * (0.5f + (float)(more >> 28)) * 0.25f;
        for (int g = 0; g < 4; g++)
            put_eight(ts_grid_iq2_xxs[q[g]], eight_signs(more >> 7 * g & 127), d, y + 32 * s + 8 * g);
    }
}

static void iq2_xs(const unsigned char *b, float *y)
{
    for (int g = 0; g < 32; g++) {
        const unsigned q = u16_at(b + 2 + 2 * g), scale = b[66 + g / 4] >> g / 2 % 2 * 4 & 15;
        const float d = half_at(b) * (0.5f + (float)scale) * 0.25f;
        put_eight(ts_grid_iq2_xs[q & 511], eight_signs(q >> 9), d, y + 8 * g);
    }
}

static void iq2_s(const unsigned char *b, float *y)
{
    for (int g = 0; g < 32; g++) {
        const unsigned high = b[66 + g / 4] >> g % 4 * 2 & 3, scale = b[74 + g / 4] >> g / 2 % 2 * 4 & 15;
        const float d = half_at(b) * (0.5f + (float)scale) * 0.25f;
        put_eight(ts_grid_iq2_s[b[2 + g] | high << 8], b[34 + g], d, y + 8 * g);
    }
}

static void iq3_xxs(const unsigned char *b, float *y)
{
    static const float level[8] = { 4, 12, 20, 28, 36, 44, 52, 62 };
    for (int s = 0; s < 8; s++) {
        const uint32_t more = u32_at(b + 66 + 4 * s);
        const float d = half_at(b) * (0.5f + (float)(more >> 28)) * 0.5f;
        for (int g = 0; g < 8; g++)
            put_four(ts_grid_iq3_xxs[b[2 + 8 * s + g]], eight_signs(more >> g / 2 * 7 & 127) >> g % 2 * 4, level, d,
                     y + 32 * s + 4 * g);
    }
}

static void iq3_s(const unsigned char *b, float *y)
{
    static const float level[8] = { 1, 3, 5, 7, 9, 11, 13, 15 };
    for (int g = 0; g < 64; g++) {
        const unsigned high = b[66 + g / 8] >> g % 8 & 1, scale = b[106 + g / 16] >> g / 8 % 2 * 4 & 15;
        put_four(ts_grid_iq3_s[b[2 + g] | high << 8], b[74 + g / 2] >> g % 2 * 4, level,
                 half_at(b) * (float)(1 + 2 * scale), y + 4 * g);
    }
}

/* Levels -1, 0 and 1, moved by an eighth. */
static inline void put_moved(unsigned point, bool down, float d, float *y)
{
    for (int i = 0; i < 8; i++)
        y[i] = d * ((float)(int)(point >> 2 * i & 3) - 1 + (down ? -0.125f : 0.125f));
}

static void iq1_s(const unsigned char *b, float *y)
{
    for (int g = 0; g < 32; g++) {
        const unsigned high = u16_at(b + 34 + g / 4 * 2);
        put_moved(ts_grid_iq1_s[b[2 + g] | (high >> g % 4 * 3 & 7) << 8], high & 0x8000,
                  half_at(b) * (float)(2 * (high >> 12 & 7) + 1), y + 8 * g);
    }
}

/* The scale of all stands in the upper four bits of each of the four words of scales. */
static void iq1_m(const unsigned char *b, float *y)
{
    const unsigned char *s = b + 48;
    const float d = ts_f16_to_f32((uint16_t)(s[1] >> 4 | (s[3] & 0xF0) | (s[5] & 0xF0) << 4 | (s[7] & 0xF0) << 8));
    for (int g = 0; g < 32; g++) {
        const unsigned high = b[32 + g / 2] >> g % 2 * 4 & 15, scale = u16_at(s + g / 8 * 2) >> g / 2 % 4 * 3 & 7;
        put_moved(ts_grid_iq1_s[b[g] | (high & 7) << 8], high & 8, d * (float)(2 * scale + 1), y + 8 * g);
    }
}

/* ---- all types ---- */

#define PLAIN(name_, bytes_, type_) { .name = name_, .values = 1, .bytes = bytes_, .is_plain = true, .plain = type_ }

static const ts_block_type types[] = {
    [0] = PLAIN("F32", 4, TS_ST_F32),
    [1] = PLAIN("F16", 2, TS_ST_F16),
    [2] = { .name = "Q4_0", .values = 32, .bytes = 18, .decode = q4_0, .encode = ts_encode_q4_0 },
    [3] = { .name = "Q4_1", .values = 32, .bytes = 20, .decode = q4_1, .encode = ts_encode_q4_1 },
    [6] = { .name = "Q5_0", .values = 32, .bytes = 22, .decode = q5_0, .encode = ts_encode_q5_0 },
    [7] = { .name = "Q5_1", .values = 32, .bytes = 24, .decode = q5_1, .encode = ts_encode_q5_1 },
    [8] = { .name = "Q8_0", .values = 32, .bytes = 34, .decode = q8_0, .encode = ts_encode_q8_0 },
    [9] = { .name = "Q8_1", .values = 32, .bytes = 40 },
    [10] = { .name = "Q2_K", .values = K, .bytes = 84, .decode = q2_k, .encode = ts_encode_q2_k },
    [11] = { .name = "Q3_K", .values = K, .bytes = 110, .decode = q3_k, .encode = ts_encode_q3_k },
    [12] = { .name = "Q4_K", .values = K, .bytes = 144, .decode = q4_k, .encode = ts_encode_q4_k },
    [13] = { .name = "Q5_K", .values = K, .bytes = 176, .decode = q5_k, .encode = ts_encode_q5_k },
    [14] = { .name = "Q6_K", .values = K, .bytes = 210, .decode = q6_k, .encode = ts_encode_q6_k },
    [15] = { .name = "Q8_K", .values = K, .bytes = 292 },
    [16] = { .name = "IQ2_XXS", .values = K, .bytes = 66, .decode = iq2_xxs },
    [17] = { .name = "IQ2_XS", .values = K, .bytes = 74, .decode = iq2_xs },
    [18] = { .name = "IQ3_XXS", .values = K, .bytes = 98, .decode = iq3_xxs },
    [19] = { .name = "IQ1_S", .values = K, .bytes = 50, .decode = iq1_s },
    [20] = { .name = "IQ4_NL", .values = 32, .bytes = 18, .decode = iq4_nl },
    [21] = { .name = "IQ3_S", .values = K, .bytes = 110, .decode = iq3_s },
    [22] = { .name = "IQ2_S", .values = K, .bytes = 82, .decode = iq2_s },
    [23] = { .name = "IQ4_XS", .values = K, .bytes = 136, .decode = iq4_xs },
    [24] = PLAIN("I8", 1, TS_ST_I8),
    [25] = PLAIN("I16", 2, TS_ST_I16),
    [26] = PLAIN("I32", 4, TS_ST_I32),
    [27] = PLAIN("I64", 8, TS_ST_I64),
    [28] = PLAIN("F64", 8, TS_ST_F64),
    [29] = { .name = "IQ1_M", .values = K, .bytes = 56, .decode = iq1_m },
    [30] = PLAIN("BF16", 2, TS_ST_BF16),
    [34] = { .name = "TQ1_0", .values = K, .bytes = 54, .decode = tq1_0 },
    [35] = { .name = "TQ2_0", .values = K, .bytes = 66, .decode = tq2_0 },
    [39] = { .name = "MXFP4", .values = 32, .bytes = 17, .decode = mxfp4, .encode = ts_encode_mxfp4 },
    [40] = { .name = "NVFP4", .values = 64, .bytes = 36, .decode = nvfp4 },
    [41] = { .name = "Q1_0", .values = 128, .bytes = 18, .decode = q1_0 },
};
enum { N_TYPES = sizeof types / sizeof *types };

const ts_block_type *ts_block_type_of(uint32_t id) { return id < N_TYPES && types[id].name ? &types[id] : NULL; }

uint32_t ts_block_type_id(const ts_block_type *type) { return (uint32_t)(type - types); }

const ts_block_type *ts_block_type_named(const char *name)
{
    for (int i = 0; i < N_TYPES; i++)
        if (types[i].name && !strcmp(types[i].name, name))
            return &types[i];
    return NULL;
}

ts_status ts_block_types_known(ts_str *out)
{
    ts_status st = TS_OK;
    for (int i = 0; i < N_TYPES && st == TS_OK; i++)
        if (types[i].name)
            st = ts_str_printf(out, "%s%s", i ? ", " : "", types[i].name);
    return st;
}

void ts_blocks_read(const ts_block_type *type, const unsigned char *blocks, int64_t first, int64_t n, float *to)
{
    float whole[LARGEST];
    const unsigned char *b = blocks + first / type->values * type->bytes;
    int64_t skip = first % type->values;
    for (; n > 0; b += type->bytes, skip = 0) {
        const int64_t now = type->values - skip < n ? type->values - skip : n;
        if (now == type->values) {
            type->decode(b, to);
        } else {
            type->decode(b, whole);
            memcpy(to, whole + skip, (size_t)now * sizeof *to);
        }
        to += now;
        n -= now;
    }
}

void ts_blocks_write(const ts_block_type *type, const float *values, int64_t n, unsigned char *to)
{
    if (type->is_plain) {
        (void)ts_st_from_f32(type->plain, values, n, to);
        return;
    }
    for (int64_t i = 0; i < n; i += type->values, to += type->bytes)
        type->encode(values + i, to);
}
