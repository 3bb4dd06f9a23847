/* What a job asks of its options and folders before it opens anything. */
#ifndef TS_TRAIN_JOB_CHECK_H
#define TS_TRAIN_JOB_CHECK_H
#include "train/job.h"

/* What the options are together, and with the mesh and the device; fills the job's ramp and how sequences are
 * shared out. TS_ERR_USER names the options. */
ts_status ts_job_check_options(ts_job *j, bool with_data) TS_NODISCARD;
/* What one run has saved no other may write over unasked: a restart that forgets --load, or loads something
 * else (TS_ERR_USER). Going on from where an earlier checkpoint stands is what someone set back: a warning. */
ts_status ts_job_check_target(const ts_job *j) TS_NODISCARD;
#endif
