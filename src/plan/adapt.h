/* What each layer keeps for its backward pass, runs again or leaves in the second memory, chosen before a job runs:
 * all sizes and times are the simulation's, so nothing has to be profiled. For each kind of layer of a stage each way
 * is run in the simulation; the front of all combinations (plan/choose.h) is then run from its fastest end on, until
 * one stays within the limit. So a larger limit never takes more time. --smart-swap without a limit takes the point
 * that holds least of those whose copies hide. */
#ifndef TS_PLAN_ADAPT_H
#define TS_PLAN_ADAPT_H
#include "base/json.h"
#include "plan/simulate.h"

static inline bool ts_adapts(const ts_train_options *o)
{
    return o->adapts || o->adapts_with_swap || o->smart_swap || o->adapt_mb >= 0;
}

/* p has begun; fills in p->chosen and what belongs to it. A limit that nothing stays within is TS_ERR_USER that
 * names the least that would do. */
ts_status ts_adapt(const ts_job_options *o, const ts_option_set *set, ts_plan *p) TS_NODISCARD;
/* What was chosen, a line for neighbours that are alike. */
ts_status ts_adapt_text(const ts_plan *p, ts_str *out) TS_NODISCARD;
/* The same as a list; NULL: there is no memory for it. */
json_t *ts_adapt_json(const ts_plan *p);
#endif
