/* Communicators: a group of processes and what they say to each other, behind one table. `self` is
 * one process and the example to read; `mpi` is MPI; `sim` counts what a group of any size would
 * send. Collectives are called by every rank in the same order. A failure on one rank is a failure
 * on all: what a rank cannot do it reports through ts_comm_agree at the step's border, never by
 * staying away. */
#ifndef TS_DIST_COMM_H
#define TS_DIST_COMM_H
#include "dist/watchdog.h"

typedef enum ts_comm_type { TS_COMM_F32, TS_COMM_F64, TS_COMM_I64, TS_COMM_U8 } ts_comm_type;
typedef enum ts_comm_op { TS_COMM_SUM, TS_COMM_MAX, TS_COMM_MIN } ts_comm_op;

typedef struct ts_comm_traffic {
    int64_t calls, messages; /* messages and bytes that one rank sends */
    double bytes;
} ts_comm_traffic;

typedef struct ts_comm ts_comm;
typedef struct ts_comm_request ts_comm_request; /* one operation under way; each kind's own */

struct ts_comm {
    const char *kind;  /* "self", "mpi", "shm" (MPI's processes, on one host), "sim" */
    const char *group; /* what the group is for: "dp", "world"; a literal, for traffic tables */
    int rank, size;
    int local_rank, local_size; /* among the processes of this host */
    ts_comm_traffic traffic;
    ts_watch *watch;  /* where it says what it waits for; NULL: it never waits */
    const char *host; /* name of this machine; "" where nobody needs it */

    ts_status (*all_reduce)(ts_comm *c, void *buf, int64_t n, ts_comm_type t, ts_comm_op op);
    /* Starts an all-reduce in place; buf is untouchable until the request is done. *out may be
     * NULL, which test and wait take for a request that is done. Requests are waited for or tested
     * in any order. */
    ts_status (*all_reduce_start)(ts_comm *c, void *buf, int64_t n, ts_comm_type t, ts_comm_op op,
                                  ts_comm_request **out);
    ts_status (*test)(ts_comm *c, ts_comm_request **r, bool *done); /* done: *r becomes NULL */
    ts_status (*wait)(ts_comm *c, ts_comm_request **r);
    /* recv holds size * n values, rank after rank. In both gathers send may be the own place in
     * recv. */
    ts_status (*all_gather)(ts_comm *c, const void *send, void *recv, int64_t n, ts_comm_type t);
    /* Counts and offsets (in values) by rank. */
    ts_status (*all_gather_v)(ts_comm *c, const void *send, int64_t n, void *recv,
                              const int64_t *counts, const int64_t *offsets, ts_comm_type t);
    ts_status (*all_to_all_v)(ts_comm *c, const void *send, const int64_t *send_counts,
                              const int64_t *send_offsets, void *recv, const int64_t *recv_counts,
                              const int64_t *recv_offsets, ts_comm_type t);
    /* The part of this rank of what all ranks' send reduces to, into recv, which may be that part's
     * place in send. Counts and offsets of the parts in send by rank. */
    ts_status (*reduce_scatter_v)(ts_comm *c, const void *send, void *recv, const int64_t *counts,
                                  const int64_t *offsets, ts_comm_type t, ts_comm_op op);
    ts_status (*broadcast)(ts_comm *c, void *buf, int64_t n, ts_comm_type t, int root);
    ts_status (*barrier)(ts_comm *c);
    void (*destroy)(ts_comm *c);
};

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
void ts_comm_destroy(ts_comm **c);

/* Every rank brings its status; all return the worst. A rank that was fine says which rank
 * failed. */
ts_status ts_comm_agree(ts_comm *c, ts_status st) TS_NODISCARD;
#endif
