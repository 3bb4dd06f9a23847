/* The same collectives between processes of one host, through memory they share: several times as
 * fast as MPI's messages. MPI starts and ends the processes; comm_mpi.c makes this communicator
 * when all ranks are on one host. Sums are taken in rank order, so all ranks have the same bits,
 * run after run. */
#ifndef TS_DIST_COMM_SHM_H
#define TS_DIST_COMM_SHM_H
#include "dist/comm.h"

/* What rank 0 tells the others. The memory never has a name in a file system: it is gone with the
 * last process, however that ends. */
typedef struct ts_shm_ticket {
    int64_t pid, fd, cookie, size_bytes;
} ts_shm_ticket;

typedef struct ts_shm_map {
    void *base;
    size_t size_bytes;
    int fd; /* rank 0 until all have mapped it; else -1 */
} ts_shm_map;

/* Rank 0 makes the memory; the others map it. Failing is no disaster: MPI carries everything
 * then. */
ts_status ts_shm_make(int size, ts_shm_map *map, ts_shm_ticket *ticket) TS_NODISCARD;
ts_status ts_shm_join(const ts_shm_ticket *ticket, ts_shm_map *map) TS_NODISCARD;
void ts_shm_leave(ts_shm_map *map);
/* When every rank has the map. Takes it over (cleared) on success. */
ts_status ts_comm_shm_create(int rank, int size, const char *host, ts_shm_map *map,
                             ts_comm **out) TS_NODISCARD;
/* When every rank has created it: finds out, with the help of `all`, whether the ranks may read
 * each other's memory. Large arrays are copied once then, and twice otherwise. */
ts_status ts_comm_shm_probe(ts_comm *c, ts_comm *all) TS_NODISCARD;
/* What it found out. */
bool ts_comm_shm_reads(const ts_comm *c);
#endif
