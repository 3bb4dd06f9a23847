/* Philox against the published vectors, and what the streams promise. */
#include "../cmocka_all.h"
#include "base/rng.h"

#include <math.h>
#include <string.h>

static void block_is(const ts_rng *r, uint64_t counter, uint32_t a, uint32_t b, uint32_t c,
                     uint32_t d)
{
    uint32_t u[4];
    ts_rng_block(r, counter, u);
    assert_int_equal(u[0], a);
    assert_int_equal(u[1], b);
    assert_int_equal(u[2], c);
    assert_int_equal(u[3], d);
}

/* philox4x32-10 of Random123's kat_vectors: zeros, ones, and digits of pi. */
static void known_answers(void **state)
{
    (void)state;
    const ts_rng zero = { { 0, 0 }, { 0, 0 } };
    const ts_rng ones = { { ~0u, ~0u }, { ~0u, ~0u } };
    const ts_rng pi = { { 0xa4093822u, 0x299f31d0u }, { 0x13198a2eu, 0x03707344u } };
    block_is(&zero, 0, 0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u);
    block_is(&ones, ~0ull, 0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu);
    block_is(&pi, 0x85a308d3243f6a88ull, 0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u);
}

static void streams_differ(void **state)
{
    (void)state;
    ts_rng r[64];
    int n = 0;
    for (uint64_t seed = 0; seed < 2; seed++)
        for (int purpose = TS_RNG_INIT; purpose <= TS_RNG_HIDDEN_DROPOUT; purpose++)
            for (uint64_t step = 0; step < 4; step++)
                for (uint32_t layer = 0; layer < 4; layer++)
                    r[n++] =
                        ts_rng_stream(seed, (ts_rng_purpose)purpose, step * 0x100000001ull, layer);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++)
            assert_true(memcmp(&r[i], &r[j], sizeof r[i]) != 0);
    /* The upper half of a seed counts. */
    const ts_rng a = ts_rng_stream(1, TS_RNG_TEST, 0, 0),
                 b = ts_rng_stream(1 + (1ull << 32), TS_RNG_TEST, 0, 0);
    assert_true(memcmp(&a, &b, sizeof a) != 0);
}

static void uniform_range(void **state)
{
    (void)state;
    assert_true(ts_rng_uniform(0) == 0 && ts_rng_uniform(~0u) < 1 &&
                ts_rng_uniform(1u << 31) == 0.5f);
    const ts_rng r = ts_rng_stream(7, TS_RNG_TEST, 0, 0);
    double sum = 0, sq = 0;
    enum { N = 100000 };
    for (uint64_t i = 0; i < N / 4; i++) {
        uint32_t u[4];
        ts_rng_block(&r, i, u);
        for (int k = 0; k < 4; k++) {
            const double v = (double)ts_rng_uniform(u[k]);
            sum += v;
            sq += v * v;
        }
    }
    /* Five standard deviations of the means of N numbers: 1/sqrt(12 N), and of squares 2/sqrt(45
     * N). */
    assert_true(fabs(sum / N - 0.5) < 5 / sqrt(12.0 * N));
    assert_true(fabs(sq / N - 1.0 / 3) < 10 / sqrt(45.0 * N));
}

static void normal_numbers(void **state)
{
    (void)state;
    enum { N = 100000 };
    static float all[N], part[N];
    const ts_rng r = ts_rng_stream(7, TS_RNG_INIT, 0, 3);
    ts_rng_normal(&r, 0, N, 2, all);
    double sum = 0, sq = 0, four = 0;
    for (int i = 0; i < N; i++) {
        const double v = (double)all[i] / 2;
        sum += v;
        sq += v * v;
        four += v * v * v * v;
    }
    assert_true(fabs(sum / N) < 5 / sqrt((double)N));
    assert_true(fabs(sq / N - 1) < 5 * sqrt(2.0 / N));
    assert_true(fabs(four / N - 3) < 5 * sqrt(96.0 / N));
    /* An element has its value wherever a call begins. */
    for (int64_t first = 0; first < 9; first++) {
        ts_rng_normal(&r, (uint64_t)first, 50, 2, part);
        assert_memory_equal(part, all + first, 50 * sizeof *part);
    }
    part[0] = 77;
    ts_rng_normal(&r, 0, 0, 1, part);
    assert_true(part[0] == 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(streams_differ),
        cmocka_unit_test(uniform_range),
        cmocka_unit_test(normal_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
