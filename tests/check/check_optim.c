#include "check.h"

static const int64_t sizes[] = { 1, 7, 8, 9, 15, 16, 17, 33, 100, 4099 };

/* NaN and infinity in the gradient must reach the parameter. */
static void spoil(float *grad, int64_t n)
{
    if (n > 8)
        grad[3] = NAN, grad[n - 1] = INFINITY, grad[5] = 0;
    check_touched(grad);
}

static void adamw(const check_env *e, int64_t n, double scale, int variant)
{
    check_case("adamw n %lld scale %g variant %d", (long long)n, scale, variant);
    const double u = CHECK_U, step = variant & 1 ? 1 : 1000;
    ts_adamw_args a = { .p = check_inout(1, TS_DTYPE_F32, n, 1),
                        .m = check_inout(2, TS_DTYPE_F32, n, scale),
                        .v = check_inout(3, TS_DTYPE_F32, n, scale * scale),
                        .lr = variant & 2 ? 0.1f : 3e-4f, .beta1 = 0.9f,
                        .beta2 = variant & 4 ? 0.999f : 0.95f, .eps = 1e-8f,
                        .weight_decay = variant & 2 ? 0.1f : 0,
                        .grad_scale = variant & 4 ? 0.37f : 1 };
    float *grad = check_inout(4, TS_DTYPE_F32, n, scale);
    for (int64_t i = 0; i < n; i++)
        a.v[i] = fabsf(a.v[i]);
    spoil(grad, n);
    a.grad = grad;
    a.c1 = 1 - pow((double)a.beta1, step), a.c2 = 1 - pow((double)a.beta2, step);
    check_kernel(e, TS_KERNEL_adamw, &a, n);
    check_untouched("grad", grad, 0, n, TS_DTYPE_F32);
    for (int64_t i = 0; i < n; i++) {
        const double b1 = (double)a.beta1, b2 = (double)a.beta2, lr = (double)a.lr;
        const double g = (double)a.grad_scale * (double)grad[i],
                     p0 = check_before(a.p, i, TS_DTYPE_F32);
        const double m1 = b1 * check_before(a.m, i, TS_DTYPE_F32), m2 = (1 - b1) * g;
        const double v = b2 * check_before(a.v, i, TS_DTYPE_F32) + (1 - b2) * g * g;
        const double dm = 3 * u * (fabs(m1) + fabs(m2)), below = sqrt(v / a.c2) + (double)a.eps;
        const double step_size = lr * ((m1 + m2) / a.c1 / below + (double)a.weight_decay * p0);
        /* m, its own error; v is 5 u wrong, its root 2.5 u, and 5 u in all with factors and
         * quotient */
        const double q = lr / a.c1 / below;
        check_near("m", i, a.m[i], m1 + m2, dm);
        check_near("v", i, a.v[i], v, 5 * u * v);
        check_near("p", i, a.p[i], p0 - step_size,
                   q * dm + 9 * u * q * fabs(m1 + m2) + 3 * u * fabs(p0));
    }
}

static void sgd(const check_env *e, int64_t n, double scale, int variant)
{
    check_case("sgd n %lld scale %g variant %d", (long long)n, scale, variant);
    const double u = CHECK_U;
    ts_sgd_args a = { .p = check_inout(1, TS_DTYPE_F32, n, 1), .lr = 0.05f,
                      .m = variant & 1 ? check_inout(2, TS_DTYPE_F32, n, scale) : NULL,
                      .momentum = variant & 1 ? 0.9f : 0, .weight_decay = variant & 2 ? 0.1f : 0,
                      .grad_scale = variant & 4 ? 0.37f : 1 };
    float *grad = check_inout(4, TS_DTYPE_F32, n, scale);
    spoil(grad, n);
    a.grad = grad;
    check_kernel(e, TS_KERNEL_sgd, &a, n);
    for (int64_t i = 0; i < n; i++) {
        const double p0 = check_before(a.p, i, TS_DTYPE_F32), wd = (double)a.weight_decay * p0;
        const double grad_s = (double)a.grad_scale * (double)grad[i];
        const double m = a.m ? (double)a.momentum * check_before(a.m, i, TS_DTYPE_F32) : 0;
        const double g = grad_s + wd + m, dg = 3 * u * (fabs(grad_s) + fabs(wd) + fabs(m));
        if (a.m)
            check_near("m", i, a.m[i], g, dg);
        check_near("p", i, a.p[i], p0 - (double)a.lr * g,
                   (double)a.lr * dg + u * (fabs(p0) + fabs((double)a.lr * g)));
    }
}

static void sumsq(const check_env *e, int64_t n, double scale, bool zeros, bool bad)
{
    const int64_t blocks = (n + TS_SUMSQ_BLOCK - 1) / TS_SUMSQ_BLOCK;
    check_case("sumsq n %lld scale %g zeros %d bad %d", (long long)n, scale, zeros, bad);
    float *x = check_inout(1, TS_DTYPE_F32, n, scale);
    for (int64_t i = 0; i < n; i += 5)
        x[i] = i & 1 ? 0 : -0.0f;
    if (bad)
        x[n / 2] = NAN, x[0] = -INFINITY;
    check_touched(x);
    ts_sumsq_args a = { .x = x, .len = n, .out = check_out(TS_DTYPE_F64, blocks),
                        .zeros = zeros ? check_out(TS_DTYPE_I64, blocks) : NULL };
    check_kernel(e, TS_KERNEL_sumsq, &a, blocks);
    check_untouched("x", x, 0, n, TS_DTYPE_F32);
    for (int64_t b = 0; b < blocks; b++) {
        double sum = 0;
        int64_t count = 0;
        for (int64_t i = b * TS_SUMSQ_BLOCK; i < n && i < (b + 1) * TS_SUMSQ_BLOCK; i++) {
            sum += (double)x[i] * (double)x[i];
            count += x[i] == 0;
        }
        check_near("out", b, a.out[b], sum, 0x1p-53 * 4 * sqrt((double)TS_SUMSQ_BLOCK) * sum);
        if (zeros)
            check_equal("zeros", b, (double)a.zeros[b], (double)count);
    }
}

void check_optim(const check_env *e)
{
    static const double scale[] = { 1, 1e-4, 1e4, 1e-8 };
    static const int64_t long_sizes[] = { 1, 5, 8, 17, 63, TS_SUMSQ_BLOCK - 1, TS_SUMSQ_BLOCK,
                                          TS_SUMSQ_BLOCK + 1, 5 * TS_SUMSQ_BLOCK + 77 };
    for (size_t i = 0; i < CHECK_COUNT(sizes); i++)
        for (size_t s = 0; s < CHECK_COUNT(scale); s++)
            for (int v = 0; v < 8; v++) {
                adamw(e, sizes[i], scale[s], v);
                sgd(e, sizes[i], scale[s], v);
            }
    for (size_t i = 0; i < CHECK_COUNT(long_sizes); i++)
        for (int v = 0; v < 4; v++)
            sumsq(e, long_sizes[i], scale[v], v & 1, v & 2);
}

void bench_optim(const check_env *e)
{
    const int64_t n = 16 << 20;
    check_case("bench");
    float *v = check_out(TS_DTYPE_F32, n);
    memset(v, 0, (size_t)n * sizeof *v);
    ts_adamw_args a = { .p = check_inout(1, TS_DTYPE_F32, n, 1),
                        .m = check_inout(2, TS_DTYPE_F32, n, 1), .v = v,
                        .grad = check_in(4, TS_DTYPE_F32, n, 1), .lr = 1e-4f, .beta1 = 0.9f,
                        .beta2 = 0.95f, .eps = 1e-8f, .weight_decay = 0.1f, .grad_scale = 1,
                        .c1 = 0.5, .c2 = 0.5 };
    check_bench(e, "adamw, 16 Mi", TS_KERNEL_adamw, &a, n, (double)n, "elem", 28 * (double)n);
    ts_sgd_args s = {
        .p = a.p, .m = a.m, .grad = a.grad, .lr = 1e-4f, .momentum = 0.9f, .grad_scale = 1
    };
    check_bench(e, "sgd with momentum, 16 Mi", TS_KERNEL_sgd, &s, n, (double)n, "elem",
                20 * (double)n);
    const int64_t blocks = n / TS_SUMSQ_BLOCK;
    ts_sumsq_args q = { .x = a.grad, .len = n, .out = check_out(TS_DTYPE_F64, blocks) };
    check_bench(e, "sumsq, 16 Mi", TS_KERNEL_sumsq, &q, blocks, (double)n, "elem", 4 * (double)n);
}
