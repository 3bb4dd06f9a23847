#include "check.h"

#include <string.h>

/* Everything is in double but for the numbers that come and go: their rounding, and a few units of the sums' own. */
static const double u = 2 * CHECK_U;

enum { ROWS = 5, MOST = TS_HYPER_MOST * (TS_HYPER_MOST + 2) };

/* y of logits z, in the plainest way. */
static void told(const ts_hyper_args *a, const double *z, double *y)
{
    const int64_t n = a->streams;
    double m[TS_HYPER_MOST][TS_HYPER_MOST];
    for (int64_t c = 0; c < n; c++) {
        y[c] = 1 / (1 + exp(-z[c])) + (double)a->eps;
        if (a->iterations)
            y[n + c] = 2 / (1 + exp(-z[n + c]));
    }
    for (int64_t turn = 0; turn < a->iterations; turn++) {
        for (int64_t i = 0; i < n; i++) {
            double sum = turn ? (double)a->eps : 0;
            for (int64_t j = 0; j < n; j++)
                sum += m[i][j] = turn ? m[i][j] : exp(z[2 * n + i * n + j]);
            for (int64_t j = 0; j < n; j++)
                m[i][j] = m[i][j] / sum + (turn ? 0 : (double)a->eps);
        }
        for (int64_t j = 0; j < n; j++) {
            double sum = (double)a->eps;
            for (int64_t i = 0; i < n; i++)
                sum += m[i][j];
            for (int64_t i = 0; i < n; i++)
                y[2 * n + j * n + i] = m[i][j] /= sum;
        }
    }
}

static int64_t group(const ts_hyper_args *a, int64_t c) { return c < a->streams ? 0 : c < 2 * a->streams ? 1 : 2; }

static void logits(const ts_hyper_args *a, int64_t row, int64_t cols, double *z)
{
    for (int64_t c = 0; c < cols; c++)
        z[c] = (double)a->x[row * cols + c] * (double)a->scale[group(a, c)] + (double)a->base[c];
}

/* sum over c of dy[c] y[c] */
static double weighed(const ts_hyper_args *a, int64_t row, int64_t cols, const double *z)
{
    double y[MOST], sum = 0;
    told(a, z, y);
    for (int64_t c = 0; c < cols; c++)
        sum += (double)a->dy[row * cols + c] * y[c];
    return sum;
}

/* Central differences of step h: off by h^2 of the third derivative, and by the rounding of some `cols` terms over h. */
static void gradients(const ts_hyper_args *a, int64_t cols)
{
    const double h = 1e-4, off = (double)cols * (h * h + 1e-15 / h);
    for (int64_t row = 0; row < ROWS; row++) {
        double z[MOST];
        logits(a, row, cols, z);
        for (int64_t c = 0; c < cols; c++) {
            const double at = z[c];
            z[c] = at + h;
            double want = weighed(a, row, cols, z);
            z[c] = at - h;
            want = (want - weighed(a, row, cols, z)) / (2 * h);
            z[c] = at;
            check_near("dz", row * cols + c, (double)a->dz[row * cols + c], want, u * fabs(want) + off);
            const double scale = (double)a->scale[group(a, c)], dx = (double)a->dz[row * cols + c] * scale;
            check_near("dx", row * cols + c, (double)a->dx[row * cols + c], dx, u * fabs(dx));
        }
    }
}

static void sums(const ts_hyper_args *a, int64_t cols)
{
    double scale[3] = { 0 }, size[3] = { 0 };
    for (int64_t c = 0; c < cols; c++) {
        double base = check_before(a->dbase, c, TS_DTYPE_F32), of_base = fabs(base);
        for (int64_t row = 0; row < ROWS; row++) {
            const double dz = (double)a->dz[row * cols + c], term = dz * (double)a->x[row * cols + c];
            base += dz, of_base += fabs(dz);
            scale[group(a, c)] += term, size[group(a, c)] += fabs(term);
        }
        check_near("dbase", c, (double)a->dbase[c], base, u * of_base);
    }
    for (int64_t g = 0; g < ts_hyper_scales(a->iterations); g++) {
        const double before = check_before(a->dscale, g, TS_DTYPE_F32);
        check_near("dscale", g, (double)a->dscale[g], before + scale[g], u * (fabs(before) + size[g]));
    }
}

static void hyper(const check_env *e, int64_t streams, int64_t iterations)
{
    const int64_t cols = ts_hyper_cols(streams, iterations), scales = ts_hyper_scales(iterations), n = ROWS * cols;
    check_case("hyper %lld streams, %lld iterations", (long long)streams, (long long)iterations);
    ts_hyper_args a = { .rows = ROWS, .streams = streams, .iterations = iterations, .eps = 1e-6f,
                        .x = check_in(1, TS_DTYPE_F32, n, 3), .scale = check_in(2, TS_DTYPE_F32, scales, 1),
                        .base = check_in(3, TS_DTYPE_F32, cols, 1), .dy = check_in(4, TS_DTYPE_F32, n, 1) };
    a.y = check_out(TS_DTYPE_F32, n), a.dz = check_out(TS_DTYPE_F32, n), a.dx = check_out(TS_DTYPE_F32, n);
    check_kernel(e, TS_KERNEL_hyper_fwd, &a, ROWS);
    for (int64_t row = 0; row < ROWS; row++) {
        double z[MOST], y[MOST];
        logits(&a, row, cols, z);
        told(&a, z, y);
        for (int64_t c = 0; c < cols; c++)
            check_near("y", row * cols + c, (double)a.y[row * cols + c], y[c], u * fabs(y[c]));
    }
    check_kernel(e, TS_KERNEL_hyper_bwd, &a, ROWS);
    gradients(&a, cols);
    a.dscale = check_inout(5, TS_DTYPE_F32, scales, 1), a.dbase = check_inout(6, TS_DTYPE_F32, cols, 1);
    check_kernel(e, TS_KERNEL_hyper_dw, &a, scales);
    sums(&a, cols);
}

void check_hyper(const check_env *e)
{
    static const int64_t turns[] = { 0, 1, 2, 20 };
    for (int64_t streams = 2; streams <= TS_HYPER_MOST; streams += streams < 4 ? 1 : 4)
        for (size_t i = 0; i < CHECK_COUNT(turns); i++)
            hyper(e, streams, turns[i]);
}

void bench_hyper(const check_env *e)
{
    enum { MANY = 4096, STREAMS = 4, COLS = STREAMS * (STREAMS + 2) };
    check_case("bench hyper");
    ts_hyper_args a = { .rows = MANY, .streams = STREAMS, .iterations = 20, .eps = 1e-6f,
                        .x = check_in(1, TS_DTYPE_F32, MANY * COLS, 3), .scale = check_in(2, TS_DTYPE_F32, 3, 1),
                        .base = check_in(3, TS_DTYPE_F32, COLS, 1), .dy = check_in(4, TS_DTYPE_F32, MANY * COLS, 1) };
    a.y = check_out(TS_DTYPE_F32, MANY * COLS), a.dx = check_out(TS_DTYPE_F32, MANY * COLS);
    check_bench(e, "hyper_fwd 4 streams, 4096 rows", TS_KERNEL_hyper_fwd, &a, MANY, (double)MANY, "rows", 8.0 * MANY * COLS);
    check_bench(e, "hyper_bwd 4 streams, 4096 rows", TS_KERNEL_hyper_bwd, &a, MANY, (double)MANY, "rows", 12.0 * MANY * COLS);
}
