/* What a training command's options, each good alone, are together. */
#ifndef TS_TRAIN_TOGETHER_H
#define TS_TRAIN_TOGETHER_H
#include "dist/comm.h"
#include "train/job_options.h"

/* Contradictions: TS_ERR_USER that names both sides. */
ts_status ts_job_check_together(const ts_job_options *o, const ts_option_set *set) TS_NODISCARD;
/* Whether all processes of the job have rank 0's options, but for those of a host (paths, threads, ...):
 * TS_ERR_USER on all that names one that differs. Collective. */
ts_status ts_job_check_alike(const ts_option_set *set, ts_comm *comm) TS_NODISCARD;
/* Warns of options that have no effect without a partner that is not there, naming it. dp:
 * processes. */
void ts_job_warn_alone(const ts_job_options *o, const ts_option_set *set, int dp);
#endif
