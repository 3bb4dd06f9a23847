/* Experts that processes share out (expert parallelism): how rows come to those that have their experts, and what
 * these make of them comes back. Every process has rows of its own, `comm` has all experts between its processes,
 * process r the r-th of as many equal runs of them. Where `pieces` has several processes each has some columns of
 * the same experts: their rows come together, and what they make of them is summed.
 *
 *   all to all   rows go, once for each expert of another process, to where their experts are (GShard, Lepikhin
 *                et al., arXiv 2006.16668)
 *   all gather   everybody gets everybody's rows, and takes those of its own experts
 *
 * Every process of both groups calls the same in the same order; how many rows it has may differ (all to all). On a
 * simulated device pairs go to experts in turn, as with ts_route_op.by TURN. */
#ifndef TS_OPS_DISPATCH_H
#define TS_OPS_DISPATCH_H
#include "ops/experts.h"

typedef struct ts_dispatch_op {
    ts_comm *comm, *pieces;
    int64_t experts; /* of all */
} ts_dispatch_op;

/* What goes where, from ts_dispatch_plan to the end of the backward pass. */
typedef struct ts_dispatch {
    ts_dispatch_op o;
    int64_t *sent, *taken; /* rows [comm->size] to and from each, then where these begin [comm->size] */
    int64_t *piece;        /* likewise of what each of pieces has taken [pieces->size] */
    int64_t home;          /* rows of s, some of which may go nowhere */
    int64_t n_sent, n_taken, rows; /* in all; rows: of all pieces, at least one */
    ts_sorted_rows order;  /* of the rows that come, by the experts here; one row of zeros where none comes */
    ts_sorted_rows back;   /* and from there into the order in which they came */
    bool is_sorted;        /* they come in this order: neither has to be gathered */
} ts_dispatch;

/* s: this process's pairs in the order of all experts. Collective, and waits for the device. */
ts_status ts_dispatch_plan(ts_tape *tape, const ts_dispatch_op *o, const ts_sorted_rows *s,
                           ts_dispatch *d) TS_NODISCARD;
/* rows of s [s->rows, width] -> the rows that come [d->rows, width]; and back, summed over pieces, to rows of s.
 * d is copied. */
ts_status ts_op_dispatch(ts_tape *tape, const ts_dispatch *d, ts_tensor *x, ts_tensor **y) TS_NODISCARD;
ts_status ts_op_dispatch_back(ts_tape *tape, const ts_dispatch *d, ts_tensor *x, ts_tensor **y) TS_NODISCARD;

/* Everyone's ids, for an all gather: int32 [size T, k]. */
ts_status ts_dispatch_gather_ids(ts_tape *tape, ts_comm *group, const ts_tensor *ids, ts_tensor **all) TS_NODISCARD;
/* s has no rows that nobody uses any more. parts: of how many processes the pairs are, each with as many (a
 * simulated device counts by it); experts: of all. Waits for the device. */
ts_status ts_dispatch_trim(ts_tape *tape, ts_sorted_rows *s, int64_t parts, int64_t experts) TS_NODISCARD;
#endif
