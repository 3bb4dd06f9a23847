#include "base/nf4.h"

#include <math.h>

const float ts_nf4_levels[TS_NF4_LEVELS] = {
    -1, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f, -0.18477343022823334f,
    -0.09105003625154495f, 0, 0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f,
    0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1
};

/* Signed numbers with an exponent of up to seven bits and a fraction of what is left of the eight (Dettmers et al., arXiv
 * 2110.02861). */
const float ts_nf4_nested_levels[TS_NF4_NESTED_LEVELS] = {
    -0.99296874f, -0.9789063f, -0.96484375f, -0.9507812f, -0.93671876f, -0.92265624f, -0.9085938f,
    -0.89453125f, -0.8804687f, -0.86640626f, -0.85234374f, -0.8382813f, -0.82421875f, -0.8101562f,
    -0.79609376f, -0.78203124f, -0.7679688f, -0.75390625f, -0.7398437f, -0.72578126f, -0.7117188f,
    -0.6976563f, -0.68359375f, -0.6695312f, -0.65546876f, -0.6414063f, -0.6273438f, -0.61328125f, -0.5992187f,
    -0.58515626f, -0.5710938f, -0.5570313f, -0.54296875f, -0.5289062f, -0.5148437f, -0.50078124f, -0.4867187f,
    -0.47265625f, -0.45859373f, -0.44453126f, -0.43046874f, -0.41640624f, -0.40234375f, -0.38828123f,
    -0.37421876f, -0.36015624f, -0.34609374f, -0.33203125f, -0.31796873f, -0.30390626f, -0.28984374f,
    -0.27578127f, -0.26171875f, -0.24765624f, -0.23359375f, -0.21953125f, -0.20546874f, -0.19140625f,
    -0.17734376f, -0.16328125f, -0.14921875f, -0.13515624f, -0.12109375f, -0.107031256f, -0.09859375f,
    -0.09578126f, -0.092968754f, -0.09015625f, -0.08734375f, -0.08453125f, -0.08171876f, -0.07890625f,
    -0.07609375f, -0.07328125f, -0.070468746f, -0.067656256f, -0.06484375f, -0.06203125f, -0.059218753f,
    -0.05640625f, -0.05359375f, -0.05078125f, -0.04796875f, -0.04515625f, -0.042343747f, -0.03953125f,
    -0.036718752f, -0.03390625f, -0.03109375f, -0.028281251f, -0.02546875f, -0.02265625f, -0.019843752f,
    -0.01703125f, -0.01421875f, -0.01140625f, -0.00971875f, -0.009156249f, -0.00859375f, -0.00803125f,
    -0.00746875f, -0.00690625f, -0.00634375f, -0.00578125f, -0.0052187503f, -0.0046562497f, -0.00409375f,
    -0.0035312497f, -0.00296875f, -0.00240625f, -0.00184375f, -0.0012812499f, -0.0009437501f, -0.00083125f,
    -0.00071875006f, -0.0006062501f, -0.00049375003f, -0.00038125002f, -0.00026875004f, -0.00015625001f,
    -8.875e-05f, -6.625e-05f, -4.375e-05f, -2.1249998e-05f, -7.75e-06f, -3.2500002e-06f, -5.5000004e-07f, 0,
    5.5000004e-07f, 3.2500002e-06f, 7.75e-06f, 2.1249998e-05f, 4.375e-05f, 6.625e-05f, 8.875e-05f,
    0.00015625001f, 0.00026875004f, 0.00038125002f, 0.00049375003f, 0.0006062501f, 0.00071875006f,
    0.00083125f, 0.0009437501f, 0.0012812499f, 0.00184375f, 0.00240625f, 0.00296875f, 0.0035312497f,
    0.00409375f, 0.0046562497f, 0.0052187503f, 0.00578125f, 0.00634375f, 0.00690625f, 0.00746875f,
    0.00803125f, 0.00859375f, 0.009156249f, 0.00971875f, 0.01140625f, 0.01421875f, 0.01703125f, 0.019843752f,
    0.02265625f, 0.02546875f, 0.028281251f, 0.03109375f, 0.03390625f, 0.036718752f, 0.03953125f, 0.042343747f,
    0.04515625f, 0.04796875f, 0.05078125f, 0.05359375f, 0.05640625f, 0.059218753f, 0.06203125f, 0.06484375f,
    0.067656256f, 0.070468746f, 0.07328125f, 0.07609375f, 0.07890625f, 0.08171876f, 0.08453125f, 0.08734375f,
    0.09015625f, 0.092968754f, 0.09578126f, 0.09859375f, 0.107031256f, 0.12109375f, 0.13515624f, 0.14921875f,
    0.16328125f, 0.17734376f, 0.19140625f, 0.20546874f, 0.21953125f, 0.23359375f, 0.24765624f, 0.26171875f,
    0.27578127f, 0.28984374f, 0.30390626f, 0.31796873f, 0.33203125f, 0.34609374f, 0.36015624f, 0.37421876f,
    0.38828123f, 0.40234375f, 0.41640624f, 0.43046874f, 0.44453126f, 0.45859373f, 0.47265625f, 0.4867187f,
    0.50078124f, 0.5148437f, 0.5289062f, 0.54296875f, 0.5570313f, 0.5710938f, 0.58515626f, 0.5992187f,
    0.61328125f, 0.6273438f, 0.6414063f, 0.65546876f, 0.6695312f, 0.68359375f, 0.6976563f, 0.7117188f,
    0.72578126f, 0.7398437f, 0.75390625f, 0.7679688f, 0.78203124f, 0.79609376f, 0.8101562f, 0.82421875f,
    0.8382813f, 0.85234374f, 0.86640626f, 0.8804687f, 0.89453125f, 0.9085938f, 0.92265624f, 0.93671876f,
    0.9507812f, 0.96484375f, 0.9789063f, 0.99296874f, 1,
};

static const float least = 1e-38f;

float ts_nf4_most(const float *v, int64_t n)
{
    float most = n < TS_NF4_BLOCK ? least : 0;
    for (int64_t i = 0; i < n; i++) {
        const float size = fabsf(v[i]);
        if (!isfinite(size))
            return NAN;
        most = size > most ? size : most;
    }
    return most;
}

/* A short block is divided, a whole one multiplied: the last bit of a quotient that lies between two levels tells. Loops
 * of a known length, which become vectors. */
void ts_nf4_encode(const float *v, int64_t n, float most, uint8_t *code)
{
    const float by = 1 / (most > least ? most : least);
    float x[TS_NF4_BLOCK] = { 0 };
    int32_t above[TS_NF4_BLOCK] = { 0 };
    for (int64_t i = 0; i < n; i++)
        x[i] = n < TS_NF4_BLOCK ? v[i] / most : v[i] * by;
    for (int k = 0; k < TS_NF4_LEVELS - 1; k++) {
        const float between = (ts_nf4_levels[k] + ts_nf4_levels[k + 1]) / 2;
        for (int i = 0; i < TS_NF4_BLOCK; i++)
            above[i] += x[i] > between;
    }
    for (int64_t i = 0; i < n; i++)
        code[i] = (uint8_t)above[i];
}

/* bitsandbytes looks a quotient up among 65536 of them, so its code is that of the one that it is rounded to: a zero's is
 * not the level 0. */
static uint8_t nested_code(float x)
{
    enum { LAST = 65535 };
    const float held = x < -1 ? -1 : x > 1 ? 1 : x;
    const int step = (int)fmaf((held + 1) * 0.5f, LAST, 0.5f);
    const float at = -1 + 2 * (float)step / LAST;
    int low = 0, high = TS_NF4_NESTED_LEVELS - 1;
    while (low < high) {
        const int k = (low + high) / 2;
        if (0.5f * (ts_nf4_nested_levels[k] + ts_nf4_nested_levels[k + 1]) < at)
            low = k + 1;
        else
            high = k;
    }
    return (uint8_t)low;
}

float ts_nf4_nest(const float *most, int64_t n, uint8_t *code, float *nested)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)most[i];
    const float offset = n ? (float)(sum / (double)n) : 0;
    for (int64_t at = 0; at < n; at += TS_NF4_NESTED) {
        const int64_t end = at + TS_NF4_NESTED < n ? at + TS_NF4_NESTED : n;
        float size = 0;
        for (int64_t i = at; i < end; i++)
            size = fabsf(most[i] - offset) > size ? fabsf(most[i] - offset) : size;
        for (int64_t i = at; i < end; i++)
            code[i] = size > 0 ? nested_code((most[i] - offset) * (1 / size)) : 0;
        nested[at / TS_NF4_NESTED] = size;
    }
    return offset;
}
