/* Where a task's examples come from. */
#ifndef TS_EVAL_EXAMPLES_H
#define TS_EVAL_EXAMPLES_H
#include "eval/records.h"

/* Those that stand in the task itself, copied. */
ts_status ts_eval_examples_listed(const char *task, const json_t *samples, ts_eval_records *out) TS_NODISCARD;
/* A file of records; or a text as BIG-Bench Hard's prompts are written (.txt): behind a line of dashes a description,
 * then questions ("Q: ") and answers ("A: ") in turn. Its records have "description", "input", "answer" and "target",
 * which the task's "fewshot_answer" (a regular expression) takes out of the answer. */
ts_status ts_eval_examples_read(const json_t *def, const char *path, ts_eval_records *out) TS_NODISCARD;
#endif
