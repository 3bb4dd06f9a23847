/* What the schedules are made with. A maker fills the lists of an empty schedule whose shape fits. */
#ifndef TS_PARALLEL_SCHEDULE_MAKE_H
#define TS_PARALLEL_SCHEDULE_MAKE_H
#include "base/mem.h"
#include "parallel/schedule.h"

/* An empty schedule, with room for all four units that a micro-batch may have in a chunk. */
ts_status ts_schedule_empty(const ts_schedule_shape *shape, bool is_v,
                            ts_schedule **out) TS_NODISCARD;
void ts_schedule_put(ts_schedule *s, int64_t stage, ts_unit unit);
void ts_schedule_add(ts_schedule *s, int64_t stage, ts_unit_kind kind, int64_t micro,
                     int64_t chunk);

void ts_schedule_make_gpipe(ts_schedule *s);
void ts_schedule_make_1f1b(ts_schedule *s);
void ts_schedule_make_zero_bubble(ts_schedule *s);
void ts_schedule_make_dualpipev(ts_schedule *s);

/* Interleaved: shape->group is set. */
void ts_schedule_make_interleaved(ts_schedule *s);
/* Forwards of a stage before its first backward. */
int64_t ts_schedule_warmup(const ts_schedule_shape *shape, int64_t stage);

/* Puts recomputation into a made schedule, as its shape says. */
ts_status ts_schedule_put_recompute(ts_schedule *s) TS_NODISCARD;
/* Splits the backwards of an interleaved schedule's cool-down and puts their weight halves where
 * the stage would wait. */
ts_status ts_schedule_split_cooldown(ts_schedule *s) TS_NODISCARD;
#endif
