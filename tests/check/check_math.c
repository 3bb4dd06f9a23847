#define TS_ISA ref
#include "device/cpu/simd/f32_ref.h"
#include "check_math_body.h"

#include "check.h"

/* These are functions, not kernels: the table needs no row of theirs. */
void ts_cpu_init_math(ts_cpu *c) { (void)c; }

typedef struct function {
    const char *name;
    double (*want)(double x);
    double (*bound)(double x, double want); /* as simd/ says, in units of u x what it names */
} function;

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double phi(double x) { return 0.5 * erfc(-0.70710678118654752440 * x); }
static double density(double x) { return 0.39894228040143267794 * exp(-0.5 * x * x); }

static double exp_bound(double x, double y) { return (void)x, 2.2 * y + 0x1p-126; }
static double tanh_bound(double x, double y) { return (fabs(x) < 0.55 ? 1.3 : 6) * fabs(y); }
/* e^-x overflows below -88.7 */
static double sigmoid_bound(double x, double y) { return (2 + 3.2 * sigmoid(-x)) * y + 1e-30; }
static double phi_bound(double x, double y)
{
    return (12 + x * x) * 0.5 * erfc(fabs(x) * 0.70710678118654752440) + (x > 0 ? y : 0) + 0x1p-120;
}
static double density_bound(double x, double y) { return (5 + x * x) * y + 0x1p-120; }

static const function functions[] = { { "exp", exp, exp_bound },
                                      { "tanh", tanh, tanh_bound },
                                      { "sigmoid", sigmoid, sigmoid_bound },
                                      { "phi", phi, phi_bound },
                                      { "density", density, density_bound } };

static void one(const check_math_table *t, size_t f, double scale, int64_t n)
{
    static const float special[] = { 0,       -0.0f,   INFINITY, -INFINITY,  NAN,    88.72f,
                                     88.73f,  89,      90,       -87.3f,     -87.4f, -88.7f,
                                     -88.8f,  -103.9f, -104,     -200,       1e30f,  -1e30f,
                                     1e-30f,  1e-44f,  0.55f,    0.5499999f, 14.42f, 14.43f,
                                     -14.42f, -14.43f, 13.2f };
    void (*const run[])(const float *, float *, int64_t) = { t->exp, t->tanh, t->sigmoid, t->phi,
                                                             t->density };
    check_case("%s of %lld values below %g", functions[f].name, (long long)n, scale);
    float *x = check_inout(f, TS_DTYPE_F32, n, scale), *y = check_out(TS_DTYPE_F32, n);
    for (int64_t i = 0; n > 100 && i < (int64_t)CHECK_COUNT(special); i++)
        x[i] = special[i];
    run[f](x, y, n);
    for (int64_t i = 0; i < n; i++) {
        const double want = functions[f].want((double)x[i]), got = (double)y[i];
        if (want > (double)FLT_MAX) /* in fp32 infinity */
            check_near(functions[f].name, i, got, INFINITY, 0);
        else
            check_near(functions[f].name, i, got, want,
                       CHECK_U * functions[f].bound((double)x[i], want) + 0x1p-149);
    }
}

void check_math(const check_env *e)
{
    static const double scale[] = { 1e-3, 0.6, 3, 20, 105 };
    check_math_table t;
    check_math_init_ref(&t);
#if defined(__x86_64__)
    if (e->isa & TS_ISA_AVX2)
        check_math_init_avx2(&t);
    if (e->isa & TS_ISA_AVX512)
        check_math_init_avx512(&t);
#endif
    for (size_t f = 0; f < CHECK_COUNT(functions); f++) {
        for (size_t s = 0; s < CHECK_COUNT(scale); s++)
            one(&t, f, scale[s], 200003);
        for (int64_t n = 1; n < 40; n++)
            one(&t, f, 2, n);
    }
}

void bench_math(const check_env *e) { (void)e; }
