/* The schedules by name. */
#ifndef TS_PARALLEL_SCHEDULE_TABLE_H
#define TS_PARALLEL_SCHEDULE_TABLE_H
#include "parallel/schedule.h"

#define TS_SCHEDULES(W)                                                                            \
    W(TS_SCHEDULE_1F1B, "1f1b")                                                                    \
    W(TS_SCHEDULE_GPIPE, "gpipe")                                                                  \
    W(TS_SCHEDULE_INTERLEAVED, "interleaved")                                                      \
    W(TS_SCHEDULE_ZERO_BUBBLE, "zero-bubble")                                                      \
    W(TS_SCHEDULE_DUALPIPEV, "dualpipev")                                                          \
    W(TS_SCHEDULE_NANOPIPE, "nanopipe")
typedef enum ts_schedule_kind { TS_SCHEDULES(TS_CHOICE_VALUE) TS_SCHEDULE_KINDS } ts_schedule_kind;

/* Whether the schedule has such a shape: TS_ERR_USER, in the words of the options, if not. */
ts_status ts_schedule_fits(ts_schedule_kind kind, const ts_schedule_shape *shape) TS_NODISCARD;
/* TS_ERR_USER, in the words of the options, where the schedule has no such shape. The caller
 * destroys the result (ts_schedule_destroy). */
ts_status ts_schedule_create(ts_schedule_kind kind, const ts_schedule_shape *shape,
                             ts_schedule **out) TS_NODISCARD;
#endif
