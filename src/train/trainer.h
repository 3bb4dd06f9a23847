/* One training job on one rank: model, optimizer, data, and the step that ties them together.
 *
 * The loss is the sum over all trained tokens of the global batch divided by their number, whatever
 * the micro-batches and processes; gradients likewise. In deterministic mode gradients are added
 * micro-batch after micro-batch in the order of the global batch, so the bits do not depend on the
 * processes. */
#ifndef TS_TRAIN_TRAINER_H
#define TS_TRAIN_TRAINER_H
#include "data/picker.h"
#include "dist/bucket.h"
#include "dist/ordered.h"
#include "model/options.h"
#include "train/lr.h"
#include "train/optimizer.h"
#include "train/ramp.h"

/* Dynamic loss scale for fp16 (Megatron's DynamicGradScaler). */
typedef struct ts_loss_scaler {
    bool dynamic;
    double scale, min;
    int64_t window, hysteresis, good, tolerance;
    int64_t stuck; /* overflows in a row with the lowest scale, counted anew by each process */
} ts_loss_scaler;
/* So many overflows with the lowest scale, one after the other, end a run: nothing is left that
 * could be lowered. */
enum { TS_LOSS_SCALER_STUCK = 10 };
void ts_loss_scaler_init(ts_loss_scaler *s, const ts_train_options *o, bool fp16);
void ts_loss_scaler_update(ts_loss_scaler *s, bool overflow);

/* What a step found. */
typedef struct ts_step_result {
    double loss;            /* mean over the trained tokens of the global batch */
    double grad_norm, params_norm, lr, decoupled_lr, loss_scale;
    int64_t tokens, zeros;
    bool skipped;           /* overflow in fp16: no update was made */
    bool stop;              /* some rank was asked to stop */
    double seconds;
    int64_t memory_peak, rss_peak; /* bytes, the largest rank */
} ts_step_result;

typedef struct ts_trainer {
    const ts_train_options *o;
    ts_device *dev;
    ts_comm *comm;          /* the data-parallel group: all processes */
    ts_model *model;
    const ts_data_source *source; /* NULL: made-up zeros (planning) */
    ts_picker picker[TS_DATA_PARTS];
    ts_dtype compute;
    ts_batch_ramp ramp;
    /* batch sizes; micro-batches of a step on this rank. Full until ts_trainer_size_batch */
    int64_t micro, global, n_micro;
    ts_tape *tape;
    ts_optimizer optim;
    ts_lr_schedule schedule, decoupled; /* of --decoupled-lr, when optim.has_decoupled */
    ts_loss_scaler scaler;
    ts_recompute_plan recompute;
    bool with_segments, with_positions; /* reset-attention-mask, reset-position-ids */
    /* gradients */
    bool deterministic;
    ts_storage *acc;        /* deterministic: the sum so far, flat */
    ts_storage *staging;
    size_t staging_bytes;
    ts_reducer *reducer;    /* otherwise, with several processes */
    int64_t reducer_bytes;  /* that it holds, booked */
    ts_status hook_status;  /* of what the backward pass set going */
    /* one step's batch on the host; sim books its bytes and has none of the arrays */
    int64_t batch_bytes;
    int32_t *tokens, *positions, *segments; /* [n_micro * micro, S + 1], [.., S], [.., S] */
    float *mask;            /* [n_micro * micro, S] */
    float *losses;          /* [micro * S] */
    int64_t *picked;        /* [micro] samples of a micro-batch */
    double *gathered;       /* [processes * (n_micro + 8)]: losses, and what step.c adds */
    int64_t copies;         /* bytes of a background save, booked */
    bool (*asked)(void *ctx); /* whether this rank was asked to stop; NULL: it never is */
    void *asked_ctx;
    /* position in the run */
    /* scheduled: samples that the schedule has counted */
    int64_t iteration, consumed, scheduled, skipped;
} ts_trainer;

/* Options must have been checked. Borrows everything. overlap and bucket are of dist's options. */
ts_status ts_trainer_create(const ts_train_options *o, ts_device *dev, ts_comm *comm,
                            ts_model *model, const ts_data_source *source,
                            const ts_data_options *data, ts_dtype compute, bool overlap,
                            int64_t bucket, ts_trainer **out) TS_NODISCARD;
void ts_trainer_destroy(ts_trainer **t);

/* Gives the next step the batch size that its place in the run asks for. */
void ts_trainer_size_batch(ts_trainer *t);
/* One step with the next global batch. `stop`: this rank was asked to stop (all learn it). A loss
 * that is not a number is TS_ERR_RUN on all ranks (unless it may be). */
ts_status ts_trainer_step(ts_trainer *t, bool stop, ts_step_result *r) TS_NODISCARD;
/* Mean loss over n full global batches of a part, beginning at its sample `first` (wrapping round).
 * Whether a rank was asked to stop is looked at before each batch and behind the last. */
typedef struct ts_evaluation {
    double loss;
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
