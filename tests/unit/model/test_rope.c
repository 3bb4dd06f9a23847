/* Rotary tables against transformers'. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "../temp.h"
#include "golden.h"

#include <float.h>
#include <math.h>

/* Both sides compute position * inverse frequency in float32 from frequencies of float32, whose
 * powers may differ by two units; the angle then differs by three units of its size, cosine and
 * sine by no more than that and a unit of their own, times the attention factor. */
static double bound(double angle, double size)
{
    return size * FLT_EPSILON * (3 * fabs(angle) + 2);
}

static void compare(const json_t *g, const char *key, const float *table, int64_t half,
                    const ts_rope_config *r)
{
    const char *name = golden_text(g, "name");
    const json_t *places = json_object_get(g, "positions"), *rows = json_object_get(g, key);
    for (size_t i = 0; i < json_array_size(places); i++) {
        const int64_t p = json_integer_value(json_array_get(places, i));
        for (int64_t j = 0; j < half; j++) {
            const double want =
                json_number_value(json_array_get(json_array_get(rows, i), (size_t)j));
            const double got = (double)table[p * half + j];
            const double angle = (double)p * pow(r->theta, -2.0 * (double)j / (double)r->dim);
            if (!(fabs(got - want) <= bound(angle, 2)))
                fail_msg("%s: %s at position %lld, pair %lld is %.9g, expected %.9g", name, key,
                         (long long)p, (long long)j, got, want);
        }
    }
}

static void test_tables(void **state)
{
    (void)state;
    json_t *all = golden_read("tests/golden/model/ropes.json"), *g;
    size_t i;
    json_array_foreach(all, i, g)
    {
        const int64_t seq_len = golden_int(g, "seq_len"), half = golden_int(g, "half");
        const ts_family *family = NULL;
        ts_arch a;
        float *table = NULL;
        OK(golden_arch(json_object_get(g, "config"), &family, &a));
        const ts_rope_config *r = &a.rope[0];
        assert_int_equal(r->dim, 2 * half);
        OK(ts_alloc(&table, (size_t)(2 * seq_len * half), sizeof *table));
        ts_rope_table(r, seq_len, seq_len, table, table + seq_len * half);
        compare(g, "cos", table, half, r);
        compare(g, "sin", table + seq_len * half, half, r);
        ts_free(&table);
        ts_arch_deinit(&a);
    }
    json_decref(all);
}

/* Only two scalings look at the length of the moment, and only past their limits. */
static void test_length(void **state)
{
    (void)state;
    ts_rope_config r = {
        .theta = 10000, .dim = 8, .scaling = TS_ROPE_DYNAMIC, .factor = 2, .max_positions = 32
    };
    float a[2][16], b[2][16];
    ts_rope_table(&r, 4, 4, a[0], a[1]);
    ts_rope_table(&r, 4, 32, b[0], b[1]);
    assert_memory_equal(a, b, sizeof a);
    ts_rope_table(&r, 4, 33, b[0], b[1]);
    assert_memory_not_equal(a, b, sizeof a);
    assert_true(ts_rope_varies(&r));
    r.scaling = TS_ROPE_LINEAR;
    assert_false(ts_rope_varies(&r));
    ts_rope_table(&r, 4, 4, a[0], a[1]);
    ts_rope_table(&r, 4, 4000, b[0], b[1]);
    assert_memory_equal(a, b, sizeof a);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_tables),
                                        cmocka_unit_test(test_length) };
    return cmocka_run_group_tests_name("model rope", tests, NULL, NULL);
}
