/* Inside a mixture of experts (nn/experts.h): experts that are on other processes, and what is computed while rows
 * travel to them. */
#ifndef TS_NN_EXPERTS_APART_H
#define TS_NN_EXPERTS_APART_H
#include "nn/experts.h"

/* The shared expert of a layer, beside the others: its first half while rows go, its second while they come back. */
typedef struct ts_beside {
    const ts_experts_layer *l;
    const ts_run *run;
    int64_t layer;
    ts_tensor *x;
    ts_tensor *half, *y; /* NULL: not yet */
} ts_beside;
/* Whether it is better computed as a whole before the others: where values are shared out they are there for the unit that
 * is used, and experts of other processes are a unit of their own. */
static inline bool ts_beside_comes_first(const ts_experts_layer *l)
{
    return l->apart && ts_shards_values(&l->router->set->shards);
}
ts_status ts_beside_first(ts_tape *tape, ts_beside *b) TS_NODISCARD;
ts_status ts_beside_second(ts_tape *tape, ts_beside *b) TS_NODISCARD;
/* What is not done is done. */
ts_status ts_beside_finish(ts_tape *tape, ts_beside *b) TS_NODISCARD;

/* What has gone from one process to itself has stayed what it is: t is dropped, unless it is `now`. */
static inline void ts_apart_drop(ts_tape *tape, ts_tensor *t, const ts_tensor *now)
{
    if (t != now)
        ts_tape_drop(tape, t);
}

/* This process's rows -> what their experts make of them, weighed and summed, where all rows come to all. drops: some
 * pairs have an id of -1. */
ts_status ts_experts_gathered(ts_tape *tape, ts_beside *b, ts_tensor *x, ts_tensor *weights, ts_tensor *ids,
                              ts_tensor **y) TS_NODISCARD;
/* All rows, which are here -> what the experts of all processes make of them: each takes those of its own. */
ts_status ts_experts_summed(ts_tape *tape, const ts_experts_layer *l, ts_tensor *x, ts_tensor *weights, ts_tensor *ids,
                            ts_tensor **y) TS_NODISCARD;
/* The same as ts_experts_gathered, each row to where its experts are, in three steps between which other things may be done: rows go; experts
 * compute, and what they made goes back; it has come. *b and what comes of the steps last as long as the tape's frame. */
typedef struct ts_exchange ts_exchange;
ts_status ts_exchange_begin(ts_tape *tape, ts_beside *b, ts_tensor *x, ts_tensor *weights, ts_tensor *ids, bool drops,
                            ts_exchange **out) TS_NODISCARD;
ts_status ts_exchange_compute(ts_tape *tape, ts_exchange *c) TS_NODISCARD;
ts_status ts_exchange_finish(ts_tape *tape, ts_exchange *c, ts_tensor **y) TS_NODISCARD;
#endif
