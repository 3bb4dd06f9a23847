/* Calls as MPI does them. All messages of a call are given to MPI at its start, and MPI moves them
 * while it is looked at (mpi_wait.h); but for reductions of 16-bit types, which MPI does not know:
 *
 *   first half    each rank sends to each other its values of that rank's share
 *                 the sums of the own share are made, in rank order
 *   second half   (all-reduce) each rank sends the sums of its share to each other
 *
 * The second half starts when the first is found to be done, at another time on each rank, so both
 * are messages with a number of their own. */
#ifndef TS_DIST_MPI_CALL_H
#define TS_DIST_MPI_CALL_H
#include "dist/comm.h"
#include "dist/mpi_wait.h"

typedef struct ts_mpi_comm {
    ts_comm c;
    MPI_Comm comm;
    ts_mpi_waiter *waiter;
    ts_mpi_waiter own; /* the world's, to which the waiters of all point */
    int64_t max_count; /* MPI counts in int: longer arrays go in pieces */
    int64_t halves;    /* calls of two halves so far */
} ts_mpi_comm;

typedef struct ts_mpi_request ts_mpi_request;

ts_status ts_mpi_start(ts_comm *c, const ts_comm_call *call, ts_comm_request **out) TS_NODISCARD;
ts_status ts_mpi_test(ts_comm *c, ts_comm_request **r, bool *done) TS_NODISCARD;
ts_status ts_mpi_finish(ts_comm *c, ts_comm_request **r) TS_NODISCARD;
#endif
