/* A schedule with costs: when each unit begins and ends, and what is idle. */
#ifndef TS_PARALLEL_SCHEDULE_REPLAY_H
#define TS_PARALLEL_SCHEDULE_REPLAY_H
#include "parallel/schedule_walk.h"

typedef struct ts_span {
    double begin, end;
} ts_span;

typedef struct ts_replay_stage {
    ts_span *unit;     /* [units of the stage's list] */
    double busy, idle; /* together the makespan */
} ts_replay_stage;

typedef struct ts_replay {
    double makespan;
    int64_t n_messages; /* between stages, both directions */
    int64_t n_stages;
    ts_replay_stage *stage; /* [n_stages] */
} ts_replay;

/* TS_ERR_RUN where the schedule comes to no end (as ts_schedule_check says it). The result is
 * released by ts_replay_deinit. */
ts_status ts_schedule_replay(const ts_schedule *s, const ts_schedule_costs *costs,
                             ts_replay *out) TS_NODISCARD;
void ts_replay_deinit(ts_replay *r);
#endif
