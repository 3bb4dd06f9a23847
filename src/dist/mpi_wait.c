#include "dist/mpi_wait.h"
#include "base/thread.h"

#include <sched.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

/* Spin a moment (the peer is about as far as we are), then give the core away between looks, then
 * sleep. A message moves on only while somebody looks, so the sleep stays short beside a message's
 * time. */
enum { SPINS = 200, YIELDS = 2000, SLEEP_NS = 50000 };

void ts_mpi_waiter_init(ts_mpi_waiter *w, int rank, int local_size)
{
    w->rank = rank;
    w->crowded = local_size > ts_cpu_count();
    if (gethostname(w->host, sizeof w->host) != 0)
        w->host[0] = 0;
    w->host[sizeof w->host - 1] = 0;
}

ts_status ts_mpi_check(const ts_mpi_waiter *w, const char *what, int code)
{
    if (code == MPI_SUCCESS)
        return TS_OK;
    char text[MPI_MAX_ERROR_STRING + 1] = "";
    int len = 0;
    MPI_Error_string(code, text, &len);
    return ts_error(TS_ERR_RUN, "%s failed on rank %d (host %s): %s", what, w->rank, w->host, text);
}

static void rest(const ts_mpi_waiter *w, int64_t looks)
{
    if (looks < (w->crowded ? 4 : SPINS))
        return;
    if (looks < YIELDS) {
        sched_yield();
        return;
    }
    nanosleep(&(struct timespec){ .tv_nsec = SLEEP_NS }, NULL);
}

int ts_mpi_look(int64_t n, MPI_Request *r, bool *done)
{
    *done = true;
    for (int64_t i = 0; i < n; i++) {
        int one = 0;
        const int code = MPI_Test(&r[i], &one, MPI_STATUS_IGNORE); /* done before: done */
        if (code != MPI_SUCCESS)
            return code;
        *done &= one != 0;
    }
    return MPI_SUCCESS;
}

ts_status ts_mpi_wait(ts_mpi_waiter *w, const char *what, int peer,
                      ts_status (*look)(void *ctx, bool *done), void *ctx)
{
    ts_status st;
    bool done = false;
    atomic_store_explicit(&w->watch.behind, peer + 1, memory_order_relaxed);
    ts_watch_enter(&w->watch, what);
    for (int64_t looks = 0;; looks++) {
        st = look(ctx, &done);
        if (done || st != TS_OK)
            break;
        rest(w, looks);
    }
    ts_watch_leave(&w->watch);
    return st;
}
