#include "check.h"

/* Rows and back: at has each row at most once, some pairs have none. */
static int32_t *places(int64_t pairs, int64_t rows)
{
    int32_t *at = check_ints(3, TS_DTYPE_I32, pairs, 1);
    for (int64_t p = 0; p < pairs; p++)
        at[p] = p % 5 == 3 || p >= rows ? -1 : (int32_t)((p * 5 + 2) % rows);
    check_touched(at);
    return at;
}

enum { ALONE = 1, UNWEIGHED = 2, VARIANTS = 4 };

static ts_combine_args args_of(int64_t T, int64_t k, int64_t cols, ts_dtype t, int variant)
{
    const int64_t pairs = T * k, rows = pairs;
    return (ts_combine_args){ .k = k, .cols = cols, .dtype = t, .x = check_in(1, t, rows * cols, 1),
                              .at = variant & ALONE ? NULL : places(pairs, rows),
                              .weights = variant & UNWEIGHED ? NULL : check_in(2, TS_DTYPE_F32, pairs, 1) };
}

static int64_t row_of(const ts_combine_args *a, int64_t pair) { return a->at ? a->at[pair] : pair; }
static double weight_of(const ts_combine_args *a, int64_t pair)
{
    return a->weights ? (double)a->weights[pair] : 1;
}

static void forward(const check_env *e, int64_t T, int64_t k, int64_t cols, ts_dtype t, int variant)
{
    check_case("combine_fwd %s rows %lld of %lld cols %lld variant %d", ts_dtype_name(t), (long long)T,
               (long long)k, (long long)cols, variant);
    ts_combine_args a = args_of(T, k, cols, t, variant);
    a.y = check_out(t, T * cols);
    check_kernel(e, TS_KERNEL_combine_fwd, &a, T);
    for (int64_t i = 0; i < T * cols; i++) {
        double sum = 0, size = 0;
        for (int64_t p = i / cols * k; p < (i / cols + 1) * k; p++) {
            const double v = row_of(&a, p) < 0
                                 ? 0
                                 : weight_of(&a, p) * check_get(a.x, row_of(&a, p) * cols + i % cols, t);
            sum += v, size += fabs(v);
        }
        check_elem("y", a.y, i, t, sum, (double)(k + 1) * CHECK_U * size);
    }
}

static void backward(const check_env *e, int64_t T, int64_t k, int64_t cols, ts_dtype t, int variant)
{
    const int64_t pairs = T * k;
    check_case("combine_bwd %s rows %lld of %lld cols %lld variant %d", ts_dtype_name(t), (long long)T,
               (long long)k, (long long)cols, variant);
    ts_combine_args a = args_of(T, k, cols, t, variant);
    a.dy = check_in(4, t, T * cols, 1);
    a.dx = check_inout(5, t, pairs * cols, 1);
    a.dweights = check_out(TS_DTYPE_F32, pairs);
    check_kernel(e, TS_KERNEL_combine_bwd, &a, T);
    for (int64_t p = 0; p < pairs; p++) {
        const int64_t row = row_of(&a, p);
        double dot = 0, size = 0;
        for (int64_t c = 0; row >= 0 && c < cols; c++) {
            const double dy = check_get(a.dy, p / k * cols + c, t), x = check_get(a.x, row * cols + c, t);
            check_elem("dx", a.dx, row * cols + c, t, weight_of(&a, p) * dy,
                       CHECK_U * fabs(weight_of(&a, p) * dy));
            dot += dy * x, size += fabs(dy * x);
        }
        check_near("dweights", p, (double)a.dweights[p], dot,
                   CHECK_U * (8 + 4 * sqrt((double)cols)) * size);
    }
}

void check_experts(const check_env *e)
{
    static const int64_t cols[] = { 1, 3, 8, 15, 16, 17, 33, 64, 100, 257 };
    for (size_t i = 0; i < CHECK_COUNT(cols); i++)
        for (int t = TS_DTYPE_F32; t <= TS_DTYPE_F16; t++)
            for (int64_t k = 1; k <= 3; k++)
                for (int v = 0; v < VARIANTS; v++) {
                    if (v & ALONE && k > 1)
                        continue;
                    forward(e, 7, k, cols[i], (ts_dtype)t, v);
                    backward(e, 7, k, cols[i], (ts_dtype)t, v);
                }
}

void bench_experts(const check_env *e)
{
    enum { T = 2048, K = 4, H = 1024 };
    check_case("bench");
    ts_combine_args a = args_of(T, K, H, TS_DTYPE_BF16, 0);
    a.y = check_out(TS_DTYPE_BF16, (int64_t)T * H);
    check_bench(e, "combine_fwd bf16 2048 x 4 x 1024", TS_KERNEL_combine_fwd, &a, T, (double)T * K * H, "elem",
                2.0 * T * (K + 1) * H);
}
