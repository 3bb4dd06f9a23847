/* Shares and standard errors of what was judged. */
#ifndef TS_EVAL_RESULTS_H
#define TS_EVAL_RESULTS_H
#include "eval/unit.h"

/* {"tasks": {TASK: {"count", METRIC, METRIC_stderr, "groups"?, "subjects"?}}} (json_decref); every sample has its line.
 * A mean's standard error is the sample's standard deviation / sqrt(n). Of several subjects the mean is that of all
 * samples, and the error pooled: sqrt(sum_i (n_i - 1) n_i e_i^2 / (sum n_i - subjects) / sum n_i), as
 * lm-evaluation-harness weighs by size. An error that one sample has not is null. */
ts_status ts_eval_results(const ts_eval_units *u, json_t **out) TS_NODISCARD;
#endif
