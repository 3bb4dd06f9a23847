#include "device/cpu/rowwise/rowwise.h"

#include <math.h>

static void sums(const void *args, int64_t begin, int64_t end)
{
    const ts_prefer_args *a = args;
    for (int64_t r = begin; r < end; r++) {
        const float *x = a->x + r * a->width;
        double sum = 0;
        for (int64_t i = 0; i < a->width; i++)
            sum += (double)x[i];
        a->sums[r] = (double)a->sign * (a->here && a->here[r] == 0 ? 0 : sum);
    }
}

static double sigma(double x) { return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x)); }

/* -log sigma(x) */
static double softness(double x) { return x > 0 ? log1p(exp(-x)) : log1p(exp(x)) - x; }

/* A row's a, a0 and how a grows with the sum. */
typedef struct answer {
    double a, a0, per;
} answer;

static answer answer_at(const ts_prefer_args *p, int64_t r)
{
    const double per = p->averages ? 1 / p->count[r] : 1;
    return (answer){ p->sums[r] * per, p->reference ? p->reference[r] * per : 0, per };
}

static float *told(const ts_prefer_args *p, ts_prefer_told what, int64_t i) { return &p->told[what * p->samples + i]; }

/* The loss by z, and its slope. */
static double loss_of(const ts_prefer_args *p, double z, double *slope)
{
    const double b = p->beta, e = p->smoothing, far = z - 1 / (2 * b);
    switch (p->form) {
    case TS_PREFER_HINGE:
        *slope = b * z < 1 ? -b : 0;
        return b * z < 1 ? 1 - b * z : 0;
    case TS_PREFER_IPO:
        *slope = 2 * far;
        return far * far;
    default:
        *slope = b * (e * sigma(b * z) - (1 - e) * sigma(-b * z));
        return (1 - e) * softness(b * z) + e * softness(-b * z);
    }
}

static void tell(const ts_prefer_args *p, int64_t i, const answer *c, const answer *r)
{
    const double of_c = p->beta * (c->a - c->a0), of_r = p->beta * (r->a - r->a0);
    *told(p, TS_PREFER_CHOSEN, i) = (float)of_c;
    *told(p, TS_PREFER_REJECTED, i) = (float)of_r;
    *told(p, TS_PREFER_MARGIN, i) = (float)(of_c - of_r);
    *told(p, TS_PREFER_ACCURACY, i) = of_c > of_r;
    *told(p, TS_PREFER_LOGP_CHOSEN, i) = (float)c->a;
    *told(p, TS_PREFER_LOGP_REJECTED, i) = (float)r->a;
}

static void pair(const ts_prefer_args *p, int64_t i)
{
    const int64_t at = 2 * i;
    const answer c = answer_at(p, at), r = answer_at(p, at + 1);
    double slope, loss = loss_of(p, (c.a - c.a0) - (r.a - r.a0) - p->margin, &slope), of_c = slope * c.per;
    if (p->ftx != 0) {
        loss -= p->ftx * p->sums[at] / p->count[at];
        of_c -= p->ftx / p->count[at];
    }
    tell(p, i, &c, &r);
    p->loss[i] = (float)loss;
    p->slope[at] = (float)of_c;
    p->slope[at + 1] = (float)(-slope * r.per);
}

static void odds(const ts_prefer_args *p, int64_t i)
{
    const int64_t at = 2 * i;
    const answer c = answer_at(p, at), r = answer_at(p, at + 1);
    const double not_c = -expm1(c.a), not_r = -expm1(r.a), z = (c.a - log(not_c)) - (r.a - log(not_r)),
                 slope = -p->beta * sigma(-z);
    tell(p, i, &c, &r);
    *told(p, TS_PREFER_ODDS_LOSS, i) = (float)softness(z);
    p->loss[i] = (float)(p->beta * softness(z) - c.a);
    p->slope[at] = (float)((slope / not_c - 1) * c.per);
    p->slope[at + 1] = (float)(-slope / not_r * r.per);
}

static void alone(const ts_prefer_args *p, int64_t i)
{
    const answer x = answer_at(p, i);
    const bool good = p->tag[i] > 0;
    const double way = good ? 1 : -1, w = p->weight[good ? 0 : 1], s = sigma(way * p->beta * (x.a - x.a0 - p->kl));
    *told(p, TS_PREFER_CHOSEN, i) = (float)(p->beta * (x.a - x.a0));
    p->loss[i] = (float)(w * (1 - s));
    p->slope[i] = (float)(-w * way * p->beta * s * (1 - s) * x.per);
}

static void losses(const void *args, int64_t begin, int64_t end)
{
    const ts_prefer_args *a = args;
    for (int64_t i = begin; i < end; i++)
        (a->form == TS_PREFER_KTO ? alone : a->form == TS_PREFER_ODDS ? odds : pair)(a, i);
}

static void back(const void *args, int64_t begin, int64_t end)
{
    const ts_prefer_args *a = args;
    for (int64_t r = begin; r < end; r++) {
        const int64_t sample = a->form == TS_PREFER_KTO ? r : r / 2;
        const bool counts = !a->here || a->here[r] != 0;
        const float d = counts ? a->sign * a->factor * a->slope[r] * a->upstream[sample] : 0;
        for (int64_t i = 0; i < a->width; i++)
            a->dx[r * a->width + i] = d;
    }
}

#define TS_ISA ref
void ts_cpu_init_prefer(ts_cpu *c)
{
    c->kernel[TS_KERNEL_prefer_sums] = TS_ROWWISE_ROW(sums, 0);
    c->kernel[TS_KERNEL_prefer_losses] = TS_ROWWISE_ROW(losses, 0);
    c->kernel[TS_KERNEL_prefer_back] = TS_ROWWISE_ROW(back, 0);
}
