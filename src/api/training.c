#include "api/training.h"

#include "api/words.h"
#include "base/log.h"
#include "dist/world.h"
#include "plan/run.h"
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

void ts_training_plan(const ts_training *t, ts_job_options *o, ts_plan_options *p)
{
    *p = (ts_plan_options){ .world_size = t->comm->size };
    *o = t->o;
    o->dist.nnodes = o->dist.worker_num = 0;
    o->dist.nproc_per_node = t->comm->local_size;
}

/* On rank 0, which tells the others: hosts may be unlike, but groups of processes run the same again. */
static ts_status choose(ts_training *t)
{
    ts_job_options o;
    ts_plan_options p;
    ts_str text = { 0 };
    ts_training_plan(t, &o, &p);
    ts_status st = ts_plan_begin(&o, &p, &t->choice);
    if (st == TS_OK)
        st = ts_plan_choose(&o, t->set, &t->choice);
    if (st == TS_OK)
        st = ts_plan_choice_text(&t->choice, &text);
    if (st == TS_OK)
        ts_log(TS_LOG_INFO, "memory: %.*s", (int)text.len - 1, text.s);
    ts_str_deinit(&text);
    return st;
}

/* n numbers of rank 0; *v NULL where there are none. */
static ts_status share_numbers(ts_comm *c, int64_t n, int64_t **v)
{
    if (!*v && n)
        TS_TRY(ts_alloc(v, (size_t)n, sizeof **v));
    return n ? ts_comm_run(c, ts_broadcast(*v, n, TS_COMM_I64, 0)) : TS_OK;
}

static ts_status share_layers(ts_comm *c, int64_t n, ts_layer_memory **v)
{
    if (!*v && n)
        TS_TRY(ts_alloc(v, (size_t)n, sizeof **v));
    for (int64_t i = 0; i < n; i++) {
        ts_layer_memory *m = &(*v)[i];
        int64_t words[3] = { m->whole, m->again, m->swap };
        TS_TRY(ts_comm_run(c, ts_broadcast(words, 3, TS_COMM_I64, 0)));
        *m = (ts_layer_memory){ words[0] != 0, (unsigned)words[1], (unsigned)words[2] };
    }
    return TS_OK;
}

static ts_status choose_memory(ts_training *t)
{
    ts_plan *p = &t->choice;
    if (!ts_plan_chooses(&t->o))
        return TS_OK;
    if (t->comm->size > 1) /* others may not have been asked to choose */
        TS_TRY(ts_job_check_alike(t->set, t->comm));
    TS_TRY(ts_comm_agree(t->comm, t->comm->rank == 0 ? choose(t) : TS_OK));
    int64_t n[3] = { p->chosen ? p->layers : 0, p->chosen_stages, p->order ? TS_PLAN_ORDER + p->order[3] : 0 };
    TS_TRY(ts_comm_run(t->comm, ts_broadcast(n, 3, TS_COMM_I64, 0)));
    TS_TRY(share_layers(t->comm, n[0], &p->chosen));
    TS_TRY(share_numbers(t->comm, n[1], &p->stage_layers));
    TS_TRY(share_numbers(t->comm, n[1], &p->stage_again));
    TS_TRY(share_numbers(t->comm, n[2], &p->order));
    ts_plan_apply(p, &t->o);
    return TS_OK;
}

ts_status ts_training_begin(ts_training *t)
{
    TS_TRY(ts_dist_options_check(&t->o.dist, t->comm));
    TS_TRY(start_watchdog(t));
    TS_TRY(ts_runtime_open(&t->o.runtime, t->comm->local_rank, t->comm->local_size, &t->dev));
    TS_TRY(choose_memory(t));
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
    ts_plan_deinit(&t->choice);
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
