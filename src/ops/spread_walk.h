/* Blocks of keys and values on their way between the processes across (spread.h): who sees which, and which
 * one is here in which step. */
#ifndef TS_OPS_SPREAD_WALK_H
#define TS_OPS_SPREAD_WALK_H
#include "ops/message.h"
#include "ops/spread_inside.h"

/* What an attention, there or back, knows of the others. */
typedef struct ts_ring {
    ts_tape *tape;
    const ts_attention_op *o;
    const ts_spread *s;
    int n, w, at;      /* processes across, of a window; this one */
    int64_t most, row; /* keys of the longest block, of all sequences; elements of one */
    ts_dtype dtype;
    ts_stretches queries;
} ts_ring;

/* Of a block: keys, and values. */
typedef struct ts_key_pair {
    char *k, *v;
} ts_key_pair;

/* Borrows all. */
ts_ring ts_ring_of(ts_tape *tape, const ts_attention_op *o, const ts_spread *s, ts_dtype dtype);
/* The block that is here in step t, and who has a block then. */
static inline int ts_ring_here(const ts_ring *r, int t) { return ts_ring_block(r->n, r->w, r->at, t); }
static inline int ts_ring_who(const ts_ring *r, int block, int t)
{
    return ts_ring_holder(r->n, r->w, block, t);
}
/* Positions of the queries, and of the keys, of another. */
ts_stretches ts_ring_pieces(const ts_ring *r, int at);
/* Keys of a block, of all sequences. */
int64_t ts_ring_rows(const ts_ring *r, int block);
/* Where a block lies that is number `number` of those in t, each of which has room for the longest; its values
 * follow its keys. */
ts_key_pair ts_ring_pair(const ts_ring *r, const ts_tensor *t, int64_t number, int block);
/* Whether some of these queries see some of these keys by the mask, or all see all; documents are not known
 * here. */
bool ts_stretch_sees(const ts_attention_mask *m, const ts_stretch *q, const ts_stretch *k);
bool ts_stretch_sees_all(const ts_attention_mask *m, const ts_stretch *q, const ts_stretch *k);
/* Whether queries of `at` may see keys of the block, by the mask and what is known of documents. */
bool ts_ring_needs(const ts_ring *r, int at, int block);
/* n values go to another, or come. */
ts_status ts_ring_post(const ts_ring *r, void *data, int64_t n, int at, bool is_out,
                       ts_message *m) TS_NODISCARD;

typedef struct ts_walk {
    ts_ring *r;
    bool keeps_keys, keeps_values; /* where they are kept for the backward pass, and */
    bool are_here;                 /* they are there, in the backward pass */
    ts_key_pair own;
    ts_tensor *kept;               /* of each step from 1 on: keys, and values if these are kept */
    ts_tensor *buffer[4];
    ts_message inner[4], outer[4]; /* keys out and in, values out and in */
} ts_walk;

/* The own block, from fused rows; the other fields are set before. */
ts_status ts_walk_begin(ts_walk *w, const ts_tensor *q) TS_NODISCARD;
/* At the beginning of step t what it allows to travel sets out; behind it what the next one needs is here. */
ts_status ts_walk_set_out(ts_walk *w, int t) TS_NODISCARD;
ts_status ts_walk_arrive(ts_walk *w, int t) TS_NODISCARD;
/* Where the block of step t is. */
ts_status ts_walk_place(ts_walk *w, int t, ts_key_pair *p) TS_NODISCARD;
#endif
