/* Attention of processes that share out each sequence (context parallelism). Every process has some rows
 * of each, in all its tensors; attention alone needs those of the others. A sequence of 16 positions, on
 * four processes:
 *
 *   one after another   0 1 2 3 | 4 5 6 7 | 8 9 10 11 | 12 13 14 15
 *   zigzag              0 1 14 15 | 2 3 12 13 | 4 5 10 11 | 6 7 8 9      equal work under a causal mask
 *
 * What the processes do is made of two things:
 *
 *   heads   neighbours exchange rows for heads: each then has all rows of all of them together, and some
 *           heads (Ulysses: Jacobs et al., arXiv 2309.14509). Its attention needs nothing else where the
 *           neighbours are all there are.
 *   across  those who have the same heads of other rows bring their keys and values together: handed
 *           round in a ring, block by block, while the block before is computed with (Liu et al., arXiv
 *           2310.01889), sent by each to those who need them, or gathered at once.
 *
 * Heads alone, one of the ways across alone, or both: neighbours exchange heads, and the groups of
 * neighbours go across (Fang and Zhao, arXiv 2405.07719). */
#ifndef TS_OPS_SPREAD_H
#define TS_OPS_SPREAD_H
#include "ops/ops.h"

typedef enum ts_spread_way {
    TS_SPREAD_RING,   /* keys and values go round */
    TS_SPREAD_DIRECT, /* each process sends its own to those whose queries see some of them */
    TS_SPREAD_GATHER, /* all to all at once */
} ts_spread_way;

/* What is kept of keys and values for the backward pass: in the ring those of others, which then need not
 * travel again; where heads alone are exchanged (FULL) they are kept as they are before that, and travel
 * again. */
typedef enum ts_spread_keep {
    TS_SPREAD_KEEP_NONE,
    TS_SPREAD_KEEP_HALF, /* keys */
    TS_SPREAD_KEEP_FULL,
} ts_spread_keep;

typedef struct ts_spread {
    ts_comm *comm;  /* the processes, at least two; borrowed */
    int64_t length; /* of a whole sequence */
    int heads;      /* neighbours that exchange heads, a divisor of the processes; 1: none do */
    ts_spread_way way;
    bool zigzag;
    bool gather_keys; /* neighbours, all there are, exchange heads of queries alone: keys and values are gathered */
    int window;     /* RING: rings within rings, of so many neighbours (ts_ring_block); 1, or all: one ring */
    ts_spread_keep keep;
    int64_t keep_every; /* of so many layers the first keeps it */
    /* DIRECT: [across, across], of one batch: whether some query of the one group sees some key of the other
     * by its documents; it stays until the backward is over. NULL: they may all */
    const bool *seen;
} ts_spread;

/* The rows of each sequence that process `rank` has; and the queries that it attends with, once heads are
 * exchanged. s NULL: all rows of a sequence of this length. */
ts_stretches ts_spread_rows(const ts_spread *s, int64_t length, int rank);
ts_stretches ts_spread_queries(const ts_spread *s, int64_t length, int rank);
/* Those of this process. */
static inline ts_stretches ts_spread_here(const ts_spread *s, int64_t length)
{
    return ts_spread_rows(s, length, s ? s->comm->rank : 0);
}

/* The same for sequences of another length, of which each process has a part too. */
static inline ts_spread ts_spread_cut(const ts_spread *s, int64_t length)
{
    ts_spread cut = *s;
    cut.length = length;
    return cut;
}

/* Of one sample, causal: adds to seen what its documents, numbered by position in segments [length], let
 * groups see of each other. */
void ts_spread_see(const ts_spread *s, const int32_t *segments, bool *seen);

/* Heads can be shared out over so many: there is one of queries for each. */
bool ts_spread_has_heads(int64_t n_q, int64_t n_kv, int heads);

/* Where `at` of `n` in rings within rings of w stands at step t of n: whose block it has, and (its
 * inverse) who has `block` then. Within a window of w neighbours blocks go round step by step; every w
 * steps each hands the block that it began the window with to its like in the next window. w 1 or n is
 * the plain ring. */
int ts_ring_block(int n, int w, int at, int t);
int ts_ring_holder(int n, int w, int block, int t);

/* Rows for columns, of what is no attention, over all processes, whichever rows each has: x [B * rows here, units
 * width], y [B * length, columns here], all rows of a sequence in its order with this process's units. Where units are as
 * many as processes or more, each has as many as another, or one more. Where they are fewer (a divisor then) a unit is
 * shared out in so many parts, which ts_op_spread_out takes of its columns; ts_op_spread_copy gives the whole unit to all
 * who have a part, and takes the sum of their gradients. s NULL: y is x. */
typedef struct ts_spread_share {
    int64_t first, n;    /* units that are here, or of which one part is */
    int64_t parts, part; /* of a unit, and which one is here; 1 and 0: all of it */
} ts_spread_share;
ts_spread_share ts_spread_share_of(const ts_spread *s, int64_t units);
ts_status ts_op_spread_out(ts_tape *tape, const ts_spread *s, int64_t B, int64_t units, ts_tensor *x,
                           ts_tensor **y) TS_NODISCARD;
ts_status ts_op_spread_copy(ts_tape *tape, const ts_spread *s, int64_t B, int64_t units, ts_tensor *x,
                            ts_tensor **y) TS_NODISCARD;
/* From what ts_op_spread_out gives; units: of the whole. */
ts_status ts_op_spread_back(ts_tape *tape, const ts_spread *s, int64_t B, int64_t units, ts_tensor *x,
                            ts_tensor **y) TS_NODISCARD;
/* Of what each unit has so many of, one after another, how many are here, and the first. */
static inline int64_t ts_spread_here_of(const ts_spread_share *p, int64_t each) { return p->n * each / p->parts; }
static inline int64_t ts_spread_first_of(const ts_spread_share *p, int64_t each)
{
    return p->first * each + p->part * (each / p->parts);
}

/* As ts_op_attention of fused rows: o->S rows of each of o->B sequences are here, q [B * S, ...]. The
 * rows of first_key and last_key are those of ts_spread_queries; the keys they name, and the mask, are
 * positions of the whole sequence. q must not be read any more. */
ts_status ts_op_spread_attention(ts_tape *tape, const ts_attention_op *o, const ts_spread *s,
                                 int64_t layer, ts_tensor *q, ts_tensor **y) TS_NODISCARD;
#endif
