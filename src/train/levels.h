/* --optimization-level: what a run may use of what makes it faster. */
#ifndef TS_TRAIN_LEVELS_H
#define TS_TRAIN_LEVELS_H
#include "train/job_options.h"

/* Options of a higher level than the chosen one are refused by name (TS_ERR_USER). */
ts_status ts_job_check_level(const ts_job_options *o, const ts_option_set *set) TS_NODISCARD;
#endif
