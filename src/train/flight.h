/* Inside of the trainer: one micro-batch there and back, shared by training and evaluation. */
#ifndef TS_TRAIN_FLIGHT_H
#define TS_TRAIN_FLIGHT_H
#include "train/trainer.h"

/* For the kernels' account and for the watchdog; NULL: between steps. */
void ts_trainer_enter(ts_trainer *t, const char *phase);

/* The sum of the weights of all losses of this rank in the batch that was read. */
double ts_flight_counts(const ts_trainer *t);
/* Micro-batch m forward, on a tape that is new to it. Unless it only evaluates, every loss gets its
 * gradient: its weight times `weight`. */
ts_status ts_flight_forward(ts_trainer *t, ts_flight *f, int64_t m, double weight,
                            bool evaluates) TS_NODISCARD;
/* The sum of its losses, as they are weighed, when they are there: behind the backward pass, or behind
 * the forward pass that evaluates. */
ts_status ts_flight_sum(ts_trainer *t, const ts_flight *f, int64_t m, double *sum) TS_NODISCARD;
#endif
