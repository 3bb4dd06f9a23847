/* The schedule against Megatron's rules, written a second time and in another way: from the step's
 * number, as a chain of cases that ends with one formula for each style. */
#include "../cmocka_all.h"
#include "base/json.h"
#include "train/lr.h"
#include "words.h"

#include <math.h>

static ts_lr_schedule schedule(const char *text, int64_t global)
{
    words w;
    ts_lr_schedule s;
    words_parse(&w, text);
    OK(ts_train_options_check(&w.o, 1));
    OK(ts_lr_schedule_init(&s, &w.o, global));
    words_free(&w);
    return s;
}

/* All in samples. */
typedef struct expected {
    double init, max, min, warmup, decay, wsd;
    const char *style, *wsd_style;
} expected;

static bool is(const char *a, const char *b) { return !strcmp(a, b); }

static double tail(const char *style, double left)
{
    const double gone = 1 - left; /* share of the tail */
    if (is(style, "linear"))
        return left;
    if (is(style, "cosine"))
        return pow(cos(M_PI_2 * gone), 2);
    if (is(style, "exponential"))
        return 2 * exp2(-gone) - 1;
    assert_string_equal(style, "minus_sqrt");
    return 1 - pow(gone, 0.5);
}

static double rate(const expected *e, double t)
{
    if (t <= e->warmup && e->warmup > 0) {
        const double share = t / e->warmup;
        return e->init * (1 - share) + e->max * share;
    }
    if (is(e->style, "constant"))
        return e->max;
    if (t > e->decay)
        return e->min;
    if (is(e->style, "inverse-square-root")) {
        const double down = e->max * pow(fmax(e->warmup, 1) / fmax(t, 1), 0.5);
        return down < e->min ? e->min : down;
    }
    double c;
    if (is(e->style, "WSD")) {
        const double left = (e->decay - t) / (e->wsd > 0 ? e->wsd : 1);
        c = left >= 1 ? 1 : tail(e->wsd_style, left);
    } else {
        c = tail(e->style, (e->decay - t) / (e->decay - e->warmup));
    }
    return c * e->max + (1 - c) * e->min;
}

enum { GLOBAL = 4, ITERS = 100 };

/* Every sample count, also those between steps and beyond the end. A dozen roundings of numbers
 * below max; near the end minus_sqrt's and cosine's difference keeps their absolute, not their
 * relative error. */
static void compare(const char *text, const expected *e)
{
    const ts_lr_schedule s = schedule(text, GLOBAL);
    for (int64_t t = 0; t <= 2 * GLOBAL * ITERS; t++) {
        const double got = ts_lr_at(&s, t), want = rate(e, (double)t);
        if (!(fabs(got - want) <= 16 * 0x1p-53 * e->max))
            fail_msg("%s: %.17g after %d samples, expected %.17g", text, got, (int)t, want);
    }
}

static const char *const styles[] = { "constant", "linear", "cosine", "inverse-square-root" };
static const char *const tails[] = { "linear", "cosine", "exponential", "minus_sqrt" };
#define BASE "--seq-length 8 --train-iters 100 --lr 3e-4 --min-lr 3e-5 "

static void every_style_follows_its_formula(void **state)
{
    (void)state;
    char text[256];
    for (int i = 0; i < 4; i++) {
        expected e = { 1e-6, 3e-4, 3e-5, 10 * GLOBAL, 80 * GLOBAL, 0, styles[i], "" };
        snprintf(text, sizeof text,
                 BASE "--lr-decay-style %s --lr-warmup-iters 10 --lr-warmup-init 1e-6 "
                      "--lr-decay-iters 80",
                 styles[i]);
        compare(text, &e);
        e.init = e.warmup = 0; /* and neither warm-up nor a length of its own */
        e.decay = ITERS * GLOBAL;
        snprintf(text, sizeof text, BASE "--lr-decay-style %s", styles[i]);
        compare(text, &e);
    }
}

static void every_tail_of_wsd_follows_its_formula(void **state)
{
    (void)state;
    char text[256];
    for (int i = 0; i < 4; i++) {
        expected e = { 0, 3e-4, 3e-5, 5 * GLOBAL, ITERS * GLOBAL, 30 * GLOBAL, "WSD", tails[i] };
        snprintf(text, sizeof text,
                 BASE "--lr-decay-style WSD --lr-warmup-iters 5 --lr-wsd-decay-iters 30 "
                      "--lr-wsd-decay-style %s",
                 tails[i]);
        compare(text, &e);
        e.wsd = e.decay = 60 * GLOBAL; /* the tail is all */
        e.warmup = 0;
        snprintf(text, sizeof text,
                 BASE "--lr-decay-style WSD --lr-decay-iters 60 --lr-wsd-decay-iters 60 "
                      "--lr-wsd-decay-style %s",
                 tails[i]);
        compare(text, &e);
    }
}

/* Lengths in samples, and warm-up as a share of the decay (not of the run). */
static void lengths_are_samples(void **state)
{
    (void)state;
    expected e = { 0, 3e-4, 3e-5, 37, 251, 0, "cosine", "" };
    compare("--seq-length 8 --train-samples 400 --lr 3e-4 --min-lr 3e-5 --lr-decay-style cosine "
            "--lr-warmup-samples 37 --lr-decay-samples 251", &e);
    e.warmup = 62.75; /* a quarter of 251 */
    compare("--seq-length 8 --train-samples 400 --lr 3e-4 --min-lr 3e-5 --lr-decay-style cosine "
            "--lr-warmup-fraction 0.25 --lr-decay-samples 251", &e);
    e.decay = 333;
    e.warmup = 0;
    compare("--seq-length 8 --train-samples 333 --lr 3e-4 --min-lr 3e-5 --lr-decay-style cosine",
            &e);
    e = (expected){ 0, 3e-4, 3e-5, 20 * GLOBAL, 40 * GLOBAL, 0, "linear", "" };
    compare(BASE "--lr-warmup-fraction 0.5 --lr-decay-iters 40", &e);
}

/* Rates of whole runs, step after step, by megatron-core's OptimizerParamScheduler. Its numbers are
 * doubles and so are ours, in another order of operations. */
static void megatrons_own_rates(void **state)
{
    (void)state;
    json_t *cases, *c;
    size_t i;
    char text[512];
    OK(ts_json_read("tests/golden/train/lr.json", &cases));
    assert_true(json_array_size(cases) >= 28);
    json_array_foreach(cases, i, c) {
        const json_t *want = json_object_get(c, "rates");
        const int64_t batch = json_integer_value(json_object_get(c, "batch"));
        snprintf(text, sizeof text, "--seq-length 8 --lr 1e-3 %s",
                 json_string_value(json_object_get(c, "options")));
        const ts_lr_schedule s = schedule(text, batch);
        assert_true(json_array_size(want) >= 10);
        for (size_t k = 0; k < json_array_size(want); k++) {
            const double got = ts_lr_at(&s, (int64_t)k * batch),
                         w = json_real_value(json_array_get(want, k));
            if (!(fabs(got - w) <= 16 * 0x1p-53 * 1e-3))
                fail_msg("%s: step %d: %.17g, expected %.17g", text, (int)k + 1, got, w);
        }
    }
    json_decref(cases);
}

/* Values that need no formula. */
static void corners(void **state)
{
    (void)state;
    ts_lr_schedule s = schedule(BASE "--lr-warmup-iters 10 --lr-decay-style cosine", GLOBAL);
    assert_true(ts_lr_at(&s, 0) == 0); /* the first step's rate is lr-warmup-init */
    assert_true(ts_lr_at(&s, 40) == 3e-4);
    assert_float_equal(ts_lr_at(&s, 20), 1.5e-4, 1e-18);
    assert_float_equal(ts_lr_at(&s, 220), 1.65e-4, 1e-18); /* half way between 40 and 400 */
    assert_float_equal(ts_lr_at(&s, 400), 3e-5, 1e-18);
    assert_true(ts_lr_at(&s, 401) == 3e-5 && ts_lr_at(&s, INT64_C(1) << 60) == 3e-5);
    s = schedule(BASE "--lr-decay-style linear", GLOBAL);
    assert_true(ts_lr_at(&s, 0) == 3e-4);
    s = schedule(BASE "--lr-decay-style constant --lr-warmup-init 1e-5 --lr-warmup-iters 2",
                 GLOBAL);
    assert_true(ts_lr_at(&s, 0) == 1e-5 && ts_lr_at(&s, 9) == 3e-4 &&
                ts_lr_at(&s, 1 << 30) == 3e-4);
    /* four times the warm-up: half the rate; from 100 times on the lowest */
    s = schedule("--seq-length 8 --train-iters 1000 --lr 3e-4 --min-lr 3e-5 --lr-warmup-iters 1 "
                 "--lr-decay-style inverse-square-root", GLOBAL);
    assert_float_equal(ts_lr_at(&s, 16), 1.5e-4, 1e-18);
    assert_true(ts_lr_at(&s, 401) == 3e-5 && ts_lr_at(&s, 4000) == 3e-5);
    /* a warm-up as long as the decay leaves nothing of it */
    s = schedule(BASE "--lr-warmup-fraction 1", GLOBAL);
    assert_true(ts_lr_at(&s, 400) == 3e-4 && ts_lr_at(&s, 401) == 3e-5);
}

static void a_tail_longer_than_the_decay_is_refused(void **state)
{
    (void)state;
    words w;
    ts_lr_schedule s;
    words_parse(&w, BASE "--lr-decay-style WSD --lr-wsd-decay-iters 101");
    REFUSED(ts_lr_schedule_init(&s, &w.o, GLOBAL), TS_ERR_USER, "--lr-wsd-decay-iters");
    words_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_style_follows_its_formula),
        cmocka_unit_test(every_tail_of_wsd_follows_its_formula),
        cmocka_unit_test(lengths_are_samples),
        cmocka_unit_test(megatrons_own_rates),
        cmocka_unit_test(corners),
        cmocka_unit_test(a_tail_longer_than_the_decay_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
