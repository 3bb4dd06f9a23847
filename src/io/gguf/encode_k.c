/* Blocks of 256 values in groups, each with a scale, perhaps a least value too, of few bits. Scales are searched for: sums
 * are of fp32 and in the order of ggml's, since levels hang on them. */
#include "io/gguf/encode.h"

#include "base/dtype.h"

#include <math.h>
#include <stdbool.h>

enum { K = 256, MOST = 32 }; /* values; of a group at most */

static float put_half(unsigned char *at, float v)
{
    const uint16_t h = ts_f32_to_f16(v);
    memcpy(at, &h, sizeof h);
    return ts_f16_to_f32(h);
}

/* To the nearest, halves to even, of what is below 2^22: by the adder, whose last bit is then 1. */
static inline int nearest(float x)
{
    const float moved = x + 12582912.0f;
    int32_t bits;
    memcpy(&bits, &moved, sizeof bits);
    return (bits & 0x007FFFFF) - 0x00400000;
}

static inline int held(int v, int low, int high) { return v < low ? low : v > high ? high : v; }

/* The first of the values that are furthest from zero, with its sign; 0: all are as good as zero. */
static float furthest(const float *x, int n)
{
    float most = 0, v = 0;
    for (int i = 0; i < n; i++)
        if (fabsf(x[i]) > most) {
            most = fabsf(x[i]);
            v = x[i];
        }
    return most < 1e-15f ? 0 : v;
}

static float furthest_scale(const float *scale)
{
    float most = 0, v = 0;
    for (int g = 0; g < 16; g++)
        if (fabsf(scale[g]) > most) {
            most = fabsf(scale[g]);
            v = scale[g];
        }
    return v;
}

/* ---- a scale for levels -top .. top - 1; codes count from 0 ---- */

typedef struct sums {
    float lx, l2; /* of w x l and w l l, w = x x */
} sums;

static inline sums sums_of(const float *x, int n, int top, float inv)
{
    sums s = { 0, 0 };
    for (int i = 0; i < n; i++) {
        const float w = x[i] * x[i], l = (float)held(nearest(inv * x[i]), -top, top - 1);
        s.lx += w * x[i] * l;
        s.l2 += w * l * l;
    }
    return s;
}

static void put_codes(const float *x, int n, int top, float inv, unsigned char *code)
{
    for (int i = 0; i < n; i++)
        code[i] = (unsigned char)(held(nearest(inv * x[i]), -top, top - 1) + top);
}

/* The best of nineteen scales around the one that the furthest value would have. */
static float search_scale(const float *x, int n, int top, unsigned char *code)
{
    const float most = furthest(x, n), ftop = (float)top;
    memset(code, 0, (size_t)n);
    if (most == 0)
        return 0;
    float found = -ftop / most;
    sums s = sums_of(x, n, top, found);
    float scale = s.l2 != 0 ? s.lx / s.l2 : 0, best = scale * s.lx;
    for (int k = -9; k <= 9; k++) {
        const float inv = -(ftop + 0.1f * (float)k) / most;
        if (!k)
            continue;
        s = sums_of(x, n, top, inv);
        if (s.l2 > 0 && s.lx * s.lx > best * s.l2) {
            found = inv;
            scale = s.lx / s.l2;
            best = scale * s.lx;
        }
    }
    put_codes(x, n, top, found, code);
    return scale;
}

/* One level after the other moves to where the others make it best. */
static float settle_scale(const float *x, int n, int top, unsigned char *code)
{
    const float most = furthest(x, n), inv = -(float)top / most;
    memset(code, 0, (size_t)n);
    if (most == 0)
        return 0;
    sums s = sums_of(x, n, top, inv);
    put_codes(x, n, top, inv, code);
    for (int turn = 0, moved = 1; turn < 5 && moved; turn++) {
        moved = 0;
        for (int i = 0; i < n; i++) {
            const float w = x[i] * x[i], l = (float)(code[i] - top);
            float lx = s.lx - w * x[i] * l, l2 = s.l2 - w * l * l;
            if (!(lx > 0))
                continue;
            const int now = held(nearest(x[i] * l2 / lx), -top, top - 1);
            if (now == code[i] - top)
                continue;
            lx += w * x[i] * (float)now;
            l2 += w * (float)now * (float)now;
            if (l2 > 0 && lx * lx * s.l2 > s.lx * s.lx * l2) {
                code[i] = (unsigned char)(now + top);
                s = (sums){ lx, l2 };
                moved++;
            }
        }
    }
    return s.l2 > 0 ? s.lx / s.l2 : 0;
}

/* Codes for the scale as it is stored. */
static void put_rounded(const float *x, int n, int top, float d, unsigned char *code)
{
    for (int i = 0; d != 0 && i < n; i++)
        code[i] = (unsigned char)(held(nearest(x[i] / d), -top, top - 1) + top);
}

/* ---- a scale and a least value for levels 0 .. top ---- */

typedef struct search {
    int n, top;
    float from, step; /* scales: those for top + from, + step, ... levels */
    int steps;
    bool squares;     /* of errors; else their magnitudes */
} search;

static void put_levels(const search *s, const float *x, float low, float inv, unsigned char *level)
{
    for (int i = 0; i < s->n; i++)
        level[i] = (unsigned char)held(nearest(inv * (x[i] - low)), 0, s->top);
}

static float error_of(const search *s, const float *x, const float *w, const unsigned char *level, float scale, float low)
{
    float sum = 0;
    for (int i = 0; i < s->n; i++) {
        const float e = scale * (float)level[i] + low - x[i];
        sum += w[i] * (s->squares ? e * e : fabsf(e));
    }
    return sum;
}

typedef struct line {
    float scale, low;
} line;

/* Weighted least squares for given levels: the line through them, or through zero where it would begin above. False: none. */
static bool fit(const search *s, const float *x, const float *w, const unsigned char *level, float sum_w, float sum_x, line *out)
{
    float l = 0, l2 = 0, xl = 0;
    for (int i = 0; i < s->n; i++) {
        const float v = (float)level[i];
        l += w[i] * v;
        l2 += w[i] * v * v;
        xl += w[i] * v * x[i];
    }
    const float d = sum_w * l2 - l * l;
    if (!(d > 0))
        return false;
    *out = (line){ (sum_w * xl - sum_x * l) / d, (l2 * sum_x - l * xl) / d };
    if (out->low > 0)
        *out = (line){ xl / l2, 0 };
    return true;
}

/* Gives the scale; *least: what is taken off, at least 0. A line that is found moves where levels are counted from in the
 * trials after it. */
static float search_line(const search *s, const float *x, const float *w, unsigned char *level, float *least)
{
    float low = x[0], high = x[0], sum_w = w[0], sum_x = sum_w * x[0];
    unsigned char trial[MOST];
    for (int i = 1; i < s->n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
        sum_w += w[i];
        sum_x += w[i] * x[i];
    }
    low = low > 0 ? 0 : low;
    *least = -low;
    memset(level, 0, (size_t)s->n);
    if (high == low)
        return 0;
    const float inv = (float)s->top / (high - low);
    line best = { 1 / inv, low };
    put_levels(s, x, low, inv, level);
    float least_error = error_of(s, x, w, level, best.scale, low);
    for (int k = 0; k <= s->steps; k++) {
        line now;
        put_levels(s, x, best.low, (s->from + s->step * (float)k + (float)s->top) / (high - best.low), trial);
        if (!fit(s, x, w, trial, sum_w, sum_x, &now))
            continue;
        const float e = error_of(s, x, w, trial, now.scale, now.low);
        if (e < least_error) {
            memcpy(level, trial, (size_t)s->n);
            least_error = e;
            best = now;
        }
    }
    *least = -best.low;
    return best.scale;
}

/* Levels for the scale and least value as they are stored. */
static void put_rounded_levels(const search *s, const float *x, float d, float least, unsigned char *level)
{
    for (int i = 0; d != 0 && i < s->n; i++)
        level[i] = (unsigned char)held(nearest((x[i] + least) / d), 0, s->top);
}

static float largest(const float *v, int n)
{
    float most = 0;
    for (int i = 0; i < n; i++)
        most = v[i] > most ? v[i] : most;
    return most;
}

/* ---- how codes are put together ---- */

/* Two bits of each value: byte i of 32 has values i, i + 32, i + 64 and i + 96; twice. */
static void put_two_bits(const unsigned char *code, int shift, unsigned char *to)
{
    for (int i = 0; i < K / 4; i++) {
        const unsigned char *c = code + i / 32 * 128 + i % 32;
        to[i] = (unsigned char)((c[0] >> shift & 3) | (c[32] >> shift & 3) << 2 | (c[64] >> shift & 3) << 4 |
                                (c[96] >> shift & 3) << 6);
    }
}

/* Four bits of each value: byte i of so many has values i and i + apart of a run of two times that. */
static void put_four_bits(const unsigned char *code, int apart, unsigned char *to)
{
    for (int i = 0; i < K / 2; i++) {
        const unsigned char *c = code + i / apart * 2 * apart + i % apart;
        to[i] = (unsigned char)((c[0] & 15) | (c[apart] & 15) << 4);
    }
}

/* One bit of each value: byte i has those of i, i + 32, ... */
static void put_one_bit(const unsigned char *code, int shift, unsigned char *to)
{
    for (int i = 0; i < K / 8; i++) {
        to[i] = 0;
        for (int k = 0; k < 8; k++)
            to[i] = (unsigned char)(to[i] | (code[i + k * 32] >> shift & 1) << k);
    }
}

/* ---- types ---- */

void ts_encode_q2_k(const float *x, unsigned char *b)
{
    static const search how = { .n = 16, .top = 3, .from = -0.5f, .step = 0.1f, .steps = 15 };
    unsigned char code[K];
    float scale[16], least[16], w[16];
    for (int g = 0; g < 16; g++) {
        for (int i = 0; i < 16; i++)
            w[i] = fabsf(x[16 * g + i]);
        scale[g] = search_line(&how, x + 16 * g, w, code + 16 * g, &least[g]);
    }
    const float most = largest(scale, 16), most_least = largest(least, 16);
    for (int g = 0; g < 16; g++) {
        const int s = most > 0 ? nearest(15 / most * scale[g]) : 0, l = most_least > 0 ? nearest(15 / most_least * least[g]) : 0;
        b[g] = (unsigned char)(s | l << 4);
    }
    const float d = put_half(b + 80, most > 0 ? most / 15 : 0), m = put_half(b + 82, most_least > 0 ? most_least / 15 : 0);
    for (int g = 0; g < 16; g++)
        put_rounded_levels(&how, x + 16 * g, d * (float)(b[g] & 15), m * (float)(b[g] >> 4), code + 16 * g);
    put_two_bits(code, 0, b + 16);
}

void ts_encode_q3_k(const float *x, unsigned char *b)
{
    unsigned char code[K], *s = b + 96;
    float scale[16];
    int six[16];
    for (int g = 0; g < 16; g++)
        scale[g] = settle_scale(x + 16 * g, 16, 4, code + 16 * g);
    const float most = furthest_scale(scale), inv = most != 0 ? -32.0f / most : 0;
    memset(s, 0, 12);
    for (int g = 0; g < 16; g++) {
        six[g] = most != 0 ? held(nearest(inv * scale[g]), -32, 31) + 32 : 0;
        s[g % 8] = (unsigned char)(s[g % 8] | (six[g] & 15) << g / 8 * 4);
        s[8 + g % 4] = (unsigned char)(s[8 + g % 4] | six[g] >> 4 << g / 4 * 2);
    }
    const float d = put_half(b + 108, most != 0 ? 1 / inv : 0);
    for (int g = 0; g < 16; g++)
        put_rounded(x + 16 * g, 16, 4, d * (float)(six[g] - 32), code + 16 * g);
    put_one_bit(code, 2, b);
    put_two_bits(code, 0, b + 32);
}

static int six_bits(float v)
{
    const unsigned char whole = (unsigned char)nearest(v);
    return whole < 63 ? whole : 63;
}

/* What Q4_K and Q5_K have in common: scales, least values and codes. */
static void encode_lines(const search *how, const float *x, unsigned char *b, unsigned char *code)
{
    float scale[8], least[8], w[32];
    int s[8], l[8];
    for (int g = 0; g < 8; g++) {
        float squares = 0;
        for (int i = 0; i < 32; i++)
            squares += x[32 * g + i] * x[32 * g + i];
        for (int i = 0; i < 32; i++)
            w[i] = sqrtf(squares / 32) + fabsf(x[32 * g + i]);
        scale[g] = search_line(how, x + 32 * g, w, code + 32 * g, &least[g]);
    }
    const float most = largest(scale, 8), most_least = largest(least, 8);
    const float inv = most > 0 ? 63 / most : 0, inv_least = most_least > 0 ? 63 / most_least : 0;
    for (int g = 0; g < 8; g++) {
        s[g] = six_bits(inv * scale[g]);
        l[g] = six_bits(inv_least * least[g]);
    }
    for (int g = 0; g < 4; g++) { /* six bits of each in twelve bytes */
        b[4 + g] = (unsigned char)(s[g] | s[g + 4] >> 4 << 6);
        b[8 + g] = (unsigned char)(l[g] | l[g + 4] >> 4 << 6);
        b[12 + g] = (unsigned char)((s[g + 4] & 15) | (l[g + 4] & 15) << 4);
    }
    const float d = put_half(b, most / 63), m = put_half(b + 2, most_least / 63);
    for (int g = 0; g < 8; g++)
        put_rounded_levels(how, x + 32 * g, d * (float)s[g], m * (float)l[g], code + 32 * g);
}

void ts_encode_q4_k(const float *x, unsigned char *b)
{
    static const search how = { .n = 32, .top = 15, .from = -1, .step = 0.1f, .steps = 20, .squares = true };
    unsigned char code[K];
    encode_lines(&how, x, b, code);
    put_four_bits(code, 32, b + 16);
}

void ts_encode_q5_k(const float *x, unsigned char *b)
{
    static const search how = { .n = 32, .top = 31, .from = -0.5f, .step = 0.1f, .steps = 15, .squares = true };
    unsigned char code[K];
    encode_lines(&how, x, b, code);
    put_one_bit(code, 4, b + 16);
    put_four_bits(code, 32, b + 48);
}

void ts_encode_q6_k(const float *x, unsigned char *b)
{
    unsigned char code[K];
    float scale[16];
    for (int g = 0; g < 16; g++)
        scale[g] = search_scale(x + 16 * g, 16, 32, code + 16 * g);
    const float most = furthest_scale(scale), inv = -128.0f / most;
    memset(b, 0, 210);
    if (fabsf(most) < 1e-15f)
        return;
    const float d = put_half(b + 208, 1 / inv);
    for (int g = 0; g < 16; g++) {
        const int s = nearest(inv * scale[g]);
        b[192 + g] = (unsigned char)(s > 127 ? 127 : s);
        put_rounded(x + 16 * g, 16, 32, d * (float)(int8_t)b[192 + g], code + 16 * g);
    }
    put_four_bits(code, 64, b);
    put_two_bits(code, 4, b + 128);
}
