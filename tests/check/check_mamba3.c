/* What Mamba 3 makes ready for its scan, against the same written in double, row by row; gradients against central
 * differences of that. An angle is a sum of S rounded steps of at most 2 pi. */
#include "check.h"

#include <string.h>

typedef struct mamba3_case {
    ts_dtype t;
    int64_t B, S, heads, groups, P, N, angles;
    int documents; /* their length; 0: sequences are whole */
    bool kept;
} mamba3_case;

enum { MOST = 600 };

/* Everything that goes in, in double. */
typedef struct numbers {
    double bc[MOST], raw[MOST], dt_bias[8], b_bias[64], c_bias[64];
    const float *parts; /* of the backward pass, as they come */
} numbers;

static void in_double(const ts_mamba3_args *a, numbers *v)
{
    const int64_t rows = a->B * a->S;
    for (int64_t i = 0; i < rows * 2 * a->groups * a->N; i++)
        v->bc[i] = check_get(a->bc, i, a->dtype);
    for (int64_t i = 0; i < rows * (3 * a->heads + a->angles); i++)
        v->raw[i] = check_get(a->raw, i, a->dtype);
    for (int64_t h = 0; h < a->heads; h++)
        v->dt_bias[h] = (double)a->dt_bias[h];
    for (int64_t i = 0; i < a->heads * a->N; i++)
        v->b_bias[i] = (double)a->b_bias[i], v->c_bias[i] = (double)a->c_bias[i];
}

static ts_mamba3_args args_of(const mamba3_case *c)
{
    const int64_t rows = c->B * c->S, H = c->heads;
    ts_mamba3_args a = { .B = c->B, .S = c->S, .heads = H, .groups = c->groups, .P = c->P, .N = c->N, .angles = c->angles,
                         .dtype = c->t, .floor = 0.5f, .x = check_in(1, c->t, rows * H * c->P, 1),
                         .bc = check_in(2, c->t, rows * 2 * c->groups * c->N, 1),
                         .raw = check_in(3, c->t, rows * (3 * H + c->angles), 2), .dt_bias = check_in(4, TS_DTYPE_F32, H, 1),
                         .b_bias = check_in(5, TS_DTYPE_F32, H * c->N, 1), .c_bias = check_in(6, TS_DTYPE_F32, H * c->N, 1),
                         .turns = check_out(TS_DTYPE_F32, rows * c->angles),
                         .xbc = check_out(c->t, rows * H * (c->P + 2 * c->N)), .steps = check_out(TS_DTYPE_F32, rows * 3 * H) };
    if (c->documents) {
        int32_t *first = check_ints(7, TS_DTYPE_I32, rows, 0);
        for (int64_t r = 0; r < rows; r++)
            first[r] = (int32_t)(r % c->S / c->documents * c->documents);
        check_touched(first);
        a.first_key = first;
    }
    if (c->kept) {
        a.state = check_inout(8, TS_DTYPE_F32, c->B * H * c->N * c->P, 1);
        a.angle = check_inout(9, TS_DTYPE_F32, c->B * H * c->angles, 3);
        a.before = check_inout(10, c->t, c->B * H * (c->N + c->P), 1);
    }
    return a;
}

static double softplus(double x) { return log1p(exp(x)); }
static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

/* Of a row and head: the turned B (which 0) or C, its steps, and what it gives the row before. angle: goes on. */
static void row_told(const ts_mamba3_args *a, const numbers *v, int64_t row, int64_t h, double *angle, double *b, double *c,
                     double step[3], double *late)
{
    const double *raw = v->raw + row * (3 * a->heads + a->angles), dt = softplus(raw[h] + v->dt_bias[h]),
                 l = sigmoid(raw[2 * a->heads + h]);
    for (int which = 0; which < 2; which++) {
        double *u = which ? c : b;
        const int64_t at = (row * 2 * a->groups + which * a->groups + h / (a->heads / a->groups)) * a->N;
        for (int64_t n = 0; n < a->N; n++)
            u[n] = v->bc[at + n] + (which ? v->c_bias : v->b_bias)[h * a->N + n];
        for (int64_t k = 0; k < a->angles; k++) {
            angle[k] += which ? 0 : acos(-1) * tanh(raw[3 * a->heads + k]) * dt;
            const double u0 = u[2 * k], u1 = u[2 * k + 1];
            u[2 * k] = u0 * cos(angle[k]) - u1 * sin(angle[k]), u[2 * k + 1] = u0 * sin(angle[k]) + u1 * cos(angle[k]);
        }
    }
    step[0] = -fmax(softplus(raw[a->heads + h]), (double)a->floor) * dt, step[1] = step[2] = l * dt, *late = (1 - l) * dt;
}

static bool begins(const ts_mamba3_args *a, int64_t row)
{
    return row % a->S == 0 || (a->first_key && a->first_key[row] == row % a->S);
}

static double bound_of(const ts_mamba3_args *a) { return CHECK_U * (32 + 16 * (double)a->S); }

static void judge_state(const ts_mamba3_args *a, int64_t b, int64_t h, double late)
{
    const int64_t head = b * a->heads + h;
    for (int64_t n = 0; n < a->N; n++)
        for (int64_t p = 0; p < a->P; p++) {
            const int64_t at = (head * a->N + n) * a->P + p, of = head * (a->N + a->P);
            const double was = check_before(a->state, at, TS_DTYPE_F32);
            const double more = late * check_before(a->before, of + n, a->dtype) * check_before(a->before, of + a->N + p, a->dtype);
            check_near("state", at, a->state[at], was + more, bound_of(a) * (fabs(was) + fabs(more)));
        }
}

static void forward(const check_env *e, const mamba3_case *k)
{
    static numbers v;
    const int64_t H = k->heads, width = H * (k->P + 2 * k->N);
    check_case("mamba3_fwd %s S %lld heads %lld groups %lld documents %d kept %d", ts_dtype_name(k->t), (long long)k->S,
               (long long)H, (long long)k->groups, k->documents, k->kept);
    ts_mamba3_args a = args_of(k);
    in_double(&a, &v);
    check_kernel(e, TS_KERNEL_mamba3_turns, &a, k->B * k->S);
    check_touched(a.turns);
    check_kernel(e, TS_KERNEL_mamba3_fwd, &a, 0);
    for (int64_t h = 0; h < H; h++) {
        double angle[8] = { 0 }, b[16], c[16], step[3], late, next[3], gives;
        for (int64_t row = 0; row < k->B * k->S; row++) {
            const int64_t head = row / k->S * H + h;
            for (int64_t i = 0; begins(&a, row) && i < k->angles; i++)
                angle[i] = k->kept && row % k->S == 0 ? check_before(a.angle, head * k->angles + i, TS_DTYPE_F32) : 0;
            row_told(&a, &v, row, h, angle, b, c, step, &late);
            if (row % k->S + 1 < k->S && !begins(&a, row + 1)) {
                double ahead[8], unused[16];
                memcpy(ahead, angle, sizeof ahead);
                row_told(&a, &v, row + 1, h, ahead, unused, unused, next, &gives);
                step[1] += gives;
            }
            for (int64_t n = 0; n < k->N; n++) {
                check_elem("B", a.xbc, row * width + H * k->P + h * k->N + n, k->t, b[n], bound_of(&a) * 4);
                check_elem("C", a.xbc, row * width + H * (k->P + k->N) + h * k->N + n, k->t, c[n], bound_of(&a) * 4);
            }
            for (int64_t p = 0; p < k->P; p++)
                check_equal("x", p, check_get(a.xbc, row * width + h * k->P + p, k->t),
                            check_get(a.x, (row * H + h) * k->P + p, k->t));
            for (int i = 0; i < 3; i++)
                check_near("step", row, a.steps[(row * H + h) * 3 + i], step[i], CHECK_U * 32 * fabs(step[i]));
            if (k->kept && row % k->S == 0)
                judge_state(&a, row / k->S, h, late);
        }
    }
}

/* What the gradients are of: parts times the turned B and C, dsteps times the steps; T: the sum of all sizes. */
static double total(const ts_mamba3_args *a, const numbers *v, double *T)
{
    double sum = 0, b[16], c[16], step[3], late;
    *T = 0;
    for (int64_t h = 0; h < a->heads; h++) {
        double angle[8] = { 0 };
        for (int64_t row = 0; row < a->B * a->S; row++) {
            const float *d = a->dsteps + (row * a->heads + h) * 3;
            for (int64_t i = 0; begins(a, row) && i < a->angles; i++)
                angle[i] = 0;
            row_told(a, v, row, h, angle, b, c, step, &late);
            for (int64_t n = 0; n < a->N; n++) {
                const int64_t at = (h * a->B * a->S + row) * 2 * a->N + n;
                const double x = (double)v->parts[at] * b[n],
                             y = (double)v->parts[at + a->N] * c[n];
                sum += x + y, *T += fabs(x) + fabs(y);
            }
            for (int i = 0; i < 3; i++)
                sum += (double)d[i] * step[i], *T += fabs((double)d[i] * step[i]);
            if (!begins(a, row))
                sum += (double)d[1 - 3 * a->heads] * late, *T += fabs((double)d[1 - 3 * a->heads] * late);
        }
    }
    return sum;
}

/* n numbers at x, whose gradients got says; of type t, or sums of sequences, `apart` elements from each other. */
static void judge(const ts_mamba3_args *a, numbers *v, double *x, int64_t n, const char *what, const void *got, ts_dtype t,
                  int64_t apart)
{
    const double h = 1e-5;
    double T;
    for (int64_t i = 0; i < n; i++) {
        const double at = x[i];
        x[i] = at + h;
        double want = total(a, v, &T);
        x[i] = at - h;
        want = (want - total(a, v, &T)) / (2 * h);
        x[i] = at;
        if (!apart) {
            check_elem(what, got, i, t, want, bound_of(a) * T);
            continue;
        }
        double sum = 0;
        for (int64_t b = 0; b < a->B; b++)
            sum += (double)((const float *)got)[b * apart + i];
        check_near(what, i, sum, want, bound_of(a) * T);
    }
}

static void backward(const check_env *e, const mamba3_case *k)
{
    static numbers v;
    const int64_t rows = k->B * k->S, H = k->heads, each = H * (2 * k->N + 1);
    check_case("mamba3_bwd %s S %lld heads %lld groups %lld documents %d", ts_dtype_name(k->t), (long long)k->S, (long long)H,
               (long long)k->groups, k->documents);
    ts_mamba3_args a = args_of(k);
    in_double(&a, &v);
    a.dsteps = check_in(11, TS_DTYPE_F32, rows * 3 * H, 1), a.parts = check_inout(12, TS_DTYPE_F32, H * rows * 2 * k->N, 1);
    v.parts = check_in(12, TS_DTYPE_F32, H * rows * 2 * k->N, 1);
    a.dturns = check_out(TS_DTYPE_F32, H * rows * k->angles), a.sums = check_out(TS_DTYPE_F32, k->B * each);
    a.dbc = check_out(k->t, rows * 2 * k->groups * k->N), a.draw = check_out(k->t, rows * (3 * H + k->angles));
    check_kernel(e, TS_KERNEL_mamba3_turns, &a, rows);
    check_touched(a.turns);
    a.waves = check_out(TS_DTYPE_F32, H * rows * 2 * k->angles);
    check_kernel(e, TS_KERNEL_mamba3_fwd, &a, 0);
    check_touched(a.waves);
    check_kernel(e, TS_KERNEL_mamba3_bwd, &a, 0);
    check_touched(a.parts), check_touched(a.dturns), check_touched(a.draw);
    check_kernel(e, TS_KERNEL_mamba3_join, &a, rows);
    judge(&a, &v, v.bc, rows * 2 * k->groups * k->N, "dbc", a.dbc, k->t, 0);
    judge(&a, &v, v.raw, rows * (3 * H + k->angles), "draw", a.draw, k->t, 0);
    judge(&a, &v, v.b_bias, H * k->N, "db_bias", a.sums, TS_DTYPE_F32, each);
    judge(&a, &v, v.c_bias, H * k->N, "dc_bias", a.sums + H * k->N, TS_DTYPE_F32, each);
    judge(&a, &v, v.dt_bias, H, "ddt_bias", a.sums + 2 * H * k->N, TS_DTYPE_F32, each);
}

void check_mamba3(const check_env *e)
{
    static const mamba3_case cases[] = {
        { TS_DTYPE_F32, 2, 9, 4, 2, 5, 6, 2, 0, false }, { TS_DTYPE_F32, 2, 7, 3, 1, 4, 7, 3, 3, false },
        { TS_DTYPE_BF16, 1, 6, 2, 1, 3, 4, 2, 0, false }, { TS_DTYPE_F32, 1, 5, 2, 2, 3, 4, 1, 1, false },
    };
    static const mamba3_case kept[] = { { TS_DTYPE_F32, 2, 5, 4, 2, 5, 6, 2, 0, true },
                                        { TS_DTYPE_F16, 2, 1, 2, 1, 3, 4, 2, 0, true } };
    for (size_t i = 0; i < CHECK_COUNT(cases); i++)
        forward(e, &cases[i]), backward(e, &cases[i]);
    for (size_t i = 0; i < CHECK_COUNT(kept); i++)
        forward(e, &kept[i]);
}

void bench_mamba3(const check_env *e)
{
    check_case("bench");
    const mamba3_case c = { TS_DTYPE_F32, 1, 512, 16, 1, 64, 128, 32, 0, false };
    const int64_t rows = c.B * c.S, H = c.heads;
    ts_mamba3_args a = args_of(&c);
    a.dsteps = check_in(11, TS_DTYPE_F32, rows * 3 * H, 1), a.parts = check_inout(12, TS_DTYPE_F32, H * rows * 2 * c.N, 1);
    a.dturns = check_out(TS_DTYPE_F32, H * rows * c.angles), a.sums = check_out(TS_DTYPE_F32, c.B * H * (2 * c.N + 1));
    a.dbc = check_out(c.t, rows * 2 * c.N), a.draw = check_out(c.t, rows * (3 * H + c.angles));
    check_kernel(e, TS_KERNEL_mamba3_turns, &a, rows);
    check_touched(a.turns);
    a.waves = check_out(TS_DTYPE_F32, H * rows * 2 * c.angles);
    check_bench(e, "mamba3_fwd", TS_KERNEL_mamba3_fwd, &a, 0, (double)(rows * H * c.N), "state", 0);
    check_bench(e, "mamba3_bwd", TS_KERNEL_mamba3_bwd, &a, 0, (double)(rows * H * c.N), "state", 0);
}
