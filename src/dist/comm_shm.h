/* The same calls between processes of one host, through memory they share: several times as fast as
 * MPI's messages. MPI starts and ends the processes; comm_mpi.c makes this communicator when all
 * ranks are on one host. Sums are taken in rank order, so all ranks have the same bits, run after
 * run. */
#ifndef TS_DIST_COMM_SHM_H
#define TS_DIST_COMM_SHM_H
#include "dist/comm.h"

/* Of the ranks of `all`, which helps them to find each other's memory; where one of them cannot
 * have it, all fail. Finds out too whether the ranks may read each other's memory: large arrays are
 * copied once then, and twice otherwise. */
ts_status ts_comm_shm_world(ts_comm *all, ts_comm **out) TS_NODISCARD;
/* This rank has failed, and the others will not meet it again: they fail with `why` in what they wait for.
 * Returns when all are ending, or after some seconds. */
void ts_comm_shm_give_up(ts_comm *world, const char *why);
/* What it found out. */
bool ts_comm_shm_reads(const ts_comm *c);
#endif
