/* Attention to keys of a window and to entries of several tokens, what makes entries, ends of heads that are rotated. */
#include "grad.h"

#include "ops/compress.h"

#include <math.h>

enum { B = 2, S = 11, T = B * S };

/* Where each row's document begins: of the first sequence two. */
static int64_t begin_of(int64_t b, int64_t i) { return !b && i >= 4 ? 4 : 0; }

static ts_status positions(grad_env *e, ts_tensor **pos, ts_tensor **first)
{
    int32_t p[T], f[T];
    for (int64_t i = 0; i < T; i++) {
        f[i] = (int32_t)begin_of(i / S, i % S);
        p[i] = (int32_t)(i % S) - f[i];
    }
    TS_TRY(grad_ints(e, p, T, pos));
    return grad_ints(e, f, T, first);
}

/* ---- entries: kv, gate, bias ---- */

enum { RATE = 3, SLOTS = 4, DIM = 5 };

/* The terms of columns c of the entry that row i of sequence b ends: which elements of kv, and of bias. */
static int64_t terms_of(bool overlaps, int64_t b, int64_t i, int64_t c, int64_t at[2 * RATE], int64_t bias[2 * RATE])
{
    const int64_t width = overlaps ? 2 * DIM : DIM, tokens = i + 1 - begin_of(b, i);
    int64_t n = 0;
    for (int64_t t = overlaps && tokens > RATE ? -RATE : 0; t < RATE; t++, n++) {
        const int64_t col = overlaps && t >= 0 ? DIM + c : c;
        at[n] = (b * S + i + 1 - RATE + t) * width + col;
        bias[n] = (t + RATE) % RATE * width + col;
    }
    return n;
}

static void entries_oracle(const grad_case *g, double *const *x, double *y)
{
    const bool overlaps = *(const bool *)g->ctx;
    for (int64_t k = 0; k < B * SLOTS * DIM; k++)
        y[k] = 0;
    for (int64_t r = 0; r < T; r++) {
        const int64_t b = r / S, i = r % S;
        for (int64_t c = 0; c < DIM && (i + 1 - begin_of(b, i)) % RATE == 0; c++) {
            int64_t at[2 * RATE], bias[2 * RATE];
            const int64_t n = terms_of(overlaps, b, i, c, at, bias);
            double sum = 0, all = 0;
            for (int64_t t = 0; t < n; t++) {
                const double p = exp(x[1][at[t]] + x[2][bias[t]]);
                sum += p * x[0][at[t]], all += p;
            }
            y[(b * SLOTS + i / RATE) * DIM + c] = sum / all;
        }
    }
}

/* d gate = p (value - mean) dy: both of these cancel. */
static void entries_cancel(const grad_case *g, double *const *x, const double *c, double *const *mass)
{
    const bool overlaps = *(const bool *)g->ctx;
    for (int64_t k = 0; k < T * DIM; k++) {
        const int64_t b = k / DIM / S, i = k / DIM % S;
        int64_t at[2 * RATE], bias[2 * RATE];
        if ((i + 1 - begin_of(b, i)) % RATE)
            continue;
        const int64_t n = terms_of(overlaps, b, i, k % DIM, at, bias);
        for (int64_t t = 0; t < n; t++) {
            const double size = 2 * fabs(c[(b * SLOTS + i / RATE) * DIM + k % DIM] * x[0][at[t]]);
            mass[1][at[t]] += size, mass[2][bias[t]] += size;
        }
    }
}

static ts_status entries_run(const grad_case *g, grad_env *e)
{
    ts_tensor *pos, *first;
    ts_compress_plan plan;
    TS_TRY(positions(e, &pos, &first));
    const ts_compress_rows rows = { .B = B, .S = S, .rate = RATE, .pos = pos, .first_key = first };
    TS_TRY(ts_compress_plan_make(e->tape, &rows, &plan));
    const ts_compress_op o = { .dim = DIM, .overlaps = *(const bool *)g->ctx, .bias = e->param[2] };
    return ts_op_compress(e->tape, &o, &plan, e->leaf[0], e->leaf[1], &e->out[0]);
}

/* ---- attention: q, keys, entries, sinks ---- */

enum { HEADS = 3, HEAD = 4, WINDOW = 3, ENTRIES = 4, KEYS = WINDOW + ENTRIES };

typedef struct keys_case {
    bool chosen, alone; /* of the entries that are seen the first and the last; there are none */
} keys_case;

/* Entries that a row sees: those whose three rows are none behind it; none of another document. */
static void seen_of(int64_t b, int64_t i, int64_t *first, int64_t *last)
{
    *first = (begin_of(b, i) + 2) / 3;
    *last = *first + (i + 1 - begin_of(b, i)) / 3 - 1;
}

/* The keys of a row: of which variable, and where they begin there. */
static int64_t list_of(const keys_case *n, int64_t b, int64_t i, int64_t var[KEYS], int64_t at[KEYS])
{
    int64_t k = 0, first, last;
    for (int64_t j = i - WINDOW + 1; j <= i; j++)
        if (j >= begin_of(b, i))
            var[k] = 1, at[k++] = (b * S + j) * HEAD;
    seen_of(b, i, &first, &last);
    for (int64_t j = first; j <= last && !n->alone; j++)
        if (!n->chosen || j == first || j == last)
            var[k] = 2, at[k++] = (b * ENTRIES + j) * HEAD;
    return k;
}

static const double scale = 0.7;

/* Of the keys of row i and head h; the sink is the last variable. */
static int64_t probabilities(const keys_case *n, double *const *x, int64_t b, int64_t i, int64_t h, int64_t var[KEYS],
                             int64_t at[KEYS], double p[KEYS])
{
    const int64_t keys = list_of(n, b, i, var, at);
    double sum = exp(x[n->alone ? 2 : 3][h]);
    for (int64_t k = 0; k < keys; k++) {
        double s = 0;
        for (int64_t d = 0; d < HEAD; d++)
            s += x[0][((b * S + i) * HEADS + h) * HEAD + d] * x[var[k]][at[k] + d];
        sum += p[k] = exp((double)(float)scale * s);
    }
    for (int64_t k = 0; k < keys; k++)
        p[k] /= sum;
    return keys;
}

static void keys_oracle(const grad_case *g, double *const *x, double *y)
{
    for (int64_t r = 0; r < T * HEADS; r++) {
        int64_t var[KEYS], at[KEYS];
        double p[KEYS];
        const int64_t keys = probabilities(g->ctx, x, r / HEADS / S, r / HEADS % S, r % HEADS, var, at, p);
        for (int64_t d = 0; d < HEAD; d++) {
            y[r * HEAD + d] = 0;
            for (int64_t k = 0; k < keys; k++)
                y[r * HEAD + d] += p[k] * x[var[k]][at[k] + d];
        }
    }
}

static void keys_cancel(const grad_case *g, double *const *x, const double *c, double *const *mass)
{
    const keys_case *n = g->ctx;
    for (int64_t r = 0; r < T * HEADS; r++) {
        int64_t var[KEYS], at[KEYS];
        double p[KEYS], dp[KEYS], delta = 0;
        const int64_t keys = probabilities(n, x, r / HEADS / S, r / HEADS % S, r % HEADS, var, at, p);
        for (int64_t k = 0; k < keys; k++) {
            dp[k] = 0;
            for (int64_t d = 0; d < HEAD; d++)
                dp[k] += fabs(c[r * HEAD + d] * x[var[k]][at[k] + d]);
            delta += p[k] * dp[k];
        }
        for (int64_t k = 0; k < keys; k++) {
            const double ds = scale * p[k] * (dp[k] + delta);
            mass[n->alone ? 2 : 3][r % HEADS] += p[k] * dp[k];
            for (int64_t d = 0; d < HEAD; d++) {
                mass[0][r * HEAD + d] += ds * fabs(x[var[k]][at[k] + d]);
                mass[var[k]][at[k] + d] += ds * fabs(x[0][r * HEAD + d]);
            }
        }
    }
}

static ts_status keys_run(const grad_case *g, grad_env *e)
{
    const keys_case *n = g->ctx;
    ts_shared_keys_op o = { .B = B, .S = S, .heads = HEADS, .dim = HEAD, .scale = (float)scale,
                            .mask = ts_mask_causal(WINDOW), .sinks = e->param[n->alone ? 2 : 3] };
    int32_t first[T], last[T], chosen[2 * T], count[B] = { ENTRIES, ENTRIES };
    ts_tensor *pos, *begins;
    for (int64_t r = 0; r < T; r++) {
        int64_t from, to;
        seen_of(r / S, r % S, &from, &to);
        first[r] = (int32_t)from, last[r] = (int32_t)to;
        chosen[2 * r] = to >= from ? (int32_t)from : -1;
        chosen[2 * r + 1] = to > from ? (int32_t)to : -1;
    }
    TS_TRY(positions(e, &pos, &begins));
    o.first_key = begins;
    TS_TRY(grad_ints(e, first, T, &o.first));
    TS_TRY(grad_ints(e, last, T, &o.last));
    TS_TRY(grad_ints(e, count, B, &o.count));
    if (n->chosen) {
        TS_TRY(grad_ints(e, chosen, 2 * T, &o.chosen));
        o.chosen->rank = 2, o.chosen->dim[0] = T, o.chosen->dim[1] = 2;
    }
    return ts_op_shared_keys(e->tape, &o, e->leaf[0], e->leaf[1], n->alone ? NULL : e->leaf[2], &e->out[0]);
}

/* ---- ends of heads, rotated in pairs ---- */

enum { WIDE = 7, TAIL = 4 };

static double angle(int64_t row, int64_t pair) { return 0.3 * (double)((row % S) * (pair + 1)); }

static void tail_oracle(const grad_case *g, double *const *x, double *y)
{
    const double way = *(const bool *)g->ctx ? -1 : 1;
    for (int64_t k = 0; k < T * 2; k++) {
        const double *from = x[0] + k * WIDE;
        double *to = y + k * WIDE;
        for (int64_t c = 0; c < WIDE - TAIL; c++)
            to[c] = from[c];
        for (int64_t i = 0; i < TAIL / 2; i++) {
            const int64_t a = WIDE - TAIL + 2 * i;
            const double co = (double)(float)cos(angle(k / 2, i)), si = way * (double)(float)sin(angle(k / 2, i));
            to[a] = from[a] * co - from[a + 1] * si;
            to[a + 1] = from[a + 1] * co + from[a] * si;
        }
    }
}

static ts_status tail_run(const grad_case *g, grad_env *e)
{
    const bool back = *(const bool *)g->ctx;
    float co[S * TAIL / 2], si[S * TAIL / 2];
    int32_t pos[T];
    ts_storage *cosines, *sines;
    ts_tensor *p;
    for (int64_t i = 0; i < S * TAIL / 2; i++)
        co[i] = (float)cos(angle(i / 2, i % 2)), si[i] = (float)sin(angle(i / 2, i % 2));
    for (int64_t i = 0; i < T; i++)
        pos[i] = (int32_t)(i % S);
    TS_TRY(grad_table(e, co, S * TAIL / 2, &cosines));
    TS_TRY(grad_table(e, si, S * TAIL / 2, &sines));
    TS_TRY(grad_ints(e, pos, T, &p));
    const ts_rope_tail_op o = { .heads = 2, .dim = WIDE, .rope = TAIL, .interleaved = true, .back = back, .copies = back,
                                .cos = cosines, .sin = sines, .pos = p };
    return ts_op_rope_tail(e->tape, &o, e->leaf[0], &e->out[0]);
}

static const bool yes = true, no = false;
#define OF_ENTRIES(width)                                                                          \
    { IN("kv", T, width), IN("gate", T, width, .scale = 2), PARAM("bias", RATE *(width), 0) },     \
    .n_out = B * SLOTS * DIM, .longest = 4 * RATE + T, .oracle = entries_oracle, .run = entries_run, \
    .cancels = entries_cancel, .with_bf16 = true
#define OF_KEYS .n_out = T * HEADS * HEAD, .longest = HEADS * S + KEYS, .oracle = keys_oracle, .run = keys_run, \
    .cancels = keys_cancel, .with_bf16 = true
static const grad_case cases[] = {
    { "entries of three tokens", OF_ENTRIES(DIM), .ctx = &no },
    { "entries of six, three of them the neighbour's", OF_ENTRIES(2 * DIM), .ctx = &yes },
    { "shared keys", { IN("q", T, HEADS * HEAD), IN("keys", T, HEAD), IN("entries", B * ENTRIES, HEAD), PARAM("sinks", HEADS, 0) },
      OF_KEYS, .ctx = &(const keys_case){ 0 } },
    { "shared keys, chosen entries",
      { IN("q", T, HEADS * HEAD), IN("keys", T, HEAD), IN("entries", B * ENTRIES, HEAD), PARAM("sinks", HEADS, 0) },
      OF_KEYS, .ctx = &(const keys_case){ .chosen = true } },
    { "shared keys of a window alone", { IN("q", T, HEADS * HEAD), IN("keys", T, HEAD), PARAM("sinks", HEADS, 0) },
      OF_KEYS, .ctx = &(const keys_case){ .alone = true } },
    { "ends of heads", { IN("x", T, 2 * WIDE) }, .n_out = T * 2 * WIDE, .longest = 2, .oracle = tail_oracle, .run = tail_run,
      .with_bf16 = true, .ctx = &no },
    { "ends of heads, back", { IN("x", T, 2 * WIDE) }, .n_out = T * 2 * WIDE, .longest = 2, .oracle = tail_oracle, .run = tail_run,
      .with_bf16 = true, .ctx = &yes },
};

int main(void)
{
    bool all_ = true;
    GRAD_RUN(cases);
    return !all_;
}
