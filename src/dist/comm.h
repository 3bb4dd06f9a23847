/* Communicators: a group of processes and what they say to each other, behind one table. `self` is
 * one process and the example to read; `mpi` is MPI; `shm` is MPI's processes on one host, through
 * memory they share; `sim` counts what a group of any size would send.
 *
 * What is to be done is a value (ts_comm_call), made by one of the functions below. It is done at
 * once, or started and waited for later:
 *
 *   ts_comm_run(c, ts_all_reduce(x, n, TS_COMM_F32, TS_COMM_SUM))
 *   ts_comm_start(c, ts_send(x, n, TS_COMM_BF16, next), &request)  ...  ts_comm_wait(c, &request)
 *
 * Every rank calls the same collectives of a communicator in the same order, started ones among the
 * others. Messages (SEND, RECV) are no part of that order: the messages from one rank to another
 * arrive in the order in which they were sent, and each must be as long as its receiver expects. A
 * send that is not started may wait for its receiver, so two ranks that send to each other start
 * it. While a rank waits or tests, all that it has started goes on, on the communicators that were
 * split from the same one too.
 *
 * A failure on one rank is a failure on all: what a rank cannot do it reports through ts_comm_agree
 * at the step's border, never by staying away. */
#ifndef TS_DIST_COMM_H
#define TS_DIST_COMM_H
#include "dist/watchdog.h"

/* Reductions of the 16-bit types are made in fp32, in the order of the ranks, and rounded once to
 * nearest even: SUM is round(((x_0 + x_1) + x_2) + ...), the same bits on all ranks and for every
 * kind of communicator. MAX and MIN are exact, a NaN wins. Those of wider types are made in the
 * type itself; in which order of the ranks is up to MPI (mpi) or as written here (shm). */
typedef enum ts_comm_type {
    TS_COMM_F32,
    TS_COMM_F64,
    TS_COMM_I64,
    TS_COMM_U8,
    TS_COMM_BF16,
    TS_COMM_F16,
} ts_comm_type;
typedef enum ts_comm_op { TS_COMM_SUM, TS_COMM_MAX, TS_COMM_MIN } ts_comm_op;

typedef enum ts_collective {
    TS_ALL_REDUCE,
    TS_REDUCE_SCATTER,
    TS_ALL_GATHER,
    TS_ALL_TO_ALL,
    TS_BROADCAST,
    TS_BARRIER,
    TS_SEND,
    TS_RECV,
    TS_COLLECTIVES,
} ts_collective;

/* Counts, offsets and n are in values. An array of counts has an entry a rank, and one of offsets;
 * both NULL: every part is n long, rank after rank. They are read at the start only; send and recv
 * are untouchable until the end. */
typedef struct ts_comm_call {
    ts_collective what;
    ts_comm_type type;
    ts_comm_op op; /* ALL_REDUCE, REDUCE_SCATTER */
    int peer;      /* BROADCAST: who has the values; SEND, RECV: the other rank */
    int64_t n;
    const void *send;
    void *recv;
    const int64_t *send_counts, *send_offsets, *recv_counts, *recv_offsets; /* [size] */
} ts_comm_call;

typedef struct ts_comm_traffic {
    int64_t calls, messages; /* messages and bytes that one rank sends */
    double bytes;
} ts_comm_traffic;

typedef struct ts_comm ts_comm;
typedef struct ts_comm_request ts_comm_request; /* one call under way; each kind's own */

/* What a kind does. comm.c has checked the call and booked it, and takes requests that are NULL for
 * done. */
typedef struct ts_comm_table {
    /* *out is NULL before, and may stay so: done. */
    ts_status (*start)(ts_comm *c, const ts_comm_call *call, ts_comm_request **out);
    ts_status (*test)(ts_comm *c, ts_comm_request **r, bool *done);
    ts_status (*wait)(ts_comm *c, ts_comm_request **r);
    /* ranks [n] holds c->rank. comm.c fills in what the new one shares with the old. */
    ts_status (*split)(ts_comm *c, const char *group, const int *ranks, int n, ts_comm **out);
    void (*destroy)(ts_comm *c);
} ts_comm_table;

struct ts_comm {
    const char *kind;  /* "self", "mpi", "shm", "sim" */
    const char *group; /* what the group is for: "dp", "world"; a literal, for traffic tables */
    int rank, size;
    int local_rank, local_size; /* among the processes of this host */
    ts_comm_traffic traffic;
    ts_watch *watch;  /* where it says what it waits for; NULL: it never waits */
    const char *host; /* name of this machine; "" where nobody needs it */
    int *ranks;       /* [size] their numbers in the world; NULL: this is the world */
    const ts_comm_table *table;
};

/* In place. */
TS_NODISCARD static inline ts_comm_call ts_all_reduce(void *buf, int64_t n, ts_comm_type t,
                                                      ts_comm_op op)
{
    return (ts_comm_call){ .what = TS_ALL_REDUCE, .type = t, .op = op, .n = n, .recv = buf };
}

/* recv holds size * n values, rank after rank. In both gathers send may be the own place in
 * recv. */
TS_NODISCARD static inline ts_comm_call ts_all_gather(const void *send, void *recv, int64_t n,
                                                      ts_comm_type t)
{
    return (ts_comm_call){ .what = TS_ALL_GATHER, .type = t, .n = n, .send = send, .recv = recv };
}

/* n: counts[rank]. Counts and offsets of the parts in recv. */
TS_NODISCARD static inline ts_comm_call ts_all_gather_v(const void *send, int64_t n, void *recv,
                                                        const int64_t *counts,
                                                        const int64_t *offsets, ts_comm_type t)
{
    return (ts_comm_call){ .what = TS_ALL_GATHER,
                           .type = t,
                           .n = n,
                           .send = send,
                           .recv = recv,
                           .recv_counts = counts,
                           .recv_offsets = offsets };
}

/* n values for each rank, and n from each. */
TS_NODISCARD static inline ts_comm_call ts_all_to_all(const void *send, void *recv, int64_t n,
                                                      ts_comm_type t)
{
    return (ts_comm_call){ .what = TS_ALL_TO_ALL, .type = t, .n = n, .send = send, .recv = recv };
}

TS_NODISCARD static inline ts_comm_call
ts_all_to_all_v(const void *send, const int64_t *send_counts, const int64_t *send_offsets,
                void *recv, const int64_t *recv_counts, const int64_t *recv_offsets, ts_comm_type t)
{
    return (ts_comm_call){ .what = TS_ALL_TO_ALL,
                           .type = t,
                           .send = send,
                           .recv = recv,
                           .send_counts = send_counts,
                           .send_offsets = send_offsets,
                           .recv_counts = recv_counts,
                           .recv_offsets = recv_offsets };
}

/* send holds size * n values; those of this rank's part, reduced over all ranks, come into recv,
 * which may be that part's place in send. */
TS_NODISCARD static inline ts_comm_call ts_reduce_scatter(const void *send, void *recv, int64_t n,
                                                          ts_comm_type t, ts_comm_op op)
{
    return (ts_comm_call){
        .what = TS_REDUCE_SCATTER, .type = t, .op = op, .n = n, .send = send, .recv = recv
    };
}

/* Counts and offsets of the parts in send. */
TS_NODISCARD static inline ts_comm_call ts_reduce_scatter_v(const void *send, void *recv,
                                                            const int64_t *counts,
                                                            const int64_t *offsets, ts_comm_type t,
                                                            ts_comm_op op)
{
    return (ts_comm_call){ .what = TS_REDUCE_SCATTER,
                           .type = t,
                           .op = op,
                           .send = send,
                           .recv = recv,
                           .send_counts = counts,
                           .send_offsets = offsets };
}

TS_NODISCARD static inline ts_comm_call ts_broadcast(void *buf, int64_t n, ts_comm_type t, int root)
{
    return (ts_comm_call){ .what = TS_BROADCAST, .type = t, .peer = root, .n = n, .recv = buf };
}

TS_NODISCARD static inline ts_comm_call ts_barrier(void)
{
    return (ts_comm_call){ .what = TS_BARRIER, .type = TS_COMM_U8 };
}

/* To and from another rank than this one. */
TS_NODISCARD static inline ts_comm_call ts_send(const void *buf, int64_t n, ts_comm_type t, int to)
{
    return (ts_comm_call){ .what = TS_SEND, .type = t, .peer = to, .n = n, .send = buf };
}

TS_NODISCARD static inline ts_comm_call ts_recv(void *buf, int64_t n, ts_comm_type t, int from)
{
    return (ts_comm_call){ .what = TS_RECV, .type = t, .peer = from, .n = n, .recv = buf };
}

/* Does it and waits until it is done. */
ts_status ts_comm_run(ts_comm *c, ts_comm_call call) TS_NODISCARD;
/* Requests are waited for or tested in any order, each until it is NULL. *out may be NULL at once,
 * which test and wait take for done. On failure there is no request. */
ts_status ts_comm_start(ts_comm *c, ts_comm_call call, ts_comm_request **out) TS_NODISCARD;
ts_status ts_comm_test(ts_comm *c, ts_comm_request **r, bool *done) TS_NODISCARD;
ts_status ts_comm_wait(ts_comm *c, ts_comm_request **r) TS_NODISCARD;

ts_status ts_comm_self_create(ts_comm **out) TS_NODISCARD;
/* Rank `rank` of a made-up group. seconds is increased by what each call would take; may be
 * NULL. */
typedef struct ts_comm_sim_link {
    double bytes_per_second, latency;
    void (*spend)(void *ctx, double seconds);
    void *ctx;
} ts_comm_sim_link;
ts_status ts_comm_sim_create(int rank, int size, const char *group, const ts_comm_sim_link *link,
                             ts_comm **out) TS_NODISCARD;

/* Every rank of c calls with the members of its own group, in their new order: ranks [n] of c, its
 * own among them. A rank is in one group, or in none, which is n 0 and gives NULL. group is a
 * literal. The new communicator is of c's kind (shm stays shm, mpi stays mpi; alone it is self) and
 * must be destroyed before c. A failure is one on all ranks of c. */
ts_status ts_comm_group(ts_comm *c, const char *group, const int *ranks, int n,
                        ts_comm **out) TS_NODISCARD;
/* As MPI_Comm_split: those of one colour are a group, in the order of their keys and then ranks; a
 * negative colour is in none and gets NULL. Not on a simulated group, which does not know the
 * colours of others. */
ts_status ts_comm_split(ts_comm *c, const char *group, int colour, int key,
                        ts_comm **out) TS_NODISCARD;
void ts_comm_destroy(ts_comm **c);

/* Every rank brings its status; all return the worst. A rank that was fine says which rank
 * failed. */
ts_status ts_comm_agree(ts_comm *c, ts_status st) TS_NODISCARD;

/* For the kinds: how long part r is and where it begins. */
static inline int64_t ts_call_count(const int64_t *counts, int64_t n, int r)
{
    return counts ? counts[r] : n;
}

static inline int64_t ts_call_offset(const int64_t *offsets, int64_t n, int r)
{
    return offsets ? offsets[r] : r * n;
}

/* The number in the world of rank r. */
static inline int ts_comm_world_rank(const ts_comm *c, int r) { return c->ranks ? c->ranks[r] : r; }
#endif
