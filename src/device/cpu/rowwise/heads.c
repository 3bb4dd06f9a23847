#include "device/cpu/rowwise/rowwise.h"

#include <math.h>

static double sigma(double x) { return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x)); }

/* log(1 + e^x) */
static double softplus(double x) { return x > 0 ? log1p(exp(-x)) + x : log1p(exp(x)); }

/* One row. */
typedef struct told {
    const float *z, *t;
    float *slope;
    int64_t n;
    double scale;
} told;

static double at(const told *r, int64_t c) { return r->scale * (double)r->z[c]; }

static double best(const told *r)
{
    double most = -INFINITY;
    for (int64_t c = 0; c < r->n; c++)
        most = fmax(most, at(r, c));
    return most;
}

static double choice(const told *r, int64_t k, double most)
{
    double sum = 0;
    for (int64_t c = 0; c < r->n; c++)
        sum += exp(at(r, c) - most);
    for (int64_t c = 0; c < r->n; c++)
        r->slope[c] = (float)(r->scale * (exp(at(r, c) - most) / sum - (c == k)));
    return log(sum) + most - at(r, k);
}

static double ahead(const told *r, int64_t k)
{
    const double others = r->n > 1 ? (double)(r->n - 1) : 1;
    double loss = 0, back = 0;
    for (int64_t c = 0; c < r->n; c++) {
        const double far = at(r, c) - at(r, k), s = r->scale * sigma(far) / others;
        if (c == k)
            continue;
        loss += softplus(far) / others;
        r->slope[c] = (float)s;
        back += s;
    }
    r->slope[k] = (float)-back;
    return loss;
}

static double binary(const told *r, float *hit)
{
    double loss = 0, right = 0;
    for (int64_t c = 0; c < r->n; c++) {
        const double z = at(r, c), t = (double)r->t[c];
        loss += softplus(z) - t * z;
        right += (z > 0) == (t > 0.5);
        r->slope[c] = (float)(r->scale * (sigma(z) - t) / (double)r->n);
    }
    *hit = (float)(right / (double)r->n);
    return loss / (double)r->n;
}

static double square(const told *r)
{
    double loss = 0;
    for (int64_t c = 0; c < r->n; c++) {
        const double far = at(r, c) - (double)r->t[c];
        loss += far * far;
        r->slope[c] = (float)(2 * r->scale * far / (double)r->n);
    }
    return loss / (double)r->n;
}

static void losses(const void *args, int64_t begin, int64_t end)
{
    const ts_told_args *a = args;
    const bool chooses = ts_told_chooses(a->form);
    for (int64_t i = begin; i < end; i++) {
        const told r = { a->z + i * a->cols, a->t + i * (chooses ? 1 : a->cols), a->slope + i * a->cols, a->cols, a->scale };
        const int64_t k = chooses ? (int64_t)r.t[0] : 0;
        const double most = chooses ? best(&r) : 0;
        a->hit[i] = chooses && at(&r, k) >= most;
        a->loss[i] = (float)(a->form == TS_TOLD_CHOICE   ? choice(&r, k, most)
                             : a->form == TS_TOLD_AHEAD  ? ahead(&r, k)
                             : a->form == TS_TOLD_BINARY ? binary(&r, &a->hit[i])
                                                         : square(&r));
    }
}

static double length_of(const ts_direct_args *a, const float *x)
{
    double sum = 0;
    for (int64_t c = 0; c < a->cols; c++)
        sum += (double)x[c] * (double)x[c];
    return a->unit ? fmax(sqrt(sum), TS_DIRECT_FLOOR) : 1;
}

static void direct_forward(const void *args, int64_t begin, int64_t end)
{
    const ts_direct_args *a = args;
    for (int64_t i = begin; i < end; i++) {
        const float *x = a->x + i * a->width;
        const double length = length_of(a, x);
        for (int64_t c = 0; c < a->cols; c++)
            a->y[i * a->cols + c] = (float)((double)x[c] / length);
    }
}

static void direct_backward(const void *args, int64_t begin, int64_t end)
{
    const ts_direct_args *a = args;
    for (int64_t i = begin; i < end; i++) {
        const float *x = a->x + i * a->width, *dy = a->dy + i * a->cols;
        float *dx = a->dx + i * a->width;
        const double length = length_of(a, x);
        double along = 0;
        for (int64_t c = 0; c < a->cols; c++)
            along += (double)x[c] * (double)dy[c];
        if (!a->unit || length <= TS_DIRECT_FLOOR) /* the floor does not turn with x */
            along = 0;
        for (int64_t c = 0; c < a->cols; c++)
            dx[c] = (float)(((double)dy[c] - (double)x[c] * along / (length * length)) / length);
        for (int64_t c = a->cols; c < a->width; c++)
            dx[c] = 0;
    }
}

#define TS_ISA ref
void ts_cpu_init_heads(ts_cpu *c)
{
    c->kernel[TS_KERNEL_told_losses] = TS_ROWWISE_ROW(losses, 0);
    c->kernel[TS_KERNEL_direct_fwd] = TS_ROWWISE_ROW(direct_forward, 0);
    c->kernel[TS_KERNEL_direct_bwd] = TS_ROWWISE_ROW(direct_backward, 0);
}
