/* A pipeline whose stages hold about the same: layers are shared out unevenly, and of each stage's first layers a part,
 * or all, runs again. A few runs in the simulation say what one layer more, and one that runs again, takes on each
 * stage; of all ways to share out the one with the least time of the slowest stage below a bound of the peak is found
 * by dynamic programming over the stages, and run in the simulation to see that it is so. */
#ifndef TS_PLAN_LEVEL_H
#define TS_PLAN_LEVEL_H
#include "plan/simulate.h"

/* p has begun; fills in p->stage_layers, p->stage_again and what belongs to them. Where the bound of
 * --save-memory-ratio cannot be had it is the lowest that can. */
ts_status ts_level(const ts_job_options *o, const ts_option_set *set, ts_plan *p) TS_NODISCARD;
/* What was chosen, in a line. */
ts_status ts_level_text(const ts_plan *p, ts_str *out) TS_NODISCARD;
#endif
