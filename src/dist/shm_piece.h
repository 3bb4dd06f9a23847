/* Collectives between processes of one host. No rank can write into another's arrays, so values go
 * through memory that all share. An array may be larger than that and than any cache, so it goes in
 * pieces, each of which is taken while it is still near. A rank has a slot for a piece, which it
 * alone writes, and a piece has three steps (the middle one only where ranks share the summing):
 *
 *   rank 0   [0|1|2] put 1, 2    [0| | ] reduce share 0 of all     [0|1|2] take 1, 2 from
 *   rank 1   [0|1|2] put 0, 2    [ |1| ]        share 1 of all     [0|1|2] take 0, 2
 *   rank 2   [0|1|2] put 0, 1    [ | |2]        share 2 of all     [0|1|2] take 0, 1
 *            array -> slot       all slots -> its own slot         slots -> array
 *
 * This file is what a rank does in a step. When it may begin (all ranks have put, a slot is free
 * again) comm_shm.c knows by the counters of shm.h. */
#ifndef TS_DIST_SHM_PIECE_H
#define TS_DIST_SHM_PIECE_H
#include "dist/comm.h"
#include "dist/shm_way.h"

typedef enum ts_shm_work {
    TS_SHM_REDUCE,      /* a rank reduces its share of the array, then all take all shares */
    TS_SHM_REDUCE_FLAT, /* every rank reduces everything: more work, but one wait less. For small
                           arrays, and between two ranks */
    TS_SHM_SCATTER,     /* reduces; a rank gets its own part of the result only */
    TS_SHM_GATHER,      /* every rank gets every rank's array */
    TS_SHM_EXCHANGE,    /* every rank has values for every other (all-to-all) */
    TS_SHM_SPREAD,      /* every rank gets the root's array (broadcast) */
    TS_SHM_MEET,        /* nothing is passed on, all wait for all (barrier) */
    TS_SHM_SEND,        /* a message to another rank, or from it: shm_message.h */
    TS_SHM_RECV,
} ts_shm_work;

/* One call under way; of messages shm_message.h says more. A communicator counts the pieces of its
 * collectives through its life; this one's are [first, first + pieces) of the count, and all ranks
 * must come to the same number of them, or they wait for each other for ever. In an EXCHANGE a rank
 * knows only how much it sends itself. So that starts as one piece, with which every rank says how
 * much it has for one other; all find the largest, and know how many pieces follow:
 *
 *   ranks cannot read each other's memory    | values | values | values |
 *   they can, and all fits into caches       | values or addresses |
 *   they can, but it is larger               | bare: nobody takes it | values | values |  */
typedef struct ts_shm_request {
    ts_shm_work what;
    ts_comm_type t;
    ts_comm_op op;
    ts_collective name; /* as the caller knows it */
    int root;           /* SPREAD; SEND, RECV: the other rank */
    int64_t first, pieces;
    int64_t put, reduced, taken; /* steps that this rank has done, in pieces of this collective */
    int64_t each;                /* values in a whole piece; SCATTER, EXCHANGE: for one rank */
    int64_t n;                   /* REDUCE*, SPREAD, GATHER, SEND, RECV: values of this rank */
    int64_t longest;             /* EXCHANGE: values of this rank for one other, at most */
    bool stream;                 /* larger than the caches: results are written past them */
    bool direct;                 /* one piece, which the others read where it lies */
    int64_t bare;                /* EXCHANGE: first pieces that carry no values: 0 or 1 */
    int64_t turn;                /* pieces that have gone by `turns` before this collective */
    ts_shm_turns *turns;         /* finds out the way of such collectives' pieces (shm_way.h); or */
    bool past;                   /* NULL, and this is the way: past the caches or through them */
    const char *send;            /* NULL: recv is both */
    char *recv;                  /* SCATTER: this rank's part */
    /* [size], in values; NULL where the work has none. They point into counts. */
    int64_t *send_counts, *send_offsets, *recv_counts, *recv_offsets;
    struct ts_shm_request *next;
    int64_t counts[]; /* [4 * size] */
} ts_shm_request;

/* Where a rank stands: the shared memory, and who it is in it. */
typedef struct ts_shm_place {
    ts_shm_head *head;
    char *slots, *channels;
    size_t slot_bytes;
    int rank, size;
    char *bounce; /* [TS_SHM_BOUNCE], this rank's own: shm_read.h */
} ts_shm_place;

/* Step 1: what the others need of this rank's piece k, into its slot; or, `way` being direct, the
 * addresses where they find it. */
void ts_shm_put(const ts_shm_place *p, const ts_shm_request *r, int64_t k, ts_shm_way way);
/* GATHER and EXCHANGE: copies what a rank sends to itself, of pieces [from, to). Done after the
 * others have been told of the piece: they need not wait for it. */
void ts_shm_keep(const ts_shm_place *p, const ts_shm_request *r, int64_t from, int64_t to);
/* Step 2, REDUCE only, when all have put: sums this rank's share of all ranks' values, in rank
 * order, into its slot and its own array. */
void ts_shm_reduce(const ts_shm_place *p, const ts_shm_request *r, int64_t k);
/* Step 3, when all have put (REDUCE: reduced): the result, or what the others have for this rank,
 * into its array. Fails if another's memory cannot be read. */
ts_status ts_shm_take(const ts_shm_place *p, const ts_shm_request *r, int64_t k) TS_NODISCARD;

/* Pieces of at most `each` values that `longest` values take. */
static inline int64_t ts_shm_pieces(int64_t longest, int64_t each)
{
    return longest > 0 ? (longest - 1) / each + 1 : 0;
}
#endif
