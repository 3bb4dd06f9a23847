/* What was judged so far, beside the file that is to be made: FILE.part, a line a sample behind a first one that says
 * what run it is of. A run that was cut off finds it and goes on. */
#ifndef TS_EVAL_PARTIAL_H
#define TS_EVAL_PARTIAL_H
#include "eval/unit.h"

typedef struct ts_eval_partial {
    ts_str path; /* empty: nothing is kept */
    int fd;
} ts_eval_partial;

/* run: what a run that goes on must have the same of. What is there of the same run is placed into u, a last line that
 * was cut off left out; of another run: TS_ERR_USER. output NULL: nothing is kept. */
ts_status ts_eval_partial_open(const char *output, const json_t *run, ts_eval_units *u,
                               ts_eval_partial *out) TS_NODISCARD;
/* Whole lines, at once. */
ts_status ts_eval_partial_add(ts_eval_partial *p, const char *lines, size_t n) TS_NODISCARD;
/* The file itself is there: the part goes. */
ts_status ts_eval_partial_remove(ts_eval_partial *p) TS_NODISCARD;
void ts_eval_partial_close(ts_eval_partial *p);
#endif
