#include "parallel/schedule_fill.h"
#include "parallel/schedule_make.h"

/* MindSpeed's nano-pipe: an interleaved schedule whose cool-down hands on input gradients at once
 * and does the weight halves, oldest first, where a stage would wait; what is left comes at the end.
 * Each chunk's gradients are still summed in order. */

/* The cool-down: as many backwards as there were forwards before the first one. */
static void split_last(ts_schedule *s, int64_t stage)
{
    ts_unit_list *list = &s->stage[stage];
    for (int64_t i = list->n - ts_schedule_warmup(&s->shape, stage); i < list->n; i++)
        list->v[i].kind = TS_UNIT_INPUT_GRAD;
}

ts_status ts_schedule_split_cooldown(ts_schedule *s)
{
    for (int64_t r = 0; r < s->shape.n_stages; r++)
        split_last(s, r);
    return ts_schedule_fill_weights(s);
}
