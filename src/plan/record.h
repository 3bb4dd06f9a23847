/* What a planned step does, taken down. */
#ifndef TS_PLAN_RECORD_H
#define TS_PLAN_RECORD_H
#include "parallel/schedule_replay.h"
#include "train/job.h"

/* Runs a step of all micro-batches of a job on sim, by whose clock it takes it down. More than can be drawn is
 * TS_ERR_USER. */
ts_status ts_plan_record(ts_job *job, ts_timeline *out) TS_NODISCARD;
/* Moves what a stage did to when the replay has its units, and what comes behind them to the end of a step that
 * takes `length` seconds; where it waits for another stage, it says so. */
ts_status ts_plan_place(ts_timeline *t, const ts_replay *r, int stage, double length) TS_NODISCARD;
#endif
