/* What the kernels of a student and its teacher do alike in a row (device/kernels/distill.h has the formulas). */
#ifndef TS_DEVICE_CPU_ROWWISE_DISTILL_ROW_H
#define TS_DEVICE_CPU_ROWWISE_DISTILL_ROW_H
#include "device/kernels/distill.h"

#include <math.h>
#include <stdbool.h>

/* Of a row's distributions over the whole vocabulary. */
typedef struct ts_distill_row {
    float most_s, most_t;
    double sum_s, sum_t, log_s, log_t, up; /* up: 1 / T */
} ts_distill_row;

static inline ts_distill_row ts_distill_row_of(const ts_distill_args *a, int64_t r)
{
    const double s = a->sums[TS_DISTILL_S * a->rows + r], t = a->sums[TS_DISTILL_T * a->rows + r];
    return (ts_distill_row){ .most_s = a->most[r], .most_t = a->most[a->rows + r], .sum_s = s, .sum_t = t,
                             .log_s = log(s), .log_t = log(t), .up = 1 / (double)a->temperature };
}

static inline double ts_distill_logp(const ts_distill_row *row, float s)
{
    return (double)(s - row->most_s) * row->up - row->log_s;
}

static inline double ts_distill_logq(const ts_distill_row *row, float t)
{
    return (double)(t - row->most_t) * row->up - row->log_t;
}

/* One outcome's part of D; its g is added to *slope. An outcome of no probability takes no part where that is the
 * limit; that the student has one which the teacher rules out is, at beta 1, as bad as the least that a float holds. */
static inline double ts_distill_term(float beta, double logp, double logq, double *slope)
{
    const double p = exp(logp), q = exp(logq), b = (double)beta;
    if (b == 0) {
        *slope -= q;
        return q > 0 ? q * (logq - logp) : 0;
    }
    if (b == 1) {
        const double own = p > 0 ? p * (logp - fmax(logq, -103)) : 0;
        *slope += own;
        return own;
    }
    const double m = log(b * q + (1 - b) * p), own = p > 0 ? (1 - b) * p * (logp - m) : 0;
    *slope += own;
    return own + (q > 0 ? b * q * (logq - m) : 0);
}

/* What the gradient of a row is multiplied with: the teacher's part and cross-entropy's. */
typedef struct ts_distill_slope {
    bool counts;
    float soft, hard, most, of_ce;
    int64_t label;
} ts_distill_slope;

static inline ts_distill_slope ts_distill_slope_of(const ts_distill_args *a, int64_t r)
{
    const bool counts = a->labels[r] >= 0;
    const float weight = counts ? a->weight[r] * a->logit_scale : 0;
    return (ts_distill_slope){ .counts = counts, .soft = weight * a->kl * a->temperature, .hard = weight * a->ce,
                               .most = a->most[r],
                               .of_ce = a->ce != 0 ? (float)(1 / a->sums[TS_DISTILL_CE * a->rows + r]) : 0,
                               .label = (int64_t)a->labels[r] - a->first };
}

/* Element c of the gradient; x: the student's logit, g: g - p sum g. */
static inline void ts_distill_put(const ts_distill_args *a, const ts_distill_slope *k, int64_t r, int64_t c, float x,
                                  float g)
{
    char *d = (char *)a->d + (size_t)(r * a->ld_d) * ts_dtype_size(a->d_dtype);
    g *= k->soft;
    if (a->ce != 0)
        g += k->hard * (expf(x - k->most) * k->of_ce - (c == k->label));
    if (a->softcap > 0)
        g *= 1 - x / a->softcap * (x / a->softcap);
    ts_store_f32(d, c, a->d_dtype, k->counts ? g : 0);
}

/* The row's losses, from D. */
static inline void ts_distill_tell(const ts_distill_args *a, int64_t r, double D)
{
    const double T = (double)a->temperature, *sums = a->sums + r;
    const double hard = a->ce != 0 || a->hard ? log(sums[TS_DISTILL_CE * a->rows]) - sums[TS_DISTILL_LABEL * a->rows] : 0;
    if (a->loss)
        a->loss[r] = a->labels[r] < 0 ? 0 : (float)((double)a->kl * T * T * D + (double)a->ce * hard);
    if (a->hard)
        a->hard[r] = a->labels[r] < 0 ? 0 : (float)hard;
}
#endif
