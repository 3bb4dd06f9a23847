#include "check.h"

/* A few operations, of which silu's take 3.2 u of the exponential. */
static const double work = 24 * CHECK_U;
enum { N = 217 };

static void factor(double z, ts_factor_kind kind, double *f, double *slope)
{
    const double s = 1 / (1 + exp(-z));
    *f = kind == TS_FACTOR_ITSELF ? z : kind == TS_FACTOR_SILU ? z * s : s;
    *slope = kind == TS_FACTOR_ITSELF ? 1 : kind == TS_FACTOR_SILU ? s * (1 + z * (1 - s)) : s * (1 - s);
}

static void product(const check_env *e, ts_dtype t, ts_factor_kind kind, int64_t n)
{
    check_case("product %s kind %d of %lld", ts_dtype_name(t), kind, (long long)n);
    ts_product_args a = { .dtype = t, .kind = kind, .x = check_in(1, t, n, 2), .z = check_in(2, t, n, 3),
                          .dy = check_in(3, t, n, 1) };
    a.y = check_out(t, n), a.dx = check_out(t, n), a.dz = check_out(t, n);
    check_kernel(e, TS_KERNEL_product_fwd, &a, n);
    for (int64_t i = 0; i < n; i++) {
        double f, slope;
        factor(check_get(a.z, i, t), kind, &f, &slope);
        const double y = check_get(a.x, i, t) * f;
        check_elem("y", a.y, i, t, y, work * fabs(y));
    }
    check_kernel(e, TS_KERNEL_product_bwd, &a, n);
    for (int64_t i = 0; i < n; i++) {
        double f, slope;
        factor(check_get(a.z, i, t), kind, &f, &slope);
        const double dy = check_get(a.dy, i, t), x = check_get(a.x, i, t);
        check_elem("dx", a.dx, i, t, dy * f, work * fabs(dy * f));
        check_elem("dz", a.dz, i, t, dy * x * slope, work * fabs(dy * x) * (kind == TS_FACTOR_ITSELF ? 1 : 4));
    }
}

/* A z for `each` values of x; the gradient of one is their sum, which grows with their number. */
static void shared_factor(const check_env *e, ts_dtype t, ts_factor_kind kind, int64_t each)
{
    enum { ZS = 6 };
    check_case("product %s kind %d, %lld of one", ts_dtype_name(t), kind, (long long)each);
    const int64_t n = ZS * each;
    ts_product_args a = { .dtype = t, .kind = kind, .each = each, .x = check_in(1, t, n, 2), .z = check_in(2, t, ZS, 3),
                          .dy = check_in(3, t, n, 1) };
    a.y = check_out(t, n), a.dx = check_out(t, n), a.dz = check_out(t, ZS);
    check_kernel(e, TS_KERNEL_product_fwd, &a, ZS);
    check_kernel(e, TS_KERNEL_product_bwd, &a, ZS);
    for (int64_t i = 0; i < ZS; i++) {
        double f, slope, sum = 0, size = 0;
        factor(check_get(a.z, i, t), kind, &f, &slope);
        for (int64_t at = i * each; at < (i + 1) * each; at++) {
            const double x = check_get(a.x, at, t), dy = check_get(a.dy, at, t);
            check_elem("y", a.y, at, t, x * f, work * fabs(x * f));
            check_elem("dx", a.dx, at, t, dy * f, work * fabs(dy * f));
            sum += dy * x, size += fabs(dy * x);
        }
        check_elem("dz", a.dz, i, t, sum * slope, (4 * work + (double)each * CHECK_U) * size * fabs(slope));
    }
}

/* By what simd/f32_math.h says of a sigmoid, at every size of its argument: relative to what it gives, but for
 * 1 - s, which has the error of s. */
static void sigmoid(const check_env *e, ts_dtype t, int64_t n, double size)
{
    static const double u = CHECK_U, tiny = 1e-35;
    check_case("product %s sigmoid of %lld by %g", ts_dtype_name(t), (long long)n, size);
    ts_product_args a = { .dtype = t, .kind = TS_FACTOR_SIGMOID, .x = check_in(1, t, n, 2), .z = check_in(2, t, n, size),
                          .dy = check_in(3, t, n, 1) };
    a.y = check_out(t, n), a.dx = check_out(t, n), a.dz = check_out(t, n);
    check_kernel(e, TS_KERNEL_product_fwd, &a, n);
    check_kernel(e, TS_KERNEL_product_bwd, &a, n);
    for (int64_t i = 0; i < n; i++) {
        const double x = check_get(a.x, i, t), z = check_get(a.z, i, t), dy = check_get(a.dy, i, t),
                     s = 1 / (1 + exp(-z)), one_s = 1 / (1 + exp(z)), ds = 6 * u * s + tiny;
        check_elem("y", a.y, i, t, x * s, fabs(x) * (ds + u * s));
        check_elem("dx", a.dx, i, t, dy * s, fabs(dy) * (ds + u * s));
        check_elem("dz", a.dz, i, t, dy * x * s * one_s, fabs(dy * x) * (one_s * (ds + 4 * u * s) + s * (ds + u)));
    }
}

static void scale(const check_env *e, ts_dtype t, const ts_stretch_factors *by)
{
    enum { ROWS = 5 };
    int64_t cols = 0;
    for (int i = 0; i < by->n_stretches; i++)
        cols += by->n[i];
    check_case("scale_cols %s %d stretches of %lld", ts_dtype_name(t), by->n_stretches, (long long)cols);
    ts_scale_cols_args a = { .cols = cols, .dtype = t, .by = *by, .x = check_in(1, t, ROWS * cols, 2),
                             .y = check_out(t, ROWS * cols) };
    check_kernel(e, TS_KERNEL_scale_cols, &a, ROWS);
    for (int64_t r = 0, at = 0; r < ROWS; r++)
        for (int k = 0; k < by->n_stretches; k++)
            for (int64_t c = 0; c < by->n[k]; c++, at++) {
                const double y = check_get(a.x, at, t) * (double)by->factor[k];
                check_elem("y", a.y, at, t, y, CHECK_U * fabs(y));
            }
}

static void clip(const check_env *e, ts_dtype t)
{
    check_case("clip %s", ts_dtype_name(t));
    float *x = check_inout(1, TS_DTYPE_F32, N, 2);
    x[3] = 1.25f, x[4] = -1.25f, x[5] = INFINITY;
    check_touched(x);
    void *rounded = check_inout(1, t, N, 1);
    for (int64_t i = 0; i < N; i++)
        ts_store_f32(rounded, i, t, x[i]);
    check_touched(rounded);
    ts_clip_args a = { .dtype = t, .most = 1.25f, .x = rounded, .dy = check_in(2, t, N, 1), .y = check_out(t, N),
                       .dx = check_out(t, N) };
    check_kernel(e, TS_KERNEL_clip_fwd, &a, N);
    check_kernel(e, TS_KERNEL_clip_bwd, &a, N);
    for (int64_t i = 0; i < N; i++) {
        const double v = check_get(rounded, i, t), bounded = fmax(-1.25, fmin(1.25, v));
        check_equal("y", i, check_get(a.y, i, t), bounded);
        check_equal("dx", i, check_get(a.dx, i, t), fabs(v) <= 1.25 ? check_get(a.dy, i, t) : 0);
    }
}

static void centre(const check_env *e, ts_dtype t, int64_t dim)
{
    enum { ROWS = 3, GROUPS = 2, HEADS = 3 };
    const int64_t n = ROWS * GROUPS * HEADS * dim;
    check_case("centre_heads %s of %lld", ts_dtype_name(t), (long long)dim);
    ts_centre_args a = { .groups = GROUPS, .heads = HEADS, .dim = dim, .dtype = t, .x = check_in(1, t, n, 2), .y = check_out(t, n) };
    check_kernel(e, TS_KERNEL_centre_heads, &a, ROWS);
    for (int64_t k = 0; k < n / dim; k++) {
        double mean = 0, size = 0;
        for (int64_t c = 0; c < dim && k % HEADS != HEADS - 1; c++) {
            mean += check_get(a.x, k * dim + c, t) / (double)dim;
            size += fabs(check_get(a.x, k * dim + c, t)) / (double)dim;
        }
        for (int64_t c = 0; c < dim; c++) {
            const double y = check_get(a.x, k * dim + c, t) - mean;
            check_elem("y", a.y, k * dim + c, t, y, CHECK_U * (fabs(y) + (double)dim * size));
        }
    }
}

void check_product(const check_env *e)
{
    static const ts_dtype types[] = { TS_DTYPE_F32, TS_DTYPE_BF16, TS_DTYPE_F16 };
    static const ts_stretch_factors one = { 1, { 21 }, { 0.3f } }, all = { 4, { 3, 17, 1, 40 }, { 2, 0.7f, 1, -0.1f } };
    static const int64_t counts[] = { 4, 12, 32, 60, 64, 68, 124, 132, 400, 4120 };
    static const double sizes[] = { 1e-4, 1, 12, 1e4 };
    for (size_t i = 0; i < CHECK_COUNT(types); i++) {
        for (size_t n = 0; n < CHECK_COUNT(counts); n++)
            for (size_t k = 0; k < CHECK_COUNT(sizes); k++)
                sigmoid(e, types[i], counts[n], sizes[k]);
        for (int kind = TS_FACTOR_ITSELF; kind <= TS_FACTOR_SIGMOID; kind++)
            for (int64_t n = 1; n <= N; n *= 6) {
                product(e, types[i], kind, n + 1);
                shared_factor(e, types[i], kind, n + 1);
            }
        scale(e, types[i], &one);
        scale(e, types[i], &all);
        clip(e, types[i]);
        centre(e, types[i], 8);
        centre(e, types[i], 37);
    }
}

void bench_product(const check_env *e)
{
    enum { ROWS = 2048, COLS = 2048, ALL = ROWS * COLS };
    check_case("bench");
    ts_product_args a = { .dtype = TS_DTYPE_F32, .x = check_in(1, TS_DTYPE_F32, ALL, 2), .z = check_in(2, TS_DTYPE_F32, ALL, 3),
                          .dy = check_in(3, TS_DTYPE_F32, ALL, 1), .y = check_out(TS_DTYPE_F32, ALL),
                          .dx = check_out(TS_DTYPE_F32, ALL), .dz = check_out(TS_DTYPE_F32, ALL) };
    const ts_scale_cols_args s = { .cols = COLS, .dtype = TS_DTYPE_F32, .by = { 2, { 512, COLS - 512 }, { 2, 3 } }, .x = a.x, .y = a.y };
    const ts_clip_args c = { .dtype = TS_DTYPE_F32, .most = 1, .x = a.x, .y = a.y, .dy = a.dy, .dx = a.dx };
    check_bench(e, "product_fwd", TS_KERNEL_product_fwd, &a, ALL, ALL, "elem", 12.0 * ALL);
    check_bench(e, "product_bwd", TS_KERNEL_product_bwd, &a, ALL, ALL, "elem", 20.0 * ALL);
    check_bench(e, "scale_cols", TS_KERNEL_scale_cols, &s, ROWS, ALL, "elem", 8.0 * ALL);
    check_bench(e, "clip_fwd", TS_KERNEL_clip_fwd, &c, ALL, ALL, "elem", 8.0 * ALL);
    check_bench(e, "clip_bwd", TS_KERNEL_clip_bwd, &c, ALL, ALL, "elem", 12.0 * ALL);
}
