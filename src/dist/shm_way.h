/* Which way a piece goes from rank to rank. Results do not depend on it. */
#ifndef TS_DIST_SHM_WAY_H
#define TS_DIST_SHM_WAY_H
#include "dist/shm.h"

typedef enum ts_shm_way {
    TS_SHM_THROUGH, /* by a slot that stays in the caches */
    TS_SHM_PAST,    /* by a slot that is written past the caches */
    TS_SHM_DIRECT,  /* the others read where it lies: shm_read.h */
} ts_shm_way;

typedef enum ts_shm_step { TS_SHM_PUT, TS_SHM_SHARE, TS_SHM_TAKE, TS_SHM_STEPS } ts_shm_step;

/* Between cores that share a cache, slots stay in it. Between others, and virtual ones are moved
 * about, each line of a slot costs so much that memory is several times as fast; a minute later it
 * may be the other way. So the first pieces of every TS_SHM_PERIOD of one kind of collective go
 * both ways in turn and are timed, and the rest goes the faster one. All ranks count alike, so they
 * try together; each decides for itself. */
typedef struct ts_shm_turns {
    int64_t pieces;                  /* so far */
    bool past;                       /* what was found out */
    int64_t tried[2];                /* number of the turn that cost is of, by way */
    double cost[2][TS_SHM_STEPS][2]; /* by way and step: seconds of the two fastest */
} ts_shm_turns;

enum { TS_SHM_TURN = 8, TS_SHM_PERIOD = 2048 };

/* Piece number `turn` of those that share t. */
ts_shm_way ts_shm_way_of(const ts_shm_turns *t, int64_t turn);
/* Whether this piece's steps are to be timed. */
bool ts_shm_is_timed(int64_t turn);
void ts_shm_timed(ts_shm_turns *t, int64_t turn, ts_shm_step step, double seconds);
#endif
