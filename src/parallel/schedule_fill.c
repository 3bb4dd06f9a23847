#include "parallel/schedule_fill.h"

#include "parallel/schedule_make.h"
#include "parallel/schedule_walk.h"

static ts_status fill(ts_schedule *s, ts_walk_moves moves)
{
    const ts_schedule_costs unit_costs = {
        .unit = { [TS_UNIT_FORWARD] = 1,
                  [TS_UNIT_BACKWARD] = 2,
                  [TS_UNIT_INPUT_GRAD] = 1,
                  [TS_UNIT_WEIGHT_GRAD] = 1,
                  [TS_UNIT_RECOMPUTE] = 1 },
    };
    ts_schedule *filled;
    ts_walk w = { 0 };
    ts_walk_event e;
    ts_status st;
    TS_TRY(ts_schedule_empty(&s->shape, s->is_v, &filled));
    TS_TRY_TO(done, st, ts_walk_init(&w, s, &unit_costs, moves));
    while (ts_walk_step(&w, &e))
        ts_schedule_put(filled, e.stage, e.unit);
    TS_TRY_TO(done, st, ts_walk_finish(&w));
    for (int64_t r = 0; r < s->shape.n_stages; r++) {
        const ts_unit_list old = s->stage[r];
        s->stage[r] = filled->stage[r];
        filled->stage[r] = old;
    }
done:
    ts_walk_deinit(&w);
    ts_schedule_destroy(&filled);
    return st;
}

ts_status ts_schedule_fill_weights(ts_schedule *s)
{
    return fill(s, (ts_walk_moves){ .weight_halves = true });
}

ts_status ts_schedule_fill_recompute(ts_schedule *s, int64_t most_held)
{
    return fill(s, (ts_walk_moves){ .recompute_held = most_held });
}
