/* Notices when this rank waits in one collective for longer than a limit (a peer that died
 * silently, or that took another turn), says where, and ends the job. Costs two stores a
 * collective. */
#ifndef TS_DIST_WATCHDOG_H
#define TS_DIST_WATCHDOG_H
#include "base/mem.h"

#include <stdatomic.h>

/* What the watched thread says about itself; each communicator that is watched points to it. */
typedef struct ts_watch {
    /* the collective that is waited for, NULL while computing; a literal */
    _Atomic(const char *) inside;
    _Atomic(const char *) phase;  /* what the trainer is doing; a literal */
    _Atomic int64_t number;       /* collectives waited for so far */
    /* 1 + the rank that is furthest behind, where that can be seen; 0: it cannot */
    _Atomic int64_t behind;
    _Atomic int64_t iteration;    /* of training; 0: not there yet */
} ts_watch;

typedef struct ts_watch_report {
    int rank, size;
    const char *host, *collective, *phase;
    int64_t number, behind, iteration; /* as in ts_watch */
    double seconds;
} ts_watch_report;

typedef struct ts_watchdog ts_watchdog;

/* Starts the thread. w and host live as long as the watchdog. stuck is called on its thread when
 * one collective has taken longer than limit_seconds; NULL: says it on stderr and ends the process
 * with code 1, whereupon the launcher ends the others. */
ts_status ts_watchdog_create(ts_watch *w, int rank, int size, const char *host,
                             double limit_seconds,
                             void (*stuck)(void *ctx, const ts_watch_report *r), void *ctx,
                             ts_watchdog **out) TS_NODISCARD;
void ts_watchdog_destroy(ts_watchdog **dog);

/* All fine with NULL. phase and collective are literals. */
static inline void ts_watch_phase(ts_watch *w, const char *phase)
{
    if (w)
        atomic_store_explicit(&w->phase, phase, memory_order_relaxed);
}

static inline void ts_watch_iteration(ts_watch *w, int64_t iteration)
{
    if (w)
        atomic_store_explicit(&w->iteration, iteration, memory_order_relaxed);
}

static inline void ts_watch_enter(ts_watch *w, const char *collective)
{
    if (w) {
        atomic_fetch_add_explicit(&w->number, 1, memory_order_relaxed);
        atomic_store_explicit(&w->inside, collective, memory_order_release);
    }
}

static inline void ts_watch_leave(ts_watch *w)
{
    if (w)
        atomic_store_explicit(&w->inside, NULL, memory_order_relaxed);
}
#endif
