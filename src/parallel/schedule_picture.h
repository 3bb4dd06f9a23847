/* A replayed schedule to look at. Both append a whole file; on failure `out` is to be thrown away.
 * A picture of more than TS_SCHEDULE_MOST_DRAWN units is refused (TS_ERR_USER). */
#ifndef TS_PARALLEL_SCHEDULE_PICTURE_H
#define TS_PARALLEL_SCHEDULE_PICTURE_H
#include "base/str.h"
#include "parallel/schedule_replay.h"

enum { TS_SCHEDULE_MOST_DRAWN = 200000 };

/* SVG 1.1 that needs nothing else: a row a stage, a box a unit with the number of its micro-batch,
 * coloured by kind, paler by chunk. `title` stands above. */
ts_status ts_schedule_svg(const ts_schedule *s, const ts_replay *r, const char *title,
                          ts_str *out) TS_NODISCARD;

/* Chrome's trace-event JSON, which Perfetto (ui.perfetto.dev) opens: a thread a stage. One unit of
 * time is a millisecond there. */
ts_status ts_schedule_trace(const ts_schedule *s, const ts_replay *r, const char *title,
                            ts_str *out) TS_NODISCARD;
#endif
