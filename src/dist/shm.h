/* Inside the shared memory: who has come how far, and slots for what is passed on. */
#ifndef TS_DIST_SHM_H
#define TS_DIST_SHM_H
#include "dist/watchdog.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Every collective goes in pieces, numbered through the life of the communicator. Each rank puts
 * its part of a piece into its slot, reduces its share of it when all have put, and takes the
 * result when all have reduced. SLOTS pieces may be on their way, so a fast rank need not stop at
 * each. A slot is large enough that its lines have left the second cache of the core that wrote
 * them when another asks for them, and small enough that they are still in the third. */
enum { TS_SHM_SLOTS = 4, TS_SHM_PIECE = 256 << 10, TS_SHM_MOST = 64 << 20 };
enum { TS_SHM_MESSAGE = 64 << 10, TS_SHM_MESSAGE_LEAST = 1 << 10 }; /* a piece of a message */

/* What a rank writes and the others read: a cache line, and another that stays. */
typedef struct ts_shm_rank {
    _Alignas(64) _Atomic int64_t put, reduced, taken; /* pieces */
    int64_t longest[TS_SHM_SLOTS]; /* exchanges: the most values for one rank; as a slot */
    bool direct[TS_SHM_SLOTS];     /* the slot holds addresses, by rank, and not values */
    _Alignas(64) int64_t pid;      /* written once: shm_read.h */
    uintptr_t token;
} ts_shm_rank;

/* The first rank that has failed tells the others, who fail in what they wait for. */
enum { TS_SHM_WHY = 512 };
typedef struct ts_shm_failure {
    _Atomic int32_t rank;  /* 1 + its number, once `why` is there; 0: none has */
    _Atomic int32_t begun; /* somebody writes */
    _Atomic int32_t heard; /* ranks that are ending */
    char why[TS_SHM_WHY];
} ts_shm_failure;

/* The world's, of whose ranks there is a seat each: `seats`, behind the ranks. */
typedef struct ts_shm_head {
    int64_t cookie;
    ts_shm_failure failure;
    _Alignas(64) _Atomic uint32_t event; /* changes when sleepers are woken; a futex */
    _Alignas(64) _Atomic uint32_t sleepers;
    ts_shm_rank rank[]; /* [size], then the seats, [size], then the slots: [SLOTS][size][piece bytes], then the channels */
} ts_shm_head;

/* From one rank to another: shm_message.h. Either end writes a line of its own. */
typedef struct ts_shm_channel {
    _Alignas(64) _Atomic int64_t put; /* pieces */
    int64_t bytes[TS_SHM_SLOTS];      /* of the whole message; as a slot */
    _Alignas(64) _Atomic int64_t taken;
} ts_shm_channel; /* then its slots: [SLOTS][message bytes] */

/* Bytes of one rank's slot: a multiple of 64. */
size_t ts_shm_piece_bytes(int size);
size_t ts_shm_seats_offset(int size);
size_t ts_shm_slots_offset(int size);
size_t ts_shm_channels_offset(int size);
size_t ts_shm_message_bytes(int size); /* of a channel's slot: a multiple of 64 */
size_t ts_shm_channel_bytes(int size); /* of a channel; they lie as [from][to] */
size_t ts_shm_bytes(int size);         /* of everything */
/* After this rank has said that it has come further: wakes those who sleep. */
void ts_shm_signal(ts_shm_head *h);
/* Before the last look: counts this rank among the sleepers and returns the event as it is. */
uint32_t ts_shm_doze(ts_shm_head *h);
/* Nothing was to be seen: returns when the event is no longer `seen`, or after a moment. */
void ts_shm_sleep(ts_shm_head *h, uint32_t seen);
void ts_shm_rise(ts_shm_head *h);
#endif
