/* Communicators: a group of processes and what they say to each other, behind one table. `self` is
 * one process and the example to read; `mpi` is MPI; `shm` is MPI's processes on one host, through
 * memory they share; `sim` counts what a group of any size would send.
 *
 * What is to be done is a value, made by one of the functions of comm_call.h. It is done at once,
 * or started and waited for later:
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
#include "base/timeline.h"
#include "dist/comm_cost.h"
#include "dist/watchdog.h"

/* Seconds that a rank which ends alone waits for the others to hear of it. */
enum { TS_PATIENCE = 2 };

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
    ts_comm_traffic traffic, traffic_by[TS_COLLECTIVES]; /* the sum, and by kind of call */
    ts_watch *watch;  /* where it says what it waits for; NULL: it never waits */
    ts_timeline *timeline; /* where its calls leave marks; borrowed, NULL: none */
    const char *host; /* name of this machine; "" where nobody needs it */
    int *ranks;       /* [size] their numbers in the world; NULL: this is the world */
    const ts_comm_table *table;
};

/* Does it and waits until it is done. */
ts_status ts_comm_run(ts_comm *c, ts_comm_call call) TS_NODISCARD;
/* Requests are waited for or tested in any order, each until it is NULL. *out may be NULL at once,
 * which test and wait take for done. After a failure arrays may still be written to, and the job
 * has to end. */
ts_status ts_comm_start(ts_comm *c, ts_comm_call call, ts_comm_request **out) TS_NODISCARD;
ts_status ts_comm_test(ts_comm *c, ts_comm_request **r, bool *done) TS_NODISCARD;
ts_status ts_comm_wait(ts_comm *c, ts_comm_request **r) TS_NODISCARD;

ts_status ts_comm_self_create(ts_comm **out) TS_NODISCARD;
/* Rank `rank` of a made-up group. seconds is increased by what each call would take; may be
 * NULL. */
typedef struct ts_comm_sim_link {
    double bytes_per_second, latency;
    /* of groups whose ranks are on one host, each of which has so many neighbours; ranks 0: as others */
    double host_bytes_per_second, host_latency;
    int ranks_of_a_host;
    void (*spend)(void *ctx, double seconds);
    void *ctx;
} ts_comm_sim_link;
/* What so much traffic takes a simulated group, over the links between its ranks; another's: 0. */
double ts_comm_sim_seconds(const ts_comm *sim, const ts_comm_traffic *t);
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

/* The number in the world of rank r. */
static inline int ts_comm_world_rank(const ts_comm *c, int r) { return c->ranks ? c->ranks[r] : r; }
#endif
