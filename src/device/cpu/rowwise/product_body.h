/* Products place by place, columns times numbers, bounds: written once and compiled once per instruction
 * set. No include guard. */
#include "device/cpu/rowwise/rowwise.h"
#include "device/cpu/simd/row.h"

/* f(z) and its derivative. */
typedef struct factor {
    vf f, slope;
} factor;

INLINE factor factor_of(vf z, ts_factor_kind kind)
{
    if (kind == TS_FACTOR_ITSELF)
        return (factor){ z, v_set(1) };
    const vf s = v_sigmoid(z), rest = v_sub(v_set(1), s);
    return kind == TS_FACTOR_SILU ? (factor){ v_mul(z, s), v_mul(s, v_fma(z, rest, v_set(1))) }
                                  : (factor){ s, v_mul(s, rest) };
}

INLINE void product_fwd_all(const ts_product_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    for (int64_t i = begin; i < end; i += V) {
        const int64_t n = min64(V, end - i);
        v_store_as(a->y, i, n, t, v_mul(v_load_as(a->x, i, n, t), factor_of(v_load_as(a->z, i, n, t), a->kind).f));
    }
}

INLINE void product_bwd_all(const ts_product_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    for (int64_t i = begin; i < end; i += V) {
        const int64_t n = min64(V, end - i);
        const factor f = factor_of(v_load_as(a->z, i, n, t), a->kind);
        const vf dy = v_load_as(a->dy, i, n, t), x = v_load_as(a->x, i, n, t);
        v_store_as(a->dx, i, n, t, v_mul(dy, f.f));
        v_store_as(a->dz, i, n, t, v_mul(v_mul(dy, x), f.slope));
    }
}

/* The same where a z counts for several x. */
INLINE void each_fwd_all(const ts_product_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    for (int64_t i = begin; i < end; i++) {
        const vf f = factor_of(v_set(ts_load_f32(a->z, i, t)), a->kind).f;
        for (int64_t c = 0; c < a->each; c += V) {
            const int64_t n = min64(V, a->each - c), at = i * a->each + c;
            v_store_as(a->y, at, n, t, v_mul(v_load_as(a->x, at, n, t), f));
        }
    }
}

INLINE void each_bwd_all(const ts_product_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    for (int64_t i = begin; i < end; i++) {
        const factor f = factor_of(v_set(ts_load_f32(a->z, i, t)), a->kind);
        vf sum = v_set(0);
        for (int64_t c = 0; c < a->each; c += V) {
            const int64_t n = min64(V, a->each - c), at = i * a->each + c;
            const vf dy = v_load_as(a->dy, at, n, t);
            sum = v_fma(dy, v_load_as(a->x, at, n, t), sum);
            v_store_as(a->dx, at, n, t, v_mul(dy, f.f));
        }
        v_store_as(a->dz, i, 1, t, v_mul(v_set(v_sum(sum)), f.slope));
    }
}

static void product_fwd(const void *args, int64_t begin, int64_t end)
{
    const ts_product_args *a = args;
    if (a->each > 1)
        V_BY_DTYPE(a->dtype, each_fwd_all, a, begin, end)
    else
        V_BY_DTYPE(a->dtype, product_fwd_all, a, begin, end)
}

static void product_bwd(const void *args, int64_t begin, int64_t end)
{
    const ts_product_args *a = args;
    if (a->each > 1)
        V_BY_DTYPE(a->dtype, each_bwd_all, a, begin, end)
    else
        V_BY_DTYPE(a->dtype, product_bwd_all, a, begin, end)
}

INLINE void scale_rows(const ts_scale_cols_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    for (int64_t at = begin * a->cols; at < end * a->cols;)
        for (int k = 0; k < a->by.n_stretches; k++) {
            const int64_t stop = at + a->by.n[k];
            const vf by = v_set(a->by.factor[k]);
            for (; at < stop; at += min64(V, stop - at)) {
                const int64_t n = min64(V, stop - at);
                v_store_as(a->y, at, n, t, v_mul(v_load_as(a->x, at, n, t), by));
            }
        }
}

static void scale_cols(const void *args, int64_t begin, int64_t end)
{
    const ts_scale_cols_args *a = args;
    V_BY_DTYPE(a->dtype, scale_rows, a, begin, end)
}

INLINE void clip_fwd_all(const ts_clip_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    for (int64_t i = begin; i < end; i += V) {
        const int64_t n = min64(V, end - i);
        v_store_as(a->y, i, n, t, v_min(v_max(v_load_as(a->x, i, n, t), v_set(-a->most)), v_set(a->most)));
    }
}

INLINE void clip_bwd_all(const ts_clip_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    for (int64_t i = begin; i < end; i += V) {
        const int64_t n = min64(V, end - i);
        const vf x = v_load_as(a->x, i, n, t);
        const vm within = v_ge(v_set(a->most), v_max(x, v_sub(v_set(0), x)));
        v_store_as(a->dx, i, n, t, v_sel(within, v_load_as(a->dy, i, n, t), v_set(0)));
    }
}

static void clip_fwd(const void *args, int64_t begin, int64_t end)
{
    const ts_clip_args *a = args;
    V_BY_DTYPE(a->dtype, clip_fwd_all, a, begin, end)
}

static void clip_bwd(const void *args, int64_t begin, int64_t end)
{
    const ts_clip_args *a = args;
    V_BY_DTYPE(a->dtype, clip_bwd_all, a, begin, end)
}

/* Without its mean, or as it is. */
INLINE void centre_head(const ts_centre_args *a, int64_t at, bool passes, ts_dtype t)
{
    vf sum = v_set(0);
    for (int64_t c = 0; c < a->dim && !passes; c += V)
        sum = v_add(sum, v_load_as(a->x, at + c, min64(V, a->dim - c), t));
    const vf mean = v_set(v_sum(sum) / (vs)a->dim);
    for (int64_t c = 0; c < a->dim; c += V) {
        const int64_t n = min64(V, a->dim - c);
        v_store_as(a->y, at + c, n, t, v_sub(v_load_as(a->x, at + c, n, t), mean));
    }
}

INLINE void centre_rows(const ts_centre_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    const int64_t n = a->groups * a->heads;
    for (int64_t k = begin * n; k < end * n; k++)
        centre_head(a, k * a->dim, k % a->heads == a->heads - 1, t);
}

static void centre_heads(const void *args, int64_t begin, int64_t end)
{
    const ts_centre_args *a = args;
    V_BY_DTYPE(a->dtype, centre_rows, a, begin, end)
}

void TS_ISA_NAME(ts_product_kernels_init)(ts_cpu_kernel *table)
{
    table[TS_KERNEL_product_fwd] = TS_ROWWISE_ROW(product_fwd, 0);
    table[TS_KERNEL_product_bwd] = TS_ROWWISE_ROW(product_bwd, 0);
    table[TS_KERNEL_scale_cols] = TS_ROWWISE_ROW(scale_cols, 0);
    table[TS_KERNEL_clip_fwd] = TS_ROWWISE_ROW(clip_fwd, 0);
    table[TS_KERNEL_clip_bwd] = TS_ROWWISE_ROW(clip_bwd, 0);
    table[TS_KERNEL_centre_heads] = TS_ROWWISE_ROW(centre_heads, 0);
}
