/* Streams side by side, their mixtures and magnitudes, sparse gates, columns put together in other ways. */
#include "grad.h"

#include "ops/altup.h"
#include "ops/columns.h"
#include "ops/hyper.h"

#include <math.h>

enum { T = 4, W = 6, INS = 2, OUTS = 3 };

/* ---- mix: x, m, and what it is added to ---- */

static void mix_oracle(const grad_case *g, double *const *x, double *y)
{
    for (int64_t t = 0; t < T; t++)
        for (int64_t j = 0; j < OUTS; j++)
            for (int64_t c = 0; c < W; c++) {
                double sum = g->var[2].name ? x[2][(t * OUTS + j) * W + c] : 0;
                for (int64_t i = 0; i < INS; i++)
                    sum += (x[1][(t * OUTS + j) * INS + i] + 1) * x[0][(t * INS + i) * W + c];
                y[(t * OUTS + j) * W + c] = sum;
            }
}

static ts_status mix_run(const grad_case *g, grad_env *e)
{
    (void)g;
    return ts_op_mix(e->tape, e->leaf[0], e->leaf[2], e->leaf[1], INS, OUTS, 1, &e->out[0]);
}

/* ---- magnitude ---- */

static double root(const double *v)
{
    double sum = 0;
    for (int64_t c = 0; c < W; c++)
        sum += v[c] * v[c] / W;
    return sum;
}

static void magnitude_oracle(const grad_case *g, double *const *x, double *y)
{
    const double least = *(const double *)g->ctx;
    for (int64_t i = 0; i < T * W; i++) {
        const int64_t at = i / W * W;
        y[i] = x[1][i] * sqrt(root(x[0] + at) / fmax(root(x[1] + at), least));
    }
}

static ts_status magnitude_run(const grad_case *g, grad_env *e)
{
    return ts_op_magnitude(e->tape, e->leaf[0], e->leaf[1], (float)*(const double *)g->ctx, &e->out[0]);
}

/* ---- sparse: the first W columns of 2 W ---- */

static void sparse_oracle(const grad_case *g, double *const *x, double *y)
{
    (void)g;
    for (int64_t t = 0; t < T; t++) {
        const double *row = x[0] + 2 * t * W;
        double mean = 0, var = 0;
        for (int64_t c = 0; c < W; c++)
            mean += row[c] / W;
        for (int64_t c = 0; c < W; c++)
            var += (row[c] - mean) * (row[c] - mean) / W;
        for (int64_t c = 0; c < 2 * W; c++)
            y[2 * t * W + c] = c < W ? fmax(0, row[c] - mean - (double)0.3f * sqrt(var)) : row[c];
    }
}

static ts_status sparse_run(const grad_case *g, grad_env *e)
{
    (void)g;
    return ts_op_sparse(e->tape, NULL, e->leaf[0], W, W, 0.3f, &e->out[0]);
}

/* ---- columns by a weight, one tensor to several streams ---- */

static void scale_oracle(const grad_case *g, double *const *x, double *y)
{
    (void)g;
    for (int64_t i = 0; i < T * W; i++)
        y[i] = x[0][i] * x[1][i % W];
}

static ts_status scale_run(const grad_case *g, grad_env *e)
{
    (void)g;
    return ts_op_weigh_cols(e->tape, e->leaf[0], e->param[1], &e->out[0]);
}

static void streams_oracle(const grad_case *g, double *const *x, double *y)
{
    (void)g;
    for (int64_t i = 0; i < T * OUTS * W; i++)
        y[i] = x[0][i] + (i / W % OUTS ? x[1][i / (OUTS * W) * W + i % W] : 0);
}

static ts_status streams_run(const grad_case *g, grad_env *e)
{
    (void)g;
    return ts_op_add_streams(e->tape, e->leaf[0], e->leaf[1], 1, &e->out[0]);
}

/* ---- columns: side by side, then in rows of another width; a group's last ones twice ---- */

static void beside_oracle(const grad_case *g, double *const *x, double *y)
{
    (void)g;
    for (int64_t i = 0; i < T * (W + 2); i++) {
        const int64_t row = i / (W + 2), c = i % (W + 2);
        y[i] = c < W ? x[0][row * W + c] : x[1][row * 2 + c - W];
    }
}

static ts_status beside_run(const grad_case *g, grad_env *e)
{
    (void)g;
    TS_TRY(ts_op_join_cols(e->tape, e->leaf[0], e->leaf[1], &e->out[0]));
    return ts_op_reshape(e->tape, e->out[0], 4, &e->out[0]);
}

static void repeat_oracle(const grad_case *g, double *const *x, double *y)
{
    (void)g;
    for (int64_t i = 0; i < T * 2 * 5; i++) {
        const int64_t group = i / 5, c = i % 5;
        y[i] = x[0][group * 3 + (c < 3 ? c : c - 2)];
    }
}

static ts_status repeat_run(const grad_case *g, grad_env *e)
{
    (void)g;
    return ts_op_repeat_last(e->tape, e->leaf[0], 2, 2, &e->out[0]);
}

/* Columns of one tensor, taken twice: their gradients come together. */
static void takers_oracle(const grad_case *g, double *const *x, double *y)
{
    (void)g;
    for (int64_t i = 0; i < T * 3; i++)
        y[i] = x[0][i / 3 * W + i % 3] + 2 * x[0][i / 3 * W + 2 + i % 3];
}

static ts_status takers_run(const grad_case *g, grad_env *e)
{
    (void)g;
    ts_tensor *a, *b;
    TS_TRY(ts_op_take_cols(e->tape, e->leaf[0], 1, 0, 3, &a));
    TS_TRY(ts_op_take_cols(e->tape, e->leaf[0], 1, 2, 3, &b));
    return ts_op_add(e->tape, a, 1, b, 2, &e->out[0]);
}

/* ---- coefficients of hyper-connections: x, scales, biases; three streams, or what reads two alone ---- */

enum { TURNS = 4 };
static const double hyper_eps = (double)1e-3f;

static void hyper_oracle(const grad_case *g, double *const *x, double *y)
{
    const int64_t n = *(const int64_t *)g->ctx, cols = g->n_out / T;
    for (int64_t t = 0; t < T; t++, y += cols) {
        double z[GRAD_VARS * 2], *m = z + 2 * n;
        for (int64_t c = 0; c < cols; c++)
            z[c] = x[0][t * cols + c] * x[1][c < n ? 0 : c < 2 * n ? 1 : 2] + x[2][c];
        for (int64_t c = 0; c < n; c++) {
            y[c] = 1 / (1 + exp(-z[c])) + hyper_eps;
            if (cols > n)
                y[n + c] = 2 / (1 + exp(-z[n + c]));
        }
        for (int turn = 0; cols > n && turn < TURNS; turn++) {
            double sum[2][GRAD_VARS] = { { 0 } };
            for (int64_t k = 0; k < n * n; k++) {
                m[k] = turn ? m[k] : exp(m[k]);
                sum[0][k / n] += m[k];
            }
            for (int64_t k = 0; k < n * n; k++) {
                m[k] = turn ? m[k] / (sum[0][k / n] + hyper_eps) : m[k] / sum[0][k / n] + hyper_eps;
                sum[1][k % n] += m[k];
            }
            for (int64_t k = 0; k < n * n; k++)
                y[2 * n + k % n * n + k / n] = m[k] /= sum[1][k % n] + hyper_eps;
        }
    }
}

static ts_status hyper_run(const grad_case *g, grad_env *e)
{
    const int64_t n = *(const int64_t *)g->ctx;
    const ts_hyper_op o = { .streams = n, .iterations = g->n_out > T * n ? TURNS : 0, .eps = 1e-3f, .scale = e->param[1],
                            .base = e->param[2] };
    return ts_op_hyper(e->tape, &o, e->leaf[0], &e->out[0]);
}

static const double tiny = 1e-5, large = 4;
static const int64_t two = 2, three = 3;
static const grad_case cases[] = {
    { "mix", { IN("x", T, INS *W), IN("m", T, INS *OUTS) }, .n_out = T * OUTS * W, .longest = W, .oracle = mix_oracle, .run = mix_run },
    { "mix, added", { IN("x", T, INS *W), IN("m", T, INS *OUTS), IN("b", T, OUTS *W) }, .n_out = T * OUTS * W, .longest = W,
      .oracle = mix_oracle, .run = mix_run },
    { "magnitude", { IN("x", T, W), IN("p", T, W) }, .n_out = T * W, .longest = W, .oracle = magnitude_oracle,
      .run = magnitude_run, .ctx = &tiny, .with_bf16 = true },
    { "magnitude, held", { IN("x", T, W), IN("p", T, W) }, .n_out = T * W, .longest = W, .oracle = magnitude_oracle,
      .run = magnitude_run, .ctx = &large },
    { "sparse", { IN("x", T, 2 * W) }, .n_out = T * 2 * W, .longest = 2 * W, .oracle = sparse_oracle, .run = sparse_run },
    { "weigh_cols", { IN("x", T, W), PARAM("w", W, 0) }, .n_out = T * W, .longest = T, .oracle = scale_oracle,
      .run = scale_run, .with_bf16 = true },
    { "add_streams", { IN("x", T, OUTS *W), IN("more", T, W) }, .n_out = T * OUTS * W, .longest = OUTS,
      .oracle = streams_oracle, .run = streams_run, .with_bf16 = true },
    { "beside, reshape", { IN("a", T, W), IN("b", T, 2) }, .n_out = T * (W + 2), .longest = 1, .oracle = beside_oracle,
      .run = beside_run, .with_bf16 = true },
    { "repeat_last", { IN("x", T, 6) }, .n_out = T * 2 * 5, .longest = 2, .oracle = repeat_oracle, .run = repeat_run,
      .with_bf16 = true },
    { "hyper", { IN("x", T, 15, .scale = 3), PARAM("scale", 3, 0), PARAM("base", 15, 0) }, .n_out = T * 15, .longest = T * 9,
      .oracle = hyper_oracle, .run = hyper_run, .ctx = &three },
    { "hyper, read", { IN("x", T, 2, .scale = 3), PARAM("scale", 1, 0), PARAM("base", 2, 0) }, .n_out = T * 2,
      .longest = T * 2, .oracle = hyper_oracle, .run = hyper_run, .ctx = &two },
    { "columns taken twice", { IN("x", T, W) }, .n_out = T * 3, .longest = 2, .oracle = takers_oracle, .run = takers_run },
};

int main(void)
{
    bool all_ = true;
    GRAD_RUN(cases);
    return !all_;
}
