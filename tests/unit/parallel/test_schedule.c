#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pipes.h"

#include <string.h>

enum { MOST_STAGES = 8, MOST_CHUNKS = 4, MOST_MICRO = 17 };

/* Every shape that a schedule has in these limits; how many there were is what the test expects
 * where a rule of shapes is one that it knows. */
typedef void each_fn(ts_schedule *s);
static int each_shape(ts_schedule_kind kind, ts_schedule_shape more, each_fn *fn)
{
    int n = 0;
    for (int64_t p = 1; p <= MOST_STAGES; p++)
        for (int64_t v = 1; v <= MOST_CHUNKS; v++)
            for (int64_t m = 1; m <= MOST_MICRO; m++) {
                ts_schedule_shape shape = more;
                ts_schedule *s;
                shape.n_stages = p, shape.n_chunks = v, shape.n_micro = m;
                if (ts_schedule_create(kind, &shape, &s) != TS_OK)
                    continue;
                fn(s);
                ts_schedule_destroy(&s);
                n++;
            }
    return n;
}

#define SHAPE(p, v, m, ...)                                                                        \
    ((ts_schedule_shape){ .n_stages = p, .n_chunks = v, .n_micro = m, __VA_ARGS__ })

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* ---- where the chunks are ---- */

static void expect_places(ts_schedule *s)
{
    const int64_t parts = s->shape.n_stages * s->shape.n_chunks;
    for (int64_t part = 0; part < parts; part++) {
        const ts_spot at = ts_schedule_spot(s, part);
        ts_spot other;
        assert_in_range(at.stage, 0, s->shape.n_stages - 1);
        assert_int_equal(ts_schedule_part(s, at), part);
        assert_int_equal(ts_schedule_before(s, at, &other), part > 0);
        if (part > 0)
            assert_int_equal(ts_schedule_part(s, other), part - 1);
        assert_int_equal(ts_schedule_after(s, at, &other), part < parts - 1);
        if (part < parts - 1)
            assert_int_equal(ts_schedule_part(s, other), part + 1);
    }
}

static void parts_of_the_model(void **state)
{
    (void)state;
    for (int kind = 0; kind < TS_SCHEDULE_KINDS; kind++)
        each_shape((ts_schedule_kind)kind, (ts_schedule_shape){ 0 }, expect_places);

    ts_schedule *s = make_pipe(TS_SCHEDULE_INTERLEAVED,
                               (ts_schedule_shape){ .n_stages = 4, .n_chunks = 3, .n_micro = 4 });
    assert_int_equal(ts_schedule_part(s, (ts_spot){ 1, 2 }), 9);
    ts_schedule_destroy(&s);
    s = make_pipe(TS_SCHEDULE_DUALPIPEV,
                  (ts_schedule_shape){ .n_stages = 4, .n_chunks = 2, .n_micro = 8 });
    for (int64_t r = 0; r < 4; r++) {
        assert_int_equal(ts_schedule_part(s, (ts_spot){ r, 0 }), r);
        assert_int_equal(ts_schedule_part(s, (ts_spot){ r, 1 }), 2 * 4 - 1 - r);
    }
    ts_schedule_destroy(&s);
}

/* ---- each schedule ---- */

static void gpipe(ts_schedule *s)
{
    const int64_t p = s->shape.n_stages, m = s->shape.n_micro;
    expect_sound(s, NULL);
    expect_idle(s, &one_each, 3 * (double)(p - 1));
    for (int64_t r = 0; r < p; r++)
        assert_int_equal(ts_schedule_holds(s, r).units, m);
}

static void one_forward_one_backward(ts_schedule *s)
{
    const ts_schedule_costs costs = { .unit = { [TS_UNIT_FORWARD] = 3, [TS_UNIT_BACKWARD] = 5 } };
    const int64_t p = s->shape.n_stages, m = s->shape.n_micro;
    int64_t most[MOST_STAGES];
    for (int64_t r = 0; r < p; r++) {
        most[r] = p - r;
        assert_int_equal(ts_schedule_holds(s, r).units, least(p - r, m));
        assert_int_equal(warmup_of(s, r), least(p - 1 - r, m - 1));
    }
    expect_sound(s, most);
    expect_idle(s, &costs, (double)(p - 1) * (3 + 5));
}

static void interleaved(ts_schedule *s)
{
    /* the chunk's share of a stage's forward and backward */
    const ts_schedule_costs costs = { .unit = { [TS_UNIT_FORWARD] = 3, [TS_UNIT_BACKWARD] = 5 } };
    const int64_t p = s->shape.n_stages, v = s->shape.n_chunks, m = s->shape.n_micro;
    ts_replay r = replay_of(s, &costs);
    expect_sound(s, NULL);
    assert_int_equal(r.n_messages, p == 1 ? 0 : 2 * m * (p * v - 1));
    for (int64_t i = 0; v > 1 && i < p; i++) {
        const int64_t warmup = 2 * (p - 1 - i) + (v - 1) * p;
        assert_int_equal(warmup_of(s, i), least(warmup, m * v - 1));
        assert_int_equal(ts_schedule_holds(s, i).units, least(warmup + 1, m * v));
    }
    expect_idle(s, &costs, (double)(p - 1) * (3 + 5));
    ts_replay_deinit(&r);
}

static void zero_bubble(ts_schedule *s)
{
    const ts_schedule_costs costs = {
        .unit = { [TS_UNIT_FORWARD] = 5, [TS_UNIT_INPUT_GRAD] = 4, [TS_UNIT_WEIGHT_GRAD] = 3 }
    };
    const int64_t p = s->shape.n_stages, m = s->shape.n_micro;
    int64_t most[MOST_STAGES];
    for (int64_t r = 0; r < p; r++)
        most[r] = p; /* what 1F1B's first stage holds */
    expect_sound(s, most);
    if (m < p)
        return;                                 /* too few weight halves for the gap */
    expect_idle(s, &one_each, (double)(p - 1)); /* 1F1B: three times that */
    expect_idle(s, &costs, (double)(p - 1) * (5 + 4 - 3));
}

static void dualpipev(ts_schedule *s)
{
    const ts_schedule_costs costs = { .unit = { [TS_UNIT_FORWARD] = 5,
                                                [TS_UNIT_BACKWARD] = 9,
                                                [TS_UNIT_INPUT_GRAD] = 5,
                                                [TS_UNIT_WEIGHT_GRAD] = 4 } };
    const int64_t p = s->shape.n_stages;
    int64_t most[MOST_STAGES];
    for (int64_t r = 0; r < p; r++)
        most[r] = 2 * p + 1; /* chunks of half a stage */
    expect_sound(s, most);
    expect_idle(s, &costs, (double)(p - 1) * (s->shape.detaches_weights ? 5 + 5 - 4 : 5 + 5 + 4));
}

static void nanopipe(ts_schedule *s)
{
    const ts_schedule_shape shape = s->shape;
    const double plain = makespan_of(TS_SCHEDULE_INTERLEAVED, shape, &one_each),
                 span = makespan_of(TS_SCHEDULE_NANOPIPE, shape, &one_each);
    expect_sound(s, NULL);
    for (int64_t r = 0; r < shape.n_stages; r++) { /* halves in the cool-down alone */
        const int64_t behind = shape.n_stages - 1 - r, v = shape.n_chunks;
        const int64_t warmup = v == 1 ? behind : 2 * behind + (v - 1) * shape.n_stages;
        assert_int_equal(count(s, r, TS_UNIT_INPUT_GRAD), least(warmup, v * shape.n_micro));
    }
    if (shape.n_stages > 2 && shape.n_micro >= shape.n_stages)
        assert_true(span < plain);
    else
        assert_true(span <= plain);
}

static void schedules_of_all_shapes(void **state)
{
    (void)state;
    const int one_chunk = MOST_STAGES * MOST_MICRO;
    const ts_schedule_shape plain = { 0 }, detached = { .detaches_weights = true };
    assert_int_equal(each_shape(TS_SCHEDULE_GPIPE, plain, gpipe), one_chunk);
    assert_int_equal(each_shape(TS_SCHEDULE_1F1B, plain, one_forward_one_backward), one_chunk);
    assert_int_equal(each_shape(TS_SCHEDULE_ZERO_BUBBLE, plain, zero_bubble), one_chunk);
    /* m >= 2p - 1 for p = 1 .. 8 */
    const int v_shaped = 8 * MOST_MICRO - (0 + 2 + 4 + 6 + 8 + 10 + 12 + 14);
    assert_int_equal(each_shape(TS_SCHEDULE_DUALPIPEV, plain, dualpipev), v_shaped);
    assert_int_equal(each_shape(TS_SCHEDULE_DUALPIPEV, detached, dualpipev), v_shaped);
    /* any m with one chunk, else the multiples of p: 17 + 8 + 5 + 4 + 3 + 2 + 2 + 2 */
    const int in_groups = one_chunk + 3 * 43;
    assert_int_equal(each_shape(TS_SCHEDULE_INTERLEAVED, plain, interleaved), in_groups);
    assert_int_equal(each_shape(TS_SCHEDULE_NANOPIPE, plain, nanopipe), in_groups);
}

/* ---- forwards and backwards that interweave ---- */

static int64_t pairs_of(const ts_schedule *s, int64_t stage)
{
    int64_t n = 0;
    for (int64_t i = 0; i < s->stage[stage].n; i++) {
        const ts_unit *u = &s->stage[stage].v[i];
        assert_true(!u->with_next || (u[0].kind == TS_UNIT_FORWARD && u[1].kind == TS_UNIT_BACKWARD));
        n += u->with_next;
    }
    return n;
}

/* As the schedule without, but that a stage begins one forward more; what is left of them has a backward each. */
static void interwoven(ts_schedule *s)
{
    const int64_t p = s->shape.n_stages, v = s->shape.n_chunks, all = v * s->shape.n_micro;
    expect_sound(s, NULL);
    for (int64_t r = 0; r < p; r++) {
        const int64_t behind = p - 1 - r, begun = least((v == 1 ? behind : 2 * behind + (v - 1) * s->shape.group) + 1, all);
        assert_int_equal(warmup_of(s, r), begun - (begun == all));
        assert_int_equal(pairs_of(s, r), all - begun);
    }
}

static void pairs_wait_for_nobody(void **state)
{
    (void)state;
    const ts_schedule_shape woven = { .interweaves = true };
    const int one_chunk = MOST_STAGES * MOST_MICRO;
    assert_int_equal(each_shape(TS_SCHEDULE_1F1B, woven, interwoven), one_chunk);
    assert_int_equal(each_shape(TS_SCHEDULE_INTERLEAVED, woven, interwoven), one_chunk + 3 * 43);
    for (int64_t group = 2; group < 10; group++)
        each_shape(TS_SCHEDULE_INTERLEAVED, SHAPE(0, 0, 0, .group = group, .interweaves = true), interwoven);

    /* a gradient that the pair's own forward leads to */
    ts_schedule *s = make_pipe(TS_SCHEDULE_1F1B, SHAPE(2, 1, 4, .group = 2));
    assert_int_equal(ts_schedule_check(s, NULL), TS_OK);
    s->stage[0].v[1].with_next = true; /* F1 and B0, which comes of F0 */
    assert_int_equal(ts_schedule_check(s, NULL), TS_OK);
    s->stage[1].v[0].with_next = true; /* F0 and B0 */
    assert_int_equal(ts_schedule_check(s, NULL), TS_ERR_RUN);
    assert_non_null(strstr(ts_error_message(), "for its own forward"));
    ts_schedule_destroy(&s);
}

/* ---- groups of micro-batches ---- */

static void other_groups(void **state)
{
    (void)state;
    ts_schedule_shape shape = { .n_chunks = 3 };
    for (shape.n_stages = 1; shape.n_stages <= 5; shape.n_stages++)
        for (shape.group = shape.n_stages; shape.group < 10; shape.group++)
            for (shape.n_micro = 1; shape.n_micro < 24; shape.n_micro++) {
                const int64_t left = shape.n_micro % shape.group;
                ts_schedule *s;
                if (left && left < shape.n_stages) {
                    assert_int_equal(ts_schedule_create(TS_SCHEDULE_INTERLEAVED, &shape, &s),
                                     TS_ERR_USER);
                    continue;
                }
                s = make_pipe(TS_SCHEDULE_INTERLEAVED, shape);
                expect_sound(s, NULL);
                ts_schedule_destroy(&s);
            }
}

/* The order within groups of three of five micro-batches, on one stage with two chunks. */
static void order_in_groups(void **state)
{
    (void)state;
    static const int micro[] = { 0, 1, 2, 0, 1, 2, 3, 4, 3, 4 },
                     chunk[] = { 0, 0, 0, 1, 1, 1, 0, 0, 1, 1 };
    ts_schedule *s =
        make_pipe(TS_SCHEDULE_INTERLEAVED,
                  (ts_schedule_shape){ .n_stages = 1, .n_chunks = 2, .n_micro = 5, .group = 3 });
    int forwards = 0, backwards = 0;
    for (int64_t i = 0; i < s->stage[0].n; i++) {
        const ts_unit u = s->stage[0].v[i];
        int *n = u.kind == TS_UNIT_FORWARD ? &forwards : &backwards;
        assert_int_equal(u.micro, micro[*n]);
        assert_int_equal(u.chunk, u.kind == TS_UNIT_FORWARD ? chunk[*n] : 1 - chunk[*n]);
        ++*n;
    }
    assert_int_equal(forwards + backwards, 20);
    ts_schedule_destroy(&s);
}

/* ---- DualPipeV's phases ---- */

/* A letter a unit: F forward, B backward, X and W its halves; by the chunk 0 or 1 behind it. */
static void expect_words(const ts_schedule *s, int64_t stage, const char *words)
{
    static const char letter[TS_UNIT_KINDS] = { 'F', 'B', 'X', 'W', 'R' };
    char text[1024];
    size_t n = 0;
    for (int64_t i = 0; i < s->stage[stage].n; i++) {
        const ts_unit u = s->stage[stage].v[i];
        text[n++] = letter[u.kind];
        text[n++] = (char)('0' + u.chunk);
        if (u.with_next)
            text[n++] = '&';
    }
    text[n] = 0;
    assert_string_equal(text, words);
}

#define PAIRS "F0&B1F1&B0"
static void phases_of_dualpipev(void **state)
{
    (void)state;
    ts_schedule *s =
        make_pipe(TS_SCHEDULE_DUALPIPEV,
                  (ts_schedule_shape){
                      .n_stages = 4, .n_chunks = 2, .n_micro = 10, .detaches_weights = true });
    /* the first stage: 6, 1, 3, 6 (each pair one), 6, 1 and (1, 6, 1) */
    expect_words(s, 0,
                 "F0F0F0F0F0F0"
                 "F0F1"
                 "X1W1F1X1W1F1X1W1F1" PAIRS PAIRS PAIRS "B1F1&B0B1F1&B0B1F1&B0"
                 "B1"
                 "X0"
                 "W0X0W0X0W0X0"
                 "W0");
    expect_words(s, 3,
                 "F0F1F0F1F0F1F0F1"
                 "F0B1F1&B0" PAIRS PAIRS PAIRS PAIRS PAIRS "B1B0B1B0"
                 "X1X0X1X0"
                 "W1W0W1W0");
    ts_schedule_destroy(&s);
}

/* ---- messages that take time ---- */

static void late_messages(void **state)
{
    (void)state;
    int faster = 0;
    for (int kind = 0; kind < TS_SCHEDULE_KINDS; kind++)
        for (int64_t p = 2; p <= 4; p++)
            for (int64_t m = 1; m <= 8; m++) {
                const ts_schedule_shape shape = {
                    .n_stages = p, .n_micro = m, .n_chunks = kind == TS_SCHEDULE_DUALPIPEV ? 2 : 1
                };
                ts_schedule *s;
                if (ts_schedule_create((ts_schedule_kind)kind, &shape, &s) != TS_OK)
                    continue;
                for (uint64_t seed = 0; seed < 20; seed++) {
                    ts_schedule_costs costs = one_each;
                    costs.jitter = 3, costs.seed = seed, costs.send = 0.5;
                    ts_replay apart = replay_of(s, &costs);
                    costs.shares_link = true;
                    ts_replay shared = replay_of(s, &costs);
                    faster += apart.makespan < shared.makespan;
                    ts_replay_deinit(&apart);
                    ts_replay_deinit(&shared);
                }
                ts_schedule_destroy(&s);
            }
    assert_true(faster > 100);
}

/* A message adds to each of the p - 1 steps there and back where nothing hides it. */
static void message_of_one_micro_batch(void **state)
{
    (void)state;
    ts_schedule_costs costs = one_each;
    costs.send = 0.25;
    assert_true(makespan_of(TS_SCHEDULE_1F1B,
                            (ts_schedule_shape){ .n_stages = 4, .n_chunks = 1, .n_micro = 1 },
                            &costs) == 4 * 3 + 2 * 3 * 0.25);
}

/* On a link that both directions share, who has ended first goes first, not who has begun first:
 * here the gradient of micro-batch 1, while the first stage is at forward 2 since long. */
static void order_on_a_link(void **state)
{
    (void)state;
    const ts_schedule_costs costs = { .unit = { [TS_UNIT_FORWARD] = 5, [TS_UNIT_BACKWARD] = 1 },
                                      .send = 0.25,
                                      .shares_link = true };
    ts_schedule *s = make_pipe(TS_SCHEDULE_1F1B, SHAPE(2, 1, 3, ));
    ts_replay r = replay_of(s, &costs);
    assert_int_equal(s->stage[0].v[4].kind, TS_UNIT_BACKWARD);
    assert_int_equal(s->stage[0].v[4].micro, 1);
    assert_true(r.stage[0].unit[3].end == 17.5);
    assert_true(r.stage[1].unit[3].end == 17.25);
    assert_true(r.stage[0].unit[4].begin == 17.5);
    assert_true(r.stage[1].unit[4].begin == 17.75);
    ts_replay_deinit(&r);
    ts_schedule_destroy(&s);
}

/* A walk's units come in the order of their ends, of two at once the lower stage's first: what a
 * unit could still change for another lies behind both. */
static void walk_in_order(void **state)
{
    (void)state;
    const ts_schedule_costs costs = { .unit = { [TS_UNIT_FORWARD] = 3,
                                                [TS_UNIT_BACKWARD] = 5,
                                                [TS_UNIT_INPUT_GRAD] = 2,
                                                [TS_UNIT_WEIGHT_GRAD] = 3 },
                                      .send = 1,
                                      .jitter = 4 };
    for (int kind = 0; kind < TS_SCHEDULE_KINDS; kind++) {
        const int64_t v = kind == TS_SCHEDULE_DUALPIPEV ? 2 : 1;
        ts_schedule *s = make_pipe((ts_schedule_kind)kind, SHAPE(8, v, 24, ));
        for (int plain = 0; plain < 2; plain++) {
            ts_walk w;
            ts_walk_event e, last = { .end = -1 };
            assert_int_equal(ts_walk_init(&w, s, plain ? &one_each : &costs, (ts_walk_moves){ 0 }),
                             TS_OK);
            for (; ts_walk_step(&w, &e); last = e)
                assert_true(e.end > last.end || (e.end == last.end && e.stage > last.stage));
            assert_int_equal(ts_walk_finish(&w), TS_OK);
            ts_walk_deinit(&w);
        }
        ts_schedule_destroy(&s);
    }
}

/* ---- shapes that a schedule does not have ---- */

static void expect_refused(ts_schedule_kind kind, ts_schedule_shape shape, const char *word)
{
    ts_schedule *s = NULL;
    assert_int_equal(ts_schedule_create(kind, &shape, &s), TS_ERR_USER);
    assert_null(s);
    if (!strstr(ts_error_message(), word))
        fail_msg("no \"%s\" in: %s", word, ts_error_message());
}

static void shapes_refused(void **state)
{
    (void)state;
    expect_refused(TS_SCHEDULE_1F1B, SHAPE(0, 1, 1, ), "a pipeline of 0 stages");
    expect_refused(TS_SCHEDULE_1F1B, SHAPE(1, 1, 0, ), "0 micro-batches");
    expect_refused(TS_SCHEDULE_1F1B, SHAPE(2, 2, 4, ), "schedule 1f1b: 2 chunks a stage");
    expect_refused(TS_SCHEDULE_DUALPIPEV, SHAPE(2, 1, 4, ), "expected 2");
    expect_refused(TS_SCHEDULE_DUALPIPEV, SHAPE(4, 2, 6, ), "expected at least 7");
    expect_refused(TS_SCHEDULE_INTERLEAVED, SHAPE(4, 2, 6, ), "leave 2");
    expect_refused(TS_SCHEDULE_INTERLEAVED, SHAPE(4, 2, 6, .group = 3), "groups of 3");
    expect_refused(TS_SCHEDULE_NANOPIPE, SHAPE(4, 2, 6, .recompute = TS_AGAIN_BUBBLE),
                   "interleaved");
    expect_refused(TS_SCHEDULE_GPIPE, SHAPE(1 << 12, 1, 1 << 12, ), "at most 4194304 forwards");
    expect_refused(TS_SCHEDULE_GPIPE, SHAPE(1, 1, INT64_MAX, ), "micro-batches");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_of_the_model),
        cmocka_unit_test(schedules_of_all_shapes),
        cmocka_unit_test(pairs_wait_for_nobody),
        cmocka_unit_test(other_groups),
        cmocka_unit_test(order_in_groups),
        cmocka_unit_test(phases_of_dualpipev),
        cmocka_unit_test(late_messages),
        cmocka_unit_test(message_of_one_micro_batch),
        cmocka_unit_test(order_on_a_link),
        cmocka_unit_test(walk_in_order),
        cmocka_unit_test(shapes_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
