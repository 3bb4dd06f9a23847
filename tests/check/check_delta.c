/* Delta rules against the recurrences that they stand for, written in double: token by token, and backwards through
 * time. A step of the recurrence makes nothing longer (decays are at most 1, and so is I - beta k k^T, as k has length
 * 1), so that what one row is rounded by does not grow: a bound is so many roundings of the largest value of the head
 * as rows and terms may add. */
#include "check.h"

#include <string.h>

typedef struct delta_case {
    ts_dtype t;
    bool by_channel;
    int64_t B, S, heads, key_heads, K, V;
    int documents; /* their length; 0: sequences are whole */
    bool kept;     /* a state goes in and out, and sequences have lengths */
    double rate;   /* A_log is up to this */
} delta_case;

static int64_t width_of(const delta_case *c) { return 2 * c->key_heads * c->K + c->heads * c->V; }
static int64_t decays_of(const delta_case *c) { return c->by_channel ? c->heads * c->K : c->heads; }

static void name(const delta_case *c, const char *kernel)
{
    check_case("%s_%s %s B %lld S %lld heads %lld of %lld, K %lld V %lld documents %d kept %d rate %g",
               c->by_channel ? "kda" : "delta", kernel, ts_dtype_name(c->t), (long long)c->B, (long long)c->S,
               (long long)c->heads, (long long)c->key_heads, (long long)c->K, (long long)c->V, c->documents, c->kept,
               c->rate);
}

static const int32_t *documents_of(const delta_case *c)
{
    const int64_t rows = c->B * c->S;
    int32_t *first = check_ints(6, TS_DTYPE_I32, rows, 0);
    for (int64_t r = 0; r < rows; r++) { /* the second sequence is cut elsewhere */
        const int64_t begin = (r % c->S + r / c->S) / c->documents * c->documents - r / c->S;
        first[r] = begin < 0 ? 0 : (int32_t)begin;
    }
    check_touched(first);
    return first;
}

static ts_delta_args args_of(const delta_case *c)
{
    const int64_t rows = c->B * c->S;
    ts_delta_args a = { .B = c->B, .S = c->S, .heads = c->heads, .key_heads = c->key_heads, .K = c->K, .V = c->V,
                        .dtype = c->t, .eps = 1e-6f, .qkv = check_in(1, c->t, rows * width_of(c), 1),
                        .raw_g = check_in(2, c->t, rows * decays_of(c), 2), .raw_b = check_in(3, c->t, rows * c->heads, 3),
                        .A_log = check_in(4, TS_DTYPE_F32, c->heads, c->rate),
                        .bias = check_in(5, TS_DTYPE_F32, decays_of(c), 1) };
    if (c->documents)
        a.first_key = documents_of(c);
    if (c->kept) {
        int32_t *length = check_ints(7, TS_DTYPE_I32, c->B, 0);
        for (int64_t b = 0; b < c->B; b++)
            length[b] = (int32_t)(c->S - b * (c->S / 3));
        check_touched(length);
        a.length = length;
        a.state = check_inout(8, TS_DTYPE_F32, c->B * c->heads * c->K * c->V, 1);
    }
    return a;
}

/* One head of one sequence. */
typedef struct recurrence {
    const delta_case *c;
    const ts_delta_args *a;
    int64_t b, head;
    double *q, *k;               /* [S][K]: at length 1, q divided by root K */
    double *m, *decayed;         /* [S + 1][K V]: states before each row; the same behind the row's decay */
    double *y, *r;               /* [S][V]: r = v - decayed^T k */
    double *dq, *dk, *dv;        /* of q and k at length 1 */
    double *dg, *db;             /* [S][K]: of each channel's g; [S]: of beta */
} recurrence;

static int64_t row_of(const recurrence *r, int64_t t) { return r->b * r->c->S + t; }
static bool begins(const recurrence *r, int64_t t) { return r->a->first_key && r->a->first_key[row_of(r, t)] == t; }

static double in_at(const recurrence *r, int64_t t, int which, int64_t i)
{
    const delta_case *c = r->c;
    const int64_t head = r->head / (c->heads / c->key_heads),
                  at = which < 2 ? (which * c->key_heads + head) * c->K : 2 * c->key_heads * c->K + r->head * c->V;
    return check_get(r->a->qkv, row_of(r, t) * width_of(c) + at + i, c->t);
}

static double beta_at(const recurrence *r, int64_t t)
{
    return 1 / (1 + exp(-check_get(r->a->raw_b, row_of(r, t) * r->c->heads + r->head, r->c->t)));
}

static double raw_at(const recurrence *r, int64_t t, int64_t k)
{
    const int64_t at = r->c->by_channel ? r->head * r->c->K + k : r->head;
    return check_get(r->a->raw_g, row_of(r, t) * decays_of(r->c) + at, r->c->t) + (double)r->a->bias[at];
}

static double rate_of(const recurrence *r) { return -exp((double)r->a->A_log[r->head]); }

static double shortening(const recurrence *r, int64_t t, int which)
{
    double sum = (double)r->a->eps;
    for (int64_t k = 0; k < r->c->K; k++)
        sum += in_at(r, t, which, k) * in_at(r, t, which, k);
    return 1 / sqrt(sum);
}

static recurrence make(const delta_case *c, const ts_delta_args *a, int64_t b, int64_t head)
{
    const int64_t S = c->S, K = c->K, V = c->V, KV = K * V;
    recurrence r = { c, a, b, head, check_f64(S * K), check_f64(S * K), check_f64((S + 1) * KV), check_f64(S * KV),
                     check_f64(S * V), check_f64(S * V), check_f64(S * K), check_f64(S * K), check_f64(S * V),
                     check_f64(S * K), check_f64(S) };
    for (int64_t t = 0; t < S; t++)
        for (int64_t k = 0; k < K; k++) {
            r.q[t * K + k] = in_at(&r, t, 0, k) * shortening(&r, t, 0) / sqrt((double)K);
            r.k[t * K + k] = in_at(&r, t, 1, k) * shortening(&r, t, 1);
        }
    return r;
}

static double decay_at(const recurrence *r, int64_t t, int64_t k)
{
    return begins(r, t) ? 0 : exp(rate_of(r) * log1p(exp(raw_at(r, t, k))));
}

static void go_forward(const recurrence *r)
{
    const int64_t K = r->c->K, V = r->c->V, KV = K * V, length = r->a->length ? r->a->length[r->b] : r->c->S;
    for (int64_t i = 0; r->a->state && i < KV; i++)
        r->m[i] = check_before(r->a->state, (r->b * r->c->heads + r->head) * KV + i, TS_DTYPE_F32);
    for (int64_t t = 0; t < length; t++) {
        const double *m = r->m + t * KV, *k = r->k + t * K, *q = r->q + t * K, beta = beta_at(r, t);
        double *decayed = r->decayed + t * KV, *next = r->m + (t + 1) * KV;
        for (int64_t i = 0; i < KV; i++)
            decayed[i] = decay_at(r, t, i / V) * m[i];
        for (int64_t v = 0; v < V; v++) {
            double seen = 0;
            for (int64_t i = 0; i < K; i++)
                seen += decayed[i * V + v] * k[i];
            r->r[t * V + v] = in_at(r, t, 2, v) - seen;
            for (int64_t i = 0; i < K; i++) {
                next[i * V + v] = decayed[i * V + v] + beta * k[i] * r->r[t * V + v];
                r->y[t * V + v] += q[i] * next[i * V + v];
            }
        }
    }
}

static void go_back(const recurrence *r)
{
    const int64_t K = r->c->K, V = r->c->V, KV = K * V;
    double *dm = check_f64(KV);
    for (int64_t t = r->c->S; t-- > 0;) {
        const double *m = r->m + t * KV, *decayed = r->decayed + t * KV, *next = m + KV, *k = r->k + t * K,
                     *q = r->q + t * K, beta = beta_at(r, t);
        for (int64_t v = 0; v < V; v++) {
            const double dy = check_get(r->a->dy, (row_of(r, t) * r->c->heads + r->head) * V + v, r->c->t),
                         rest = r->r[t * V + v];
            double dr = 0;
            for (int64_t i = 0; i < K; i++) {
                const int64_t at = i * V + v;
                r->dq[t * K + i] += next[at] * dy;
                dm[at] += q[i] * dy;
                r->db[t] += dm[at] * k[i] * rest;
                r->dk[t * K + i] += beta * dm[at] * rest;
                dr += beta * dm[at] * k[i];
            }
            r->dv[t * V + v] = dr;
            for (int64_t i = 0; i < K; i++) {
                const int64_t at = i * V + v;
                r->dk[t * K + i] -= decayed[at] * dr;
                dm[at] = (dm[at] - k[i] * dr) * decay_at(r, t, i);
                r->dg[t * K + i] += dm[at] * m[at];
            }
        }
    }
}

static double most(const double *x, int64_t n)
{
    double v = 0;
    for (int64_t i = 0; i < n; i++)
        v = fmax(v, fabs(x[i]));
    return v;
}

/* Of the largest value: rows and terms of their sums, added at random. */
static double part(const delta_case *c) { return CHECK_U * 6 * sqrt((double)(c->S + c->K + c->V)); }

static void forward(const check_env *e, const delta_case *c)
{
    name(c, "fwd");
    const int64_t KV = c->K * c->V;
    ts_delta_args a = args_of(c);
    a.y = check_out(c->t, c->B * c->S * c->heads * c->V);
    check_kernel(e, c->by_channel ? TS_KERNEL_kda_fwd : TS_KERNEL_delta_fwd, &a, 0);
    for (int64_t b = 0; b < c->B; b++)
        for (int64_t head = 0; head < c->heads; head++) {
            const recurrence r = make(c, &a, b, head);
            go_forward(&r);
            const double bound = part(c) * most(r.m, (c->S + 1) * KV);
            for (int64_t i = 0; i < c->S * c->V; i++)
                check_elem("y", a.y, ((b * c->S + i / c->V) * c->heads + head) * c->V + i % c->V, c->t, r.y[i], bound);
            const int64_t last = (a.length ? a.length[b] : c->S) * KV;
            for (int64_t i = 0; a.state && i < KV; i++)
                check_near("state", i, a.state[(b * c->heads + head) * KV + i], r.m[last + i], bound);
        }
}

/* What comes to the numbers of decays: gradients of g through rate * softplus(raw). */
static void judge_decays(const recurrence *r)
{
    const delta_case *c = r->c;
    const int64_t each = c->by_channel ? c->K : 1, cols = c->heads + decays_of(c);
    const double bound = part(c) * most(r->dg, c->S * c->K) * (double)(TS_DELTA_CHUNK + c->K) * fmax(1, -rate_of(r));
    for (int64_t t = 0; t < c->S; t++) {
        const float *sums = r->a->sums + row_of(r, t) * cols;
        double rate = 0;
        for (int64_t i = 0; i < each; i++) {
            const double raw = raw_at(r, t, i);
            double dg = 0;
            for (int64_t k = c->by_channel ? i : 0; k < (c->by_channel ? i + 1 : c->K); k++)
                dg += r->dg[t * c->K + k];
            rate += dg * rate_of(r) * log1p(exp(raw));
            const double draw = dg * rate_of(r) / (1 + exp(-raw));
            check_elem("draw_g", r->a->draw_g, row_of(r, t) * decays_of(c) + r->head * each + i, c->t, draw, bound);
            check_near("dbias", row_of(r, t), sums[c->heads + r->head * each + i], draw, bound);
        }
        check_near("dA_log", row_of(r, t), sums[r->head], rate, 4 * bound * sqrt((double)each));
    }
}

static void judge_head(const recurrence *r)
{
    const delta_case *c = r->c;
    const double dv = part(c) * most(r->dv, c->S * c->V), db = part(c) * most(r->db, c->S);
    for (int64_t t = 0; t < c->S; t++) {
        const double beta = beta_at(r, t);
        for (int64_t v = 0; v < c->V; v++)
            check_elem("dv", r->a->dqkv, row_of(r, t) * width_of(c) + 2 * c->key_heads * c->K + r->head * c->V + v, c->t,
                       r->dv[t * c->V + v], 4 * dv);
        check_elem("draw_b", r->a->draw_b, row_of(r, t) * c->heads + r->head, c->t, r->db[t] * beta * (1 - beta), 4 * db);
    }
    judge_decays(r);
}

/* q (which 0) and k of one head of keys: d [S][K] at length 1, taken through the change of length. */
static void judge_keys(const recurrence *r, int which, const double *d)
{
    const delta_case *c = r->c;
    const int64_t key_head = r->head / (c->heads / c->key_heads);
    double f[2] = { 0 };
    for (int64_t t = 0; t < c->S; t++)
        f[1] = fmax(f[1], shortening(r, t, which));
    const double bound = 4 * part(c) * most(d, c->S * c->K) * f[1] * sqrt((double)c->K);
    for (int64_t t = 0; t < c->S; t++) {
        double along = 0;
        f[0] = shortening(r, t, which);
        for (int64_t k = 0; k < c->K; k++)
            along += in_at(r, t, which, k) * d[t * c->K + k];
        for (int64_t k = 0; k < c->K; k++) {
            const double want = f[0] * (d[t * c->K + k] - in_at(r, t, which, k) * f[0] * f[0] * along);
            check_elem(which ? "dk" : "dq", r->a->dqkv,
                       row_of(r, t) * width_of(c) + (which * c->key_heads + key_head) * c->K + k, c->t,
                       which ? want : want / sqrt((double)c->K), which ? bound : bound / sqrt((double)c->K));
        }
    }
}

static void backward(const check_env *e, const delta_case *c)
{
    name(c, "bwd");
    const int64_t rows = c->B * c->S, SK = c->S * c->K, shared = c->heads / c->key_heads;
    ts_delta_args a = args_of(c);
    a.dy = check_in(9, c->t, rows * c->heads * c->V, 1);
    a.dqkv = check_out(c->t, rows * width_of(c));
    a.draw_g = check_out(c->t, rows * decays_of(c)), a.draw_b = check_out(c->t, rows * c->heads);
    a.states = check_out(TS_DTYPE_F32, c->B * c->heads * ts_delta_kept(c->S) * c->K * c->V);
    a.parts = check_out(TS_DTYPE_F32, rows * c->heads * 2 * c->K);
    a.sums = check_out(TS_DTYPE_F32, rows * (c->heads + decays_of(c)));
    check_kernel(e, c->by_channel ? TS_KERNEL_kda_bwd : TS_KERNEL_delta_bwd, &a, 0);
    double *dq = check_f64(c->B * c->key_heads * SK), *dk = check_f64(c->B * c->key_heads * SK);
    for (int64_t b = 0; b < c->B; b++)
        for (int64_t head = 0; head < c->heads; head++) {
            const recurrence r = make(c, &a, b, head);
            const int64_t to = (b * c->key_heads + head / shared) * SK;
            go_forward(&r), go_back(&r);
            judge_head(&r);
            for (int64_t i = 0; i < SK; i++)
                dq[to + i] += r.dq[i], dk[to + i] += r.dk[i];
        }
    check_kernel(e, TS_KERNEL_delta_join, &a, rows);
    for (int64_t b = 0; b < c->B; b++)
        for (int64_t head = 0; head < c->key_heads; head++) {
            const recurrence r = make(c, &a, b, head * shared);
            judge_keys(&r, 0, dq + (b * c->key_heads + head) * SK);
            judge_keys(&r, 1, dk + (b * c->key_heads + head) * SK);
        }
}

/* A document at the end of a pack, and alone: the same bits, forward and backward. */
static void alone_and_packed(const check_env *e, ts_dtype t, bool by_channel)
{
    const delta_case c = { t, by_channel, 1, 210, 3, by_channel ? 3 : 1, 12, 20, 0, false, 1 };
    const int64_t begin = 57, n = c.S - begin, out = c.heads * c.V, width = width_of(&c), cols = c.heads + decays_of(&c);
    const size_t size = ts_dtype_size(t);
    const ts_kernel fwd = by_channel ? TS_KERNEL_kda_fwd : TS_KERNEL_delta_fwd,
                    bwd = by_channel ? TS_KERNEL_kda_bwd : TS_KERNEL_delta_bwd;
    name(&c, "packed");
    ts_delta_args a = args_of(&c);
    int32_t *first = check_ints(6, TS_DTYPE_I32, c.S, 0);
    for (int64_t i = begin; i < c.S; i++)
        first[i] = (int32_t)begin;
    check_touched(first);
    a.first_key = first;
    a.dy = check_in(9, t, c.S * out, 1);
    a.parts = check_out(TS_DTYPE_F32, c.S * c.heads * 2 * c.K);
    a.states = check_out(TS_DTYPE_F32, c.heads * ts_delta_kept(c.S) * c.K * c.V);
    ts_delta_args one = a;
    one.S = n, one.first_key = NULL;
    one.qkv = (const char *)a.qkv + (size_t)(begin * width) * size;
    one.raw_g = (const char *)a.raw_g + (size_t)(begin * decays_of(&c)) * size;
    one.raw_b = (const char *)a.raw_b + (size_t)(begin * c.heads) * size;
    one.dy = (const char *)a.dy + (size_t)(begin * out) * size;
    ts_delta_args *const both[] = { &a, &one };
    for (int i = 0; i < 2; i++) {
        both[i]->y = check_out(t, both[i]->S * out);
        both[i]->dqkv = check_out(t, both[i]->S * width);
        both[i]->draw_g = check_out(t, both[i]->S * decays_of(&c)), both[i]->draw_b = check_out(t, both[i]->S * c.heads);
        both[i]->sums = check_out(TS_DTYPE_F32, both[i]->S * cols);
        check_kernel(e, fwd, both[i], 0);
        check_kernel(e, bwd, both[i], 0);
        check_kernel(e, TS_KERNEL_delta_join, both[i], both[i]->S);
    }
    const struct {
        const char *what;
        const void *packed, *alone;
        int64_t row;
        size_t size;
    } parts[] = { { "y", a.y, one.y, out, size }, { "dqkv", a.dqkv, one.dqkv, width, size },
                  { "draw_g", a.draw_g, one.draw_g, decays_of(&c), size },
                  { "draw_b", a.draw_b, one.draw_b, c.heads, size }, { "sums", a.sums, one.sums, cols, 4 } };
    for (size_t i = 0; i < CHECK_COUNT(parts); i++)
        if (memcmp((const char *)parts[i].packed + (size_t)(begin * parts[i].row) * parts[i].size, parts[i].alone,
                   (size_t)(n * parts[i].row) * parts[i].size))
            check_fail("%s: a document in a pack has other bits than alone", parts[i].what);
}

void check_delta(const check_env *e)
{
    static const delta_case cases[] = {
        { TS_DTYPE_F32, true, 2, 70, 3, 3, 5, 7, 0, false, 1 },    { TS_DTYPE_F32, true, 1, 300, 2, 2, 16, 24, 0, false, 2 },
        { TS_DTYPE_F32, true, 2, 150, 4, 2, 16, 12, 67, false, 1 }, { TS_DTYPE_F32, true, 2, 21, 2, 2, 4, 3, 1, false, 1 },
        { TS_DTYPE_BF16, true, 1, 90, 2, 2, 16, 16, 40, false, 1 }, { TS_DTYPE_F16, true, 1, 65, 2, 2, 33, 9, 0, false, 1 },
        { TS_DTYPE_F32, true, 1, 130, 1, 1, 64, 48, 0, false, 6 }, /* exponents far below what fp32 has */
        { TS_DTYPE_F32, false, 2, 150, 4, 2, 16, 12, 67, false, 1 }, { TS_DTYPE_F32, false, 1, 300, 2, 1, 9, 24, 0, false, 2 },
        { TS_DTYPE_BF16, false, 1, 90, 2, 2, 16, 16, 0, false, 1 },
    };
    static const delta_case kept[] = {
        { TS_DTYPE_F32, true, 3, 70, 3, 3, 5, 7, 0, true, 1 },
        { TS_DTYPE_BF16, true, 2, 130, 2, 1, 16, 8, 0, true, 1 },
        { TS_DTYPE_F32, true, 3, 3, 3, 3, 5, 7, 0, true, 1 },
        { TS_DTYPE_F32, false, 3, 70, 3, 1, 5, 7, 0, true, 1 },
    };
    for (size_t i = 0; i < CHECK_COUNT(cases); i++) {
        forward(e, &cases[i]);
        backward(e, &cases[i]);
    }
    for (size_t i = 0; i < CHECK_COUNT(kept); i++)
        forward(e, &kept[i]);
    for (int i = 0; i < 4; i++)
        alone_and_packed(e, i % 2 ? TS_DTYPE_BF16 : TS_DTYPE_F32, i / 2);
}

void bench_delta(const check_env *e)
{
    for (int i = 0; i < 2; i++) {
        check_case("bench");
        const delta_case c = { TS_DTYPE_F32, i, 1, 1024, 8, 8, 128, 128, 0, false, 1 };
        const int64_t rows = c.B * c.S;
        ts_delta_args a = args_of(&c);
        a.y = check_out(c.t, rows * c.heads * c.V), a.dy = check_in(9, c.t, rows * c.heads * c.V, 1);
        a.dqkv = check_out(c.t, rows * width_of(&c));
        a.draw_g = check_out(c.t, rows * decays_of(&c)), a.draw_b = check_out(c.t, rows * c.heads);
        a.states = check_out(TS_DTYPE_F32, c.B * c.heads * ts_delta_kept(c.S) * c.K * c.V);
        a.parts = check_out(TS_DTYPE_F32, rows * c.heads * 2 * c.K);
        a.sums = check_out(TS_DTYPE_F32, rows * (c.heads + decays_of(&c)));
        const double state = (double)(rows * c.heads * c.K * c.V),
                     mixed = (double)(rows * c.heads) * TS_DELTA_CHUNK / 2 * (double)c.K;
        check_bench(e, i ? "kda_fwd" : "delta_fwd", i ? TS_KERNEL_kda_fwd : TS_KERNEL_delta_fwd, &a, 0,
                    2 * (3 * state + 4 * mixed), "flop", 0);
        check_bench(e, i ? "kda_bwd" : "delta_bwd", i ? TS_KERNEL_kda_bwd : TS_KERNEL_delta_bwd, &a, 0,
                    2 * (10.5 * state + 18 * mixed), "flop", 0);
    }
}
