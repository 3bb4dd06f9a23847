/* What a rank does with one piece of a collective: put what others need where they find it, work
 * on its share, take what others have done. comm_shm.c says when. */
#ifndef TS_DIST_SHM_PIECE_H
#define TS_DIST_SHM_PIECE_H
#include "dist/comm.h"
#include "dist/shm_way.h"

typedef enum ts_shm_work {
    TS_SHM_REDUCE,      /* each rank reduces a share, and all take it */
    TS_SHM_REDUCE_FLAT, /* each rank reduces all: for small arrays, and between two ranks */
    TS_SHM_SCATTER,     /* reduces; each rank has its part only */
    TS_SHM_GATHER,
    TS_SHM_EXCHANGE,
    TS_SHM_SPREAD,
    TS_SHM_MEET,
} ts_shm_work;

/* One collective under way. Pieces [first, first + pieces) of the communicator's count are its
 * own. Of an EXCHANGE there is one piece until all have put that and said how much they send; was
 * that piece direct and it is too much for that, another number of pieces follow. */
typedef struct ts_shm_request {
    ts_shm_work what;
    ts_comm_type t;
    ts_comm_op op;
    int root;
    int64_t first, pieces, put, reduced, taken; /* the last three: pieces of this collective done */
    int64_t each;                               /* values in a whole piece (for one rank) */
    int64_t n;                                  /* REDUCE*, SPREAD, GATHER: values of this rank */
    int64_t longest;                            /* EXCHANGE: values for one rank, at most */
    bool stream;                                /* more than the caches hold */
    bool direct;                                /* in one piece, read where it lies */
    int64_t bare;                               /* EXCHANGE: first pieces that carry no values */
    int64_t turn;                               /* pieces of such collectives before it */
    ts_shm_turns *turns;                        /* find out which way pieces go; NULL: `past` */
    bool past;                                  /* the caches, if not direct */
    const char *send;
    char *recv; /* SCATTER: this rank's part */
    const int64_t *send_counts, *send_offsets, *recv_counts, *recv_offsets;
    struct ts_shm_request *next;
} ts_shm_request;

typedef struct ts_shm_place {
    ts_shm_head *head;
    char *slots;
    size_t slot_bytes;
    int rank, size;
    char *bounce; /* [TS_SHM_BOUNCE] */
} ts_shm_place;

/* What piece k of this rank is for others, into its slot, or where they find it. */
void ts_shm_put(const ts_shm_place *p, const ts_shm_request *r, int64_t k, ts_shm_way way);
/* GATHER and EXCHANGE: what stays with this rank, when the others know of the rest: pieces
 * [from, to). */
void ts_shm_keep(const ts_shm_place *p, const ts_shm_request *r, int64_t from, int64_t to);
/* REDUCE, when all have put: this rank's share of all ranks' values, in rank order, into its slot
 * and its buffer. */
void ts_shm_reduce(const ts_shm_place *p, const ts_shm_request *r, int64_t k);
/* When all have put (REDUCE: reduced). */
ts_status ts_shm_take(const ts_shm_place *p, const ts_shm_request *r, int64_t k) TS_NODISCARD;

static inline int64_t ts_shm_pieces(int64_t longest, int64_t each)
{
    return longest > 0 ? (longest - 1) / each + 1 : 0;
}
#endif
