/* Convolutions over frames, rows and columns: kernels, strides and dilations of each dimension, several
 * samples, with and without bias. */
#include "grad.h"
#include "ops/conv3d.h"

typedef struct conv_case {
    int64_t in, out, samples, size[3], kernel[3], stride[3], dilation[3];
} conv_case;

static ts_conv3d_op op_of(const conv_case *c)
{
    ts_conv3d_op o = { .samples = c->samples };
    for (int i = 0; i < TS_CONV_DIMS; i++) {
        o.size[i] = c->size[i], o.kernel[i] = c->kernel[i];
        o.stride[i] = c->stride[i], o.dilation[i] = c->dilation[i];
    }
    return o;
}

/* By its definition, position by position. */
static void conv_oracle(const grad_case *g, double *const *x, double *y)
{
    const conv_case *c = g->ctx;
    const ts_conv3d_op o = op_of(c);
    const int64_t *k = c->kernel, *s = c->stride, *d = c->dilation, *n = c->size;
    const int64_t F = ts_conv3d_out(&o, 0), R = ts_conv3d_out(&o, 1), C = ts_conv3d_out(&o, 2);
    for (int64_t f = 0; f < F; f++)
    for (int64_t b = 0; b < c->samples; b++)
    for (int64_t r = 0; r < R; r++)
    for (int64_t q = 0; q < C; q++)
    for (int64_t z = 0; z < c->out; z++) {
        double sum = g->var[2].name ? x[2][z] : 0;
        for (int64_t i = 0; i < k[0]; i++)
        for (int64_t j = 0; j < k[1]; j++)
        for (int64_t l = 0; l < k[2]; l++)
        for (int64_t a = 0; a < c->in; a++) {
            const int64_t frame = f * s[0] + i * d[0], row = r * s[1] + j * d[1], column = q * s[2] + l * d[2];
            const int64_t at = ((frame * c->samples + b) * n[1] + row) * n[2] + column;
            const int64_t p = (i * k[1] + j) * k[2] + l;
            sum += x[1][(z * k[0] * k[1] * k[2] + p) * c->in + a] * x[0][at * c->in + a];
        }
        y[(((f * c->samples + b) * R + r) * C + q) * c->out + z] = sum;
    }
}

static ts_status conv_run(const grad_case *g, grad_env *e)
{
    ts_conv3d_op o = op_of(g->ctx);
    o.w = e->param[1];
    o.b = e->param[2];
    TS_TRY(ts_conv3d_check(&o));
    return ts_op_conv3d(e->tape, &o, e->leaf[0], &e->out[0]);
}

static const conv_case point = { 3, 5, 1, { 3, 2, 2 }, { 1, 1, 1 }, { 1, 1, 1 }, { 1, 1, 1 } },
                       cube = { 2, 3, 1, { 4, 4, 5 }, { 3, 3, 3 }, { 1, 1, 1 }, { 1, 1, 1 } },
                       strided = { 2, 3, 2, { 5, 4, 5 }, { 3, 1, 2 }, { 2, 2, 1 }, { 1, 1, 1 } },
                       spaced = { 2, 2, 1, { 6, 3, 5 }, { 2, 1, 3 }, { 1, 1, 1 }, { 3, 1, 2 } },
                       apart = { 2, 2, 1, { 5, 3, 3 }, { 1, 1, 1 }, { 2, 2, 2 }, { 1, 1, 1 } };
#define CONV(rows, out, sum) .n_out = (rows) * (out), .longest = sum, .oracle = conv_oracle, .run = conv_run, .with_bf16 = true
static const grad_case convs[] = {
    { "conv3d, a point", { IN("x", 12, 3), PARAM("w", 5, 3), PARAM("b", 5, 0) }, CONV(12, 5, 12), .ctx = &point },
    { "conv3d, a cube", { IN("x", 80, 2), PARAM("w", 3, 54), PARAM("b", 3, 0) }, CONV(12, 3, 54), .ctx = &cube },
    { "conv3d, strides, samples", { IN("x", 200, 2), PARAM("w", 3, 12) }, CONV(32, 3, 32), .ctx = &strided },
    { "conv3d, dilation", { IN("x", 90, 2), PARAM("w", 2, 12), PARAM("b", 2, 0) }, CONV(9, 2, 12), .ctx = &spaced },
    { "conv3d, rows that nobody reads", { IN("x", 45, 2), PARAM("w", 2, 2) }, CONV(12, 2, 12), .ctx = &apart },
    { "conv3d, frozen weight",
      { IN("x", 80, 2), PARAM("w", 3, 54, .is_frozen = true) },
      CONV(12, 3, 54),
      .ctx = &cube },
};

int main(void)
{
    bool all_ = true;
    GRAD_RUN(convs);
    return all_ ? 0 : 1;
}
