/* What a run trains for: which parameters, by which losses, on which fields of a batch. The trainer
 * knows no more of it; a recipe is one file in this folder (lm.c is the example to read).
 *
 * An objective may use any number of networks. Those that share weights are one network that runs more
 * than once; those that are not trained have sets of parameters of their own, held frozen. What is
 * trained is one set. */
#ifndef TS_TRAIN_OBJECTIVE_OBJECTIVE_H
#define TS_TRAIN_OBJECTIVE_OBJECTIVE_H
#include "data/batch.h"
#include "model/network.h"

/* Samples of a batch that go through the networks together, and where in the run they are. */
typedef struct ts_micro_batch {
    const ts_batch *batch;
    int64_t row, rows; /* of the batch */
    int64_t step;      /* of the run, from 0 */
    int64_t sample0;   /* number in the global batch of the first sample */
} ts_micro_batch;

/* Whoever implements one puts this first into a struct of his own. */
typedef struct ts_objective ts_objective;
struct ts_objective {
    const char *name;     /* of the loss in logs: "lm loss" */
    ts_param_set *params; /* what is trained */
    /* The field, fp32, that says how much each loss counts: there are rows x its width losses, and the
     * loss of a step is their sum, so weighed, over the sum of the weights, whatever the micro-batches
     * and processes. NULL: one loss a sample, and each counts 1. */
    const char *counts;
    /* What all steps need, once, before the first. */
    ts_status (*prepare)(ts_objective *o);
    /* One micro-batch: records on the tape; *losses fp32, one dimension. Their values may be there only
     * when the backward pass is over. Where nothing is computed the batch has no values to look at. */
    ts_status (*forward)(ts_objective *o, ts_tape *tape, const ts_micro_batch *m,
                         ts_tensor **losses);
    /* Operations of a step over so many samples. */
    double (*flops)(const ts_objective *o, int64_t samples);
};
#endif
