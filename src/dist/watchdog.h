/* Notices when this rank waits in one collective for longer than a limit (a peer that died
 * silently, or that took another turn), says where, and ends the job. Costs two stores a
 * collective. */
#ifndef TS_DIST_WATCHDOG_H
#define TS_DIST_WATCHDOG_H
#include "base/mem.h"

#include <stdatomic.h>
#include <stdbool.h>

/* A rank's place where the others see it, in memory that all share. */
typedef struct ts_watch_seat {
    _Alignas(64) _Atomic int64_t beats; /* of its watchdog's heart: stands still when the process does */
    _Atomic int64_t behind;             /* 1 + the rank that it waits for; 0: it does not wait */
    _Atomic int64_t named;              /* 1 + the rank that it ends the job for, which has stopped; 0: none */
} ts_watch_seat;

/* Where ranks do not see each other, each that waits long tells the others so, as far as that goes: who has
 * not may be the one that does not come. */
typedef struct ts_watch_reports {
    int size;               /* of the world */
    _Atomic int64_t *heard; /* [size]: the number of the wait here in which that rank told; 0: none */
    const char *hosts;      /* [size * TS_WATCH_HOST]; texts */
    _Atomic(const int *) members; /* of the group that is waited in, NULL: the world */
    _Atomic int n_members;
    _Atomic int64_t asked; /* the number of the wait that the watchdog finds long */
} ts_watch_reports;
enum { TS_WATCH_HOST = 64 };

/* What the watched thread says about itself; each communicator that is watched points to it. */
typedef struct ts_watch {
    ts_watch_seat *seats; /* [size of the world]; NULL: ranks do not see each other, but may tell */
    ts_watch_reports *reports;
    /* the collective that is waited for, NULL while computing; a literal, as the group's name */
    _Atomic(const char *) inside;
    _Atomic(const char *) group;
    /* milliseconds that it may wait where it is now; 0: as the watchdog was told */
    _Atomic int64_t limit_ms;
    _Atomic(const char *) phase;  /* what the trainer is doing; a literal */
    _Atomic int64_t number;       /* collectives waited for so far */
    /* 1 + the rank that is furthest behind, where that can be seen; 0: it cannot */
    _Atomic int64_t behind;
    _Atomic int64_t iteration;    /* of training; 0: not there yet */
} ts_watch;

typedef struct ts_watch_report {
    int rank, size;
    const char *host, *collective, *group, *phase;
    const char *behind_host; /* of who is behind; NULL: not known */
    int64_t number, behind, iteration; /* as in ts_watch */
    bool has_stopped;                  /* the one that is behind: its process does not move */
    double seconds;
} ts_watch_report;

typedef struct ts_watchdog ts_watchdog;

/* With seats, `behind` of a report is the rank that all this waiting goes back to: one that has stopped,
 * or else, from the one that is waited for on, who waits for nobody itself. */
/* Starts the thread. w and host live as long as the watchdog. stuck is called on its thread when
 * one collective has taken longer than limit_seconds; NULL: says it on stderr and ends the process
 * with code 1, whereupon the launcher ends the others. limit_seconds is that of a wait that has none of its own. */
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

/* What it waits for from here on may take so long; 0: as the watchdog was told. */
static inline void ts_watch_limit(ts_watch *w, double seconds)
{
    if (w)
        atomic_store_explicit(&w->limit_ms, (int64_t)(seconds * 1e3), memory_order_relaxed);
}

static inline void ts_watch_enter(ts_watch *w, const char *group, const char *collective)
{
    if (w) {
        atomic_store_explicit(&w->group, group, memory_order_relaxed);
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
