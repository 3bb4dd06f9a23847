#include "cli/processes.h"

#include "base/str.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

void ts_processes_log(ts_log_level level, const ts_comm *comm)
{
    char prefix[128] = "", host[64] = "";
    if (comm->rank > 0) {
        gethostname(host, sizeof host - 1);
        snprintf(prefix, sizeof prefix, "rank %d on %s: ", comm->rank, host);
    }
    /* Rank 0 speaks; the others only when something went wrong on them. */
    ts_log_init(comm->rank > 0 ? TS_LOG_WARN : level, prefix);
}

/* Whether all ranks have the same message; they all call. */
static bool is_said_by_all(ts_comm *comm, const char *message)
{
    const int64_t h = (int64_t)(ts_hash_bytes(message, strlen(message)) >> 1);
    int64_t ends[2] = { h, -h };
    return ts_comm_run(comm, ts_all_reduce(ends, 2, TS_COMM_I64, TS_COMM_MAX)) == TS_OK &&
           ends[0] == -ends[1];
}

/* Of one of several processes, before the end: ending the job may end this process at once. A user's
 * mistake is found by all ranks alike, and rank 0 says it, or by one that sees other files than the rest,
 * which wait for it; any other failure may be this rank's alone. Returns whether all have failed. */
static bool say_failure(ts_comm *comm, ts_status st)
{
    enum { PATIENCE = 20 };
    const bool early = comm->rank == 0 || st != TS_ERR_USER;
    char message[8192];
    snprintf(message, sizeof message, "%s", ts_error_message());
    if (early)
        ts_log(TS_LOG_ERROR, "%s", message);
    const bool is_common = st == TS_ERR_USER && ts_comm_meet(comm, PATIENCE),
               is_same = is_common && is_said_by_all(comm, message);
    if (!early && !is_same)
        ts_log(TS_LOG_ERROR, "%s", message);
    return is_common;
}

ts_status ts_processes_end(ts_comm **comm, ts_status st)
{
    const bool is_common = (*comm)->size == 1 || st == TS_OK || say_failure(*comm, st);
    const bool is_said = st != TS_OK && (*comm)->size > 1;
    ts_comm_finish(comm, !is_common);
    return is_said ? ts_error(st, "%s", "") : st; /* and not again at the end */
}
