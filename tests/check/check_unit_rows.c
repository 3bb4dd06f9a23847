#include "check.h"

#include <string.h>

/* Bounds: sums over a row of terms of one sign, and a few operations. */
static double growth(int64_t n) { return CHECK_U * (12 + 4 * sqrt((double)n)); }

static ts_unit_args args_of(ts_dtype w, ts_dtype t, int64_t rows, int64_t cols)
{
    ts_unit_args a = { .rows = rows, .cols = cols, .ld = rows + 5, .w_dtype = w, .dtype = t,
                       .w = check_in(1, w, rows * cols, 2) };
    return a;
}

static double scale_of(const ts_unit_args *a, int64_t r)
{
    double sum = 0;
    for (int64_t c = 0; c < a->cols; c++)
        sum += pow(check_get(a->w, r * a->cols + c, a->w_dtype), 2);
    return 1 / fmax(sqrt(sum), (double)TS_UNIT_FLOOR);
}

static void lengths(const check_env *e, ts_dtype w, int64_t rows, int64_t cols)
{
    check_case("unit_scales %s %lld x %lld", ts_dtype_name(w), (long long)rows, (long long)cols);
    ts_unit_args a = args_of(w, w, rows, cols);
    float *values = check_inout(1, w, rows * cols, 2);
    memset(values, 0, (size_t)cols * ts_dtype_size(w)); /* a row of length 0 */
    check_touched(values);
    a.w = values;
    a.scale = check_out(TS_DTYPE_F32, rows);
    check_kernel(e, TS_KERNEL_unit_scales, &a, rows);
    for (int64_t r = 0; r < rows; r++)
        check_near("scale", r, (double)a.scale[r], scale_of(&a, r), growth(cols) * scale_of(&a, r));
}

static void times(const check_env *e, ts_dtype t, int64_t rows)
{
    enum { N = 4 };
    check_case("unit_times %s %lld", ts_dtype_name(t), (long long)rows);
    ts_unit_args a = args_of(TS_DTYPE_F32, t, rows, 3);
    a.scale = check_inout(2, TS_DTYPE_F32, rows, 3);
    a.x = check_in(3, t, N * a.ld, 2);
    a.y = check_out(t, N * a.ld);
    check_kernel(e, TS_KERNEL_unit_times, &a, N);
    for (int64_t i = 0; i < N; i++) {
        for (int64_t r = 0; r < rows; r++) {
            const double y = check_get(a.x, i * a.ld + r, t) * (double)a.scale[r];
            check_elem("y", a.y, i * a.ld + r, t, y, CHECK_U * fabs(y));
        }
        check_untouched("between rows", a.y, i * a.ld + rows, a.ld - rows, t);
    }
}

static void along(const check_env *e, ts_dtype w, int64_t rows, int64_t cols)
{
    check_case("unit_across, noted %s %lld x %lld", ts_dtype_name(w), (long long)rows, (long long)cols);
    ts_unit_args a = args_of(w, w, rows, cols);
    a.scale = check_inout(2, TS_DTYPE_F32, rows, 1);
    a.g = check_inout(3, TS_DTYPE_F32, rows * cols, 1);
    a.y = check_out(TS_DTYPE_F32, rows);
    check_kernel(e, TS_KERNEL_unit_across, &a, rows);
    check_untouched("g", a.g, 0, rows * cols, TS_DTYPE_F32);
    for (int64_t r = 0; r < rows; r++) {
        double dot = 0, size = 0;
        for (int64_t c = 0; c < cols; c++) {
            const double term = check_get(a.w, r * cols + c, w) * (double)a.g[r * cols + c];
            dot += term, size += fabs(term);
        }
        check_near("along", r, (double)((float *)a.y)[r], dot, growth(cols) * size);
    }
}

static void across(const check_env *e, ts_dtype w, int64_t rows, int64_t cols, bool noted)
{
    check_case("unit_across %s %lld x %lld noted %d", ts_dtype_name(w), (long long)rows, (long long)cols, noted);
    ts_unit_args a = args_of(w, w, rows, cols);
    a.scale = check_inout(2, TS_DTYPE_F32, rows, 1);
    for (int64_t r = 0; r < rows; r++)
        a.scale[r] = r == 1 ? 1 / TS_UNIT_FLOOR : (float)scale_of(&a, r);
    check_touched(a.scale);
    a.g = check_inout(3, TS_DTYPE_F32, rows * cols, 1);
    a.x = noted ? check_in(4, TS_DTYPE_F32, rows, 1) : NULL;
    check_kernel(e, TS_KERNEL_unit_across, &a, rows);
    for (int64_t r = 0; r < rows; r++) {
        double dot = noted ? -check_get(a.x, r, TS_DTYPE_F32) : 0, size = fabs(dot);
        for (int64_t c = 0; c < cols && r != 1; c++) {
            const double term = check_get(a.w, r * cols + c, w) * check_before(a.g, r * cols + c, TS_DTYPE_F32);
            dot += term, size += fabs(term);
        }
        for (int64_t c = 0; c < cols; c++) {
            const double n = check_get(a.w, r * cols + c, w) * pow((double)a.scale[r], 2);
            const double g = check_before(a.g, r * cols + c, TS_DTYPE_F32);
            check_near("g", r * cols + c, (double)a.g[r * cols + c], r == 1 ? g : g - n * dot,
                       r == 1 ? 0 : growth(cols) * (fabs(g) + fabs(n) * size));
        }
    }
}

void check_unit_rows(const check_env *e)
{
    static const ts_dtype types[] = { TS_DTYPE_F32, TS_DTYPE_BF16, TS_DTYPE_F16 };
    for (size_t i = 0; i < CHECK_COUNT(types); i++)
        for (int64_t cols = 1; cols < 300; cols = 5 * cols + 2) {
            lengths(e, types[i], 6, cols);
            times(e, types[i], cols);
            along(e, types[i], 6, cols);
            across(e, types[i], 6, cols, cols % 2);
        }
}

void bench_unit_rows(const check_env *e)
{
    enum { ROWS = 4096, COLS = 2048, ALL = ROWS * COLS };
    check_case("bench");
    ts_unit_args a = args_of(TS_DTYPE_F32, TS_DTYPE_F32, ROWS, COLS);
    a.ld = ROWS, a.scale = check_inout(2, TS_DTYPE_F32, ROWS, 1), a.g = check_inout(3, TS_DTYPE_F32, ALL, 1);
    a.x = check_in(4, TS_DTYPE_F32, ALL, 1), a.y = check_out(TS_DTYPE_F32, ALL);
    check_bench(e, "unit_scales", TS_KERNEL_unit_scales, &a, ROWS, ALL, "elem", 4.0 * ALL);
    check_bench(e, "unit_times", TS_KERNEL_unit_times, &a, COLS, ALL, "elem", 8.0 * ALL);
    check_bench(e, "unit_across", TS_KERNEL_unit_across, &a, ROWS, ALL, "elem", 16.0 * ALL);
}
