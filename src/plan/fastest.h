/* A pipeline's micro-batches and the order of its units, chosen by time: each size that divides what a replica has of
 * the batch, in each order that takes any number of them (1f1b, and zero-bubble, which puts weight gradients off), is
 * run in the simulation, and the fastest that fits is taken. A smaller micro-batch leaves stages waiting for less of
 * the step, a larger one multiplies faster; weight gradients that wait fill up the wait and hold memory. */
#ifndef TS_PLAN_FASTEST_H
#define TS_PLAN_FASTEST_H
#include "plan/simulate.h"

/* p has begun; fills in p->order and what belongs to it. Where nothing fits it is the way that takes least. */
ts_status ts_fastest(const ts_job_options *o, const ts_option_set *set, ts_plan *p) TS_NODISCARD;
/* What was chosen, in a line. */
ts_status ts_fastest_text(const ts_plan *p, ts_str *out) TS_NODISCARD;
#endif
