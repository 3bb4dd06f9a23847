/* Blocks of numbers in few bits: within a step of what was written, the same when they are written again. */
#include "../cmocka_all.h"
#include "base/codes.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = TS_CODES_BLOCK };

static void make(uint64_t seed, bool second, float *x)
{
    const ts_rng r = ts_rng_stream(seed, TS_RNG_TEST, 0, 0);
    const float spread = (float)(seed % 5) * 3;
    for (uint64_t i = 0; i < N; i++) {
        uint32_t u[4];
        ts_rng_block(&r, i, u);
        x[i] = ((float)(u[0] >> 8) * 0x1p-23f - 1) * powf(2, -(float)(u[1] % 1000) / 1000 * spread) * 1e-3f;
        x[i] = second ? x[i] * x[i] : x[i];
        x[i] = u[2] % 9 == 0 ? 0 : x[i];
    }
}

static void round_trip(ts_codes c, bool second, const float *x, int64_t n, float *y)
{
    uint16_t codes[N];
    uint64_t scale[2];
    memset(codes, 0xEE, sizeof codes);
    ts_codes_write(c, second, x, n, codes, scale);
    ts_codes_read(c, second, codes, scale, n, y);
}

static float largest(const float *x, int64_t n)
{
    float most = 0;
    for (int64_t i = 0; i < n; i++)
        most = fmaxf(most, fabsf(x[i]));
    return most;
}

/* A step between codes at x, over the block's largest size: relative for what has an exponent, and the smallest
 * that there is. */
static float step_of(ts_codes c, bool second, float x)
{
    const float a = fabsf(x);
    switch (c) {
    case TS_CODES_F16: return fmaxf(a * 0x1p-10f, 0x1p-39f);
    case TS_CODES_E4M3: return fmaxf(a * 0x1p-3f, 0x1p-9f / 448);
    case TS_CODES_E5M2: return fmaxf(a * 0x1p-2f, 0x1p-16f / 57344);
    case TS_CODES_HIF8: return fmaxf(a * (a * (second ? 224 : 15) < 0x1p-7f || a * 224 > 128 ? 0x1p-1f : 0x1p-2f), 0x1p-22f);
    case TS_CODES_MX: /* of the square, whose root has half of it; one that is 0 is off by a root */
        return fmaxf(a * (second ? 0x1p-2f : 0x1p-3f), sqrtf(second ? 0x1p-16f / 30720 : 0x1p-9f / 232));
    default: return fmaxf(a * (second ? 0.5f : 1), 3.3e-7f); /* of a power's first parts: see the values below */
    }
}

static void within_a_step(void **state)
{
    (void)state;
    for (ts_codes c = TS_CODES_F16; c <= TS_CODES_DYNAMIC; c++)
        for (int second = 0; second < 2; second++)
            for (uint64_t seed = 1; seed < 60; seed++) {
                const int64_t n = seed % 3 ? N : 1 + (int64_t)(seed % N);
                float x[N], y[N], z[N];
                make(seed, second, x);
                round_trip(c, second, x, n, y);
                const float most = largest(x, n);
                for (int64_t i = 0; i < n; i++) {
                    if (!(fabsf(x[i] - y[i]) <= step_of(c, second, x[i] / most) * most * 1.0001f))
                        fail_msg("codes %d: %g became %g in a block up to %g", (int)c, (double)x[i], (double)y[i], (double)most);
                    assert_true(!second || (y[i] >= 0 && (x[i] == 0 || y[i] > 0)));
                    assert_true(x[i] != 0 || y[i] == 0);
                }
                round_trip(c, second, y, n, z);
                for (int64_t i = 0; i < n; i++)
                    if (y[i] != z[i])
                        fail_msg("codes %d: %a became %a when it was written again", (int)c, (double)y[i], (double)z[i]);
            }
}

/* As bitsandbytes makes its map: of each power of ten the middles of twice as many parts as of the one below. */
static int make_map(bool second, double *map)
{
    int n = 0;
    for (int i = 0; i < 7; i++)
        for (int k = 0, parts = 1 << (i + second); k < parts; k++) {
            const double low = 0.1 + 0.9 * k / parts, high = 0.1 + 0.9 * (k + 1) / parts;
            map[n] = pow(10, i - 6) * (low + high) / 2;
            if (!second)
                map[n + 1] = -map[n];
            n += second ? 1 : 2;
        }
    map[n++] = 0;
    map[n++] = 1;
    return n;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void dynamic_map(void **state)
{
    (void)state;
    for (int second = 0; second < 2; second++) {
        double map[256];
        uint8_t codes[N];
        float x[N], y[N], most = 1;
        assert_int_equal(make_map(second, map), 256);
        qsort(map, 256, sizeof *map, compare);
        assert_true(second || fabs(map[0] + 0.99296875) < 1e-12);
        for (int c = 0; c < 256; c++) {
            codes[0] = (uint8_t)c;
            ts_codes_read(TS_CODES_DYNAMIC, second, codes, &most, 1, x);
            assert_true(fabs((double)x[0] - map[c]) <= 2e-7 * fabs(map[c]));
        }
        const ts_rng r = ts_rng_stream(3, TS_RNG_TEST, 0, 0);
        for (uint64_t i = 0; i < 4000; i++) { /* the nearest of all */
            uint32_t u[4];
            ts_rng_block(&r, i, u);
            x[0] = 1;
            x[1] = (float)((u[0] >> 8) * 0x1p-24 * pow(10, -(double)(u[1] % 7))) * (second || u[2] % 2 ? 1 : -1);
            ts_codes_write(TS_CODES_DYNAMIC, second, x, 2, codes, &most);
            ts_codes_read(TS_CODES_DYNAMIC, second, codes, &most, 2, y);
            assert_true(y[0] == 1 && codes[0] == 255);
            double least = 1;
            for (int c = 0; c < 256; c++)
                if (!second || map[c] > 0)
                    least = fmin(least, fabs(map[c] - (double)x[1]));
            if (!(fabs((double)y[1] - (double)x[1]) <= least + 3e-7 * fabs((double)x[1])))
                fail_msg("%g became %g, another is nearer by %g", (double)x[1], (double)y[1], least);
        }
    }
}

static void zeros_are_zero(void **state)
{
    (void)state;
    for (ts_codes c = TS_CODES_NONE; c <= TS_CODES_DYNAMIC; c++) {
        const uint64_t codes[N] = { 0 }, scale[2] = { 0 };
        float x[N];
        ts_codes_read(c, true, codes, scale, N, x); /* memory that was cleared */
        for (int i = 0; i < N; i++)
            assert_true(x[i] == 0);
        ts_codes_read(c, false, codes, scale, N, x);
        for (int i = 0; i < N; i++)
            assert_true(x[i] == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(within_a_step), cmocka_unit_test(dynamic_map),
                                        cmocka_unit_test(zeros_are_zero) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
