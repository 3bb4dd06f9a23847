#include "dist/mpi_call.h"

#include "dist/sum.h"

#include <string.h>

/* Messages of exchanges, of a user, and of the calls of two halves: from SUMS on, two numbers a
 * call. MPI promises 32767 of them. */
enum { EXCHANGE, MESSAGE, SUMS, MOST_SUMS = 8192 };

struct ts_mpi_request {
    ts_mpi_comm *m;
    ts_comm_call call;
    int peer; /* of a message, in the world; -1: who is missing in a collective MPI does not say */
    size_t n, cap;
    MPI_Request *r;      /* [n] */
    int *ints;           /* all-gather: [2 * size] counts and displacements for MPI */
    char *parts;         /* first half: [size][mine], what all ranks have for this one's share */
    int64_t begin, mine; /* where that share begins, and how long it is */
    int tag;
    ts_mpi_request *next; /* of those halfway */
};

/* What goes to each rank, from where; what comes from each, and where to. */
typedef struct exchange {
    const void *send;
    void *recv;
    const int64_t *send_counts, *send_offsets, *recv_counts, *recv_offsets;
    int64_t n; /* where there are no counts */
    ts_comm_type t;
    int tag;
} exchange;

static ts_mpi_comm *mpi_of(ts_comm *c) { return (ts_mpi_comm *)c; }
static ts_mpi_request *own(ts_comm_request *r) { return (ts_mpi_request *)(void *)r; }

static MPI_Datatype type_of(ts_comm_type t)
{
    switch (t) {
    case TS_COMM_F32: return MPI_FLOAT;
    case TS_COMM_F64: return MPI_DOUBLE;
    case TS_COMM_I64: return MPI_INT64_T;
    case TS_COMM_BF16:
    case TS_COMM_F16: return MPI_UNSIGNED_SHORT;
    default: return MPI_UNSIGNED_CHAR;
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

static ts_status check(const ts_mpi_request *q, int code)
{
    return ts_mpi_check(q->m->waiter, ts_collective_name(q->call.what), code);
}

/* How many of n values from b on go in one piece. */
static int piece(const ts_mpi_request *q, int64_t n, int64_t b)
{
    return (int)(n - b < q->m->max_count ? n - b : q->m->max_count);
}

/* A place for MPI's next request. */
static ts_status next(ts_mpi_request *q, MPI_Request **out)
{
    TS_TRY(ts_grow(&q->r, &q->cap, q->n + 1, sizeof *q->r));
    q->r[q->n] = MPI_REQUEST_NULL;
    *out = &q->r[q->n++];
    return TS_OK;
}

static ts_status start_reduce(ts_mpi_request *q)
{
    const ts_comm_call *x = &q->call;
    MPI_Request *r;
    for (int64_t b = 0; b < x->n; b += q->m->max_count) {
        TS_TRY(next(q, &r));
        TS_TRY(check(q, MPI_Iallreduce(MPI_IN_PLACE, at(x->recv, b, x->type), piece(q, x->n, b),
                                       type_of(x->type), op_of(x->op), q->m->comm, r)));
    }
    return TS_OK;
}

static ts_status start_spread(ts_mpi_request *q, void *buf, int64_t n, int root)
{
    MPI_Request *r;
    for (int64_t b = 0; b < n; b += q->m->max_count) {
        TS_TRY(next(q, &r));
        TS_TRY(check(q, MPI_Ibcast(at(buf, b, q->call.type), piece(q, n, b), type_of(q->call.type),
                                   root, q->m->comm, r)));
    }
    return TS_OK;
}

/* Displacements are int too, so a result that is too large is spread rank by rank. */
static ts_status start_gather(ts_mpi_request *q)
{
    const ts_comm_call *x = &q->call;
    const int size = q->m->c.size, me = q->m->c.rank;
    MPI_Request *r;
    int64_t end = 0;
    TS_TRY(ts_alloc(&q->ints, 2 * (size_t)size, sizeof *q->ints));
    for (int s = 0; s < size; s++) {
        const int64_t n = ts_call_count(x->recv_counts, x->n, s),
                      offset = ts_call_offset(x->recv_offsets, x->n, s);
        end = offset + n > end ? offset + n : end;
        q->ints[s] = (int)n, q->ints[size + s] = (int)offset;
    }
    char *mine = at(x->recv, ts_call_offset(x->recv_offsets, x->n, me), x->type);
    if (mine != x->send && x->n > 0)
        memmove(mine, x->send, (size_t)x->n * ts_comm_type_size(x->type));
    if (end <= q->m->max_count) {
        TS_TRY(next(q, &r));
        return check(q, MPI_Iallgatherv(MPI_IN_PLACE, 0, type_of(x->type), x->recv, q->ints,
                                        q->ints + size, type_of(x->type), q->m->comm, r));
    }
    for (int s = 0; s < size; s++)
        TS_TRY(start_spread(q, at(x->recv, ts_call_offset(x->recv_offsets, x->n, s), x->type),
                            ts_call_count(x->recv_counts, x->n, s), s));
    return TS_OK;
}

static ts_status receive(ts_mpi_request *q, void *buf, int64_t n, ts_comm_type t, int from, int tag)
{
    MPI_Request *r;
    for (int64_t b = 0; b < n || (!b && tag == MESSAGE); b += q->m->max_count) {
        TS_TRY(next(q, &r));
        TS_TRY(check(
            q, MPI_Irecv(at(buf, b, t), piece(q, n, b), type_of(t), from, tag, q->m->comm, r)));
    }
    return TS_OK;
}

/* An empty message is one all the same. */
static ts_status send(ts_mpi_request *q, const void *buf, int64_t n, ts_comm_type t, int to,
                      int tag)
{
    MPI_Request *r;
    for (int64_t b = 0; b < n || (!b && tag == MESSAGE); b += q->m->max_count) {
        TS_TRY(next(q, &r));
        TS_TRY(
            check(q, MPI_Isend(at(buf, b, t), piece(q, n, b), type_of(t), to, tag, q->m->comm, r)));
    }
    return TS_OK;
}

/* To and from every peer; neighbours first, so that not all start with rank 0. */
static ts_status start_exchange(ts_mpi_request *q, const exchange *x)
{
    const int size = q->m->c.size, me = q->m->c.rank;
    const int64_t n = ts_call_count(x->send_counts, x->n, me);
    for (int d = 1; d < size; d++) {
        const int from = (me + size - d) % size;
        TS_TRY(receive(q, at(x->recv, ts_call_offset(x->recv_offsets, x->n, from), x->t),
                       ts_call_count(x->recv_counts, x->n, from), x->t, from, x->tag));
    }
    for (int d = 1; d < size; d++) {
        const int to = (me + d) % size;
        TS_TRY(send(q, at(x->send, ts_call_offset(x->send_offsets, x->n, to), x->t),
                    ts_call_count(x->send_counts, x->n, to), x->t, to, x->tag));
    }
    char *to = at(x->recv, ts_call_offset(x->recv_offsets, x->n, me), x->t);
    const char *from = at(x->send, ts_call_offset(x->send_offsets, x->n, me), x->t);
    if (n > 0 && to != from)
        memcpy(to, from, (size_t)n * ts_comm_type_size(x->t));
    return TS_OK;
}

/* A reduction to each part's rank. MPI's own call has counts of int and parts without gaps. */
static ts_status start_scatter(ts_mpi_request *q)
{
    const ts_comm_call *x = &q->call;
    MPI_Request *r;
    for (int d = 0; d < q->m->c.size; d++) {
        const int64_t n = ts_call_count(x->send_counts, x->n, d),
                      offset = ts_call_offset(x->send_offsets, x->n, d);
        for (int64_t b = 0; b < n; b += q->m->max_count) {
            const void *from = at(x->send, offset + b, x->type);
            char *to = d == q->m->c.rank ? at(x->recv, b, x->type) : NULL;
            TS_TRY(next(q, &r));
            TS_TRY(check(q, MPI_Ireduce(from == to ? MPI_IN_PLACE : from, to, piece(q, n, b),
                                        type_of(x->type), op_of(x->op), d, q->m->comm, r)));
        }
    }
    return TS_OK;
}

/* An all-reduce has equal shares, the last ones shorter. */
static int64_t share_begin(const ts_mpi_request *q, int rank)
{
    const int64_t n = q->call.n, share = (n + q->m->c.size - 1) / q->m->c.size;
    return rank * share < n ? rank * share : n;
}

static int64_t share_of(const ts_mpi_request *q, int rank, int64_t *offset)
{
    const ts_comm_call *x = &q->call;
    if (x->what == TS_REDUCE_SCATTER) {
        *offset = ts_call_offset(x->send_offsets, x->n, rank);
        return ts_call_count(x->send_counts, x->n, rank);
    }
    *offset = share_begin(q, rank);
    return share_begin(q, rank + 1) - *offset;
}

/* First the shares of the whole array go out, and the parts of the own share come in; then the
 * other way. */
static ts_status exchange_shares(ts_mpi_request *q, bool first)
{
    const int size = q->m->c.size;
    int64_t *v;
    TS_TRY(ts_alloc(&v, 4 * (size_t)size, sizeof *v));
    int64_t *counts = v, *offsets = v + size, *mine = v + 2 * size, *from = v + 3 * size;
    for (int r = 0; r < size; r++) {
        counts[r] = share_of(q, r, &offsets[r]);
        mine[r] = q->mine, from[r] = first ? r * q->mine : q->begin;
    }
    exchange x = { .send = q->call.what == TS_ALL_REDUCE ? q->call.recv : q->call.send,
                   .recv = q->parts,
                   .send_counts = counts,
                   .send_offsets = offsets,
                   .recv_counts = mine,
                   .recv_offsets = from,
                   .t = q->call.type,
                   .tag = q->tag };
    if (!first)
        x = (exchange){ .send = q->call.recv,
                        .recv = q->call.recv,
                        .send_counts = mine,
                        .send_offsets = from,
                        .recv_counts = counts,
                        .recv_offsets = offsets,
                        .t = q->call.type,
                        .tag = q->tag + 1 };
    const ts_status st = start_exchange(q, &x);
    ts_free(&v);
    return st;
}

static ts_status start_sums(ts_mpi_request *q)
{
    q->tag = SUMS + 2 * (int)(q->m->halves++ % MOST_SUMS);
    q->mine = share_of(q, q->m->c.rank, &q->begin);
    TS_TRY(ts_alloc(&q->parts, (size_t)(q->mine * q->m->c.size), ts_comm_type_size(q->call.type)));
    TS_TRY(exchange_shares(q, true));
    q->next = q->m->waiter->halfway;
    q->m->waiter->halfway = q;
    return TS_OK;
}

static void leave_halfway(ts_mpi_request *q)
{
    ts_mpi_request **p = &q->m->waiter->halfway;
    while (*p && *p != q)
        p = &(*p)->next;
    if (*p)
        *p = q->next;
}

/* All parts of the own share are here. The counts of the call may be gone. */
static ts_status second_half(ts_mpi_request *q)
{
    const bool all = q->call.what == TS_ALL_REDUCE;
    const ts_comm_type t = q->call.type;
    char *out = at(q->call.recv, all ? q->begin : 0, t);
    float acc[TS_SUM_TILE];
    leave_halfway(q);
    for (int64_t b = 0; b < q->mine; b += TS_SUM_TILE) {
        const int64_t n = q->mine - b < TS_SUM_TILE ? q->mine - b : TS_SUM_TILE;
        ts_widen(acc, at(q->parts, b, t), n, t);
        for (int r = 1; r < q->m->c.size; r++)
            ts_fold(acc, at(q->parts, r * q->mine + b, t), n, t, q->call.op);
        ts_narrow(at(out, b, t), acc, n, t);
    }
    ts_free(&q->parts);
    q->n = 0;
    return all ? exchange_shares(q, false) : TS_OK;
}

/* Starts the second halves of all whose first is done. */
static ts_status move(ts_mpi_waiter *w)
{
    for (ts_mpi_request *q = w->halfway, *after; q; q = after) {
        bool done;
        after = q->next;
        TS_TRY(check(q, ts_mpi_look((int64_t)q->n, q->r, &done)));
        if (done)
            TS_TRY(second_half(q));
    }
    return TS_OK;
}

static bool has_halves(const ts_comm_call *x)
{
    return ts_comm_type_is_half(x->type) &&
           (x->what == TS_ALL_REDUCE || x->what == TS_REDUCE_SCATTER);
}

static ts_status start_call(ts_mpi_request *q)
{
    const ts_comm_call *x = &q->call;
    MPI_Request *r;
    switch (x->what) {
    case TS_ALL_REDUCE: return has_halves(x) ? start_sums(q) : start_reduce(q);
    case TS_REDUCE_SCATTER: return has_halves(x) ? start_sums(q) : start_scatter(q);
    case TS_ALL_GATHER: return start_gather(q);
    case TS_ALL_TO_ALL:
        return start_exchange(q, &(exchange){ x->send, x->recv, x->send_counts, x->send_offsets,
                                              x->recv_counts, x->recv_offsets, x->n, x->type,
                                              EXCHANGE });
    case TS_BROADCAST: return start_spread(q, x->recv, x->n, x->peer);
    case TS_SEND: return send(q, x->send, x->n, x->type, x->peer, MESSAGE);
    case TS_RECV: return receive(q, x->recv, x->n, x->type, x->peer, MESSAGE);
    default:
        TS_TRY(next(q, &r));
        return check(q, MPI_Ibarrier(q->m->comm, r));
    }
}

static void drop(ts_mpi_request *q)
{
    leave_halfway(q);
    ts_free(&q->r);
    ts_free(&q->ints);
    ts_free(&q->parts);
    ts_free(&q);
}

ts_status ts_mpi_start(ts_comm *c, const ts_comm_call *call, ts_comm_request **out)
{
    ts_mpi_request *q;
    TS_TRY(ts_alloc(&q, 1, sizeof *q));
    q->m = mpi_of(c), q->call = *call;
    const bool is_message = call->what == TS_SEND || call->what == TS_RECV;
    q->peer = is_message ? ts_comm_world_rank(c, call->peer) : -1;
    const ts_status st = start_call(q);
    if (st != TS_OK)
        drop(q); /* what was started is lost: the job ends on this error */
    else
        *out = (ts_comm_request *)(void *)q;
    return st;
}

static ts_status look(void *request, bool *done)
{
    ts_mpi_request *q = request;
    TS_TRY(move(q->m->waiter));
    *done = false;
    return q->parts ? TS_OK : check(q, ts_mpi_look((int64_t)q->n, q->r, done));
}

ts_status ts_mpi_test(ts_comm *c, ts_comm_request **r, bool *done)
{
    (void)c;
    const ts_status st = look(*r, done);
    if (st == TS_OK && *done) {
        drop(own(*r));
        *r = NULL;
    }
    return st;
}

ts_status ts_mpi_finish(ts_comm *c, ts_comm_request **r)
{
    ts_mpi_request *q = own(*r);
    const ts_status st =
        ts_mpi_wait(mpi_of(c)->waiter, c, ts_collective_name(q->call.what), q->peer, look, q);
    drop(q);
    *r = NULL;
    return st;
}
