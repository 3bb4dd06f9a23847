#include "dist/watchdog.h"

#include "base/log.h"
#include "base/thread.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

struct ts_watchdog {
    ts_watch *watch;
    int rank, size;
    const char *host;
    double limit;
    void (*stuck)(void *, const ts_watch_report *);
    void *ctx;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop;
};

/* exit handlers would wait for the very peers that do not answer. */
static void end_process(void *ctx, const ts_watch_report *r)
{
    char who[96] = "another rank has stopped or is somewhere else", when[48] = "";
    (void)ctx;
    if (r->behind > 0 && r->behind - 1 != r->rank)
        snprintf(who, sizeof who, "rank %lld has not come: it has stopped or is somewhere else",
                 (long long)r->behind - 1);
    if (r->iteration > 0)
        snprintf(when, sizeof when, "iteration %lld, ", (long long)r->iteration);
    ts_log(TS_LOG_ERROR,
           "rank %d of %d on %s has waited %.0f s in %s (%s%s, collective %lld): %s; ending the "
           "job. --distributed-timeout-minutes sets the limit",
           r->rank, r->size, r->host, r->seconds, r->collective, when, r->phase,
           (long long)r->number, who);
    _exit(1);
}

/* Sleeps; false when the watchdog is to end. */
static bool nap(ts_watchdog *d, double seconds)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    const double until = (double)t.tv_nsec * 1e-9 + seconds;
    t.tv_sec += (time_t)until;
    t.tv_nsec = (long)((until - (double)(time_t)until) * 1e9);
    pthread_mutex_lock(&d->lock);
    while (!d->stop && pthread_cond_timedwait(&d->wake, &d->lock, &t) == 0)
        ;
    const bool go_on = !d->stop;
    pthread_mutex_unlock(&d->lock);
    return go_on;
}

/* The watched thread reads no clock: the time in a collective is counted from when it was first
 * seen here, which is at most one nap late. */
static void *keep_watch(void *arg)
{
    ts_watchdog *d = arg;
    const double tick = d->limit / 16 < 1 ? d->limit / 16 : 1;
    int64_t seen = -1;
    double since = 0, last = ts_now();
    while (nap(d, tick)) {
        const char *inside = atomic_load_explicit(&d->watch->inside, memory_order_acquire);
        const int64_t number = atomic_load_explicit(&d->watch->number, memory_order_relaxed);
        /* A process that was itself stopped (or a machine that slept) has not waited that long. */
        const double now = ts_now();
        const bool was_stopped = now - last > d->limit / 2;
        last = now;
        if (!inside || number != seen || was_stopped) {
            seen = inside ? number : -1;
            since = now;
            continue;
        }
        if (now - since <= d->limit)
            continue;
        const char *phase = atomic_load_explicit(&d->watch->phase, memory_order_relaxed);
        const ts_watch_report r = { .rank = d->rank, .size = d->size, .host = d->host,
                                    .collective = inside, .phase = phase ? phase : "starting",
                                    .number = number,
                                    .behind = atomic_load(&d->watch->behind),
                                    .iteration = atomic_load(&d->watch->iteration),
                                    .seconds = now - since };
        d->stuck(d->ctx, &r);
        seen = -1;
    }
    return NULL;
}

ts_status ts_watchdog_create(ts_watch *w, int rank, int size, const char *host,
                             double limit_seconds,
                             void (*stuck)(void *ctx, const ts_watch_report *r), void *ctx,
                             ts_watchdog **out)
{
    ts_watchdog *d;
    TS_TRY(ts_alloc(&d, 1, sizeof *d));
    d->watch = w, d->rank = rank, d->size = size, d->host = host, d->limit = limit_seconds;
    d->stuck = stuck ? stuck : end_process;
    d->ctx = ctx;
    pthread_mutex_init(&d->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&d->wake, &attr);
    pthread_condattr_destroy(&attr);
    if (pthread_create(&d->thread, NULL, keep_watch, d) != 0) {
        pthread_cond_destroy(&d->wake);
        pthread_mutex_destroy(&d->lock);
        ts_free(&d);
        return ts_error(TS_ERR_RUN, "the watchdog's thread could not be started");
    }
    *out = d;
    return TS_OK;
}

void ts_watchdog_destroy(ts_watchdog **dog)
{
    ts_watchdog *d = *dog;
    if (!d)
        return;
    pthread_mutex_lock(&d->lock);
    d->stop = true;
    pthread_cond_signal(&d->wake);
    pthread_mutex_unlock(&d->lock);
    pthread_join(d->thread, NULL);
    pthread_cond_destroy(&d->wake);
    pthread_mutex_destroy(&d->lock);
    ts_free(dog);
}
