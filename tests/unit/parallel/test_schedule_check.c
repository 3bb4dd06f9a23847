#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pipes.h"

#include <string.h>

/* ---- faults planted in a sound schedule ---- */

static ts_schedule *sound(ts_schedule_kind kind)
{
    return make_pipe(kind,
                     (ts_schedule_shape){ .n_stages = 3,
                                          .n_micro = 6,
                                          .n_chunks = kind == TS_SCHEDULE_INTERLEAVED ? 2 : 1 });
}

static int64_t find(const ts_schedule *s, int64_t stage, ts_unit_kind kind, int micro)
{
    int64_t i = 0;
    while (s->stage[stage].v[i].kind != kind || s->stage[stage].v[i].micro != micro)
        i++;
    return i;
}

static void swap(ts_schedule *s, int64_t stage, int64_t a, int64_t b)
{
    ts_unit *v = s->stage[stage].v, u = v[a];
    v[a] = v[b];
    v[b] = u;
}

static void drop(ts_schedule *s, int64_t stage, int64_t i)
{
    ts_unit_list *list = &s->stage[stage];
    memmove(list->v + i, list->v + i + 1, (size_t)(list->n - i - 1) * sizeof *list->v);
    list->n--;
}

static void expect_fault(ts_schedule **s, const int64_t *most, const char *sentence)
{
    assert_int_equal(ts_schedule_check(*s, most), TS_ERR_RUN);
    assert_string_equal(ts_error_message(), sentence);
    ts_schedule_destroy(s);
}

static void missing_units(void **state)
{
    (void)state;
    ts_schedule *s = sound(TS_SCHEDULE_1F1B);
    drop(s, 1, find(s, 1, TS_UNIT_FORWARD, 4));
    expect_fault(&s, NULL, "stage 1, micro-batch 4, chunk 0: there is no forward");
    s = sound(TS_SCHEDULE_1F1B);
    drop(s, 2, find(s, 2, TS_UNIT_BACKWARD, 5));
    expect_fault(&s, NULL, "stage 2, micro-batch 5, chunk 0: there is no backward");
    s = sound(TS_SCHEDULE_ZERO_BUBBLE);
    drop(s, 0, find(s, 0, TS_UNIT_WEIGHT_GRAD, 3));
    expect_fault(&s, NULL, "stage 0, micro-batch 3, chunk 0: there is no weight gradient");
    s = sound(TS_SCHEDULE_ZERO_BUBBLE);
    drop(s, 0, find(s, 0, TS_UNIT_INPUT_GRAD, 3));
    expect_fault(&s, NULL, "stage 0, micro-batch 3, chunk 0: there is no input gradient");
}

static void wrong_units(void **state)
{
    (void)state;
    ts_schedule *s = sound(TS_SCHEDULE_1F1B);
    s->stage[1].v[3].micro = 6;
    expect_fault(&s, NULL,
                 "stage 1, unit 3 (forward of micro-batch 6, chunk 0): "
                 "there is no such micro-batch or chunk");
    s = sound(TS_SCHEDULE_1F1B);
    s->stage[1].v[3].micro = 1;
    expect_fault(&s, NULL,
                 "stage 1, unit 3 (forward of micro-batch 1, chunk 0): it has been there before");
    s = sound(TS_SCHEDULE_ZERO_BUBBLE);
    s->stage[1].v[find(s, 1, TS_UNIT_WEIGHT_GRAD, 2)].kind = TS_UNIT_BACKWARD;
    expect_fault(&s, NULL,
                 "stage 1, unit 7 (input gradient of micro-batch 2, chunk 0): "
                 "its backward is there as a whole too");
    s = sound(TS_SCHEDULE_1F1B);
    s->stage[1].v[3].kind = TS_UNIT_KINDS;
    expect_fault(&s, NULL, "stage 1, unit 3 is of no kind");
}

static void swapped_units(void **state)
{
    (void)state;
    ts_schedule *s = sound(TS_SCHEDULE_1F1B);
    swap(s, 2, find(s, 2, TS_UNIT_FORWARD, 3), find(s, 2, TS_UNIT_BACKWARD, 3));
    expect_fault(&s, NULL,
                 "stage 2, unit 6 (backward of micro-batch 3, chunk 0): its forward comes later");
    s = sound(TS_SCHEDULE_ZERO_BUBBLE);
    swap(s, 0, find(s, 0, TS_UNIT_INPUT_GRAD, 3), find(s, 0, TS_UNIT_WEIGHT_GRAD, 3));
    expect_fault(&s, NULL,
                 "stage 0, unit 12 (weight gradient of micro-batch 3, chunk 0): "
                 "its input gradient comes later");
    s = sound(TS_SCHEDULE_ZERO_BUBBLE);
    swap(s, 2, s->stage[2].n - 1, s->stage[2].n - 2);
    expect_fault(&s, NULL,
                 "stage 2, unit 16 (weight gradient of micro-batch 5, chunk 0): "
                 "weight gradients are to be added in the order of micro-batches");
    s = sound(TS_SCHEDULE_GPIPE);
    swap(s, 1, 2, 3);
    expect_fault(&s, NULL,
                 "stage 1, unit 2 (forward of micro-batch 3, chunk 0): "
                 "the stage before sends another one first");
}

/* Stage 0 wants its first gradient before it has begun the micro-batches that stage 1 begins with;
 * so each waits for the other. */
static void circles(void **state)
{
    (void)state;
    ts_schedule *s = sound(TS_SCHEDULE_1F1B);
    swap(s, 0, find(s, 0, TS_UNIT_FORWARD, 1), find(s, 0, TS_UNIT_BACKWARD, 0));
    expect_fault(
        &s, NULL,
        "the schedule comes to no end: stage 0 waits at unit 1 (backward of micro-batch 0, "
        "chunk 0) for the gradient of chunk 0 on stage 1; stage 1 waits at unit 1 (forward "
        "of micro-batch 1, chunk 0) for the output of chunk 0 on stage 0");
}

static void held_too_much(void **state)
{
    (void)state;
    ts_schedule *s = sound(TS_SCHEDULE_1F1B);
    expect_fault(&s, (const int64_t[]){ 3, 1, 1 },
                 "stage 1 holds 2 units at a time: at most 1 may be");
}

static ts_schedule *recomputed(void)
{
    return make_pipe(TS_SCHEDULE_1F1B, (ts_schedule_shape){ .n_stages = 3,
                                                            .n_chunks = 1,
                                                            .n_micro = 6,
                                                            .recompute = TS_AGAIN_ADVANCE });
}

static void wrong_recompute(void **state)
{
    (void)state;
    ts_schedule *s = recomputed();
    drop(s, 1, find(s, 1, TS_UNIT_RECOMPUTE, 2));
    expect_fault(&s, NULL,
                 "stage 1, unit 4 (forward of micro-batch 2, chunk 0): "
                 "it kept nothing, and no recompute follows");
    s = recomputed();
    s->stage[1].v[0].runs_again = false;
    expect_fault(&s, NULL,
                 "stage 1, unit 2 (recompute of micro-batch 0, chunk 0): "
                 "its forward has kept everything");
    s = recomputed();
    swap(s, 1, 2, 3);
    expect_fault(&s, NULL,
                 "stage 1, unit 3 (recompute of micro-batch 0, chunk 0): "
                 "its backward has come before");
    s = recomputed();
    swap(s, 1, 0, 2);
    expect_fault(&s, NULL,
                 "stage 1, unit 0 (recompute of micro-batch 0, chunk 0): its forward comes later");
}

/* A replay says the same of what comes to no end. */
static void replay_of_a_circle(void **state)
{
    (void)state;
    ts_schedule *s = sound(TS_SCHEDULE_INTERLEAVED);
    ts_replay r = { 0 };
    swap(s, 0, 0, 1);
    swap(s, 2, 0, find(s, 2, TS_UNIT_BACKWARD, 0));
    assert_int_equal(ts_schedule_replay(s, &one_each, &r), TS_ERR_RUN);
    assert_non_null(strstr(ts_error_message(), "comes to no end: stage 0 waits at unit"));
    assert_null(r.stage);
    ts_schedule_destroy(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_units),      cmocka_unit_test(wrong_units),
        cmocka_unit_test(swapped_units),      cmocka_unit_test(circles),
        cmocka_unit_test(held_too_much),      cmocka_unit_test(wrong_recompute),
        cmocka_unit_test(replay_of_a_circle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
