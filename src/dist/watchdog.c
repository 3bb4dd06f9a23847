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
    double limit, tick; /* seconds */
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
    char who[192] = "another rank has stopped or is somewhere else", when[48] = "";
    (void)ctx;
    if (r->behind > 0 && r->behind - 1 != r->rank)
        snprintf(who, sizeof who, "rank %lld%s%s has not come: it %s", (long long)r->behind - 1,
                 r->behind_host ? " on " : "", r->behind_host ? r->behind_host : "",
                 r->has_stopped ? "has stopped" : "has stopped or is somewhere else");
    if (r->iteration > 0)
        snprintf(when, sizeof when, "iteration %lld, ", (long long)r->iteration);
    ts_log(TS_LOG_ERROR,
           "rank %d of %d on %s has waited %.0f s in %s of group %s (%s%s, collective %lld): %s; ending "
           "the job. --distributed-timeout-minutes sets the limit",
           r->rank, r->size, r->host, r->seconds, r->collective, r->group, when, r->phase,
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

/* ---- who it is ---- */

/* The others see that this process moves, also while it looks for one that does not. */
static void beat(const ts_watchdog *d)
{
    if (d->watch->seats)
        atomic_fetch_add_explicit(&d->watch->seats[d->rank].beats, 1, memory_order_relaxed);
}

static int64_t beats_of(const ts_watchdog *d, int64_t rank)
{
    return atomic_load_explicit(&d->watch->seats[rank].beats, memory_order_relaxed);
}

/* Of `behind`, who is waited for, the one that it waits for, and so on, up to one whose heart has stood
 * still since `before` (one that never beat has no watchdog). */
static void follow(const ts_watchdog *d, const int64_t *before, ts_watch_report *r)
{
    for (int hops = 0; hops < d->size && r->behind > 0; hops++) {
        const int64_t i = r->behind - 1,
                      next = atomic_load_explicit(&d->watch->seats[i].behind, memory_order_relaxed);
        r->has_stopped = i != d->rank && before[i] > 0 && beats_of(d, i) == before[i];
        if (r->has_stopped || next <= 0 || next > d->size || next - 1 == d->rank)
            return;
        r->behind = next;
    }
}

/* A launcher that ends the job wakes who was stopped, so that who looks later sees it move: the word of the first
 * to end the job holds. */
static void take_word(const ts_watchdog *d, ts_watch_report *r)
{
    for (int i = 0; i < d->size && !r->has_stopped; i++) {
        const int64_t named = atomic_load(&d->watch->seats[i].named);
        if (named > 0 && named <= d->size && named - 1 != d->rank)
            r->behind = named, r->has_stopped = true;
    }
}

/* Of those that were told of, one of the group that has not told, or else one of the world. */
static int64_t not_heard(const ts_watchdog *d, int64_t number)
{
    ts_watch_reports *q = d->watch->reports;
    const int *members = atomic_load(&q->members);
    const int n = members ? atomic_load(&q->n_members) : 0;
    for (int i = 0; i < n + q->size; i++) {
        const int r = i < n ? members[i] : i - n;
        if (r != d->rank && atomic_load(&q->heard[r]) != number)
            return r + 1;
    }
    return 0;
}

/* So many beats that one who moves has made some, however busy its host is. */
static bool let_hearts_beat(ts_watchdog *d)
{
    enum { BEATS = 3 };
    const double seconds = 1.5;
    for (int i = 0; i < BEATS || i * d->tick < seconds; i++) {
        beat(d);
        if (!nap(d, d->tick))
            return false;
    }
    return true;
}

static void find_silent(ts_watchdog *d, ts_watch_report *r)
{
    const ts_watch_reports *q = d->watch->reports;
    int64_t *before = NULL;
    if (q && !r->behind) /* of a message it is known who */
        r->behind = not_heard(d, r->number);
    if (q && r->behind)
        r->behind_host = q->hosts + (size_t)(r->behind - 1) * TS_WATCH_HOST;
    if (!d->watch->seats || ts_alloc(&before, (size_t)d->size, sizeof *before) != TS_OK)
        return;
    for (int i = 0; i < d->size; i++)
        before[i] = beats_of(d, i);
    if (let_hearts_beat(d))
        follow(d, before, r);
    take_word(d, r);
    r->behind_host = r->host;
    ts_free(&before);
}

/* ---- the watch ---- */

static void bark(ts_watchdog *d, const char *inside, int64_t number, double since)
{
    const char *phase = atomic_load_explicit(&d->watch->phase, memory_order_relaxed),
               *group = atomic_load_explicit(&d->watch->group, memory_order_relaxed);
    ts_watch_report r = { .rank = d->rank, .size = d->size, .host = d->host, .collective = inside,
                          .group = group ? group : "world", .phase = phase ? phase : "starting",
                          .number = number, .behind = atomic_load(&d->watch->behind),
                          .iteration = atomic_load(&d->watch->iteration) };
    find_silent(d, &r);
    r.seconds = ts_now() - since;
    if (!atomic_load_explicit(&d->watch->inside, memory_order_acquire) ||
        atomic_load_explicit(&d->watch->number, memory_order_relaxed) != number)
        return; /* it came meanwhile */
    if (d->watch->seats) { /* it may end here, which is not what the others look for */
        atomic_store(&d->watch->seats[d->rank].named, r.has_stopped ? r.behind : 0);
        atomic_store_explicit(&d->watch->seats[d->rank].beats, 0, memory_order_relaxed);
    }
    d->stuck(d->ctx, &r);
}

static double limit_of(const ts_watchdog *d)
{
    const int64_t ms = atomic_load_explicit(&d->watch->limit_ms, memory_order_relaxed);
    return ms > 0 ? (double)ms * 1e-3 : d->limit;
}

/* The watched thread reads no clock: the time in a collective is counted from when it was first
 * seen here, which is at most one nap late. */
static void *keep_watch(void *arg)
{
    ts_watchdog *d = arg;
    int64_t seen = -1;
    double since = 0, last = ts_now();
    beat(d); /* at once: it may be stopped before its first nap ends */
    while (nap(d, d->tick)) {
        beat(d);
        const char *inside = atomic_load_explicit(&d->watch->inside, memory_order_acquire);
        const int64_t number = atomic_load_explicit(&d->watch->number, memory_order_relaxed);
        /* A process that was itself stopped (or a machine that slept) has not waited that long. */
        const double now = ts_now(), limit = limit_of(d);
        const bool was_stopped = now - last > limit / 2;
        last = now;
        if (!inside || number != seen || was_stopped) {
            seen = inside ? number : -1;
            since = now;
            continue;
        }
        if (d->watch->reports && now - since > limit / 2)
            atomic_store(&d->watch->reports->asked, number);
        if (now - since <= limit)
            continue;
        bark(d, inside, number, since);
        last = ts_now();
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
    d->tick = limit_seconds / 16 < 1 ? limit_seconds / 16 : 1;
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
