/* A training job with all that it runs on, for the public functions and the command. */
#ifndef TS_API_TRAINING_H
#define TS_API_TRAINING_H
#include "dist/watchdog.h"
#include "train/job.h"

struct ts_training {
    ts_job_options o;
    ts_option_set *set;
    ts_comm *comm;
    ts_watchdog *dog;
    ts_device *dev;
    ts_job job;
    bool is_open;     /* the job */
    ts_status status; /* of what was done last */
};

/* With options, set and comm in place: opens the rest. Whatever it returns, ts_training_end. */
ts_status ts_training_begin(ts_training *t) TS_NODISCARD;
/* All but comm and set. */
void ts_training_end(ts_training *t);
#endif
