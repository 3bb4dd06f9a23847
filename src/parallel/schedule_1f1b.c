#include "parallel/schedule_make.h"

/* GPipe (Huang et al., arXiv 1811.06965): all forwards, then all backwards. The gradients come in
 * the order of micro-batches, as everywhere here, so that sums of them do not depend on the
 * schedule. */
void ts_schedule_make_gpipe(ts_schedule *s)
{
    for (int64_t r = 0; r < s->shape.n_stages; r++) {
        for (int64_t i = 0; i < s->shape.n_micro; i++)
            ts_schedule_add(s, r, TS_UNIT_FORWARD, i, 0);
        for (int64_t i = 0; i < s->shape.n_micro; i++)
            ts_schedule_add(s, r, TS_UNIT_BACKWARD, i, 0);
    }
}

/* One forward, one backward (PipeDream-Flush; Narayanan et al., arXiv 2104.04473): a stage begins
 * as many micro-batches as there are stages behind it, then does a backward for each forward, so
 * that it never holds more than p - r of them. Where it interweaves a forward and a backward it begins one more, and the
 * gradient that its backward waits for comes from the pair of the same number on the stage behind it. */
void ts_schedule_make_1f1b(ts_schedule *s)
{
    const bool pairs = s->shape.interweaves;
    const int64_t p = s->shape.n_stages + pairs, m = s->shape.n_micro;
    for (int64_t r = 0; r < s->shape.n_stages; r++) {
        const int64_t warmup = p - 1 - r < m ? p - 1 - r : m;
        for (int64_t i = 0; i < warmup; i++)
            ts_schedule_add(s, r, TS_UNIT_FORWARD, i, 0);
        for (int64_t i = 0; i < m; i++) {
            if (warmup + i < m) {
                ts_schedule_add(s, r, TS_UNIT_FORWARD, warmup + i, 0);
                s->stage[r].v[s->stage[r].n - 1].with_next = pairs;
            }
            ts_schedule_add(s, r, TS_UNIT_BACKWARD, i, 0);
        }
    }
}
