/* The engine of a run: micro-batches on tapes, their gradients' sum over all ranks, clipping, loss scale
 * and optimizer. What is trained for, an objective says (train/objective/); what it is trained on, a
 * feed.
 *
 * The loss is the sum over all losses that count of the global batch, as they are weighed, over the sum
 * of their weights, whatever the micro-batches and processes; gradients likewise. */
#ifndef TS_TRAIN_TRAINER_H
#define TS_TRAIN_TRAINER_H
#include "dist/line.h"
#include "dist/traffic.h"
#include "train/dump.h"
#include "train/expert_places.h"
#include "train/feed.h"
#include "train/gather.h"
#include "train/grads.h"
#include "train/idle.h"
#include "train/lr.h"
#include "train/optimizer.h"
#include "train/pipeline.h"
#include "train/scaler.h"
#include "train/sharers.h"

/* What a step found. */
typedef struct ts_step_result {
    double loss; /* mean over the trained tokens of the global batch */
    double side[TS_SIDE_LOSSES]; /* means of the objective's losses beside it */
    double side_weights[TS_SIDE_LOSSES]; /* the sums of the weights of theirs */
    double grad_norm, params_norm, lr, decoupled_lr, loss_scale;
    double max_logit; /* of attention, where it is kept */
    double index_loss; /* of indexers of sparse attention, where they are trained */
    double counted; /* of the losses: the weights' sum */
    int64_t tokens, zeros; /* tokens: with a label */
    bool skipped; /* overflow in fp16: no update was made */
    bool stop;    /* some rank was asked to stop */
    bool captures; /* some rank was asked to capture steps */
    double seconds;
    int64_t memory_peak, rss_peak; /* bytes, the largest rank */
    ts_traffic traffic;            /* what this rank has sent */
} ts_step_result;

/* How long the last steps took. */
enum { TS_PACE_STEPS = 9 };
typedef struct ts_pace {
    double seconds[TS_PACE_STEPS];
    int64_t n; /* steps so far */
} ts_pace;
void ts_pace_add(ts_pace *p, double seconds);
/* The larger of `least` and ten times their median; 0 before the first. */
double ts_pace_limit(const ts_pace *p, double least);

typedef struct ts_trainer {
    const ts_train_options *o;
    ts_device *dev;
    ts_comm *comm;       /* all processes */
    const ts_mesh *mesh; /* of them, or of those of one of two networks (dist/line.h) */
    const ts_sharers *sharers; /* never NULL */
    ts_sharers nobody; /* what it points to where the arguments name none: the batch alone is shared out */
    ts_objective *objective;
    ts_feed feed;
    ts_pipeline pipeline;
    ts_grads grads;
    ts_optimizer optim;
    ts_gather gather;
    ts_idle idle;
    bool saves_trained;  /* as in ts_trainer_args */
    ts_lr_schedule schedule, decoupled; /* of --decoupled-lr, when optim.has_decoupled */
    ts_loss_scaler scaler;
    ts_expert_report experts; /* of the last step */
    ts_expert_places places;  /* where experts are */
    int look; /* of the objective's the one under way, from 1; 0: none */
    double side_weight[TS_SIDE_LOSSES]; /* of losses beside the first: of the step, with the loss scale */
    float *host;              /* [losses of the largest micro-batch] their weights, then the losses themselves */
    double *gathered;         /* [all processes * ((1 + n_side) n_micro + TS_STEP_EXTRAS)]: see step.c */
    int64_t host_bytes;       /* of the batch and these, booked */
    int64_t copies;           /* bytes of a background save, booked */
    bool (*asked)(void *ctx); /* whether this rank was asked to stop; NULL: it never is */
    void *asked_ctx;
    ts_dump *dump; /* NULL: no step is dumped */
    bool asks_capture; /* this rank was asked to capture steps: all learn it with the next step */
    double patience; /* see ts_trainer_args */
    ts_pace pace;
    /* position in the run */
    /* scheduled: samples that the schedule has counted */
    int64_t iteration, consumed, scheduled, skipped;
} ts_trainer;
enum { TS_STEP_EXTRAS = 8 };


typedef struct ts_trainer_args {
    const ts_train_options *o; /* checked */
    ts_device *dev;
    const ts_mesh *mesh;
    const ts_sharers *sharers; /* of the mesh; NULL: nobody shares anything out */
    ts_objective *objective;
    ts_feed_args feed;
    bool fp16;    /* with a loss scale */
    bool overlap; /* of dist's options, as the next */
    int64_t bucket;
    bool overlap_gather; /* see train/gather.h */
    double second_rate; /* of parameters that are decoupled: so many times that of others; 0: theirs is --decoupled-lr's */
    bool saves_trained; /* checkpoints hold what is trained alone */
    bool watches_idle; /* parameters that get no gradient are named */
    ts_expert_places_options places;
    ts_pipeline_kind pipeline; /* over the mesh's stages; the objective has a part for each chunk */
    /* seconds that a rank may wait for another within a step, or ten median steps where that is longer; 0:
     * as its watchdog was told */
    double patience;
} ts_trainer_args;

/* Borrows what the arguments point to. */
ts_status ts_trainer_create(const ts_trainer_args *a, ts_trainer **out) TS_NODISCARD;
void ts_trainer_destroy(ts_trainer **t);

/* All parameters are here, and experts where they are numbered, for who reads them; and then again where they were.
 * Collective. */
ts_status ts_trainer_settle(ts_trainer *t) TS_NODISCARD;
ts_status ts_trainer_go_on(ts_trainer *t) TS_NODISCARD;

/* The pipeline for the feed's micro-batches. A step calls it. */
ts_status ts_trainer_prepare_pipeline(ts_trainer *t) TS_NODISCARD;
/* Gives the next step the batch size that its place in the run asks for. */
void ts_trainer_size_batch(ts_trainer *t);
/* Reads this rank's samples of a global batch; where experts are on several processes all go through as many positions
 * of them. Collective. */
ts_status ts_trainer_read(ts_trainer *t, ts_data_part part, int64_t first) TS_NODISCARD;
/* One step with the next global batch. `stop`: this rank was asked to stop (all learn it). A loss
 * that is not a number is TS_ERR_RUN on all ranks (unless it may be). */
ts_status ts_trainer_step(ts_trainer *t, bool stop, ts_step_result *r) TS_NODISCARD;
/* Mean loss over n full global batches of a part, beginning at its sample `first` (wrapping round).
 * Whether a rank was asked to stop is looked at before each batch and behind the last. */
typedef struct ts_evaluation {
    double loss;
    /* Means of the objective's losses beside it, and the sums of the weights of theirs; 0: an evaluation does not tell it. */
    double side[TS_SIDE_LOSSES], side_weights[TS_SIDE_LOSSES];
    bool is_whole; /* no batch is missing */
    bool stop;     /* some rank was asked to stop */
} ts_evaluation;
ts_status ts_trainer_evaluate(ts_trainer *t, ts_data_part part, int64_t first, int64_t n,
                              ts_evaluation *out) TS_NODISCARD;
/* Whether some rank was asked to stop. Collective. */
ts_status ts_trainer_agree_to_stop(ts_trainer *t, bool *stop) TS_NODISCARD;
/* Floating-point operations of one step over all ranks (Megatron's count: no recomputation). */
double ts_trainer_step_flops(const ts_trainer *t);
#endif
