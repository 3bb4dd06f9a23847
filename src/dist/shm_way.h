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
 * both ways in turn and are timed, and the rest goes the faster one, until that is seen to have
 * become slower than the other was. All ranks count alike, so they try together; each decides for
 * itself. */
typedef struct ts_shm_turns {
    int64_t pieces;                     /* so far */
    bool past;                          /* what was found out */
    double cost[2][TS_SHM_STEPS];       /* by way, of a step: seconds in the last turn timed */
    int64_t turn[2][TS_SHM_STEPS];      /* the turn that is being timed */
    double fastest[2][TS_SHM_STEPS][2]; /* the two fastest in it */
} ts_shm_turns;

enum { TS_SHM_TURN = 8, TS_SHM_PERIOD = 1024 };

/* Of piece number k of those that share t. */
ts_shm_way ts_shm_way_of(const ts_shm_turns *t, int64_t k);
/* Whether its steps are to be timed. */
bool ts_shm_is_timed(int64_t k);
void ts_shm_timed(ts_shm_turns *t, int64_t k, ts_shm_step step, double seconds);
#endif
