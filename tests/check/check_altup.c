#include "check.h"

/* A few operations, and the growth of a sum of n terms whose sizes add up. */
static double growth(int64_t n) { return CHECK_U * (24 + 4 * sqrt((double)n)); }

static const int64_t widths[] = { 1, 7, 16, 33, 100 };

/* ---- mix ---- */

static void mix(const check_env *e, int64_t cols, int64_t outs, int64_t ins, bool turned, bool with_b, ts_dtype t)
{
    enum { ROWS = 5 };
    check_case("mix %s cols %lld %lld of %lld%s%s", ts_dtype_name(t), (long long)cols, (long long)outs, (long long)ins,
               turned ? " turned" : "", with_b ? " onto" : "");
    ts_mix_args a = { .cols = cols, .outs = outs, .ins = ins, .turned = turned, .plus = with_b ? 1 : 0, .dtype = t,
                      .x = check_in(1, t, ROWS * ins * cols, 1), .m = check_in(2, TS_DTYPE_F32, ROWS * outs * ins, 2),
                      .b = with_b ? check_in(3, t, ROWS * outs * cols, 1) : NULL };
    a.y = check_out(t, ROWS * outs * cols);
    check_kernel(e, TS_KERNEL_mix, &a, ROWS);
    for (int64_t k = 0; k < ROWS * outs * cols; k++) {
        const int64_t row = k / (outs * cols), j = k / cols % outs, c = k % cols;
        double want = with_b ? check_get(a.b, k, t) : 0, size = fabs(want);
        for (int64_t i = 0; i < ins; i++) {
            const int64_t at = row * outs * ins + (turned ? i * outs + j : j * ins + i);
            const double term = ((double)a.m[at] + (double)a.plus) * check_get(a.x, (row * ins + i) * cols + c, t);
            want += term, size += fabs(term);
        }
        check_elem("y", a.y, k, t, want, growth(ins) * size);
    }
}

static void mix_dots(const check_env *e, int64_t cols, int64_t outs, int64_t ins, ts_dtype t)
{
    enum { ROWS = 4 };
    check_case("mix_dots %s cols %lld %lld of %lld", ts_dtype_name(t), (long long)cols, (long long)outs, (long long)ins);
    ts_mix_args a = { .cols = cols, .outs = outs, .ins = ins, .dtype = t, .x = check_in(1, t, ROWS * ins * cols, 1),
                      .dy = check_in(2, t, ROWS * outs * cols, 1) };
    a.dm = check_out(TS_DTYPE_F32, ROWS * outs * ins);
    check_kernel(e, TS_KERNEL_mix_dots, &a, ROWS);
    for (int64_t k = 0; k < ROWS * outs * ins; k++) {
        const int64_t row = k / (outs * ins), j = k / ins % outs, i = k % ins;
        double want = 0, size = 0;
        for (int64_t c = 0; c < cols; c++) {
            const double term = check_get(a.dy, (row * outs + j) * cols + c, t) * check_get(a.x, (row * ins + i) * cols + c, t);
            want += term, size += fabs(term);
        }
        check_near("dm", k, (double)a.dm[k], want, growth(cols) * size);
    }
}

/* ---- magnitude ---- */

static double square_of(const void *p, int64_t at, int64_t n, ts_dtype t)
{
    double sum = 0;
    for (int64_t c = 0; c < n; c++)
        sum += check_get(p, at + c, t) * check_get(p, at + c, t) / (double)n;
    return sum;
}

/* small: p counts as larger than it is. */
static void magnitude(const check_env *e, int64_t cols, bool small, ts_dtype t)
{
    enum { ROWS = 4 };
    check_case("magnitude %s cols %lld%s", ts_dtype_name(t), (long long)cols, small ? " small" : "");
    const int64_t n = ROWS * cols;
    ts_magnitude_args a = { .cols = cols, .dtype = t, .least = small ? 9.0f : 1e-5f, .x = check_in(1, t, n, 2),
                            .p = check_in(2, t, n, 1), .dy = check_in(3, t, n, 1) };
    a.y = check_out(t, n), a.dx = check_out(t, n), a.dp = check_out(t, n);
    check_kernel(e, TS_KERNEL_magnitude_fwd, &a, ROWS);
    for (int64_t k = 0; k < n; k++) {
        const int64_t at = k / cols * cols;
        const double own = square_of(a.p, at, cols, t), b = sqrt(fmax(own, (double)a.least));
        const double want = check_get(a.p, k, t) * sqrt(square_of(a.x, at, cols, t)) / b;
        check_elem("y", a.y, k, t, want, growth(cols) * fabs(want));
    }
    check_kernel(e, TS_KERNEL_magnitude_bwd, &a, ROWS);
    for (int64_t k = 0; k < n; k++) {
        const int64_t at = k / cols * cols;
        const double own = square_of(a.p, at, cols, t), b = sqrt(fmax(own, (double)a.least)),
                     wanted = sqrt(square_of(a.x, at, cols, t)), p = check_get(a.p, k, t), x = check_get(a.x, k, t);
        double s = 0, size = 0;
        for (int64_t c = at; c < at + cols; c++) {
            const double term = check_get(a.dy, c, t) * check_get(a.p, c, t);
            s += term, size += fabs(term);
        }
        const double less = own > (double)a.least ? 1 / ((double)cols * b * b) : 0, dy = check_get(a.dy, k, t);
        check_elem("dp", a.dp, k, t, wanted / b * (dy - p * s * less),
                   growth(cols) * wanted / b * (fabs(dy) + fabs(p) * size * less));
        check_elem("dx", a.dx, k, t, x * s / (b * (double)cols * wanted), growth(cols) * fabs(x) * size / (b * (double)cols * wanted));
    }
}

/* ---- sparse ---- */

static void sparse(const check_env *e, int64_t cols, int64_t rest, ts_dtype t)
{
    enum { ROWS = 4 };
    const int64_t width = cols + rest, n = ROWS * width;
    check_case("sparse %s cols %lld and %lld", ts_dtype_name(t), (long long)cols, (long long)rest);
    ts_sparse_args a = { .cols = cols, .width = width, .dtype = t, .times = 0.4f, .x = check_in(1, t, n, 3),
                         .dy = check_in(2, t, n, 1) };
    a.y = check_out(t, n), a.dx = check_out(t, n);
    check_kernel(e, TS_KERNEL_sparse_fwd, &a, ROWS);
    check_kernel(e, TS_KERNEL_sparse_bwd, &a, ROWS);
    for (int64_t row = 0; row < ROWS; row++) {
        const int64_t at = row * width;
        double mean = 0, var = 0, s = 0, sizes = 0;
        for (int64_t c = 0; c < cols; c++)
            mean += check_get(a.x, at + c, t) / (double)cols;
        for (int64_t c = 0; c < cols; c++)
            var += pow(check_get(a.x, at + c, t) - mean, 2) / (double)cols;
        const double cut = mean + (double)a.times * sqrt(var), near = growth(cols) * 8;
        bool clear = cols > 1; /* nobody stands where rounding decides */
        for (int64_t c = 0; c < cols; c++) {
            const double x = check_get(a.x, at + c, t), d = x > cut ? check_get(a.dy, at + c, t) : 0;
            clear = clear && fabs(x - cut) > near;
            s += d, sizes += fabs(d);
            check_elem("y", a.y, at + c, t, fmax(0, x - cut), near);
        }
        for (int64_t c = 0; c < cols && clear; c++) {
            const double x = check_get(a.x, at + c, t), d = x > cut ? check_get(a.dy, at + c, t) : 0;
            const double slope = 1 + (double)a.times * (x - mean) / sqrt(var);
            check_elem("dx", a.dx, at + c, t, d - s / (double)cols * slope,
                       growth(cols) * (fabs(d) + sizes / (double)cols * (1 + fabs(slope)) * (1 + 3 / sqrt(var))));
        }
        for (int64_t c = cols; c < width; c++) {
            check_equal("passes", at + c, check_get(a.y, at + c, t), check_get(a.x, at + c, t));
            check_equal("passes back", at + c, check_get(a.dx, at + c, t), check_get(a.dy, at + c, t));
        }
    }
}

/* ---- columns by a weight ---- */

static void weigh_cols(const check_env *e, int64_t cols, ts_dtype t)
{
    enum { ROWS = 6 };
    check_case("weigh_cols %s cols %lld", ts_dtype_name(t), (long long)cols);
    const int64_t n = ROWS * cols;
    ts_weigh_cols_args a = { .cols = cols, .rows = ROWS, .dtype = t, .x = check_in(1, t, n, 2),
                             .w = check_in(2, TS_DTYPE_F32, cols, 1), .dy = check_in(3, t, n, 1) };
    a.y = check_out(t, n);
    a.dw = check_inout(4, TS_DTYPE_F32, cols, 1);
    check_kernel(e, TS_KERNEL_weigh_cols, &a, ROWS);
    for (int64_t k = 0; k < n; k++) {
        const double want = check_get(a.x, k, t) * (double)a.w[k % cols];
        check_elem("y", a.y, k, t, want, CHECK_U * fabs(want));
    }
    check_kernel(e, TS_KERNEL_weigh_cols_dw, &a, cols);
    for (int64_t c = 0; c < cols; c++) {
        double want = check_before(a.dw, c, TS_DTYPE_F32), size = fabs(want);
        for (int64_t row = 0; row < ROWS; row++) {
            const double term = check_get(a.x, row * cols + c, t) * check_get(a.dy, row * cols + c, t);
            want += term, size += fabs(term);
        }
        check_near("dw", c, (double)a.dw[c], want, growth(ROWS) * size);
    }
}

void check_altup(const check_env *e)
{
    for (size_t w = 0; w < CHECK_COUNT(widths); w++)
        for (int t = 0; t < 3; t++) {
            for (int64_t outs = 1; outs < 5; outs++) {
                mix(e, widths[w], outs, 1 + (int64_t)w % 4, outs % 2, w % 2, (ts_dtype)t);
                mix_dots(e, widths[w], outs, 1 + (int64_t)w % 4, (ts_dtype)t);
            }
            magnitude(e, widths[w], false, (ts_dtype)t);
            magnitude(e, widths[w], true, (ts_dtype)t);
            sparse(e, widths[w], (int64_t)w * 5, (ts_dtype)t);
            weigh_cols(e, widths[w], (ts_dtype)t);
        }
}

void bench_altup(const check_env *e)
{
    enum { ROWS = 512, COLS = 2048 };
    check_case("bench mix");
    ts_mix_args a = { .cols = COLS, .outs = 4, .ins = 4, .dtype = TS_DTYPE_BF16,
                      .x = check_in(1, TS_DTYPE_BF16, ROWS * 4 * COLS, 1), .m = check_in(2, TS_DTYPE_F32, ROWS * 16, 1) };
    a.y = check_out(TS_DTYPE_BF16, ROWS * 4 * COLS);
    check_bench(e, "mix 4 of 4 bf16 512 x 2048", TS_KERNEL_mix, &a, ROWS, 4.0 * ROWS * COLS, "elem", 16.0 * ROWS * COLS);
}
