/* Blocks of a wide stream, for any vocabulary (see norm_body.h). */
#include "device/cpu/rowwise/rowwise.h"
#include "device/cpu/simd/row.h"

/* ---- mix */

INLINE vf mix_at(const ts_mix_args *a, int64_t row, int64_t j, int64_t c, int64_t n, ts_dtype t)
{
    const float *m = a->m + row * a->outs * a->ins;
    vf sum = a->b ? v_load_as(a->b, (row * a->outs + j) * a->cols + c, n, t) : v_set(0);
    for (int64_t i = 0; i < a->ins; i++)
        sum = v_fma(v_set(m[a->turned ? i * a->outs + j : j * a->ins + i] + a->plus),
                    v_load_as(a->x, (row * a->ins + i) * a->cols + c, n, t), sum);
    return sum;
}

INLINE void mix_rows(const ts_mix_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    for (int64_t row = begin; row < end; row++)
        for (int64_t j = 0; j < a->outs; j++)
            for (int64_t c = 0; c < a->cols; c += V)
                v_store_as(a->y, (row * a->outs + j) * a->cols + c, a->cols - c, t,
                           mix_at(a, row, j, c, a->cols - c, t));
}

/* The sum over n columns of what begins at element `at` of x, times what begins at `from` of y. */
INLINE vs dot_of(const void *x, int64_t at, const void *y, int64_t from, int64_t n, ts_dtype t)
{
    vf even = v_set(0), odd = v_set(0);
    for (int64_t c = 0; c < n; c += 2 * V) {
        even = v_fma(v_load_as(x, at + c, n - c, t), v_load_as(y, from + c, n - c, t), even);
        odd = v_fma(v_load_as(x, at + c + V, n - c - V, t), v_load_as(y, from + c + V, n - c - V, t), odd);
    }
    return v_sum(v_add(even, odd));
}

INLINE void dots_rows(const ts_mix_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    for (int64_t row = begin; row < end; row++)
        for (int64_t j = 0; j < a->outs; j++)
            for (int64_t i = 0; i < a->ins; i++)
                a->dm[(row * a->outs + j) * a->ins + i] =
                    (float)dot_of(a->dy, (row * a->outs + j) * a->cols, a->x, (row * a->ins + i) * a->cols, a->cols, t);
}

/* ---- magnitude */

INLINE double mean_square(const void *x, int64_t at, int64_t n, ts_dtype t)
{
    return (double)dot_of(x, at, x, at, n, t) / (double)n;
}

INLINE void magnitude_rows(const ts_magnitude_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    for (int64_t row = begin; row < end; row++) {
        const int64_t at = row * a->cols;
        const double own = mean_square(a->p, at, a->cols, t);
        const vf times = v_set((float)sqrt(mean_square(a->x, at, a->cols, t) /
                                           (own > (double)a->least ? own : (double)a->least)));
        for (int64_t c = 0; c < a->cols; c += V)
            v_store_as(a->y, at + c, a->cols - c, t, v_mul(v_load_as(a->p, at + c, a->cols - c, t), times));
    }
}

INLINE void magnitude_back_rows(const ts_magnitude_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    const double n = (double)a->cols;
    for (int64_t row = begin; row < end; row++) {
        const int64_t at = row * a->cols;
        const double own = mean_square(a->p, at, a->cols, t), wanted = sqrt(mean_square(a->x, at, a->cols, t));
        const bool held = !(own > (double)a->least);
        const double size = sqrt(held ? (double)a->least : own), s = (double)dot_of(a->dy, at, a->p, at, a->cols, t);
        const vf ratio = v_set((float)(wanted / size)), less = v_set((float)(held ? 0 : s / (n * size * size)));
        const vf x_times = v_set((float)(wanted > 0 ? s / (size * n * wanted) : 0));
        for (int64_t c = 0; c < a->cols; c += V) {
            const int64_t k = a->cols - c;
            const vf dy = v_load_as(a->dy, at + c, k, t), p = v_load_as(a->p, at + c, k, t);
            v_store_as(a->dp, at + c, k, t, v_mul(ratio, v_fnma(p, less, dy)));
            v_store_as(a->dx, at + c, k, t, v_mul(v_load_as(a->x, at + c, k, t), x_times));
        }
    }
}

/* ---- sparse */

typedef struct spread {
    vf mean, cut;
    double std;
} spread;

INLINE vs sum_of(const ts_sparse_args *a, int64_t row, ts_dtype t)
{
    vf sum = v_set(0);
    for (int64_t c = 0; c < a->cols; c += V)
        sum = v_add(sum, v_load_as(a->x, row * a->width + c, a->cols - c, t));
    return v_sum(sum);
}

INLINE vs square_from(const ts_sparse_args *a, int64_t row, float mean, ts_dtype t)
{
    vf square = v_set(0);
    for (int64_t c = 0; c < a->cols; c += V) {
        const int64_t n = a->cols - c;
        const vf d = v_keep(n, v_sub(v_load_as(a->x, row * a->width + c, n, t), v_set(mean)), v_set(0));
        square = v_fma(d, d, square);
    }
    return v_sum(square);
}

INLINE int64_t all_cols(const ts_sparse_args *a) { return a->all ? a->all : a->cols; }

INLINE float mean_of(const ts_sparse_args *a, int64_t row, ts_dtype t)
{
    return (float)((a->sum ? (vs)a->sum[row] : sum_of(a, row, t)) / (vs)all_cols(a));
}

INLINE spread spread_of(const ts_sparse_args *a, int64_t row, ts_dtype t)
{
    const float mean = mean_of(a, row, t);
    const double square = a->square ? (double)a->square[row] : (double)square_from(a, row, mean, t),
                 std = sqrt(square / (double)all_cols(a));
    return (spread){ v_set(mean), v_set((float)((double)mean + (double)a->times * std)), std };
}

/* What passes without a change. */
static void copy_rest(const ts_sparse_args *a, const void *from, void *to, int64_t row)
{
    const size_t size = ts_dtype_size(a->dtype);
    const size_t at = (size_t)(row * a->width + a->cols) * size;
    memcpy((char *)to + at, (const char *)from + at, (size_t)(a->width - a->cols) * size);
}

INLINE void sparse_rows(const ts_sparse_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    for (int64_t row = begin; row < end; row++) {
        const int64_t at = row * a->width;
        const spread s = spread_of(a, row, t);
        for (int64_t c = 0; c < a->cols; c += V) {
            const int64_t n = a->cols - c;
            v_store_as(a->y, at + c, n, t, v_max(v_set(0), v_sub(v_load_as(a->x, at + c, n, t), s.cut)));
        }
        copy_rest(a, a->x, a->y, row);
    }
}

INLINE vf passed(const ts_sparse_args *a, const spread *s, int64_t at, int64_t n, ts_dtype t)
{
    return v_sel(v_ge(s->cut, v_load_as(a->x, at, n, t)), v_set(0), v_load_as(a->dy, at, n, t));
}

INLINE vs sum_passed(const ts_sparse_args *a, const spread *s, int64_t row, ts_dtype t)
{
    vf sum = v_set(0);
    for (int64_t c = 0; c < a->cols; c += V)
        sum = v_add(sum, v_keep(a->cols - c, passed(a, s, row * a->width + c, a->cols - c, t), v_set(0)));
    return v_sum(sum);
}

INLINE void sparse_sums(const ts_sparse_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    for (int64_t row = begin; row < end; row++) {
        if (a->square) {
            const spread s = spread_of(a, row, t);
            a->sums[row] = (float)sum_passed(a, &s, row, t);
        } else {
            a->sums[row] = (float)(a->sum ? square_from(a, row, mean_of(a, row, t), t) : sum_of(a, row, t));
        }
    }
}

INLINE void sparse_back_rows(const ts_sparse_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    for (int64_t row = begin; row < end; row++) {
        const int64_t at = row * a->width;
        const spread s = spread_of(a, row, t);
        const double share = (a->slope ? (double)a->slope[row] : (double)sum_passed(a, &s, row, t)) / (double)all_cols(a);
        const vf less = v_set((float)share), slope = v_set((float)(s.std > 0 ? (double)a->times * share / s.std : 0));
        for (int64_t c = 0; c < a->cols; c += V) {
            const int64_t n = a->cols - c;
            const vf far = v_sub(v_load_as(a->x, at + c, n, t), s.mean);
            v_store_as(a->dx, at + c, n, t, v_fnma(far, slope, v_sub(passed(a, &s, at + c, n, t), less)));
        }
        copy_rest(a, a->dy, a->dx, row);
    }
}

/* ---- columns by a weight */

INLINE void scale_rows(const ts_weigh_cols_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    for (int64_t row = begin; row < end; row++)
        for (int64_t c = 0; c < a->cols; c += V) {
            const int64_t n = a->cols - c, at = row * a->cols + c;
            v_store_as(a->y, at, n, t, v_mul(v_load_as(a->x, at, n, t), v_load(a->w + c, n)));
        }
}

INLINE void scale_dw_cols(const ts_weigh_cols_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    for (int64_t c = begin; c < end; c += V) {
        const int64_t n = end - c;
        vf sum = v_set(0);
        for (int64_t row = 0; row < a->rows; row++)
            sum = v_fma(v_load_as(a->dy, row * a->cols + c, n, t), v_load_as(a->x, row * a->cols + c, n, t), sum);
        v_store(a->dw + c, n, v_add(v_load(a->dw + c, n), sum));
    }
}

#define ALTUP_KERNEL(name, args_t, body)                                  \
    static void name(const void *args, int64_t begin, int64_t end)        \
    {                                                                     \
        const args_t *a = args;                                           \
        V_BY_DTYPE(a->dtype, body, a, begin, end)                         \
    }
ALTUP_KERNEL(mix, ts_mix_args, mix_rows)
ALTUP_KERNEL(mix_dots, ts_mix_args, dots_rows)
ALTUP_KERNEL(magnitude_fwd, ts_magnitude_args, magnitude_rows)
ALTUP_KERNEL(magnitude_bwd, ts_magnitude_args, magnitude_back_rows)
ALTUP_KERNEL(sparse_fwd, ts_sparse_args, sparse_rows)
ALTUP_KERNEL(sparse_bwd, ts_sparse_args, sparse_back_rows)
ALTUP_KERNEL(sparse_sum, ts_sparse_args, sparse_sums)
ALTUP_KERNEL(weigh_cols, ts_weigh_cols_args, scale_rows)
ALTUP_KERNEL(weigh_cols_dw, ts_weigh_cols_args, scale_dw_cols)

void TS_ISA_NAME(ts_altup_kernels_init)(ts_cpu_kernel *table)
{
    table[TS_KERNEL_mix] = TS_ROWWISE_ROW(mix, 0);
    table[TS_KERNEL_mix_dots] = TS_ROWWISE_ROW(mix_dots, 0);
    table[TS_KERNEL_magnitude_fwd] = TS_ROWWISE_ROW(magnitude_fwd, 0);
    table[TS_KERNEL_magnitude_bwd] = TS_ROWWISE_ROW(magnitude_bwd, 0);
    table[TS_KERNEL_sparse_fwd] = TS_ROWWISE_ROW(sparse_fwd, 0);
    table[TS_KERNEL_sparse_bwd] = TS_ROWWISE_ROW(sparse_bwd, 0);
    table[TS_KERNEL_sparse_sum] = TS_ROWWISE_ROW(sparse_sum, 0);
    table[TS_KERNEL_weigh_cols] = TS_ROWWISE_ROW(weigh_cols, 0);
    table[TS_KERNEL_weigh_cols_dw] = TS_ROWWISE_ROW(weigh_cols_dw, TS_ROWWISE_COLUMNS);
}
