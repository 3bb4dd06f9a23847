/* Losses of preferences, from what a network gives each token (its log-probability, or of a row one score). A
 * sample is a pair of rows, the chosen answer and then the rejected, or of TS_PREFER_KTO one row. With sums[r] the
 * sum over the row, n[r] how many it is of, a = sums / n (`averages`) or sums, and a0 the same of the reference:
 *
 *   z         = (a_c - a0_c) - (a_r - a0_r) - margin
 *   SIGMOID   -(1 - smoothing) log sigma(beta z) - smoothing log sigma(-beta z)   + ftx (-sums_c / n_c)
 *   HINGE     max(0, 1 - beta z)                                                  + likewise
 *   IPO       (z - 1 / (2 beta))^2                                                + likewise
 *   ODDS      -a_c - beta log sigma(z), z = (a_c - log(1 - e^a_c)) - (a_r - log(1 - e^a_r)), a = sums / n
 *   KTO       weight[0] (1 - sigma(beta ((a - a0) - kl))) where tag > 0, else weight[1] (1 - sigma(beta (kl - (a - a0))))
 * (Rafailov et al., arXiv 2305.18290; Zhao et al., 2305.10425; Azar et al., 2310.12036; Meng et al., 2405.14734; Hong
 * et al., 2403.07691; Ethayarajh et al., 2402.01306.) All arithmetic is in double.
 *
 *   prefer_sums   sums from x           n = rows
 *   prefer_losses loss, told and slope  n = samples
 *   prefer_back   dx                    n = rows */
#ifndef TS_DEVICE_KERNELS_PREFER_H
#define TS_DEVICE_KERNELS_PREFER_H
#include "base/dtype.h"

#include <stdbool.h>

typedef enum ts_prefer_form {
    TS_PREFER_SIGMOID,
    TS_PREFER_HINGE,
    TS_PREFER_IPO,
    TS_PREFER_ODDS,
    TS_PREFER_KTO,
} ts_prefer_form;

/* What is told of a sample beside its loss. A reward is beta (a - a0); of a KTO row the first alone is there. */
typedef enum ts_prefer_told {
    TS_PREFER_CHOSEN,
    TS_PREFER_REJECTED,
    TS_PREFER_MARGIN,
    TS_PREFER_ACCURACY, /* 1: the chosen reward is the larger */
    TS_PREFER_LOGP_CHOSEN,
    TS_PREFER_LOGP_REJECTED, /* a */
    TS_PREFER_ODDS_LOSS,     /* -log sigma(z) */
    TS_PREFER_TOLD,
} ts_prefer_told;

typedef struct ts_prefer_args {
    ts_prefer_form form;
    int64_t width;           /* of a row of x */
    int64_t samples;
    float sign;              /* of x in the sums: -1 where it is losses of tokens */
    const float *x;          /* [rows, width] */
    const double *here;      /* [rows] what a row of x counts, 0 or 1; NULL: 1 */
    double *sums;            /* [rows] */
    const double *count;     /* [rows] n */
    const double *reference; /* [rows] the reference's sums; NULL: 0 */
    const float *tag;        /* [rows] of KTO, else NULL */
    bool averages;
    double beta, smoothing, margin, ftx, kl, weight[2];
    float *loss;             /* [samples] */
    float *told;             /* [TS_PREFER_TOLD, samples] */
    float *slope;            /* [rows] of the loss by the row's sum */
    const float *upstream;   /* [samples] the losses' gradient */
    float factor;            /* that dx is multiplied with */
    float *dx;               /* [rows, width] */
} ts_prefer_args;
#endif
