/* The processes that mpirun or srun started, over MPI. Present when the build found an MPI. */
#ifndef TS_DIST_COMM_MPI_H
#define TS_DIST_COMM_MPI_H
#include "dist/comm.h"

/* Starts MPI. expected: processes that the launcher says it started, 0 if it does not say; another
 * number is TS_ERR_USER (the launcher of a different MPI makes every process a world of its own).
 * direct: between processes of one host through shared memory (comm_shm.h) where it can be had. */
ts_status ts_comm_mpi_world(int64_t expected, bool direct, ts_comm **out) TS_NODISCARD;
/* Ends MPI; with `failed` ends the whole job, and does not come back. */
bool ts_comm_mpi_meet(double seconds);
void ts_comm_mpi_finish(ts_comm **world, bool failed);
/* For tests, of a communicator of kind "mpi": pieces of at most max_count values, as if MPI's int
 * were that small. */
void ts_comm_mpi_limit(ts_comm *c, int64_t max_count);
#endif
