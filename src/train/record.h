/* What a run shows: Megatron's log line, JSON lines, TensorBoard. Rank 0 only. */
#ifndef TS_TRAIN_RECORD_H
#define TS_TRAIN_RECORD_H
#include "train/trainer.h"

typedef struct ts_recorder ts_recorder;

/* Opens the files that the options name: a file that cannot be made is TS_ERR_USER. Lines are added
 * to a metrics file that is there, so that no record is ever lost; after a set-back an iteration
 * stands there twice, the later line counts. t: where the run stands. is_again: the files of an
 * earlier attempt at the steps from here on may be there, which TensorBoard is told to forget. */
ts_status ts_recorder_create(const ts_trainer *t, int64_t train_iters, bool is_again,
                             ts_recorder **out) TS_NODISCARD;
/* TS_ERR_IO: records that could not be written until now are missing; training itself is well. */
ts_status ts_recorder_close(ts_recorder **r) TS_NODISCARD;
void ts_recorder_destroy(ts_recorder **r); /* the same for who has failed already */
/* After a step; valid: an evaluation in this iteration, NULL when there was none. */
ts_status ts_recorder_step(ts_recorder *r, const ts_trainer *t, const ts_step_result *s,
                           const ts_evaluation *valid) TS_NODISCARD;
ts_status ts_recorder_evaluation(ts_recorder *r, const ts_trainer *t, const char *part,
                                 const ts_evaluation *e) TS_NODISCARD;
#endif
