/* A training job with all that it runs on, for the public functions and the command. */
#ifndef TS_API_TRAINING_H
#define TS_API_TRAINING_H
#include "dist/watchdog.h"
#include "plan/simulate.h"

struct ts_training {
    ts_job_options o;
    ts_option_set *set;
    ts_comm *comm;
    ts_watchdog *dog;
    ts_device *dev;
    ts_plan choice; /* what was to be chosen beforehand, which o borrows of; the rest of it is not filled in */
    ts_job job;
    bool is_open;     /* the job */
    ts_status status; /* of what was done last */
};

/* The options of a plan of the same job. */
void ts_training_plan(const ts_training *t, ts_job_options *o, ts_plan_options *p);
/* With options, set and comm in place: opens the rest. Whatever it returns, ts_training_end. */
ts_status ts_training_begin(ts_training *t) TS_NODISCARD;
/* All but comm and set. */
void ts_training_end(ts_training *t);
#endif
