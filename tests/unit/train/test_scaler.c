/* The dynamic loss scale, step by step. */
#include "../cmocka_all.h"
#include "train/scaler.h"
#include "words.h"

static ts_loss_scaler scaler(const char *text, bool fp16)
{
    words w;
    ts_loss_scaler s;
    words_parse(&w, text);
    ts_loss_scaler_init(&s, &w.o, fp16);
    words_free(&w);
    return s;
}

/* Steps are letters: '.' good, 'x' overflow. The scale after each is the power of two in `log2`. */
static void run(ts_loss_scaler *s, const char *steps, const int *log2)
{
    for (size_t i = 0; steps[i]; i++) {
        ts_loss_scaler_update(s, steps[i] == 'x');
        double want = 1;
        for (int k = 0; k < log2[i]; k++)
            want *= 2;
        if (s->scale != want)
            fail_msg("%g after step %d of %s, expected %g", s->scale, (int)i, steps, want);
    }
}

/* Megatron's: the first overflows up to --hysteresis only count down; once used up, each overflow
 * halves; patience comes back only with the doubling, so a good step between overflows does not
 * restore it. */
static void hysteresis(void **state)
{
    (void)state;
    ts_loss_scaler s =
        scaler("--initial-loss-scale 1024 --loss-scale-window 4 --hysteresis 2", true);
    assert_true(s.dynamic && s.scale == 1024);
    run(&s, "x.x", (const int[]){ 10, 10, 9 });
    run(&s, "xx", (const int[]){ 8, 7 });
    run(&s, "....", (const int[]){ 7, 7, 7, 8 });
    run(&s, "x", (const int[]){ 8 }); /* patience is back */
    run(&s, "x", (const int[]){ 7 });
    s = scaler("--initial-loss-scale 1024 --hysteresis 1", true);
    run(&s, "xxx", (const int[]){ 9, 8, 7 });
    s = scaler("--initial-loss-scale 1024 --hysteresis 3", true);
    run(&s, "xxxx", (const int[]){ 10, 10, 9, 8 });
}

/* The window is of good steps in a row; an overflow begins it anew, also one that changes
 * nothing. */
static void window(void **state)
{
    (void)state;
    ts_loss_scaler s = scaler("--initial-loss-scale 16 --loss-scale-window 3 --hysteresis 2", true);
    run(&s, "......", (const int[]){ 4, 4, 5, 5, 5, 6 });
    run(&s, "..x...", (const int[]){ 6, 6, 6, 6, 6, 7 });
    s = scaler("--initial-loss-scale 16 --loss-scale-window 1", true);
    run(&s, "...", (const int[]){ 5, 6, 7 });
}

static void lowest(void **state)
{
    (void)state;
    ts_loss_scaler s = scaler("--initial-loss-scale 8 --hysteresis 1", true); /* 1 by default */
    run(&s, "xxxxx", (const int[]){ 2, 1, 0, 0, 0 });
    s = scaler("--initial-loss-scale 8 --min-loss-scale 4 --hysteresis 1 --loss-scale-window 2",
               true);
    run(&s, "xxx..", (const int[]){ 2, 2, 2, 2, 3 });
    s = scaler("--initial-loss-scale 8 --min-loss-scale 3 --hysteresis 1", true);
    ts_loss_scaler_update(&s, true);
    ts_loss_scaler_update(&s, true);
    assert_true(s.scale == 3);
}

/* Overflows count as stuck from the first step that had the lowest scale on; a good step, or a scale
 * that can still fall, begins the count anew. */
static void stuck(void **state)
{
    (void)state;
    static const struct {
        const char *options, *steps;
        int64_t stuck;
    } rows[] = {
        { "--initial-loss-scale 8 --hysteresis 1", "xxx", 0 }, /* 8, 4, 2: now 1 */
        { "--initial-loss-scale 8 --hysteresis 1", "xxxx", 1 },
        { "--initial-loss-scale 8 --hysteresis 1", "xxxxxxxxx", 6 },
        { "--initial-loss-scale 8 --hysteresis 1", "xxxxxxxxx.", 0 },
        { "--initial-loss-scale 8 --hysteresis 1", "xxxxxxxxx.xx", 2 },
        { "--initial-loss-scale 8 --hysteresis 1 --loss-scale-window 1", "xxxxxxxxx.x", 0 },
        { "--initial-loss-scale 1 --hysteresis 9", "xxx", 3 },
        { "--initial-loss-scale 8 --min-loss-scale 3 --hysteresis 1", "xxxx", 2 },
        { "--loss-scale 1", "xxxx", 0 }, /* a fixed one ends the run at once */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ts_loss_scaler s = scaler(rows[i].options, true);
        for (const char *c = rows[i].steps; *c; c++)
            ts_loss_scaler_update(&s, *c == 'x');
        if (s.stuck != rows[i].stuck)
            fail_msg("%s, %s: %d, expected %d", rows[i].options, rows[i].steps, (int)s.stuck,
                     (int)rows[i].stuck);
    }
}

static void defaults(void **state)
{
    (void)state;
    ts_loss_scaler s = scaler("", true);
    assert_true(s.dynamic && s.scale == 4294967296.0);
    for (int i = 0; i < 999; i++)
        ts_loss_scaler_update(&s, false);
    assert_true(s.scale == 4294967296.0);
    ts_loss_scaler_update(&s, false);
    assert_true(s.scale == 8589934592.0);
}

static void fixed_or_none(void **state)
{
    (void)state;
    ts_loss_scaler s = scaler("--loss-scale 128 --loss-scale-window 1 --hysteresis 1", true);
    assert_false(s.dynamic);
    run(&s, "x..xx", (const int[]){ 7, 7, 7, 7, 7 });
    s = scaler("--loss-scale 128 --initial-loss-scale 64", false); /* fp32 and bf16 need none */
    assert_false(s.dynamic);
    run(&s, "x.", (const int[]){ 0, 0 });
    s = scaler("--initial-loss-scale 64 --loss-scale-window 1 --hysteresis 1", false);
    assert_false(s.dynamic);
    run(&s, "x.", (const int[]){ 0, 0 });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hysteresis), cmocka_unit_test(window), cmocka_unit_test(lowest), cmocka_unit_test(stuck),
        cmocka_unit_test(defaults), cmocka_unit_test(fixed_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
