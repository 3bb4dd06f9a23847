/* Entries of compressed attention, written once and compiled once per instruction set. No include guard. */
#include "device/cpu/rowwise/rowwise.h"
#include "device/cpu/simd/row.h"
#include "device/kernels/compress.h"

#include <math.h>

/* Where value t of an entry's stands: the tokens of the group before come first, where they count. */
typedef struct term {
    int64_t row, at, bias; /* row; column of kv and gate; element of bias */
} term;

INLINE int64_t terms_of(const ts_compress_args *a, int64_t e) { return a->overlaps && !a->opens[e] ? 2 * a->rate : a->rate; }

INLINE term term_of(const ts_compress_args *a, int64_t e, int64_t t, int64_t c)
{
    const int64_t before = terms_of(a, e) - a->rate, own = t - before;
    const int64_t at = a->overlaps && own >= 0 ? a->dim + c : c, of = own >= 0 ? own : t;
    return (term){ a->row[e] + own, at, of * ts_compress_width(a) + at };
}

INLINE vf logit(const ts_compress_args *a, const term *x, int64_t n, ts_dtype t)
{
    return v_add(v_load_as(a->gate, x->row * a->gate_row + x->at, n, t), v_load(a->bias + x->bias, n));
}

INLINE vf value(const ts_compress_args *a, const term *x, int64_t n, ts_dtype t)
{
    return v_load_as(a->kv, x->row * a->kv_row + x->at, n, t);
}

/* Of columns from c on: the largest logit, the sum of exponentials of what is below it, and the mean of values. */
typedef struct softmax_of {
    vf most, sum, mean;
} softmax_of;

INLINE softmax_of softmax_at(const ts_compress_args *a, int64_t e, int64_t c, int64_t n, ts_dtype t)
{
    softmax_of s = { v_set((vs)-INFINITY), v_set(0), v_set(0) };
    for (int64_t i = 0; i < terms_of(a, e); i++) {
        const term x = term_of(a, e, i, c);
        s.most = v_max(s.most, logit(a, &x, n, t));
    }
    for (int64_t i = 0; i < terms_of(a, e); i++) {
        const term x = term_of(a, e, i, c);
        const vf weight = v_exp(v_sub(logit(a, &x, n, t), s.most));
        s.sum = v_add(s.sum, weight);
        s.mean = v_fma(weight, value(a, &x, n, t), s.mean);
    }
    s.mean = v_div(s.mean, s.sum);
    return s;
}

INLINE vf share(const ts_compress_args *a, const softmax_of *s, const term *x, int64_t n, ts_dtype t)
{
    return v_div(v_exp(v_sub(logit(a, x, n, t), s->most)), s->sum);
}

INLINE void fwd_entries(const ts_compress_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    for (int64_t e = begin; e < end; e++)
        for (int64_t c = 0; c < a->dim; c += V) {
            const int64_t n = min64(V, a->dim - c);
            v_store_as(a->y, e * a->dim + c, n, t, a->row[e] < 0 ? v_set(0) : softmax_at(a, e, c, n, t).mean);
        }
}

INLINE void bwd_columns(const ts_compress_args *a, int64_t e, int64_t c, int64_t n, ts_dtype t)
{
    const softmax_of s = softmax_at(a, e, c, n, t);
    const vf dy = v_load_as(a->dy, e * a->dim + c, n, t);
    for (int64_t i = 0; i < terms_of(a, e); i++) {
        const term x = term_of(a, e, i, c);
        const vf d = v_mul(share(a, &s, &x, n, t), dy);
        v_store_as(a->dkv, x.row * a->kv_row + x.at, n, t, d);
        v_store_as(a->dgate, x.row * a->gate_row + x.at, n, t, v_mul(d, v_sub(value(a, &x, n, t), s.mean)));
    }
}

INLINE void bwd_entries(const ts_compress_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    for (int64_t e = begin; e < end; e++)
        for (int64_t c = 0; a->row[e] >= 0 && c < a->dim; c += V)
            bwd_columns(a, e, c, min64(V, a->dim - c), t);
}

/* Of columns [begin, end) of bias: token i / width, column i mod width. */
INLINE void dw_columns(const ts_compress_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    const int64_t width = ts_compress_width(a);
    for (int64_t i = begin, n; i < end; i += n) {
        const int64_t token = i / width, c = i % width;
        n = min64(min64(V, end - i), (c < a->dim ? a->dim : width) - c);
        const bool before = a->overlaps && c < a->dim;
        vf sum = v_load(a->dbias + i, n);
        for (int64_t e = 0; e < a->entries; e++) {
            if (a->row[e] < 0 || (before && a->opens[e]))
                continue;
            const int64_t row = a->row[e] + token - (before ? a->rate : 0);
            sum = v_add(sum, v_load_as(a->dgate, row * a->gate_row + c, n, t));
        }
        v_store(a->dbias + i, n, sum);
    }
}

#define COMPRESS_KERNEL(name, body)                                                                \
    static void name(const void *args, int64_t begin, int64_t end)                                 \
    {                                                                                              \
        const ts_compress_args *a = args;                                                          \
        V_BY_DTYPE(a->dtype, body, a, begin, end)                                                  \
    }
COMPRESS_KERNEL(compress_fwd, fwd_entries)
COMPRESS_KERNEL(compress_bwd, bwd_entries)
COMPRESS_KERNEL(compress_dw, dw_columns)

/* ---- which entries there are ---- */

/* Row i ends a group: the entry's place among the sequence's. */
INLINE void put_entry(const ts_compress_plan_args *a, int64_t b, int64_t i, int64_t token, int64_t entry)
{
    const int64_t at = b * a->slots + entry;
    a->row[at] = (int32_t)(b * (a->before + a->S) + a->before + i + 1 - a->rate);
    a->opens[at] = token + 1 == a->rate;
    a->place[at] = (int32_t)(a->pos[b * a->S + i] + 1 - a->rate);
}

/* Of whole documents. */
INLINE void plan_whole(const ts_compress_plan_args *a, int64_t b)
{
    a->count[b] = (int32_t)a->slots;
    for (int64_t i = 0; i < a->S; i++) {
        const int64_t begin = a->first_key ? a->first_key[b * a->S + i] : 0, token = i - begin;
        const int64_t first = (begin + a->rate - 1) / a->rate, seen = token < 0 ? 0 : (token + 1) / a->rate;
        a->first[b * a->S + i] = (int32_t)first;
        a->last[b * a->S + i] = (int32_t)(first + seen - 1);
        if (token >= 0 && (token + 1) % a->rate == 0)
            put_entry(a, b, i, token, i / a->rate);
    }
}

/* Of one that goes on; rows behind its last are as that. */
INLINE void plan_further(const ts_compress_plan_args *a, int64_t b)
{
    const int64_t start = a->start[b], there = start / a->rate;
    a->count[b] = (int32_t)((start + a->length[b]) / a->rate);
    for (int64_t i = 0; i < a->S; i++) {
        const int64_t token = start + min64(i, a->length[b] > 0 ? a->length[b] - 1 : 0);
        a->first[b * a->S + i] = 0;
        a->last[b * a->S + i] = (int32_t)((token + 1) / a->rate - 1);
        if (i < a->length[b] && (token + 1) % a->rate == 0)
            put_entry(a, b, i, token, (token + 1) / a->rate - 1 - there);
    }
}

static void compress_plan(const void *args, int64_t begin, int64_t end)
{
    const ts_compress_plan_args *a = args;
    for (int64_t b = begin; b < end; b++) {
        for (int64_t j = b * a->slots; j < (b + 1) * a->slots; j++)
            a->row[j] = -1, a->opens[j] = 0, a->place[j] = 0;
        if (a->start)
            plan_further(a, b);
        else
            plan_whole(a, b);
    }
}

void TS_ISA_NAME(ts_compress_kernels_init)(ts_cpu_kernel *table)
{
    table[TS_KERNEL_compress_plan] = TS_ROWWISE_ROW(compress_plan, 0);
    table[TS_KERNEL_compress_fwd] = TS_ROWWISE_ROW(compress_fwd, 0);
    table[TS_KERNEL_compress_bwd] = TS_ROWWISE_ROW(compress_bwd, 0);
    table[TS_KERNEL_compress_dw] = TS_ROWWISE_ROW(compress_dw, TS_ROWWISE_COLUMNS);
}
