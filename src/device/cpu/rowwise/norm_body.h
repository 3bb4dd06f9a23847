/* RMS and layer norm, written once and compiled once per instruction set. No include guard: the
 * including file has set TS_ISA and brought the vocabulary of simd/f32_<isa>.h. */
#include "device/cpu/rowwise/rowwise.h"
#include "device/cpu/simd/row.h"

INLINE vf gain(const ts_norm_args *a, int64_t c, int64_t n)
{
    return v_add(a->w ? v_load(a->w + c, n) : v_set(1), v_set(a->offset));
}

/* s = x + res, rounded as it is stored, since that is what backward will see. */
INLINE vf take(const ts_norm_args *a, int64_t i, int64_t n, bool res, ts_dtype t)
{
    const vf x = v_load_as(a->x, i, n, t);
    if (!res)
        return x;
    const vf s = v_round_as(v_add(x, v_load_as(a->res, i, n, t)), t);
    v_store_as(a->sum, i, n, t, s);
    return s;
}

INLINE float inverse_root(vs mean_square, float eps)
{
    return (float)(1 / sqrt((double)mean_square + (double)eps));
}

/* ---- RMS */

INLINE void rms_out(const ts_norm_args *a, const void *s, int64_t row, int64_t c, int64_t n,
                    vf rstd, ts_dtype t)
{
    const vf h = v_mul(v_load_as(s, row + c, n, t), rstd);
    v_store_as(a->y, row + c, n, t, v_mul(h, gain(a, c, n)));
}

INLINE void rms_fwd_rows(const ts_norm_args *a, int64_t begin, int64_t end, bool res, ts_dtype t)
{
    const int64_t n = a->cols;
    const void *s = res ? a->sum : a->x;
    for (int64_t r = begin; r < end; r++) {
        const int64_t row = r * n;
        v4 ss = v4_set(0);
        int64_t c = 0;
        for (; c + V4 <= n; c += V4)
            for (int k = 0; k < 4; k++) {
                const vf x = take(a, row + c + k * V, V, res, t);
                ss.k[k] = v_fma(x, x, ss.k[k]);
            }
        for (; c < n; c += V) {
            const vf x = take(a, row + c, n - c, res, t);
            ss.k[0] = v_fma(x, x, ss.k[0]);
        }
        a->rstd[r] = inverse_root(v4_sum(ss) / (vs)n, a->eps);
        const vf rstd = v_set(a->rstd[r]);
        for (c = 0; c + V <= n; c += V)
            rms_out(a, s, row, c, V, rstd, t);
        if (c < n)
            rms_out(a, s, row, c, n - c, rstd, t);
    }
}

static void rms_fwd(const void *args, int64_t begin, int64_t end)
{
    const ts_norm_args *a = args;
    if (a->res)
        V_BY_DTYPE(a->dtype, rms_fwd_rows, a, begin, end, true)
    else
        V_BY_DTYPE(a->dtype, rms_fwd_rows, a, begin, end, false)
}

/* What both norms' backward sees at one place: d = dy * g and h. */
typedef struct place {
    vf d, h;
} place;
INLINE place look(const ts_norm_args *a, int64_t row, int64_t c, int64_t n, vf rstd, vf mean,
                  ts_dtype t)
{
    const void *s = a->sum ? a->sum : a->x;
    const vf d = v_mul(v_load_as(a->dy, row + c, n, t), gain(a, c, n));
    return (place){ d, v_mul(v_sub(v_load_as(s, row + c, n, t), mean), rstd) };
}

INLINE void put_dx(const ts_norm_args *a, int64_t i, int64_t n, vf dx, ts_dtype t)
{
    v_store_as(a->dx, i, n, t, a->dsum ? v_add(dx, v_load_as(a->dsum, i, n, t)) : dx);
}

/* dx = rstd * (d - mean_d - h * mean_dh) + dsum */
INLINE void bwd_out(const ts_norm_args *a, int64_t row, int64_t c, int64_t n, vf rstd, vf mean,
                    vf mean_d, vf mean_dh, ts_dtype t)
{
    const place p = look(a, row, c, n, rstd, mean, t);
    put_dx(a, row + c, n, v_mul(rstd, v_fnma(p.h, mean_dh, v_sub(p.d, mean_d))), t);
}

INLINE void bwd_rows(const ts_norm_args *a, int64_t begin, int64_t end, bool layer, ts_dtype t)
{
    const int64_t n = a->cols;
    for (int64_t r = begin; r < end; r++) {
        const int64_t row = r * n;
        const vf rstd = v_set(a->rstd[r]), mean = v_set(layer ? a->mean[r] : 0);
        v4 d = v4_set(0), dh = v4_set(0);
        int64_t c = 0;
        for (; c + V4 <= n; c += V4)
            for (int k = 0; k < 4; k++) {
                const place p = look(a, row, c + k * V, V, rstd, mean, t);
                dh.k[k] = v_fma(p.d, p.h, dh.k[k]);
                d.k[k] = layer ? v_add(d.k[k], p.d) : d.k[k];
            }
        for (; c < n; c += V) { /* beyond the row dy is 0 */
            const place p = look(a, row, c, n - c, rstd, mean, t);
            dh.k[0] = v_fma(p.d, p.h, dh.k[0]);
            d.k[0] = layer ? v_add(d.k[0], p.d) : d.k[0];
        }
        const vf mean_dh = v_set(v4_sum(dh) / (vs)n), mean_d = v_set(layer ? v4_sum(d) / (vs)n : 0);
        for (c = 0; c + V <= n; c += V)
            bwd_out(a, row, c, V, rstd, mean, mean_d, mean_dh, t);
        if (c < n)
            bwd_out(a, row, c, n - c, rstd, mean, mean_d, mean_dh, t);
    }
}

static void rms_bwd(const void *args, int64_t begin, int64_t end)
{
    const ts_norm_args *a = args;
    V_BY_DTYPE(a->dtype, bwd_rows, a, begin, end, false)
}

static void ln_bwd(const void *args, int64_t begin, int64_t end)
{
    const ts_norm_args *a = args;
    V_BY_DTYPE(a->dtype, bwd_rows, a, begin, end, true)
}

/* ---- layer norm: mean, then variance about it, then the output */

INLINE vs row_mean(const ts_norm_args *a, int64_t row, bool res, ts_dtype t)
{
    const int64_t n = a->cols;
    v4 sum = v4_set(0);
    int64_t c = 0;
    for (; c + V4 <= n; c += V4)
        for (int k = 0; k < 4; k++)
            sum.k[k] = v_add(sum.k[k], take(a, row + c + k * V, V, res, t));
    for (; c < n; c += V)
        sum.k[0] = v_add(sum.k[0], take(a, row + c, n - c, res, t));
    return v4_sum(sum) / (vs)n;
}

INLINE vs row_variance(const void *s, int64_t row, int64_t n, vf mean, ts_dtype t)
{
    v4 sum = v4_set(0);
    int64_t c = 0;
    for (; c + V4 <= n; c += V4)
        for (int k = 0; k < 4; k++) {
            const vf x = v_sub(v_load_as(s, row + c + k * V, V, t), mean);
            sum.k[k] = v_fma(x, x, sum.k[k]);
        }
    for (; c < n; c += V) {
        const vf x = v_keep(n - c, v_sub(v_load_as(s, row + c, n - c, t), mean), v_set(0));
        sum.k[0] = v_fma(x, x, sum.k[0]);
    }
    return v4_sum(sum) / (vs)n;
}

INLINE void ln_out(const ts_norm_args *a, const void *s, int64_t row, int64_t c, int64_t n, vf mean,
                   vf rstd, ts_dtype t)
{
    const vf h = v_mul(v_sub(v_load_as(s, row + c, n, t), mean), rstd);
    const vf b = a->b ? v_load(a->b + c, n) : v_set(0);
    v_store_as(a->y, row + c, n, t, v_fma(h, gain(a, c, n), b));
}

INLINE void ln_fwd_rows(const ts_norm_args *a, int64_t begin, int64_t end, bool res, ts_dtype t)
{
    const int64_t n = a->cols;
    const void *s = res ? a->sum : a->x;
    for (int64_t r = begin; r < end; r++) {
        const int64_t row = r * n;
        a->mean[r] = (float)row_mean(a, row, res, t);
        const vf mean = v_set(a->mean[r]);
        a->rstd[r] = inverse_root(row_variance(s, row, n, mean, t), a->eps);
        const vf rstd = v_set(a->rstd[r]);
        int64_t c = 0;
        for (; c + V <= n; c += V)
            ln_out(a, s, row, c, V, mean, rstd, t);
        if (c < n)
            ln_out(a, s, row, c, n - c, mean, rstd, t);
    }
}

static void ln_fwd(const void *args, int64_t begin, int64_t end)
{
    const ts_norm_args *a = args;
    if (a->res)
        V_BY_DTYPE(a->dtype, ln_fwd_rows, a, begin, end, true)
    else
        V_BY_DTYPE(a->dtype, ln_fwd_rows, a, begin, end, false)
}

/* ---- weight gradients: a strip of columns at a time, its sums in registers, rows in order */

INLINE void dw_strip(const ts_norm_args *a, int64_t c, int64_t n, int vectors, bool layer,
                     ts_dtype t)
{
    const void *s = a->sum ? a->sum : a->x;
    vf dw[V_STRIP], db[V_STRIP];
    for (int k = 0; k < vectors; k++)
        dw[k] = db[k] = v_set(0);
    for (int64_t r = 0; r < a->rows; r++) {
        const vf rstd = v_set(a->rstd[r]), mean = v_set(layer ? a->mean[r] : 0);
        for (int k = 0; k < vectors; k++) {
            const int64_t i = r * a->cols + c + k * V;
            const vf d = v_load_as(a->dy, i, n, t);
            dw[k] = v_fma(d, v_mul(v_sub(v_load_as(s, i, n, t), mean), rstd), dw[k]);
            db[k] = v_add(db[k], d);
        }
    }
    for (int k = 0; k < vectors; k++) {
        float *w = a->dw ? a->dw + c + k * V : NULL, *b = a->db ? a->db + c + k * V : NULL;
        if (w)
            v_store(w, n, v_add(v_load(w, n), dw[k]));
        if (b)
            v_store(b, n, v_add(v_load(b, n), db[k]));
    }
}

INLINE void dw_cols(const ts_norm_args *a, int64_t begin, int64_t end, bool layer, ts_dtype t)
{
    int64_t c = begin;
    for (; c + V_STRIP * V <= end; c += V_STRIP * V)
        dw_strip(a, c, V, V_STRIP, layer, t);
    for (; c + V_STRIP / 2 * V <= end; c += V_STRIP / 2 * V)
        dw_strip(a, c, V, V_STRIP / 2, layer, t);
    for (; c < end; c += V)
        dw_strip(a, c, end - c, 1, layer, t);
}

static void rms_dw(const void *args, int64_t begin, int64_t end)
{
    const ts_norm_args *a = args;
    V_BY_DTYPE(a->dtype, dw_cols, a, begin, end, false)
}

static void ln_dw(const void *args, int64_t begin, int64_t end)
{
    const ts_norm_args *a = args;
    V_BY_DTYPE(a->dtype, dw_cols, a, begin, end, true)
}

void TS_ISA_NAME(ts_norm_kernels_init)(ts_cpu_kernel *table)
{
    table[TS_KERNEL_rms_fwd] = TS_ROWWISE_ROW(rms_fwd, 0);
    table[TS_KERNEL_rms_bwd] = TS_ROWWISE_ROW(rms_bwd, 0);
    table[TS_KERNEL_rms_dw] = TS_ROWWISE_ROW(rms_dw, TS_ROWWISE_COLUMNS);
    table[TS_KERNEL_ln_fwd] = TS_ROWWISE_ROW(ln_fwd, 0);
    table[TS_KERNEL_ln_bwd] = TS_ROWWISE_ROW(ln_bwd, 0);
    table[TS_KERNEL_ln_dw] = TS_ROWWISE_ROW(ln_dw, TS_ROWWISE_COLUMNS);
}
