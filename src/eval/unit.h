/* A subject of a task (or a task without subjects): its samples, and what became of each. */
#ifndef TS_EVAL_UNIT_H
#define TS_EVAL_UNIT_H
#include "eval/answer.h"
#include "eval/options.h"
#include "eval/records.h"

typedef struct ts_eval_unit {
    const ts_eval_task *task;
    const ts_eval_judging *judging;
    char *subject; /* NULL: the task has none */
    ts_eval_records records;
    ts_eval_sample *sample; /* [n] */
    json_t **line;          /* [n] of the file of samples; NULL: not judged yet */
    size_t n;
} ts_eval_unit;

typedef struct ts_eval_units {
    ts_eval_unit *v; /* [n] */
    size_t n, cap;
} ts_eval_units;

/* Adds a task's subjects. Files that are not there, records that do not fit and too few examples are TS_ERR_USER. */
ts_status ts_eval_units_add(ts_eval_units *u, const ts_eval_options *o, const ts_eval_style *style,
                            const ts_eval_task *t, const ts_eval_judging *j) TS_NODISCARD;
void ts_eval_units_deinit(ts_eval_units *u);
/* The beginning of a sample's line: task, subject, index, prompt (json_decref). */
ts_status ts_eval_line_begin(const ts_eval_unit *u, size_t i, json_t **out) TS_NODISCARD;
/* Puts a line (taken over) where it belongs; one of no sample, or of one that has its line, is dropped. */
void ts_eval_line_place(ts_eval_units *u, json_t *line);
/* All lines that there are, in the order of tasks, subjects and records, appended. */
ts_status ts_eval_lines_write(const ts_eval_units *u, ts_str *out) TS_NODISCARD;
#endif
