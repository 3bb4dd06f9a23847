/* Conversions: every 16-bit value there and back, and rounding against a search for the nearest
 * value. */
#include "../cmocka_all.h"
#include "base/dtype.h"
#include "base/rng.h"

#include <math.h>

typedef float from_fn(uint16_t h);
typedef uint16_t to_fn(float f);

static uint16_t bits_of_nan(uint16_t h, int mantissa_bits)
{
    return (uint16_t)(h & ((1u << mantissa_bits) - 1));
}

/* What a 16-bit pattern means, from its three fields. */
static double meaning(uint16_t h, int exponent_bits)
{
    const int m_bits = 15 - exponent_bits, bias = (1 << (exponent_bits - 1)) - 1;
    const int e = h >> m_bits & ((1 << exponent_bits) - 1), m = h & ((1 << m_bits) - 1);
    const double sign = h >> 15 ? -1 : 1;
    if (e == (1 << exponent_bits) - 1)
        return m ? NAN : sign * INFINITY;
    if (!e)
        return sign * ldexp(m, 1 - bias - m_bits);
    return sign * ldexp(m + (1 << m_bits), e - bias - m_bits);
}

static void all_values(from_fn *from, to_fn *to, int exponent_bits)
{
    for (uint32_t i = 0; i < 65536; i++) {
        const uint16_t h = (uint16_t)i;
        const double want = meaning(h, exponent_bits);
        const float got = from(h);
        if (isnan(want)) {
            assert_true(isnan(got));
            assert_true(isnan(from(to(got))));
            assert_int_equal(to(got) >> 15, h >> 15);
            assert_true(bits_of_nan(to(got), 15 - exponent_bits) != 0);
            continue;
        }
        assert_true((double)got == want);
        assert_int_equal(signbit(got) != 0, h >> 15);
        assert_int_equal(to(got), h);
    }
}

static void bf16_values(void **state)
{
    (void)state;
    all_values(ts_bf16_to_f32, ts_f32_to_bf16, 8);
}

static void f16_values(void **state)
{
    (void)state;
    all_values(ts_f16_to_f32, ts_f32_to_f16, 5);
}

/* The nearest of the finite positive values and the one that would follow the largest, found by
 * halving; of two equally near the one whose last bit is 0. What would follow is infinity. */
static uint16_t nearest(double a, int exponent_bits)
{
    const uint16_t inf = (uint16_t)(((1 << exponent_bits) - 1) << (15 - exponent_bits));
    uint16_t lo = 0, hi = inf;
    const double over = 2 * meaning((uint16_t)(inf - 1), exponent_bits) -
                        meaning((uint16_t)(inf - 2), exponent_bits);
    if (a >= over)
        return inf;
    while (hi - lo > 1) {
        const uint16_t mid = (uint16_t)((lo + hi) / 2);
        if (meaning(mid, exponent_bits) <= a)
            lo = mid;
        else
            hi = mid;
    }
    const double below = a - meaning(lo, exponent_bits);
    const double above = (hi == inf ? over : meaning(hi, exponent_bits)) - a;
    return below < above || (below == above && lo % 2 == 0) ? lo : hi;
}

static float float_of(uint32_t u)
{
    float f;
    memcpy(&f, &u, 4);
    return f;
}

static void check_rounding(uint32_t u, to_fn *to, int exponent_bits)
{
    const float f = float_of(u);
    if (isnan(f))
        return;
    const uint16_t want =
        (uint16_t)(nearest(fabs((double)f), exponent_bits) | (signbit(f) ? 0x8000 : 0));
    if (to(f) != want)
        fail_msg("%a (0x%08x) became 0x%04x, expected 0x%04x", (double)f, u, to(f), want);
}

static void rounding(to_fn *to, from_fn *from, int exponent_bits)
{
    const ts_rng r = ts_rng_stream(1, TS_RNG_TEST, 0, 0);
    for (uint64_t i = 0; i < 100000; i++) { /* any bits */
        uint32_t u[4];
        ts_rng_block(&r, i, u);
        check_rounding(u[0], to, exponent_bits);
        /* about the size of one */
        check_rounding((u[1] & 0x8FFFFFFFu) | 0x30000000u, to, exponent_bits);
    }
    for (uint32_t h = 0; h < 0x7FFF; h++) { /* each value's upper tie, and its neighbours */
        const double a = meaning((uint16_t)h, exponent_bits),
                     b = meaning((uint16_t)(h + 1), exponent_bits);
        if (!isfinite(a) || !isfinite(b))
            continue;
        const float tie = (float)((a + b) / 2);
        uint32_t u;
        memcpy(&u, &tie, 4);
        for (uint32_t d = 0; d < 3; d++) {
            check_rounding(u + d - (u ? 1 : 0), to, exponent_bits);
            check_rounding((u + d - (u ? 1 : 0)) | 0x80000000u, to, exponent_bits);
        }
    }
    assert_int_equal(to(INFINITY), to(from(to(INFINITY))));
    assert_true(isinf(from(to(INFINITY))) && isinf(from(to(-3e38f * 3))));
    assert_true(isnan(from(to(NAN))) && isnan(from(to(float_of(0x7F800001u)))) &&
                isnan(from(to(float_of(0xFF800001u)))));
}

static void bf16_rounding(void **state)
{
    (void)state;
    rounding(ts_f32_to_bf16, ts_bf16_to_f32, 8);
}

/* Of all 2^16 random numbers as many round away from zero as there are 2^-16ths of the step beyond
 * the value below. */
static void bf16_at_random(void **state)
{
    (void)state;
    static const uint32_t bits[] = { 0x3F800000u, 0x3F800001u, 0xBF80C000u, 0x3FFFFFFFu, 0x00000003u,
                                     0x80008000u, 0x7F7F0100u, 0x7F800000u, 0xFF800000u };
    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++) {
        const uint32_t below = bits[i] >> 16;
        uint32_t up = 0;
        for (uint32_t r = 0; r < 65536; r++) {
            const uint16_t h = ts_f32_to_bf16_random(float_of(bits[i]), r);
            assert_true(h == below || h == below + 1);
            up += h != below;
        }
        assert_int_equal(up, bits[i] & 0xFFFF);
    }
    for (uint32_t r = 0; r < 65536; r += 0xFFFF) {
        assert_true(isnan(ts_bf16_to_f32(ts_f32_to_bf16_random(float_of(0x7FFFFFFFu), r))));
        assert_true(isnan(ts_bf16_to_f32(ts_f32_to_bf16_random(float_of(0xFF800001u), r))));
    }
}

static void f16_rounding(void **state)
{
    (void)state;
    rounding(ts_f32_to_f16, ts_f16_to_f32, 5);
    assert_int_equal(ts_f32_to_f16(65519.99f), 0x7BFF);
    assert_int_equal(ts_f32_to_f16(65520), 0x7C00);
    assert_int_equal(ts_f32_to_f16(0x1p-25f), 0); /* the tie with zero */
    assert_int_equal(ts_f32_to_f16(0x1.000002p-25f), 1);
}

static void arrays(void **state)
{
    (void)state;
    static const struct {
        ts_dtype t;
        size_t size;
        const char *name;
    } rows[TS_DTYPES] = { { TS_DTYPE_F32, 4, "fp32" },  { TS_DTYPE_BF16, 2, "bf16" },
                          { TS_DTYPE_F16, 2, "fp16" },  { TS_DTYPE_F64, 8, "fp64" },
                          { TS_DTYPE_I8, 1, "int8" },   { TS_DTYPE_U8, 1, "uint8" },
                          { TS_DTYPE_I16, 2, "int16" }, { TS_DTYPE_U16, 2, "uint16" },
                          { TS_DTYPE_I32, 4, "int32" }, { TS_DTYPE_I64, 8, "int64" } };
    for (int i = 0; i < TS_DTYPES; i++) {
        assert_int_equal(ts_dtype_size(rows[i].t), rows[i].size);
        assert_string_equal(ts_dtype_name(rows[i].t), rows[i].name);
    }
    uint32_t buf[4] = { 0, 0, 0, 0xDEADBEEFu };
    for (int t = TS_DTYPE_F32; t <= TS_DTYPE_F16; t++) {
        ts_store_f32(buf, 0, (ts_dtype)t, 1.5f);
        ts_store_f32(buf, 2, (ts_dtype)t, -0.25f);
        assert_true(ts_load_f32(buf, 0, (ts_dtype)t) == 1.5f &&
                    ts_load_f32(buf, 2, (ts_dtype)t) == -0.25f);
    }
    assert_int_equal(buf[3], 0xDEADBEEFu);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bf16_values),   cmocka_unit_test(f16_values),
        cmocka_unit_test(bf16_rounding), cmocka_unit_test(f16_rounding),
        cmocka_unit_test(bf16_at_random), cmocka_unit_test(arrays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
