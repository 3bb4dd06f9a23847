/* Sparse attention over lists of keys, written once and compiled once per instruction set. No include guard. */
#include "device/cpu/rowwise/rowwise.h"
#include "device/cpu/simd/row.h"
#include "device/kernels/dsa.h"

#include <math.h>

enum { AT_A_TIME = 64 }; /* keys whose scores are there together */

INLINE vs dot(const void *x, int64_t xi, const void *y, int64_t yi, int64_t n, ts_dtype t)
{
    v4 sum = v4_set(0);
    for (int64_t c = 0; c < n; c += V4)
        UNROLL for (int u = 0; u < 4; u++)
            sum.k[u] = v_fma(v_load_as(x, xi + c + u * V, n - c - u * V, t),
                             v_load_as(y, yi + c + u * V, n - c - u * V, t), sum.k[u]);
    return v4_sum(sum);
}

/* sum += by * x, of n fp32 sums. */
INLINE void add_times(float *sum, vs by, const void *x, int64_t xi, int64_t n, ts_dtype t)
{
    const vf f = v_set(by);
    for (int64_t c = 0; c < n; c += V)
        v_store(sum + c, n - c, v_fma(f, v_load_as(x, xi + c, n - c, t), v_load(sum + c, n - c)));
}

INLINE void clear(float *sum, int64_t n)
{
    for (int64_t c = 0; c < n; c++)
        sum[c] = 0;
}

INLINE void put(void *to, int64_t at, const float *sum, vs by, int64_t n, ts_dtype t)
{
    for (int64_t c = 0; c < n; c += V)
        v_store_as(to, at + c, n - c, t, v_mul(v_set(by), v_load(sum + c, n - c)));
}

/* Where things of a head begin. */
INLINE int64_t q_at(const ts_dsa_args *a, int64_t row, int64_t h) { return row * a->q_row + h * a->q_head; }
INLINE int64_t k_at(const ts_dsa_args *a, int64_t key, int64_t h) { return key * a->k_row + h * a->k_head; }
INLINE int64_t v_at(const ts_dsa_args *a, int64_t key, int64_t h) { return key * a->v_row + h * a->v_head; }
INLINE int64_t o_at(const ts_dsa_args *a, int64_t row, int64_t h) { return (row * a->heads + h) * a->value; }

INLINE vs score(const ts_dsa_args *a, int64_t row, int64_t key, int64_t h, ts_dtype t)
{
    return (vs)a->scale * dot(a->q, q_at(a, row, h), a->k, k_at(a, key, h), a->dim, t);
}

/* Keys [i0, i0 + n) of the list join what was there: online softmax. */
INLINE void join_keys(const ts_dsa_args *a, const ts_dsa_list *l, int64_t row, int64_t h, int64_t i0, int64_t n,
                      double *max, double *sum, float *o, ts_dtype t)
{
    float s[AT_A_TIME];
    double now = *max;
    const int64_t base = l->sequence * a->keys;
    for (int64_t i = 0; i < n; i++) {
        s[i] = (float)score(a, row, base + ts_dsa_key(l, i0 + i), h, t);
        now = (double)s[i] > now ? (double)s[i] : now;
    }
    const double shrink = *max > -INFINITY ? exp(*max - now) : 0;
    *sum *= shrink, *max = now;
    for (int64_t c = 0; a->o && c < a->value; c += V)
        v_store(o + c, a->value - c, v_mul(v_set((vs)shrink), v_load(o + c, a->value - c)));
    for (int64_t i = 0; i < n; i += V)
        v_store(s + i, n - i, v_exp(v_sub(v_load(s + i, n - i), v_set((vs)now))));
    for (int64_t i = 0; i < n; i++) {
        *sum += (double)s[i];
        if (a->o)
            add_times(o, (vs)s[i], a->v, v_at(a, base + ts_dsa_key(l, i0 + i), h), a->value, t);
    }
}

INLINE void fwd_items(const ts_dsa_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    float o[TS_DSA_MOST_DIM];
    for (int64_t n = begin; n < end; n++) {
        const int64_t row = n / a->heads, h = n % a->heads;
        const ts_dsa_list l = ts_dsa_list_of(a, row);
        double max = -INFINITY, sum = 0;
        clear(o, a->o ? a->value : 0);
        for (int64_t i = 0; i < l.n; i += AT_A_TIME)
            join_keys(a, &l, row, h, i, min64(AT_A_TIME, l.n - i), &max, &sum, o, t);
        if (a->o)
            put(a->o, o_at(a, row, h), o, (vs)(l.n > 0 ? 1 / sum : 0), a->value, t);
        if (a->lse)
            a->lse[n] = (float)(l.n > 0 ? max + log(sum) : -INFINITY);
    }
}

/* p of a key, and the gradient of its score. */
INLINE vs pull(const ts_dsa_args *a, int64_t row, int64_t key, int64_t h, vs *ds, ts_dtype t)
{
    const int64_t n = row * a->heads + h;
    const vs p = (vs)exp((double)score(a, row, key, h, t) - (double)a->lse[n]);
    const vs dp = dot(a->dout, o_at(a, row, h), a->v, v_at(a, key, h), a->value, t);
    *ds = p * (dp - (vs)a->delta[n]);
    return p;
}

INLINE void dq_items(const ts_dsa_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    float dq[TS_DSA_MOST_DIM];
    for (int64_t n = begin; n < end; n++) {
        const int64_t row = n / a->heads, h = n % a->heads;
        const ts_dsa_list l = ts_dsa_list_of(a, row);
        a->delta[n] = (float)dot(a->dout, o_at(a, row, h), a->o, o_at(a, row, h), a->value, t);
        clear(dq, a->dim);
        for (int64_t i = 0; i < l.n; i++) {
            const int64_t key = l.sequence * a->keys + ts_dsa_key(&l, i);
            vs ds;
            pull(a, row, key, h, &ds, t);
            add_times(dq, ds, a->k, k_at(a, key, h), a->dim, t);
        }
        put(a->dq, q_at(a, row, h), dq, (vs)a->scale, a->dim, t);
    }
}

/* Of a key, or of its head h alone: what row by row comes to dk and dv. */
INLINE void pull_back(const ts_dsa_args *a, int64_t row, int64_t key, int64_t h, float *dk, float *dv, ts_dtype t)
{
    vs ds;
    const vs p = pull(a, row, key, h, &ds, t);
    add_times(dk, ds, a->q, q_at(a, row, h), a->dim, t);
    add_times(dv, p, a->dout, o_at(a, row, h), a->value, t);
}

INLINE void dkv_items(const ts_dsa_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    float dk[TS_DSA_MOST_DIM], dv[TS_DSA_MOST_DIM];
    const int64_t heads = a->k_head ? a->heads : 1, summed = a->heads / heads;
    for (int64_t n = begin; n < end; n++) {
        const int64_t h = n % heads, key = n / heads, b = key / a->keys, j = key % a->keys;
        clear(dk, a->dim);
        clear(dv, a->value);
        for (int64_t row = ts_dsa_first_row(a, b, j); row < (b + 1) * a->S; row++) {
            const ts_dsa_list l = ts_dsa_list_of(a, row);
            for (int64_t i = 0; ts_dsa_place(&l, j) >= 0 && i < summed; i++)
                pull_back(a, row, key, h + i, dk, dv, t);
        }
        put(a->dk, k_at(a, key, h), dk, (vs)a->scale, a->dim, t);
        put(a->dv, v_at(a, key, h), dv, 1, a->value, t);
    }
}

INLINE void target_rows(const ts_dsa_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    for (int64_t row = begin; row < end; row++) {
        const ts_dsa_list l = ts_dsa_list_of(a, row);
        float *to = a->target + row * a->width;
        for (int64_t i = 0; i < a->width; i++) {
            double sum = 0;
            for (int64_t h = 0; i < l.n && h < a->heads; h++)
                sum += exp((double)score(a, row, l.sequence * a->keys + ts_dsa_key(&l, i), h, t) -
                           (double)a->lse[row * a->heads + h]);
            to[i] = (float)sum;
        }
    }
}

#define DSA_KERNEL(name, body)                                                                     \
    static void name(const void *args, int64_t begin, int64_t end)                                 \
    {                                                                                              \
        const ts_dsa_args *a = args;                                                               \
        V_BY_DTYPE(a->dtype, body, a, begin, end)                                                  \
    }
DSA_KERNEL(dsa_fwd, fwd_items)
DSA_KERNEL(dsa_dq, dq_items)
DSA_KERNEL(dsa_dkv, dkv_items)
DSA_KERNEL(dsa_target, target_rows)

#include "device/cpu/rowwise/dsa_index_body.h"

void TS_ISA_NAME(ts_dsa_kernels_init)(ts_cpu_kernel *table)
{
    table[TS_KERNEL_dsa_select] = TS_ROWWISE_ROW(dsa_select, 0);
    table[TS_KERNEL_dsa_fwd] = TS_ROWWISE_ROW(dsa_fwd, 0);
    table[TS_KERNEL_dsa_dq] = TS_ROWWISE_ROW(dsa_dq, 0);
    table[TS_KERNEL_dsa_dkv] = TS_ROWWISE_ROW(dsa_dkv, 0);
    table[TS_KERNEL_dsa_target] = TS_ROWWISE_ROW(dsa_target, 0);
    table[TS_KERNEL_dsa_loss] = TS_ROWWISE_ROW(dsa_loss, 0);
    table[TS_KERNEL_dsa_dik] = TS_ROWWISE_ROW(dsa_dik, 0);
}
