#include "dist/comm_mpi.h"
#include "base/log.h"
#include "base/thread.h"
#include "dist/comm_cost.h"
#include "dist/comm_shm.h"
#include "dist/mpi_wait.h"

#include <limits.h>
#include <mpi.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Every collective is started without waiting and waited for in one place (ts_mpi_wait), which
 * knows how to wait without robbing other processes of the core and tells the watchdog. MPI counts
 * in int: arrays beyond max_count values go in pieces. */

typedef struct mpi_comm {
    ts_comm c;
    MPI_Comm comm;
    ts_mpi_waiter waiter;
    int64_t max_count;
    int *ints; /* [2 * size]: counts and displacements for MPI */
} mpi_comm;

typedef struct mpi_request {
    int n;
    MPI_Request r[]; /* [n] */
} mpi_request;

static mpi_comm *mpi_of(ts_comm *c) { return (mpi_comm *)c; }
static mpi_request *own(ts_comm_request *r) { return (mpi_request *)(void *)r; }

static MPI_Datatype type_of(ts_comm_type t)
{
    switch (t) {
    case TS_COMM_F32:
        return MPI_FLOAT;
    case TS_COMM_F64:
        return MPI_DOUBLE;
    case TS_COMM_I64:
        return MPI_INT64_T;
    default:
        return MPI_UNSIGNED_CHAR;
    }
}

static MPI_Op op_of(ts_comm_op op)
{
    return op == TS_COMM_SUM ? MPI_SUM : op == TS_COMM_MAX ? MPI_MAX : MPI_MIN;
}

static char *at(const void *p, int64_t offset, ts_comm_type t)
{
    return (char *)(uintptr_t)p + (size_t)offset * ts_comm_type_size(t);
}

static void count(ts_comm *c, ts_collective what, double bytes)
{
    const ts_comm_traffic t = ts_collective_cost(what, c->size, bytes);
    ts_traffic_add(&c->traffic, &t);
}

static double bytes_of(int64_t n, ts_comm_type t)
{
    return (double)n * (double)ts_comm_type_size(t);
}

static ts_status check(ts_comm *c, ts_collective what, int code)
{
    return ts_mpi_check(&mpi_of(c)->waiter, ts_collective_name(what), code);
}

static ts_status await(ts_comm *c, ts_collective what, int n, MPI_Request *r)
{
    return ts_mpi_wait(&mpi_of(c)->waiter, ts_collective_name(what), n, r);
}

static ts_status all_reduce_start(ts_comm *c, void *buf, int64_t n, ts_comm_type t, ts_comm_op op,
                                  ts_comm_request **out)
{
    mpi_comm *m = mpi_of(c);
    const int64_t pieces = n > 0 ? (n - 1) / m->max_count + 1 : 0;
    mpi_request *r;
    TS_TRY(ts_alloc(&r, 1, sizeof *r + (size_t)pieces * sizeof *r->r));
    count(c, TS_ALL_REDUCE, bytes_of(n, t));
    for (int64_t b = 0; b < n; b += m->max_count) {
        const int64_t k = n - b < m->max_count ? n - b : m->max_count;
        const int code = MPI_Iallreduce(MPI_IN_PLACE, at(buf, b, t), (int)k, type_of(t), op_of(op),
                                        m->comm, &r->r[r->n]);
        if (code != MPI_SUCCESS) {
            ts_free(&r); /* what was started is lost: the job ends on this error */
            return check(c, TS_ALL_REDUCE, code);
        }
        r->n++;
    }
    *out = (ts_comm_request *)(void *)r;
    return TS_OK;
}

static ts_status test(ts_comm *c, ts_comm_request **r, bool *done)
{
    int flag = 1;
    if (*r)
        TS_TRY(check(c, TS_ALL_REDUCE, ts_mpi_look(own(*r)->n, own(*r)->r, &flag)));
    *done = flag;
    if (flag)
        ts_free(r);
    return TS_OK;
}

static ts_status wait(ts_comm *c, ts_comm_request **r)
{
    if (!*r)
        return TS_OK;
    const ts_status st = await(c, TS_ALL_REDUCE, own(*r)->n, own(*r)->r);
    ts_free(r);
    return st;
}

static ts_status all_reduce(ts_comm *c, void *buf, int64_t n, ts_comm_type t, ts_comm_op op)
{
    mpi_comm *m = mpi_of(c);
    count(c, TS_ALL_REDUCE, bytes_of(n, t));
    for (int64_t b = 0; b < n; b += m->max_count) {
        const int64_t k = n - b < m->max_count ? n - b : m->max_count;
        MPI_Request r;
        TS_TRY(check(c, TS_ALL_REDUCE,
                     MPI_Iallreduce(MPI_IN_PLACE, at(buf, b, t), (int)k, type_of(t), op_of(op),
                                    m->comm, &r)));
        TS_TRY(await(c, TS_ALL_REDUCE, 1, &r));
    }
    return TS_OK;
}

static ts_status send_from(ts_comm *c, ts_collective what, void *buf, int64_t n, ts_comm_type t,
                           int root)
{
    mpi_comm *m = mpi_of(c);
    for (int64_t b = 0; b < n; b += m->max_count) {
        const int64_t k = n - b < m->max_count ? n - b : m->max_count;
        MPI_Request r;
        TS_TRY(check(c, what, MPI_Ibcast(at(buf, b, t), (int)k, type_of(t), root, m->comm, &r)));
        TS_TRY(await(c, what, 1, &r));
    }
    return TS_OK;
}

static ts_status broadcast(ts_comm *c, void *buf, int64_t n, ts_comm_type t, int root)
{
    count(c, TS_BROADCAST, bytes_of(n, t));
    return send_from(c, TS_BROADCAST, buf, n, t, root);
}

/* Displacements are int too, so a result that is too large is spread rank by rank. */
static ts_status all_gather_v(ts_comm *c, const void *send, int64_t n, void *recv,
                              const int64_t *counts, const int64_t *offsets, ts_comm_type t)
{
    mpi_comm *m = mpi_of(c);
    int64_t sum = 0, end = 0;
    for (int r = 0; r < c->size; r++) {
        sum += counts[r];
        end = offsets[r] + counts[r] > end ? offsets[r] + counts[r] : end;
        m->ints[r] = (int)counts[r];
        m->ints[c->size + r] = (int)offsets[r];
    }
    TS_ASSERT(n == counts[c->rank], "rank %d sends %lld, others expect %lld", c->rank, (long long)n,
              (long long)counts[c->rank]);
    count(c, TS_ALL_GATHER, bytes_of(sum, t));
    char *mine = at(recv, offsets[c->rank], t);
    if (mine != send && n > 0)
        memmove(mine, send, (size_t)n * ts_comm_type_size(t));
    if (end > m->max_count) {
        for (int r = 0; r < c->size; r++)
            TS_TRY(send_from(c, TS_ALL_GATHER, at(recv, offsets[r], t), counts[r], t, r));
        return TS_OK;
    }
    MPI_Request r;
    TS_TRY(check(c, TS_ALL_GATHER, MPI_Iallgatherv(MPI_IN_PLACE, 0, type_of(t), recv, m->ints,
                                                   m->ints + c->size, type_of(t), m->comm, &r)));
    return await(c, TS_ALL_GATHER, 1, &r);
}

static ts_status all_gather(ts_comm *c, const void *send, void *recv, int64_t n, ts_comm_type t)
{
    int64_t *v;
    TS_TRY(ts_alloc(&v, 2 * (size_t)c->size, sizeof *v));
    for (int r = 0; r < c->size; r++)
        v[r] = n, v[c->size + r] = r * n;
    const ts_status st = all_gather_v(c, send, n, recv, v, v + c->size, t);
    ts_free(&v);
    return st;
}

typedef struct exchange {
    const void *send;
    const int64_t *send_counts, *send_offsets;
    void *recv;
    const int64_t *recv_counts, *recv_offsets;
    ts_comm_type t;
} exchange;

/* One piece to and from every peer; neighbours first, so that not all start with rank 0. */
static ts_status exchange_piece(ts_comm *c, const exchange *x, int64_t b, MPI_Request *r, int *n)
{
    mpi_comm *m = mpi_of(c);
    for (int d = 1; d < c->size; d++) {
        const int from = (c->rank + c->size - d) % c->size;
        const int64_t left = x->recv_counts[from] - b;
        if (left > 0)
            TS_TRY(check(c, TS_ALL_TO_ALL,
                         MPI_Irecv(at(x->recv, x->recv_offsets[from] + b, x->t),
                                   (int)(left < m->max_count ? left : m->max_count), type_of(x->t),
                                   from, 0, m->comm, &r[(*n)++])));
    }
    for (int d = 1; d < c->size; d++) {
        const int to = (c->rank + d) % c->size;
        const int64_t left = x->send_counts[to] - b;
        if (left > 0)
            TS_TRY(check(c, TS_ALL_TO_ALL,
                         MPI_Isend(at(x->send, x->send_offsets[to] + b, x->t),
                                   (int)(left < m->max_count ? left : m->max_count), type_of(x->t),
                                   to, 0, m->comm, &r[(*n)++])));
    }
    return TS_OK;
}

static ts_status all_to_all_v(ts_comm *c, const void *send, const int64_t *send_counts,
                              const int64_t *send_offsets, void *recv, const int64_t *recv_counts,
                              const int64_t *recv_offsets, ts_comm_type t)
{
    const exchange x = { send, send_counts, send_offsets, recv, recv_counts, recv_offsets, t };
    const int me = c->rank;
    int64_t most = 0, sent = 0;
    for (int r = 0; r < c->size; r++) {
        if (r == me)
            continue;
        most = send_counts[r] > most ? send_counts[r] : most;
        most = recv_counts[r] > most ? recv_counts[r] : most;
        sent += send_counts[r];
    }
    TS_ASSERT(send_counts[me] == recv_counts[me], "rank %d keeps %lld and expects %lld", me,
              (long long)send_counts[me], (long long)recv_counts[me]);
    count(c, TS_ALL_TO_ALL, bytes_of(sent, t));
    if (send_counts[me] > 0)
        memcpy(at(recv, recv_offsets[me], t), at(send, send_offsets[me], t),
               (size_t)send_counts[me] * ts_comm_type_size(t));
    MPI_Request *r;
    TS_TRY(ts_alloc(&r, 2 * (size_t)c->size, sizeof *r));
    ts_status st = TS_OK;
    for (int64_t b = 0; b < most && st == TS_OK; b += mpi_of(c)->max_count) {
        int n = 0;
        TS_TRY_TO(end, st, exchange_piece(c, &x, b, r, &n));
        TS_TRY_TO(end, st, await(c, TS_ALL_TO_ALL, n, r));
    }
end:
    ts_free(&r);
    return st;
}

/* A reduction to each part's rank. MPI's own call has counts of int and parts without gaps. */
static ts_status reduce_scatter_v(ts_comm *c, const void *send, void *recv, const int64_t *counts,
                                  const int64_t *offsets, ts_comm_type t, ts_comm_op op)
{
    mpi_comm *m = mpi_of(c);
    int64_t sum = 0;
    for (int d = 0; d < c->size; d++)
        sum += counts[d];
    count(c, TS_REDUCE_SCATTER, bytes_of(sum, t));
    for (int d = 0; d < c->size; d++)
        for (int64_t b = 0; b < counts[d]; b += m->max_count) {
            const int64_t k = counts[d] - b < m->max_count ? counts[d] - b : m->max_count;
            const void *from = at(send, offsets[d] + b, t);
            char *to = d == c->rank ? at(recv, b, t) : NULL;
            MPI_Request r;
            TS_TRY(check(c, TS_REDUCE_SCATTER,
                         MPI_Ireduce(from == to ? MPI_IN_PLACE : from, to, (int)k, type_of(t),
                                     op_of(op), d, m->comm, &r)));
            TS_TRY(await(c, TS_REDUCE_SCATTER, 1, &r));
        }
    return TS_OK;
}

static ts_status barrier(ts_comm *c)
{
    count(c, TS_BARRIER, 0);
    MPI_Request r;
    TS_TRY(check(c, TS_BARRIER, MPI_Ibarrier(mpi_of(c)->comm, &r)));
    return await(c, TS_BARRIER, 1, &r);
}

static void destroy(ts_comm *c)
{
    mpi_comm *m = mpi_of(c);
    if (m->comm != MPI_COMM_NULL)
        MPI_Comm_free(&m->comm);
    ts_free(&m->ints);
    ts_free(&m);
}

static ts_status find_place(mpi_comm *m)
{
    MPI_Comm host;
    TS_TRY(ts_mpi_check(&m->waiter, "comm-size", MPI_Comm_size(m->comm, &m->c.size)));
    TS_TRY(ts_mpi_check(&m->waiter, "comm-rank", MPI_Comm_rank(m->comm, &m->c.rank)));
    TS_TRY(ts_mpi_check(&m->waiter, "comm-split",
                        MPI_Comm_split_type(m->comm, MPI_COMM_TYPE_SHARED, m->c.rank, MPI_INFO_NULL,
                                            &host)));
    MPI_Comm_rank(host, &m->c.local_rank);
    MPI_Comm_size(host, &m->c.local_size);
    MPI_Comm_free(&host);
    ts_mpi_waiter_init(&m->waiter, m->c.rank, m->c.local_size);
    return ts_alloc(&m->ints, 2 * (size_t)m->c.size, sizeof *m->ints);
}

static ts_status start_mpi(int64_t expected)
{
    int provided = 0, size = 0;
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS)
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

static ts_status create(mpi_comm **out)
{
    mpi_comm *m;
    TS_TRY(ts_alloc(&m, 1, sizeof *m));
    m->c = (ts_comm){ .kind = "mpi", .group = "world", .all_reduce = all_reduce,
                      .all_reduce_start = all_reduce_start, .test = test, .wait = wait,
                      .all_gather = all_gather, .all_gather_v = all_gather_v,
                      .all_to_all_v = all_to_all_v, .reduce_scatter_v = reduce_scatter_v,
                      .broadcast = broadcast, .barrier = barrier, .destroy = destroy };
    m->comm = MPI_COMM_NULL;
    m->max_count = INT_MAX / 2;
    ts_mpi_waiter_init(&m->waiter, 0, 1);
    m->c.watch = &m->waiter.watch;
    m->c.host = m->waiter.host;
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    ts_status st = ts_mpi_check(&m->waiter, "comm-dup", MPI_Comm_dup(MPI_COMM_WORLD, &m->comm));
    if (st == TS_OK)
        st = find_place(m);
    if (st != TS_OK)
        destroy(&m->c);
    else
        *out = m;
    return st;
}

/* Tries shared memory for all ranks; where one of them cannot have it, all stay with MPI. */
static ts_status share_memory(ts_comm *c, ts_comm **out)
{
    ts_shm_map map = { .fd = -1 };
    ts_shm_ticket ticket = { 0 };
    ts_comm *direct = NULL;
    ts_status st = c->rank == 0 ? ts_shm_make(c->size, &map, &ticket) : TS_OK;
    TS_TRY_TO(end, st, ts_comm_agree(c, st));
    TS_TRY_TO(end, st, c->broadcast(c, &ticket, sizeof ticket, TS_COMM_U8, 0));
    if (c->rank != 0)
        st = ts_shm_join(&ticket, &map);
    TS_TRY_TO(end, st, ts_comm_agree(c, st));
    st = ts_comm_shm_create(c->rank, c->size, c->host, &map, &direct);
    TS_TRY_TO(end, st, ts_comm_agree(c, st));
    TS_TRY_TO(end, st, ts_comm_shm_probe(direct, c));
    *out = direct;
    return TS_OK;
end:
    ts_comm_destroy(&direct);
    ts_shm_leave(&map);
    return st;
}

ts_status ts_comm_mpi_world(int64_t expected, bool direct, ts_comm **out)
{
    TS_TRY(start_mpi(expected));
    mpi_comm *m;
    TS_TRY(create(&m));
    if (direct && m->c.size > 1 && m->c.local_size == m->c.size) {
        if (share_memory(&m->c, out) == TS_OK) {
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
        MPI_Abort(MPI_COMM_WORLD, 1);
        _exit(1); /* MPI_Abort should not come back */
    }
    ts_comm_destroy(world);
    MPI_Finalize();
}

void ts_comm_mpi_limit(ts_comm *c, int64_t max_count) { mpi_of(c)->max_count = max_count; }
