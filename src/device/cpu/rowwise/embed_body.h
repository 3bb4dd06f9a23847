/* Token embedding, for any vocabulary of vectors (see norm_body.h). */
#include "device/cpu/rowwise/rowwise.h"
#include "device/cpu/simd/row.h"

static int32_t id_of(const ts_embed_args *a, int64_t r)
{
    return a->known && a->ids[r] >= a->known ? 0 : a->ids[r];
}

/* The table's row for row r, -1: it is not here. */
INLINE int64_t row_of(const ts_embed_args *a, int64_t r)
{
    if (!a->ids)
        return r;
    const int64_t row = id_of(a, r) - a->first;
    if (a->here && (row < 0 || row >= a->here))
        return -1;
    return a->taken ? r : row;
}

INLINE void fwd_at(const ts_embed_args *a, int64_t r, int64_t row, int64_t c, int64_t n,
                   ts_dtype table, ts_dtype t)
{
    vf v = v_mul(v_load_as(a->table, row * a->cols + c, n, table), v_set(a->scale));
    if (a->pos_table)
        v = v_add(v, v_load_as(a->pos_table, a->pos[r] * a->cols + c, n, table));
    v_store_as(a->y, r * a->cols + c, n, t, v);
}

INLINE void fwd_rows(const ts_embed_args *a, int64_t begin, int64_t end, ts_dtype table, ts_dtype t)
{
    const size_t bytes = (size_t)a->cols * ts_dtype_size(t);
    for (int64_t r = begin; r < end; r++) {
        const int64_t row = row_of(a, r);
        int64_t c = 0;
        if (row < 0) {
            memset((char *)a->y + (size_t)r * bytes, 0, bytes);
            continue;
        }
        for (; c + V <= a->cols; c += V)
            fwd_at(a, r, row, c, V, table, t);
        if (c < a->cols)
            fwd_at(a, r, row, c, a->cols - c, table, t);
    }
}

INLINE void fwd_from(const ts_embed_args *a, int64_t begin, int64_t end, ts_dtype table)
{
    V_BY_DTYPE(a->dtype, fwd_rows, a, begin, end, table)
}

static void embed_fwd(const void *args, int64_t begin, int64_t end)
{
    const ts_embed_args *a = args;
    V_BY_DTYPE(a->table_dtype, fwd_from, a, begin, end)
}

/* row: of dtable, -1: it gets nothing. */
INLINE void bwd_at(const ts_embed_args *a, int64_t r, int64_t row, int64_t c, int64_t n, ts_dtype t)
{
    const vf dy = v_load_as(a->dy, r * a->cols + c, n, t);
    if (row >= 0) {
        float *d = a->dtable + row * a->cols + c;
        v_store(d, n, v_fma(dy, v_set(a->scale), v_load(d, n)));
    }
    if (a->dpos_table) {
        float *d = a->dpos_table + a->pos[r] * a->cols + c;
        v_store(d, n, v_add(dy, v_load(d, n)));
    }
}

/* Each share walks all rows for its columns: rows that share an id are added in order. */
INLINE void bwd_cols(const ts_embed_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    for (int64_t r = 0; r < a->rows; r++) {
        const bool still = !a->dtable || (a->freezes && id_of(a, r) == a->frozen);
        const int64_t row = still ? -1 : row_of(a, r);
        int64_t c = begin;
        for (; c + V <= end; c += V)
            bwd_at(a, r, row, c, V, t);
        if (c < end)
            bwd_at(a, r, row, c, end - c, t);
    }
}

static void embed_bwd(const void *args, int64_t begin, int64_t end)
{
    const ts_embed_args *a = args;
    V_BY_DTYPE(a->dtype, bwd_cols, a, begin, end)
}

void TS_ISA_NAME(ts_embed_kernels_init)(ts_cpu_kernel *table)
{
    table[TS_KERNEL_embed_fwd] = TS_ROWWISE_ROW(embed_fwd, 0);
    table[TS_KERNEL_embed_bwd] = TS_ROWWISE_ROW(embed_bwd, TS_ROWWISE_COLUMNS);
}
