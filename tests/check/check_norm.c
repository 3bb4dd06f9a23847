#include "check.h"

/* Bounds: u x (a few operations + the growth of an n-term sum) x the size of the terms summed,
 * where the growth of a sum of n terms of random sign is taken as 4 sqrt(n). */
static double growth(int64_t n) { return CHECK_U * (8 + 4 * sqrt((double)n)); }

typedef struct norm_case {
    bool layer;
    ts_dtype t;
    int64_t rows, cols;
    double scale, centre; /* x: centre + uniform in [-scale, scale) */
    int variant;
} norm_case;

enum { RES = 1, NO_W = 2, OFFSET = 4, ALIAS = 8, DSUM = 16, VARIANTS = 32 };

static void name(const norm_case *c, const char *kernel)
{
    check_case("%s_%s %s rows %lld cols %lld scale %g centre %g variant %d",
               c->layer ? "ln" : "rms", kernel, ts_dtype_name(c->t), (long long)c->rows,
               (long long)c->cols, c->scale, c->centre, c->variant);
}

static void *centred(const norm_case *c, uint64_t seed)
{
    const int64_t n = c->rows * c->cols;
    void *x = check_inout(seed, c->t, n, c->scale);
    for (int64_t i = 0; i < n; i++)
        ts_store_f32(x, i, c->t, (float)(c->centre + check_get(x, i, c->t)));
    return x;
}

static double gain(const ts_norm_args *a, int64_t c)
{
    return (a->w ? (double)a->w[c] : 1) + a->offset;
}

/* Mean and 1/root of row r of s (as the kernel stored it), with the bounds of what it may have
 * found. */
typedef struct moments {
    double mean, rstd, d_mean, d_rstd; /* d_rstd: relative */
} moments;

static moments row_moments(const norm_case *c, const void *s, int64_t r, float eps)
{
    moments m = { 0 };
    double size = 0, square = 0;
    const double n = (double)c->cols;
    for (int64_t i = r * c->cols; c->layer && i < (r + 1) * c->cols; i++) {
        m.mean += check_get(s, i, c->t) / n;
        size += fabs(check_get(s, i, c->t)) / n;
    }
    for (int64_t i = r * c->cols; i < (r + 1) * c->cols; i++) {
        const double v = check_get(s, i, c->t) - m.mean;
        square += v * v / n;
    }
    m.rstd = 1 / sqrt(square + (double)eps);
    m.d_mean = growth(c->cols) * size;
    /* A wrong mean adds its square to the variance, and each rounded difference twice its part. */
    m.d_rstd =
        growth(c->cols) + m.rstd * m.rstd * m.d_mean * (m.d_mean + 2 * CHECK_U * sqrt(square));
    return m;
}

static void judge_row(const norm_case *c, const ts_norm_args *a, const void *s, int64_t r)
{
    const moments m = row_moments(c, s, r, a->eps);
    check_near("rstd", r, a->rstd[r], m.rstd, m.d_rstd * m.rstd);
    if (c->layer)
        check_near("mean", r, a->mean[r], m.mean, m.d_mean);
    for (int64_t k = 0; k < c->cols; k++) {
        const int64_t i = r * c->cols + k;
        const double g = gain(a, k), h = (check_get(s, i, c->t) - m.mean) * m.rstd,
                     b = a->b ? (double)a->b[k] : 0;
        const double bound = (8 * CHECK_U + m.d_rstd) * fabs(h * g) + CHECK_U * fabs(b) +
                             m.rstd * fabs(g) * m.d_mean;
        check_elem("y", a->y, i, c->t, h * g + b, bound);
    }
}

static void forward(const check_env *e, const norm_case *c)
{
    const int64_t n = c->rows * c->cols;
    const bool res = c->variant & RES, alias = c->variant & ALIAS;
    name(c, "fwd");
    void *x = centred(c, 1), *second = res ? check_inout(2, c->t, n, c->scale) : NULL;
    check_touched(x);
    ts_norm_args a = { .cols = c->cols, .dtype = c->t, .eps = 1e-6f, .x = x, .res = second,
                       .offset = c->variant & OFFSET ? 1.0f : 0.0f,
                       .w = c->variant & NO_W ? NULL : check_in(3, TS_DTYPE_F32, c->cols, 1),
                       .b = c->layer && !(c->variant & NO_W) ? check_in(4, TS_DTYPE_F32, c->cols, 1)
                                                             : NULL,
                       .y = check_out(c->t, n),
                       .rstd = check_out(TS_DTYPE_F32, c->rows),
                       .mean = check_out(TS_DTYPE_F32, c->rows),
                       .rows = c->rows };
    if (res) /* the sum on its own, over x, or over res */
        a.sum = !alias ? check_out(c->t, n) : c->variant & OFFSET ? x : second;
    check_kernel(e, c->layer ? TS_KERNEL_ln_fwd : TS_KERNEL_rms_fwd, &a, c->rows);
    for (int64_t i = 0; res && i < n; i++)
        check_elem("sum", a.sum, i, c->t, check_before(x, i, c->t) + check_before(second, i, c->t),
                   0);
    if (!res || a.sum != x)
        check_untouched("x", x, 0, n, c->t);
    if (res && a.sum != second)
        check_untouched("res", second, 0, n, c->t);
    for (int64_t r = 0; r < c->rows; r++)
        judge_row(c, &a, res ? a.sum : x, r);
}

/* Backward is given s, mean and rstd, so that they carry no error of their own. */
static ts_norm_args backward_args(const norm_case *c)
{
    const int64_t n = c->rows * c->cols;
    void *x = centred(c, 1);
    float *rstd = check_inout(5, TS_DTYPE_F32, c->rows, 1),
          *mean = check_inout(6, TS_DTYPE_F32, c->rows, 1);
    for (int64_t r = 0; r < c->rows; r++) {
        rstd[r] = (1.5f + rstd[r]) / (float)c->scale;
        mean[r] = (float)c->centre + mean[r] * (float)c->scale / 8;
    }
    ts_norm_args a = { .cols = c->cols, .dtype = c->t, .rstd = rstd, .mean = mean, .rows = c->rows,
                       .offset = c->variant & OFFSET ? 1.0f : 0.0f,
                       .w = c->variant & NO_W ? NULL : check_in(3, TS_DTYPE_F32, c->cols, 1),
                       .dy = check_in(7, c->t, n, 1) };
    if (c->variant & RES)
        a.sum = x;
    else
        a.x = x;
    return a;
}

static double normal(const norm_case *c, const ts_norm_args *a, int64_t r, int64_t k)
{
    const double s = check_get(a->sum ? a->sum : a->x, r * c->cols + k, c->t);
    return (s - (c->layer ? (double)a->mean[r] : 0)) * (double)a->rstd[r];
}

static void backward(const check_env *e, const norm_case *c)
{
    const int64_t n = c->rows * c->cols;
    name(c, "bwd");
    ts_norm_args a = backward_args(c);
    void *dsum = c->variant & DSUM ? check_inout(8, c->t, n, 1) : NULL;
    a.dsum = dsum;
    a.dx = dsum && c->variant & ALIAS ? dsum : check_out(c->t, n);
    check_kernel(e, c->layer ? TS_KERNEL_ln_bwd : TS_KERNEL_rms_bwd, &a, c->rows);
    for (int64_t r = 0; r < c->rows; r++) {
        double d = 0, dh = 0, d_size = 0, dh_size = 0;
        for (int64_t k = 0; k < c->cols; k++) {
            const double t = check_get(a.dy, r * c->cols + k, c->t) * gain(&a, k) / (double)c->cols;
            d += c->layer ? t : 0, d_size += c->layer ? fabs(t) : 0;
            dh += t * normal(c, &a, r, k), dh_size += fabs(t * normal(c, &a, r, k));
        }
        for (int64_t k = 0; k < c->cols; k++) {
            const int64_t i = r * c->cols + k;
            const double h = normal(c, &a, r, k), g = check_get(a.dy, i, c->t) * gain(&a, k);
            const double more = dsum ? check_before(dsum, i, c->t) : 0, rstd = (double)a.rstd[r];
            const double size = rstd * (fabs(g) + d_size + fabs(h) * dh_size);
            check_elem("dx", a.dx, i, c->t, rstd * (g - d - h * dh) + more,
                       growth(c->cols) * size + CHECK_U * fabs(more));
        }
    }
}

static void weights(const check_env *e, const norm_case *c)
{
    name(c, "dw");
    ts_norm_args a = backward_args(c);
    a.dw = check_inout(9, TS_DTYPE_F32, c->cols, 1);
    a.db = c->layer ? check_inout(10, TS_DTYPE_F32, c->cols, 1) : NULL;
    check_kernel(e, c->layer ? TS_KERNEL_ln_dw : TS_KERNEL_rms_dw, &a, c->cols);
    for (int64_t k = 0; k < c->cols; k++) {
        double dw = check_before(a.dw, k, TS_DTYPE_F32),
               db = a.db ? check_before(a.db, k, TS_DTYPE_F32) : 0;
        double dw_size = fabs(dw), db_size = fabs(db);
        for (int64_t r = 0; r < c->rows; r++) {
            const double dy = check_get(a.dy, r * c->cols + k, c->t), t = dy * normal(c, &a, r, k);
            dw += t, dw_size += fabs(t), db += dy, db_size += fabs(dy);
        }
        check_near("dw", k, a.dw[k], dw, growth(c->rows) * dw_size);
        if (a.db)
            check_near("db", k, a.db[k], db, growth(c->rows) * db_size);
    }
}

void check_norm(const check_env *e)
{
    static const int64_t cols[] = { 1, 2, 7, 8, 9, 15, 16, 17, 33, 64, 100, 576, 4097 };
    static const double scale[] = { 1, 1e-4, 1e4 }; /* 1e-4: where eps decides */
    int variant = 0;
    for (size_t i = 0; i < CHECK_COUNT(cols); i++)
        for (int t = TS_DTYPE_F32; t <= TS_DTYPE_F16; t++)
            for (size_t s = 0; s < CHECK_COUNT(scale); s++)
                for (int k = 0; k < (cols[i] > 1000 ? 4 : 16); k++) {
                    norm_case c = { .layer = k & 1, .t = (ts_dtype)t, .rows = 3 + k % 4,
                                    .cols = cols[i], .scale = scale[s],
                                    .variant = variant++ * 7 % VARIANTS };
                    c.centre = k % 3 == 2 ? 5 * scale[s] : 0;
                    forward(e, &c);
                    backward(e, &c);
                    c.rows = k % 4 == 0 ? 67 : 5;
                    weights(e, &c);
                }
}

void bench_norm(const check_env *e)
{
    for (int t = TS_DTYPE_F32; t <= TS_DTYPE_BF16; t++) {
        norm_case c = { .t = (ts_dtype)t, .rows = 2048, .cols = 576, .scale = 1, .variant = RES };
        const double n = (double)(c.rows * c.cols), size = (double)ts_dtype_size(c.t);
        char text[64];
        name(&c, "bench");
        void *x = check_in(1, c.t, c.rows * c.cols, 1);
        ts_norm_args a = { .cols = c.cols, .dtype = c.t, .eps = 1e-6f, .x = x, .rows = c.rows,
                           .w = check_in(3, TS_DTYPE_F32, c.cols, 1),
                           .y = check_out(c.t, c.rows * c.cols),
                           .rstd = check_out(TS_DTYPE_F32, c.rows),
                           .mean = check_out(TS_DTYPE_F32, c.rows),
                           .dy = check_in(7, c.t, c.rows * c.cols, 1),
                           .dx = check_out(c.t, c.rows * c.cols),
                           .dw = check_inout(9, TS_DTYPE_F32, c.cols, 1) };
        static const struct {
            ts_kernel k;
            const char *name;
            double passes;
            bool columns;
        } row[] = { { TS_KERNEL_rms_fwd, "rms_fwd", 2, false },
                    { TS_KERNEL_ln_fwd, "ln_fwd", 2, false },
                    { TS_KERNEL_rms_bwd, "rms_bwd", 3, false },
                    { TS_KERNEL_ln_bwd, "ln_bwd", 3, false },
                    { TS_KERNEL_rms_dw, "rms_dw", 2, true } };
        for (size_t i = 0; i < CHECK_COUNT(row); i++) {
            snprintf(text, sizeof text, "%s %s 2048 x 576", row[i].name, ts_dtype_name(c.t));
            check_bench(e, text, row[i].k, &a, row[i].columns ? c.cols : c.rows, n, "elem",
                        n * size * row[i].passes);
        }
    }
}
