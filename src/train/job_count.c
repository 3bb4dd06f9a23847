#include "train/job.h"
#include "train/job_samples.h"

#include <math.h>

/* Steps of so many passes through what is tuned on. */
static ts_status count_epochs(ts_job *j, const ts_data_need *need)
{
    const ts_train_options *o = &j->o->train;
    ts_data_need look = *need;
    ts_tuning_source *s;
    if (!ts_train_counts_epochs(o) || o->skip_train || !ts_tuning_on(&j->o->tuning))
        return TS_OK;
    look.n_train = 1, look.n_valid = look.n_test = 0;
    TS_TRY(ts_job_open_samples(j->o, &j->text, &j->model, j->ramp.full, &look, &s));
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

/* Samples that a part must have, as Megatron counts them: the data's order depends on it. */
ts_status ts_job_count_samples(ts_job *j, ts_data_need *n)
{
    TS_TRY(count_epochs(j, n));
    const ts_train_options *o = &j->o->train;
    int64_t evals = j->train_iters / o->eval_interval + 1;
    n->n_train = o->train_samples;
    if ((!n->n_train && __builtin_mul_overflow(j->train_iters, j->ramp.full, &n->n_train)) ||
        __builtin_mul_overflow(o->eval_iters, j->ramp.full, &n->n_test) ||
        __builtin_mul_overflow(evals, n->n_test, &n->n_valid))
        return ts_error(TS_ERR_USER,
                        "--train-iters %lld (evaluations of --eval-iters %lld) of %lld sequences "
                        "are more samples than can be counted",
                        (long long)j->train_iters, (long long)o->eval_iters,
                        (long long)j->ramp.full);
    return TS_OK;
}
