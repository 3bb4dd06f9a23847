/* Rows of latent attention: what stands where in them, the rotation, and the gradients, of which that of the
 * keys' rotated part is the sum over all heads. */
#include "grad.h"

#include "ops/columns.h"
#include "ops/latent.h"

#include <math.h>

enum { T = 3, N = 3, NOPE = 3, ROPE = 4, MOST = 6, POSITIONS = 5 };

static const int32_t positions[T] = { 0, 4, 2 };

typedef struct latent_case {
    int64_t value;
    bool interleaved;
    bool is_plain; /* nothing is rotated */
} latent_case;

static float angle(int64_t pos, int64_t i) { return (float)(0.3 * (double)pos / (1 + (double)i)); }

static void turn(const latent_case *n, int64_t t, const double *x, double *y)
{
    for (int64_t i = 0; i < ROPE / 2; i++) {
        const int64_t a = n->interleaved ? 2 * i : i, b = n->interleaved ? 2 * i + 1 : i + ROPE / 2;
        const double c = n->is_plain ? 1 : cosf(angle(positions[t], i)),
                     s = n->is_plain ? 0 : sinf(angle(positions[t], i));
        y[a] = x[a] * c - x[b] * s;
        y[b] = x[b] * c + x[a] * s;
    }
}

static int64_t width(const latent_case *n) { return n->value > NOPE + ROPE ? n->value : NOPE + ROPE; }

static void oracle(const grad_case *g, double *const *x, double *y)
{
    const latent_case *n = g->ctx;
    const int64_t w = width(n), v = n->value;
    for (int64_t i = 0; i < T * N * 3 * w; i++)
        y[i] = 0;
    for (int64_t t = 0; t < T; t++)
        for (int64_t h = 0; h < N; h++) {
            const double *q = x[0] + (t * N + h) * (NOPE + ROPE), *kv = x[1] + (t * N + h) * (NOPE + v);
            double *row = y + (t * N + h) * 3 * w;
            for (int64_t i = 0; i < NOPE; i++)
                row[i] = q[i], row[w + i] = kv[i];
            turn(n, t, q + NOPE, row + NOPE);
            turn(n, t, x[2] + t * ROPE, row + w + NOPE);
            for (int64_t i = 0; i < v; i++)
                row[2 * w + i] = kv[NOPE + i];
        }
}

static ts_status run(const grad_case *g, grad_env *e)
{
    const latent_case *n = g->ctx;
    float c[POSITIONS * ROPE / 2], s[POSITIONS * ROPE / 2];
    ts_storage *cos_, *sin_;
    ts_tensor *pos;
    for (int64_t i = 0; i < POSITIONS * ROPE / 2; i++)
        c[i] = cosf(angle(i / (ROPE / 2), i % (ROPE / 2))), s[i] = sinf(angle(i / (ROPE / 2), i % (ROPE / 2)));
    TS_TRY(grad_table(e, c, POSITIONS * ROPE / 2, &cos_));
    TS_TRY(grad_table(e, s, POSITIONS * ROPE / 2, &sin_));
    TS_TRY(grad_ints(e, positions, T, &pos));
    const ts_latent_op o = { .heads = N, .nope = NOPE, .rope = ROPE, .value = n->value,
                             .interleaved = n->interleaved, .cos = n->is_plain ? NULL : cos_,
                             .sin = n->is_plain ? NULL : sin_, .pos = pos };
    return ts_op_latent_rows(e->tape, &o, e->leaf[0], e->leaf[1], e->leaf[2], &e->out[0]);
}

static void take_oracle(const grad_case *g, double *const *x, double *y)
{
    (void)g;
    for (int64_t i = 0; i < T * N * 2; i++)
        y[i] = x[0][i / 2 * MOST + 3 + i % 2];
}

static ts_status take_run(const grad_case *g, grad_env *e)
{
    (void)g;
    return ts_op_take_cols(e->tape, e->leaf[0], N, 3, 2, &e->out[0]);
}

/* Of heads their columns 3 and 4, then all others. */
static void split_oracle(const grad_case *g, double *const *x, double *y)
{
    (void)g;
    double *rest = y + T * N * 2;
    for (int64_t h = 0; h < T * N; h++)
        for (int64_t c = 0, other = 0; c < MOST; c++) {
            if (c == 3 || c == 4)
                y[h * 2 + c - 3] = x[0][h * MOST + c];
            else
                rest[h * (MOST - 2) + other++] = x[0][h * MOST + c];
        }
}

static ts_status split_run(const grad_case *g, grad_env *e)
{
    (void)g;
    return ts_op_split_cols(e->tape, e->leaf[0], N, 3, 2, &e->out[0], &e->out[1]);
}

#define ROWS(v, w)                                                                                 \
    { IN("q", T, N *(NOPE + ROPE)), IN("kv", T, N *(NOPE + (v))), IN("k_rope", T, ROPE) },         \
        .n_out = T * N * 3 * (w), .longest = N, .oracle = oracle, .run = run, .with_bf16 = true
static const grad_case cases[] = {
    { "latent rows, narrow values", ROWS(2, NOPE + ROPE), .ctx = &(const latent_case){ 2, true, false } },
    { "latent rows, wide values", ROWS(9, 9), .ctx = &(const latent_case){ 9, false, false } },
    { "latent rows, values as keys", ROWS(NOPE + ROPE, NOPE + ROPE),
      .ctx = &(const latent_case){ NOPE + ROPE, true, false } },
    { "latent rows without positions", ROWS(2, NOPE + ROPE), .ctx = &(const latent_case){ 2, true, true } },
    { "columns of heads", { IN("x", T, N *MOST) }, .n_out = T * N * 2, .longest = 1, .oracle = take_oracle,
      .run = take_run, .with_bf16 = true },
    { "columns of heads and those beside them", { IN("x", T, N *MOST) }, .n_out = T * N * MOST, .longest = 1,
      .oracle = split_oracle, .run = split_run, .with_bf16 = true },
};

int main(void)
{
    bool all_ = true;
    GRAD_RUN(cases);
    return !all_;
}
