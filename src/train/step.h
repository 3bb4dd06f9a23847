/* Inside of the trainer: batches and passes, shared by training and evaluation. */
#ifndef TS_TRAIN_STEP_H
#define TS_TRAIN_STEP_H
#include "train/trainer.h"

/* Turns the hooks of the overlapping reduction on or off. */
void ts_trainer_hooks(ts_trainer *t, bool on);
/* Reads the samples of this rank for a step whose global batch begins at sample `first` of a
 * part. */
ts_status ts_batch_read(ts_trainer *t, ts_data_part part, int64_t first) TS_NODISCARD;
/* Trained tokens of the batch that was read. */
int64_t ts_batch_tokens(const ts_trainer *t);
/* One micro-batch forward; while recording, the losses get their gradient, this weight for each
 * trained token, and have their values when the backward pass is over. */
ts_status ts_batch_forward(ts_trainer *t, int64_t m, double weight, ts_tensor **loss) TS_NODISCARD;
/* The sum of the losses of a micro-batch's trained tokens, once they are there. */
double ts_batch_loss(ts_trainer *t, int64_t m, const ts_tensor *loss);
#endif
