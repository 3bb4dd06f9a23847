/* Schedules of every shape, for the tests of this folder. */
#ifndef TEST_PARALLEL_PIPES_H
#define TEST_PARALLEL_PIPES_H
#include "parallel/schedule_check.h"
#include "parallel/schedule_replay.h"
#include "parallel/schedule_table.h"

/* A forward and each half of a backward take one; running again too. */
static const ts_schedule_costs one_each = {
    .unit = { [TS_UNIT_FORWARD] = 1,
              [TS_UNIT_BACKWARD] = 2,
              [TS_UNIT_INPUT_GRAD] = 1,
              [TS_UNIT_WEIGHT_GRAD] = 1,
              [TS_UNIT_RECOMPUTE] = 1 },
};

static inline ts_schedule *make_pipe(ts_schedule_kind kind, ts_schedule_shape shape)
{
    ts_schedule *s;
    if (ts_schedule_create(kind, &shape, &s) != TS_OK)
        fail_msg("%s", ts_error_message());
    return s;
}

static inline void expect_sound(const ts_schedule *s, const int64_t *most)
{
    if (ts_schedule_check(s, most) != TS_OK)
        fail_msg("%lld stages, %lld chunks, %lld micro-batches: %s", (long long)s->shape.n_stages,
                 (long long)s->shape.n_chunks, (long long)s->shape.n_micro, ts_error_message());
}

/* How many units of a kind a stage has. */
static inline int64_t count(const ts_schedule *s, int64_t stage, ts_unit_kind kind)
{
    int64_t n = 0;
    for (int64_t i = 0; i < s->stage[stage].n; i++)
        n += s->stage[stage].v[i].kind == kind;
    return n;
}

/* Forwards of a stage before its first backward, the one right before it not counted. */
static inline int64_t warmup_of(const ts_schedule *s, int64_t stage)
{
    int64_t n = 0;
    while (s->stage[stage].v[n].kind == TS_UNIT_FORWARD)
        n++;
    return n - 1;
}

static inline ts_replay replay_of(const ts_schedule *s, const ts_schedule_costs *costs)
{
    ts_replay r;
    if (ts_schedule_replay(s, costs, &r) != TS_OK)
        fail_msg("%s", ts_error_message());
    return r;
}

static inline double makespan_of(ts_schedule_kind kind, ts_schedule_shape shape,
                                 const ts_schedule_costs *costs)
{
    ts_schedule *s = make_pipe(kind, shape);
    ts_replay r = replay_of(s, costs);
    const double span = r.makespan;
    ts_replay_deinit(&r);
    ts_schedule_destroy(&s);
    return span;
}

static inline void expect_idle(const ts_schedule *s, const ts_schedule_costs *costs, double idle)
{
    ts_replay r = replay_of(s, costs);
    for (int64_t i = 0; i < s->shape.n_stages; i++)
        if (r.stage[i].idle != idle)
            fail_msg("%lld stages, %lld chunks, %lld micro-batches: stage %lld idles %g, not %g",
                     (long long)s->shape.n_stages, (long long)s->shape.n_chunks,
                     (long long)s->shape.n_micro, (long long)i, r.stage[i].idle, idle);
    ts_replay_deinit(&r);
}
#endif
