#include "dist/mpi_wait.h"
#include "base/thread.h"

#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Spin a moment (the peer is about as far as we are), then give the core away between looks, then
 * sleep. A message moves on only while somebody looks, so the sleep stays short beside a message's
 * time. */
enum { SPINS = 200, YIELDS = 2000, SLEEP_NS = 50000 };
/* Tags of what ranks tell each other: that they have failed, and that they wait. To more ranks than MOST_TOLD
 * the latter goes only within the group. */
enum { FAILED, WAITING, MOST_TOLD = 256 };

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

ts_status ts_mpi_waiter_open(ts_mpi_waiter *w, int size)
{
    char *hosts;
    w->size = size;
    TS_TRY(ts_mpi_check(w, "comm-dup", MPI_Comm_dup(MPI_COMM_WORLD, &w->talk)));
    MPI_Comm_set_errhandler(w->talk, MPI_ERRORS_RETURN);
    TS_TRY(ts_alloc(&w->reports.heard, (size_t)size, sizeof *w->reports.heard));
    TS_TRY(ts_alloc(&hosts, (size_t)size, TS_WATCH_HOST));
    w->reports.hosts = hosts, w->reports.size = size;
    TS_TRY(ts_mpi_check(w, "all-gather", MPI_Allgather(w->host, TS_WATCH_HOST, MPI_CHAR, hosts, TS_WATCH_HOST,
                                                       MPI_CHAR, w->talk)));
    w->watch.reports = &w->reports;
    return TS_OK;
}

void ts_mpi_waiter_close(ts_mpi_waiter *w)
{
    if (w->talk != MPI_COMM_NULL)
        MPI_Comm_free(&w->talk);
    ts_free(&w->reports.heard);
    ts_free(&w->reports.hosts);
}

static bool take(ts_mpi_waiter *w, const MPI_Status *from)
{
    char text[TS_MPI_WHY] = "";
    if (MPI_Recv(text, sizeof text, MPI_CHAR, from->MPI_SOURCE, from->MPI_TAG, w->talk,
                 MPI_STATUS_IGNORE) != MPI_SUCCESS)
        return false;
    if (from->MPI_TAG == WAITING) {
        atomic_store(&w->reports.heard[from->MPI_SOURCE], atomic_load(&w->watch.number));
    } else if (w->heard++ == 0) {
        w->failed = from->MPI_SOURCE + 1;
        memcpy(w->why, text, sizeof text);
        w->why[sizeof w->why - 1] = 0;
    }
    return true;
}

/* Takes what others tell. Whether some rank has said that it failed: only the first one's words are kept. */
static bool listen(ts_mpi_waiter *w)
{
    MPI_Status from;
    int is_there = 0;
    if (w->talk == MPI_COMM_NULL)
        return false;
    while (MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, w->talk, &is_there, &from) == MPI_SUCCESS && is_there)
        if (!take(w, &from))
            break;
    return w->failed != 0;
}

/* Once in a wait that is long: that this rank waits. */
static void tell_waiting(ts_mpi_waiter *w, const ts_comm *c)
{
    static char nothing;
    const int64_t number = atomic_load_explicit(&w->watch.number, memory_order_relaxed);
    const bool all = w->size <= MOST_TOLD || !c->ranks;
    if (w->told == number || atomic_load(&w->reports.asked) != number)
        return;
    w->told = number;
    for (int i = 0; i < (all ? w->size : c->size); i++) {
        const int r = all ? i : c->ranks[i];
        MPI_Request sent;
        if (r != w->rank && MPI_Isend(&nothing, 1, MPI_CHAR, r, WAITING, w->talk, &sent) == MPI_SUCCESS)
            MPI_Request_free(&sent);
    }
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
            MPI_Isend(text, sizeof text, MPI_CHAR, r, FAILED, w->talk, &sent[r]);
    }
    for (const double until = ts_now() + TS_PATIENCE; ts_now() < until;) {
        if (listen(w) && w->heard == w->size - 1 && ts_mpi_look(w->size, sent, &gone) == MPI_SUCCESS && gone)
            break;
        nanosleep(&(struct timespec){ .tv_nsec = SLEEP_NS }, NULL);
    }
    ts_free(&sent);
}

ts_status ts_mpi_wait(ts_mpi_waiter *w, const ts_comm *c, const char *what, int peer,
                      ts_status (*look)(void *ctx, bool *done), void *ctx)
{
    ts_status st;
    bool done = false;
    atomic_store_explicit(&w->watch.behind, peer + 1, memory_order_relaxed);
    atomic_store_explicit(&w->reports.n_members, c->size, memory_order_relaxed);
    atomic_store_explicit(&w->reports.members, c->ranks, memory_order_relaxed);
    ts_watch_enter(&w->watch, c->group, what);
    for (int64_t looks = 0;; looks++) {
        st = look(ctx, &done);
        if (done || st != TS_OK)
            break;
        if (looks >= SPINS && looks % SPINS == 0) {
            tell_waiting(w, c);
            if (listen(w)) {
                st = ts_error(TS_ERR_RUN, "%s in the group %s: rank %d of %d has failed: %s", what,
                              c->group, w->failed - 1, w->size, w->why);
                break;
            }
        }
        rest(w, looks);
    }
    ts_watch_leave(&w->watch);
    return st;
}
