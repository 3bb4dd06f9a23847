/* Looks at all the samples that a run will see, before its first step. */
#ifndef TS_TRAIN_LOOK_AHEAD_H
#define TS_TRAIN_LOOK_AHEAD_H
#include "train/trainer.h"

typedef struct ts_look_ahead {
    void *ctx;
    /* Whether something is not known yet of a micro-batch that was read; takes what a look has found of it. */
    bool (*lacks)(void *ctx, const ts_micro_batch *m);
    ts_status (*take)(void *ctx, const ts_micro_batch *m);
    /* Behind the look, before anything is taken; NULL: nothing. */
    ts_status (*looked)(void *ctx);
} ts_look_ahead;

/* Each global batch of which some process lacks something all look at. Where nothing is computed one look is as all are.
 * Collective. */
ts_status ts_trainer_look_ahead(ts_trainer *t, const ts_look_ahead *l) TS_NODISCARD;
#endif
