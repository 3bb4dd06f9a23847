/* Some dozens of numbers a row, in double: products with whole streams take all the time. */
#include "device/cpu/rowwise/rowwise.h"

#include <math.h>

enum { MOST = TS_HYPER_MOST * TS_HYPER_MOST };

/* A matrix on its way to sums of one: halves of iterations, columns first, and what each divided by. */
typedef struct balance {
    int64_t n, halves;
    double m[MOST], sum[2 * TS_HYPER_SUMS];
} balance;

static double sigmoid(double z) { return 1 / (1 + exp(-z)); }

static int64_t group_of(const ts_hyper_args *a, int64_t c) { return c < a->streams ? 0 : c < 2 * a->streams ? 1 : 2; }

static double logit(const ts_hyper_args *a, int64_t row, int64_t c)
{
    const int64_t cols = ts_hyper_cols(a->streams, a->iterations);
    return (double)a->x[row * cols + c] * (double)a->scale[group_of(a, c)] + (double)a->base[c];
}

/* Half h: the elements k of line l. Even halves are of columns. */
static int64_t element(const balance *b, int64_t h, int64_t l, int64_t k) { return h % 2 ? l * b->n + k : k * b->n + l; }

static void soften(const ts_hyper_args *a, int64_t row, balance *b)
{
    const int64_t n = b->n;
    for (int64_t i = 0; i < n; i++) {
        double most = -INFINITY, sum = 0;
        for (int64_t j = 0; j < n; j++)
            most = fmax(most, b->m[i * n + j] = logit(a, row, 2 * n + i * n + j));
        for (int64_t j = 0; j < n; j++)
            sum += b->m[i * n + j] = exp(b->m[i * n + j] - most);
        for (int64_t j = 0; j < n; j++)
            b->m[i * n + j] = b->m[i * n + j] / sum + (double)a->eps;
    }
}

static void balance_row(const ts_hyper_args *a, int64_t row, balance *b)
{
    b->n = a->streams;
    b->halves = 2 * a->iterations - 1;
    soften(a, row, b);
    for (int64_t h = 0; h < b->halves; h++)
        for (int64_t l = 0; l < b->n; l++) {
            double sum = (double)a->eps;
            for (int64_t k = 0; k < b->n; k++)
                sum += b->m[element(b, h, l, k)];
            for (int64_t k = 0; k < b->n; k++)
                b->m[element(b, h, l, k)] /= sum;
            b->sum[h * b->n + l] = sum;
        }
}

static void forward(const void *args, int64_t begin, int64_t end)
{
    const ts_hyper_args *a = args;
    const int64_t n = a->streams, cols = ts_hyper_cols(n, a->iterations);
    balance b;
    for (int64_t row = begin; row < end; row++) {
        float *y = a->y + row * cols;
        for (int64_t c = 0; c < n; c++)
            y[c] = (float)(sigmoid(logit(a, row, c)) + (double)a->eps);
        if (!a->iterations)
            continue;
        for (int64_t c = n; c < 2 * n; c++)
            y[c] = (float)(2 * sigmoid(logit(a, row, c)));
        balance_row(a, row, &b);
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < n; j++)
                y[2 * n + j * n + i] = (float)b.m[i * n + j];
    }
}

/* d of the balanced matrix becomes that of the logits; the matrix of each half comes back from the next one's. */
static void unbalance(const ts_hyper_args *a, balance *b, double *d)
{
    const int64_t n = b->n;
    for (int64_t h = b->halves - 1; h >= 0; h--)
        for (int64_t l = 0; l < n; l++) {
            const double sum = b->sum[h * n + l];
            double along = 0;
            for (int64_t k = 0; k < n; k++)
                along += d[element(b, h, l, k)] * b->m[element(b, h, l, k)];
            for (int64_t k = 0; k < n; k++) {
                const int64_t at = element(b, h, l, k);
                d[at] = (d[at] - along) / sum;
                b->m[at] *= sum;
            }
        }
    for (int64_t i = 0; i < n; i++) {
        double along = 0;
        for (int64_t j = i * n; j < (i + 1) * n; j++)
            along += d[j] * (b->m[j] - (double)a->eps);
        for (int64_t j = i * n; j < (i + 1) * n; j++)
            d[j] = (b->m[j] - (double)a->eps) * (d[j] - along);
    }
}

static void put(const ts_hyper_args *a, int64_t row, int64_t c, double dz)
{
    const int64_t at = row * ts_hyper_cols(a->streams, a->iterations) + c;
    if (a->dz)
        a->dz[at] = (float)dz;
    if (a->dx)
        a->dx[at] = (float)(dz * (double)a->scale[group_of(a, c)]);
}

static void backward(const void *args, int64_t begin, int64_t end)
{
    const ts_hyper_args *a = args;
    const int64_t n = a->streams, cols = ts_hyper_cols(n, a->iterations);
    balance b;
    double d[MOST];
    for (int64_t row = begin; row < end; row++) {
        const float *dy = a->dy + row * cols;
        for (int64_t c = 0; c < (a->iterations ? 2 * n : n); c++) {
            const double s = sigmoid(logit(a, row, c));
            put(a, row, c, (c < n ? 1 : 2) * (double)dy[c] * s * (1 - s));
        }
        if (!a->iterations)
            continue;
        balance_row(a, row, &b);
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < n; j++)
                d[i * n + j] = (double)dy[2 * n + j * n + i];
        unbalance(a, &b, d);
        for (int64_t c = 0; c < n * n; c++)
            put(a, row, 2 * n + c, d[c]);
    }
}

static void weights(const void *args, int64_t begin, int64_t end)
{
    const ts_hyper_args *a = args;
    const int64_t n = a->streams, cols = ts_hyper_cols(n, a->iterations);
    for (int64_t g = begin; g < end; g++) {
        double scale = 0;
        for (int64_t c = g * n; c < (g < 2 ? (g + 1) * n : cols); c++) {
            double base = 0;
            for (int64_t row = 0; row < a->rows; row++) {
                base += (double)a->dz[row * cols + c];
                scale += (double)a->dz[row * cols + c] * (double)a->x[row * cols + c];
            }
            if (a->dbase)
                a->dbase[c] += (float)base;
        }
        if (a->dscale)
            a->dscale[g] += (float)scale;
    }
}

#define TS_ISA ref
void ts_cpu_init_hyper(ts_cpu *c)
{
    c->kernel[TS_KERNEL_hyper_fwd] = TS_ROWWISE_ROW(forward, 0);
    c->kernel[TS_KERNEL_hyper_bwd] = TS_ROWWISE_ROW(backward, 0);
    c->kernel[TS_KERNEL_hyper_dw] = TS_ROWWISE_ROW(weights, 0);
}
