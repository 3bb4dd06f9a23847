/* Attention: shared keys, window, cap on scores, packed documents, dropout. */
#include "grad.h"

#include <math.h>

enum { B = 2, S = 5, T = B * S };

typedef struct attn_case {
    int64_t n_q, n_kv, head_dim;
    float scale, softcap, dropout;
    int64_t window;
    bool packed;
    int64_t sample0;
} attn_case;

/* Documents begin at rows 0, 2 of the first sequence and at 0, 1, 4 of the second. */
static const int32_t first_key[T] = { 0, 0, 2, 2, 2, 0, 1, 1, 1, 4 };

static ts_rng rng(void) { return ts_rng_stream(21, TS_RNG_ATTN_DROPOUT, 3, 1); }

static double kept(const attn_case *n, int64_t b, int64_t h, int64_t i, int64_t j)
{
    const ts_rng r = rng();
    uint32_t u[4];
    if (!(n->dropout > 0))
        return 1;
    const int64_t e = (((n->sample0 + b) * n->n_q + h) * S + i) * S + j;
    ts_rng_block(&r, (uint64_t)(e / 4), u);
    return ts_rng_uniform(u[e % 4]) < n->dropout ? 0 : 1 / (1 - (double)n->dropout);
}

static bool sees(const attn_case *n, int64_t b, int64_t i, int64_t j)
{
    return j <= i && (n->window == 0 || i - j < n->window) &&
           (!n->packed || j >= first_key[b * S + i]);
}

/* Where the row's parts stand in x: its query, and the first key and value of its group. */
typedef struct row_place {
    int64_t q, k, v, width, out;
} row_place;

static row_place place_of(const attn_case *n, int64_t b, int64_t h, int64_t i)
{
    const int64_t r = n->n_q / n->n_kv, D = n->head_dim, width = n->n_kv * (r + 2) * D;
    const int64_t group = h / r * (r + 2) * D, first = b * S * width + group;
    return (row_place){ .q = first + i * width + h % r * D, .k = first + r * D,
                        .v = first + (r + 1) * D, .width = width,
                        .out = ((b * S + i) * n->n_q + h) * D };
}

static void probabilities(const attn_case *n, const double *x, int64_t b, int64_t h, int64_t i,
                          double p[S])
{
    const row_place at = place_of(n, b, h, i);
    double sum = 0;
    for (int64_t j = 0; j < S; j++) {
        double s = 0;
        for (int64_t c = 0; c < n->head_dim; c++)
            s += x[at.q + c] * x[at.k + j * at.width + c];
        s *= n->scale;
        s = n->softcap > 0 ? n->softcap * tanh(s / n->softcap) : s;
        p[j] = sees(n, b, i, j) ? exp(s) : 0;
        sum += p[j];
    }
    for (int64_t j = 0; j < S; j++)
        p[j] /= sum;
}

static void one_row(const attn_case *n, const double *x, int64_t b, int64_t h, int64_t i, double *y)
{
    const row_place at = place_of(n, b, h, i);
    double p[S];
    probabilities(n, x, b, h, i, p);
    for (int64_t c = 0; c < n->head_dim; c++) {
        y[at.out + c] = 0;
        for (int64_t j = 0; j < S; j++)
            y[at.out + c] += p[j] * kept(n, b, h, i, j) * x[at.v + j * at.width + c];
    }
}

/* d score = p (dp - delta): dp = dout.v and delta = dout.o cancel, wholly where one key is seen. */
static void row_cancels(const attn_case *n, const double *x, const double *c, int64_t b, int64_t h,
                        int64_t i, double *mass)
{
    const row_place at = place_of(n, b, h, i);
    double p[S], dp[S], delta = 0;
    probabilities(n, x, b, h, i, p);
    for (int64_t j = 0; j < S; j++) {
        dp[j] = 0;
        for (int64_t d = 0; d < n->head_dim; d++)
            dp[j] += kept(n, b, h, i, j) * fabs(c[at.out + d] * x[at.v + j * at.width + d]);
        delta += p[j] * dp[j];
    }
    for (int64_t j = 0; j < S; j++)
        for (int64_t d = 0; d < n->head_dim; d++) {
            const double ds = n->scale * p[j] * (dp[j] + delta);
            mass[at.q + d] += ds * fabs(x[at.k + j * at.width + d]);
            mass[at.k + j * at.width + d] += ds * fabs(x[at.q + d]);
        }
}

static void attn_cancels(const grad_case *g, double *const *x, const double *c, double *const *mass)
{
    const attn_case *n = g->ctx;
    for (int64_t b = 0; b < B; b++)
        for (int64_t h = 0; h < n->n_q; h++)
            for (int64_t i = 0; i < S; i++)
                row_cancels(n, x[0], c, b, h, i, mass[0]);
}

static void attn_oracle(const grad_case *g, double *const *x, double *y)
{
    const attn_case *n = g->ctx;
    for (int64_t b = 0; b < B; b++)
        for (int64_t h = 0; h < n->n_q; h++)
            for (int64_t i = 0; i < S; i++)
                one_row(n, x[0], b, h, i, y);
}

static ts_status attn_run(const grad_case *g, grad_env *e)
{
    const attn_case *n = g->ctx;
    ts_tensor *first = NULL;
    if (n->packed)
        TS_TRY(grad_ints(e, first_key, T, &first));
    const ts_attention_op o = { .B = B, .S = S, .n_q = n->n_q, .n_kv = n->n_kv,
                                .head_dim = n->head_dim, .scale = n->scale, .softcap = n->softcap,
                                .window = n->window, .first_key = first, .dropout = n->dropout,
                                .rng = rng(), .sample0 = n->sample0 };
    return ts_op_attention(e->tape, &o, e->leaf[0], &e->out[0]);
}

#define ATTN(q, kv, d)                                                                             \
    { IN("qkv", T, ((q) + 2 * (kv)) * (d)) }, .n_out = T * (q) * (d), .longest = (d) + S,          \
                                              .oracle = attn_oracle, .run = attn_run,              \
                                              .cancels = attn_cancels, .with_bf16 = true
#define ATTN_CTX(...) .ctx = &(const attn_case){ __VA_ARGS__ }
static const grad_case cases[] = {
    { "attention", ATTN(2, 2, 8), ATTN_CTX(.n_q = 2, .n_kv = 2, .head_dim = 8, .scale = 0.7f) },
    { "attention, one head of 5", ATTN(1, 1, 5),
      ATTN_CTX(.n_q = 1, .n_kv = 1, .head_dim = 5, .scale = 0.7f) },
    { "attention, grouped queries", ATTN(4, 2, 4),
      ATTN_CTX(.n_q = 4, .n_kv = 2, .head_dim = 4, .scale = 0.7f) },
    { "attention, one key for all", ATTN(3, 1, 4),
      ATTN_CTX(.n_q = 3, .n_kv = 1, .head_dim = 4, .scale = 1.3f) },
    { "attention, window", ATTN(2, 1, 4),
      ATTN_CTX(.n_q = 2, .n_kv = 1, .head_dim = 4, .scale = 0.9f, .window = 2) },
    { "attention, window of one", ATTN(2, 1, 4),
      ATTN_CTX(.n_q = 2, .n_kv = 1, .head_dim = 4, .scale = 0.9f, .window = 1) },
    { "attention, softcap", ATTN(2, 1, 4),
      ATTN_CTX(.n_q = 2, .n_kv = 1, .head_dim = 4, .scale = 2, .softcap = 1.25f) },
    { "attention, packed", ATTN(2, 1, 4),
      ATTN_CTX(.n_q = 2, .n_kv = 1, .head_dim = 4, .scale = 0.9f, .packed = true) },
    { "attention, packed, window", ATTN(2, 1, 4),
      ATTN_CTX(.n_q = 2, .n_kv = 1, .head_dim = 4, .scale = 0.9f, .window = 2, .packed = true) },
    { "attention, dropout", ATTN(2, 1, 4),
      ATTN_CTX(.n_q = 2, .n_kv = 1, .head_dim = 4, .scale = 0.9f, .dropout = 0.3f, .sample0 = 6) },
    { "attention, everything", ATTN(4, 2, 4),
      ATTN_CTX(.n_q = 4, .n_kv = 2, .head_dim = 4, .scale = 1.5f, .softcap = 1.5f, .dropout = 0.25f,
               .window = 3, .packed = true, .sample0 = 2) },
};

int main(void)
{
    bool all_ = true;
    GRAD_RUN(cases);
    return all_ ? 0 : 1;
}
