/* What delayed scaling (tensor/narrow.h) keeps from step to step: its part of a step, and of checkpoints,
 * where it is a tensor fp8.<weight> [1 + history, 3] of fp32 beside the moments. */
#ifndef TS_TRAIN_NARROW_STATE_H
#define TS_TRAIN_NARROW_STATE_H
#include "ckpt/checkpoint.h"
#include "train/stage_list.h"
#include "train/trainer.h"

/* The largest values of this step's operands, of all processes that have the same weights or parts of them,
 * make the scales of the next. Collective; nothing where no scaling is delayed. */
ts_status ts_trainer_narrow_step(ts_trainer *t) TS_NODISCARD;
/* How many tensors this process holds; adds them to the list, with keys from `key` on by the weights' ids. */
int64_t ts_narrow_state_count(const ts_trainer *t);
void ts_narrow_state_list(const ts_trainer *t, int64_t key, ts_saved *list, int64_t *n);
/* From a checkpoint: what it remembers, as far as is remembered here. One without begins anew. */
ts_status ts_narrow_state_restore(ts_trainer *t, const ts_checkpoint *ck) TS_NODISCARD;
#endif
