/* A timeline as a process of a trace: a thread for steps, for units, for modules, for kernels, for copies and for
 * waits, and for each group's calls as many as are under way at once. A planned step and a real one have the
 * same names. */
#ifndef TS_BASE_TIMELINE_TRACE_H
#define TS_BASE_TIMELINE_TRACE_H
#include "base/timeline.h"
#include "base/trace.h"

/* Adds all of it, as process `pid` of this name; times are those of the clock less the origin, in whole
 * nanoseconds. TS_ERR_NOMEM, or what the trace failed with. */
ts_status ts_timeline_trace(const ts_timeline *t, int64_t pid, const char *name, ts_trace *to) TS_NODISCARD;
#endif
