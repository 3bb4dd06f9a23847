/* The processes of this job, as the launcher started them: the first communicator, and the last. */
#ifndef TS_DIST_WORLD_H
#define TS_DIST_WORLD_H
#include "dist/comm.h"

/* The processes of this job: MPI when a launcher started several of us, else self. Call once. A
 * launcher of several processes without MPI in this build, or of another MPI, is TS_ERR_USER. */
ts_status ts_comm_world(ts_comm **out) TS_NODISCARD;
/* Processes by the launcher's word, and this one's number, without starting anything; 1 and 0
 * without a launcher. */
int64_t ts_comm_launched(int64_t *rank);

/* Whether all processes get here within this time: a mistake that each was to find for itself has
 * been found by all. Then `ts_comm_finish` with false is safe. */
bool ts_comm_meet(const ts_comm *world, double seconds);

/* Ends MPI. `failed`: this rank failed alone and the others may be waiting for it; tells them why
 * (ts_error_message), so that they fail in what they wait for and say so, then takes all down (MPI_Abort,
 * exit code 1) and, with MPI, does not come back. After a failure that ts_comm_agree
 * made known to all ranks finish with false and leave with the status's own exit code. Fine with a
 * pointer to NULL. */
void ts_comm_finish(ts_comm **world, bool failed);
#endif
