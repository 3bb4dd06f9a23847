/* What commands of several processes have in common: who speaks, and how they end. */
#ifndef TS_CLI_PROCESSES_H
#define TS_CLI_PROCESSES_H
#include "base/log.h"
#include "dist/world.h"

/* Rank 0 speaks; the others only when something went wrong on them, by name and host. */
void ts_processes_log(ts_log_level level, const ts_comm *comm);
/* Says what failed, once, ends the job and gives back the status to end with. */
ts_status ts_processes_end(ts_comm **comm, ts_status st) TS_NODISCARD;
#endif
