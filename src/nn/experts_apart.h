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
/* What is not done is done. */
ts_status ts_beside_finish(ts_tape *tape, ts_beside *b) TS_NODISCARD;

/* This process's rows -> what their experts make of them, weighed and summed. drops: some pairs have an id of -1. */
ts_status ts_experts_apart(ts_tape *tape, ts_beside *b, ts_tensor *x, ts_tensor *weights, ts_tensor *ids, bool drops,
                           ts_tensor **y) TS_NODISCARD;
#endif
