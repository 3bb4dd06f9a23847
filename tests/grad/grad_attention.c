/* Attention: shared keys, masks, cap on scores, packed documents, dropout; keys of this sequence or
 * of another. */
#include "grad.h"
#include "ops/rows.h"

#include <math.h>

enum { B = 2, S = 5, T = B * S };

typedef struct attn_case {
    int64_t n_q, n_kv, head_dim;
    float scale, softcap, dropout;
    int64_t window;
    bool packed, ends;
    int64_t sample0;
    int64_t keys;                  /* of a sequence, in a tensor of their own; 0: fused rows */
    const ts_attention_mask *mask; /* NULL: causal, by window */
    bool sinks, slopes;            /* sinks: the second variable, of fused rows */
    int64_t first;                 /* so many queries of each sequence by themselves, and the others; 0: all together */
} attn_case;

static const float slopes[4] = { 0.5f, 0.25f, 1.5f, 0.125f };

/* Documents begin at rows 0, 2 of the first sequence and at 0, 1, 4 of the second. */
static const int32_t first_key[T] = { 0, 0, 2, 2, 2, 0, 1, 1, 1, 4 };
static const int32_t last_key[T] = { 1, 1, 4, 4, 4, 0, 3, 3, 3, 4 };
enum { MOST_KEYS = 8 };

static ts_attention_mask mask_of(const attn_case *n)
{
    return n->mask ? *n->mask : ts_mask_causal(n->window);
}

static int64_t keys_of(const attn_case *n) { return n->keys ? n->keys : S; }

static ts_rng rng(void) { return ts_rng_stream(21, TS_RNG_ATTN_DROPOUT, 3, 1); }

static double kept(const attn_case *n, int64_t b, int64_t h, int64_t i, int64_t j)
{
    const ts_rng r = rng();
    uint32_t u[4];
    if (!(n->dropout > 0))
        return 1;
    const int64_t e = (((n->sample0 + b) * n->n_q + h) * S + i) * keys_of(n) + j;
    ts_rng_block(&r, (uint64_t)(e / 4), u);
    return ts_rng_uniform(u[e % 4]) < n->dropout ? 0 : 1 / (1 - (double)n->dropout);
}

static bool sees(const attn_case *n, int64_t b, int64_t i, int64_t j)
{
    const int64_t row = b * S + i;
    if ((n->packed && j < first_key[row]) || (n->ends && j > last_key[row]))
        return false;
    if (!n->mask)
        return j <= i && (n->window == 0 || i - j < n->window);
    const int64_t after = j - i - n->mask->offset;
    if (n->mask->kind != TS_MASK_WINDOW)
        return n->mask->kind == TS_MASK_BIDIRECTIONAL || after <= 0;
    return (n->mask->left < 0 || -after <= n->mask->left) &&
           (n->mask->right < 0 || after <= n->mask->right);
}

/* Where the row's parts stand: its query in x[0], the first key and value of its group in x[kv]. */
typedef struct row_place {
    int64_t q, k, v, width, out;
    int kv;
} row_place;

static row_place place_of(const attn_case *n, int64_t b, int64_t h, int64_t i)
{
    const int64_t r = n->n_q / n->n_kv, D = n->head_dim;
    row_place p = { .out = ((b * S + i) * n->n_q + h) * D };
    if (n->keys) {
        p.width = 2 * n->n_kv * D, p.kv = 1;
        p.q = p.out;
        p.k = b * n->keys * p.width + h / r * 2 * D;
        p.v = p.k + D;
    } else {
        p.width = n->n_kv * (r + 2) * D;
        const int64_t first = b * S * p.width + h / r * (r + 2) * D;
        p.q = first + i * p.width + h % r * D;
        p.k = first + r * D;
        p.v = p.k + D;
    }
    return p;
}

/* Of the keys that the row sees; none: all 0. */
static void probabilities(const attn_case *n, double *const *x, int64_t b, int64_t h, int64_t i,
                          double p[MOST_KEYS])
{
    const row_place at = place_of(n, b, h, i);
    double sum = 0;
    for (int64_t j = 0; j < keys_of(n); j++) {
        double s = 0;
        for (int64_t c = 0; c < n->head_dim; c++)
            s += x[0][at.q + c] * x[at.kv][at.k + j * at.width + c];
        s *= n->scale;
        s = n->softcap > 0 ? n->softcap * tanh(s / n->softcap) : s;
        s -= n->slopes ? (double)slopes[h] * (double)(i - j) : 0;
        p[j] = sees(n, b, i, j) ? exp(s) : 0;
        sum += p[j];
    }
    sum += n->sinks && sum > 0 ? exp(x[1][h]) : 0;
    for (int64_t j = 0; j < keys_of(n) && sum > 0; j++)
        p[j] /= sum;
}

static void one_row(const attn_case *n, double *const *x, int64_t b, int64_t h, int64_t i,
                    double *y)
{
    const row_place at = place_of(n, b, h, i);
    double p[MOST_KEYS];
    probabilities(n, x, b, h, i, p);
    for (int64_t c = 0; c < n->head_dim; c++) {
        y[at.out + c] = 0;
        for (int64_t j = 0; j < keys_of(n); j++)
            y[at.out + c] += p[j] * kept(n, b, h, i, j) * x[at.kv][at.v + j * at.width + c];
    }
}

/* d score = p (dp - delta): dp = dout.v and delta = dout.o cancel, wholly where one key is seen. */
static void row_cancels(const attn_case *n, double *const *x, const double *c, int64_t b, int64_t h,
                        int64_t i, double *const *mass)
{
    const row_place at = place_of(n, b, h, i);
    double p[MOST_KEYS], dp[MOST_KEYS], delta = 0;
    probabilities(n, x, b, h, i, p);
    for (int64_t j = 0; j < keys_of(n); j++) {
        dp[j] = 0;
        for (int64_t d = 0; d < n->head_dim; d++)
            dp[j] += kept(n, b, h, i, j) * fabs(c[at.out + d] * x[at.kv][at.v + j * at.width + d]);
        delta += p[j] * dp[j];
    }
    for (int64_t j = 0; n->sinks && j < keys_of(n); j++) /* the sink has what they leave */
        mass[1][h] += (1 - p[j]) * p[j] * dp[j];
    for (int64_t j = 0; j < keys_of(n); j++)
        for (int64_t d = 0; d < n->head_dim; d++) {
            const double ds = n->scale * p[j] * (dp[j] + delta);
            mass[0][at.q + d] += ds * fabs(x[at.kv][at.k + j * at.width + d]);
            mass[at.kv][at.k + j * at.width + d] += ds * fabs(x[0][at.q + d]);
        }
}

static void attn_cancels(const grad_case *g, double *const *x, const double *c, double *const *mass)
{
    const attn_case *n = g->ctx;
    for (int64_t b = 0; b < B; b++)
        for (int64_t h = 0; h < n->n_q; h++)
            for (int64_t i = 0; i < S; i++)
                row_cancels(n, x, c, b, h, i, mass);
}

static void attn_oracle(const grad_case *g, double *const *x, double *y)
{
    const attn_case *n = g->ctx;
    for (int64_t b = 0; b < B; b++)
        for (int64_t h = 0; h < n->n_q; h++)
            for (int64_t i = 0; i < S; i++)
                one_row(n, x, b, h, i, y);
}

static ts_status in_two(grad_env *e, const ts_attention_op *o, int64_t first)
{
    const int64_t n[2] = { first, S - first };
    ts_tensor *part[2], **piece;
    int64_t *rows;
    TS_TRY(ts_arena_alloc(&e->tape->arena, 2 * B * sizeof(ts_tensor *), &piece));
    TS_TRY(ts_arena_alloc(&e->tape->arena, 2 * B * sizeof *rows, &rows));
    for (int i = 0; i < 2; i++) {
        ts_attention_op of = *o;
        of.queries = (ts_stretch){ i * first, n[i] };
        TS_TRY(ts_op_attention(e->tape, &of, e->leaf[0], NULL, &part[i], NULL));
    }
    for (int64_t k = 0; k < 2 * B; k++) {
        rows[k] = n[k % 2];
        TS_TRY(ts_op_piece_rows(e->tape, part[k % 2], k / 2 * rows[k], rows[k], &piece[k]));
    }
    return ts_op_join_rows(e->tape, piece, rows, 2 * B, T, &e->out[0]);
}

static ts_status attn_run(const grad_case *g, grad_env *e)
{
    const attn_case *n = g->ctx;
    ts_tensor *first = NULL, *last = NULL;
    ts_storage *table = NULL;
    if (n->slopes)
        TS_TRY(grad_table(e, slopes, 4, &table));
    if (n->packed)
        TS_TRY(grad_ints(e, first_key, T, &first));
    if (n->ends)
        TS_TRY(grad_ints(e, last_key, T, &last));
    const ts_attention_op o = { .B = B, .S = S, .n_q = n->n_q, .n_kv = n->n_kv,
                                .head_dim = n->head_dim, .scale = n->scale, .softcap = n->softcap,
                                .mask = mask_of(n), .first_key = first, .last_key = last,
                                .dropout = n->dropout, .rng = rng(), .sample0 = n->sample0,
                                .sinks = n->sinks ? e->param[1] : NULL, .slopes = table };
    if (n->first)
        return in_two(e, &o, n->first);
    return ts_op_attention(e->tape, &o, e->leaf[0], n->keys ? e->leaf[1] : NULL, &e->out[0], NULL);
}

/* Variables and what a case is judged by: fused rows, or keys of a sequence of their own. */
#define ATTN(q, kv, d)                                                                             \
    { IN("qkv", T, ((q) + 2 * (kv)) * (d)) }, ATTN_REST(q, d, S)
#define APART(q, kv, d, keys_)                                                                     \
    { IN("q", T, (q) * (d)), IN("kv", B *(keys_), 2 * (kv) * (d)) }, ATTN_REST(q, d, keys_)
#define ATTN_REST(q, d, keys_)                                                                     \
    .n_out = T * (q) * (d), .longest = (d) + S + (keys_), .oracle = attn_oracle, .run = attn_run,  \
    .cancels = attn_cancels, .with_bf16 = true
#define ATTN_CTX(...) .ctx = &(const attn_case){ __VA_ARGS__ }
static const ts_attention_mask all = { .kind = TS_MASK_BIDIRECTIONAL },
                               around = { .kind = TS_MASK_WINDOW, .left = 1, .right = 2 },
                               corner = { .kind = TS_MASK_CAUSAL, .offset = 3 },
                               late = { .kind = TS_MASK_CAUSAL, .offset = -2 };
static const grad_case cases[] = {
    { "attention, sinks", { IN("qkv", T, 8 * 4), PARAM("sinks", 4, 0) }, ATTN_REST(4, 4, S),
      ATTN_CTX(.n_q = 4, .n_kv = 2, .head_dim = 4, .scale = 0.7f, .sinks = true) },
    { "attention, frozen sinks, window", { IN("qkv", T, 8 * 4), PARAM("sinks", 4, 0, .is_frozen = true) },
      ATTN_REST(4, 4, S),
      ATTN_CTX(.n_q = 4, .n_kv = 2, .head_dim = 4, .scale = 0.7f, .window = 2, .sinks = true) },
    { "attention, slopes", ATTN(4, 2, 4),
      ATTN_CTX(.n_q = 4, .n_kv = 2, .head_dim = 4, .scale = 0.7f, .slopes = true) },
    { "attention, sinks, slopes, packed", { IN("qkv", T, 8 * 4), PARAM("sinks", 4, 0) }, ATTN_REST(4, 4, S),
      ATTN_CTX(.n_q = 4, .n_kv = 2, .head_dim = 4, .scale = 0.7f, .packed = true, .sinks = true,
               .slopes = true) },
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
    { "attention, in two", ATTN(4, 2, 4), ATTN_CTX(.n_q = 4, .n_kv = 2, .head_dim = 4, .scale = 0.7f, .first = 2) },
    { "attention, in two, everything", ATTN(4, 2, 4),
      ATTN_CTX(.n_q = 4, .n_kv = 2, .head_dim = 4, .scale = 1.5f, .softcap = 1.5f, .dropout = 0.25f,
               .window = 3, .packed = true, .sample0 = 2, .first = 1) },
    { "attention, in two, sinks, slopes", { IN("qkv", T, 8 * 4), PARAM("sinks", 4, 0) }, ATTN_REST(4, 4, S),
      ATTN_CTX(.n_q = 4, .n_kv = 2, .head_dim = 4, .scale = 0.7f, .packed = true, .sinks = true,
               .slopes = true, .first = 3) },
    { "attention, bidirectional", ATTN(2, 1, 4),
      ATTN_CTX(.n_q = 2, .n_kv = 1, .head_dim = 4, .scale = 0.9f, .mask = &all) },
    { "attention, bidirectional, packed", ATTN(4, 2, 4),
      ATTN_CTX(.n_q = 4, .n_kv = 2, .head_dim = 4, .scale = 0.9f, .mask = &all, .packed = true,
               .ends = true) },
    { "attention, window to both sides", ATTN(2, 1, 4),
      ATTN_CTX(.n_q = 2, .n_kv = 1, .head_dim = 4, .scale = 0.9f, .mask = &around) },
    { "attention, apart, causal", APART(4, 2, 4, S),
      ATTN_CTX(.n_q = 4, .n_kv = 2, .head_dim = 4, .scale = 0.9f, .keys = S) },
    { "attention, another sequence", APART(4, 2, 4, 7),
      ATTN_CTX(.n_q = 4, .n_kv = 2, .head_dim = 4, .scale = 0.9f, .keys = 7, .mask = &all) },
    { "attention, another sequence of one key", APART(2, 2, 5, 1),
      ATTN_CTX(.n_q = 2, .n_kv = 2, .head_dim = 5, .scale = 0.9f, .keys = 1, .mask = &all) },
    { "attention, another sequence, some keys", APART(2, 1, 4, 3),
      ATTN_CTX(.n_q = 2, .n_kv = 1, .head_dim = 4, .scale = 0.9f, .keys = 3, .mask = &all,
               .packed = true, .ends = true) },
    { "attention, rectangle", APART(2, 1, 4, 8),
      ATTN_CTX(.n_q = 2, .n_kv = 1, .head_dim = 4, .scale = 0.9f, .keys = 8, .mask = &corner) },
    { "attention, rows that see nothing", APART(2, 1, 4, 3),
      ATTN_CTX(.n_q = 2, .n_kv = 1, .head_dim = 4, .scale = 0.9f, .keys = 3, .mask = &late) },
    { "attention, apart, everything", APART(4, 2, 4, 7),
      ATTN_CTX(.n_q = 4, .n_kv = 2, .head_dim = 4, .scale = 1.5f, .softcap = 1.5f, .dropout = 0.25f,
               .packed = true, .ends = true, .sample0 = 2, .keys = 7, .mask = &around) },
};

int main(void)
{
    bool all_ = true;
    GRAD_RUN(cases);
    return all_ ? 0 : 1;
}
