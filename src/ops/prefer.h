/* Losses of preferences: pairs of answers, or answers that are desirable or not (device/kernels/prefer.h has the
 * formulas), from the losses of their tokens or from one score a row. */
#ifndef TS_OPS_PREFER_H
#define TS_OPS_PREFER_H
#include "ops/ops.h"

typedef struct ts_prefer_op {
    ts_prefer_form form;
    bool averages;
    double beta, smoothing, margin, ftx, kl, weight[2];
    int64_t rows;               /* that x has, each as long as the others */
    float sign;                 /* of x: -1 where x is losses of tokens, 1 of scores */
    ts_comm *group;             /* processes that have the other tokens of the same rows; NULL: all are here */
    const ts_tensor *here;      /* fp64 [rows]: 0 where x has not the row's score, another process has it; NULL: 1 */
    const ts_tensor *count;     /* fp64 [rows], each row's labels in all; like the others, stays until the backward */
    const ts_tensor *reference; /* fp64 [rows], or NULL: 0 */
    const ts_tensor *tag;       /* fp32 [rows], of TS_PREFER_KTO */
} ts_prefer_op;

/* x: fp32 [rows * width]. loss, and told[i] (of which no gradient comes back): fp32 [samples], the same on all
 * processes of the group, on each of which the loss's gradient is the same too. */
ts_status ts_op_prefer(ts_tape *tape, const ts_prefer_op *o, ts_tensor *x, ts_tensor **loss,
                       ts_tensor *told[TS_PREFER_TOLD]) TS_NODISCARD;
/* sums: fp64 [rows], without a gradient: what a reference is told by. Of o rows, sign and group. */
ts_status ts_op_prefer_sums(ts_tape *tape, const ts_prefer_op *o, const ts_tensor *x, ts_tensor **sums) TS_NODISCARD;
#endif
