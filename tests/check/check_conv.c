#include "check.h"

/* A sum of a few terms, and silu (3.2 u of the exponential, sum, quotient, product). */
enum { WORK = 24 };

typedef struct conv_case {
    ts_dtype t, w_t;
    int64_t B, S, cols, width;
    bool silu, bias, before, documents;
} conv_case;

/* Documents of several lengths, one of them a single row. */
static const int32_t *documents(const conv_case *c)
{
    int32_t *first = check_ints(1, TS_DTYPE_I32, c->B * c->S, 0);
    for (int64_t b = 0; b < c->B; b++)
        for (int64_t i = 0, begin = 0; i < c->S; i++) {
            begin = i == 2 || i == 3 || i == 7 + b ? i : begin;
            first[b * c->S + i] = (int32_t)begin;
        }
    check_touched(first);
    return first;
}

static ts_conv_args args_of(const conv_case *c)
{
    const int64_t n = c->B * c->S * c->cols;
    return (ts_conv_args){ .B = c->B, .S = c->S, .cols = c->cols, .width = c->width, .dtype = c->t,
                           .w_dtype = c->w_t, .silu = c->silu, .x = check_in(1, c->t, n, 2),
                           .w = check_in(2, c->w_t, c->cols * c->width, 1),
                           .bias = c->bias ? check_in(3, TS_DTYPE_F32, c->cols, 1) : NULL,
                           .before = c->before ? check_in(4, c->t, c->B * (c->width - 1) * c->cols, 2) : NULL,
                           .first_key = c->documents ? documents(c) : NULL };
}

static int64_t first_of(const ts_conv_args *a, int64_t b, int64_t i)
{
    return a->first_key ? a->first_key[b * a->S + i] : a->before ? -a->width : 0;
}

static double seen(const ts_conv_args *a, int64_t b, int64_t j, int64_t col)
{
    return j >= 0 ? check_get(a->x, (b * a->S + j) * a->cols + col, a->dtype)
                  : check_get(a->before, (b * (a->width - 1) + a->width - 1 + j) * a->cols + col, a->dtype);
}

/* v and the sum of sizes of what it is the sum of. */
static double convolved(const ts_conv_args *a, int64_t b, int64_t i, int64_t col, double *size)
{
    double v = a->bias ? (double)a->bias[col] : 0;
    *size = fabs(v);
    for (int64_t k = 0; k < a->width; k++) {
        const int64_t j = i - (a->width - 1) + k;
        if (j < first_of(a, b, i))
            continue;
        const double term = check_get(a->w, col * a->width + k, a->w_dtype) * seen(a, b, j, col);
        v += term;
        *size += fabs(term);
    }
    return v;
}

static void forward(const check_env *e, const conv_case *c)
{
    check_case("conv_fwd %s B %lld S %lld cols %lld width %lld silu %d documents %d before %d", ts_dtype_name(c->t),
               (long long)c->B, (long long)c->S, (long long)c->cols, (long long)c->width, c->silu, c->documents, c->before);
    ts_conv_args a = args_of(c);
    a.y = check_out(c->t, c->B * c->S * c->cols);
    check_kernel(e, TS_KERNEL_conv_fwd, &a, c->B * c->S);
    for (int64_t r = 0; r < c->B * c->S; r++)
        for (int64_t k = 0; k < c->cols; k++) {
            double size;
            const double v = convolved(&a, r / c->S, r % c->S, k, &size);
            const double y = c->silu ? v / (1 + exp(-v)) : v;
            check_elem("y", a.y, r * c->cols + k, c->t, y, WORK * CHECK_U * (size + fabs(y)));
        }
}

/* dv and how far off it may be: v moves the slope, whose own slope is at most 0.5. */
static double d_convolved(const ts_conv_args *a, int64_t b, int64_t i, int64_t col, double *size)
{
    double v_size;
    const double v = convolved(a, b, i, col, &v_size), s = 1 / (1 + exp(-v));
    const double dy = check_get(a->dy, (b * a->S + i) * a->cols + col, a->dtype);
    *size = fabs(dy) * (a->silu ? 2 + v_size : 1);
    return dy * (a->silu ? s * (1 + v * (1 - s)) : 1);
}

static void backward(const check_env *e, const conv_case *c)
{
    check_case("conv_bwd %s B %lld S %lld cols %lld width %lld silu %d documents %d", ts_dtype_name(c->t), (long long)c->B,
               (long long)c->S, (long long)c->cols, (long long)c->width, c->silu, c->documents);
    const int64_t n = c->B * c->S * c->cols;
    ts_conv_args a = args_of(c);
    a.dy = check_in(5, c->t, n, 1);
    a.dx = check_out(c->t, n);
    a.dw = check_inout(6, TS_DTYPE_F32, c->cols * c->width, 1);
    a.db = c->bias ? check_inout(7, TS_DTYPE_F32, c->cols, 1) : NULL;
    check_kernel(e, TS_KERNEL_conv_bwd, &a, c->cols);
    const double growth = WORK + 4 * sqrt((double)(c->B * c->S));
    for (int64_t col = 0; col < c->cols; col++) {
        double dw[TS_CONV_MOST] = { 0 }, dw_size[TS_CONV_MOST] = { 0 }, db = 0, db_size = 0;
        double *dx = check_f64(c->B * c->S), *dx_size = check_f64(c->B * c->S);
        for (int64_t r = 0; r < c->B * c->S; r++) {
            const int64_t b = r / c->S, i = r % c->S;
            double size;
            const double dv = d_convolved(&a, b, i, col, &size);
            db += dv, db_size += size;
            for (int64_t k = 0; k < c->width; k++) {
                const int64_t j = i - (c->width - 1) + k;
                if (j < first_of(&a, b, i))
                    continue;
                const double w = check_get(a.w, col * c->width + k, c->w_t), x = seen(&a, b, j, col);
                dx[b * c->S + j] += dv * w, dx_size[b * c->S + j] += size * fabs(w);
                dw[k] += dv * x, dw_size[k] += size * fabs(x);
            }
        }
        for (int64_t r = 0; r < c->B * c->S; r++)
            check_elem("dx", a.dx, r * c->cols + col, c->t, dx[r], WORK * CHECK_U * dx_size[r]);
        for (int64_t k = 0; k < c->width; k++)
            check_near("dw", col * c->width + k, a.dw[col * c->width + k],
                       check_before(a.dw, col * c->width + k, TS_DTYPE_F32) + dw[k], growth * CHECK_U * (1 + dw_size[k]));
        if (a.db)
            check_near("db", col, a.db[col], check_before(a.db, col, TS_DTYPE_F32) + db, growth * CHECK_U * (1 + db_size));
    }
}

void check_conv(const check_env *e)
{
    static const ts_dtype types[] = { TS_DTYPE_F32, TS_DTYPE_BF16, TS_DTYPE_F16 };
    static const int64_t cols[] = { 1, 16, 77, 130 };
    for (int i = 0; i < 24; i++) {
        conv_case c = { types[i % 3], i % 4 == 3 ? TS_DTYPE_BF16 : TS_DTYPE_F32, 1 + i % 2, 11, cols[i / 2 % 4],
                        2 + i % 3, i % 5 != 0, i % 3 != 1, false, i % 2 == 0 };
        forward(e, &c);
        backward(e, &c);
        c.documents = false, c.before = true;
        forward(e, &c);
    }
    const conv_case longer = { TS_DTYPE_F32, TS_DTYPE_F32, 2, 300, 70, 4, true, true, false, true },
                    shorter = { TS_DTYPE_F32, TS_DTYPE_F32, 2, 2, 70, 4, true, true, false, false };
    backward(e, &longer);
    backward(e, &shorter);
}

void bench_conv(const check_env *e)
{
    check_case("bench");
    const conv_case c = { TS_DTYPE_F32, TS_DTYPE_F32, 2, 1024, 1792, 4, true, true, false, false };
    const int64_t n = c.B * c.S * c.cols;
    ts_conv_args a = args_of(&c);
    a.y = check_out(c.t, n), a.dx = check_out(c.t, n), a.dy = check_in(5, c.t, n, 1);
    a.dw = check_inout(6, TS_DTYPE_F32, c.cols * c.width, 1), a.db = check_inout(7, TS_DTYPE_F32, c.cols, 1);
    check_bench(e, "conv_fwd", TS_KERNEL_conv_fwd, &a, c.B * c.S, (double)n, "elem", 8.0 * (double)n);
    check_bench(e, "conv_bwd", TS_KERNEL_conv_bwd, &a, c.cols, (double)n, "elem", 12.0 * (double)n);
}
