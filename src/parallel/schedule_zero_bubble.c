#include "parallel/schedule_make.h"

/* ZB-H1 (Qi et al., "Zero Bubble Pipeline Parallelism", arXiv 2401.10241): 1F1B with the backward
 * in its two halves. The stage before waits for the input half alone, and stage r puts its weight
 * halves off by r micro-batches, which fill the idle time at the end. No stage holds more than p
 * micro-batches: what 1F1B's first one does. */
void ts_schedule_make_zero_bubble(ts_schedule *s)
{
    const int64_t p = s->shape.n_stages, m = s->shape.n_micro;
    for (int64_t r = 0; r < p; r++) {
        const int64_t warmup = p - 1 - r < m ? p - 1 - r : m, late = r < m ? r : m;
        for (int64_t i = 0; i < warmup; i++)
            ts_schedule_add(s, r, TS_UNIT_FORWARD, i, 0);
        for (int64_t i = 0; i < m; i++) {
            if (warmup + i < m)
                ts_schedule_add(s, r, TS_UNIT_FORWARD, warmup + i, 0);
            ts_schedule_add(s, r, TS_UNIT_INPUT_GRAD, i, 0);
            if (i >= late)
                ts_schedule_add(s, r, TS_UNIT_WEIGHT_GRAD, i - late, 0);
        }
        for (int64_t i = m - late; i < m; i++)
            ts_schedule_add(s, r, TS_UNIT_WEIGHT_GRAD, i, 0);
    }
}
