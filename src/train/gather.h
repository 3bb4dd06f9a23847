/* Values of parameters whose masters are shared out (tensor/shards.h). Behind an optimizer step each
 * process has the new values of its own shares, and everybody gets the others': in the type that products
 * read, not as masters. With overlap a unit's values come just before they are first used, the next unit's
 * on the way meanwhile. Where the values themselves are shared out nothing is gathered then: see
 * train/visit.h. */
#ifndef TS_TRAIN_GATHER_H
#define TS_TRAIN_GATHER_H
#include "train/visit.h"

typedef enum ts_gather_state { TS_GATHER_HERE, TS_GATHER_OLD, TS_GATHER_COMING } ts_gather_state;

typedef struct ts_gather_unit {
    ts_gather_state state;
    ts_group_call call;
} ts_gather_unit;

typedef struct ts_gather {
    ts_param_set *params; /* NULL: nothing is shared out */
    const ts_sharers *sharers;
    bool overlap;
    ts_gather_unit *unit;
    int64_t missing; /* units that are not here */
    int64_t *counts; /* [2 * size] bytes of every rank's share, and where it begins */
    ts_visit visit;  /* instead of all these, of values that are shared out */
} ts_gather;

/* Borrows all. A set that shares out nothing needs no gather: all other calls then do nothing. Becomes
 * the keeper of the set, which must be done with it before the set is used without. */
ts_status ts_gather_init(ts_gather *g, ts_param_set *params, const ts_sharers *sharers,
                         bool overlap) TS_NODISCARD;
void ts_gather_deinit(ts_gather *g);
/* Before the forward passes of a step of training, or of one that evaluates. */
void ts_gather_begin(ts_gather *g, bool trains);
/* Behind the optimizer's step. Collective, as the next. */
ts_status ts_gather_update(ts_gather *g) TS_NODISCARD;
/* All values are here, or, where they are shared out, none is on its way any more: for who reads them by
 * other ways than as a parameter that is used. */
ts_status ts_gather_finish(ts_gather *g) TS_NODISCARD;
#endif
