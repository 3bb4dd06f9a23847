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

enum { SPARSE_ROWS = 4, SPARSE_PARTS = 2 };

/* A row whose columns lie in n parts, of each from `at` on. */
typedef struct sparse_row {
    const ts_sparse_args *part;
    int n;
    int64_t row, cols; /* cols: of all parts */
    double mean, deviation, s, sizes;
    bool clear;        /* nobody stands where rounding decides */
} sparse_row;

static double sparse_near(const sparse_row *r) { return growth(r->cols) * 8; }

static double sparse_cut(const sparse_row *r) { return r->mean + (double)r->part->times * r->deviation; }

static void sparse_sums_of(sparse_row *r, ts_dtype t)
{
    double var = 0;
    for (int pass = 0; pass < 3; pass++) {
        for (int p = 0; p < r->n; p++) {
            const ts_sparse_args *a = &r->part[p];
            for (int64_t c = 0; c < a->cols; c++) {
                const int64_t at = r->row * a->width + c;
                const double x = check_get(a->x, at, t), d = x > sparse_cut(r) ? check_get(a->dy, at, t) : 0;
                r->mean += pass == 0 ? x / (double)r->cols : 0;
                var += pass == 1 ? pow(x - r->mean, 2) / (double)r->cols : 0;
                r->clear = pass < 2 || (r->clear && fabs(x - sparse_cut(r)) > sparse_near(r));
                r->s += pass == 2 ? d : 0, r->sizes += pass == 2 ? fabs(d) : 0;
            }
        }
        r->deviation = sqrt(var);
    }
}

static void sparse_row_is_right(const sparse_row *r, ts_dtype t)
{
    for (int p = 0; p < r->n; p++) {
        const ts_sparse_args *a = &r->part[p];
        for (int64_t c = 0; c < a->cols; c++) {
            const int64_t at = r->row * a->width + c;
            const double x = check_get(a->x, at, t), d = x > sparse_cut(r) ? check_get(a->dy, at, t) : 0;
            const double slope = 1 + (double)a->times * (x - r->mean) / r->deviation;
            check_elem("y", a->y, at, t, fmax(0, x - sparse_cut(r)), sparse_near(r));
            if (r->clear && r->cols > 1)
                check_elem("dx", a->dx, at, t, d - r->s / (double)r->cols * slope,
                           growth(r->cols) * (fabs(d) + r->sizes / (double)r->cols * (1 + fabs(slope)) * (1 + 3 / r->deviation)));
        }
        for (int64_t c = a->cols; c < a->width; c++) {
            const int64_t at = r->row * a->width + c;
            check_equal("passes", at, check_get(a->y, at, t), check_get(a->x, at, t));
            check_equal("passes back", at, check_get(a->dx, at, t), check_get(a->dy, at, t));
        }
    }
}

static ts_sparse_args sparse_args(int stream, int64_t cols, int64_t rest, ts_dtype t)
{
    const int64_t n = SPARSE_ROWS * (cols + rest);
    ts_sparse_args a = { .cols = cols, .width = cols + rest, .dtype = t, .times = 0.4f, .x = check_in(stream, t, n, 3),
                         .dy = check_in(stream + 1, t, n, 1) };
    a.y = check_out(t, n), a.dx = check_out(t, n);
    return a;
}

static void sparse_is_right(const check_env *e, ts_sparse_args *a, int n, int64_t cols, ts_dtype t)
{
    for (int p = 0; p < n; p++) {
        check_kernel(e, TS_KERNEL_sparse_fwd, &a[p], SPARSE_ROWS);
        check_kernel(e, TS_KERNEL_sparse_bwd, &a[p], SPARSE_ROWS);
    }
    for (int64_t row = 0; row < SPARSE_ROWS; row++) {
        sparse_row r = { .part = a, .n = n, .row = row, .cols = cols };
        sparse_sums_of(&r, t);
        sparse_row_is_right(&r, t);
    }
}

static void sparse(const check_env *e, int64_t cols, int64_t rest, ts_dtype t)
{
    check_case("sparse %s cols %lld and %lld", ts_dtype_name(t), (long long)cols, (long long)rest);
    ts_sparse_args a = sparse_args(1, cols, rest, t);
    sparse_is_right(e, &a, 1, cols, t);
}

/* Columns of two processes: with the sums of both each has its part of the result. */
static void sparse_in_parts(const check_env *e, int64_t cols, ts_dtype t)
{
    float sum[3][SPARSE_ROWS] = { { 0 } };
    check_case("sparse %s cols %lld and %lld of two", ts_dtype_name(t), (long long)cols, (long long)cols + 3);
    ts_sparse_args a[SPARSE_PARTS] = { sparse_args(1, cols, 2, t), sparse_args(3, cols + 3, 0, t) };
    for (int k = 0; k < 4; k++)
        for (int p = 0; p < SPARSE_PARTS; p++) {
            a[p].all = 2 * cols + 3;
            a[p].sum = k > 0 ? sum[0] : NULL, a[p].square = k > 1 ? sum[1] : NULL, a[p].slope = k > 2 ? sum[2] : NULL;
            if (k == 3)
                continue;
            a[p].sums = check_out(TS_DTYPE_F32, SPARSE_ROWS);
            check_kernel(e, TS_KERNEL_sparse_sum, &a[p], SPARSE_ROWS);
            for (int row = 0; row < SPARSE_ROWS; row++)
                sum[k][row] += a[p].sums[row];
        }
    sparse_is_right(e, a, SPARSE_PARTS, 2 * cols + 3, t);
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
            sparse_in_parts(e, widths[w], (ts_dtype)t);
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
