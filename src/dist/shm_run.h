/* Calls under way in shared memory. Collectives go one after the other, in the order in which they
 * were started, and each in the pieces of shm_piece.h; messages go beside them, in the pieces of
 * shm_message.h. Nothing moves but while this rank starts, tests or waits, and then everything does
 * that it has started on any of the communicators of one world: a rank that waits on one of them
 * may be what others wait for on another. */
#ifndef TS_DIST_SHM_RUN_H
#define TS_DIST_SHM_RUN_H
#include "dist/comm.h"
#include "dist/shm_map.h"
#include "dist/shm_piece.h"

enum { TS_SHM_SIZES = 7 }; /* sizes of arrays that find their way each for itself */

typedef struct ts_shm_comm {
    ts_comm c;
    struct ts_shm_comm *world; /* the first of them, this one perhaps; all sleep by its bell */
    struct ts_shm_comm *next;  /* from the world on, all of them */
    ts_shm_map map;
    ts_shm_place place;
    int64_t issued;               /* pieces given to collectives so far */
    ts_shm_request *first, *last; /* collectives under way, in order */
    ts_shm_request *messages;     /* under way; their channels know the order */
    ts_shm_request *spare;        /* requests to be used again */
    int64_t *sent, *received;     /* [size] pieces of messages so far, to and from each rank */
    bool reads;                   /* every rank may read every other's memory */
    int64_t token;                /* proves it */
    ts_shm_turns turns[TS_SHM_MEET][TS_SHM_SIZES];
    bool past;    /* what the last of them has found */
    ts_status st; /* once a call has failed: all that come after */
    char why[TS_SHM_WHY + 64];
    /* the world's, for all */
    int spins;
    ts_watch watch;
    char host[64];
} ts_shm_comm;

/* Begins a call: r has what, name, t, op, root, n, the arrays, and counts where the work has them.
 * It stays until it is finished. longest: values that go through one slot, on the rank that has
 * most; an exchange knows only its own and finds out. */
void ts_shm_begin(ts_shm_comm *s, ts_shm_request *r, int64_t longest);
/* Moves what can be moved. True if there was something. */
bool ts_shm_advance(ts_shm_comm *s);
/* *done: this rank has done its part, and others no longer read its memory. Fails when the
 * communicator has. */
ts_status ts_shm_state(const ts_shm_comm *s, const ts_shm_request *r, bool *done) TS_NODISCARD;
/* Waits for that. */
ts_status ts_shm_finish(ts_shm_comm *s, const ts_shm_request *r) TS_NODISCARD;
#endif
