#include "train/job.h"

#include "base/log.h"
#include "base/thread.h"
#include "train/memory_report.h"
#include "train/op_flops.h"
#include "train/profile.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- signals ---- */

/* Set by the handler, read between steps: the one thing a handler can do. */
static volatile sig_atomic_t asked_to_stop;

static void on_signal(int number)
{
    if (asked_to_stop && number == SIGINT)
        _exit(130); /* the second Ctrl-C means now */
    asked_to_stop = number;
}

static void watch_signals(bool on, int also)
{
    struct sigaction a;
    memset(&a, 0, sizeof a);
    a.sa_handler = on ? on_signal : SIG_DFL;
    sigemptyset(&a.sa_mask);
    sigaction(SIGTERM, &a, NULL);
    sigaction(SIGINT, &a, NULL);
    sigaction(also, &a, NULL);
}

static void on_early_signal(int number)
{
    static const char text[] = "stopped before the first step\n";
    const ssize_t told = write(STDERR_FILENO, text, sizeof text - 1);
    _exit(told < 0 ? 1 : 128 + number);
}

/* Before the first step nothing is begun that would have to be finished. A shell starts what it
 * puts into the background with SIGINT ignored; that does not hold here either. */
void ts_job_watch_loading(void)
{
    struct sigaction a;
    memset(&a, 0, sizeof a);
    a.sa_handler = on_early_signal;
    sigemptyset(&a.sa_mask);
    sigaction(SIGTERM, &a, NULL);
    sigaction(SIGINT, &a, NULL);
}

/* ---- saving ---- */

typedef struct loop {
    ts_job *j;
    const ts_job_hooks *hooks;
    ts_recorder *recorder;         /* rank 0 */
    ts_checkpointer *checkpointer; /* with --save */
    ts_profile *profile;           /* with captures */
    ts_op_interval executed;       /* with --op-cal-tflops: since the last log line */
    ts_holder_list held;           /* with --memory-report: behind the first of its steps */
    int *stage_of; /* [processes] whose tensors each of them holds */
    int64_t saved;                 /* iteration saved last */
    int64_t batch;                 /* sequences of the last step; 0: none yet */
    ts_traffic sent;               /* by this rank, in all steps */
    int64_t steps;
    double began;
    bool hook_stops; /* on this rank */
    bool stops;      /* some rank was asked to stop: all know it */
} loop;

static bool time_is_up(const loop *l)
{
    const int64_t minutes = l->j->o->train.exit_duration;
    return minutes && ts_now() - l->began > 60.0 * (double)minutes;
}

static bool is_asked(void *ctx)
{
    const loop *l = ctx;
    return asked_to_stop || l->hook_stops || time_is_up(l);
}

static ts_status agree_to_stop(loop *l)
{
    bool stop;
    TS_TRY(ts_trainer_agree_to_stop(l->j->trainer, &stop));
    l->stops = l->stops || stop;
    return TS_OK;
}

/* A disk that is full stops nothing but the save, while there will be another. */
static ts_status forgive(const loop *l, ts_status st, const char *what)
{
    if (st != TS_ERR_IO)
        return st;
    if (l->j->comm->rank == 0)
        ts_log(TS_LOG_WARN, "%s failed, training goes on: %s", what, ts_error_message());
    return TS_OK;
}

static ts_status try_save(loop *l)
{
    const int64_t i = l->j->trainer->iteration;
    if (!l->checkpointer || l->saved == i)
        return TS_OK;
    const double began = ts_now();
    const double marked = ts_timeline_begin(l->j->dev->timeline);
    ts_watch_phase(l->j->comm->watch, "saving");
    const ts_status st = ts_trainer_save(l->j->trainer, &l->j->model, l->checkpointer, l->j->set);
    ts_timeline_span(l->j->dev->timeline, TS_TRACK_STEP, "saving", marked);
    if (st == TS_OK && l->j->comm->rank == 0)
        ts_log(TS_LOG_INFO, "saved checkpoint of iteration %lld to %s in %.2f s", (long long)i,
               l->j->o->train.save, ts_now() - began);
    if (st == TS_OK)
        l->saved = i;
    return st;
}

/* It may take long: whoever asked meanwhile need not wait for another step. */
static ts_status save(loop *l)
{
    TS_TRY(forgive(l, try_save(l), "saving the checkpoint"));
    return agree_to_stop(l);
}

/* The last one is the run's result: without it the run has failed, after all else was done. */
static ts_status save_last(loop *l, bool *lost)
{
    ts_status st = try_save(l);
    if (st == TS_OK && l->checkpointer)
        st = ts_checkpointer_wait(l->checkpointer);
    *lost = st == TS_ERR_IO;
    if (*lost && l->j->comm->rank == 0)
        ts_log(TS_LOG_WARN, "saving the last checkpoint failed: %s", ts_error_message());
    return *lost ? TS_OK : st;
}

static ts_status save_hugging_face(loop *l)
{
    const ts_train_options *o = &l->j->o->train;
    const ts_save_hf_dtype dtype = (ts_save_hf_dtype)o->save_hf_dtype;
    if (o->save_hf)
        TS_TRY(ts_job_save_hf(l->j, o->save_hf, dtype));
    if (l->j->o->lora.save_peft)
        TS_TRY(ts_job_save_peft(l->j, l->j->o->lora.save_peft));
    return o->save_ema_hf ? ts_job_save_ema_hf(l->j, o->save_ema_hf, dtype) : TS_OK;
}

/* ---- evaluation ---- */

/* e->is_whole: there is a loss. */
static ts_status evaluate(loop *l, ts_data_part part, const char *name, ts_evaluation *e)
{
    const ts_train_options *o = &l->j->o->train;
    ts_trainer *t = l->j->trainer;
    *e = (ts_evaluation){ 0 };
    if (!o->eval_iters || !ts_job_data(l->j, part))
        return TS_OK;
    /* Which samples come next follows from the iteration alone, so a resumed run evaluates on the
     * same. */
    const int64_t before = part == TS_DATA_VALID ? (t->iteration - 1) / o->eval_interval : 0;
    TS_TRY(ts_trainer_evaluate(t, part, before * o->eval_iters * t->feed.ramp.full, o->eval_iters, e));
    l->stops = l->stops || e->stop;
    if (!e->is_whole && t->comm->rank == 0)
        ts_log(TS_LOG_INFO, "the evaluation on %s data after iteration %lld is broken off", name,
               (long long)t->iteration);
    if (!e->is_whole || !l->recorder)
        return TS_OK;
    return forgive(l, ts_recorder_evaluation(l->recorder, t, name, e), "writing a record");
}

/* ---- the loop ---- */

/* Tells the caller of the step and does what it asks for. */
static ts_status ask(loop *l, const ts_step_result *r, const ts_evaluation *valid)
{
    const ts_trainer *t = l->j->trainer;
    const ts_train_step s = { .iteration = t->iteration,
                              .train_iters = l->j->train_iters,
                              .consumed_samples = t->consumed,
                              .tokens = r->tokens,
                              .loss = r->loss,
                              .valid_loss = valid ? valid->loss : (double)NAN,
                              .lr = r->lr,
                              .grad_norm = r->grad_norm,
                              .loss_scale = r->loss_scale,
                              .seconds = r->seconds,
                              .tokens_per_second = (double)r->tokens / r->seconds,
                              .memory_peak_bytes = r->memory_peak,
                              .skipped = r->skipped };
    const unsigned wish = l->hooks->step(l->hooks->ctx, &s);
    l->hook_stops = l->hook_stops || (wish & TS_TRAIN_STOP);
    return wish & TS_TRAIN_SAVE ? save(l) : TS_OK;
}

/* While steps overflow with the lowest loss scale there is nothing new to save, and what is there
 * must not be pushed out by it. */
static ts_status save_by_interval(loop *l)
{
    const ts_trainer *t = l->j->trainer;
    if (!t->scaler.stuck)
        return save(l);
    if (l->j->comm->rank == 0)
        ts_log(TS_LOG_WARN,
               "no checkpoint of iteration %lld: the steps before it were skipped, since they "
               "overflow with the lowest loss scale",
               (long long)t->iteration);
    return TS_OK;
}

static void warn_of_overflow(const loop *l)
{
    const ts_loss_scaler *s = &l->j->trainer->scaler;
    if (s->stuck == 1 && l->j->comm->rank == 0)
        ts_log(TS_LOG_WARN,
               "iteration %lld overflows with the lowest loss scale, %g (--min-loss-scale); the "
               "run ends when %d steps in a row do",
               (long long)l->j->trainer->iteration, s->min, TS_LOSS_SCALER_STUCK);
}

/* Says when the batch grows, and with what it begins where it will grow. */
static void size_batch(loop *l)
{
    ts_trainer *t = l->j->trainer;
    ts_trainer_size_batch(t);
    if (t->feed.ramp.samples && t->feed.global != l->batch && l->j->comm->rank == 0)
        ts_log(TS_LOG_INFO,
               l->batch ? "ramping up batch size from %lld to %lld"
                        : "batch size after %lld samples: %lld",
               (long long)(l->batch ? l->batch : t->consumed), (long long)t->feed.global);
    l->batch = t->feed.global;
}

static ts_status one_iteration(loop *l, bool *stop)
{
    const ts_train_options *o = &l->j->o->train;
    ts_trainer *t = l->j->trainer;
    ts_step_result r;
    ts_evaluation e = { 0 };
    size_batch(l);
    TS_TRY(ts_profile_before(l->profile, t->iteration + 1));
    t->asks_capture = ts_profile_is_asked(l->profile);
    const ts_op_flops before = ts_op_flops_now(t->dev);
    TS_TRY(ts_trainer_step(t, is_asked(l), &r));
    const ts_op_flops after = ts_op_flops_now(t->dev);
    ts_op_interval_add(&l->executed, &before, &after, r.seconds);
    l->stops = l->stops || r.stop;
    ts_mesh_traffic_add(&l->sent, 1, &r.traffic);
    l->steps++;
    warn_of_overflow(l);
    if (t->iteration % o->eval_interval == 0)
        TS_TRY(evaluate(l, TS_DATA_VALID, "validation", &e));
    const ts_evaluation *valid = e.is_whole ? &e : NULL;
    if (l->recorder)
        TS_TRY(forgive(l, ts_recorder_step(l->recorder, t, &r, valid), "writing a record"));
    if (l->checkpointer)
        TS_TRY(forgive(l, ts_checkpointer_poll(l->checkpointer), "saving the checkpoint"));
    if (o->save_interval && t->iteration % o->save_interval == 0)
        TS_TRY(save_by_interval(l));
    if (l->j->o->profile.op_flops && t->iteration % o->log_interval == 0)
        TS_TRY(ts_op_interval_say(&l->executed, t));
    TS_TRY(ts_profile_after(l->profile, t->iteration, r.captures));
    ts_memory_report_step(l->j, t->iteration, &l->held);
    if (l->hooks->step)
        TS_TRY(ask(l, &r, valid));
    /* Alone there is nobody who must hear of it first. */
    *stop = l->stops || (l->hook_stops && t->comm->size == 1) ||
            (o->exit_interval && t->iteration % o->exit_interval == 0);
    return TS_OK;
}

static void say_stopped(const loop *l)
{
    if (l->j->comm->rank == 0 && asked_to_stop)
        ts_log(TS_LOG_INFO, "asked to stop by signal %d: stopped after iteration %lld%s",
               (int)asked_to_stop, (long long)l->j->trainer->iteration,
               l->checkpointer ? ", saving" : "; nothing is saved without --save");
}

static void say_traffic(const loop *l)
{
    ts_str table = { 0 };
    if (l->j->comm->rank == 0 && l->j->comm->size > 1 && ts_traffic_table(&l->sent, &table) == TS_OK && table.len)
        ts_log(TS_LOG_INFO, "sent by rank 0 in %lld steps:\n%.*s", (long long)l->steps,
               (int)table.len - 1, table.s);
    ts_str_deinit(&table);
}

static ts_status finish(loop *l)
{
    ts_trainer *t = l->j->trainer;
    ts_evaluation e;
    bool lost;
    TS_TRY(ts_gather_finish(&t->gather)); /* what the last step has sent for */
    TS_TRY(save_last(l, &lost));
    if (t->iteration >= l->j->train_iters && !l->stops) {
        if (t->iteration % l->j->o->train.eval_interval != 0) /* else it was done a moment ago */
            TS_TRY(evaluate(l, TS_DATA_VALID, "validation", &e));
        if (!l->stops)
            TS_TRY(evaluate(l, TS_DATA_TEST, "test", &e));
    }
    TS_TRY(save_hugging_face(l));
    return lost ? ts_error(TS_ERR_IO, "the state after iteration %lld was not saved to %s",
                           (long long)t->iteration, l->j->o->train.save)
                : TS_OK;
}

/* A run that goes on; or one that may have begun before and died before its first checkpoint. */
static bool may_be_again(const ts_job *j)
{
    const char *load = j->o->runtime.load, *to = j->o->train.save;
    return j->trainer->iteration > 0 || (load && to && !strcmp(load, to));
}

static ts_status list_stages(loop *l)
{
    TS_TRY(ts_alloc(&l->stage_of, (size_t)l->j->comm->size, sizeof *l->stage_of));
    for (int r = 0; r < l->j->comm->size; r++)
        l->stage_of[r] = ts_mesh_at(l->j->mesh, TS_MESH_PP, r);
    return TS_OK;
}

static ts_status open_loop(loop *l)
{
    const ts_train_options *o = &l->j->o->train;
    ts_status st = TS_OK;
    if (o->save) {
        TS_TRY(ts_comm_agree(l->j->comm, list_stages(l)));
        const ts_ckpt_options c = { .dir = o->save,
                                    .keep = o->keep > 0 ? o->keep : 0,
                                    .is_background = o->async_save,
                                    .group_of = l->stage_of,
                                    .files = &l->j->model.files,
                                    .fetch = l->j->dev->on_host ? NULL : ts_trainer_fetch,
                                    .fetch_ctx = l->j->dev };
        TS_TRY(ts_checkpointer_create(&c, l->j->comm, &l->checkpointer));
    }
    if (l->j->comm->rank == 0)
        st = ts_recorder_create(l->j->trainer, l->j->train_iters, may_be_again(l->j), &l->recorder);
    TS_TRY(ts_comm_agree(l->j->comm, st));
    return ts_profile_create(&l->j->o->profile, &l->j->timeline, l->j->mesh, &l->profile);
}

/* --skip-train. */
static ts_status evaluate_alone(loop *l)
{
    const ts_train_options *o = &l->j->o->train;
    ts_evaluation valid = { 0 }, test = { 0 };
    if (l->j->comm->rank == 0 && (o->save || o->save_hf || o->save_ema_hf || o->tensorboard_dir || o->metrics_jsonl))
        ts_log(TS_LOG_WARN, "--skip-train evaluates only: nothing is written (--%s has no effect)",
               o->save              ? "save"
               : o->save_hf         ? "save-hf"
               : o->save_ema_hf     ? "save-ema-hf"
               : o->tensorboard_dir ? "tensorboard-dir"
                                    : "metrics-jsonl");
    ts_status st = TS_OK;
    if (l->j->comm->rank == 0)
        st = ts_recorder_create(l->j->trainer, l->j->train_iters, false, &l->recorder);
    st = ts_comm_agree(l->j->comm, st);
    if (st == TS_OK)
        st = evaluate(l, TS_DATA_VALID, "validation", &valid);
    if (st == TS_OK)
        st = evaluate(l, TS_DATA_TEST, "test", &test);
    ts_recorder_destroy(&l->recorder);
    return st != TS_OK || valid.is_whole || test.is_whole
               ? st
               : ts_error(TS_ERR_USER,
                          "--skip-train: there is nothing to evaluate on: neither a validation nor "
                          "a test split (--split, --valid-data-path), or --eval-iters is 0");
}

ts_status ts_job_run(ts_job *j, const ts_job_hooks *hooks)
{
    loop l = { .j = j,
               .hooks = hooks,
               .saved = j->trainer->iteration, /* or nothing is there to save yet */
               .began = ts_now() };
    bool stop = false;
    if (j->o->distill.only)
        return TS_OK;
    asked_to_stop = 0;
    const int also = ts_train_exit_signal(&j->o->train);
    if (j->o->train.skip_train)
        return evaluate_alone(&l);
    j->trainer->asked = is_asked;
    j->trainer->asked_ctx = &l;
    if (hooks->signals)
        watch_signals(true, also);
    ts_status st = open_loop(&l);
    if (st == TS_OK)
        st = agree_to_stop(&l);
    stop = l.stops;
    while (st == TS_OK && !stop && j->trainer->iteration < j->train_iters)
        st = one_iteration(&l, &stop);
    if (st == TS_OK)
        st = ts_profile_finish(l.profile);
    if (st == TS_OK) {
        say_stopped(&l);
        say_traffic(&l);
        st = finish(&l);
    }
    if (st == TS_OK && j->routes)
        st = ts_routes_finish(j->routes);
    j->trainer->asked = NULL;
    if (st == TS_OK)
        st = ts_recorder_close(&l.recorder);
    ts_recorder_destroy(&l.recorder);
    ts_checkpointer_destroy(&l.checkpointer);
    ts_profile_destroy(&l.profile);
    ts_holder_list_deinit(&l.held);
    ts_free(&l.stage_of);
    if (hooks->signals)
        watch_signals(false, also);
    return st;
}
