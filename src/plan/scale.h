/* One job on growing numbers of processes. */
#ifndef TS_PLAN_SCALE_H
#define TS_PLAN_SCALE_H
#include "plan/simulate.h"

/* A table with a row for each of the world sizes (p->scale, numbers apart by commas or blanks): the batch
 * grows with what shares it out, so each process has the same work. Its columns: processes, those that share
 * out the batch, the batch, memory of the largest process, a step, tokens per second, utilisation of the
 * data sheet's peak where the hardware says it, and linearity: tokens per second and process beside the
 * first row's. A world in which the layout cannot be has a row that says why. json: an array of the same. */
ts_status ts_plan_scale(const ts_job_options *o, const ts_option_set *set, const ts_plan_options *p,
                        ts_str *out) TS_NODISCARD;
#endif
