#include "device/cpu/rowwise/distill_row.h"
#include "device/cpu/rowwise/rowwise.h"

static float largest(const float *x, int64_t n)
{
    float most = -INFINITY;
    for (int64_t c = 0; c < n; c++)
        most = x[c] > most ? x[c] : most;
    return most;
}

static void most(const void *args, int64_t begin, int64_t end)
{
    const ts_distill_args *a = args;
    for (int64_t r = begin; r < end; r++) {
        a->most[r] = largest(a->student + r * a->cols, a->cols);
        a->most[a->rows + r] = a->teacher ? largest(a->teacher + r * a->cols, a->cols) : 0;
    }
}

static void sums(const void *args, int64_t begin, int64_t end)
{
    const ts_distill_args *a = args;
    for (int64_t r = begin; r < end; r++) {
        const float *s = a->student + r * a->cols, *t = a->teacher + r * a->cols, up = 1 / a->temperature,
                    of_s = a->most[r], of_t = a->most[a->rows + r];
        const int64_t label = (int64_t)a->labels[r] - a->first;
        double sum[TS_DISTILL_SUMS] = { 0 };
        for (int64_t c = 0; c < a->cols; c++) {
            const float x = (s[c] - of_s) * up, y = (t[c] - of_t) * up, q = expf(y);
            sum[TS_DISTILL_S] += (double)expf(x);
            sum[TS_DISTILL_T] += (double)q;
            sum[TS_DISTILL_CROSS] += (double)q * ((double)y - (double)x);
            if (a->ce != 0 || a->hard)
                sum[TS_DISTILL_CE] += (double)expf(s[c] - of_s);
        }
        if (label >= 0 && label < a->cols)
            sum[TS_DISTILL_LABEL] = (double)(s[label] - of_s);
        for (int i = 0; i < TS_DISTILL_SUMS; i++)
            a->sums[i * a->rows + r] = sum[i];
    }
}

/* D and sum g of the columns here, beta other than 0. */
static void mix(const void *args, int64_t begin, int64_t end)
{
    const ts_distill_args *a = args;
    for (int64_t r = begin; r < end; r++) {
        const float *s = a->student + r * a->cols, *t = a->teacher + r * a->cols;
        const ts_distill_row row = ts_distill_row_of(a, r);
        double loss = 0, slope = 0;
        for (int64_t c = 0; c < a->cols; c++)
            loss += ts_distill_term(a->beta, ts_distill_logp(&row, s[c]), ts_distill_logq(&row, t[c]), &slope);
        a->mix[r] = loss, a->mix[a->rows + r] = slope;
    }
}

static void gradient(const ts_distill_args *a, int64_t r, const ts_distill_row *row)
{
    const float *s = a->student + r * a->cols, *t = a->teacher + r * a->cols, up = 1 / a->temperature;
    const float of_p = (float)(1 / row->sum_s), of_q = (float)(1 / row->sum_t);
    const ts_distill_slope k = ts_distill_slope_of(a, r);
    const double all = a->beta != 0 ? a->mix[a->rows + r] : 0;
    for (int64_t c = 0; c < a->cols; c++) { /* d's element is not behind the logit that is read */
        const float x = s[c];
        float g;
        if (a->beta != 0) {
            const double logp = ts_distill_logp(row, x);
            double own = 0;
            ts_distill_term(a->beta, logp, ts_distill_logq(row, t[c]), &own);
            g = (float)(own - exp(logp) * all);
        } else {
            g = expf((x - row->most_s) * up) * of_p - expf((t[c] - row->most_t) * up) * of_q;
        }
        ts_distill_put(a, &k, r, c, x, g);
    }
}

static void finish(const void *args, int64_t begin, int64_t end)
{
    const ts_distill_args *a = args;
    for (int64_t r = begin; r < end; r++) {
        const ts_distill_row row = ts_distill_row_of(a, r);
        const double cross = a->sums[TS_DISTILL_CROSS * a->rows + r];
        ts_distill_tell(a, r, a->beta != 0 ? a->mix[r] : cross / row.sum_t + log(row.sum_s / row.sum_t));
        if (a->d)
            gradient(a, r, &row);
    }
}

#define TS_ISA ref
void ts_cpu_init_distill(ts_cpu *c)
{
    c->kernel[TS_KERNEL_distill_most] = TS_ROWWISE_ROW(most, 0);
    c->kernel[TS_KERNEL_distill_sums] = TS_ROWWISE_ROW(sums, 0);
    c->kernel[TS_KERNEL_distill_mix] = TS_ROWWISE_ROW(mix, 0);
    c->kernel[TS_KERNEL_distill_finish] = TS_ROWWISE_ROW(finish, 0);
}
