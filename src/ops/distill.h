/* The output layer with a loss against a teacher's logits (device/kernels/distill.h has the formulas), and
 * cross-entropy beside it where `ce` is not 0. Logits of both exist for a chunk of rows at a time, and are
 * made in the backward, from what both networks gave; nothing is learned by the teacher. */
#ifndef TS_OPS_DISTILL_H
#define TS_OPS_DISTILL_H
#include "ops/ops.h"

typedef struct ts_distill_op {
    /* Output layers of the same vocabulary, cut alike over the student's group. labels: the student's, rows of
     * -1 do not count. */
    ts_xent_op student, teacher;
    float temperature, kl, ce;
} ts_distill_op;
/* x, taught: what student and teacher gave, [T, width of each], of one type. loss: fp32 [T]; while recording
 * its values are there after the backward only. hard: likewise the cross-entropy alone, of which no gradient comes
 * back; NULL: not asked for. */
ts_status ts_op_linear_distill(ts_tape *tape, const ts_distill_op *o, ts_tensor *x, ts_tensor *taught,
                               ts_tensor **loss, ts_tensor **hard) TS_NODISCARD;
#endif
