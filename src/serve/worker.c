#include "serve/worker.h"

#include "base/log.h"
#include "base/thread.h"

#include <time.h>

typedef struct call {
    ts_worker_fn *fn;
    void *ctx;
    ts_waiter *waiter;
    ts_status st;
    ts_str error;
    bool is_done;
    struct call *next;
} call;

struct ts_worker {
    ts_lm *lm;
    ts_worker_options o;
    ts_scheduler *batch;             /* the thread's */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work;         /* there is something to do */
    ts_writing *first;           /* newly come, and those whose end somebody wants */
    ts_writing **last;
    call *calls;
    call **last_call;
    int64_t n_new;               /* texts that are not in the batch yet */
    ts_scheduler_figures figures;
    bool is_stopping, has_thread;
};

/* ---- waiting ---- */

static ts_status make_cond(pthread_cond_t *c)
{
    pthread_condattr_t a;
    if (pthread_condattr_init(&a))
        return ts_error(TS_ERR_NOMEM, "no memory for a condition");
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    const int failed = pthread_cond_init(c, &a);
    pthread_condattr_destroy(&a);
    return failed ? ts_error(TS_ERR_NOMEM, "no memory for a condition") : TS_OK;
}

ts_status ts_waiter_init(ts_waiter *w) { return make_cond(&w->changed); }
void ts_waiter_deinit(ts_waiter *w) { pthread_cond_destroy(&w->changed); }

void ts_worker_lock(ts_worker *w) { pthread_mutex_lock(&w->lock); }
void ts_worker_unlock(ts_worker *w) { pthread_mutex_unlock(&w->lock); }

void ts_worker_wait(ts_worker *w, ts_waiter *waiter, double seconds)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    const double upto = (double)t.tv_nsec * 1e-9 + seconds;
    t.tv_sec += (time_t)upto;
    t.tv_nsec = (long)((upto - (double)(time_t)upto) * 1e9);
    pthread_cond_timedwait(&waiter->changed, &w->lock, &t);
}

void ts_writing_deinit(ts_writing *w)
{
    ts_free(&w->v);
    ts_free(&w->ids);
    ts_str_deinit(&w->text);
    ts_str_deinit(&w->error);
    ts_detok_deinit(&w->detok);
}

/* ---- what the batch tells ---- */

/* Text that may be shown now. */
static ts_status add_text(ts_writing *x, bool is_last)
{
    size_t n;
    TS_TRY((is_last ? ts_detok_end : ts_detok_add)(&x->detok, x->ids, x->n));
    const char *s = ts_detok_next(&x->detok, is_last, &n);
    return ts_str_add(&x->text, s, n);
}

static ts_status add_token(ts_writing *x, const ts_choice *c)
{
    TS_TRY(ts_grow(&x->ids, &x->cap_ids, x->n + 1, sizeof *x->ids));
    if (x->choice.logprobs) {
        TS_TRY(ts_grow(&x->v, &x->cap, x->n + 1, sizeof *x->v));
        x->v[x->n] = *c;
    }
    x->ids[x->n++] = c->id;
    return ts_lm_has_text(x->worker->lm) ? add_text(x, false) : TS_OK;
}

static ts_status on_token(void *ctx, const ts_choice *c, bool *stop)
{
    ts_writing *x = ctx;
    const double now = ts_now();
    ts_worker_lock(x->worker);
    if (!x->n)
        x->reused = ts_scheduler_reused(x->in_batch), x->first = now;
    x->last = now;
    const ts_status st = add_token(x, c);
    *stop = x->detok.is_stopped;
    pthread_cond_broadcast(&x->waiter->changed);
    ts_worker_unlock(x->worker);
    return st;
}

/* Under the lock. */
static void end(ts_writing *x, ts_status st, bool is_stopped, const char *error)
{
    if (st == TS_OK && ts_lm_has_text(x->worker->lm) && x->n)
        st = add_text(x, true);
    if (st != TS_OK && ts_str_puts(&x->error, error) != TS_OK)
        ts_str_reset(&x->error);
    x->st = st;
    x->is_stopped = is_stopped;
    x->is_ended = true;
    x->in_batch = NULL;
    pthread_cond_broadcast(&x->waiter->changed);
}

static void on_done(void *ctx, ts_status st, bool is_stopped)
{
    ts_writing *x = ctx;
    ts_worker_lock(x->worker);
    end(x, st, is_stopped, ts_error_message());
    ts_worker_unlock(x->worker);
}

/* ---- the thread ---- */

/* Under the lock. A text that came joins the batch's queue; one whose end is wanted leaves it. */
static void sort_out(ts_worker *w, ts_writing *x)
{
    if (x->is_ended) { /* while somebody wanted it to */
        pthread_cond_broadcast(&x->waiter->changed);
        return;
    }
    if (x->is_cancelled) {
        if (x->in_batch)
            ts_scheduler_cancel(w->batch, x->in_batch);
        end(x, TS_ERR_INTERRUPTED, false, "the request was given up");
        return;
    }
    const ts_scheduler_request r = { .prompt = x->prompt, .n_prompt = x->n_prompt, .max_new = x->max_new,
                                 .choice = x->choice, .ctx = x, .token = on_token, .done = on_done };
    const ts_status st = ts_scheduler_add(w->batch, &r, &x->in_batch);
    if (st != TS_OK)
        end(x, st, false, ts_error_message());
}

static void sort_all(ts_worker *w)
{
    while (w->first) {
        ts_writing *x = w->first;
        w->first = x->next;
        x->is_queued = false;
        sort_out(w, x);
    }
    w->last = &w->first;
    w->n_new = 0;
    w->figures = ts_scheduler_look(w->batch);
}

/* Unlocked while it runs. */
static void make_call(ts_worker *w)
{
    call *c = w->calls;
    if (!c)
        return;
    w->calls = c->next;
    w->last_call = w->calls ? w->last_call : &w->calls;
    ts_worker_unlock(w);
    c->st = c->fn(c->ctx, w->lm);
    if (c->st != TS_OK && ts_str_puts(&c->error, ts_error_message()) != TS_OK)
        ts_str_reset(&c->error);
    ts_worker_lock(w);
    c->is_done = true;
    pthread_cond_broadcast(&c->waiter->changed);
}

static void *work(void *ctx)
{
    ts_worker *w = ctx;
    ts_worker_lock(w);
    for (;;) {
        while (!w->is_stopping && !w->first && !w->calls && ts_scheduler_is_idle(w->batch))
            pthread_cond_wait(&w->work, &w->lock);
        sort_all(w);
        make_call(w);
        if (w->is_stopping)
            break;
        ts_worker_unlock(w);
        if (ts_scheduler_step(w->batch) != TS_OK)
            ts_log(TS_LOG_ERROR, "%s", ts_error_message());
        ts_worker_lock(w);
        w->figures = ts_scheduler_look(w->batch);
    }
    ts_worker_unlock(w);
    return NULL;
}

/* ---- for others ---- */

static void enqueue(ts_worker *w, ts_writing *x)
{
    if (x->is_queued)
        return;
    x->is_queued = true;
    x->next = NULL;
    *w->last = x;
    w->last = &x->next;
}

ts_status ts_worker_write(ts_worker *w, ts_writing *const *texts, size_t n, bool *taken)
{
    const double now = ts_now();
    ts_worker_lock(w);
    const int64_t there = w->figures.waiting + w->figures.writing + w->n_new;
    *taken = (int64_t)n <= w->o.queue + w->o.batch.texts - there;
    for (size_t i = 0; *taken && i < n; i++) {
        ts_writing *x = texts[i];
        x->worker = w;
        x->began = now;
        if (ts_lm_has_text(w->lm))
            ts_detok_init(&x->detok, w->lm->tok.tok, x->stop, x->n_stop);
        enqueue(w, x);
        w->n_new++;
    }
    pthread_cond_signal(&w->work);
    ts_worker_unlock(w);
    return TS_OK;
}

void ts_worker_cancel(ts_worker *w, ts_writing *const *texts, size_t n)
{
    ts_worker_lock(w);
    for (size_t i = 0; i < n; i++) {
        ts_writing *x = texts[i];
        if (x->is_ended || !x->worker)
            continue;
        x->is_cancelled = true;
        enqueue(w, x);
        pthread_cond_signal(&w->work);
    }
    for (size_t i = 0; i < n; i++)
        while (texts[i]->worker && (!texts[i]->is_ended || texts[i]->is_queued))
            pthread_cond_wait(&texts[i]->waiter->changed, &w->lock);
    ts_worker_unlock(w);
}

ts_status ts_worker_call(ts_worker *w, ts_worker_fn *fn, void *ctx)
{
    ts_waiter waiter;
    TS_TRY(ts_waiter_init(&waiter));
    call c = { .fn = fn, .ctx = ctx, .waiter = &waiter };
    ts_worker_lock(w);
    *w->last_call = &c;
    w->last_call = &c.next;
    pthread_cond_signal(&w->work);
    while (!c.is_done)
        pthread_cond_wait(&waiter.changed, &w->lock);
    ts_worker_unlock(w);
    ts_waiter_deinit(&waiter);
    if (c.st != TS_OK && c.error.len)
        c.st = ts_error(c.st, "%s", c.error.s);
    ts_str_deinit(&c.error);
    return c.st;
}

ts_worker_figures ts_worker_look(ts_worker *w)
{
    ts_worker_lock(w);
    const ts_worker_figures f = { w->figures, w->figures.waiting + w->n_new };
    ts_worker_unlock(w);
    return f;
}

ts_status ts_worker_start(ts_lm *lm, const ts_worker_options *o, ts_worker **out)
{
    ts_worker *w;
    TS_TRY(ts_alloc(&w, 1, sizeof *w));
    w->lm = lm, w->o = *o;
    w->last = &w->first, w->last_call = &w->calls;
    pthread_mutex_init(&w->lock, NULL);
    ts_status st = make_cond(&w->work);
    if (st == TS_OK)
        st = ts_scheduler_create(lm->model.decoder, &o->batch, &w->batch);
    if (st == TS_OK && pthread_create(&w->thread, NULL, work, w))
        st = ts_error(TS_ERR_RUN, "no thread can be made for the model");
    w->has_thread = st == TS_OK;
    if (st == TS_OK)
        *out = w;
    else
        ts_worker_stop(&w);
    return st;
}

void ts_worker_stop(ts_worker **worker)
{
    ts_worker *w = *worker;
    if (!w)
        return;
    if (w->has_thread) {
        ts_worker_lock(w);
        w->is_stopping = true;
        pthread_cond_signal(&w->work);
        ts_worker_unlock(w);
        pthread_join(w->thread, NULL);
    }
    ts_scheduler_destroy(&w->batch);
    pthread_cond_destroy(&w->work);
    pthread_mutex_destroy(&w->lock);
    ts_free(worker);
}
