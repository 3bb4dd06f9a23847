/* Benchmarks of a model: tasks, their records and prompts, what the model says, and how it is judged. */
#ifndef TS_EVAL_RUN_H
#define TS_EVAL_RUN_H
#include "dist/comm.h"
#include "eval/options.h"

/* All tasks. *report: {"tasks": {TASK: {"count", METRIC: share, METRIC_stderr, ...}}}, the same on every process
 * (json_decref). Every process of comm calls; samples are dealt to them. Files and options are looked at before the model
 * is asked anything; with --output, what was judged so far is kept in OUTPUT.part, from which a run that was cut off goes
 * on. */
ts_status ts_eval_run(const ts_eval_options *o, const ts_eval_model *m, ts_comm *comm,
                      json_t **report) TS_NODISCARD;
#endif
