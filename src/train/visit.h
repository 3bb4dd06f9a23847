/* Values that are shared out and here only while they are used (ZeRO-3): a unit's are gathered from the
 * masters when one of its parameters is needed, in the type that products read, and go when another unit's
 * are. In which order units are used the first step finds out; from then on the next unit is on its way
 * while one is used.
 *
 * Of a process alone whose masters are in few bits (ts_shard_options.coded) a unit's values are made of these, when
 * they are needed.
 *
 * LayerZeRO: the first gather of a unit behind an optimizer step leaves a part of its values with each of few
 * near processes, and until the next step they are gathered among these alone. */
#ifndef TS_TRAIN_VISIT_H
#define TS_TRAIN_VISIT_H
#include "tensor/param.h"
#include "ops/group.h"
#include "train/sharers.h"

/* The order in which a pass through the model has used units. */
typedef struct ts_visit_trace {
    int64_t *unit;
    size_t n, cap;
} ts_visit_trace;

/* Passes that use units in different orders. */
typedef enum ts_visit_pass { TS_VISIT_TRAINS, TS_VISIT_EVALUATES, TS_VISIT_PASSES } ts_visit_pass;

/* What this process keeps of a unit's values for its near ones. */
typedef struct ts_visit_part {
    ts_storage *kept;
    bool is_new; /* of the masters as they are */
} ts_visit_part;

typedef struct ts_visit {
    ts_param_set *params;
    const ts_sharers *sharers;
    ts_comm *near;        /* NULL without LayerZeRO */
    ts_visit_part *part;  /* [units], with it */
    int64_t current, coming; /* units that have memory; -1: none */
    ts_storage *here, *ahead; /* theirs */
    ts_comm *by;              /* the communicator that brings coming */
    ts_group_call call;       /* its */
    ts_visit_trace trace[TS_VISIT_PASSES], *in;
    size_t at;    /* in the trace of this pass */
    int64_t *counts; /* [2 * size] */
} ts_visit;

/* Borrows all; becomes the keeper of the set's values. */
ts_status ts_visit_init(ts_visit *v, ts_param_set *params, const ts_sharers *sharers) TS_NODISCARD;
void ts_visit_deinit(ts_visit *v);
/* A pass begins. Collective, as the next. */
void ts_visit_begin(ts_visit *v, ts_visit_pass pass);
/* None is on its way any more. */
ts_status ts_visit_finish(ts_visit *v) TS_NODISCARD;
/* All values go: masters have changed. */
ts_status ts_visit_leave(ts_visit *v) TS_NODISCARD;
#endif
