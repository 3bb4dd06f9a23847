#include "check.h"

/* Value and slope in double, with what a kernel may miss them by. The bounds follow
 * simd/f32_math.h: a sigmoid is 6 u wrong, and by (1 - s) times the error of its argument U,
 * `argument` u relative. */
typedef struct oracle {
    double value, slope, d_value, d_slope;
} oracle;

/* exp overflows below -88.7, where the true results are under this. */
static const double tiny = 1e-35;

static oracle by_sigmoid(double x, double U, double dU, double argument)
{
    const double u = CHECK_U, s = 1 / (1 + exp(-U)), one_s = 1 / (1 + exp(U));
    const double ds = s * u * (6 + argument * fabs(U) * one_s) + tiny;
    oracle o = { .value = x * s, .slope = s + x * s * one_s * dU };
    if (isinf(x))
        return o;
    o.d_value = fabs(x) * ds + u * fabs(o.value);
    o.d_slope = fabs(dU) * (fabs(o.value) * (ds + u) + o.d_value * one_s) +
                8 * u * fabs(o.value * dU * one_s) + ds + u * fabs(o.slope);
    return o;
}

static oracle by_erf(double x)
{
    const double u = CHECK_U, phi = 0.5 * erfc(-x * 0.70710678118654752440);
    const double tail = 0.5 * erfc(fabs(x) * 0.70710678118654752440);
    const double density = 0.39894228040143267794 * exp(-0.5 * x * x);
    const double d_phi = u * (12 + x * x) * tail + 2 * u * phi + tiny;
    const double d_density = (x * x + 5) * u * density + tiny;
    return (oracle){ x * phi, phi + (density > 0 ? x * density : 0),
                     fabs(x) * d_phi + u * fabs(x * phi),
                     d_phi + fabs(x) * d_density + 2 * u * (phi + fabs(x) * density) };
}

static oracle act_oracle(ts_act f, double x)
{
    const double k = 1.59576912160573071, k3 = 0.0713548162726002527;
    const double r = x > 0 || isnan(x) ? x : 0;
    switch (f) {
    case TS_ACT_SILU: return by_sigmoid(x, x, 1, 0);
    case TS_ACT_GELU: return by_erf(x);
    case TS_ACT_GELU_TANH: return by_sigmoid(x, x * (k + k3 * x * x), k + 3 * k3 * x * x, 5);
    case TS_ACT_GELU_QUICK: return by_sigmoid(x, 1.702 * x, 1.702, 3);
    case TS_ACT_TANH: { /* by exp(2x), relative to what is left of 1 */
        const double y = tanh(x), u = 8 * CHECK_U;
        return (oracle){ y, 1 - y * y, u * fabs(y) + tiny, 2 * u * y * y + CHECK_U };
    }
    case TS_ACT_RELU2: return (oracle){ r * r, 2 * r, 2 * CHECK_U * r * r, CHECK_U * r };
    default: return (oracle){ r, x > 0, 0, 0 };
    }
}

typedef struct act_case {
    ts_act f;
    ts_dtype t;
    int64_t rows, cols;
    double scale;
    bool in_place;
    float clamp, offset; /* gated alone */
    bool of_value;
} act_case;

static void name(const act_case *c, const char *kernel)
{
    check_case("%s act %d %s rows %lld cols %lld scale %g clamp %g offset %g%s%s", kernel, (int)c->f,
               ts_dtype_name(c->t), (long long)c->rows, (long long)c->cols, c->scale, (double)c->clamp,
               (double)c->offset, c->of_value ? " of values" : "", c->in_place ? " in place" : "");
}

static void plain(const check_env *e, const act_case *c)
{
    const int64_t n = c->rows * c->cols;
    ts_act_args a = { .act = c->f, .cols = c->cols, .dtype = c->t };
    name(c, "act_fwd");
    a.x = check_in(1, c->t, n, c->scale);
    a.y = check_out(c->t, n);
    check_kernel(e, TS_KERNEL_act_fwd, &a, c->rows);
    for (int64_t i = 0; i < n; i++) {
        const oracle o = act_oracle(c->f, check_get(a.x, i, c->t));
        check_elem("y", a.y, i, c->t, o.value, o.d_value);
    }
    name(c, "act_bwd");
    void *x = check_inout(1, c->t, n, c->scale);
    a.x = x;
    a.dy = check_in(2, c->t, n, 1);
    a.dx = c->in_place ? x : check_out(c->t, n);
    check_kernel(e, TS_KERNEL_act_bwd, &a, c->rows);
    for (int64_t i = 0; i < n; i++) {
        const oracle o = act_oracle(c->f, check_before(x, i, c->t));
        const double dy = check_get(a.dy, i, c->t);
        check_elem("dx", a.dx, i, c->t, dy * o.slope,
                   fabs(dy) * (o.d_slope + CHECK_U * fabs(o.slope)));
    }
}

/* What a gate gives and an up as they count, and whether they have gradients. */
static oracle held_gate(const act_case *c, double x, bool *passes)
{
    const double most = c->clamp > 0 ? (double)c->clamp : INFINITY;
    oracle o = act_oracle(c->f, c->of_value || x <= most ? x : most);
    *passes = c->of_value ? o.value <= most : x <= most;
    if (c->of_value && !*passes)
        o.value = most;
    return o;
}
static double held_up(const act_case *c, double x, bool *passes)
{
    const double most = c->clamp > 0 ? (double)c->clamp : INFINITY;
    *passes = fabs(x) <= most;
    return (*passes ? x : x < 0 ? -most : most) + (double)c->offset;
}

static void gated(const check_env *e, const act_case *c)
{
    const int64_t n = c->rows * c->cols;
    const double sum = c->offset != 0 ? 1 : 0; /* roundings of up + offset */
    bool passes;
    ts_act_args a = { .act = c->f, .cols = c->cols, .dtype = c->t, .clamp = c->clamp, .offset = c->offset,
                      .of_value = c->of_value };
    name(c, "glu_fwd");
    a.x = check_in(1, c->t, 2 * n, c->scale);
    a.y = check_out(c->t, n);
    check_kernel(e, TS_KERNEL_glu_fwd, &a, c->rows);
    for (int64_t i = 0; i < n; i++) {
        const int64_t gate = i + i / c->cols * c->cols;
        const oracle o = held_gate(c, check_get(a.x, gate, c->t), &passes);
        const double up = held_up(c, check_get(a.x, gate + c->cols, c->t), &passes);
        check_elem("y", a.y, i, c->t, o.value * up,
                   fabs(up) * (o.d_value + (1 + sum) * CHECK_U * fabs(o.value)));
    }
    name(c, "glu_bwd");
    void *x = check_inout(1, c->t, 2 * n, c->scale);
    a.x = x;
    a.dy = check_in(2, c->t, n, 1);
    a.dx = c->in_place ? x : check_out(c->t, 2 * n);
    check_kernel(e, TS_KERNEL_glu_bwd, &a, c->rows);
    for (int64_t i = 0; i < n; i++) {
        const int64_t gate = i + i / c->cols * c->cols, up = gate + c->cols;
        bool up_passes;
        const oracle o = held_gate(c, check_before(x, gate, c->t), &passes);
        const double dy = check_get(a.dy, i, c->t), dyu = dy * held_up(c, check_before(x, up, c->t), &up_passes);
        check_elem("dgate", a.dx, gate, c->t, passes ? dyu * o.slope : 0,
                   fabs(dyu) * (o.d_slope + (2 + sum) * CHECK_U * fabs(o.slope)));
        check_elem("dup", a.dx, up, c->t, up_passes ? dy * o.value : 0,
                   fabs(dy) * (o.d_value + CHECK_U * fabs(o.value)));
    }
}

/* Infinities, NaN, zeros and the ends of the exponential. */
static void special(const check_env *e, ts_act f)
{
    static const float x[] = { 0,      -0.0f,   INFINITY, -INFINITY, NAN,   88,     -88,
                               90,     -90,     104,      -104,      14.4f, -14.4f, 0.55f,
                               1e-20f, -1e-30f, 1e-42f,   3e5f,      -3e5f };
    const int64_t n = CHECK_COUNT(x);
    check_case("act_fwd act %d of special values", (int)f);
    float *in = check_inout(1, TS_DTYPE_F32, n, 1);
    memcpy(in, x, sizeof x);
    ts_act_args a = { .act = f, .cols = 1, .x = in, .y = check_out(TS_DTYPE_F32, n) };
    check_kernel(e, TS_KERNEL_act_fwd, &a, n);
    for (int64_t i = 0; i < n; i++) {
        const oracle o = act_oracle(f, (double)x[i]);
        check_elem("y", a.y, i, TS_DTYPE_F32, o.value, o.d_value);
    }
}

void check_act(const check_env *e)
{
    static const int64_t cols[] = { 1, 3, 8, 15, 16, 17, 31, 33, 100, 1030 };
    static const double scale[] = { 1e-4, 1, 12, 1e4 };
    int k = 0;
    for (int f = 0; f < TS_ACTS; f++) {
        for (int t = TS_DTYPE_F32; t <= TS_DTYPE_F16; t++)
            for (size_t i = 0; i < CHECK_COUNT(cols); i++)
                for (size_t s = 0; s < CHECK_COUNT(scale); s++) {
                    const act_case c = { .f = (ts_act)f, .t = (ts_dtype)t, .rows = 4,
                                         .cols = cols[i], .scale = scale[s],
                                         .in_place = k++ % 3 == 0 };
                    act_case held = c;
                    plain(e, &c);
                    gated(e, &c);
                    held.clamp = k % 4 ? (float)(0.6 * scale[s]) : 0;
                    held.offset = k % 3 ? 1.0f : 0.0f;
                    held.of_value = k % 5 < 2;
                    gated(e, &held);
                }
        special(e, (ts_act)f);
    }
}

void bench_act(const check_env *e)
{
    static const struct {
        ts_act f;
        const char *name;
    } acts[] = { { TS_ACT_SILU, "swiglu" },
                 { TS_ACT_GELU, "geglu" },
                 { TS_ACT_GELU_TANH, "geglu tanh" } };
    for (int t = TS_DTYPE_F32; t <= TS_DTYPE_BF16; t++)
        for (size_t i = 0; i < CHECK_COUNT(acts); i++) {
            const int64_t rows = 2048, cols = 1536, n = rows * cols, few = 64;
            const double size = (double)(n * (int64_t)ts_dtype_size((ts_dtype)t));
            char text[64];
            check_case("bench");
            ts_act_args a = { .act = acts[i].f, .cols = cols, .dtype = (ts_dtype)t,
                              .x = check_in(1, (ts_dtype)t, 2 * n, 4),
                              .y = check_out((ts_dtype)t, n), .dy = check_in(2, (ts_dtype)t, n, 1),
                              .dx = check_out((ts_dtype)t, 2 * n) };
            snprintf(text, sizeof text, "%s fwd %s 2048 x 1536", acts[i].name,
                     ts_dtype_name((ts_dtype)t));
            check_bench(e, text, TS_KERNEL_glu_fwd, &a, rows, (double)n, "elem", 3 * size);
            snprintf(text, sizeof text, "%s fwd %s 64 x 1536 (cache)", acts[i].name,
                     ts_dtype_name((ts_dtype)t));
            check_bench(e, text, TS_KERNEL_glu_fwd, &a, few, (double)(few * cols), "elem", 0);
            snprintf(text, sizeof text, "%s bwd %s 64 x 1536 (cache)", acts[i].name,
                     ts_dtype_name((ts_dtype)t));
            check_bench(e, text, TS_KERNEL_glu_bwd, &a, few, (double)(few * cols), "elem", 0);
            snprintf(text, sizeof text, "%s bwd %s 2048 x 1536", acts[i].name,
                     ts_dtype_name((ts_dtype)t));
            check_bench(e, text, TS_KERNEL_glu_bwd, &a, rows, (double)n, "elem", 5 * size);
        }
}
