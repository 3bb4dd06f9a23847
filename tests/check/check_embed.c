#include "check.h"

enum { VOCABULARY = 23, POSITIONS = 11 };

static int32_t *ids_below(uint64_t seed, int64_t rows, int most)
{
    int32_t *ids = check_ints(seed, TS_DTYPE_I32, rows, most);
    for (int64_t r = 0; r < rows; r++)
        ids[r] = ids[r] < 0 ? -ids[r] - 1 : ids[r];
    check_touched(ids);
    return ids;
}

static void embed(const check_env *e, ts_dtype table, ts_dtype t, int64_t rows, int64_t cols,
                  float scale, bool pos)
{
    check_case("embed table %s, %s rows %lld cols %lld scale %g pos %d", ts_dtype_name(table),
               ts_dtype_name(t), (long long)rows, (long long)cols, (double)scale, pos);
    ts_embed_args a = { .rows = rows, .cols = cols, .table_dtype = table, .dtype = t,
                        .scale = scale,
                        .table = check_in(1, table, VOCABULARY * cols, 1),
                        .pos_table = pos ? check_in(2, table, POSITIONS * cols, 1) : NULL,
                        .ids = ids_below(3, rows, VOCABULARY - 1),
                        .pos = pos ? ids_below(4, rows, POSITIONS - 1) : NULL,
                        .y = check_out(t, rows * cols) };
    check_kernel(e, TS_KERNEL_embed_fwd, &a, rows);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < cols; c++) {
            const double v = (double)scale * check_get(a.table, a.ids[r] * cols + c, table);
            const double p = pos ? check_get(a.pos_table, a.pos[r] * cols + c, table) : 0;
            check_elem("y", a.y, r * cols + c, t, v + p, CHECK_U * fabs(v));
        }
}

static void gradient(const check_env *e, ts_dtype t, int64_t rows, int64_t cols, float scale,
                     int variant)
{
    check_case("embed_bwd %s rows %lld cols %lld scale %g variant %d", ts_dtype_name(t),
               (long long)rows, (long long)cols, (double)scale, variant);
    const bool table = variant & 1, pos = variant & 2;
    ts_embed_args a = { .rows = rows, .cols = cols, .dtype = t, .scale = scale,
                        .ids = ids_below(3, rows, VOCABULARY - 1),
                        .pos = ids_below(4, rows, POSITIONS - 1),
                        .dy = check_in(5, t, rows * cols, 1),
                        .dtable = table ? check_inout(6, TS_DTYPE_F32, VOCABULARY * cols, 1) : NULL,
                        .dpos_table =
                            pos ? check_inout(7, TS_DTYPE_F32, POSITIONS * cols, 1) : NULL };
    check_kernel(e, TS_KERNEL_embed_bwd, &a, cols);
    for (int which = 0; which < 2; which++) {
        const float *d = which ? a.dpos_table : a.dtable;
        const int32_t *ids = which ? a.pos : a.ids;
        const double s = which ? 1 : (double)scale;
        for (int64_t id = 0; d && id < (which ? POSITIONS : VOCABULARY); id++)
            for (int64_t c = 0; c < cols; c++) {
                double sum = check_before(d, id * cols + c, TS_DTYPE_F32), size = fabs(sum);
                for (int64_t r = 0; r < rows; r++) {
                    const double v = ids[r] == id ? s * check_get(a.dy, r * cols + c, t) : 0;
                    sum += v, size += fabs(v);
                }
                check_near("d", id * cols + c, d[id * cols + c], sum,
                           CHECK_U * (2 + 4 * sqrt((double)rows)) * size);
            }
    }
}

/* The same of a table of which row r's was taken out before: `all` is the whole. */
static void taken(const check_env *e, const ts_embed_args *part, const char *all)
{
    const size_t size = (size_t)part->cols * ts_dtype_size(part->table_dtype);
    ts_embed_args a = *part;
    char *table = check_inout(10, a.table_dtype, a.rows * a.cols, 1);
    for (int64_t r = 0; r < a.rows; r++)
        memcpy(table + (size_t)r * size, all + (size_t)a.ids[r] * size, size);
    check_touched(table);
    a.table = table, a.taken = true;
    a.y = check_out(a.dtype, a.rows * a.cols);
    check_kernel(e, TS_KERNEL_embed_fwd, &a, a.rows);
    for (int64_t i = 0; i < a.rows * a.cols; i++)
        check_equal("taken", i, check_get(a.y, i, a.dtype), check_get(part->y, i, a.dtype));
}

/* Rows [first, first + here) of the table: what comes out is the whole's row or zeros, and the
 * gradient is the whole's rows. */
static void part(const check_env *e, ts_dtype table, ts_dtype t, int64_t cols, int64_t first,
                 int64_t here, bool freezes)
{
    const int64_t rows = 37;
    check_case("embed, rows from %lld, %lld of them, table %s, %s cols %lld freezes %d",
               (long long)first, (long long)here, ts_dtype_name(table), ts_dtype_name(t),
               (long long)cols, freezes);
    const size_t at = (size_t)(first * cols) * ts_dtype_size(table);
    char *rows_here = check_inout(9, table, here * cols, 1);
    const char *all = check_in(1, table, VOCABULARY * cols, 1);
    memcpy(rows_here, all + at, (size_t)(here * cols) * ts_dtype_size(table));
    check_touched(rows_here);
    ts_embed_args a = { .rows = rows, .cols = cols, .table_dtype = table, .dtype = t, .scale = 7.75f,
                        .table = all,
                        .pos_table = check_in(2, table, POSITIONS * cols, 1),
                        .ids = ids_below(3, rows, VOCABULARY - 1),
                        .pos = ids_below(4, rows, POSITIONS - 1),
                        .y = check_out(t, rows * cols),
                        .dy = check_in(5, t, rows * cols, 1), .freezes = freezes,
                        .frozen = (int32_t)first };
    ts_embed_args b = a;
    b.table = rows_here, b.first = first, b.here = here;
    b.y = check_out(t, rows * cols);
    a.dtable = check_inout(0, TS_DTYPE_F32, VOCABULARY * cols, 0);
    b.dtable = check_inout(0, TS_DTYPE_F32, here * cols, 0);
    a.dpos_table = check_inout(0, TS_DTYPE_F32, POSITIONS * cols, 0);
    b.dpos_table = check_inout(0, TS_DTYPE_F32, POSITIONS * cols, 0);
    check_kernel(e, TS_KERNEL_embed_fwd, &a, rows);
    check_kernel(e, TS_KERNEL_embed_fwd, &b, rows);
    check_kernel(e, TS_KERNEL_embed_bwd, &a, cols);
    check_kernel(e, TS_KERNEL_embed_bwd, &b, cols);
    taken(e, &b, all);
    for (int64_t i = 0; i < rows * cols; i++) {
        const int64_t id = a.ids[i / cols] - first;
        check_equal("y", i, check_get(b.y, i, t), id < 0 || id >= here ? 0 : check_get(a.y, i, t));
    }
    for (int64_t i = 0; i < here * cols; i++)
        check_equal("dtable", i, (double)b.dtable[i], (double)a.dtable[first * cols + i]);
    for (int64_t i = 0; i < POSITIONS * cols; i++)
        check_equal("dpos_table", i, (double)b.dpos_table[i], (double)a.dpos_table[i]);
}

void check_embed(const check_env *e)
{
    static const int64_t cols[] = { 1, 7, 8, 9, 15, 16, 17, 33, 64, 200 };
    for (size_t i = 0; i < CHECK_COUNT(cols); i++)
        for (int t = 0; t < 3; t++) {
            for (int table = 0; table < 3; table++)
                for (int k = 0; k < 4; k++)
                    embed(e, (ts_dtype)table, (ts_dtype)t, 1 + 9 * k, cols[i], k & 1 ? 1 : 7.75f,
                          k & 2);
            for (int k = 0; k < 8; k++)
                gradient(e, (ts_dtype)t, k & 4 ? 61 : 5, cols[i], k & 1 ? 1 : 7.75f, 1 + k % 3);
            part(e, TS_DTYPE_F32, (ts_dtype)t, cols[i], 0, 9, true);
            part(e, TS_DTYPE_BF16, (ts_dtype)t, cols[i], 9, 1, false);
            part(e, (ts_dtype)t, TS_DTYPE_F32, cols[i], 10, VOCABULARY - 10, true);
        }
}

void bench_embed(const check_env *e)
{
    const int64_t rows = 2048, cols = 576, vocabulary = 49152;
    const double n = (double)(rows * cols);
    check_case("bench");
    int32_t *ids = check_ints(3, TS_DTYPE_I32, rows, (int)vocabulary - 1);
    for (int64_t r = 0; r < rows; r++)
        ids[r] = ids[r] < 0 ? -ids[r] : ids[r];
    float *table = check_inout(1, TS_DTYPE_F32, vocabulary * cols, 1);
    ts_embed_args a = { .rows = rows, .cols = cols, .scale = 1, .table = table, .ids = ids,
                        .y = check_out(TS_DTYPE_F32, rows * cols),
                        .dy = check_in(2, TS_DTYPE_F32, rows * cols, 1),
                        .dtable = table };
    check_bench(e, "embed_fwd fp32 2048 x 576", TS_KERNEL_embed_fwd, &a, rows, n, "elem", 8 * n);
    check_bench(e, "embed_bwd fp32 2048 x 576", TS_KERNEL_embed_bwd, &a, cols, n, "elem", 12 * n);
}
