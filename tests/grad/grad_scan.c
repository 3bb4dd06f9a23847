/* Layers that carry a state: the convolution, the scan of a state-space layer, the norm with a gate. */
#include "grad.h"
#include "ops/columns.h"
#include "ops/scan.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { B = 2, S = 70, ROWS = B * S };

/* Documents that begin at these rows. */
static const int32_t no_rows[] = { 0 }, some_rows[] = { 0, 3, 4 };
typedef struct documents {
    const int32_t *begin;
    int n;
} documents;

static int32_t first_of(const documents *d, int64_t i)
{
    int32_t first = 0;
    for (int k = 0; k < d->n; k++)
        first = d->begin[k] <= i ? d->begin[k] : first;
    return first;
}

static ts_status first_keys(const documents *d, grad_env *e, int64_t n, ts_tensor **out)
{
    int32_t first[ROWS];
    for (int64_t r = 0; r < ROWS; r++)
        first[r] = first_of(d, r % n);
    return grad_ints(e, first, B * n, out);
}

/* ---- convolution ---- */

enum { COLS = 5, WIDTH = 4, SHORT = 7 };
typedef struct conv_case {
    documents d;
    bool silu;
} conv_case;

static void conv_oracle(const grad_case *g, double *const *x, double *y)
{
    const conv_case *n = g->ctx;
    for (int64_t r = 0; r < B * SHORT; r++)
        for (int64_t c = 0; c < COLS; c++) {
            double v = g->var[2].name ? x[2][c] : 0;
            for (int64_t k = 0; k < WIDTH; k++) {
                const int64_t j = r % SHORT - (WIDTH - 1) + k;
                if (j >= first_of(&n->d, r % SHORT))
                    v += x[1][c * WIDTH + k] * x[0][(r / SHORT * SHORT + j) * COLS + c];
            }
            y[r * COLS + c] = n->silu ? v / (1 + exp(-v)) : v;
        }
}

static ts_status conv_run(const grad_case *g, grad_env *e)
{
    const conv_case *n = g->ctx;
    ts_tensor *first;
    TS_TRY(first_keys(&n->d, e, SHORT, &first));
    const ts_conv_op o = { .B = B, .S = SHORT, .w = e->param[1], .b = e->param[2], .silu = n->silu,
                           .first_key = n->d.n > 1 ? first : NULL };
    return ts_op_conv(e->tape, &o, e->leaf[0], &e->out[0]);
}

static const conv_case conv_whole = { { no_rows, 1 }, true }, conv_parts = { { some_rows, 3 }, false };
#define CONV .n_out = B * SHORT * COLS, .longest = B * SHORT, .oracle = conv_oracle, .run = conv_run, .with_bf16 = true
static const grad_case convs[] = {
    { "convolution, silu", { IN("x", B * SHORT, COLS), PARAM("w", COLS, WIDTH), PARAM("b", COLS, 0) }, CONV, .ctx = &conv_whole },
    { "convolution, documents", { IN("x", B * SHORT, COLS), PARAM("w", COLS, WIDTH) }, CONV, .ctx = &conv_parts },
};

/* ---- scan ---- */

enum { HEADS = 2, P = 2, N = 3, XBC = HEADS * P + 2 * N };

static void ssd_oracle(const grad_case *g, double *const *x, double *y)
{
    const documents *d = g->ctx;
    for (int64_t b = 0; b < B; b++)
        for (int64_t head = 0; head < HEADS; head++) {
            double h[N * P] = { 0 };
            for (int64_t t = 0; t < S; t++) {
                const double *row = x[0] + (b * S + t) * XBC, *in = row + head * P, *Bt = row + HEADS * P, *Ct = Bt + N;
                const double dt = log1p(exp(x[1][(b * S + t) * HEADS + head] + x[4][head]));
                const double decay = exp(-exp(x[2][head]) * dt);
                if (first_of(d, t) == t)
                    memset(h, 0, sizeof h);
                for (int64_t p = 0; p < P; p++) {
                    double sum = x[3][head] * in[p];
                    for (int64_t n = 0; n < N; n++) {
                        h[n * P + p] = decay * h[n * P + p] + dt * Bt[n] * in[p];
                        sum += Ct[n] * h[n * P + p];
                    }
                    y[((b * S + t) * HEADS + head) * P + p] = sum;
                }
            }
        }
}

static ts_status ssd_run(const grad_case *g, grad_env *e)
{
    const documents *d = g->ctx;
    ts_tensor *first;
    TS_TRY(first_keys(d, e, S, &first));
    const ts_ssd_op o = { .B = B, .S = S, .heads = HEADS, .groups = 1, .P = P, .N = N, .hi = INFINITY,
                          .A_log = e->param[2], .D = e->param[3], .dt_bias = e->param[4],
                          .first_key = d->n > 1 ? first : NULL };
    return ts_op_ssd(e->tape, &o, e->leaf[0], e->leaf[1], &e->out[0]);
}

static const documents whole = { no_rows, 1 }, parts = { some_rows, 3 };
#define SSD                                                                                                      \
    { IN("xbc", ROWS, XBC), IN("dt", ROWS, HEADS), PARAM("A_log", HEADS, 0), PARAM("D", HEADS, 0),               \
      PARAM("dt_bias", HEADS, 0) },                                                                              \
    .n_out = ROWS * HEADS * P, .longest = 40 * ROWS, .oracle = ssd_oracle, .run = ssd_run
static const grad_case scans[] = {
    { "scan", SSD, .ctx = &whole },
    { "scan, documents", SSD, .ctx = &parts },
};

/* ---- scan of Mamba 3 ---- */

/* One angle, of a state's first pair, which goes by the first step too: alone it would have no gradient where it turns all
 * rows of a document. */
enum { RAW = 3 * HEADS };

/* B (which 0) or C of a row and head. */
static void turned(double *const *x, int64_t row, int64_t head, int which, double angle, double u[N])
{
    for (int64_t n = 0; n < N; n++)
        u[n] = x[1][(row * 2 + which) * N + n] + x[5 + which][head * N + n];
    const double u0 = u[0], u1 = u[1];
    u[0] = u0 * cos(angle) - u1 * sin(angle), u[1] = u0 * sin(angle) + u1 * cos(angle);
}

static void mamba3_oracle(const grad_case *g, double *const *x, double *y)
{
    const documents *d = g->ctx;
    for (int64_t b = 0; b < B; b++)
        for (int64_t head = 0; head < HEADS; head++) {
            double h[N * P] = { 0 }, before[N * P] = { 0 }, angle = 0, Bt[N], Ct[N];
            for (int64_t t = 0; t < S; t++) {
                const int64_t row = b * S + t;
                const double *raw = x[2] + row * RAW, *in = x[0] + (row * HEADS + head) * P;
                const double dt = log1p(exp(raw[head] + x[4][head])), l = 1 / (1 + exp(-raw[2 * HEADS + head]));
                const double decay = exp(-log1p(exp(raw[HEADS + head])) * dt);
                if (first_of(d, t) == t) {
                    memset(h, 0, sizeof h), memset(before, 0, sizeof before);
                    angle = 0;
                }
                angle += acos(-1) * tanh(raw[0]) * dt;
                turned(x, row, head, 0, angle, Bt), turned(x, row, head, 1, angle, Ct);
                for (int64_t p = 0; p < P; p++) {
                    double sum = x[3][head] * in[p];
                    for (int64_t i = p, n = 0; n < N; n++, i += P) {
                        h[i] = decay * (h[i] + dt * (1 - l) * before[i]) + dt * l * Bt[n] * in[p];
                        before[i] = Bt[n] * in[p];
                        sum += Ct[n] * h[i];
                    }
                    y[(row * HEADS + head) * P + p] = sum;
                }
            }
        }
}

static ts_status mamba3_run(const grad_case *g, grad_env *e)
{
    const documents *d = g->ctx;
    ts_tensor *first, *angle, *raw;
    TS_TRY(first_keys(d, e, S, &first));
    TS_TRY(ts_op_take_cols(e->tape, e->leaf[2], 1, 0, 1, &angle));
    TS_TRY(ts_op_join_cols(e->tape, e->leaf[2], angle, &raw));
    const ts_mamba3_op o = { .B = B, .S = S, .heads = HEADS, .groups = 1, .P = P, .N = N, .angles = 1, .D = e->param[3],
                             .dt_bias = e->param[4], .b_bias = e->param[5], .c_bias = e->param[6],
                             .first_key = d->n > 1 ? first : NULL };
    return ts_op_mamba3(e->tape, &o, e->leaf[0], e->leaf[1], raw, &e->out[0]);
}

#define MAMBA3                                                                                                   \
    { IN("x", ROWS, HEADS * P), IN("B and C", ROWS, 2 * N), IN("steps", ROWS, RAW), PARAM("D", HEADS, 0),        \
      PARAM("dt_bias", HEADS, 0), PARAM("B_bias", HEADS, N), PARAM("C_bias", HEADS, N) },                        \
    .n_out = ROWS * HEADS * P, .longest = 40 * ROWS, .oracle = mamba3_oracle, .run = mamba3_run
static const grad_case mamba3s[] = { { "scan of Mamba 3, documents", MAMBA3, .ctx = &parts } };

/* ---- selective scan ---- */

enum { CHANNELS = 3 };

static void selective_oracle(const grad_case *g, double *const *x, double *y)
{
    const documents *d = g->ctx;
    for (int64_t b = 0; b < B; b++)
        for (int64_t c = 0; c < CHANNELS; c++) {
            double h[N] = { 0 };
            for (int64_t t = 0; t < S; t++) {
                const int64_t at = (b * S + t) * CHANNELS + c;
                const double *bc = x[2] + (b * S + t) * 2 * N, dt = log1p(exp(x[1][at] + x[5][c]));
                y[at] = x[4][c] * x[0][at];
                for (int64_t n = 0; n < N; n++) {
                    const double decay = first_of(d, t) == t ? 0 : exp(-exp(x[3][c * N + n]) * dt);
                    h[n] = decay * h[n] + dt * bc[n] * x[0][at];
                    y[at] += bc[N + n] * h[n];
                }
            }
        }
}

static ts_status selective_run(const grad_case *g, grad_env *e)
{
    const documents *d = g->ctx;
    ts_tensor *first;
    TS_TRY(first_keys(d, e, S, &first));
    const ts_selective_op o = { .B = B, .S = S, .channels = CHANNELS, .N = N, .A_log = e->param[3], .D = e->param[4],
                                .dt_bias = e->param[5], .first_key = d->n > 1 ? first : NULL };
    return ts_op_selective(e->tape, &o, e->leaf[0], e->leaf[1], e->leaf[2], &e->out[0]);
}

#define SELECTIVE                                                                                                \
    { IN("x", ROWS, CHANNELS), IN("dt", ROWS, CHANNELS), IN("B and C", ROWS, 2 * N), PARAM("A_log", CHANNELS, N), \
      PARAM("D", CHANNELS, 0), PARAM("dt_bias", CHANNELS, 0) },                                                  \
    .n_out = ROWS * CHANNELS, .longest = 40 * ROWS, .oracle = selective_oracle, .run = selective_run
static const grad_case selectives[] = {
    { "selective scan", SELECTIVE, .ctx = &whole },
    { "selective scan, documents", SELECTIVE, .ctx = &parts },
};

/* ---- gated delta rule ---- */

/* More chunks than states are kept of, so that some are made again. */
enum { LONG = 4 * TS_DELTA_CHUNK + 40, RULES = 2, K = 2, VW = 2, QKV = 2 * K + RULES * VW,
       KDA_QKV = RULES * (2 * K + VW) };
static const int32_t far_rows[] = { 0, 5 };
static const documents one_document = { no_rows, 1 }, two_documents = { far_rows, 2 };

static void to_length_one(const double *x, double scale, double *out)
{
    double sum = 1e-2;
    for (int64_t k = 0; k < K; k++)
        sum += x[k] * x[k];
    for (int64_t k = 0; k < K; k++)
        out[k] = scale * x[k] / sqrt(sum);
}

static void delta_oracle(const grad_case *g, double *const *x, double *y)
{
    const documents *d = g->ctx;
    for (int64_t head = 0; head < RULES; head++) {
        double m[K * VW] = { 0 };
        for (int64_t t = 0; t < LONG; t++) {
            const double *row = x[0] + t * QKV, *v = row + 2 * K + head * VW;
            const double beta = 1 / (1 + exp(-x[2][t * RULES + head]));
            const double decay = exp(-exp(x[3][head]) * log1p(exp(x[1][t * RULES + head] + x[4][head])));
            double q[K], k[K];
            to_length_one(row, 1 / sqrt((double)K), q);
            to_length_one(row + K, 1, k);
            for (int64_t i = 0; i < K * VW; i++)
                m[i] *= first_of(d, t) == t ? 0 : decay;
            for (int64_t j = 0; j < VW; j++) {
                double seen = 0, sum = 0;
                for (int64_t i = 0; i < K; i++)
                    seen += k[i] * m[i * VW + j];
                for (int64_t i = 0; i < K; i++) {
                    m[i * VW + j] += beta * k[i] * (v[j] - seen);
                    sum += q[i] * m[i * VW + j];
                }
                y[(t * RULES + head) * VW + j] = sum;
            }
        }
    }
}

static ts_status delta_run(const grad_case *g, grad_env *e)
{
    const documents *d = g->ctx;
    int32_t keys[LONG];
    ts_tensor *first;
    for (int64_t t = 0; t < LONG; t++)
        keys[t] = first_of(d, t);
    TS_TRY(grad_ints(e, keys, LONG, &first));
    const ts_delta_op o = { .B = 1, .S = LONG, .heads = RULES, .key_heads = 1, .K = K, .V = VW, .eps = 1e-2f,
                            .A_log = e->param[3], .dt_bias = e->param[4], .first_key = d->n > 1 ? first : NULL };
    return ts_op_delta(e->tape, &o, e->leaf[0], e->leaf[1], e->leaf[2], &e->out[0]);
}

#define RULE                                                                                                     \
    { IN("qkv", LONG, QKV), IN("g", LONG, RULES), IN("b", LONG, RULES),                                          \
      PARAM("A_log", RULES, 0, .scale = 3), PARAM("dt_bias", RULES, 0) },                                        \
    .n_out = LONG * RULES * VW, .longest = 40 * LONG, .oracle = delta_oracle, .run = delta_run
static const grad_case rules[] = {
    { "delta rule", RULE, .ctx = &one_document },
    { "delta rule, documents", RULE, .ctx = &two_documents },
};

/* ---- the same with a decay for each channel of the keys ---- */

static void kda_oracle(const grad_case *g, double *const *x, double *y)
{
    const documents *d = g->ctx;
    for (int64_t head = 0; head < RULES; head++) {
        const double rate = -exp(x[3][head]);
        double m[K * VW] = { 0 };
        for (int64_t t = 0; t < S; t++) {
            const double *row = x[0] + t * KDA_QKV, *v = row + 2 * RULES * K + head * VW;
            const double beta = 1 / (1 + exp(-x[2][t * RULES + head]));
            double q[K], k[K];
            to_length_one(row + head * K, 1 / sqrt((double)K), q);
            to_length_one(row + (RULES + head) * K, 1, k);
            for (int64_t i = 0; i < K; i++) {
                const int64_t c = head * K + i;
                const double decay = exp(rate * log1p(exp(x[1][t * RULES * K + c] + x[4][c])));
                for (int64_t j = 0; j < VW; j++)
                    m[i * VW + j] *= first_of(d, t) == t ? 0 : decay;
            }
            for (int64_t j = 0; j < VW; j++) {
                double seen = 0, sum = 0;
                for (int64_t i = 0; i < K; i++)
                    seen += k[i] * m[i * VW + j];
                for (int64_t i = 0; i < K; i++) {
                    m[i * VW + j] += beta * k[i] * (v[j] - seen);
                    sum += q[i] * m[i * VW + j];
                }
                y[(t * RULES + head) * VW + j] = sum;
            }
        }
    }
}

static ts_status kda_run(const grad_case *g, grad_env *e)
{
    const documents *d = g->ctx;
    int32_t keys[S];
    ts_tensor *first;
    for (int64_t t = 0; t < S; t++)
        keys[t] = first_of(d, t);
    TS_TRY(grad_ints(e, keys, S, &first));
    const ts_delta_op o = { .B = 1, .S = S, .heads = RULES, .key_heads = RULES, .K = K, .V = VW, .by_channel = true,
                            .eps = 1e-2f, .A_log = e->param[3], .dt_bias = e->param[4],
                            .first_key = d->n > 1 ? first : NULL };
    return ts_op_delta(e->tape, &o, e->leaf[0], e->leaf[1], e->leaf[2], &e->out[0]);
}

#define KDA                                                                                                      \
    { IN("qkv", S, KDA_QKV), IN("f", S, RULES * K), IN("b", S, RULES),                                  \
      PARAM("A_log", RULES, 0, .scale = 3), PARAM("dt_bias", RULES * K, 0) },                                    \
    .n_out = S * RULES * VW, .longest = 40 * S, .oracle = kda_oracle, .run = kda_run
static const grad_case kdas[] = {
    { "Kimi delta attention, documents", KDA, .ctx = &two_documents },
};

/* ---- norm with a gate ---- */

enum { T = 4, GROUP = 6, W = 12 };

static void gate_oracle(const grad_case *g, double *const *x, double *y)
{
    const ts_gate_op *n = g->ctx;
    for (int64_t at = 0; at < T * W; at += GROUP) {
        double u[GROUP], f[GROUP], sum = 0;
        for (int64_t c = 0; c < GROUP; c++) {
            const double z = x[1][at + c], s = 1 / (1 + exp(-z));
            f[c] = n->kind == TS_GATE_SILU ? z * s : s;
            u[c] = x[0][at + c] * (n->behind ? 1 : f[c]);
            sum += u[c] * u[c] / GROUP;
        }
        for (int64_t c = 0; c < GROUP; c++)
            y[at + c] = u[c] / sqrt(sum + 1e-3) * x[2][(at + c) % g->var[2].d0] * (n->behind ? f[c] : 1);
    }
}

static ts_status gate_run(const grad_case *g, grad_env *e)
{
    ts_gate_op o = *(const ts_gate_op *)g->ctx;
    o.group = GROUP, o.eps = 1e-3f, o.w = e->param[2];
    return ts_op_gate(e->tape, &o, e->leaf[0], e->leaf[1], &e->out[0]);
}

static const ts_gate_op before = { .kind = TS_GATE_SILU }, behind = { .kind = TS_GATE_SIGMOID, .behind = true };
#define GATE .n_out = T * W, .longest = 4 * T * W, .oracle = gate_oracle, .run = gate_run
static const grad_case gates[] = {
    { "gate before the norm", { IN("x", T, W), IN("z", T, W), PARAM("w", W, 0) }, GATE, .ctx = &before },
    { "gate behind the norm", { IN("x", T, W), IN("z", T, W), PARAM("w", GROUP, 0) }, GATE, .ctx = &behind },
};

int main(void)
{
    bool all_ = true;
    GRAD_RUN(convs);
    GRAD_RUN(scans);
    GRAD_RUN(mamba3s);
    GRAD_RUN(selectives);
    GRAD_RUN(rules);
    GRAD_RUN(kdas);
    GRAD_RUN(gates);
    return all_ ? 0 : 1;
}
