/* Numbers of eight bits: every code against its definition, rounding against a search among all codes, and
 * both against other programs (scripts/golden_fp8.py). */
#include "../cmocka_all.h"
#include "base/fp8.h"
#include "base/rng.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* Of hif8, its bits read from left to right as the paper's tables have them. */
static double hif8_meaning(uint8_t c)
{
    static const struct {
        int bits, value, exponent;
    } prefix[] = { { 2, 3, 4 }, { 2, 2, 3 }, { 2, 1, 2 }, { 3, 1, 1 }, { 4, 1, 0 } };
    const double sign = c >> 7 ? -1 : 1;
    if (!(c & 0x78))
        return c & 7 ? sign * ldexp(1, (c & 7) - 23) : c ? NAN : 0;
    for (size_t i = 0;; i++) {
        const int left = 7 - prefix[i].bits, e_bits = prefix[i].exponent, m_bits = left - e_bits;
        if ((c & 0x7F) >> left != prefix[i].value)
            continue;
        const int field = c >> m_bits & ((1 << e_bits) - 1), m = c & ((1 << m_bits) - 1);
        int e = 0;
        if (e_bits)
            e = (field & ((1 << (e_bits - 1)) - 1)) | 1 << (e_bits - 1);
        if (e_bits && field >> (e_bits - 1))
            e = -e;
        if (e == 15 && m)
            return sign * INFINITY;
        return sign * ldexp(1 + ldexp(m, -m_bits), e);
    }
}

static double meaning(ts_fp8 f, uint8_t c)
{
    const double sign = c >> 7 ? -1 : 1;
    const int e4 = c >> 3 & 15, e5 = c >> 2 & 31;
    switch (f) {
    case TS_FP8_E4M3:
        return (c & 0x7F) == 0x7F ? NAN : sign * (e4 ? ldexp(8 + (c & 7), e4 - 10) : ldexp(c & 7, -9));
    case TS_FP8_E5M2:
        if (e5 == 31)
            return c & 3 ? NAN : sign * INFINITY;
        return sign * (e5 ? ldexp(4 + (c & 3), e5 - 17) : ldexp(c & 3, -16));
    case TS_FP8_HIF8: return hif8_meaning(c);
    default: return c == 255 ? NAN : ldexp(1, c - 127);
    }
}

static void values(void **state)
{
    (void)state;
    for (ts_fp8 f = 0; f < TS_FP8_FORMATS; f++)
        for (int c = 0; c < 256; c++) {
            const double want = meaning(f, (uint8_t)c);
            const float got = ts_fp8_to_f32(f, (uint8_t)c);
            if (isnan(want) ? !isnan(got) : (double)got != want)
                fail_msg("format %d, code %d is %a, expected %a", (int)f, c, (double)got, want);
            if (isnan(want))
                assert_true(isnan(ts_fp8_to_f32(f, ts_f32_to_fp8(f, got))));
            else if (isfinite(want))
                assert_int_equal(ts_f32_to_fp8(f, got), c);
            assert_true(!isfinite(want) || fabs(want) <= (double)ts_fp8_max(f));
        }
}

/* By looking at all codes of the sign. */
static uint8_t nearest(ts_fp8 f, double x)
{
    int best = -1;
    double least = INFINITY;
    x = f == TS_FP8_E8M0 ? fabs(x) : x;
    if (fabs(x) > (double)ts_fp8_max(f))
        x = copysign((double)ts_fp8_max(f), x);
    for (int c = 0; c < 256; c++) {
        const double v = meaning(f, (uint8_t)c), off = fabs(v - x);
        const bool signs = f == TS_FP8_E8M0 || (f == TS_FP8_HIF8 && c == 0) || c >> 7 == (signbit(x) != 0);
        if (!isfinite(v) || !signs || off > least)
            continue;
        if (off < least || (f == TS_FP8_E8M0 ? v > meaning(f, (uint8_t)best) : c % 2 == 0))
            best = c;
        least = off;
    }
    return (uint8_t)best;
}

static void check(ts_fp8 f, uint32_t u)
{
    float x;
    memcpy(&x, &u, 4);
    if (isnan(x))
        return;
    const uint8_t want = nearest(f, (double)x), got = ts_f32_to_fp8(f, x);
    if (got != want)
        fail_msg("format %d: %a (0x%08x) became 0x%02x, expected 0x%02x", (int)f, (double)x, u, got, want);
}

static void rounding(void **state)
{
    (void)state;
    const ts_rng r = ts_rng_stream(1, TS_RNG_TEST, 0, 0);
    for (ts_fp8 f = 0; f < TS_FP8_FORMATS; f++) {
        for (uint64_t i = 0; i < 5000; i++) { /* any bits, and about the size of one */
            uint32_t u[4];
            ts_rng_block(&r, i, u);
            check(f, u[0]);
            check(f, (u[1] & 0x8FFFFFFFu) | 0x30000000u);
        }
        for (int c = 0; c < 256; c++) { /* each code's ties on both sides, and their neighbours */
            const double a = meaning(f, (uint8_t)c);
            for (int b = 0; b < 256 && isfinite(a); b++) {
                const double tie = (a + meaning(f, (uint8_t)b)) / 2;
                if (isfinite(tie) && abs(b - c) < 3)
                    for (int d = -1; d < 2; d++)
                        check(f, ts_fp8_bits((float)tie) + (uint32_t)d);
            }
        }
        check(f, 0x7F800000u);
        check(f, 0xFF800000u);
        check(f, 0x7F7FFFFFu);
        check(f, 0x80000000u);
        check(f, 0);
    }
}

static void golden(void **state)
{
    (void)state;
    FILE *in = fopen("tests/golden/fp8.txt", "r");
    unsigned n, v[TS_FP8_FORMATS];
    assert_non_null(in);
    for (unsigned c = 0; c < 256; c++) {
        assert_int_equal(fscanf(in, "%u %x %x %x %x", &n, &v[0], &v[1], &v[2], &v[3]), 5);
        assert_int_equal(n, c);
        for (ts_fp8 f = 0; f < TS_FP8_FORMATS; f++) {
            const float got = ts_fp8_to_f32(f, (uint8_t)c);
            assert_int_equal(isnan(got) ? 0x7FC00000u : ts_fp8_bits(got), v[f]);
        }
    }
    int rows = 0;
    while (fscanf(in, "%x %u %u %u %u", &n, &v[0], &v[1], &v[2], &v[3]) == 5) {
        float x;
        memcpy(&x, &n, 4);
        for (ts_fp8 f = 0; f < TS_FP8_FORMATS; f++)
            assert_int_equal(ts_f32_to_fp8(f, x), v[f]);
        rows++;
    }
    assert_int_equal(rows, 400);
    fclose(in);
}

/* All numbers of 16 bits (bf16), each against its two neighbours among the eight sizes. */
static void four_bits(void **state)
{
    (void)state;
    static const double size[] = { 0, 0.5, 1, 1.5, 2, 3, 4, 6 };
    for (int c = 0; c < 16; c++) {
        assert_true((double)ts_fp8_to_f32(TS_FP4_E2M1, (uint8_t)c) == (c & 8 ? -size[c & 7] : size[c & 7]));
        assert_int_equal(ts_f32_to_fp8(TS_FP4_E2M1, ts_fp8_to_f32(TS_FP4_E2M1, (uint8_t)c)), c);
    }
    for (uint32_t h = 0; h < 1u << 16; h++) {
        const uint32_t u = h << 16;
        float x;
        memcpy(&x, &u, 4);
        int want = 0;
        while (want < 7 && fabs((double)x) >= (size[want] + size[want + 1]) / 2)
            want++;
        assert_int_equal(ts_f32_to_fp8(TS_FP4_E2M1, x), isnan(x) ? h >> 12 & 8 : (h >> 12 & 8) + (uint32_t)want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(values), cmocka_unit_test(rounding),
                                        cmocka_unit_test(golden), cmocka_unit_test(four_bits) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
