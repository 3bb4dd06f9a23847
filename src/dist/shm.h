/* Inside the shared memory: who has come how far, and slots for what is passed on. */
#ifndef TS_DIST_SHM_H
#define TS_DIST_SHM_H
#include "dist/comm_shm.h"

#include <stdatomic.h>

/* Every collective goes in pieces, numbered through the life of the communicator. Each rank puts
 * its part of a piece into its slot, reduces its share of it when all have put, and takes the
 * result when all have reduced. SLOTS pieces may be on their way, so a fast rank need not stop at
 * each. */
enum { TS_SHM_SLOTS = 2, TS_SHM_PIECE = 512 << 10, TS_SHM_MOST = 64 << 20 };

typedef struct ts_shm_rank {
    _Alignas(64) _Atomic int64_t put, reduced, taken; /* pieces */
} ts_shm_rank;

typedef struct ts_shm_head {
    int64_t cookie;
    _Alignas(64) _Atomic uint32_t event; /* changes whenever a rank has come further; a futex */
    _Alignas(64) _Atomic uint32_t sleepers;
    ts_shm_rank rank[]; /* [size], then the slots: [SLOTS][size][piece bytes] */
} ts_shm_head;

/* Bytes of one rank's slot: a multiple of 64. */
size_t ts_shm_piece_bytes(int size);
size_t ts_shm_slots_offset(int size);
/* Says that this rank has come further. */
void ts_shm_signal(ts_shm_head *h);
/* Returns when the event is no longer `seen`, or after a moment. */
void ts_shm_sleep(ts_shm_head *h, uint32_t seen);
#endif
