#include "check.h"

/* Bounds: a few operations, and the growth of a sum over a group of terms of one sign. */
static double growth(int64_t n) { return CHECK_U * (24 + 4 * sqrt((double)n)); }

typedef struct gate_case {
    ts_dtype t;
    int64_t rows, cols, group, w_cols;
    ts_gate_kind kind;
    bool behind, with_z;
    float offset;
} gate_case;

static void name(const gate_case *c, const char *kernel)
{
    check_case("gate_%s %s rows %lld cols %lld group %lld weights %lld kind %d behind %d gate %d", kernel,
               ts_dtype_name(c->t), (long long)c->rows, (long long)c->cols, (long long)c->group, (long long)c->w_cols,
               c->kind, c->behind, c->with_z);
}

static ts_gate_args args_of(const gate_case *c)
{
    const int64_t n = c->rows * c->cols;
    return (ts_gate_args){ .cols = c->cols, .group = c->group, .w_cols = c->w_cols, .dtype = c->t, .kind = c->kind,
                           .behind = c->behind, .eps = 1e-5f, .offset = c->offset, .x = check_in(1, c->t, n, 2),
                           .z = c->with_z ? check_in(2, c->t, n, 3) : NULL,
                           .w = check_in(3, TS_DTYPE_F32, c->w_cols, 1), .rows = c->rows };
}

/* What a place has: f(z) and its slope, what is normed, the weight. */
typedef struct place {
    double f, slope, x, u, w, dy;
} place;

static place at(const ts_gate_args *a, int64_t i)
{
    place p = { .f = 1, .x = check_get(a->x, i, a->dtype), .w = (double)a->w[i % a->cols % a->w_cols] + (double)a->offset,
                .dy = a->dy ? check_get(a->dy, i, a->dtype) : 0 };
    if (a->z) {
        const double z = check_get(a->z, i, a->dtype), s = 1 / (1 + exp(-z));
        p.f = a->kind == TS_GATE_SILU ? z * s : s;
        p.slope = a->kind == TS_GATE_SILU ? s * (1 + z * (1 - s)) : s * (1 - s);
    }
    p.u = a->behind ? p.x : p.x * p.f;
    return p;
}

static double rstd_of(const ts_gate_args *a, int64_t first)
{
    double sum = 0;
    for (int64_t i = first; i < first + a->group; i++)
        sum += at(a, i).u * at(a, i).u;
    return 1 / sqrt(sum / (double)a->group + (double)a->eps);
}

static void forward(const check_env *e, const gate_case *c)
{
    name(c, "fwd");
    ts_gate_args a = args_of(c);
    a.y = check_out(c->t, c->rows * c->cols);
    a.rstd = check_out(TS_DTYPE_F32, c->rows * c->cols / c->group);
    check_kernel(e, TS_KERNEL_gate_fwd, &a, c->rows);
    for (int64_t g = 0; g < c->rows * c->cols / c->group; g++) {
        const double rstd = rstd_of(&a, g * c->group);
        check_near("rstd", g, a.rstd[g], rstd, growth(c->group) * rstd);
        for (int64_t i = g * c->group; i < (g + 1) * c->group; i++) {
            const place p = at(&a, i);
            const double y = p.u * rstd * p.w * (c->behind ? p.f : 1);
            check_elem("y", a.y, i, c->t, y, growth(c->group) * fabs(y));
        }
    }
}

/* rstd is given in fp32; its rounding moves what is subtracted by as much. */
static void backward(const check_env *e, const gate_case *c)
{
    name(c, "bwd");
    const int64_t n = c->rows * c->cols, groups = n / c->group;
    ts_gate_args a = args_of(c);
    float *rstd = check_inout(4, TS_DTYPE_F32, groups, 1);
    a.dy = check_in(5, c->t, n, 1);
    for (int64_t g = 0; g < groups; g++)
        rstd[g] = (float)rstd_of(&a, g * c->group);
    check_touched(rstd);
    a.rstd = rstd;
    a.dx = check_out(c->t, n);
    a.dz = a.z ? check_out(c->t, n) : NULL;
    check_kernel(e, TS_KERNEL_gate_bwd, &a, c->rows);
    for (int64_t g = 0; g < groups; g++) {
        const double r = (double)rstd[g];
        double mean = 0, size = 0;
        for (int64_t i = g * c->group; i < (g + 1) * c->group; i++) {
            const place p = at(&a, i);
            const double term = p.dy * p.w * (c->behind ? p.f : 1) * p.u / (double)c->group;
            mean += term, size += fabs(term);
        }
        for (int64_t i = g * c->group; i < (g + 1) * c->group; i++) {
            const place p = at(&a, i);
            const double d = p.dy * p.w * (c->behind ? p.f : 1), part = p.u * r * r * mean;
            const double du = r * (d - part), off = growth(c->group) * r * (fabs(d) + fabs(p.u) * r * r * size);
            const double factor = c->behind ? 1 : p.f;
            check_elem("dx", a.dx, i, c->t, du * factor, off * fabs(factor) + CHECK_U * fabs(du * factor));
            if (!a.z)
                continue;
            const double dz = p.slope * (c->behind ? p.dy * p.u * r * p.w : du * p.x);
            check_elem("dz", a.dz, i, c->t, dz,
                       growth(c->group) * (fabs(dz) + 4 * (c->behind ? fabs(p.dy * p.u * r * p.w) : fabs(du * p.x))) +
                           (c->behind ? 0 : off * fabs(p.x) * 2));
        }
    }
}

static void weights(const check_env *e, const gate_case *c)
{
    name(c, "dw");
    const int64_t n = c->rows * c->cols, groups = c->cols / c->group;
    ts_gate_args a = args_of(c);
    a.dy = check_in(5, c->t, n, 1);
    a.rstd = check_inout(4, TS_DTYPE_F32, c->rows * groups, 1);
    a.dw = check_inout(6, TS_DTYPE_F32, c->w_cols, 1);
    check_kernel(e, TS_KERNEL_gate_dw, &a, c->w_cols);
    for (int64_t k = 0; k < c->w_cols; k++) {
        double sum = 0, size = 1;
        for (int64_t r = 0; r < c->rows; r++)
            for (int64_t col = k; col < c->cols; col += c->w_cols) {
                const place p = at(&a, r * c->cols + col);
                const double term = p.dy * p.u * check_before(a.rstd, r * groups + col / c->group, TS_DTYPE_F32) *
                                    (c->behind ? p.f : 1);
                sum += term, size += fabs(term);
            }
        check_near("dw", k, a.dw[k], check_before(a.dw, k, TS_DTYPE_F32) + sum, growth(c->rows * c->cols / c->w_cols) * size);
    }
}

void check_gate(const check_env *e)
{
    static const ts_dtype types[] = { TS_DTYPE_F32, TS_DTYPE_BF16, TS_DTYPE_F16 };
    static const int64_t groups[] = { 5, 32, 70 };
    for (int i = 0; i < 36; i++) {
        const int64_t group = groups[i / 3 % 3], n = 1 + i % 4;
        const gate_case c = { types[i % 3], 7, n * group, group, i % 2 ? group : n * group,
                              i % 5 == 0 ? TS_GATE_SIGMOID : TS_GATE_SILU, i / 4 % 2 == 1, i % 7 != 0, i % 4 ? 0 : 1 };
        forward(e, &c);
        backward(e, &c);
        weights(e, &c);
    }
}

void bench_gate(const check_env *e)
{
    check_case("bench");
    const gate_case c = { TS_DTYPE_F32, 2048, 1536, 1536, 1536, TS_GATE_SILU, false, true, 0 };
    const int64_t n = c.rows * c.cols;
    ts_gate_args a = args_of(&c);
    a.y = check_out(c.t, n), a.dx = check_out(c.t, n), a.dz = check_out(c.t, n), a.dy = check_in(5, c.t, n, 1);
    a.rstd = check_inout(4, TS_DTYPE_F32, c.rows, 1), a.dw = check_inout(6, TS_DTYPE_F32, c.cols, 1);
    check_bench(e, "gate_fwd", TS_KERNEL_gate_fwd, &a, c.rows, (double)n, "elem", 12.0 * (double)n);
    check_bench(e, "gate_bwd", TS_KERNEL_gate_bwd, &a, c.rows, (double)n, "elem", 20.0 * (double)n);
    check_bench(e, "gate_dw", TS_KERNEL_gate_dw, &a, c.cols, (double)n, "elem", 12.0 * (double)n);
}
