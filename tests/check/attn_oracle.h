/* The oracle of attention, in double: the contract of kernels/attn.h element by element (a
 * predicate a key, not a range), and beside each value its bound.
 *
 * Bounds. u: the unit of fp32; w: the unit that p and ds are rounded to (bf16 products: 2^-8, else
 * 0); g(n) = 4 + 2 sqrt(n): the growth of a sum of n products.
 *   logit      E_j = |scale| u g(D) sum |q k| + the roundings of cap, slope and exponent
 *   p          eta_j = exp(E_j + sum p E + exp's own error) - 1 + u g(n): relative
 *   o          sum p |v| (eta + w) + u g(n) sum p |v|
 *   ds         p (eta |dp - delta| + err(dp) + err(delta) + u ...) + w |ds|, and so on along
 *              the products */
#ifndef TS_TESTS_ATTN_ORACLE_H
#define TS_TESTS_ATTN_ORACLE_H
#include "check.h"

typedef struct doubles {
    double *q, *k, *v, *dout;
} doubles;

/* Values and their bounds. */
typedef struct oracle {
    double *o, *o_err, *lse, *lse_err, *top, *top_err;
    double *dq, *dk, *dv, *dq_err, *dk_err, *dv_err, *dsinks, *dsinks_err;
} oracle;

typedef struct units {
    double u, w, exp;
} units;

static double growth(int64_t n) { return 4 + 2 * sqrt((double)n); }

static int64_t q_len(const ts_attn_args *a, int64_t b) { return a->q_len ? a->q_len[b] : a->S_q; }
static int64_t kv_len(const ts_attn_args *a, int64_t b)
{
    return a->kv_len ? a->kv_len[b] : a->S_kv;
}

static int64_t q_index(const ts_attn_args *a, int64_t b, int64_t h, int64_t i)
{
    const int64_t r = a->n_q / a->n_kv;
    return (b * a->q_batch + i) * a->q_row + h / r * a->q_group + h % r * a->head_dim;
}

static int64_t kv_index(const ts_attn_args *a, int64_t b, int64_t h, int64_t j)
{
    const int64_t page = (int64_t)1 << a->page_bits;
    const int64_t row = a->pages ? a->pages[b * a->pages_each + j / page] * page + j % page : b * a->kv_batch + j;
    return row * a->kv_row + h / (a->n_q / a->n_kv) * a->kv_group;
}

static int64_t o_index(const ts_attn_args *a, int64_t b, int64_t h, int64_t i)
{
    return ((b * a->S_q + i) * a->n_q + h) * a->head_dim;
}

static int64_t stat_index(const ts_attn_args *a, int64_t b, int64_t h, int64_t i)
{
    return (b * a->S_q + i) * a->n_q + h;
}

/* Of query i in the whole sequence, and of key j. */
static int64_t query_at(const ts_attn_args *a, int64_t i)
{
    if (a->q_at.n == 0)
        return i;
    const ts_stretch *p = a->q_at.piece;
    return i < p[0].n ? p[0].begin + i : p[1].begin + i - p[0].n;
}
static int64_t key_at(const ts_attn_args *a, int64_t j) { return a->q_at.n ? a->key0 + j : j; }

static int64_t position(const ts_attn_args *a, int64_t b, int64_t i)
{
    return (a->q_start ? a->q_start[b] : 0) + a->mask.offset + query_at(a, i);
}

static bool sees(const ts_attn_args *a, int64_t b, int64_t i, int64_t j)
{
    const ts_attention_mask *m = &a->mask;
    const int64_t key = key_at(a, j), after = key - position(a, b, i), row = b * (a->limit_batch ? a->limit_batch : a->S_q) + i;
    if (j >= kv_len(a, b) || (a->first_key && key < a->first_key[row]) ||
        (a->last_key && key > a->last_key[row]))
        return false;
    switch (m->kind) {
    case TS_MASK_BIDIRECTIONAL:
        return true;
    case TS_MASK_CAUSAL:
        return after <= 0;
    case TS_MASK_CHUNK: /* floors of what may be below 0 */
        return after <= 0 && floor((double)(key - m->chunk_at) / (double)m->chunk) ==
                                 floor((double)(position(a, b, i) - m->chunk_at) / (double)m->chunk);
    case TS_MASK_WINDOW:
        return (m->left == -1 || -after <= m->left) && (m->right == -1 || after <= m->right);
    }
    return false;
}

static double kept(const ts_attn_args *a, int64_t b, int64_t h, int64_t i, int64_t j)
{
    uint32_t u[4];
    if (a->dropout <= 0)
        return 1;
    const int64_t queries = a->q_at.n ? a->S_q_all : a->S_q, keys = a->q_at.n ? a->S_kv_all : a->S_kv;
    const int64_t head = (a->sample0 + b) * a->n_q_total + a->head0 + h;
    const int64_t e = (head * queries + query_at(a, i)) * keys + key_at(a, j);
    ts_rng_block(&a->rng, (uint64_t)(e / 4), u);
    return ts_rng_uniform(u[e % 4]) < a->dropout ? 0 : 1 / (1 - (double)a->dropout);
}

/* One row of scores: logit, its bound, d logit / d (q.k) without the scale and its bound. */
typedef struct score_row {
    double *s, *err, *slope, *slope_err, *p;
    double top;
    int64_t n; /* keys seen */
} score_row;

static score_row score_row_of(const ts_attn_args *a)
{
    return (score_row){ check_f64(a->S_kv),
                        check_f64(a->S_kv),
                        check_f64(a->S_kv),
                        check_f64(a->S_kv),
                        check_f64(a->S_kv),
                        0,
                        0 };
}

static void score(const ts_attn_args *a, const doubles *x, const units *e, int64_t b, int64_t h,
                  int64_t i, score_row *row)
{
    const int64_t q = q_index(a, b, h, i), pos = position(a, b, i);
    row->n = 0, row->top = -INFINITY;
    for (int64_t j = 0; j < a->S_kv; j++) {
        double dot = 0, size = 0, slope = 1, slope_err = 0;
        row->s[j] = -INFINITY;
        if (!sees(a, b, i, j))
            continue;
        const int64_t k = kv_index(a, b, h, j);
        for (int64_t c = 0; c < a->head_dim; c++)
            dot += x->q[q + c] * x->k[k + c], size += fabs(x->q[q + c] * x->k[k + c]);
        double s = a->scale * dot,
               err = e->u * (fabs(a->scale) * size * growth(a->head_dim) + fabs(s));
        if (a->softcap > 0) {
            const double t = tanh(s / a->softcap), t_err = err / a->softcap + 4 * e->u;
            s = a->softcap * t, slope = 1 - t * t, slope_err = 2 * fabs(t) * t_err + 2 * e->u;
            err += 5 * e->u * a->softcap;
        }
        if (a->slopes) {
            const double bias = (double)a->slopes[h] * (double)(pos - key_at(a, j));
            s -= bias;
            err += e->u * (fabs(bias) + fabs(s));
        }
        row->s[j] = s, row->err[j] = err, row->slope[j] = slope, row->slope_err[j] = slope_err;
        row->top = s > row->top ? s : row->top;
        row->n++;
    }
}

static void forward_row(const ts_attn_args *a, const doubles *x, const units *e, int64_t b,
                        int64_t h, int64_t i, score_row *row, oracle *w)
{
    const int64_t stat = stat_index(a, b, h, i), o = o_index(a, b, h, i);
    score(a, x, e, b, h, i, row);
    w->lse[stat] = w->top[stat] = -INFINITY, w->lse_err[stat] = w->top_err[stat] = 0;
    if (row->n == 0)
        return;
    const double sink = a->sinks ? a->sinks[h] : -INFINITY;
    const double top = sink > row->top ? sink : row->top;
    double sum = a->sinks ? exp(sink - top) : 0, mean_err = 0;
    w->top[stat] = row->top;
    for (int64_t j = 0; j < a->S_kv; j++) /* the largest may be another by what it is wrong */
        if (row->s[j] > -INFINITY && row->err[j] > w->top_err[stat])
            w->top_err[stat] = row->err[j];
    w->top_err[stat] += 4 * e->u * fabs(row->top);
    for (int64_t j = 0; j < a->S_kv; j++)
        sum += exp(row->s[j] - top);
    for (int64_t j = 0; j < a->S_kv; j++) {
        row->p[j] = exp(row->s[j] - top) / sum;
        if (row->p[j] > 0)
            mean_err +=
                row->p[j] * (row->err[j] + 2 * e->u * (fabs(row->s[j]) + fabs(top)) + e->exp);
    }
    w->lse[stat] = top + log(sum);
    w->lse_err[stat] = mean_err + e->u * (growth(row->n) + 2 * fabs(top) + fabs(w->lse[stat]));
    for (int64_t j = 0; j < a->S_kv; j++) {
        if (!(row->p[j] > 0))
            continue;
        const double eta =
            expm1(row->err[j] + 2 * e->u * (fabs(row->s[j]) + fabs(top)) + e->exp + mean_err) +
            e->u * 2 * growth(row->n) + e->w;
        const double p = row->p[j] * kept(a, b, h, i, j);
        const int64_t v = kv_index(a, b, h, j);
        for (int64_t c = 0; c < a->head_dim; c++) {
            w->o[o + c] += p * x->v[v + c];
            w->o_err[o + c] += p * fabs(x->v[v + c]) * eta + 0x1p-120;
        }
    }
}

static void backward_row(const ts_attn_args *a, const doubles *x, const units *e, int64_t b,
                         int64_t h, int64_t i, score_row *row, oracle *w)
{
    const int64_t stat = stat_index(a, b, h, i), o = o_index(a, b, h, i),
                  q = q_index(a, b, h, i);
    const int64_t D = a->head_dim;
    /* sums as long as the kernel's: all rows of all heads of the group */
    const double long_sum = e->u * growth(a->S_q * a->n_q / a->n_kv), g_d = e->u * growth(D);
    double delta = 0, delta_err = 0;
    score(a, x, e, b, h, i, row);
    for (int64_t c = 0; c < D; c++)
        delta += x->dout[o + c] * w->o[o + c],
            delta_err += g_d * fabs(x->dout[o + c] * w->o[o + c]);
    if (row->n == 0)
        return;
    const double lse = w->lse[stat];
    if (a->sinks) {
        const double p = exp(a->sinks[h] - lse);
        w->dsinks[h] -= p * delta;
        w->dsinks_err[h] += p * (delta_err + e->u * fabs(delta) * 4);
    }
    for (int64_t j = 0; j < a->S_kv; j++) {
        if (row->s[j] == -INFINITY)
            continue;
        const int64_t k = kv_index(a, b, h, j);
        const double p = exp(row->s[j] - lse), keep = kept(a, b, h, i, j);
        const double eta = expm1(row->err[j] + 2 * e->u * (fabs(row->s[j]) + fabs(lse)) + e->exp);
        double dp = 0, size = 0;
        for (int64_t c = 0; c < D; c++)
            dp += x->dout[o + c] * x->v[k + c], size += fabs(x->dout[o + c] * x->v[k + c]);
        dp *= keep, size *= keep;
        const double g = p * (dp - delta), ds = g * row->slope[j];
        const double g_err =
            fabs(g) * eta + p * (g_d * size + delta_err + 3 * e->u * (fabs(dp) + fabs(delta)));
        const double ds_err =
            g_err * row->slope[j] + fabs(g) * row->slope_err[j] + fabs(ds) * (e->w + 2 * e->u);
        for (int64_t c = 0; c < D; c++) {
            const double kc = x->k[k + c], qc = x->q[q + c], oc = x->dout[o + c];
            w->dq[q + c] += a->scale * ds * kc;
            w->dq_err[q + c] +=
                fabs(a->scale * kc) * (ds_err + fabs(ds) * e->u * growth(a->S_kv)) + 0x1p-120;
            w->dk[k + c] += a->scale * ds * qc;
            w->dk_err[k + c] += fabs(a->scale * qc) * (ds_err + fabs(ds) * long_sum) + 0x1p-120;
            w->dv[k + c] += p * keep * oc;
            w->dv_err[k + c] += fabs(p * keep * oc) * (eta + e->w + long_sum) + 0x1p-120;
        }
    }
}

typedef void row_fn(const ts_attn_args *a, const doubles *x, const units *e, int64_t b, int64_t h,
                    int64_t i, score_row *row, oracle *w);

static void each_row(const ts_attn_args *a, const doubles *x, const units *e, oracle *w, row_fn *fn)
{
    score_row row = score_row_of(a);
    for (int64_t b = 0; b < a->B; b++)
        for (int64_t h = 0; h < a->n_q; h++)
            for (int64_t i = 0; i < q_len(a, b); i++)
                fn(a, x, e, b, h, i, &row, w);
}
#endif
