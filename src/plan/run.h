/* A plan of a job, with what is left to be chosen chosen. */
#ifndef TS_PLAN_RUN_H
#define TS_PLAN_RUN_H
#include "plan/simulate.h"

/* Whether something is: what layers keep (plan/adapt.h), which layers stages have (plan/level.h). */
bool ts_plan_chooses(const ts_job_options *o);
/* p has begun. What was chosen is in p: it explains itself in words, and the options take it on. */
ts_status ts_plan_choose(const ts_job_options *o, const ts_option_set *set, ts_plan *p) TS_NODISCARD;
ts_status ts_plan_choice_text(const ts_plan *p, ts_str *out) TS_NODISCARD;
/* o borrows of p. */
void ts_plan_apply(const ts_plan *p, ts_job_options *o);

/* The options are pretrain's; no data file is looked at, and of --load only the description. *out is
 * released by ts_plan_deinit, after a failure too. */
ts_status ts_plan_run(const ts_job_options *o, const ts_option_set *set, const ts_plan_options *p,
                      ts_plan *out) TS_NODISCARD;
#endif
