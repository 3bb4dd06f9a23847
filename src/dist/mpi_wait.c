#include "dist/mpi_wait.h"
#include "base/thread.h"

#include "dist/comm.h"

#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Spin a moment (the peer is about as far as we are), then give the core away between looks, then
 * sleep. A message moves on only while somebody looks, so the sleep stays short beside a message's
 * time. */
enum { SPINS = 200, YIELDS = 2000, SLEEP_NS = 50000 };

void ts_mpi_waiter_init(ts_mpi_waiter *w, int rank, int local_size)
{
    w->rank = rank;
    w->talk = MPI_COMM_NULL;
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

/* Whether some rank has said that it failed. Only the first one's words are kept. */
static bool listen(ts_mpi_waiter *w)
{
    MPI_Status from;
    char text[TS_MPI_WHY];
    int is_there = 0;
    if (w->talk == MPI_COMM_NULL)
        return false;
    while (MPI_Iprobe(MPI_ANY_SOURCE, 0, w->talk, &is_there, &from) == MPI_SUCCESS && is_there) {
        if (MPI_Recv(text, sizeof text, MPI_CHAR, from.MPI_SOURCE, 0, w->talk, MPI_STATUS_IGNORE) !=
            MPI_SUCCESS)
            break;
        if (w->heard++ == 0) {
            w->failed = from.MPI_SOURCE + 1;
            memcpy(w->why, text, sizeof text);
            w->why[sizeof w->why - 1] = 0;
        }
    }
    return w->failed != 0;
}

void ts_mpi_give_up(ts_mpi_waiter *w, const char *why)
{
    static char text[TS_MPI_WHY]; /* on its way until the end */
    MPI_Request *sent;
    bool gone;
    if (w->talk == MPI_COMM_NULL || ts_alloc(&sent, (size_t)w->size, sizeof *sent) != TS_OK)
        return;
    strncpy(text, why, sizeof text - 1);
    text[strcspn(text, "\n")] = 0;
    for (int r = 0; r < w->size; r++) {
        sent[r] = MPI_REQUEST_NULL;
        if (r != w->rank)
            MPI_Isend(text, sizeof text, MPI_CHAR, r, 0, w->talk, &sent[r]);
    }
    for (const double until = ts_now() + TS_PATIENCE; ts_now() < until;) {
        if (listen(w) && w->heard == w->size - 1 && ts_mpi_look(w->size, sent, &gone) == MPI_SUCCESS && gone)
            break;
        nanosleep(&(struct timespec){ .tv_nsec = SLEEP_NS }, NULL);
    }
    ts_free(&sent);
}

ts_status ts_mpi_wait(ts_mpi_waiter *w, const char *group, const char *what, int peer,
                      ts_status (*look)(void *ctx, bool *done), void *ctx)
{
    ts_status st;
    bool done = false;
    atomic_store_explicit(&w->watch.behind, peer + 1, memory_order_relaxed);
    ts_watch_enter(&w->watch, group, what);
    for (int64_t looks = 0;; looks++) {
        st = look(ctx, &done);
        if (done || st != TS_OK)
            break;
        if (looks >= SPINS && looks % SPINS == 0 && listen(w)) {
            st = ts_error(TS_ERR_RUN, "%s in the group %s: rank %d of %d has failed: %s", what, group,
                          w->failed - 1, w->size, w->why);
            break;
        }
        rest(w, looks);
    }
    ts_watch_leave(&w->watch);
    return st;
}
