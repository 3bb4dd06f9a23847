/* Attention, the plain reference: arithmetic in double, one row at a time, nothing but running sums
 * kept. */
#include "device/cpu/attn/attn.h"
#include "device/cpu/kernel.h"

#include <math.h>

typedef struct ref_job {
    ts_cpu *cpu;
    const ts_attn_args *a;
} ref_job;

/* Row i of head h of sequence b. */
typedef struct ref_row {
    int64_t b, h, i, q, o, stat; /* q, o, stat: where it begins in q, in o, in lse */
    int64_t lo, hi, pos;
    uint64_t drop;
} ref_row;

static ref_row row_of(const ts_attn_args *a, int64_t b, int64_t h, int64_t i)
{
    const int64_t r = a->n_q / a->n_kv;
    ref_row x = { .b = b, .h = h, .i = i };
    x.q = (b * a->q_batch + i) * a->q_row + h / r * a->q_group + h % r * a->head_dim;
    x.o = ((b * a->S_q + i) * a->n_q + h) * a->head_dim;
    x.stat = ts_attn_stat(a, b, h, i);
    x.pos = ts_attn_range(a, b, i, &x.lo, &x.hi);
    x.drop = ts_attn_drop_row(a, b, h, i);
    return x;
}

static int64_t key_at(const ts_attn_args *a, const ref_row *x, int64_t j)
{
    return ts_attn_key_row(a, x->b, j) * a->kv_row + x->h / (a->n_q / a->n_kv) * a->kv_group;
}

static double dot(const ts_attn_args *a, const void *x, int64_t i, const void *y, int64_t j)
{
    double sum = 0;
    for (int64_t c = 0; c < a->head_dim; c++)
        sum += (double)ts_load_f32(x, i + c, a->dtype) * ts_load_f32(y, j + c, a->dtype);
    return sum;
}

/* Element c of the key or value at `at`. */
static double element(const ts_attn_args *a, const void *x, int64_t at, int64_t c)
{
    if (a->code == TS_KV_PLAIN)
        return (double)ts_load_f32(x, at + c, a->dtype);
    const char *vector = (const char *)x + at;
    const int64_t g = c / TS_KV_GROUP;
    return (double)ts_kv_value(a->code, ts_kv_group_codes(vector, a->head_dim, g)[c % TS_KV_GROUP], ts_kv_scale(vector, g));
}

/* Of query x with the key at `key`. */
static double score(const ts_attn_args *a, const ref_row *x, int64_t key)
{
    double sum = 0;
    for (int64_t c = 0; c < a->head_dim; c++)
        sum += (double)ts_load_f32(a->q, x->q + c, a->dtype) * element(a, a->k, key, c);
    return sum;
}

/* The logit of key j; *slope: what the soft cap does to its gradient. */
static double logit(const ts_attn_args *a, const ref_row *x, int64_t j, double *slope)
{
    double s = a->scale * score(a, x, key_at(a, x, j));
    *slope = 1;
    if (a->softcap > 0) {
        const double t = tanh(s / a->softcap);
        s = a->softcap * t;
        *slope = 1 - t * t;
    }
    return a->slopes ? s - (double)a->slopes[x->h] * (double)(x->pos - j) : s;
}

/* 0, or what a kept element is multiplied by. */
static double kept(const ts_attn_args *a, const ref_row *x, int64_t j)
{
    uint32_t u[4];
    if (a->dropout <= 0)
        return 1;
    const uint64_t e = x->drop + (uint64_t)j;
    ts_rng_block(&a->rng, e / 4, u);
    return ts_rng_uniform(u[e % 4]) >= a->dropout ? 1 / (1 - (double)a->dropout) : 0;
}

static void fwd_row(const ts_attn_args *a, const ref_row *x, double *o)
{
    const int64_t d = a->head_dim;
    double max = a->sinks && x->lo < x->hi ? a->sinks[x->h] : -INFINITY,
           sum = max > -INFINITY ? 1 : 0, slope, top = -INFINITY;
    for (int64_t c = 0; c < d; c++)
        o[c] = 0;
    for (int64_t j = x->lo; j < x->hi; j++) {
        const double s = logit(a, x, j, &slope), now = s <= max ? max : s;
        const double shrink = max > -INFINITY ? exp(max - now) : 0, p = exp(s - now);
        const double pv = p * kept(a, x, j);
        top = s <= top ? top : s;
        const int64_t v = key_at(a, x, j);
        sum = sum * shrink + p, max = now;
        for (int64_t c = 0; c < d; c++)
            o[c] = o[c] * shrink + pv * element(a, a->v, v, c);
    }
    for (int64_t c = 0; c < d; c++)
        ts_store_f32(a->o, x->o + c, a->dtype, (float)(x->lo < x->hi ? o[c] / sum : 0));
    if (a->lse)
        a->lse[x->stat] = (float)(x->lo < x->hi ? max + log(sum) : -INFINITY);
    if (a->top)
        a->top[x->stat] = (float)top;
}

static void fwd_share(void *ctx, int64_t begin, int64_t end, int thread)
{
    const ref_job *w = ctx;
    const ts_attn_args *a = w->a;
    for (int64_t n = begin; n < end; n++) {
        const ref_row x = row_of(a, n / (a->n_q * a->S_q), n / a->S_q % a->n_q, n % a->S_q);
        if (x.i < ts_attn_q_len(a, x.b))
            fwd_row(a, &x, (double *)(void *)ts_cpu_scratch(w->cpu, thread));
    }
}

void ts_attn_fwd_ref(ts_cpu *cpu, const void *args, int64_t n)
{
    const ts_attn_args *a = args;
    ref_job w = { cpu, a };
    (void)n;
    ts_pool_run(cpu->pool, a->B * a->n_q * a->S_q, 8, fwd_share, &w);
}

/* p and ds of key j. */
static double grad(const ts_attn_args *a, const ref_row *x, int64_t j, double *ds)
{
    double slope;
    const double p = exp(logit(a, x, j, &slope) - a->lse[x->stat]);
    const double dp = dot(a, a->dout, x->o, a->v, key_at(a, x, j)) * kept(a, x, j);
    *ds = p * (dp - a->delta[x->stat]) * slope;
    return p;
}

static void dq_share(void *ctx, int64_t begin, int64_t end, int thread)
{
    const ref_job *w = ctx;
    const ts_attn_args *a = w->a;
    double *dq = (double *)(void *)ts_cpu_scratch(w->cpu, thread), ds;
    for (int64_t n = begin; n < end; n++) {
        const ref_row x = row_of(a, n / (a->n_q * a->S_q), n / a->S_q % a->n_q, n % a->S_q);
        if (x.i >= ts_attn_q_len(a, x.b))
            continue;
        a->delta[x.stat] = (float)dot(a, a->dout, x.o, a->o, x.o);
        for (int64_t c = 0; c < a->head_dim; c++)
            dq[c] = 0;
        for (int64_t j = x.lo; j < x.hi; j++) {
            grad(a, &x, j, &ds);
            for (int64_t c = 0; c < a->head_dim; c++)
                dq[c] += ds * ts_load_f32(a->k, key_at(a, &x, j) + c, a->dtype);
        }
        for (int64_t c = 0; c < a->head_dim; c++)
            ts_store_f32(a->dq, x.q + c, a->dtype, (float)(a->scale * dq[c]));
    }
}

static void dkv_share(void *ctx, int64_t begin, int64_t end, int thread)
{
    const ref_job *w = ctx;
    const ts_attn_args *a = w->a;
    const int64_t d = a->head_dim, r = a->n_q / a->n_kv;
    double *dk = (double *)(void *)ts_cpu_scratch(w->cpu, thread), *dv = dk + d, ds;
    for (int64_t n = begin; n < end; n++) {
        const int64_t b = n / (a->n_kv * a->S_kv), g = n / a->S_kv % a->n_kv, j = n % a->S_kv;
        if (j >= ts_attn_kv_len(a, b))
            continue;
        for (int64_t c = 0; c < 2 * d; c++)
            dk[c] = 0;
        for (int64_t i = 0; i < ts_attn_q_len(a, b) * r; i++) {
            const ref_row x = row_of(a, b, g * r + i % r, i / r);
            if (j < x.lo || j >= x.hi)
                continue;
            const double p = grad(a, &x, j, &ds) * kept(a, &x, j);
            for (int64_t c = 0; c < d; c++) {
                dk[c] += ds * ts_load_f32(a->q, x.q + c, a->dtype);
                dv[c] += p * ts_load_f32(a->dout, x.o + c, a->dtype);
            }
        }
        const int64_t at = (b * a->kv_batch + j) * a->kv_row + g * a->kv_group;
        for (int64_t c = 0; c < d; c++) {
            ts_store_f32(a->dk, at + c, a->dtype, (float)(a->scale * dk[c]));
            ts_store_f32(a->dv, at + c, a->dtype, (float)dv[c]);
        }
    }
}

void ts_attn_bwd_ref(ts_cpu *cpu, const void *args, int64_t n)
{
    const ts_attn_args *a = args;
    ref_job w = { cpu, a };
    (void)n;
    ts_pool_run(cpu->pool, a->B * a->n_q * a->S_q, 8, dq_share, &w);
    ts_pool_run(cpu->pool, a->B * a->n_kv * a->S_kv, 8, dkv_share, &w);
}
