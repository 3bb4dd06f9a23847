#include "parallel/schedule_make.h"
#include "parallel/schedule_walk.h"

/* MindSpeed's nano-pipe: an interleaved schedule whose cool-down hands on input gradients at once
 * and does the weight halves, oldest first, where a stage would wait; what is left comes at the end.
 * Where it would wait is decided beforehand, with a forward and each half taking one unit of time,
 * so that the list is data like any other and each chunk's gradients are summed in order. */

/* The cool-down: as many backwards as there were forwards before the first one. */
static void split_last(ts_schedule *s, int64_t stage)
{
    ts_unit_list *list = &s->stage[stage];
    for (int64_t i = list->n - ts_schedule_warmup(&s->shape, stage); i < list->n; i++)
        list->v[i].kind = TS_UNIT_INPUT_GRAD;
}

ts_status ts_schedule_split_cooldown(ts_schedule *s)
{
    const ts_schedule_costs unit_costs = {
        .unit = { [TS_UNIT_FORWARD] = 1,
                  [TS_UNIT_BACKWARD] = 2,
                  [TS_UNIT_INPUT_GRAD] = 1,
                  [TS_UNIT_WEIGHT_GRAD] = 1 },
    };
    ts_schedule *filled;
    ts_walk w = { 0 };
    ts_walk_event e;
    ts_status st;
    TS_TRY(ts_schedule_empty(&s->shape, s->is_v, &filled));
    for (int64_t r = 0; r < s->shape.n_stages; r++)
        split_last(s, r);
    TS_TRY_TO(done, st, ts_walk_init(&w, s, &unit_costs, true));
    while (ts_walk_step(&w, &e))
        ts_schedule_add(filled, e.stage, e.unit.kind, e.unit.micro, e.unit.chunk);
    TS_TRY_TO(done, st, ts_walk_finish(&w));
    for (int64_t r = 0; r < s->shape.n_stages; r++) {
        ts_unit_list old = s->stage[r];
        s->stage[r] = filled->stage[r];
        filled->stage[r] = old;
    }
done:
    ts_walk_deinit(&w);
    ts_schedule_destroy(&filled);
    return st;
}
