/* Token embedding, for any vocabulary of vectors (see norm_body.h). */
#include "device/cpu/rowwise/rowwise.h"
#include "device/cpu/simd/row.h"

INLINE void fwd_at(const ts_embed_args *a, int64_t r, int64_t c, int64_t n, ts_dtype table,
                   ts_dtype t)
{
    const int64_t row = a->ids ? a->ids[r] : r;
    vf v = v_mul(v_load_as(a->table, row * a->cols + c, n, table), v_set(a->scale));
    if (a->pos_table)
        v = v_add(v, v_load_as(a->pos_table, a->pos[r] * a->cols + c, n, table));
    v_store_as(a->y, r * a->cols + c, n, t, v);
}

INLINE void fwd_rows(const ts_embed_args *a, int64_t begin, int64_t end, ts_dtype table, ts_dtype t)
{
    for (int64_t r = begin; r < end; r++) {
        int64_t c = 0;
        for (; c + V <= a->cols; c += V)
            fwd_at(a, r, c, V, table, t);
        if (c < a->cols)
            fwd_at(a, r, c, a->cols - c, table, t);
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

INLINE void bwd_at(const ts_embed_args *a, int64_t r, int64_t c, int64_t n, ts_dtype t)
{
    const vf dy = v_load_as(a->dy, r * a->cols + c, n, t);
    if (a->dtable && !(a->freezes && a->ids[r] == a->frozen)) {
        float *d = a->dtable + a->ids[r] * a->cols + c;
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
        int64_t c = begin;
        for (; c + V <= end; c += V)
            bwd_at(a, r, c, V, t);
        if (c < end)
            bwd_at(a, r, c, end - c, t);
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
