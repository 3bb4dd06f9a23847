#include "parallel/schedule_replay.h"

void ts_replay_deinit(ts_replay *r)
{
    for (int64_t i = 0; r->stage && i < r->n_stages; i++)
        ts_free(&r->stage[i].unit);
    ts_free(&r->stage);
}

static ts_status make_room(const ts_schedule *s, ts_replay *r)
{
    r->n_stages = s->shape.n_stages;
    TS_TRY(ts_alloc(&r->stage, (size_t)r->n_stages, sizeof *r->stage));
    for (int64_t i = 0; i < r->n_stages; i++)
        TS_TRY(ts_alloc(&r->stage[i].unit, (size_t)s->stage[i].n, sizeof(ts_span)));
    return TS_OK;
}

static void run(ts_walk *w, ts_replay *r)
{
    ts_walk_event e;
    while (ts_walk_step(w, &e)) {
        r->stage[e.stage].unit[w->stage[e.stage].next - 1] = (ts_span){ e.begin, e.end };
        r->stage[e.stage].busy += e.end - e.begin;
        r->makespan = e.end > r->makespan ? e.end : r->makespan;
    }
    for (int64_t i = 0; i < r->n_stages; i++)
        r->stage[i].idle = r->makespan - r->stage[i].busy;
    r->n_messages = w->n_messages;
}

ts_status ts_schedule_replay(const ts_schedule *s, const ts_schedule_costs *costs, ts_replay *out)
{
    ts_replay r = { 0 };
    ts_walk w = { 0 };
    ts_status st;
    TS_TRY_TO(done, st, make_room(s, &r));
    TS_TRY_TO(done, st, ts_walk_init(&w, s, costs, (ts_walk_moves){ 0 }));
    run(&w, &r);
    st = ts_walk_finish(&w);
done:
    ts_walk_deinit(&w);
    if (st == TS_OK)
        *out = r;
    else
        ts_replay_deinit(&r);
    return st;
}
