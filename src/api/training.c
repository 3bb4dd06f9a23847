#include "api/training.h"

#include "api/words.h"
#include "base/log.h"
#include "dist/world.h"
#include "train/together.h"

#include <string.h>

/* A peer that died silently is noticed and named. */
static ts_status start_watchdog(ts_training *t)
{
    if (!t->comm->watch)
        return TS_OK;
    return ts_watchdog_create(t->comm->watch, t->comm->rank, t->comm->size, t->comm->host,
                              t->o.dist.timeout_minutes * 60, NULL, NULL, &t->dog);
}

ts_status ts_training_begin(ts_training *t)
{
    TS_TRY(ts_dist_options_check(&t->o.dist, t->comm));
    TS_TRY(start_watchdog(t));
    TS_TRY(ts_runtime_open(&t->o.runtime, t->comm->local_rank, t->comm->local_size, &t->dev));
    TS_TRY(ts_job_open(&t->o, t->set, t->dev, t->comm, true, &t->job));
    if (t->comm->rank == 0)
        ts_job_warn_alone(&t->o, t->set, t->comm->size);
    t->is_open = true;
    return TS_OK;
}

void ts_training_end(ts_training *t)
{
    if (t->is_open)
        ts_job_close(&t->job);
    t->is_open = false;
    ts_device_close(&t->dev);
    ts_watchdog_destroy(&t->dog);
}

static void free_all(ts_training **t, bool failed_alone)
{
    ts_training_end(*t);
    ts_comm_finish(&(*t)->comm, failed_alone);
    ts_option_set_destroy(&(*t)->set);
    ts_free(t);
}

ts_status ts_training_open(const char *const *options, size_t n, ts_training **out)
{
    ts_option_table tables[TS_JOB_TABLES];
    ts_training *t;
    TS_NEED(out);
    TS_TRY(ts_alloc(&t, 1, sizeof *t));
    ts_job_tables(&t->o, tables);
    ts_status st = ts_words_parse(tables, TS_JOB_TABLES, options, n, &t->set);
    if (st == TS_OK)
        st = ts_comm_world(&t->comm);
    if (st == TS_OK)
        st = ts_training_begin(t);
    if (st == TS_OK)
        *out = t;
    else
        free_all(&t, st != TS_ERR_USER);
    return st;
}

void ts_training_close(ts_training **t)
{
    if (t && *t)
        free_all(t, (*t)->status != TS_OK && (*t)->status != TS_ERR_USER);
}

/* After a failure nothing is known of weights and peers. */
static ts_status check_usable(const ts_training *t, const char *function)
{
    return t->status == TS_OK || t->status == TS_ERR_USER
               ? TS_OK
               : ts_error(TS_ERR_USER, "%s: this training failed before; close it", function);
}

ts_status ts_training_run(ts_training *t, ts_train_hook *hook, void *ctx)
{
    const ts_job_hooks hooks = { .step = hook, .ctx = ctx };
    TS_NEED(t);
    TS_TRY(check_usable(t, __func__));
    return t->status = ts_job_run(&t->job, &hooks);
}

ts_status ts_training_save_hf(ts_training *t, const char *folder, const char *dtype)
{
    TS_NEED(t);
    TS_NEED(folder);
    TS_TRY(check_usable(t, __func__));
    const int type =
        dtype ? ts_option_choice(TS_CHOICES(TS_SAVE_HF_DTYPES), dtype) : TS_SAVE_HF_AUTO;
    if (type < 0)
        return ts_error(TS_ERR_USER,
                        "ts_training_save_hf: dtype %s: expected fp32, bf16, fp16 or auto", dtype);
    const ts_weights_source source = ts_model_source(&t->job.model);
    ts_status st = ts_weights_may_save(folder, "ts_training_save_hf: folder");
    if (st == TS_OK)
        st = ts_weights_check(&source);
    TS_TRY(ts_comm_agree(t->comm, st));
    return t->status = ts_job_save_hf(&t->job, folder, (ts_save_hf_dtype)type);
}

int64_t ts_training_iteration(const ts_training *t) { return t ? t->job.trainer->iteration : 0; }
int64_t ts_training_iterations(const ts_training *t) { return t ? t->job.train_iters : 0; }

int64_t ts_training_parameters(const ts_training *t)
{
    return t ? ts_decoder_parameters(t->job.model.decoder) : 0;
}

int64_t ts_training_global_batch(const ts_training *t) { return t ? t->job.trainer->feed.global : 0; }
int ts_training_rank(const ts_training *t) { return t ? t->comm->rank : 0; }
int ts_training_processes(const ts_training *t) { return t ? t->comm->size : 0; }
