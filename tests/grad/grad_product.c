/* Products place by place, scaled columns, bounds, layer norms of heads, and a gated convolution of them. */
#include "grad.h"
#include "ops/product.h"
#include "ops/scan.h"

#include <math.h>
#include <stdio.h>

enum { T = 5, W = 9 };

/* ---- products ---- */

static double factor(double z, ts_factor_kind kind)
{
    const double s = 1 / (1 + exp(-z));
    return kind == TS_FACTOR_ITSELF ? z : kind == TS_FACTOR_SILU ? z * s : s;
}

static void product_oracle(const grad_case *g, double *const *x, double *y)
{
    for (int64_t i = 0; i < T * W; i++)
        y[i] = x[0][i] * factor(x[1][i / (W / g->var[1].d1)], *(const ts_factor_kind *)g->ctx);
}

static ts_status product_run(const grad_case *g, grad_env *e)
{
    return ts_op_product(e->tape, *(const ts_factor_kind *)g->ctx, e->leaf[0], e->leaf[1], &e->out[0]);
}

static const ts_factor_kind itself = TS_FACTOR_ITSELF, silu = TS_FACTOR_SILU, sigmoid = TS_FACTOR_SIGMOID;
#define PRODUCT .n_out = T * W, .longest = 1, .oracle = product_oracle, .run = product_run, .with_bf16 = true
static const grad_case products[] = {
    { "product", { IN("x", T, W), IN("z", T, W) }, PRODUCT, .ctx = &itself },
    { "product with silu", { IN("x", T, W), IN("z", T, W, .scale = 3) }, PRODUCT, .ctx = &silu },
    { "product with sigmoid", { IN("x", T, W), IN("z", T, W, .scale = 4) }, PRODUCT, .ctx = &sigmoid },
    { "product with sigmoid of each head", { IN("x", T, W), IN("z", T, W / 3) }, .n_out = T * W, .longest = 3,
      .oracle = product_oracle, .run = product_run, .with_bf16 = true, .ctx = &sigmoid },
    { "product with sigmoid, one frozen", { IN("x", T, W, .is_frozen = true), IN("z", T, W) }, PRODUCT, .ctx = &sigmoid },
};

/* ---- a gated convolution, c * conv(b * x), whose inner results are made again one from another ---- */

enum { WIDTH = 3 };

static void gated_oracle(const grad_case *g, double *const *x, double *y)
{
    (void)g;
    for (int64_t t = 0; t < T; t++)
        for (int64_t c = 0; c < W; c++) {
            double v = 0;
            for (int64_t k = 0; k < WIDTH; k++) {
                const int64_t j = t - (WIDTH - 1) + k;
                v += j < 0 ? 0 : x[3][c * WIDTH + k] * x[0][j * W + c] * x[1][j * W + c];
            }
            y[t * W + c] = v * x[2][t * W + c];
        }
}

static ts_status gated_run(const grad_case *g, grad_env *e)
{
    const ts_conv_op conv = { .B = 1, .S = T, .w = e->param[3] };
    ts_tensor *gated, *seen;
    (void)g;
    TS_TRY(ts_tape_push(e->tape));
    TS_TRY(ts_op_product(e->tape, TS_FACTOR_ITSELF, e->leaf[0], e->leaf[1], &gated));
    TS_TRY(ts_op_conv(e->tape, &conv, gated, &seen));
    TS_TRY(ts_op_product(e->tape, TS_FACTOR_ITSELF, seen, e->leaf[2], &e->out[0]));
    ts_tape_pop(e->tape, e->out[0]);
    return TS_OK;
}

#define GATED                                                                                                     \
    { IN("x", T, W), IN("b", T, W), IN("c", T, W), PARAM("w", W, WIDTH) },                                        \
    .n_out = T * W, .longest = T, .oracle = gated_oracle, .run = gated_run
static const grad_case gates[] = {
    { "gated convolution", GATED },
    { "gated convolution, made again", GATED, .tape = { .replay = true } },
};

/* ---- columns, bounds ---- */

static const ts_stretch_factors by = { 3, { 2, 4, 3 }, { 0.25f, 1, -2 } };

static void scale_oracle(const grad_case *g, double *const *x, double *y)
{
    (void)g;
    for (int64_t i = 0; i < T * W; i++)
        y[i] = x[0][i] * (double)by.factor[i % W < 2 ? 0 : i % W < 6 ? 1 : 2];
}

static ts_status scale_run(const grad_case *g, grad_env *e)
{
    (void)g;
    return ts_op_scale_cols(e->tape, &by, e->leaf[0], &e->out[0]);
}

static void clip_oracle(const grad_case *g, double *const *x, double *y)
{
    (void)g;
    for (int64_t i = 0; i < T * W; i++)
        y[i] = fmax(-0.5, fmin(0.5, x[0][i]));
}

static ts_status clip_run(const grad_case *g, grad_env *e)
{
    (void)g;
    return ts_op_clip(e->tape, 0.5f, e->leaf[0], &e->out[0]);
}

static const grad_case columns[] = {
    { "scaled columns", { IN("x", T, W) }, .n_out = T * W, .oracle = scale_oracle, .run = scale_run, .with_bf16 = true },
    { "clip", { IN("x", T, W) }, .n_out = T * W, .oracle = clip_oracle, .run = clip_run },
};

/* ---- layer norms of heads, each with weights of its own ---- */

enum { Q = 4, KV = 2, D = 6, GROUP = (Q / KV + 2) * D, ROW = KV * GROUP };

static void heads_oracle(const grad_case *g, double *const *x, double *y)
{
    (void)g;
    for (int64_t at = 0, slot = 0; at < T * ROW; at += D, slot++) {
        const int64_t in = slot % (Q / KV + 2), group = slot / (Q / KV + 2) % KV;
        const double *w = in < Q / KV ? x[1] + (group * (Q / KV) + in) * D : x[2] + group * D;
        double mean = 0, var = 0;
        for (int64_t i = 0; i < D; i++)
            mean += x[0][at + i] / D;
        for (int64_t i = 0; i < D; i++)
            var += (x[0][at + i] - mean) * (x[0][at + i] - mean) / D;
        for (int64_t i = 0; i < D; i++)
            y[at + i] = in > Q / KV ? x[0][at + i] : (x[0][at + i] - mean) / sqrt(var + (double)1e-2f) * w[i];
    }
}

static ts_status heads_run(const grad_case *g, grad_env *e)
{
    const ts_rope_op o = { .n_q = Q, .n_kv = KV, .head_dim = D, .own_weights = true, .wq = e->param[1],
                           .wk = e->param[2], .eps = 1e-2f };
    ts_tensor *centred;
    (void)g;
    TS_TRY(ts_op_centre_heads(e->tape, KV, D, e->leaf[0], &centred));
    return ts_op_rope(e->tape, &o, centred, &e->out[0]);
}

static const grad_case heads[] = {
    { "layer norm of heads", { IN("qkv", T, ROW), PARAM("wq", Q *D, 0), PARAM("wk", KV *D, 0) }, .n_out = T * ROW,
      .longest = 2 * D, .oracle = heads_oracle, .run = heads_run },
};

int main(void)
{
    bool all_ = true;
    GRAD_RUN(products);
    GRAD_RUN(gates);
    GRAD_RUN(columns);
    GRAD_RUN(heads);
    return all_ ? 0 : 1;
}
