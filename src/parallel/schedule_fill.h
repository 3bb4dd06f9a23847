/* Work that nobody waits for, put where a stage would wait. Decided beforehand, with a forward, each
 * half of a backward and running again taking one unit of time, so that the list is data like any
 * other. */
#ifndef TS_PARALLEL_SCHEDULE_FILL_H
#define TS_PARALLEL_SCHEDULE_FILL_H
#include "parallel/schedule.h"

/* Adds the weight halves of the input gradients, of which the lists have none: the oldest first, the
 * rest at the end. */
ts_status ts_schedule_fill_weights(ts_schedule *s) TS_NODISCARD;
/* Moves recomputation forward, where the stage then holds no more than so many units. */
ts_status ts_schedule_fill_recompute(ts_schedule *s, int64_t most_held) TS_NODISCARD;
#endif
