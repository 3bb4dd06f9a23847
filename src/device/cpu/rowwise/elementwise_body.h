/* Copies, sums, dropout, column sums, for any vocabulary (see norm_body.h). */
#include "device/cpu/rowwise/rowwise.h"
#include "device/cpu/simd/row.h"

INLINE void fill_all(const ts_elementwise_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    const vf v = v_set(a->alpha);
    int64_t i = begin;
    for (; i + V <= end; i += V)
        v_store_as(a->y, i, V, t, v);
    if (i < end)
        v_store_as(a->y, i, end - i, t, v);
}

INLINE void copy_all(const ts_elementwise_args *a, int64_t begin, int64_t end, ts_dtype x,
                     ts_dtype y)
{
    int64_t i = begin;
    for (; i + V <= end; i += V)
        v_store_as(a->y, i, V, y, v_load_as(a->x, i, V, x));
    if (i < end)
        v_store_as(a->y, i, end - i, y, v_load_as(a->x, i, end - i, x));
}

INLINE void copy_from(const ts_elementwise_args *a, int64_t begin, int64_t end,
                      ts_dtype x){ V_BY_DTYPE(a->y_dtype, copy_all, a, begin, end, x) }

INLINE void add_at(const ts_elementwise_args *a, int64_t i, int64_t n, ts_dtype x, ts_dtype z,
                   ts_dtype y)
{
    const vf bz = v_mul(v_set(a->beta), v_load_as(a->z, i, n, z));
    v_store_as(a->y, i, n, y, v_fma(v_set(a->alpha), v_load_as(a->x, i, n, x), bz));
}

INLINE void add_all(const ts_elementwise_args *a, int64_t begin, int64_t end, ts_dtype x,
                    ts_dtype z, ts_dtype y)
{
    int64_t i = begin;
    for (; i + V <= end; i += V)
        add_at(a, i, V, x, z, y);
    if (i < end)
        add_at(a, i, end - i, x, z, y);
}

/* The usual mixtures; the rest choose their conversions at each step. */
INLINE void add_same(const ts_elementwise_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    add_all(a, begin, end, t, t, t);
}
INLINE void add_to_f32(const ts_elementwise_args *a, int64_t begin, int64_t end, ts_dtype x)
{
    add_all(a, begin, end, x, TS_DTYPE_F32, TS_DTYPE_F32);
}

static void fill(const void *args, int64_t begin, int64_t end)
{
    const ts_elementwise_args *a = args;
    V_BY_DTYPE(a->y_dtype, fill_all, a, begin, end)
}

static void copy(const void *args, int64_t begin, int64_t end)
{
    const ts_elementwise_args *a = args;
    if (a->x_dtype != a->y_dtype) {
        V_BY_DTYPE(a->x_dtype, copy_from, a, begin, end)
    } else if (a->x != a->y) {
        const size_t size = ts_dtype_size(a->x_dtype), at = (size_t)begin * size;
        memcpy((char *)a->y + at, (const char *)a->x + at, (size_t)(end - begin) * size);
    }
}

static void swap_blocks(const void *args, int64_t begin, int64_t end)
{
    const ts_swap_blocks_args *s = args;
    for (int64_t i = begin; i < end; i++) {
        const int64_t from = i % s->a * s->b + i / s->a;
        memcpy((char *)s->y + (size_t)i * s->bytes, (const char *)s->x + (size_t)from * s->bytes,
               s->bytes);
    }
}

static void add(const void *args, int64_t begin, int64_t end)
{
    const ts_elementwise_args *a = args;
    if (a->x_dtype == a->z_dtype && a->z_dtype == a->y_dtype)
        V_BY_DTYPE(a->y_dtype, add_same, a, begin, end)
    else if (a->z_dtype == TS_DTYPE_F32 && a->y_dtype == TS_DTYPE_F32)
        V_BY_DTYPE(a->x_dtype, add_to_f32, a, begin, end)
    else
        add_all(a, begin, end, a->x_dtype, a->z_dtype, a->y_dtype);
}

/* ---- columns of rows */

INLINE void add_row(const char *x, char *y, int64_t cols, ts_dtype t)
{
    for (int64_t c = 0; c < cols; c += V) {
        const int64_t n = cols - c < V ? cols - c : V;
        v_store_as(y, c, n, t, v_add(v_load_as(x, c, n, t), v_load_as(y, c, n, t)));
    }
}

static void copy_cols(const void *args, int64_t begin, int64_t end)
{
    const ts_copy_cols_args *a = args;
    const int64_t size = (int64_t)ts_dtype_size(a->dtype);
    for (int64_t i = begin; i < end; i++) {
        const char *x = (const char *)a->x + i * a->x_row * size;
        char *y = (char *)a->y + i * a->y_row * size;
        if (a->adds)
            add_row(x, y, a->cols, a->dtype);
        else
            memcpy(y, x, (size_t)(a->cols * size));
    }
}

/* ---- dropout: numbers come 4V at a time, from the block that element `first + i` lies in */

INLINE void dropout_at(const ts_dropout_args *a, const uint32_t *u, int64_t i, int64_t n, vf p,
                       vf scale, ts_dtype t)
{
    const vf r = v_uniform(u, n);
    const vf made = a->x ? v_sel(v_ge(r, p), v_mul(v_load_as(a->x, i, n, t), scale), v_set(0))
                         : v_mul(p, v_sub(v_add(r, r), v_set(1)));
    v_store_as(a->y, i, n, t, a->res ? v_add(made, v_load_as(a->res, i, n, t)) : made);
}

INLINE void dropout_all(const ts_dropout_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    const vf p = v_set(a->p), scale = v_set((vs)(1 / (1 - (double)a->p)));
    uint32_t u[4 * V];
    int64_t i = begin;
    while (i < end) {
        const uint64_t e = (uint64_t)(a->first + i);
        const int64_t skip = (int64_t)(e % 4),
                      stop = i + 4 * V - skip < end ? i + 4 * V - skip : end;
        v_philox(&a->rng, e / 4, u);
        const uint32_t *v = u + skip;
        for (; i + V <= stop; i += V, v += V)
            dropout_at(a, v, i, V, p, scale, t);
        if (i < stop)
            dropout_at(a, v, i, stop - i, p, scale, t);
        i = stop;
    }
}

static void dropout(const void *args, int64_t begin, int64_t end)
{
    const ts_dropout_args *a = args;
    V_BY_DTYPE(a->dtype, dropout_all, a, begin, end)
}

/* ---- column sums: as the weight gradients of the norms */

INLINE void sum_strip(const ts_col_sum_args *a, int64_t c, int64_t n, int vectors, ts_dtype t)
{
    vf sum[V_STRIP];
    for (int k = 0; k < vectors; k++)
        sum[k] = v_set(0);
    for (int64_t r = 0; r < a->rows; r++)
        for (int k = 0; k < vectors; k++)
            sum[k] = v_add(sum[k], v_load_as(a->dy, r * a->ld + c + k * V, n, t));
    for (int k = 0; k < vectors; k++) {
        float *b = a->db + c + k * V;
        v_store(b, n, v_add(v_load(b, n), sum[k]));
    }
}

INLINE void sum_cols(const ts_col_sum_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    int64_t c = begin;
    for (; c + V_STRIP * V <= end; c += V_STRIP * V)
        sum_strip(a, c, V, V_STRIP, t);
    for (; c + V_STRIP / 2 * V <= end; c += V_STRIP / 2 * V)
        sum_strip(a, c, V, V_STRIP / 2, t);
    for (; c < end; c += V)
        sum_strip(a, c, end - c, 1, t);
}

/* The rows of group g alone. */
static ts_col_sum_args group_of(const ts_col_sum_args *a, int64_t g)
{
    ts_col_sum_args one = *a;
    const int64_t first = a->offsets[g];
    one.rows = a->offsets[g + 1] - first;
    one.dy = (const char *)a->dy + (size_t)(first * a->ld) * ts_dtype_size(a->dtype);
    one.db = a->db + g * a->cols;
    return one;
}

static void col_sum(const void *args, int64_t begin, int64_t end)
{
    const ts_col_sum_args *a = args;
    for (int64_t g = 0; g < (a->offsets ? a->groups : 1); g++) {
        const ts_col_sum_args one = a->offsets ? group_of(a, g) : *a;
        V_BY_DTYPE(a->dtype, sum_cols, &one, begin, end)
    }
}

INLINE void max_cols(const ts_col_sum_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    for (int64_t c = begin; c < end; c += V) {
        const int64_t n = end - c < V ? end - c : V;
        vf most = v_load(a->db + c, n);
        for (int64_t r = 0; r < a->rows; r++)
            most = v_max(most, v_load_as(a->dy, r * a->ld + c, n, t));
        v_store(a->db + c, n, most);
    }
}

static void col_max(const void *args, int64_t begin, int64_t end)
{
    const ts_col_sum_args *a = args;
    V_BY_DTYPE(a->dtype, max_cols, a, begin, end)
}

void TS_ISA_NAME(ts_elementwise_kernels_init)(ts_cpu_kernel *table)
{
    table[TS_KERNEL_fill] = TS_ROWWISE_ROW(fill, 0);
    table[TS_KERNEL_copy] = TS_ROWWISE_ROW(copy, 0);
    table[TS_KERNEL_copy_cols] = TS_ROWWISE_ROW(copy_cols, 0);
    table[TS_KERNEL_add] = TS_ROWWISE_ROW(add, 0);
    table[TS_KERNEL_swap_blocks] = TS_ROWWISE_ROW(swap_blocks, 0);
    table[TS_KERNEL_dropout] = TS_ROWWISE_ROW(dropout, 0);
    table[TS_KERNEL_col_sum] = TS_ROWWISE_ROW(col_sum, TS_ROWWISE_COLUMNS);
    table[TS_KERNEL_col_max] = TS_ROWWISE_ROW(col_max, TS_ROWWISE_COLUMNS);
}
