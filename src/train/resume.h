/* A trainer's state to and from checkpoints: all of it, so that a resumed run gives the same
 * bits. */
#ifndef TS_TRAIN_RESUME_H
#define TS_TRAIN_RESUME_H
#include "ckpt/checkpoint.h"
#include "model/open.h"
#include "train/trainer.h"

/* ts_ckpt_options.fetch, with the device as ctx: for one whose memory is not the host's. */
ts_status ts_trainer_fetch(void *device, void *to, const void *data, size_t n) TS_NODISCARD;
/* Hands weights, moments and the state to the checkpointer. m: what the state says of the model. */
ts_status ts_trainer_save(ts_trainer *t, const ts_model *m, ts_checkpointer *c,
                          const ts_option_set *options) TS_NODISCARD;
/* Bytes of tensors in a checkpoint, and the copies of them that a background save holds on this
 * rank, for the account of memory. */
int64_t ts_trainer_state_bytes(const ts_trainer *t);
void ts_trainer_book_copies(ts_trainer *t, int64_t bytes);
/* Takes moments (with_optimizer), counters and scaler from an open checkpoint, whose weights the
 * trainer's model was made with (ts_model_from_checkpoint). A tensor that is missing or has another
 * shape is TS_ERR_USER. */
ts_status ts_trainer_restore(ts_trainer *t, const ts_checkpoint *ck,
                             bool with_optimizer) TS_NODISCARD;
/* Options that decide what is computed and have another value than in the run that was saved, as
 * a list for the reader; "" when there is none. */
ts_status ts_checkpoint_option_changes(const ts_checkpoint *ck, const ts_option_set *set,
                                       ts_str *out) TS_NODISCARD;
#endif
