/* How answers are judged: log-likelihoods of choices, or generated texts that filters take something out of. */
#ifndef TS_EVAL_ANSWER_H
#define TS_EVAL_ANSWER_H
#include "eval/python.h"
#include "eval/sample.h"

typedef struct ts_eval_judging ts_eval_judging;

/* The task is borrowed. python: who runs programs; NULL where the task has none. Filters and metrics that are not known
 * here are TS_ERR_USER. */
ts_status ts_eval_judging_create(const ts_eval_task *t, const ts_python *python,
                                 ts_eval_judging **out) TS_NODISCARD;
void ts_eval_judging_destroy(ts_eval_judging **j);

/* Fills in what a sample's line says of its judgement: "loglikelihoods" and "correct" {"acc": 0 or 1, ...}.
 * tokens: of each choice. */
ts_status ts_eval_judge_choices(const ts_eval_judging *j, const ts_eval_sample *s,
                                const double *loglikelihoods, const int64_t *tokens,
                                json_t *line) TS_NODISCARD;
/* "generated", "extracted" {FILTER: text} and "correct" {FILTER or METRIC: 0 or 1}. record: the sample's. */
ts_status ts_eval_judge_text(const ts_eval_judging *j, const ts_eval_sample *s, const json_t *record,
                             const char *place, const char *text, size_t n, json_t *line) TS_NODISCARD;
#endif
