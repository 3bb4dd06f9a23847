/* A job's sizes held against the rules of layouts (parallel/rules.h), before a weight is read. */
#ifndef TS_TRAIN_LAYOUT_H
#define TS_TRAIN_LAYOUT_H
#include "model/arch.h"
#include "train/job_options.h"

/* Of `world` processes. What --load or the options describe is read for it, its weights are not; a
 * description that cannot be read leaves the rules about the model out, and whoever opens it says
 * why. The same on every rank that sees the same files. */
ts_status ts_job_check_layout(const ts_job_options *o, const ts_option_set *set,
                              int64_t world) TS_NODISCARD;
/* The same of a model that is known. */
ts_status ts_job_check_layout_of(const ts_job_options *o, const ts_arch *a,
                                 int64_t world) TS_NODISCARD;
#endif
