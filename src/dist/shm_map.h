/* Memory that the processes of one host share: one makes it, the others find it. */
#ifndef TS_DIST_SHM_MAP_H
#define TS_DIST_SHM_MAP_H
#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

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
#endif
