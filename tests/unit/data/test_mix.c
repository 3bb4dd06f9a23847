/* Data sets interleaved as Hugging Face's interleave_datasets 5.2 does it: its own orders, and NumPy's numbers. */
#include "../cmocka_all.h"
#include "data/mix.h"
#include "data/pcg64.h"

static void numbers(void **state)
{
    (void)state;
    /* numpy.random.default_rng(seed): .bit_generator.random_raw() twice, then .random() */
    static const struct {
        uint32_t seed;
        uint64_t v[2];
        double x;
    } cases[] = {
        { 0, { 11749869230777074271u, 4976686463289251617u }, 0.04097352393619469 },
        { 1, { 9441442522235856127u, 17532960557476522086u }, 0.14415961271963373 },
        { 1234, { 18016930633132456890u, 7013373421822782593u }, 0.9232462337639554 },
        { 4294967295, { 4647538520743280031u, 4041050679407036418u }, 0.28728472043517017 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ts_pcg64 r;
        ts_pcg64_init(&r, cases[i].seed);
        assert_true(ts_pcg64_next(&r) == cases[i].v[0]);
        assert_true(ts_pcg64_next(&r) == cases[i].v[1]);
        assert_true(ts_pcg64_double(&r) == cases[i].x);
    }
}

static void orders(void **state)
{
    (void)state;
    static const int64_t a[] = { 3, 4, 5 }, b[] = { 3, 4, 3 }, c[] = { 6, 2 }, d[] = { 6, 2, 3 };
    static const double p[] = { 0.2, 0.5, 0.3 }, q[] = { 0.9, 0.1 }, z[] = { 0.5, 0, 0.5 };
    static const struct {
        ts_mix_sets s;
        int64_t n;
        uint32_t want[24];
    } cases[] = {
        { { a, NULL, 3, TS_MIX_UNDER, 0 }, 9, { 0, 3, 7, 1, 4, 8, 2, 5, 9 } },
        { { a, NULL, 3, TS_MIX_OVER, 0 }, 15, { 0, 3, 7, 1, 4, 8, 2, 5, 9, 0, 6, 10, 1, 3, 11 } },
        { { b, NULL, 3, TS_MIX_ONCE, 0 }, 10, { 0, 3, 7, 1, 4, 8, 2, 5, 9, 6 } },
        { { a, p, 3, TS_MIX_UNDER, 42 }, 8, { 7, 3, 8, 4, 0, 9, 10, 11 } },
        { { a, p, 3, TS_MIX_OVER, 1234 }, 21, { 7, 3, 8, 4, 5, 0, 6, 3, 9, 4, 5, 6, 10, 11, 3, 4, 7, 5, 1, 8, 2 } },
        { { c, q, 2, TS_MIX_OVER, 7 }, 20, { 0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 6, 4, 5, 7 } },
        { { d, z, 3, TS_MIX_UNDER, 7 }, 3, { 8, 9, 10 } },
        { { a, p, 3, TS_MIX_ONCE, 42 }, 12, { 7, 3, 8, 4, 0, 9, 10, 11, 1, 5, 6, 2 } },
    };
    uint32_t *order;
    int64_t n;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(ts_mix_make(&cases[i].s, &order, &n), TS_OK);
        assert_int_equal(n, cases[i].n);
        assert_memory_equal(order, cases[i].want, (size_t)n * sizeof *order);
        ts_free(&order);
    }
    const ts_mix_sets endless = { d, z, 3, TS_MIX_OVER, 7 };
    assert_int_equal(ts_mix_make(&endless, &order, &n), TS_ERR_USER);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(numbers), cmocka_unit_test(orders) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
