/* Inside of a job that compares answers (job.c). */
#ifndef TS_TRAIN_JOB_PREFER_H
#define TS_TRAIN_JOB_PREFER_H
#include "train/job.h"

ts_prefer_rules ts_job_prefer_rules(const ts_job *j);
/* Whether what the reference finds is kept, for all samples. */
bool ts_job_keeps_reference(const ts_job *j);
/* Opens what its stage compares with, if anything, as the model is used; ck: what it goes on from, or NULL. The model
 * is there. TS_ERR_USER: there is none, or none that fits. */
ts_status ts_job_open_reference(ts_job *j, const ts_checkpoint *ck, const ts_model_use *model_use) TS_NODISCARD;
/* Makes its objective of the language model's, which is made. */
ts_objective *ts_job_compare(ts_job *j);
/* With --precompute-ref-log-probs, before the first step: the reference looks at all samples, and is let go. Collective. */
ts_status ts_job_look_ahead(ts_job *j) TS_NODISCARD;
#endif
