/* The output layer with a loss against a teacher's logits (device/kernels/distill.h has the formulas), and
 * cross-entropy beside it where `ce` is not 0. Logits of both exist for a chunk of rows at a time, and are
 * made in the backward, from what both networks gave; nothing is learned by the teacher. Or the teacher's likeliest
 * tokens were found before and are there. */
#ifndef TS_OPS_DISTILL_H
#define TS_OPS_DISTILL_H
#include "ops/ops.h"

/* Of each row that counts the k tokens that a teacher finds likeliest, and what it gives all others together. */
typedef struct ts_kept_tops {
    int64_t k;
    ts_tensor *id;   /* int32 [rows, k] in the whole vocabulary, rising */
    ts_tensor *logq; /* fp32 [rows, k + 1] log-probabilities, at the temperature */
} ts_kept_tops;

typedef struct ts_distill_op {
    /* Output layers of the same vocabulary, cut alike over the student's group. labels and chosen: the student's, rows
     * of -1 do not count. */
    ts_xent_op student, teacher;
    float temperature, kl, ce, beta;
    ts_kept_tops kept; /* k 0: there is a teacher; else it is not read. Rows: those chosen, or all */
} ts_distill_op;
/* x, taught: what student and teacher gave, [T, width of each], of one type; taught NULL with `kept`. loss: fp32 [T];
 * while recording its values are there after the backward only. hard: likewise the cross-entropy alone, of which no
 * gradient comes back; NULL: not asked for. */
ts_status ts_op_linear_distill(ts_tape *tape, const ts_distill_op *o, ts_tensor *x, ts_tensor *taught,
                               ts_tensor **loss, ts_tensor **hard) TS_NODISCARD;
/* What is to be kept of a teacher's output layer `o` (whose chosen rows are taken, else all), at once: k, at most its
 * vocabulary. x: what its network gave. Of no row there is one that nobody reads. */
ts_status ts_op_tops(ts_tape *tape, const ts_xent_op *o, float temperature, int64_t k, ts_tensor *x,
                     ts_kept_tops *out) TS_NODISCARD;
#endif
