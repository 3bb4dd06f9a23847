/* Which way a piece goes from rank to rank: the fastest is another on every machine, and cannot be
 * asked for, so it is found out by the clock. Results do not depend on it.
 *
 *   THROUGH   array -> slot, in the caches -> array    cores that share a cache: slots stay there
 *   PAST      array -> slot, in memory     -> array    cores that share none: a line from another
 *                                                      core's cache costs more than from memory
 *   DIRECT    array -----------------------> array     large arrays, where the system lets one
 *                                                      process read another's memory  */
#ifndef TS_DIST_SHM_WAY_H
#define TS_DIST_SHM_WAY_H
#include "dist/shm.h"

typedef enum ts_shm_way {
    TS_SHM_THROUGH, /* by a slot, written with common stores */
    TS_SHM_PAST,    /* by a slot, written past the caches */
    TS_SHM_DIRECT,  /* the slot has addresses only: shm_read.h */
} ts_shm_way;

typedef enum ts_shm_step { TS_SHM_PUT, TS_SHM_SHARE, TS_SHM_TAKE, TS_SHM_STEPS } ts_shm_step;

/* Finds out whether slots go through the caches or past them, for collectives of one kind and size.
 * One trial would not do: virtual cores are moved about, and a minute later the other way may be
 * the faster by several times. So each period of 1024 pieces begins with a trial, a turn of 8
 * pieces either way, and what was faster carries the rest. Now and then a turn of that is timed as
 * well; has it become clearly slower than the other was, that takes over before the period ends.
 *
 *   piece     0        8       16       24       32 ............. 1024     1032     1040 .........
 *             |THROUGH |  PAST |THROUGH |  PAST | the faster ..... |THROUGH |  PAST | the faster ..
 *              the first trial, twice           |                  the next trial
 *
 * Ranks count the same pieces, so they try the same way at the same time; each then decides for
 * itself, which is harmless: a reader need not know how a slot was written. */
typedef struct ts_shm_turns {
    int64_t pieces; /* so far */
    bool past;      /* the way found to be the faster: PAST, or THROUGH */
    /* [way][step], 0 is THROUGH: seconds of a piece's step in the last turn that was timed */
    double cost[2][TS_SHM_STEPS];
    int64_t turn[2][TS_SHM_STEPS];      /* 1 + the turn being timed; 0: none yet */
    double fastest[2][TS_SHM_STEPS][2]; /* in that turn: the fastest, and the second fastest */
} ts_shm_turns;

enum { TS_SHM_TURN = 8, TS_SHM_PERIOD = 1024 };

/* The way of piece k, counted over all collectives that share t. */
ts_shm_way ts_shm_way_of(const ts_shm_turns *t, int64_t k);
/* Reading the clock costs too: whether the steps of piece k should be timed. */
bool ts_shm_is_timed(int64_t k);
/* `step` of piece k took so long, waiting left out. */
void ts_shm_timed(ts_shm_turns *t, int64_t k, ts_shm_step step, double seconds);
#endif
