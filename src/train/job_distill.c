/* A job that learns from a teacher: who that is, and what is kept of it. */
#include "train/job.h"

#include "base/file.h"
#include "base/log.h"
#include "base/thread.h"
#include "train/layout.h"
#include "train/look_ahead.h"

#include <pthread.h>

/* ---- the teacher ---- */

/* That it can be shared out as the student is, once it is described. All of it is here. */
static ts_status stage_of_teacher(void *job, const ts_arch *a, ts_decoder_stage *out)
{
    const ts_job *j = job;
    *out = (ts_decoder_stage){ 0 };
    return ts_job_check_layout_of(j->o, a, j->comm->size);
}

/* Whether all of it is there; opens what is. */
static ts_status open_kept(ts_job *j, bool with_data, bool *whole)
{
    const ts_distill_options *o = &j->o->distill;
    *whole = false;
    if (ts_path_exists(o->kept)) {
        TS_TRY(ts_kept_open("--kd-logits", o->kept, &j->tops));
        *whole = ts_kept_is_whole(j->tops);
    } else if (with_data && !ts_distill_has_teacher(o)) {
        return ts_error(TS_ERR_USER, "--kd-logits %s: there is no such file: give --teacher-model, whose likeliest tokens are "
                                     "then kept in it", o->kept);
    }
    if (!*whole && ts_distill_has_teacher(o) && j->o->parallel.pipeline > 1)
        return ts_error(TS_ERR_USER, "--kd-logits %s: the whole teacher makes it on every process: give --kd-logits-only in a run "
                                     "without --pipeline-model-parallel-size, and then this one", o->kept);
    *whole |= !ts_distill_has_teacher(o);
    return TS_OK;
}

ts_status ts_job_open_teacher(ts_job *j, const ts_model_use *model_use, bool with_data)
{
    const ts_distill_options *o = &j->o->distill;
    ts_model_use use = *model_use;
    bool whole = false;
    if (!ts_distill_on(o))
        return TS_OK;
    if (o->kept)
        TS_TRY(open_kept(j, with_data, &whole));
    if (o->kept && o->topk > j->model.decoder->arch.vocab)
        return ts_error(TS_ERR_USER, "--kd-topk %lld: there are %lld tokens", (long long)o->topk,
                        (long long)j->model.decoder->arch.vocab);
    if (whole)
        return TS_OK;
    use.stage_of = stage_of_teacher;
    use.stage_ctx = j;
    use.lora = NULL;
    return ts_distill_open(o, &use, j->model.decoder, &j->teacher);
}

ts_lm_teacher ts_job_teacher(const ts_job *j)
{
    ts_lm_teacher t = ts_distill_teacher(&j->o->distill, &j->teacher);
    t.writes = j->mesh->at[TS_MESH_TP] == 0;
    return t;
}

int ts_job_teacher_fields(const ts_job *j, ts_field *out)
{
    if (!j->o->distill.kept)
        return 0;
    *out = (ts_field){ "sample", TS_DTYPE_I32, 1 };
    return 1;
}

/* ---- all samples, as they are now ---- */

typedef struct measuring {
    const ts_tuning_source *source;
    int64_t seq_length;
    ts_kept_sample *out;
    ts_status status; /* of the first that failed */
    char *why;
    pthread_mutex_t lock;
} measuring;

static ts_status measure_some(const measuring *m, int64_t begin, int64_t end)
{
    const ts_field field[] = { { "tokens", TS_DTYPE_I32, m->seq_length }, { "labels", TS_DTYPE_I32, m->seq_length },
                               { "loss_mask", TS_DTYPE_F32, m->seq_length }, { "length", TS_DTYPE_I32, 1 } };
    ts_batch b = { 0 };
    TS_TRY(ts_batch_create(field, sizeof field / sizeof *field, 1, true, &b));
    ts_status st = TS_OK;
    for (int64_t i = begin; st == TS_OK && i < end; i++) {
        st = ts_tuning_source_read(m->source, i, &b, 0);
        if (st == TS_OK)
            ts_kept_measure(ts_batch_ints(&b, "tokens", 0), ts_batch_ints(&b, "labels", 0), m->seq_length, &m->out[i]);
    }
    ts_batch_deinit(&b);
    return st;
}

static void measure(void *ctx, int64_t begin, int64_t end, int thread)
{
    measuring *m = ctx;
    const ts_status st = measure_some(m, begin, end);
    (void)thread;
    if (st == TS_OK)
        return;
    pthread_mutex_lock(&m->lock);
    if (m->status == TS_OK && ts_strdup(ts_error_message(), &m->why) == TS_OK)
        m->status = st;
    pthread_mutex_unlock(&m->lock);
}

static ts_status measure_all(const ts_job *j, int64_t n, ts_kept_sample *out)
{
    enum { GRAIN = 64 };
    measuring m = { .source = j->samples, .seq_length = j->o->train.seq_length, .out = out };
    ts_pool *pool = NULL;
    TS_TRY(ts_pool_create(ts_cpu_count(), &pool));
    pthread_mutex_init(&m.lock, NULL);
    ts_pool_run(pool, n, GRAIN, measure, &m);
    pthread_mutex_destroy(&m.lock);
    ts_pool_destroy(&pool);
    const ts_status st = m.status == TS_OK ? TS_OK : ts_error(m.status, "%s", m.why);
    ts_free(&m.why);
    for (int64_t i = 1; i < n; i++)
        out[i].first = out[i - 1].first + out[i - 1].n;
    return st;
}

static ts_status create(const ts_job *j, const ts_kept_facts *facts)
{
    ts_kept_sample *v = NULL;
    TS_TRY(ts_alloc(&v, (size_t)facts->samples, sizeof *v));
    ts_status st = measure_all(j, facts->samples, v);
    if (st == TS_OK)
        st = ts_kept_create("--kd-logits", j->o->distill.kept, facts, v);
    ts_free(&v);
    return st;
}

/* ---- the file ---- */

/* The first process makes it where it is missing. */
static ts_status open_file(ts_job *j)
{
    const ts_distill_options *o = &j->o->distill;
    const ts_kept_facts facts = ts_distill_facts(o, j->model.decoder->arch.vocab, ts_tuning_source_all(j->samples),
                                                 j->o->train.seq_length);
    int64_t missing = !j->tops;
    TS_TRY(ts_comm_run(j->comm, ts_all_reduce(&missing, 1, TS_COMM_I64, TS_COMM_MAX)));
    if (missing)
        TS_TRY(ts_comm_agree(j->comm, j->comm->rank == 0 ? create(j, &facts) : TS_OK));
    if (!j->tops)
        TS_TRY(ts_kept_open("--kd-logits", o->kept, &j->tops));
    return ts_distill_check_kept(o, ts_kept_facts_of(j->tops), &facts);
}

static bool lacks(void *job, const ts_micro_batch *m)
{
    const ts_job *j = job;
    for (int64_t r = m->row; r < m->row + m->rows; r++)
        if (!ts_kept_has(j->tops, ts_batch_ints(m->batch, "sample", r)[0]))
            return true;
    return false;
}

static ts_status looked(void *job)
{
    const ts_job *j = job;
    return ts_kept_sync(j->tops);
}

/* One of those that have found something of a sample says that all of it is there. */
static ts_status take(void *job, const ts_micro_batch *m)
{
    const ts_job *j = job;
    const bool marks = j->mesh->at[TS_MESH_TP] == 0 && j->mesh->at[TS_MESH_CP] == 0;
    for (int64_t r = m->row; marks && r < m->row + m->rows; r++)
        TS_TRY(ts_kept_mark(j->tops, ts_batch_ints(m->batch, "sample", r)[0]));
    return TS_OK;
}

static ts_status look(ts_job *j)
{
    const double began = ts_now();
    ts_lm_objective_look(&j->objective, true);
    TS_TRY(ts_trainer_look_ahead(j->trainer, &(ts_look_ahead){ .ctx = j, .lacks = lacks, .take = take, .looked = looked }));
    ts_lm_objective_look(&j->objective, false);
    ts_model_deinit(&j->teacher);
    if (j->comm->rank == 0 && j->dev->computes)
        ts_log(TS_LOG_INFO, "the teacher has looked at all samples in %.2f s: %s", ts_now() - began, j->o->distill.kept);
    return TS_OK;
}

ts_status ts_job_keep_teacher(ts_job *j)
{
    if (!j->o->distill.kept)
        return TS_OK;
    if (j->dev->computes)
        TS_TRY(ts_comm_agree(j->comm, open_file(j)));
    j->objective.teacher.kept = j->tops;
    if (!j->teacher.decoder)
        return TS_OK;
    TS_TRY(look(j));
    if (!j->dev->computes)
        return TS_OK;
    ts_kept_close(&j->tops); /* as it is now */
    TS_TRY(ts_comm_agree(j->comm, ts_kept_open("--kd-logits", j->o->distill.kept, &j->tops)));
    j->objective.teacher.kept = j->tops;
    return TS_OK;
}
