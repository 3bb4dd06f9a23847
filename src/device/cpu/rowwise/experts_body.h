/* What experts made of rows, weighed and added, for any vocabulary of vectors (see norm_body.h). */
#include "device/cpu/rowwise/rowwise.h"
#include "device/cpu/simd/row.h"

INLINE int64_t row_at(const ts_combine_args *a, int64_t pair) { return a->at ? a->at[pair] : pair; }
INLINE vf weight_at(const ts_combine_args *a, int64_t pair) { return v_set(a->weights ? a->weights[pair] : 1); }

INLINE void sum_at(const ts_combine_args *a, int64_t t, int64_t c, int64_t n, ts_dtype type)
{
    vf sum = v_set(0);
    for (int64_t p = t * a->k; p < (t + 1) * a->k; p++) {
        const int64_t row = row_at(a, p);
        if (row >= 0)
            sum = v_fma(weight_at(a, p), v_load_as(a->x, row * a->cols + c, n, type), sum);
    }
    v_store_as(a->y, t * a->cols + c, n, type, sum);
}

INLINE void fwd_rows(const ts_combine_args *a, int64_t begin, int64_t end, ts_dtype type)
{
    for (int64_t t = begin; t < end; t++) {
        int64_t c = 0;
        for (; c + V <= a->cols; c += V)
            sum_at(a, t, c, V, type);
        if (c < a->cols)
            sum_at(a, t, c, a->cols - c, type);
    }
}

static void combine_fwd(const void *args, int64_t begin, int64_t end)
{
    const ts_combine_args *a = args;
    V_BY_DTYPE(a->dtype, fwd_rows, a, begin, end)
}

/* Columns c.. of a pair; returns what they add to the product of x and dy. */
INLINE vf pair_at(const ts_combine_args *a, int64_t pair, int64_t row, int64_t c, int64_t n, ts_dtype type, vf dot)
{
    const vf dy = v_load_as(a->dy, pair / a->k * a->cols + c, n, type);
    if (a->dweights)
        dot = v_fma(v_load_as(a->x, row * a->cols + c, n, type), dy, dot);
    if (a->dx)
        v_store_as(a->dx, row * a->cols + c, n, type, v_mul(weight_at(a, pair), dy));
    return dot;
}

INLINE void bwd_pair(const ts_combine_args *a, int64_t pair, ts_dtype type)
{
    const int64_t row = row_at(a, pair), cols = row < 0 ? 0 : a->cols;
    vf dot = v_set(0), more = v_set(0);
    int64_t c = 0;
    for (; c + 2 * V <= cols; c += 2 * V) {
        dot = pair_at(a, pair, row, c, V, type, dot);
        more = pair_at(a, pair, row, c + V, V, type, more);
    }
    for (; c < cols; c += V)
        dot = pair_at(a, pair, row, c, cols - c < V ? cols - c : V, type, dot);
    if (a->dweights)
        a->dweights[pair] = (float)v_sum(v_add(dot, more));
}

INLINE void bwd_rows(const ts_combine_args *a, int64_t begin, int64_t end, ts_dtype type)
{
    for (int64_t p = begin * a->k; p < end * a->k; p++)
        bwd_pair(a, p, type);
}

static void combine_bwd(const void *args, int64_t begin, int64_t end)
{
    const ts_combine_args *a = args;
    V_BY_DTYPE(a->dtype, bwd_rows, a, begin, end)
}

void TS_ISA_NAME(ts_experts_kernels_init)(ts_cpu_kernel *table)
{
    table[TS_KERNEL_combine_fwd] = TS_ROWWISE_ROW(combine_fwd, 0);
    table[TS_KERNEL_combine_bwd] = TS_ROWWISE_ROW(combine_bwd, 0);
}
