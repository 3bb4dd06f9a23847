/* The same collectives between processes of one host, through memory they share: several times as
 * fast as MPI's messages. MPI starts and ends the processes; comm_mpi.c makes this communicator
 * when all ranks are on one host. Sums are taken in rank order, so all ranks have the same bits,
 * run after run. */
#ifndef TS_DIST_COMM_SHM_H
#define TS_DIST_COMM_SHM_H
#include "dist/comm.h"
#include "dist/shm_map.h"

/* When every rank has the map. Takes it over (cleared) on success. */
ts_status ts_comm_shm_create(int rank, int size, const char *host, ts_shm_map *map,
                             ts_comm **out) TS_NODISCARD;
/* When every rank has created it: finds out, with the help of `all`, whether the ranks may read
 * each other's memory. Large arrays are copied once then, and twice otherwise. */
ts_status ts_comm_shm_probe(ts_comm *c, ts_comm *all) TS_NODISCARD;
/* What it found out. */
bool ts_comm_shm_reads(const ts_comm *c);
#endif
