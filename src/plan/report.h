/* A plan for people, and as JSON. */
#ifndef TS_PLAN_REPORT_H
#define TS_PLAN_REPORT_H
#include "plan/simulate.h"

/* The table of docs/plan.md. */
ts_status ts_plan_table(const ts_plan *p, ts_str *out) TS_NODISCARD;
/* Bytes that are neither weights, gradients, moments nor activations, at the peak. */
int64_t ts_plan_buffers(const ts_mem_ledger *m);
/* One object: ranks, step_seconds, tokens_per_second, bubble, hardware; a line feed at the end. */
ts_status ts_plan_json(const ts_plan *p, ts_str *out) TS_NODISCARD;
#endif
