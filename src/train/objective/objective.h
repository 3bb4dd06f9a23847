/* What a run trains for: which parameters, by which losses, on which fields of a batch. The trainer
 * knows no more of it; a recipe is one file in this folder (lm.c is the example to read).
 *
 * An objective may use any number of networks. Those that share weights are one network that runs more
 * than once; those that are not trained have sets of parameters of their own, held frozen. What is
 * trained is one set. */
#ifndef TS_TRAIN_OBJECTIVE_OBJECTIVE_H
#define TS_TRAIN_OBJECTIVE_OBJECTIVE_H
#include "base/stretches.h"
#include "data/batch.h"
#include "model/network.h"
#include "ops/spread.h"
#include "parallel/seam.h"

/* Samples of a batch that go through the networks together, and where in the run they are. */
typedef struct ts_micro_batch {
    const ts_batch *batch;
    int64_t row, rows; /* of the batch */
    int64_t length;    /* positions of each row that are gone through; 0: all */
    int64_t step;      /* of the run, from 0 */
    int64_t sample0;   /* number in the global batch of the first row */
    int64_t pass;      /* which of this process's micro-batches of the step it is */
    float balance;     /* weight of its auxiliary losses of experts; 0: it evaluates */
    bool evaluates;    /* nothing is dropped out, no gradient will come */
    int look;          /* which of the objective's looks this is, from 1 (it evaluates then); 0: none */
    int64_t part;      /* which part of the objective's runs, and what the part before gave; the first
                          part has nothing */
    ts_passed in;
} ts_micro_batch;

/* A loss beside the first, of what comes further ahead. Each of its values counts as much as the first loss's
 * value `ahead` places behind it in the sample, and nothing where that is in another document (field "segments").
 * `weight` times their mean is trained for as well; what is told of a step is each loss's own mean. */
typedef struct ts_side_loss {
    char name[32]; /* in logs: "mtp_1 loss" */
    double weight;
    int64_t ahead;
    const char *counts; /* fp32 [1] of a sample, in its first row: how much its value counts; NULL: as the objective's */
} ts_side_loss;
enum { TS_SIDE_LOSSES = TS_PASSED - 1, TS_LOOKS = 3 };

/* A model that is compared with: who goes on must know it. */
typedef struct ts_compared {
    const char *folder;
    int64_t step; /* of its checkpoints; -1: the newest, or it is a Hugging Face folder */
} ts_compared;

/* What one look finds of each row of a batch becomes a field of it, fp64 [1], which the samples leave room for. Or the
 * objective takes it. */
typedef struct ts_look {
    const char *field; /* NULL: its `found` does */
    int64_t every, from; /* of so many rows of a sample one, beginning with this; 0: all */
} ts_look;

/* Whoever implements one puts this first into a struct of his own. */
typedef struct ts_objective ts_objective;
struct ts_objective {
    const char *name;     /* of the loss in logs: "lm loss" */
    ts_param_set *params; /* what is trained */
    const ts_expert_load *load; /* what its layers of experts count in a step; NULL or n 0: there are none */
    const ts_expert_rules *rules;
    const ts_index_training *index; /* of indexers of sparse attention; NULL: there are none */
    /* The field, fp32, that says how much each loss counts: there are rows x its width losses, and the
     * loss of a step is their sum, so weighed, over the sum of the weights, whatever the micro-batches
     * and processes. NULL: one loss a sample, and each counts 1. */
    const char *counts;
    bool is_sum; /* a step's loss is the sum alone */
    bool by_micro; /* a step's loss is the mean of those of its micro-batches, in each of which the weights are divided
                      by their sum; one whose weights are 0 has the loss 0 */
    ts_side_loss side[TS_SIDE_LOSSES]; /* [n_side] with `counts` */
    int n_side;
    ts_stretches here; /* of each sample's losses those that are this process's; n 0: all */
    const ts_spread *spread; /* how its sequences are shared out; NULL: they are not */
    /* What all steps need, once, before the first. */
    ts_status (*prepare)(ts_objective *o);
    int64_t parts; /* that it is cut into; 0 is 1 */
    /* One micro-batch through a part: records on the tape. The last part gives one tensor, the losses:
     * fp32, one dimension, whose values may be there only when the backward pass is over; in passes that train
     * behind it one alike for each loss beside it. Any other
     * gives what `passes` says. Where nothing is computed the batch has no values to look at. */
    ts_status (*forward)(ts_objective *o, ts_tape *tape, const ts_micro_batch *m, ts_passed *out);
    /* What the part hands on of so many samples. NULL: it is never cut. */
    void (*passes)(const ts_objective *o, int64_t part, int64_t samples, ts_passed_shapes *out);
    /* Where two networks have processes of their own (dist/line.h) `passes` says what is here. And this, of tensor
     * i of what the first hands on to the second, how its rows lie on either one's processes at the border (tp and
     * cp are set): returns the positions of a sample. 0, and NULL: every process has all rows. */
    int64_t (*lies)(const ts_objective *o, int i, ts_seam_side side[2]);
    /* Passes over a global batch before it is trained or evaluated on, forward alone, with the weights as they are: [n_looks].
     * In one the last part gives what it has found, fp64, instead of losses. begin_look: before look k, from 0, and with
     * `ends` behind it, on every process. looked: behind all looks, or where there are none before the batch is
     * used, of each micro-batch; `peers` are the processes that have other samples of it. Either may be NULL. */
    ts_look look[TS_LOOKS];
    int n_looks;
    void (*begin_look)(ts_objective *o, int k, bool ends);
    ts_status (*found)(ts_objective *o, ts_device *dev, const ts_micro_batch *m, const ts_passed *out);
    ts_status (*looked)(ts_objective *o, const ts_micro_batch *m, ts_comm *peers);
    const ts_compared *compared; /* told in checkpoints; NULL: nothing */
    bool varies; /* that is the most: a micro-batch may have fewer rows, whose number travels ahead of them */
    /* Operations of a step over so many samples. */
    double (*flops)(const ts_objective *o, int64_t samples);
};

/* `here` of rows of which only so much is gone through. */
static inline ts_stretches ts_objective_here(const ts_objective *o, int64_t length)
{
    if (!o->here.n || !o->spread)
        return o->here.n ? ts_stretches_one(0, length) : o->here;
    const ts_spread s = ts_spread_cut(o->spread, length);
    return ts_spread_here(&s, length);
}
static inline int64_t ts_objective_parts(const ts_objective *o) { return o->parts ? o->parts : 1; }
static inline bool ts_objective_ends(const ts_objective *o, int64_t part)
{
    return part + 1 == ts_objective_parts(o);
}
#endif
