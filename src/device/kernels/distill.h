/* A student's logits against a teacher's, row by row, in passes between which processes that each have some
 * columns of the vocabulary exchange numbers. With s and t the logits of a row, T the temperature and
 *   p = softmax(s / T), q = softmax(t / T), m = beta q + (1 - beta) p:
 *
 *   loss[r]  = kl T^2 D(q, p) + ce (lse(s) - s[label])
 *   D        = KL(q, p)                                at beta 0 (forward)
 *              KL(p, q)                                at beta 1 (reverse)
 *              beta KL(q, m) + (1 - beta) KL(p, m)     between (generalized Jensen-Shannon)
 *   d[r]     = weight[r] (kl T (g - p sum g) + ce (softmax(s) - onehot(label))), g = p dD/dp: -q at beta 0,
 *              p log(p / q) at 1, (1 - beta) p log(p / m) between
 * (Hinton, Vinyals, Dean 2015, arXiv 1503.02531; Agarwal et al. 2024, arXiv 2306.13649.)
 *
 *   distill_most    most = largest s, largest t                  then over the processes: the largest
 *   distill_sums    TS_DISTILL_SUMS sums of what is here         then their sums
 *   distill_mix     mix = D and sum g of what is here            then their sums; beta other than 0 alone
 *   distill_finish  loss and d
 *
 * Of a teacher that was kept, q is known of the k likeliest tokens, and what the others have together: D is that of
 * k + 1 outcomes, the last of which is any other token, whose g is shared out among these tokens as p is. Then the
 * passes are distill_most, of s alone, and
 *
 *   kept_sums       sums, and `got`, of what is here             then their sums
 *   kept_finish     loss and d
 *
 * What is kept of a teacher comes of
 *   tops_find       best, id: the k largest t here, falling; -1 where there are fewer columns
 *   tops_merge      the k largest of `parts` such lists; most; ids rising
 *   tops_sums       sums TS_DISTILL_T and TS_DISTILL_REST        then their sums
 *   tops_finish     logq [rows, k + 1]
 *
 * A row of label < 0 has loss 0 (hard too) and gradient 0. n = rows. */
#ifndef TS_DEVICE_KERNELS_DISTILL_H
#define TS_DEVICE_KERNELS_DISTILL_H
#include "base/dtype.h"

/* Of e^((s - most) / T); likewise of t; of e^(s - most); of s[label] - most, where it is here; of
 * e^((t - most) / T) times the difference of both exponents; and of the first (of tops_sums: the second) over the
 * tokens that are not kept. */
typedef enum ts_distill_sum {
    TS_DISTILL_S,
    TS_DISTILL_T,
    TS_DISTILL_CE,
    TS_DISTILL_LABEL,
    TS_DISTILL_CROSS,
    TS_DISTILL_REST,
    TS_DISTILL_SUMS,
} ts_distill_sum;

typedef struct ts_distill_args {
    int64_t rows, cols, first;     /* first: the number of column 0 in the whole vocabulary */
    const float *student, *teacher; /* [rows, cols] logits, caps applied; teacher NULL: it was kept */
    const int32_t *labels;         /* [rows] */
    float temperature, kl, ce, beta;
    float softcap, logit_scale;    /* the student's (see ts_xent_op): the gradient goes through both */
    float *most;                   /* [2, rows] */
    double *sums;                  /* [TS_DISTILL_SUMS, rows] */
    double *mix;                   /* [2, rows] */
    int64_t k;                     /* tokens that are kept */
    const int32_t *id;             /* [rows, k] which, in the whole vocabulary, rising */
    const float *logq;             /* [rows, k + 1] log q of each, and of all others together */
    float *got;                    /* [rows, k] s of those that are here, 0 of others */
    float *loss;                   /* [rows], or NULL */
    float *hard;                   /* [rows], lse(s) - s[label], or NULL */
    const float *weight;           /* [rows] */
    ts_dtype d_dtype;
    void *d; /* [rows, ld_d], or NULL; may be student itself, each row beginning where its logits begin */
    int64_t ld_d;
} ts_distill_args;

typedef struct ts_tops_args {
    int64_t rows, cols, first, k, parts;
    const float *teacher;      /* [rows, cols] */
    float temperature;
    float *best;               /* [rows, k] */
    int32_t *id;               /* [rows, k] */
    const float *parts_best;   /* [parts, rows, k] */
    const int32_t *parts_id;   /* likewise */
    float *most;               /* [rows] */
    double *sums;              /* [2, rows]: TS_DISTILL_T's, then TS_DISTILL_REST's */
    float *logq;               /* [rows, k + 1] */
} ts_tops_args;
#endif
