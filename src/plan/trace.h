/* A planned step as a trace, beside the real one of --profile: the same tracks and names (base/timeline_trace.h). */
#ifndef TS_PLAN_TRACE_H
#define TS_PLAN_TRACE_H
#include "plan/simulate.h"

/* Writes the file, which --trace names: a process for each rank that was simulated. The plan was made with its
 * `trace`. */
ts_status ts_plan_write_trace(const ts_plan *p, const char *path) TS_NODISCARD;
#endif
