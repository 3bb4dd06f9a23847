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
#include "ops/group.h"

/* ---- rows on their way ---- */

/* Between rows here and rows there. They exchange them, or (gathers) there all have everybody's, whose sums come
 * back. Of a process alone, here is there. */
typedef struct ts_travel {
    ts_comm *comm;
    bool gathers;
    const int64_t *here, *there; /* [2 size] rows to and from each process, then where they begin; gathers: there alone */
    int64_t n_here, n_there;
} ts_travel;
/* Everybody has as many. */
ts_status ts_travel_gather(ts_tape *tape, ts_comm *comm, int64_t rows, ts_travel *t) TS_NODISCARD;

/* Rows that have started, and go on while other things are done. */
typedef struct ts_under_way ts_under_way;

/* x [n_here or more, width] -> y [rows, width], of which n_there come; back: the other way. Between the two the
 * device computes what is no part of it, and so it does in the backward pass. *t is copied, what it points to
 * lasts as long as the tape's records; x stays as it is until wait, which comes once. What has gone there may be made
 * again by travelling (TS_REPLAY_TRAVEL). */
ts_status ts_op_travel_start(ts_tape *tape, const ts_travel *t, bool back, ts_tensor *x, int64_t rows,
                             ts_under_way **out) TS_NODISCARD;
ts_status ts_op_travel_wait(ts_tape *tape, ts_under_way *u, ts_tensor **y) TS_NODISCARD;
/* Both. */
ts_status ts_op_travel(ts_tape *tape, const ts_travel *t, bool back, ts_tensor *x, int64_t rows,
                       ts_tensor **y) TS_NODISCARD;

/* ---- places ---- */

/* Where pairs stand when they are sorted: rows are in `slices` runs, one after another, and of run i those of expert e
 * have place[e] + i * stride; or, from slices * stride on, place[e] in all of them. */
typedef struct ts_places {
    int64_t n;            /* places; some may be nobody's */
    int64_t slices, stride;
    int64_t experts;
    int64_t shares;       /* the rows are of so many processes, each with as many */
    const int32_t *place; /* [experts], on the host; -1: of no pair here */
} ts_places;
/* ids int32 [T, k] of experts -> *out of places; -1 stays. Waits for the device. */
ts_status ts_places_of(ts_tape *tape, const ts_places *p, const ts_tensor *ids, ts_tensor **out) TS_NODISCARD;
/* Pairs of each place: own [n], of s, which is sorted so. Waits for the device. */
ts_status ts_places_count(ts_tape *tape, const ts_places *p, const ts_sorted_rows *s, int64_t *own) TS_NODISCARD;
/* Pairs of each expert: own [experts]. Likewise. */
ts_status ts_pairs_count(ts_tape *tape, const ts_tensor *ids, int64_t experts, int64_t *own) TS_NODISCARD;
/* s has no rows but those that were counted. */
void ts_sorted_rows_trim(ts_sorted_rows *s, const int64_t *own, int64_t n);

/* ---- all to all ---- */

typedef struct ts_dispatch_op {
    ts_comm *comm, *pieces;
    int64_t experts; /* of all */
} ts_dispatch_op;

/* What goes where. */
typedef struct ts_dispatch {
    ts_dispatch_op o;
    int64_t *counts;       /* pairs that come [pieces][comm][experts here]; where nothing is computed, in turn */
    ts_travel way, join;   /* to the experts' process; from there to all that have pieces of them */
    int64_t home, taken, rows; /* rows that go, and that come, and then: at least 1 */
    ts_sorted_rows order;  /* of these, by the experts here; one row of zeros where none comes */
    ts_sorted_rows back;   /* and from there into the order in which they came */
    bool is_sorted;        /* they come in this order: neither has to be gathered */
} ts_dispatch;

/* own [experts]: this process's pairs, whose rows stand in the order of experts; home: room for them, at least as many.
 * Collective. */
ts_status ts_dispatch_plan(ts_tape *tape, const ts_dispatch_op *o, const int64_t *own, int64_t home,
                           ts_dispatch *d) TS_NODISCARD;
/* order and back, for which nobody else is needed: while rows are on their way. */
ts_status ts_dispatch_order(ts_tape *tape, ts_dispatch *d) TS_NODISCARD;

/* ---- all gather ---- */

/* Everyone's ids: int32 [size T, k]. */
ts_status ts_dispatch_gather_ids(ts_tape *tape, ts_comm *group, const ts_tensor *ids, ts_tensor **all) TS_NODISCARD;
/* s has no rows that nobody uses any more. parts: of how many processes the pairs are, each with as many (a
 * simulated device counts by it); experts: of all. Waits for the device. */
ts_status ts_dispatch_trim(ts_tape *tape, ts_sorted_rows *s, int64_t parts, int64_t experts) TS_NODISCARD;
#endif
