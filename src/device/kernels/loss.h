/* Softmax cross-entropy on a chunk of logits, with its gradient, in fp32.
 *
 *   z = logits (softcap c > 0: c * tanh(z / c)), over cols columns
 *   loss[r] = lse(z) - z[label];
 *   dlogits = weight[r] * (softmax(z) - onehot(label)), through the cap
 *
 * A row of weight 0 or label < 0 has loss 0 and gradient 0 (its argmax is found all the same).
 * argmax takes the lowest index of equals.
 *
 * Of a vocabulary that is cut over processes, each with its own columns, two kernels make the same
 * with an exchange of three numbers a row in between. xent_stats, of the columns that are here:
 *
 *   own_most[r] = max z, sum[r] = sum of e^(z - own_most[r]),
 *   at_label[r] = z[label] where the label is here, else 0
 *
 * xent_finish then reads own_most as it was made, and of all columns most (the largest of
 * own_most), sum (of the sums, each times e^(own_most - most)) and at_label (their sum). A row whose
 * largest is -inf has summed e^z. */
#ifndef TS_DEVICE_KERNELS_LOSS_H
#define TS_DEVICE_KERNELS_LOSS_H
#include "base/dtype.h"

typedef struct ts_loss_args {
    int64_t cols, ld;
    float *logits;          /* [rows, ld]; overwritten (used as work space) when dlogits is given */
    float softcap;
    const int32_t *labels;  /* [rows]; numbers of the whole vocabulary */
    const float *weight;    /* [rows], scale of the gradient; NULL: 1 */
    float *loss;            /* [rows]: unweighted negative log-probability; or NULL */
    int32_t *argmax;        /* [rows], or NULL */
    ts_dtype d_dtype;
    /* [rows, ld_d] of d_dtype, NULL: no gradient; may be logits itself when each row begins where
     * its logits begin: ld_d times the size of d_dtype is ld times 4 */
    void *dlogits;
    int64_t ld_d;
    /* xent_stats and xent_finish alone: */
    int64_t first;          /* the number in the whole vocabulary of column 0; argmax is one, too */
    float *own_most, *most, *sum, *at_label; /* [rows] each; rows that do not count are defined */
} ts_loss_args;
/* softmax_xent: n = rows. softcap: n = rows; logits = softcap * tanh(logits / softcap) in place,
 * nothing else of the struct is read.
 *
 * xent_stats: n = rows; loss, most and dlogits are not written, but logits are where dlogits says
 * that a gradient will be wanted. xent_finish: n = rows; argmax is not touched, and weight, logits
 * and dlogits are as they were given to xent_stats. */
#endif
