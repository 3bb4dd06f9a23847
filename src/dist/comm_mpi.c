#include "dist/comm_mpi.h"
#include "base/log.h"
#include "base/thread.h"
#include "dist/comm_shm.h"
#include "dist/mpi_call.h"

#include <limits.h>
#include <mpi.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Every call is started without waiting and waited for in one place (ts_mpi_wait), which knows how
 * to wait without robbing other processes of the core and tells the watchdog. */

static ts_mpi_comm *mpi_of(ts_comm *c) { return (ts_mpi_comm *)c; }

static ts_status split(ts_comm *c, const char *group, const int *ranks, int n, ts_comm **out);

static void destroy(ts_comm *c)
{
    ts_mpi_comm *m = mpi_of(c);
    if (m->comm != MPI_COMM_NULL)
        MPI_Comm_free(&m->comm);
    if (m->waiter == &m->own)
        ts_mpi_waiter_close(m->waiter);
    ts_free(&m);
}

static ts_status find_place(ts_mpi_comm *m)
{
    MPI_Comm host;
    TS_TRY(ts_mpi_check(m->waiter, "comm-size", MPI_Comm_size(m->comm, &m->c.size)));
    TS_TRY(ts_mpi_check(m->waiter, "comm-rank", MPI_Comm_rank(m->comm, &m->c.rank)));
    TS_TRY(ts_mpi_check(
        m->waiter, "comm-split",
        MPI_Comm_split_type(m->comm, MPI_COMM_TYPE_SHARED, m->c.rank, MPI_INFO_NULL, &host)));
    MPI_Comm_rank(host, &m->c.local_rank);
    MPI_Comm_size(host, &m->c.local_size);
    MPI_Comm_free(&host);
    return TS_OK;
}

/* of: whose waiter it uses; NULL: its own. */
static ts_status create(ts_mpi_comm *of, ts_mpi_comm **out)
{
    static const ts_comm_table table = { ts_mpi_start, ts_mpi_test, ts_mpi_finish, split, destroy };
    ts_mpi_comm *m;
    TS_TRY(ts_alloc(&m, 1, sizeof *m));
    m->c = (ts_comm){ .kind = "mpi", .group = "world", .table = &table };
    m->comm = MPI_COMM_NULL;
    m->max_count = of ? of->max_count : INT_MAX / 2;
    m->waiter = of ? of->waiter : &m->own;
    m->own.talk = MPI_COMM_NULL;
    m->c.watch = &m->waiter->watch, m->c.host = m->waiter->host;
    *out = m;
    return TS_OK;
}

static ts_status split(ts_comm *c, const char *group, const int *ranks, int n, ts_comm **out)
{
    ts_mpi_comm *m = mpi_of(c), *made = NULL;
    int at = 0;
    (void)group; /* ts_comm_group sets it */
    while (at < n && ranks[at] != c->rank)
        at++;
    ts_status st = n > 1 ? create(m, &made) : n ? ts_comm_self_create(out) : TS_OK;
    if (made)
        *out = &made->c;
    TS_TRY_TO(fail, st, ts_comm_agree(c, st));
    MPI_Comm comm = MPI_COMM_NULL;
    st = ts_mpi_check(m->waiter, "comm-split",
                      MPI_Comm_split(m->comm, made ? ranks[0] : MPI_UNDEFINED, at, &comm));
    if (st == TS_OK && made) {
        made->comm = comm;
        MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
        st = find_place(made);
    }
    TS_TRY_TO(fail, st, ts_comm_agree(c, st));
    return TS_OK;
fail:
    ts_comm_destroy(out);
    return st;
}

static ts_status start_mpi(int64_t expected)
{
    int provided = 0, size = 0;
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &provided) != MPI_SUCCESS)
        return ts_error(TS_ERR_RUN, "MPI could not be started");
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (expected > 0 && size != expected) {
        MPI_Finalize();
        return ts_error(
            TS_ERR_USER,
            "the launcher started %lld processes, but MPI sees %d: it belongs to another MPI "
            "than the one this program was built with (or srun needs --mpi=pmix)",
            (long long)expected, size);
    }
    if (provided < MPI_THREAD_FUNNELED) {
        MPI_Finalize();
        return ts_error(TS_ERR_USER,
                        "this MPI cannot serve a program with threads (MPI_THREAD_FUNNELED)");
    }
    return TS_OK;
}

static ts_status create_world(ts_mpi_comm **out)
{
    ts_mpi_comm *m;
    TS_TRY(create(NULL, &m));
    ts_mpi_waiter_init(m->waiter, 0, 1);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    ts_status st = ts_mpi_check(m->waiter, "comm-dup", MPI_Comm_dup(MPI_COMM_WORLD, &m->comm));
    if (st == TS_OK)
        st = find_place(m);
    ts_mpi_waiter_init(m->waiter, m->c.rank, m->c.local_size);
    if (st == TS_OK)
        st = ts_mpi_waiter_open(m->waiter, m->c.size);
    if (st != TS_OK)
        destroy(&m->c);
    else
        *out = m;
    return st;
}

ts_status ts_comm_mpi_world(int64_t expected, bool direct, ts_comm **out)
{
    TS_TRY(start_mpi(expected));
    ts_mpi_comm *m;
    TS_TRY(create_world(&m));
    if (direct && m->c.size > 1 && m->c.local_size == m->c.size) {
        if (ts_comm_shm_world(&m->c, out) == TS_OK) {
            destroy(&m->c);
            return TS_OK;
        }
        ts_log(TS_LOG_DEBUG, "messages go through MPI: %s", ts_error_message());
    }
    *out = &m->c;
    return TS_OK;
}

bool ts_comm_mpi_meet(double seconds)
{
    const struct timespec nap = { .tv_nsec = 1000000 };
    MPI_Request all;
    int is_done = 0;
    if (MPI_Ibarrier(MPI_COMM_WORLD, &all) != MPI_SUCCESS)
        return false;
    for (const double until = ts_now() + seconds; !is_done && ts_now() < until;)
        if (MPI_Test(&all, &is_done, MPI_STATUS_IGNORE) != MPI_SUCCESS)
            return false;
        else if (!is_done)
            nanosleep(&nap, NULL);
    return is_done;
}

void ts_comm_mpi_finish(ts_comm **world, bool failed)
{
    if (failed) {
        if (strcmp((*world)->kind, "shm") == 0)
            ts_comm_shm_give_up(*world, ts_error_message());
        else
            ts_mpi_give_up(mpi_of(*world)->waiter, ts_error_message());
        MPI_Abort(MPI_COMM_WORLD, 1);
        _exit(1); /* MPI_Abort should not come back */
    }
    ts_comm_destroy(world);
    MPI_Finalize();
}

void ts_comm_mpi_limit(ts_comm *c, int64_t max_count) { mpi_of(c)->max_count = max_count; }
