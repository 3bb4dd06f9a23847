/* Row by row: embedding, norms, rotary embedding, activations, sums, dropout. */
#include "grad.h"

#include <math.h>
#include <stdio.h>

enum { T = 5, W = 12 };

/* ---- embedding ---- */

typedef struct embed_case {
    int32_t ids[T], pos[T];
    bool freezes;
    int32_t frozen;
    float scale;
} embed_case;

static void embed_oracle(const grad_case *g, double *const *x, double *y)
{
    const embed_case *e = g->ctx;
    for (int64_t t = 0; t < T; t++) {
        const bool is_still = e->freezes && e->ids[t] == e->frozen;
        for (int64_t c = 0; c < W; c++) {
            y[t * W + c] = e->scale * (is_still ? g->x0[0] : x[0])[e->ids[t] * W + c];
            if (g->var[1].name)
                y[t * W + c] += x[1][e->pos[t] * W + c];
        }
    }
}

static ts_status embed_run(const grad_case *g, grad_env *e)
{
    const embed_case *n = g->ctx;
    ts_tensor *ids, *pos;
    TS_TRY(grad_ints(e, n->ids, T, &ids));
    TS_TRY(grad_ints(e, n->pos, T, &pos));
    const ts_embed_op o = { .table = e->param[0], .positions = e->param[1], .ids = ids,
                            .pos = e->param[1] ? pos : NULL, .scale = n->scale,
                            .dtype = TS_DTYPE_F32, .freezes = n->freezes, .frozen = n->frozen };
    return ts_op_embed(e->tape, &o, &e->out[0]);
}

/* ids repeat, so rows of the table are added to several times */
static const embed_case embed_plain = { { 0, 6, 2, 6, 6 }, { 0, 1, 2, 0, 1 }, false, 0, 1 };
static const embed_case embed_frozen = { { 0, 6, 2, 6, 0 }, { 0, 1, 2, 3, 0 }, true, 6, 3.5f };
#define EMBED .n_out = T * W, .longest = T, .oracle = embed_oracle, .run = embed_run
static const grad_case embeds[] = {
    { "embed", { PARAM("table", 7, W) }, EMBED, .ctx = &embed_plain },
    { "embed, positions",
      { PARAM("table", 7, W), PARAM("positions", 4, W) },
      EMBED,
      .ctx = &embed_plain },
    { "embed, positions, scale, frozen row",
      { PARAM("table", 7, W), PARAM("positions", 4, W) },
      EMBED,
      .ctx = &embed_frozen },
};

/* ---- norms ---- */

/* Variables: x, res, w, b, those that are there; outputs: the sum (when asked for), then y. */
typedef struct norm_case {
    bool layer, with_res, with_sum, without_y;
    float offset;
    int w, b; /* number of the variable, -1: none */
} norm_case;

static void norm_oracle(const grad_case *g, double *const *x, double *y)
{
    const norm_case *n = g->ctx;
    for (int64_t t = 0; t < T; t++) {
        double s[W], mean = 0, var = 0;
        for (int64_t c = 0; c < W; c++) {
            s[c] = x[0][t * W + c] + (n->with_res ? x[1][t * W + c] : 0);
            mean += s[c] / W;
        }
        if (!n->layer)
            mean = 0;
        for (int64_t c = 0; c < W; c++)
            var += (s[c] - mean) * (s[c] - mean) / W;
        for (int64_t c = 0; c < W; c++) {
            const double gain = (n->w >= 0 ? x[n->w][c] + n->offset : 1),
                         b = n->b >= 0 ? x[n->b][c] : 0;
            if (n->with_sum)
                y[t * W + c] = s[c];
            if (!n->without_y)
                y[(n->with_sum ? T * W : 0) + t * W + c] =
                    (s[c] - mean) / sqrt(var + (double)1e-2f) * gain + b;
        }
    }
}

static ts_status norm_run(const grad_case *g, grad_env *e)
{
    const norm_case *n = g->ctx;
    const ts_norm_op o = { .layer = n->layer, .eps = 1e-2f, .offset = n->offset,
                           .w = n->w >= 0 ? e->param[n->w] : NULL,
                           .b = n->b >= 0 ? e->param[n->b] : NULL };
    ts_tensor *sum, *y;
    TS_TRY(ts_op_norm(e->tape, &o, e->leaf[0], n->with_res ? e->leaf[1] : NULL, &sum, &y));
    e->out[0] = n->with_sum ? sum : y;
    e->out[1] = n->with_sum && !n->without_y ? y : NULL;
    return TS_OK;
}

#define NORM(outs)                                                                                 \
    .n_out = (outs)*T * W, .longest = W, .oracle = norm_oracle, .run = norm_run, .with_bf16 = true
#define NORM_CTX(...) .ctx = &(const norm_case){ __VA_ARGS__ }
static const grad_case norms[] = {
    { "rms norm", { IN("x", T, W), PARAM("w", W, 0) }, NORM(1), NORM_CTX(.w = 1, .b = -1) },
    { "rms norm, no weight", { IN("x", T, W) }, NORM(1), NORM_CTX(.w = -1, .b = -1) },
    { "rms norm, offset",
      { IN("x", T, W), PARAM("w", W, 0) },
      NORM(1),
      NORM_CTX(.w = 1, .b = -1, .offset = 1) },
    { "rms norm, residual",
      { IN("x", T, W), IN("res", T, W), PARAM("w", W, 0) },
      NORM(1),
      NORM_CTX(.with_res = true, .w = 2, .b = -1) },
    { "rms norm, residual, sum",
      { IN("x", T, W), IN("res", T, W), PARAM("w", W, 0) },
      NORM(2),
      NORM_CTX(.with_res = true, .with_sum = true, .w = 2, .b = -1, .offset = 1) },
    { "rms norm, only the sum is used",
      { IN("x", T, W), IN("res", T, W), PARAM("w", W, 0) },
      NORM(1),
      NORM_CTX(.with_res = true, .with_sum = true, .without_y = true, .w = 2, .b = -1) },
    { "rms norm, frozen residual",
      { IN("x", T, W), IN("res", T, W, .is_frozen = true), PARAM("w", W, 0) },
      NORM(2),
      NORM_CTX(.with_res = true, .with_sum = true, .w = 2, .b = -1) },
    { "layer norm",
      { IN("x", T, W), PARAM("w", W, 0), PARAM("b", W, 0) },
      NORM(1),
      NORM_CTX(.layer = true, .w = 1, .b = 2) },
    { "layer norm, no bias, offset",
      { IN("x", T, W), PARAM("w", W, 0) },
      NORM(1),
      NORM_CTX(.layer = true, .w = 1, .b = -1, .offset = 1) },
    { "layer norm, frozen weight, small values",
      { IN("x", T, W, .scale = 1e-2), PARAM("w", W, 0, .is_frozen = true) },
      NORM(1),
      NORM_CTX(.layer = true, .w = 1, .b = -1) },
    { "layer norm, residual, sum",
      { IN("x", T, W), IN("res", T, W), PARAM("w", W, 0), PARAM("b", W, 0) },
      NORM(2),
      NORM_CTX(.layer = true, .with_res = true, .with_sum = true, .w = 2, .b = 3) },
};

/* ---- rotary embedding, norm of queries and keys ---- */

enum { Q = 4, KV = 2, D = 8, ROW = (Q + 2 * KV) * D, POSITIONS = 7 };
static const int32_t rope_pos[T] = { 0, 1, 6, 3, 0 };

typedef struct rope_case {
    int rot; /* of D */
    bool interleaved, with_norm, full_norm, unit_norm;
    float offset;
    bool only_q, only_kv; /* rows of queries alone, of keys and values alone */
} rope_case;

static int64_t n_q(const rope_case *n) { return n->only_kv ? 0 : Q; }
static int64_t n_kv(const rope_case *n) { return n->only_q ? 0 : KV; }
static int64_t row_of(const rope_case *n) { return (n_q(n) + 2 * n_kv(n)) * D; }

static float angle(int64_t pos, int64_t i) { return (float)(0.3 * (double)pos / (1 + (double)i)); }

/* The head's place in a row, and its number among queries or keys; values are not looked at. */
static int64_t place_of(const rope_case *n, int64_t head, bool is_key)
{
    const int64_t r = n->only_q ? Q : n_q(n) / KV;
    return is_key ? head * (r + 2) * D + r * D : head / r * (r + 2) * D + head % r * D;
}

static void rope_head(const rope_case *n, int64_t pos, const double *in, double *out)
{
    for (int64_t i = 0; i < D; i++)
        out[i] = in[i];
    for (int64_t i = 0; i < n->rot / 2; i++) {
        const int64_t a = n->interleaved ? 2 * i : i,
                      b = n->interleaved ? 2 * i + 1 : i + n->rot / 2;
        const double c = cosf(angle(pos, i)), s = sinf(angle(pos, i));
        out[a] = in[a] * c - in[b] * s;
        out[b] = in[b] * c + in[a] * s;
    }
}

static void rope_part(const rope_case *n, const double *x, double *y, int64_t pos, bool is_key,
                      const double *w)
{
    const int64_t heads = is_key ? n_kv(n) : n_q(n);
    double all = 0;
    for (int64_t h = 0; h < heads; h++)
        for (int64_t i = 0; i < D; i++)
            all += x[place_of(n, h, is_key) + i] * x[place_of(n, h, is_key) + i] / (double)(heads * D);
    for (int64_t h = 0; h < heads; h++) {
        const double *in = x + place_of(n, h, is_key);
        double own = 0, v[D];
        for (int64_t i = 0; i < D; i++)
            own += in[i] * in[i] / D;
        for (int64_t i = 0; i < D; i++) {
            v[i] = in[i];
            if (n->with_norm || n->unit_norm)
                v[i] *= (n->unit_norm ? 1 : w[n->full_norm ? h * D + i : i] + n->offset) /
                        sqrt((n->full_norm ? all : own) + (double)1e-3f);
        }
        rope_head(n, pos, v, y + place_of(n, h, is_key));
    }
}

static void rope_oracle(const grad_case *g, double *const *x, double *y)
{
    const rope_case *n = g->ctx;
    const int64_t row = row_of(n);
    for (int64_t t = 0; t < T; t++) {
        for (int64_t i = 0; i < row; i++)
            y[t * row + i] = x[0][t * row + i];
        rope_part(n, x[0] + t * row, y + t * row, rope_pos[t], false, x[1]);
        rope_part(n, x[0] + t * row, y + t * row, rope_pos[t], true, x[n->only_kv ? 1 : 2]);
    }
}

static ts_status rope_run(const grad_case *g, grad_env *e)
{
    const rope_case *n = g->ctx;
    float c[POSITIONS * D / 2], s[POSITIONS * D / 2];
    ts_storage *cos_, *sin_;
    ts_tensor *pos;
    for (int64_t p = 0; p < POSITIONS; p++)
        for (int64_t i = 0; i < n->rot / 2; i++) {
            c[p * (n->rot / 2) + i] = cosf(angle(p, i));
            s[p * (n->rot / 2) + i] = sinf(angle(p, i));
        }
    TS_TRY(grad_table(e, c, POSITIONS * D / 2, &cos_));
    TS_TRY(grad_table(e, s, POSITIONS * D / 2, &sin_));
    TS_TRY(grad_ints(e, rope_pos, T, &pos));
    const ts_rope_op o = { .n_q = n_q(n), .n_kv = n_kv(n), .head_dim = D, .rot_dim = n->rot,
                           .interleaved = n->interleaved, .full_norm = n->full_norm, .unit_norm = n->unit_norm, .cos = cos_,
                           .sin = sin_, .pos = pos, .wq = n->only_kv ? NULL : e->param[1],
                           .wk = e->param[n->only_kv ? 1 : 2],
                           .eps = 1e-3f, .offset = n->offset };
    return ts_op_rope(e->tape, &o, e->leaf[0], &e->out[0]);
}

#define ROPE ROPE_OF(ROW)
#define ROPE_OF(row)                                                                               \
    .n_out = T * (row), .longest = Q * D, .oracle = rope_oracle, .run = rope_run, .with_bf16 = true
#define ROPE_CTX(...) .ctx = &(const rope_case){ __VA_ARGS__ }
#define HEAD_W PARAM("wq", D, 0), PARAM("wk", D, 0)
static const grad_case ropes[] = {
    { "rope, halves", { IN("qkv", T, ROW) }, ROPE, ROPE_CTX(.rot = D) },
    { "rope, interleaved", { IN("qkv", T, ROW) }, ROPE, ROPE_CTX(.rot = D, .interleaved = true) },
    { "rope, partial", { IN("qkv", T, ROW) }, ROPE, ROPE_CTX(.rot = D / 2) },
    { "rope, partial, interleaved",
      { IN("qkv", T, ROW) },
      ROPE,
      ROPE_CTX(.rot = D / 2, .interleaved = true) },
    { "norm of heads, no rotation",
      { IN("qkv", T, ROW), HEAD_W },
      ROPE,
      ROPE_CTX(.with_norm = true) },
    { "rope, partial, norm of heads without weights", { IN("qkv", T, ROW) }, ROPE, ROPE_CTX(.rot = D / 2, .unit_norm = true) },
    { "rope, norm of heads without weights", { IN("qkv", T, ROW) }, ROPE, ROPE_CTX(.rot = D, .unit_norm = true) },
    { "rope, norm of heads",
      { IN("qkv", T, ROW), HEAD_W },
      ROPE,
      ROPE_CTX(.rot = D, .with_norm = true) },
    { "rope, partial, norm of heads, offset",
      { IN("qkv", T, ROW), HEAD_W },
      ROPE,
      ROPE_CTX(.rot = D / 2, .with_norm = true, .offset = 1) },
    { "rope, interleaved, norm over all heads",
      { IN("qkv", T, ROW), PARAM("wq", Q *D, 0), PARAM("wk", KV *D, 0) },
      ROPE,
      ROPE_CTX(.rot = D, .interleaved = true, .with_norm = true, .full_norm = true) },
    { "rope, halves, norm over all heads",
      { IN("qkv", T, ROW), PARAM("wq", Q *D, 0), PARAM("wk", KV *D, 0) },
      ROPE,
      ROPE_CTX(.rot = D, .with_norm = true, .full_norm = true) },
    { "rope, queries alone", { IN("q", T, Q *D) }, ROPE_OF(Q *D), ROPE_CTX(.rot = D, .only_q = true) },
    { "rope, keys and values alone",
      { IN("kv", T, 2 * KV * D) },
      ROPE_OF(2 * KV * D),
      ROPE_CTX(.rot = D / 2, .interleaved = true, .only_kv = true) },
    { "rope, queries alone, norm of heads",
      { IN("q", T, Q *D), PARAM("wq", D, 0) },
      ROPE_OF(Q *D),
      ROPE_CTX(.rot = D, .with_norm = true, .only_q = true) },
    { "rope, keys and values alone, norm of heads",
      { IN("kv", T, 2 * KV * D), PARAM("wk", D, 0) },
      ROPE_OF(2 * KV * D),
      ROPE_CTX(.rot = D, .with_norm = true, .only_kv = true) },
    { "rope, queries alone, norm over all heads",
      { IN("q", T, Q *D), PARAM("wq", Q *D, 0) },
      ROPE_OF(Q *D),
      ROPE_CTX(.rot = D, .with_norm = true, .full_norm = true, .only_q = true) },
    { "rope, keys and values alone, norm over all heads",
      { IN("kv", T, 2 * KV * D), PARAM("wk", KV *D, 0) },
      ROPE_OF(2 * KV * D),
      ROPE_CTX(.rot = D / 2, .with_norm = true, .full_norm = true, .only_kv = true) },
};

/* ---- queries that grow with their positions ---- */

static const int32_t temper_pos[T] = { 0, 1, 6, 30, 2 };

static void temper_oracle(const grad_case *g, double *const *x, double *y)
{
    const rope_case n = { 0 };
    (void)g;
    for (int64_t i = 0; i < T * ROW; i++)
        y[i] = x[0][i];
    for (int64_t t = 0; t < T; t++)
        for (int64_t h = 0; h < Q; h++)
            for (int64_t i = 0; i < D; i++)
                y[t * ROW + place_of(&n, h, false) + i] *= 1 + (double)0.4f * log(1 + floor((temper_pos[t] + 1.0) / 3));
}

static ts_status temper_run(const grad_case *g, grad_env *e)
{
    ts_tensor *pos;
    (void)g;
    TS_TRY(grad_ints(e, temper_pos, T, &pos));
    const ts_temper_op o = { .n_q = Q, .n_kv = KV, .head_dim = D, .by = 0.4f, .every = 3, .pos = pos };
    return ts_op_temper(e->tape, &o, e->leaf[0], &e->out[0]);
}

static const grad_case tempers[] = {
    { "queries by position", { IN("qkv", T, ROW) }, .n_out = T * ROW, .longest = 1, .oracle = temper_oracle,
      .run = temper_run, .with_bf16 = true },
};

/* ---- activations ---- */

typedef struct act_case {
    ts_act act;
    bool gated;
    float clamp, offset;
    bool clamps_value;
} act_case;

static double act_of(ts_act a, double x)
{
    switch (a) {
    case TS_ACT_SILU: return x / (1 + exp(-x));
    case TS_ACT_GELU: return 0.5 * x * erfc(-x / sqrt(2));
    case TS_ACT_GELU_TANH: return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case TS_ACT_GELU_QUICK: return x / (1 + exp(-1.702 * x));
    case TS_ACT_RELU: return x > 0 ? x : 0;
    case TS_ACT_RELU2: return x > 0 ? x * x : 0;
    case TS_ACT_TANH: return tanh(x);
    default: return NAN;
    }
}

static void act_oracle(const grad_case *g, double *const *x, double *y)
{
    const act_case *n = g->ctx;
    const double most = n->clamp > 0 ? (double)n->clamp : INFINITY;
    for (int64_t t = 0; t < T; t++)
        for (int64_t c = 0; c < W; c++)
            y[t * W + c] = n->gated ? fmin(act_of(n->act, fmin(x[0][t * 2 * W + c], n->clamps_value ? INFINITY : most)),
                                           n->clamps_value ? most : INFINITY) *
                                          (fmax(-most, fmin(x[0][(t * 2 + 1) * W + c], most)) + (double)n->offset)
                                    : act_of(n->act, x[0][t * W + c]);
}

static ts_status act_run(const grad_case *g, grad_env *e)
{
    const act_case *n = g->ctx;
    return ts_op_act_of(e->tape, &(ts_act_op){ n->act, n->gated, n->clamp, n->offset, n->clamps_value }, e->leaf[0], &e->out[0]);
}

static bool activations(void)
{
    static const char *const name[TS_ACTS] = { "silu",       "gelu", "gelu_tanh",
                                               "gelu_quick", "relu", "relu2", "tanh" };
    bool all = true;
    char text[64];
    for (int i = 0; i < TS_ACTS; i++) {
        for (int k = 0; k < 4; k++) {
            const bool gated = k > 0, held = k > 1;
            const act_case n = { (ts_act)i, gated, held ? 2.3f : 0, held ? 1.0f : 0, k > 2 };
            const grad_case g = { text,
                                  { IN("x", T, gated ? 2 * W : W, .scale = 4) },
                                  .n_out = T * W,
                                  .oracle = act_oracle,
                                  .run = act_run,
                                  .ctx = &n,
                                  .with_bf16 = true };
            snprintf(text, sizeof text, "%s%s%s", name[i], gated ? ", gated" : "", held ? n.clamps_value ? ", value clamped" : ", clamped" : "");
            all = grad_check(&g) && all;
        }
    }
    return all;
}

/* ---- sums and dropout ---- */

typedef struct add_case {
    float alpha, beta;
    bool is_alone;
} add_case;

static void add_oracle(const grad_case *g, double *const *x, double *y)
{
    const add_case *n = g->ctx;
    for (int64_t i = 0; i < T * W; i++)
        y[i] = (double)n->alpha * x[0][i] + (n->is_alone ? 0 : (double)n->beta * x[1][i]);
}

static ts_status add_run(const grad_case *g, grad_env *e)
{
    const add_case *n = g->ctx;
    return ts_op_add(e->tape, e->leaf[0], n->alpha, n->is_alone ? NULL : e->leaf[1], n->beta,
                     &e->out[0]);
}

static const float keep_p = 0.3f;

static double kept(int64_t e)
{
    const ts_rng r = ts_rng_stream(11, TS_RNG_HIDDEN_DROPOUT, 5, 2);
    uint32_t u[4];
    ts_rng_block(&r, (uint64_t)(e / 4), u);
    return ts_rng_uniform(u[e % 4]) < keep_p ? 0 : 1 / (1 - (double)keep_p);
}

/* Of each sequence of 16 rows 3, 4, 10 and 11 are here; the tensor begins with the second piece of sequence
 * 7, and ends in the next. */
static const ts_row_places dropout_places = { .at = { 2, { { 3, 2 }, { 10, 2 } } },
                                              .length = 16, .sample0 = 7, .row0 = 2 };
static const int64_t dropout_row[T] = { 7 * 16 + 10, 7 * 16 + 11, 8 * 16 + 3, 8 * 16 + 4, 8 * 16 + 10 };

static void dropout_oracle(const grad_case *g, double *const *x, double *y)
{
    (void)g;
    for (int64_t i = 0; i < T * W; i++)
        y[i] = x[0][i] * kept(dropout_row[i / W] * W + i % W);
}

static ts_status dropout_run(const grad_case *g, grad_env *e)
{
    const ts_rng r = ts_rng_stream(11, TS_RNG_HIDDEN_DROPOUT, 5, 2);
    (void)g;
    return ts_op_dropout(e->tape, e->leaf[0], keep_p, &r, &dropout_places, &e->out[0]);
}

static void noise_oracle(const grad_case *g, double *const *x, double *y)
{
    (void)g;
    const ts_rng r = ts_rng_stream(9, TS_RNG_TEST, 2, 1);
    for (int64_t i = 0; i < T * W; i++) {
        const uint64_t e = (uint64_t)(dropout_row[i / W] * W + i % W);
        uint32_t u[4];
        ts_rng_block(&r, e / 4, u);
        y[i] = x[0][i] + (double)0.3f * (2 * (double)ts_rng_uniform(u[e % 4]) - 1);
    }
}

static ts_status noise_run(const grad_case *g, grad_env *e)
{
    (void)g;
    const ts_rng r = ts_rng_stream(9, TS_RNG_TEST, 2, 1);
    return ts_op_noise(e->tape, e->leaf[0], 0.3f, &r, &dropout_places, &e->out[0]);
}

/* Rows 1, 2 and 4 of x get one more each. */
enum { CHOSEN = 3 };
static const int32_t chosen_at[CHOSEN] = { 1, 2, 4 }, chosen_back[T] = { 0, 1, 2, 0, 3 };

static void add_rows_oracle(const grad_case *g, double *const *x, double *y)
{
    (void)g;
    for (int64_t t = 0; t < T; t++)
        for (int64_t c = 0; c < W; c++)
            y[t * W + c] = x[0][t * W + c] +
                           (chosen_back[t] ? x[1][(chosen_back[t] - 1) * W + c] : 0);
}

static ts_status add_rows_run(const grad_case *g, grad_env *e)
{
    ts_tensor *at, *back;
    (void)g;
    TS_TRY(grad_ints(e, chosen_at, CHOSEN, &at));
    TS_TRY(grad_ints(e, chosen_back, T, &back));
    const ts_chosen_rows rows = { .n = CHOSEN, .at = at, .back = back };
    return ts_op_add_rows(e->tape, e->leaf[0], &rows, e->leaf[1], &e->out[0]);
}

#define SUM .n_out = T * W, .oracle = add_oracle, .run = add_run, .with_bf16 = true
static const grad_case sums[] = {
    { "add", { IN("a", T, W), IN("b", T, W) }, SUM, .ctx = &(const add_case){ 1, 1, false } },
    { "add, weighted",
      { IN("a", T, W), IN("b", T, W) },
      SUM,
      .ctx = &(const add_case){ 0.5f, -3, false } },
    { "add, one frozen",
      { IN("a", T, W, .is_frozen = true), IN("b", T, W) },
      SUM,
      .ctx = &(const add_case){ 2, 1, false } },
    { "scale", { IN("a", T, W) }, SUM, .ctx = &(const add_case){ -2.5f, 0, true } },
    { "rows added",
      { IN("x", T, W), IN("more", CHOSEN, W) },
      .n_out = T * W,
      .oracle = add_rows_oracle,
      .run = add_rows_run,
      .with_bf16 = true },
    { "rows added to frozen ones",
      { IN("x", T, W, .is_frozen = true), IN("more", CHOSEN, W) },
      .n_out = T * W,
      .oracle = add_rows_oracle,
      .run = add_rows_run },
    { "dropout",
      { IN("x", T, W) },
      .n_out = T * W,
      .oracle = dropout_oracle,
      .run = dropout_run,
      .with_bf16 = true },
    { "noise",
      { IN("x", T, W) },
      .n_out = T * W,
      .oracle = noise_oracle,
      .run = noise_run,
      .with_bf16 = true },
};

int main(void)
{
    bool all_ = true;
    GRAD_RUN(embeds);
    GRAD_RUN(norms);
    GRAD_RUN(ropes);
    GRAD_RUN(tempers);
    GRAD_RUN(sums);
    all_ = activations() && all_;
    return all_ ? 0 : 1;
}
