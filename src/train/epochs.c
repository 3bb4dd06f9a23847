#include "train/job.h"

#include <math.h>

ts_status ts_job_count_epochs(ts_job *j, const ts_tuning_data *t, const ts_data_need *need)
{
    const ts_train_options *o = &j->o->train;
    ts_data_need look = *need;
    ts_tuning_source *s;
    if (!ts_train_counts_epochs(o) || o->skip_train)
        return TS_OK;
    look.n_train = 1, look.n_valid = look.n_test = 0;
    TS_TRY(ts_tuning_source_create(t, &j->o->data, &look, &s));
    const double samples = o->epochs * (double)ts_tuning_source_samples(s, TS_DATA_TRAIN),
                 steps = ceil(samples / (double)j->ramp.full);
    ts_tuning_source_destroy(&s);
    if (steps > 1e15)
        return ts_error(TS_ERR_USER, "--num-train-epochs %g: these are more steps than can be counted", o->epochs);
    j->counted = *j->o;
    j->counted.train.train_iters = j->train_iters = (int64_t)steps;
    j->o = &j->counted;
    return ts_train_options_check(&j->o->train, j->mesh->size[TS_MESH_DP]);
}
