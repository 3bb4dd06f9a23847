/* The gradients of a step: those of all micro-batches, summed over all ranks that have other samples or
 * other parts of them, and what a tensor-parallel group has in parts (ts_param.parts) over that, and
 * what several stages of a pipeline have over these.
 *
 * In deterministic mode every micro-batch's gradient is made alone and added in the order of the global
 * batch, so that the bits do not depend on the processes (dist/ordered.h). Otherwise micro-batches add up
 * where gradients are made, and the sum is reduced while the last one's backward pass goes on
 * (dist/bucket.h). Where gradients are shared out (tensor/shards.h) each process gets the sums of its own
 * shares alone (train/scatter.h). */
#ifndef TS_TRAIN_GRADS_H
#define TS_TRAIN_GRADS_H
#include "dist/mesh.h"
#include "ops/tape.h"
#include "train/options.h"
#include "train/scatter.h"
#include "train/sharers.h"
#include "train/staged.h"

typedef struct ts_grads {
    ts_device *dev;
    ts_reduced *of;        /* [n_of] the stretches of the flat arrays, and who sums them */
    int64_t n_of;
    ts_param_set *params;
    bool deterministic;
    ts_storage *acc;       /* deterministic: the sum so far, flat */
    ts_storage *room;      /* for what is received from other ranks */
    ts_reducer *reducer;   /* otherwise, with several processes */
    int64_t reducer_bytes; /* that it holds, booked */
    ts_staged staged;      /* how the gradients come to either */
    ts_scatter scatter;    /* instead of all these, of shares */
    ts_status failure;     /* of what the backward pass set going */
    ts_comm *group;        /* tensor-parallel; NULL: alone */
    float *parts;          /* of it: host memory for gradients that are there in parts */
    int64_t n_parts;
    const ts_mesh *mesh;   /* whose groups of stages sum what several have; NULL: nothing is on several */
    int *chunks;           /* [parameters] of this stage, whose last passes are complete (ts_param.chunks) */
    bool is_begun;         /* the reducer is */
} ts_grads;

/* Borrows all but the options. overlap and bucket (elements) are of dist's options. */
ts_status ts_grads_init(ts_grads *g, const ts_train_options *o, const ts_mesh *mesh,
                        const ts_sharers *sharers, ts_param_set *params, bool overlap,
                        int64_t bucket) TS_NODISCARD;
void ts_grads_deinit(ts_grads *g);

/* A step: begin; for each piece of a micro-batch's backward pass enter before it, leave behind it;
 * finish. The pieces of a part of the model come in the order of micro-batches; is_last: of its last. */
ts_status ts_grads_begin(ts_grads *g) TS_NODISCARD;
void ts_grads_enter(ts_grads *g, ts_tape *tape, bool is_last);
ts_status ts_grads_leave(ts_grads *g, ts_tape *tape) TS_NODISCARD;
/* Collective. *sum, flat or ts_scatter_is_own, is where the gradients are until the next step begins; NULL: in
 * scatter.main. */
ts_status ts_grads_finish(ts_grads *g, const float **sum) TS_NODISCARD;
#endif
