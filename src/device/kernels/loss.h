/* Softmax cross-entropy on a chunk of logits, with its gradient, in fp32.
 *
 *   z = logits (softcap c > 0: c * tanh(z / c)), over cols columns
 *   loss[r] = lse(z) - z[label];
 *   dlogits = weight[r] * (softmax(z) - onehot(label)), through the cap
 *
 * A row of weight 0 or label < 0 has loss 0 and gradient 0 (its argmax is found all the same).
 * argmax takes the lowest index of equals. */
#ifndef TS_DEVICE_KERNELS_LOSS_H
#define TS_DEVICE_KERNELS_LOSS_H
#include "base/dtype.h"

typedef struct ts_loss_args {
    int64_t cols, ld;
    float *logits;          /* [rows, ld]; overwritten (used as work space) when dlogits is given */
    float softcap;
    const int32_t *labels;  /* [rows] */
    const float *weight;    /* [rows], scale of the gradient; NULL: 1 */
    float *loss;            /* [rows]: unweighted negative log-probability; or NULL */
    int32_t *argmax;        /* [rows], or NULL */
    ts_dtype d_dtype;
    /* [rows, ld_d] of d_dtype, NULL: no gradient; may be logits itself when each row begins where
     * its logits begin: ld_d times the size of d_dtype is ld times 4 */
    void *dlogits;
    int64_t ld_d;
} ts_loss_args;
/* softmax_xent: n = rows. softcap: n = rows; logits = softcap * tanh(logits / softcap) in place,
 * nothing else of the struct is read. */
#endif
