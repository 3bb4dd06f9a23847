/* The thread that runs the model, and what others hand to it: texts to write, which join and leave a batch
 * (infer/scheduler.h), and calls that need the model for themselves. Any thread may ask; all that the two sides share is
 * under one lock. */
#ifndef TS_SERVE_WORKER_H
#define TS_SERVE_WORKER_H
#include "api/lm.h"
#include "infer/scheduler.h"
#include "infer/detok.h"

#include <pthread.h>

typedef struct ts_worker ts_worker;

/* Who waits for texts: their condition, under the worker's lock. */
typedef struct ts_waiter {
    pthread_cond_t changed;
} ts_waiter;
ts_status ts_waiter_init(ts_waiter *w) TS_NODISCARD;
void ts_waiter_deinit(ts_waiter *w);

/* A text to write, and what there is of it. The upper part is the asker's and stays as it is; the lower part is the
 * worker's, and the asker's under the lock. Zero-initialise. */
typedef struct ts_writing {
    const int32_t *prompt;       /* [n_prompt], borrowed */
    int64_t n_prompt, max_new;
    ts_choice_options choice;
    const char *const *stop;     /* [n_stop], borrowed */
    int64_t n_stop;
    ts_waiter *waiter;

    int32_t *ids;                /* [n] tokens so far */
    ts_choice *v;                /* [n] the same with their log-probabilities, where asked for */
    size_t n, cap, cap_ids;
    ts_str text;                 /* of them, as far as it may be shown */
    bool is_ended, is_stopped;
    ts_status st;                /* how it ended */
    ts_str error;                /* its sentence, if it failed */
    int64_t reused;              /* tokens of the prompt that were there already */
    double began, first, last;   /* when it was asked for, had its first token, its last; on ts_now's clock */

    ts_worker *worker;           /* the rest is the worker's own */
    ts_detok detok;
    ts_scheduled *in_batch;
    struct ts_writing *next;
    bool is_queued, is_cancelled;
} ts_writing;
void ts_writing_deinit(ts_writing *w);

typedef struct ts_worker_options {
    ts_scheduler_options batch;
    int64_t queue;               /* texts that may wait for their turn */
} ts_worker_options;

/* lm is borrowed, and the worker's alone from now on but for its tokenizer. */
ts_status ts_worker_start(ts_lm *lm, const ts_worker_options *o, ts_worker **out) TS_NODISCARD;
/* When nobody has a text or a call there any more. */
void ts_worker_stop(ts_worker **w);

void ts_worker_lock(ts_worker *w);
void ts_worker_unlock(ts_worker *w);
/* Under the lock: waits for a change that the waiter is told of, for so many seconds at most. */
void ts_worker_wait(ts_worker *w, ts_waiter *waiter, double seconds);

/* All of them, or none: *taken is false where the queue has no room. */
ts_status ts_worker_write(ts_worker *w, ts_writing *const *texts, size_t n, bool *taken) TS_NODISCARD;
/* Ends them where they are; on return nobody but the caller has them. */
void ts_worker_cancel(ts_worker *w, ts_writing *const *texts, size_t n);

/* Calls fn on the worker's thread, between two steps, and returns what it does, with its message. */
typedef ts_status ts_worker_fn(void *ctx, ts_lm *lm);
ts_status ts_worker_call(ts_worker *w, ts_worker_fn *fn, void *ctx) TS_NODISCARD;

typedef struct ts_worker_figures {
    ts_scheduler_figures batch;
    int64_t queued;              /* texts that wait, in the batch's queue or before it */
} ts_worker_figures;
ts_worker_figures ts_worker_look(ts_worker *w);
#endif
