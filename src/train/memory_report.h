/* --memory-report: what has grown between two steps of a run. */
#ifndef TS_TRAIN_MEMORY_REPORT_H
#define TS_TRAIN_MEMORY_REPORT_H
#include "train/job.h"

/* Whether this process says it. */
bool ts_memory_report_speaks(const ts_job *j);
/* After the step `iteration`: takes down what is held behind the first of the two, and logs what has grown behind
 * the second. first: the caller's, empty at the beginning, released by ts_holder_list_deinit. A report that cannot be
 * made is told and ends nothing. */
void ts_memory_report_step(const ts_job *j, int64_t iteration, ts_holder_list *first);
/* Logs what the highest moment of the run was made of. plan: the same list of the plan, NULL: there is none. */
void ts_memory_report_peak(const ts_job *j, const ts_holder_list *plan);
#endif
