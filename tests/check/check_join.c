#include "check.h"

/* A row's parts of the softmax, joined: the second onto what is there, which may be nothing. */
static void join(const check_env *e, ts_dtype t, int64_t rows, int64_t heads, int64_t dim, double size)
{
    check_case("join %s rows %lld heads %lld dim %lld size %g", ts_dtype_name(t), (long long)rows,
               (long long)heads, (long long)dim, size);
    const int64_t n = rows * heads;
    float *lse = check_inout(1, TS_DTYPE_F32, n, size), *acc_lse = check_inout(2, TS_DTYPE_F32, n, size);
    const void *o = check_in(3, t, n * dim, 1);
    float *acc = check_inout(4, TS_DTYPE_F32, n * dim, 1);
    for (int64_t i = 0; i < n; i++) {
        lse[i] = i % 5 == 1 ? -INFINITY : lse[i];
        acc_lse[i] = i % 7 == 2 ? -INFINITY : acc_lse[i];
        for (int64_t c = 0; c < dim && acc_lse[i] == -INFINITY && lse[i] != -INFINITY; c++)
            acc[i * dim + c] = NAN; /* nothing is there to be read */
    }
    double *was = check_f64(n * dim), *was_lse = check_f64(n);
    for (int64_t i = 0; i < n * dim; i++)
        was[i] = (double)acc[i];
    for (int64_t i = 0; i < n; i++)
        was_lse[i] = (double)acc_lse[i];
    const ts_attn_join_args a = { .n_q = heads, .head_dim = dim, .dtype = t, .o = o, .lse = lse,
                                  .acc = acc, .acc_lse = acc_lse };
    check_kernel(e, TS_KERNEL_attn_join, &a, rows);
    for (int64_t i = 0; i < n; i++) {
        const double one = was_lse[i], two = (double)lse[i], top = one > two ? one : two;
        const double sum = top == -INFINITY ? 1 : exp(one - top) + exp(two - top);
        const double w1 = top == -INFINITY ? 1 : exp(one - top) / sum,
                     w2 = top == -INFINITY ? 0 : exp(two - top) / sum;
        check_near("lse", i, acc_lse[i], top == -INFINITY ? top : top + log(sum), 2 * CHECK_U * (fabs(top) + 1));
        for (int64_t c = 0; c < dim; c++) {
            const double x = w1 > 0 ? w1 * was[i * dim + c] : 0, y = w2 > 0 ? w2 * check_get(o, i * dim + c, t) : 0;
            check_near("o", i * dim + c, acc[i * dim + c], x + y, 4 * CHECK_U * (fabs(x) + fabs(y)));
        }
    }
}

void check_join(const check_env *e)
{
    static const ts_dtype type[] = { TS_DTYPE_F32, TS_DTYPE_BF16, TS_DTYPE_F16 };
    static const int64_t dim[] = { 1, 7, 8, 16, 20, 33, 128 };
    for (size_t d = 0; d < CHECK_COUNT(dim); d++)
        for (size_t t = 0; t < CHECK_COUNT(type); t++) {
            join(e, type[t], 9, 4, dim[d], 1);
            join(e, type[t], 3, 5, dim[d], 60);
        }
}

void bench_join(const check_env *e) { (void)e; }
