#include "check.h"

static const int64_t sizes[] = { 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 4099 };

/* Conversions are exact or rounded once: equality with base/dtype.h. */
static void fill_and_copy(const check_env *e, ts_dtype x, ts_dtype y, int64_t n, double scale)
{
    check_case("copy %s to %s n %lld scale %g", ts_dtype_name(x), ts_dtype_name(y), (long long)n,
               scale);
    float special[] = { 0,           0,      0,        0,        -0.0f,  INFINITY, -INFINITY,
                        NAN,         1e-45f, 65519,    65520,    65536,  3.4e38f,  1.00390625f,
                        1.01171875f, 6e-8f,  2.98e-8f, 2.99e-8f, 6.1e-5f };
    /* rounding must not carry out of these */
    const uint32_t nan[] = { 0x7FFFFFFF, 0xFFFFFFFF, 0x7F800001 };
    memcpy(special, nan, sizeof nan);
    void *in = check_inout(1, x, n, scale);
    for (int64_t i = 0; i < n && i < (int64_t)CHECK_COUNT(special); i++)
        if (scale == 1)
            ts_store_f32(in, n - 1 - i, x, special[i]);
    ts_elementwise_args a = {
        .x_dtype = x, .y_dtype = y, .x = in, .y = check_out(y, n), .alpha = -1.7f
    };
    check_kernel(e, TS_KERNEL_copy, &a, n);
    check_untouched("x", in, 0, n, x);
    for (int64_t i = 0; i < n; i++) {
        float want;
        ts_store_f32(&want, 0, y, (float)check_get(in, i, x));
        check_equal("y", i, check_get(a.y, i, y), (double)ts_load_f32(&want, 0, y));
    }
    check_case("fill %s n %lld", ts_dtype_name(y), (long long)n);
    a.y = check_out(y, n);
    check_kernel(e, TS_KERNEL_fill, &a, n);
    float want;
    ts_store_f32(&want, 0, y, -1.7f);
    for (int64_t i = 0; i < n; i++)
        check_equal("y", i, check_get(a.y, i, y), (double)ts_load_f32(&want, 0, y));
}

/* alias: 0 none, 1 y is x, 2 y is z */
static void add(const check_env *e, const ts_dtype t[3], int64_t n, double scale, int alias)
{
    check_case("add %s + %s to %s n %lld scale %g alias %d", ts_dtype_name(t[0]),
               ts_dtype_name(t[1]), ts_dtype_name(t[2]), (long long)n, scale, alias);
    void *x = check_inout(1, t[0], n, scale), *z = check_inout(2, t[1], n, 1);
    ts_elementwise_args a = { .x_dtype = t[0], .z_dtype = t[1], .y_dtype = t[2], .x = x, .z = z,
                              .alpha = 0.75f, .beta = -1.3f };
    a.y = alias == 1 && t[0] == t[2] ? x : alias == 2 && t[1] == t[2] ? z : check_out(t[2], n);
    check_kernel(e, TS_KERNEL_add, &a, n);
    for (int64_t i = 0; i < n; i++) {
        const double ax = (double)a.alpha * check_before(x, i, t[0]),
                     bz = (double)a.beta * check_before(z, i, t[1]);
        check_elem("y", a.y, i, t[2], ax + bz, CHECK_U * (fabs(ax) + fabs(bz)));
    }
}

static void dropout(const check_env *e, ts_dtype t, int64_t n, int64_t first, float p, int variant)
{
    check_case("dropout %s n %lld first %lld p %g variant %d", ts_dtype_name(t), (long long)n,
               (long long)first, (double)p, variant);
    void *x = check_inout(1, t, n, 1), *res = variant & 1 ? check_inout(2, t, n, 1) : NULL;
    if (n > 2)
        ts_store_f32(x, n / 2, t, NAN); /* a dropped NaN is gone, a kept one stays */
    ts_dropout_args a = { .dtype = t, .x = x, .res = res, .p = p, .first = first,
                          .rng = ts_rng_stream(17, TS_RNG_TEST, 5, 3) };
    a.y = variant & 2 ? x : variant & 4 && res ? res : check_out(t, n);
    check_kernel(e, TS_KERNEL_dropout, &a, n);
    int64_t kept = 0;
    for (int64_t i = 0; i < n; i++) {
        const uint64_t element = (uint64_t)(first + i);
        uint32_t u[4];
        ts_rng_block(&a.rng, element / 4, u);
        const bool keep = ts_rng_uniform(u[element % 4]) >= p;
        const double v = keep ? check_before(x, i, t) / (1 - (double)p) : 0;
        const double r = res ? check_before(res, i, t) : 0;
        kept += keep;
        check_elem("y", a.y, i, t, v + r, CHECK_U * 3 * fabs(v));
    }
    if (n > 1000 && fabs((double)kept / (double)n - (1 - (double)p)) > 0.1)
        check_fail("%lld of %lld kept", (long long)kept, (long long)n);
}

static void noise(const check_env *e, ts_dtype t, int64_t n, int64_t first, float p, bool in_place)
{
    check_case("noise %s n %lld first %lld p %g in place %d", ts_dtype_name(t), (long long)n, (long long)first, (double)p,
               in_place);
    void *res = check_inout(1, t, n, 1);
    const ts_dropout_args a = { .dtype = t, .res = res, .y = in_place ? res : check_out(t, n), .p = p, .first = first,
                                .rng = ts_rng_stream(17, TS_RNG_TEST, 5, 3) };
    check_kernel(e, TS_KERNEL_dropout, &a, n);
    for (int64_t i = 0; i < n; i++) {
        const uint64_t element = (uint64_t)(first + i);
        uint32_t u[4];
        ts_rng_block(&a.rng, element / 4, u);
        const double v = (double)p * (2 * (double)ts_rng_uniform(u[element % 4]) - 1), r = check_before(res, i, t);
        check_elem("y", a.y, i, t, r + v, CHECK_U * (fabs(r) + 2 * (double)p));
    }
}

static void copy_cols(const check_env *e, ts_dtype t, int64_t rows, int64_t cols, int64_t gap, bool adds)
{
    check_case("copy_cols %s rows %lld cols %lld gap %lld adds %d", ts_dtype_name(t), (long long)rows,
               (long long)cols, (long long)gap, adds);
    const int64_t x_row = cols + gap, y_row = cols + 2 * gap;
    const void *x = check_in(1, t, rows * x_row, 1);
    void *y = check_inout(2, t, rows * y_row, 1);
    const ts_copy_cols_args a = { .cols = cols, .x_row = x_row, .y_row = y_row, .dtype = t, .adds = adds,
                                  .x = x, .y = y };
    check_kernel(e, TS_KERNEL_copy_cols, &a, rows);
    for (int64_t i = 0; i < rows * y_row; i++) {
        const double was = check_before(y, i, t);
        const double from = i % y_row < cols ? check_get(x, i / y_row * x_row + i % y_row, t) : 0;
        if (i % y_row >= cols || !adds)
            check_equal("y", i, check_get(y, i, t), i % y_row < cols ? from : was);
        else
            check_elem("y", y, i, t, was + from, CHECK_U * fabs(was + from));
    }
}

static void col_sum(const check_env *e, ts_dtype t, int64_t rows, int64_t cols, int64_t gap)
{
    check_case("col_sum %s rows %lld cols %lld gap %lld", ts_dtype_name(t), (long long)rows,
               (long long)cols, (long long)gap);
    ts_col_sum_args a = { .rows = rows, .cols = cols, .ld = cols + gap, .dtype = t,
                          .dy = check_in(1, t, rows * (cols + gap), 1),
                          .db = check_inout(2, TS_DTYPE_F32, cols, 1) };
    check_kernel(e, TS_KERNEL_col_sum, &a, cols);
    for (int64_t c = 0; c < cols; c++) {
        double sum = check_before(a.db, c, TS_DTYPE_F32), size = fabs(sum);
        for (int64_t r = 0; r < rows; r++) {
            const double v = check_get(a.dy, r * a.ld + c, t);
            sum += v, size += fabs(v);
        }
        check_near("db", c, a.db[c], sum, CHECK_U * (2 + 4 * sqrt((double)rows)) * size);
    }
}

/* Of groups of rows, one without any; the rows behind the last are nobody's. */
static void col_sum_groups(const check_env *e, ts_dtype t, int64_t cols)
{
    enum { GROUPS = 4, ROWS = 40 };
    static const int32_t at[GROUPS + 1] = { 0, 3, 3, 22, 36 };
    check_case("col_sum %s of groups, cols %lld", ts_dtype_name(t), (long long)cols);
    int32_t *offsets = check_ints(3, TS_DTYPE_I32, GROUPS + 1, 1);
    memcpy(offsets, at, sizeof at);
    check_touched(offsets);
    const ts_col_sum_args a = { .rows = ROWS, .cols = cols, .ld = cols + 2, .dtype = t, .groups = GROUPS, .offsets = offsets,
                                .dy = check_in(1, t, ROWS * (cols + 2), 1),
                                .db = check_inout(2, TS_DTYPE_F32, GROUPS * cols, 1) };
    check_kernel(e, TS_KERNEL_col_sum, &a, cols);
    for (int64_t k = 0; k < GROUPS * cols; k++) {
        double sum = check_before(a.db, k, TS_DTYPE_F32), size = fabs(sum);
        for (int64_t r = at[k / cols]; r < at[k / cols + 1]; r++) {
            const double v = check_get(a.dy, r * a.ld + k % cols, t);
            sum += v, size += fabs(v);
        }
        check_near("db", k, a.db[k], sum, CHECK_U * (2 + 4 * sqrt((double)ROWS)) * size);
    }
}

static void col_max(const check_env *e, ts_dtype t, int64_t rows, int64_t cols, int64_t gap)
{
    check_case("col_max %s rows %lld cols %lld gap %lld", ts_dtype_name(t), (long long)rows,
               (long long)cols, (long long)gap);
    ts_col_sum_args a = { .rows = rows, .cols = cols, .ld = cols + gap, .dtype = t,
                          .dy = check_in(1, t, rows * (cols + gap), 1),
                          .db = check_inout(2, TS_DTYPE_F32, cols, 1) };
    check_kernel(e, TS_KERNEL_col_max, &a, cols);
    for (int64_t c = 0; c < cols; c++) {
        double most = check_before(a.db, c, TS_DTYPE_F32);
        for (int64_t r = 0; r < rows; r++)
            most = fmax(most, check_get(a.dy, r * a.ld + c, t));
        check_equal("db", c, (double)a.db[c], most);
    }
}

/* Numbers are moved, so they are equal. */
static void swap_blocks(const check_env *e, int64_t a, int64_t b, int64_t n)
{
    check_case("swap_blocks %lld x %lld of %lld", (long long)a, (long long)b, (long long)n);
    const ts_swap_blocks_args s = { .a = a, .b = b, .bytes = (size_t)n * sizeof(float),
                                    .x = check_in(1, TS_DTYPE_F32, a * b * n, 1),
                                    .y = check_out(TS_DTYPE_F32, a * b * n) };
    check_kernel(e, TS_KERNEL_swap_blocks, &s, a * b);
    for (int64_t i = 0; i < a * b * n; i++) {
        const int64_t j = i / n / a, k = i / n % a;
        check_near("y", i, ((const float *)s.y)[i], ((const float *)s.x)[(k * b + j) * n + i % n], 0);
    }
}

void check_elementwise(const check_env *e)
{
    static const double scale[] = { 1, 1e-4, 1e4 };
    static const int64_t first[] = { 0, 1, 3, 6, ((int64_t)1 << 34) - 37, ((int64_t)1 << 34) + 5 };
    static const float p[] = { 0, 0.1f, 0.5f, 0.9f };
    int k = 0;
    swap_blocks(e, 1, 5, 3);
    swap_blocks(e, 5, 1, 3);
    for (size_t i = 0; i < CHECK_COUNT(sizes); i++) {
        swap_blocks(e, 7, 3, sizes[i]);
        swap_blocks(e, 2, 64, sizes[i]);
        for (int x = 0; x < 3; x++)
            for (int y = 0; y < 3; y++)
                for (int z = 0; z < 3; z++) {
                    const double s = scale[z];
                    fill_and_copy(e, (ts_dtype)x, (ts_dtype)y, sizes[i], s);
                    add(e, (ts_dtype[]){ (ts_dtype)x, (ts_dtype)z, (ts_dtype)y }, sizes[i], s,
                        k++ % 3);
                }
        for (size_t f = 0; f < CHECK_COUNT(first); f++)
            for (int t = 0; t < 3; t++)
                for (int v = 0; v < 6; v++)
                    dropout(e, (ts_dtype)t, sizes[i], first[f], p[k++ % 4], v);
        for (size_t f = 0; f < CHECK_COUNT(first); f++)
            for (int t = 0; t < 3; t++, k++)
                noise(e, (ts_dtype)t, sizes[i], first[f], k % 2 ? 0.07f : 3.5f, k % 3);
        for (int t = 0; t < 3; t++) {
            copy_cols(e, (ts_dtype)t, 5, sizes[i], 3, k % 2);
            copy_cols(e, (ts_dtype)t, 1, sizes[i], 0, k++ % 2);
            col_sum(e, (ts_dtype)t, 1, sizes[i], 0);
            col_sum(e, (ts_dtype)t, 131, sizes[i], t);
            col_sum_groups(e, (ts_dtype)t, sizes[i]);
            col_max(e, (ts_dtype)t, 19, sizes[i], t);
        }
    }
}

void bench_elementwise(const check_env *e)
{
    const int64_t n = 16 << 20, cols = 576;
    check_case("bench");
    void *x = check_in(1, TS_DTYPE_F32, n, 1), *y = check_out(TS_DTYPE_F32, n);
    ts_elementwise_args a = {
        .x = x, .z = y, .y = y, .alpha = 1, .beta = 1, .y_dtype = TS_DTYPE_BF16
    };
    check_bench(e, "copy fp32 to bf16, 16 Mi", TS_KERNEL_copy, &a, n, (double)n, "elem",
                6 * (double)n);
    a.y_dtype = TS_DTYPE_F32;
    check_bench(e, "add fp32, 16 Mi", TS_KERNEL_add, &a, n, (double)n, "elem", 12 * (double)n);
    check_bench(e, "add fp32, 1 Mi (cache)", TS_KERNEL_add, &a, n / 16, (double)(n / 16), "elem",
                12 * (double)(n / 16));
    ts_dropout_args d = { .x = x, .y = y, .p = 0.1f };
    check_bench(e, "dropout fp32, 1 Mi", TS_KERNEL_dropout, &d, n / 16, (double)(n / 16), "elem",
                8 * (double)(n / 16));
    ts_col_sum_args s = { .rows = 2048, .cols = cols, .ld = cols, .dy = x,
                          .db = check_inout(2, TS_DTYPE_F32, cols, 1) };
    check_bench(e, "col_sum fp32 2048 x 576", TS_KERNEL_col_sum, &s, cols, 2048.0 * (double)cols,
                "elem", 4 * 2048.0 * (double)cols);
}
