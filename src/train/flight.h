/* Inside of the trainer: micro-batches there and back, shared by training and evaluation. */
#ifndef TS_TRAIN_FLIGHT_H
#define TS_TRAIN_FLIGHT_H
#include "train/trainer.h"

/* For the kernels' account and for the watchdog; NULL: between steps. */
void ts_trainer_enter(ts_trainer *t, const char *phase);

/* The sum of the weights of all values of a loss (0: the objective's first, then those beside it) of this rank in
 * the batch that was read. */
double ts_flight_counts(const ts_trainer *t, int loss);
/* What the sum of a loss over a global batch is divided by, whose weights on all ranks sum up to `counts`; 1 where there
 * is none. */
double ts_flight_divisor(const ts_trainer *t, double counts);

/* One part of a micro-batch forward, f->in through it to f->out; f->micro and f->chunk say which. With
 * weight 0 it only evaluates; else, where the losses are, each gets its gradient: its weight times
 * `weight`, or of a loss beside the first times t->side_weight. records: for a backward pass. */
ts_status ts_flight_forward(ts_trainer *t, ts_flight *f, double weight, bool records) TS_NODISCARD;
/* Adds the sums of its losses, as they are weighed, when they are there: behind the backward pass, or behind the
 * forward pass that evaluates, which may have fewer. Loss k's goes to sum[k * stride]. */
ts_status ts_flight_sum(ts_trainer *t, const ts_flight *f, double *sum, int64_t stride) TS_NODISCARD;

/* What a look has found, into the batch. */
ts_status ts_flight_keep(ts_trainer *t, const ts_flight *f) TS_NODISCARD;

/* All micro-batches there and back. sums [1 + n_side, n_micro]: of those whose losses are here. */
ts_status ts_pipeline_train(ts_trainer *t, double weight, double *sums) TS_NODISCARD;
/* Forward alone; adds to sums [1 + n_side] those of the losses that are here and that an evaluation tells: *told of them. */
ts_status ts_pipeline_evaluate(ts_trainer *t, double *sums, int *told) TS_NODISCARD;
/* The objective's looks at the batch that was read. */
ts_status ts_trainer_look(ts_trainer *t) TS_NODISCARD;
#endif
