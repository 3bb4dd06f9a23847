#include "check.h"

static const int64_t sizes[] = { 1, 7, 8, 9, 15, 16, 17, 33, 100, 4099 };

/* NaN and infinity in the gradient must reach the parameter; a NaN whose bits are all ones must not
 * run over when it is rounded. */
static void spoil(float *grad, int64_t n)
{
    const uint32_t ones = 0x7FFFFFFF;
    if (n > 8) {
        memcpy(grad + 3, &ones, sizeof ones);
        grad[n - 1] = INFINITY, grad[5] = 0;
    }
    check_touched(grad);
}

/* A value of type t that was worked out as `want` with an error of at most `bound`. Rounding at
 * random keeps order among those that take the same random number, so what is there lies between
 * the ends of the interval, rounded with the element's number: the stream's 16 bits number i, times
 * `factor`. */
static void near_random(const char *what, const void *p, int64_t i, ts_dtype t, const ts_rng *rng,
                        uint32_t factor, double want, double bound)
{
    uint32_t words[4];
    if (t != TS_DTYPE_BF16 || !isfinite(want)) {
        check_near(what, i, check_get(p, i, t), want, bound);
        return;
    }
    ts_rng_block(rng, (uint64_t)i / 8, words);
    const uint32_t r = (words[i % 8 / 2] >> (i & 1 ? 16 : 0)) * factor & 0xFFFF;
    const float low = nextafterf((float)(want - bound), -INFINITY),
                high = nextafterf((float)(want + bound), INFINITY);
    const float got = ts_load_f32(p, i, t), least = ts_bf16_to_f32(ts_f32_to_bf16_random(low, r)),
                most = ts_bf16_to_f32(ts_f32_to_bf16_random(high, r));
    if (!(got >= least && got <= most))
        check_fail("%s[%lld] is %.9g, expected %.9g rounded with %u: %.9g to %.9g", what,
                   (long long)i, (double)got, want, r, (double)least, (double)most);
}

/* types: 1: m, 2: v, 4: p, 8: the gradient in bf16 */
static void adamw(const check_env *e, int64_t n, double scale, int variant, int types)
{
    check_case("adamw n %lld scale %g variant %d types %d", (long long)n, scale, variant, types);
    const double u = CHECK_U, step = variant & 1 ? 1 : 1000;
    const ts_dtype tm = types & 1 ? TS_DTYPE_BF16 : TS_DTYPE_F32,
                   tv = types & 2 ? TS_DTYPE_BF16 : TS_DTYPE_F32,
                   tp = types & 4 ? TS_DTYPE_BF16 : TS_DTYPE_F32, tg = types & 8 ? TS_DTYPE_BF16 : TS_DTYPE_F32;
    ts_adamw_args a = { .p = check_inout(1, tp, n, 1),
                        .m = check_inout(2, tm, n, scale),
                        .v = check_inout(3, tv, n, scale * scale),
                        .p_dtype = tp, .m_dtype = tm, .v_dtype = tv, .grad_dtype = tg,
                        .rng = ts_rng_stream(5, TS_RNG_ROUND, (uint64_t)step, (uint32_t)variant),
                        .lr = variant & 2 ? 0.1f : 3e-4f, .beta1 = 0.9f,
                        .beta2 = variant & 4 ? 0.999f : 0.95f, .eps = 1e-8f,
                        .weight_decay = variant & 2 ? 0.1f : 0,
                        .grad_scale = variant & 4 ? 0.37f : 1 };
    float *grad = check_inout(4, TS_DTYPE_F32, n, scale);
    for (int64_t i = 0; i < n; i++)
        ts_store_f32(a.v, i, tv, fabsf(ts_load_f32(a.v, i, tv)));
    check_touched(a.v);
    spoil(grad, n);
    void *narrow = check_out(TS_DTYPE_BF16, n);
    for (int64_t i = 0; i < n; i++) {
        ts_store_f32(narrow, i, TS_DTYPE_BF16, grad[i]);
        grad[i] = tg == TS_DTYPE_BF16 ? ts_load_f32(narrow, i, TS_DTYPE_BF16) : grad[i];
    }
    check_touched(grad);
    a.grad = tg == TS_DTYPE_BF16 ? narrow : grad;
    a.c1 = 1 - pow((double)a.beta1, step), a.c2 = 1 - pow((double)a.beta2, step);
    check_kernel(e, TS_KERNEL_adamw, &a, n);
    check_untouched("grad", grad, 0, n, TS_DTYPE_F32);
    for (int64_t i = 0; i < n; i++) {
        const double b1 = (double)a.beta1, b2 = (double)a.beta2, lr = (double)a.lr;
        const double g = (double)a.grad_scale * (double)grad[i],
                     p0 = check_before(a.p, i, tp);
        const double m1 = b1 * check_before(a.m, i, tm), m2 = (1 - b1) * g;
        const double v = b2 * check_before(a.v, i, tv) + (1 - b2) * g * g;
        const double dm = 3 * u * (fabs(m1) + fabs(m2)), below = sqrt(v / a.c2) + (double)a.eps;
        const double step_size = lr * ((m1 + m2) / a.c1 / below + (double)a.weight_decay * p0);
        /* m, its own error; v is 5 u wrong, its root 2.5 u, and 5 u in all with factors and
         * quotient */
        const double q = lr / a.c1 / below;
        near_random("m", a.m, i, tm, &a.rng, 0x6329, m1 + m2, dm);
        near_random("v", a.v, i, tv, &a.rng, 1, v, 5 * u * v);
        near_random("p", a.p, i, tp, &a.rng, 0xBC91, p0 - step_size,
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

static void lion(const check_env *e, int64_t n, double scale, int variant)
{
    check_case("lion n %lld scale %g variant %d", (long long)n, scale, variant);
    const double u = CHECK_U, lr = variant & 1 ? 0.1 : 3e-4;
    ts_lion_args a = { .p = check_inout(1, TS_DTYPE_F32, n, 1), .m = check_inout(2, TS_DTYPE_F32, n, scale),
                       .lr = (float)lr, .beta1 = 0.95f, .beta2 = 0.98f, .weight_decay = variant & 2 ? 0.1f : 0,
                       .grad_scale = variant & 4 ? 0.37f : 1 };
    float *grad = check_inout(4, TS_DTYPE_F32, n, scale);
    spoil(grad, n);
    if (n > 8)
        a.m[5] = -0.0f, check_touched(a.m);
    a.grad = grad;
    check_kernel(e, TS_KERNEL_lion, &a, n);
    for (int64_t i = 0; i < n; i++) {
        const double g = (double)a.grad_scale * (double)grad[i], m = check_before(a.m, i, TS_DTYPE_F32),
                     p0 = check_before(a.p, i, TS_DTYPE_F32), wd = (double)a.lr * (double)a.weight_decay * p0;
        const double way = (double)a.beta1 * m + (1 - (double)a.beta1) * g,
                     doubt = 4 * u * (fabs((double)a.beta1 * m) + fabs((1 - (double)a.beta1) * g));
        const double sign = isnan(way) ? way : way > 0 ? 1 : way < 0 ? -1 : 0;
        check_near("m", i, a.m[i], (double)a.beta2 * m + (1 - (double)a.beta2) * g,
                   4 * u * (fabs(m) + fabs((1 - (double)a.beta2) * g)));
        if (way == 0 || isnan(way) || fabs(way) > doubt) /* else the sign is open */
            check_near("p", i, a.p[i], p0 - wd - (double)a.lr * sign, 3 * u * (fabs(p0) + (double)a.lr));
    }
}

/* Blocks of a weight: what stands between them is not touched. */
static void muon(const check_env *e, int64_t block, int64_t blocks, double scale, int variant)
{
    check_case("muon block %lld blocks %lld scale %g variant %d", (long long)block, (long long)blocks, scale, variant);
    const int64_t n = block * blocks, stride = block + (variant & 1 ? 7 : 0), all = blocks * stride;
    const double u = CHECK_U;
    float *grad = check_inout(4, TS_DTYPE_F32, all, scale);
    ts_muon_args a = { .m = check_inout(2, TS_DTYPE_F32, all, scale), .grad = grad, .x = check_out(TS_DTYPE_F32, n),
                       .block = block, .stride = stride, .beta = 0.95f, .grad_scale = 0.37f, .nesterov = variant & 2 };
    const double b = (double)a.beta, r = 1 - b;
    check_kernel(e, TS_KERNEL_muon_momentum, &a, n);
    check_untouched("grad", grad, 0, all, TS_DTYPE_F32);
    for (int64_t i = 0; i < all; i++) {
        const bool inside = i % stride < block;
        const double g = r * (double)a.grad_scale * (double)grad[i], before = check_before(a.m, i, TS_DTYPE_F32),
                     m = b * before + g, near = 4 * u * (fabs(before) + fabs(g));
        check_near("m", i, a.m[i], inside ? m : before, inside ? near : 0);
        if (inside)
            check_near("x", i, a.x[i / stride * block + i % stride], a.nesterov ? b * m + g : m, 2 * near);
    }
    check_case("muon_apply block %lld blocks %lld variant %d", (long long)block, (long long)blocks, variant);
    ts_muon_args d = { .p = check_inout(1, TS_DTYPE_F32, all, 1), .x = check_inout(3, TS_DTYPE_F32, n, scale),
                       .block = block, .stride = stride, .lr = 0.02f, .weight_decay = variant & 2 ? 0.1f : 0 };
    check_kernel(e, TS_KERNEL_muon_apply, &d, n);
    for (int64_t i = 0; i < all; i++) {
        const double p = check_before(d.p, i, TS_DTYPE_F32), lr = (double)d.lr;
        const double x = i % stride < block ? (double)d.x[i / stride * block + i % stride] : 0,
                     wd = i % stride < block ? lr * (double)d.weight_decay : 0;
        check_near("p", i, d.p[i], p * (1 - wd) - lr * x, i % stride < block ? 3 * u * (fabs(p) + fabs(lr * x)) : 0);
    }
}

/* depth numbers for each channel; the gradient has other [the other side] numbers for each. */
static void apollo(const check_env *e, int64_t channels, int64_t depth, double scale, bool by_rows)
{
    const int64_t n = channels * depth, other = 7, step = by_rows ? 1 : channels, from = by_rows ? depth : 1;
    const double u = CHECK_U;
    check_case("apollo_moments channels %lld depth %lld scale %g", (long long)channels, (long long)depth, scale);
    ts_apollo_args a = { .r = check_in(1, TS_DTYPE_F32, n, scale), .m = check_inout(2, TS_DTYPE_F32, n, scale),
                         .v = check_inout(3, TS_DTYPE_F32, n, scale * scale), .x = check_out(TS_DTYPE_F32, n),
                         .beta1 = 0.9f, .beta2 = 0.95f, .eps = 1e-8f };
    for (int64_t i = 0; i < n; i++)
        a.v[i] = fabsf(a.v[i]);
    check_touched(a.v);
    check_kernel(e, TS_KERNEL_apollo_moments, &a, n);
    for (int64_t i = 0; i < n; i++) {
        const double r = (double)a.r[i], m1 = (double)a.beta1 * check_before(a.m, i, TS_DTYPE_F32),
                     m2 = (1 - (double)a.beta1) * r, below = (double)a.eps;
        const double v = (double)a.beta2 * check_before(a.v, i, TS_DTYPE_F32) + (1 - (double)a.beta2) * r * r;
        const double dm = 3 * u * (fabs(m1) + fabs(m2)), root = sqrt(v) + below;
        check_near("m", i, a.m[i], m1 + m2, dm);
        check_near("v", i, a.v[i], v, 5 * u * v);
        check_near("x", i, a.x[i], (m1 + m2) / root, (dm + 7 * u * fabs(m1 + m2)) / root);
    }
    check_case("apollo_factors channels %lld depth %lld by_rows %d", (long long)channels, (long long)depth, by_rows);
    ts_apollo_args f = { .r = check_in(1, TS_DTYPE_F32, n, scale), .x = check_inout(2, TS_DTYPE_F32, n, 1),
                         .factor = check_out(TS_DTYPE_F32, channels), .depth = depth, .cols = by_rows ? depth : channels,
                         .by_rows = by_rows };
    check_kernel(e, TS_KERNEL_apollo_factors, &f, channels);
    for (int64_t c = 0; c < channels; c++) {
        double xx = 0, rr = 0;
        for (int64_t k = 0; k < depth; k++) {
            const double x = (double)f.x[c * from + k * step], r = (double)f.r[c * from + k * step];
            xx += x * x, rr += r * r;
        }
        const double want = sqrt(xx) / (sqrt(rr) + 1e-8);
        check_near("factor", c, f.factor[c], want, u * (8 + (double)depth) * want);
    }
    check_case("apollo_scale channels %lld by_rows %d", (long long)channels, by_rows);
    const int64_t rows = by_rows ? channels : other, cols = by_rows ? other : channels;
    ts_apollo_args s = { .factor = check_inout(1, TS_DTYPE_F32, channels, 1), .grad = check_in(2, TS_DTYPE_F32, rows * cols, scale),
                         .y = check_out(TS_DTYPE_F32, rows * cols), .cols = cols, .ld = cols, .scale = 0.37f, .by_rows = by_rows };
    check_kernel(e, TS_KERNEL_apollo_scale, &s, rows);
    for (int64_t i = 0; i < rows * cols; i++) {
        const double want = (double)s.scale * (double)s.grad[i] * (double)s.factor[by_rows ? i / cols : i % cols];
        check_near("y", i, s.y[i], want, 3 * u * fabs(want));
    }
}

/* Rows of a wider weight, whose elements follow one another in the whole from row to row after `first_row`. */
static void apollo_apply(const check_env *e, int64_t rows, int64_t cols, bool by_rows, ts_dtype t)
{
    const double u = CHECK_U;
    const int64_t ld = cols + 5, n = (rows - 1) * ld + cols;
    check_case("apollo_apply rows %lld cols %lld by_rows %d type %d", (long long)rows, (long long)cols, by_rows, (int)t);
    ts_apollo_args a = { .factor = check_inout(1, TS_DTYPE_F32, by_rows ? rows : cols, 1),
                         .grad = check_in(2, TS_DTYPE_F32, n, 1), .p = check_inout(3, t, n, 1), .p_dtype = t, .cols = cols,
                         .ld = ld, .scale = 0.37f, .by_rows = by_rows, .lr = 0.1f, .weight_decay = 0.3f, .rate = 0.02f,
                         .rng = ts_rng_stream(5, TS_RNG_ROUND, 3, 7), .first = 0, .first_row = ld };
    check_kernel(e, TS_KERNEL_apollo_apply, &a, rows);
    for (int64_t i = 0; i < n; i++) {
        const int64_t row = i / ld, col = i % ld;
        const double before = check_before(a.p, i, t), keep = (double)a.lr * (double)a.weight_decay;
        if (col >= cols) {
            check_near("p", i, check_get(a.p, i, t), before, 0);
            continue;
        }
        const double step = (double)a.rate * (double)a.scale * (double)a.grad[i] * (double)a.factor[by_rows ? row : col];
        near_random("p", a.p, i, t, &a.rng, TS_ROUND_P, before * (1 - keep) - step, 5 * u * (fabs(before) + fabs(step)));
    }
}

/* Sums in few bits: what stood there, as it reads, and the new numbers, rounded; a short last block. */
static void codes(const check_env *e, int64_t n, ts_codes c, bool begins)
{
    const int64_t blocks = (n + TS_CODES_BLOCK - 1) / TS_CODES_BLOCK;
    const double u = CHECK_U, quantum = c == TS_CODES_BF16 ? 0x1p-9 : c == TS_CODES_F16 ? 0x1p-11 : 0;
    check_case("codes_add n %lld codes %d begins %d", (long long)n, (int)c, begins);
    const float *x = check_in(1, TS_DTYPE_F32, n, 1), *old = check_in(2, TS_DTYPE_F32, n, 1);
    ts_codes_args a = { .codes = c, .code = check_inout(3, c ? TS_DTYPE_BF16 : TS_DTYPE_F32, n, 1),
                        .scales = check_inout(4, TS_DTYPE_F32, blocks, 1), .len = n, .x = x, .begins = begins };
    for (int64_t b = 0; b < blocks; b++)
        ts_codes_write(c, false, old + b * TS_CODES_BLOCK, b + 1 < blocks ? TS_CODES_BLOCK : n - b * TS_CODES_BLOCK,
                       (char *)a.code + (size_t)(b * TS_CODES_BLOCK) * ts_codes_size(c), (float *)a.scales + b);
    check_touched(a.code);
    check_touched(a.scales);
    check_kernel(e, TS_KERNEL_codes_add, &a, blocks);
    check_touched(a.code);
    check_touched(a.scales);
    a.x = NULL;
    a.y = check_out(TS_DTYPE_F32, n);
    check_kernel(e, TS_KERNEL_codes_read, &a, blocks);
    for (int64_t i = 0; i < n; i++) {
        const double want = (double)x[i] + (begins ? 0 : (double)old[i]), most = 2;
        check_near("sum", i, check_get(a.y, i, TS_DTYPE_F32), want, (begins ? 1 : 2) * quantum * (c == TS_CODES_F16 ? most : fabs(want) + 1) + 4 * u * most);
    }
}

static void sumsq(const check_env *e, int64_t n, double scale, bool zeros, bool bad, ts_dtype t)
{
    const int64_t blocks = (n + TS_SUMSQ_BLOCK - 1) / TS_SUMSQ_BLOCK;
    check_case("sumsq n %lld scale %g zeros %d bad %d %s", (long long)n, scale, zeros, bad,
               ts_dtype_name(t));
    void *x = check_inout(1, t, n, scale);
    for (int64_t i = 0; i < n; i += 5)
        ts_store_f32(x, i, t, i & 1 ? 0 : -0.0f);
    if (bad) {
        ts_store_f32(x, n / 2, t, NAN);
        ts_store_f32(x, 0, t, -INFINITY);
    }
    check_touched(x);
    ts_sumsq_args a = { .x = x, .x_dtype = t, .len = n, .out = check_out(TS_DTYPE_F64, blocks),
                        .zeros = zeros ? check_out(TS_DTYPE_I64, blocks) : NULL };
    check_kernel(e, TS_KERNEL_sumsq, &a, blocks);
    check_untouched("x", x, 0, n, t);
    for (int64_t b = 0; b < blocks; b++) {
        double sum = 0;
        int64_t count = 0;
        for (int64_t i = b * TS_SUMSQ_BLOCK; i < n && i < (b + 1) * TS_SUMSQ_BLOCK; i++) {
            const double value = check_get(x, i, t);
            sum += value * value;
            count += value == 0;
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
                for (int types = 0; types < 16; types++)
                    adamw(e, sizes[i], scale[s], v, types);
                sgd(e, sizes[i], scale[s], v);
                lion(e, sizes[i], scale[s], v);
                muon(e, sizes[i], 1 + v, scale[s], v & 3);
                apollo(e, sizes[i], 1 + 3 * v, scale[s], v & 1);
            }
    for (size_t i = 0; i < CHECK_COUNT(sizes); i++)
        for (int v = 0; v < 4; v++) {
            apollo_apply(e, 1 + 2 * v, sizes[i], v & 1, v & 2 ? TS_DTYPE_BF16 : TS_DTYPE_F32);
            for (ts_codes c = TS_CODES_NONE; c <= TS_CODES_F16; c++)
                codes(e, sizes[i], c, v & 1);
        }
    for (size_t i = 0; i < CHECK_COUNT(long_sizes); i++)
        for (int v = 0; v < 4; v++)
            sumsq(e, long_sizes[i], scale[v], v & 1, v & 2, (ts_dtype)((v + (int)i) % 3));
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
    static const char *const label[] = { "adamw, 16 Mi, bf16 v", "adamw, 16 Mi, bf16 m and v",
                                         "adamw, 16 Mi, bf16 m, v and p" };
    ts_adamw_args b = a;
    for (int k = 0; k < 3; k++) {
        b.v_dtype = TS_DTYPE_BF16, b.m_dtype = k > 0 ? TS_DTYPE_BF16 : TS_DTYPE_F32,
        b.p_dtype = k > 1 ? TS_DTYPE_BF16 : TS_DTYPE_F32;
        b.rng = ts_rng_stream(5, TS_RNG_ROUND, 1, 0);
        check_bench(e, label[k], TS_KERNEL_adamw, &b, n, (double)n, "elem",
                    (24 - 4 * k) * (double)n);
    }
    ts_sgd_args s = {
        .p = check_inout(1, TS_DTYPE_F32, n, 1), .m = check_inout(2, TS_DTYPE_F32, n, 1),
        .grad = a.grad, .lr = 1e-4f, .momentum = 0.9f, .grad_scale = 1
    };
    check_bench(e, "sgd with momentum, 16 Mi", TS_KERNEL_sgd, &s, n, (double)n, "elem",
                20 * (double)n);
    const int64_t blocks = n / TS_SUMSQ_BLOCK;
    ts_sumsq_args q = { .x = a.grad, .x_dtype = TS_DTYPE_F32, .len = n,
                        .out = check_out(TS_DTYPE_F64, blocks) };
    check_bench(e, "sumsq, 16 Mi", TS_KERNEL_sumsq, &q, blocks, (double)n, "elem", 4 * (double)n);
}
