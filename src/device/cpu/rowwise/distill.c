#include "device/cpu/rowwise/rowwise.h"

#include <math.h>

static void most(const void *args, int64_t begin, int64_t end)
{
    const ts_distill_args *a = args;
    for (int64_t r = begin; r < end; r++) {
        const float *s = a->student + r * a->cols, *t = a->teacher + r * a->cols;
        float of_s = -INFINITY, of_t = -INFINITY;
        for (int64_t c = 0; c < a->cols; c++) {
            of_s = s[c] > of_s ? s[c] : of_s;
            of_t = t[c] > of_t ? t[c] : of_t;
        }
        a->most[r] = of_s, a->most[a->rows + r] = of_t;
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

static void gradient(const ts_distill_args *a, int64_t r, const double *sum)
{
    const float *s = a->student + r * a->cols, *t = a->teacher + r * a->cols, up = 1 / a->temperature,
                of_s = a->most[r], of_t = a->most[a->rows + r];
    char *d = (char *)a->d + (size_t)(r * a->ld_d) * ts_dtype_size(a->d_dtype);
    const int64_t label = (int64_t)a->labels[r] - a->first;
    const bool counts = a->labels[r] >= 0;
    const float weight = counts ? a->weight[r] * a->logit_scale : 0, soft = weight * a->kl * a->temperature,
                hard = weight * a->ce, of_p = (float)(1 / sum[TS_DISTILL_S]), of_q = (float)(1 / sum[TS_DISTILL_T]),
                of_ce = a->ce != 0 ? (float)(1 / sum[TS_DISTILL_CE]) : 0;
    for (int64_t c = 0; c < a->cols; c++) { /* d's element is not behind the logit that is read */
        const float x = s[c];
        float g = soft * (expf((x - of_s) * up) * of_p - expf((t[c] - of_t) * up) * of_q);
        if (a->ce != 0)
            g += hard * (expf(x - of_s) * of_ce - (c == label));
        if (a->softcap > 0)
            g *= 1 - x / a->softcap * (x / a->softcap);
        ts_store_f32(d, c, a->d_dtype, counts ? g : 0);
    }
}

static void finish(const void *args, int64_t begin, int64_t end)
{
    const ts_distill_args *a = args;
    for (int64_t r = begin; r < end; r++) {
        double sum[TS_DISTILL_SUMS];
        for (int i = 0; i < TS_DISTILL_SUMS; i++)
            sum[i] = a->sums[i * a->rows + r];
        const double T = (double)a->temperature, kl = sum[TS_DISTILL_CROSS] / sum[TS_DISTILL_T] +
                                                      log(sum[TS_DISTILL_S] / sum[TS_DISTILL_T]);
        const double hard = a->ce != 0 || a->hard ? log(sum[TS_DISTILL_CE]) - sum[TS_DISTILL_LABEL] : 0,
                     loss = (double)a->kl * T * T * kl + (double)a->ce * hard;
        if (a->loss)
            a->loss[r] = a->labels[r] < 0 ? 0 : (float)loss;
        if (a->hard)
            a->hard[r] = a->labels[r] < 0 ? 0 : (float)hard;
        if (a->d)
            gradient(a, r, sum);
    }
}

#define TS_ISA ref
void ts_cpu_init_distill(ts_cpu *c)
{
    c->kernel[TS_KERNEL_distill_most] = TS_ROWWISE_ROW(most, 0);
    c->kernel[TS_KERNEL_distill_sums] = TS_ROWWISE_ROW(sums, 0);
    c->kernel[TS_KERNEL_distill_finish] = TS_ROWWISE_ROW(finish, 0);
}
