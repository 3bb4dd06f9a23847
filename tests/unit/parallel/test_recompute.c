#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "parallel/schedule_fill.h"
#include "pipes.h"

/* Everything runs again but what the last part does, whose backwards follow at once. */
static void in_advance(void **state)
{
    (void)state;
    ts_schedule_costs full = one_each; /* recomputed when the gradient has come */
    full.unit[TS_UNIT_BACKWARD] += full.unit[TS_UNIT_RECOMPUTE];
    for (int64_t p = 1; p <= 6; p++)
        for (int64_t v = 1; v <= 4; v++)
            for (int64_t m = p; m <= 3 * p; m += p) {
                ts_schedule_shape shape = { .n_stages = p, .n_chunks = v, .n_micro = m };
                const double at_once = makespan_of(TS_SCHEDULE_INTERLEAVED, shape, &full);
                shape.recompute = TS_AGAIN_ADVANCE;
                ts_schedule *s = make_pipe(TS_SCHEDULE_INTERLEAVED, shape);
                expect_sound(s, NULL);
                for (int64_t r = 0; r < p; r++)
                    assert_int_equal(count(s, r, TS_UNIT_RECOMPUTE), m * (v - (r == p - 1)));
                ts_replay got = replay_of(s, &one_each);
                assert_true(got.makespan < at_once);
                ts_replay_deinit(&got);
                ts_schedule_destroy(&s);
            }
}

/* No stage holds more than p x v units; what plain interleaving holds less, stays as it is. */
static void in_the_bubble(void **state)
{
    (void)state;
    for (int64_t p = 1; p <= 8; p++)
        for (int64_t v = 1; v <= 4; v++)
            for (int64_t m = p; m <= 5 * p; m += p) {
                ts_schedule_shape shape = { .n_stages = p, .n_chunks = v, .n_micro = m };
                const double plain = makespan_of(TS_SCHEDULE_INTERLEAVED, shape, &one_each);
                ts_schedule *before = make_pipe(TS_SCHEDULE_INTERLEAVED, shape);
                shape.recompute = TS_AGAIN_BUBBLE;
                ts_schedule *s = make_pipe(TS_SCHEDULE_INTERLEAVED, shape);
                int64_t most[8], again = 0;
                for (int64_t r = 0; r < p; r++) {
                    const int64_t held = ts_schedule_holds(before, r).units;
                    most[r] = p * v;
                    again += count(s, r, TS_UNIT_RECOMPUTE);
                    assert_int_equal(count(s, r, TS_UNIT_RECOMPUTE) > 0, held > p * v);
                    if (held <= p * v)
                        assert_int_equal(ts_schedule_holds(s, r).units, held);
                }
                expect_sound(s, most);
                ts_replay got = replay_of(s, &one_each);
                assert_true(got.makespan >= plain && got.makespan <= plain + (double)again);
                /* of two groups only the cool-down recomputes, where each stage idles enough */
                if (m == 2 * p)
                    assert_true(got.makespan == plain);
                ts_replay_deinit(&got);
                ts_schedule_destroy(&before);
                ts_schedule_destroy(&s);
            }
}

/* With the other schedules too it is sound. */
static void with_every_schedule(void **state)
{
    (void)state;
    for (int kind = 0; kind < TS_SCHEDULE_KINDS; kind++) {
        ts_schedule *s =
            make_pipe((ts_schedule_kind)kind,
                      (ts_schedule_shape){ .n_stages = 3,
                                           .n_micro = 9,
                                           .n_chunks = kind == TS_SCHEDULE_DUALPIPEV ? 2 : 1,
                                           .recompute = TS_AGAIN_ADVANCE,
                                           .detaches_weights = true });
        expect_sound(s, NULL);
        assert_int_equal(count(s, 0, TS_UNIT_RECOMPUTE) > 0, true);
        ts_schedule_destroy(&s);
    }
}

/* Where a stage has room for all, running again still does not come before its first run. */
static void moved_with_room_for_all(void **state)
{
    (void)state;
    const ts_schedule_shape shape = {
        .n_stages = 4, .n_chunks = 1, .n_micro = 8, .recompute = TS_AGAIN_ADVANCE
    };
    ts_schedule *s = make_pipe(TS_SCHEDULE_1F1B, shape);
    assert_int_equal(ts_schedule_fill_recompute(s, 8), TS_OK);
    expect_sound(s, NULL);
    ts_replay moved = replay_of(s, &one_each);
    assert_true(moved.makespan <= makespan_of(TS_SCHEDULE_1F1B, shape, &one_each));
    assert_true(ts_schedule_holds(s, 0).units > 1); /* some were */
    ts_replay_deinit(&moved);
    ts_schedule_destroy(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_advance),
        cmocka_unit_test(in_the_bubble),
        cmocka_unit_test(with_every_schedule),
        cmocka_unit_test(moved_with_room_for_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
