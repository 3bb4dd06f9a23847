/* The growing batch against plain loops in Python (tests/golden/data/batches.json). */
#include "../cmocka_all.h"
#include "../temp.h"
#include "base/json.h"
#include "train/ramp.h"
#include "words.h"

#define BY_SAMPLES "--seq-length 8 --lr 0.001 --train-samples 1000 "

static ts_status make(const char *text, int dp, ts_batch_ramp *r)
{
    words w;
    words_parse(&w, text);
    ts_status st = ts_train_options_check(&w.o, dp);
    if (st == TS_OK)
        st = ts_batch_ramp_init(r, &w.o, dp);
    words_free(&w);
    return st;
}

static int64_t number(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

static void sizes_and_steps_are_megatron_s(void **state)
{
    (void)state;
    json_t *root = NULL, *c;
    size_t i;
    OK(ts_json_read("tests/golden/data/batches.json", &root));
    json_array_foreach(json_object_get(root, "ramps"), i, c)
    {
        char text[200];
        ts_batch_ramp r;
        int64_t consumed = 0;
        snprintf(text, sizeof text,
                 "--seq-length 8 --lr 0.001 --train-samples %lld --global-batch-size %lld "
                 "--rampup-batch-size %lld %lld %lld",
                 (long long)number(c, "train"), (long long)number(c, "full"),
                 (long long)number(c, "start"), (long long)number(c, "increment"),
                 (long long)number(c, "samples"));
        OK(make(text, 1, &r));
        const json_t *sizes = json_object_get(c, "sizes");
        for (size_t k = 0; k < json_array_size(sizes); k++) {
            assert_int_equal(ts_batch_ramp_at(&r, consumed),
                             json_integer_value(json_array_get(sizes, k)));
            consumed += json_integer_value(json_array_get(sizes, k));
        }
        assert_int_equal(ts_batch_ramp_at(&r, r.samples + 1), number(c, "full"));
        if (ts_batch_ramp_steps(&r, number(c, "train")) != number(c, "steps"))
            fail_msg("%s: %lld steps, expected %lld", text,
                     (long long)ts_batch_ramp_steps(&r, number(c, "train")),
                     (long long)number(c, "steps"));
    }
    assert_true(i > 5);
    json_decref(root);
}

/* Counting jumps over steps of one size: the same as going through them singly. */
static void counting_at_once_is_counting_singly(void **state)
{
    (void)state;
    for (int64_t samples = 1; samples < 400; samples += 13)
        for (int64_t increment = 1; increment <= 12; increment++) {
            const ts_batch_ramp r = { 1 + 12 / increment * increment, 1, increment, samples };
            for (int64_t n = 1; n < 500; n += 31) {
                int64_t consumed = 0, steps = 0;
                for (; consumed <= samples && consumed <= n; steps++)
                    consumed += ts_batch_ramp_at(&r, consumed);
                steps += n > consumed ? (n - consumed) / r.full : 0;
                assert_int_equal(ts_batch_ramp_steps(&r, n), steps);
            }
        }
    const ts_batch_ramp long_one = { 2, 1, 1, INT64_C(1000000000000000) }; /* ends, and soon */
    assert_int_equal(ts_batch_ramp_steps(&long_one, INT64_C(1000000000000000)),
                     INT64_C(1000000000000001));
}

static void without_a_ramp_the_last_part_of_a_batch_is_dropped(void **state)
{
    (void)state;
    ts_batch_ramp r;
    OK(make(BY_SAMPLES "--global-batch-size 48", 1, &r));
    assert_int_equal(ts_batch_ramp_steps(&r, 1000), 20);
    assert_int_equal(ts_batch_ramp_at(&r, 0), 48);
    OK(make(BY_SAMPLES "--micro-batch-size 5", 3, &r));
    assert_int_equal(ts_batch_ramp_at(&r, 0), 15);
    OK(make(BY_SAMPLES "--global-batch-size 48 --rampup-batch-size 48 16 100", 1, &r));
    assert_int_equal(r.samples, 0); /* it begins with the full size */
    assert_int_equal(ts_batch_ramp_steps(&r, 1000), 20);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int dp;
        const char *says;
    } rows[] = {
        { BY_SAMPLES "--rampup-batch-size 4 4", 1, "takes three numbers" },
        { BY_SAMPLES "--rampup-batch-size 4 four 100", 1, "INCREMENT is \"four\"" },
        { BY_SAMPLES "--rampup-batch-size 4 4 0", 1, "SAMPLES is \"0\"" },
        { BY_SAMPLES "--rampup-batch-size 4 4 99999999999999999999", 1, "SAMPLES is \"999" },
        { BY_SAMPLES "--global-batch-size 16 --rampup-batch-size 32 4 100", 1,
          "begins with 32 sequences, more than --global-batch-size 16" },
        { BY_SAMPLES "--global-batch-size 16 --rampup-batch-size 2 4 100", 1,
          "from 2 to --global-batch-size 16 are 14 sequences, no multiple of the increment 4" },
        { BY_SAMPLES "--global-batch-size 16 --rampup-batch-size 4 2 100", 4,
          "START 4 and INCREMENT 2 must be multiples of --micro-batch-size 1 x 4 processes" },
        { BY_SAMPLES "--global-batch-size 16 --micro-batch-size 4 --rampup-batch-size 2 2 100", 1,
          "START 2 and INCREMENT 2" },
        { "--seq-length 8 --lr 0.001 --train-iters 9 --global-batch-size 8 "
          "--rampup-batch-size 2 2 100",
          1, "give --train-samples instead of --train-iters" },
        { BY_SAMPLES "--global-batch-size 8 --rampup-batch-size 2 2 100 --lr-warmup-iters 3", 1,
          "give --lr-warmup-samples instead of --lr-warmup-iters" },
        { "--seq-length 8 --lr 0.001 --train-samples 7 --global-batch-size 8", 1,
          "--train-samples 7 is less than one global batch of 8 sequences" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ts_batch_ramp r;
        REFUSED(make(rows[i].text, rows[i].dp, &r), TS_ERR_USER, rows[i].says);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_and_steps_are_megatron_s),
        cmocka_unit_test(counting_at_once_is_counting_singly),
        cmocka_unit_test(without_a_ramp_the_last_part_of_a_batch_is_dropped),
        cmocka_unit_test(mistakes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
