/* A student's logits against a teacher's, row by row, in three passes between which processes that each have
 * some columns of the vocabulary exchange numbers. With s and t the logits of a row, T the temperature and
 *   p = softmax(s / T), q = softmax(t / T):
 *
 *   loss[r]  = kl T^2 sum q (log q - log p) + ce (lse(s) - s[label])
 *   d[r]     = weight[r] (kl T (p - q) + ce (softmax(s) - onehot(label)))
 * (Hinton, Vinyals, Dean 2015, arXiv 1503.02531.)
 *
 *   distill_most    most = largest s, largest t                  then over the processes: the largest
 *   distill_sums    TS_DISTILL_SUMS sums of what is here         then their sums
 *   distill_finish  loss and d
 *
 * A row of label < 0 has loss 0 (hard too) and gradient 0. n = rows. */
#ifndef TS_DEVICE_KERNELS_DISTILL_H
#define TS_DEVICE_KERNELS_DISTILL_H
#include "base/dtype.h"

/* Of e^((s - most) / T); likewise of t; of e^(s - most); of s[label] - most, where it is here; and of
 * e^((t - most) / T) times the difference of both exponents. */
typedef enum ts_distill_sum {
    TS_DISTILL_S,
    TS_DISTILL_T,
    TS_DISTILL_CE,
    TS_DISTILL_LABEL,
    TS_DISTILL_CROSS,
    TS_DISTILL_SUMS,
} ts_distill_sum;

typedef struct ts_distill_args {
    int64_t rows, cols, first;     /* first: the number of column 0 in the whole vocabulary */
    const float *student, *teacher; /* [rows, cols] logits, caps applied */
    const int32_t *labels;         /* [rows] */
    float temperature, kl, ce;
    float softcap, logit_scale;    /* the student's (see ts_xent_op): the gradient goes through both */
    float *most;                   /* [2, rows] */
    double *sums;                  /* [TS_DISTILL_SUMS, rows] */
    float *loss;                   /* [rows], or NULL */
    float *hard;                   /* [rows], lse(s) - s[label], or NULL */
    const float *weight;           /* [rows] */
    ts_dtype d_dtype;
    void *d; /* [rows, ld_d], or NULL; may be student itself, each row beginning where its logits begin */
    int64_t ld_d;
} ts_distill_args;
#endif
