/* Weights of few bits. What quantize stores is read back by gemm_rows and may miss the value by
 * half a step: of 127 for INT8, of the two levels around it for NF4. A product is judged against the sum
 * in double of what was stored; what it may miss: half of a's step (1 / 32512 of the group's
 * largest) for every weight, and the rounding of fp32 sums of groups. */
#include "check.h"
#include "device/cpu/gemm/gemm.h"
#include "device/packing.h"

typedef struct quant_case {
    ts_quant quant;
    int64_t m, n, k;
    ts_dtype a_dtype, c_dtype;
    bool bias, add;
    int gap;
    double scale;
} quant_case;

static const ts_quant kinds[] = { TS_QUANT_INT8, TS_QUANT_NF4 };
static const ts_dtype types[] = { TS_DTYPE_F32, TS_DTYPE_BF16, TS_DTYPE_F16 };

/* W is rows [first, first + n) of more: what was row ids[r] is now row ids[r] - first. */
static void part_of_rows(const check_env *e, const ts_gemm_rows_args *whole)
{
    ts_gemm_rows_args part = *whole;
    part.first = whole->n / 2 + 1;
    part.y = check_out(TS_DTYPE_F32, whole->n * whole->k);
    check_kernel(e, TS_KERNEL_gemm_rows, &part, whole->n);
    for (int64_t r = 0; r < whole->n; r++) /* whole->ids: the last row first */
        for (int64_t k = 0; k < whole->k; k++) {
            const int64_t row = whole->n - 1 - r - part.first;
            const double want =
                row < 0 ? 0 : check_get(whole->y, (whole->n - 1 - row) * whole->k + k, TS_DTYPE_F32);
            check_equal("part", r * whole->k + k, check_get(part.y, r * whole->k + k, TS_DTYPE_F32),
                        want);
        }
}

/* Checks quantize and gemm_rows; gives the layout, and the matrix that it stands for. */
static void *make(const check_env *e, ts_quant quant, int64_t n, int64_t k, ts_dtype t,
                  double scale, double **stored)
{
    /* half the largest distance of neighbouring levels, of 127 */
    const double half = quant == TS_QUANT_INT8 ? 0.5 : 19.5;
    const int64_t ld = k + 3;
    const void *w = check_in(2, t, n * ld, scale);
    ts_quantize_args q = { .quant = quant,
                           .n = n,
                           .k = k,
                           .ld = ld,
                           .src_dtype = t,
                           .src = w,
                           .dst = check_work(ts_quant_bytes(quant, n, k)) };
    check_kernel(e, TS_KERNEL_quantize, &q, 0);
    check_touched(q.dst);
    int32_t *ids = check_out(TS_DTYPE_I32, n);
    for (int64_t i = 0; i < n; i++)
        ids[i] = (int32_t)(n - 1 - i);
    check_touched(ids);
    ts_gemm_rows_args r = { .quant = quant,
                            .n = n,
                            .k = k,
                            .rows = n,
                            .b = q.dst,
                            .ids = ids,
                            .y_dtype = TS_DTYPE_F32,
                            .y = check_out(TS_DTYPE_F32, n * k) };
    check_kernel(e, TS_KERNEL_gemm_rows, &r, n);
    part_of_rows(e, &r);
    *stored = check_f64(n * k);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t g = 0; g < k; g += TS_QUANT_GROUP) {
            const int64_t end = g + TS_QUANT_GROUP < k ? g + TS_QUANT_GROUP : k;
            double most = 0;
            for (int64_t p = g; p < end; p++)
                most = fmax(most, fabs(check_get(w, i * ld + p, t)));
            for (int64_t p = g; p < end; p++) {
                const double got = check_get(r.y, (n - 1 - i) * k + p, TS_DTYPE_F32);
                /* the scale is rounded up to bf16, by one part in 128 at most */
                check_near("stored", i * k + p, got, check_get(w, i * ld + p, t),
                           most / 127 * (1 + 0x1p-7) * half * (1 + 1e-5));
                (*stored)[i * k + p] = got;
            }
        }
    }
    return q.dst;
}

static void run_case(const check_env *e, const quant_case *c)
{
    double *w;
    check_case("gemm_quant %s m %lld n %lld k %lld %s -> %s%s%s gap %d scale %g",
               c->quant == TS_QUANT_INT8 ? "int8" : "nf4", (long long)c->m, (long long)c->n,
               (long long)c->k, ts_dtype_name(c->a_dtype), ts_dtype_name(c->c_dtype),
               c->bias ? " bias" : "", c->add ? " add" : "", c->gap, c->scale);
    const void *b = make(e, c->quant, c->n, c->k, TS_DTYPE_F32, c->scale, &w);
    ts_gemm_quant_args g = { .quant = c->quant,
                             .m = c->m,
                             .n = c->n,
                             .k = c->k,
                             .a_dtype = c->a_dtype,
                             .c_dtype = c->c_dtype,
                             .b = b,
                             .lda = c->k + c->gap,
                             .ldc = c->n + c->gap };
    g.a = check_in(1, c->a_dtype, c->m * g.lda, c->scale);
    g.c = check_out(c->c_dtype, c->m * g.ldc);
    g.bias = c->bias ? check_in(3, TS_DTYPE_F32, c->n, 1) : NULL;
    g.add = c->add ? check_in(4, c->c_dtype, c->m * g.ldc, 1) : NULL;
    check_kernel(e, TS_KERNEL_gemm_quant, &g, 0);
    for (int64_t i = 0; i < c->m; i++) {
        for (int64_t j = 0; j < c->n; j++) {
            double sum = 0, size = 0, steps = 0;
            for (int64_t p = 0; p < c->k; p += TS_QUANT_GROUP) {
                double most = 0, weights = 0;
                for (int64_t q = p; q < c->k && q < p + TS_QUANT_GROUP; q++) {
                    const double a = check_get(g.a, i * g.lda + q, c->a_dtype);
                    sum += a * w[j * c->k + q], size += fabs(a * w[j * c->k + q]);
                    most = fmax(most, fabs(a)), weights += fabs(w[j * c->k + q]);
                }
                steps += most / 32512 / 2 * weights;
            }
            const double ends[] = { g.bias ? g.bias[j] : 0,
                                    g.add ? check_get(g.add, i * g.ldc + j, c->c_dtype) : 0 };
            for (size_t t = 0; t < CHECK_COUNT(ends); t++)
                sum += ends[t], size += fabs(ends[t]);
            const double groups = (double)ts_quant_groups(c->k);
            check_elem("c", g.c, i * g.ldc + j, c->c_dtype, sum,
                       steps * 1.001 + CHECK_U * (6 + 2 * sqrt(groups)) * size);
        }
        check_untouched("c", g.c, i * g.ldc + g.n, g.ldc - g.n, c->c_dtype);
    }
}

static void sizes(const check_env *e)
{
    static const int64_t m[] = { 1, 2, 3, 4, 5, 9, 33 }, n[] = { 1, 15, 47, 48, 49, 97 },
                         k[] = { 1, 3, 63, 64, 65, 130, 300 };
    size_t turn = 0;
    for (size_t i = 0; i < CHECK_COUNT(m); i++)
        for (size_t j = 0; j < CHECK_COUNT(n); j++)
            for (size_t p = 0; p < CHECK_COUNT(k); p++, turn++) {
                const size_t t = turn * 2654435761u >> 7;
                const quant_case c = { .quant = kinds[t % 2],
                                       .m = m[i],
                                       .n = n[j],
                                       .k = k[p],
                                       .a_dtype = types[t / 2 % 3],
                                       .c_dtype = types[t / 6 % 3],
                                       .bias = t / 18 % 2,
                                       .add = t / 36 % 2,
                                       .gap = (int)(t / 72 % 2) * 5,
                                       .scale = 1 };
                run_case(e, &c);
            }
}

/* More rows than a task has, more of k than a chunk, small and large values. */
static void large(const check_env *e)
{
    static const struct {
        int64_t m, n, k;
        double scale;
    } shape[] = {
        { 130, 60, 200, 1 },
        { 3, 100, 2100, 1 },
        { 260, 20, 700, 100 },
        { 4, 50, 300, 1e-3 },
    };
    for (size_t i = 0; i < CHECK_COUNT(shape); i++)
        for (size_t q = 0; q < CHECK_COUNT(kinds); q++) {
            const quant_case c = { .quant = kinds[q],
                                   .m = shape[i].m,
                                   .n = shape[i].n,
                                   .k = shape[i].k,
                                   .a_dtype = TS_DTYPE_BF16,
                                   .bias = true,
                                   .c_dtype = TS_DTYPE_F32,
                                   .scale = shape[i].scale };
            run_case(e, &c);
        }
}

/* An infinity or NaN spoils its row and no other. */
static void not_finite(const check_env *e)
{
    for (size_t q = 0; q < CHECK_COUNT(kinds); q++) {
        double *w;
        check_case("gemm_quant with an infinity and a NaN");
        const void *b = make(e, kinds[q], 50, 200, TS_DTYPE_BF16, 1, &w);
        float *a = check_in(1, TS_DTYPE_F32, 4 * 200, 1);
        a[200 + 7] = INFINITY, a[3 * 200 + 199] = NAN;
        check_touched(a);
        const ts_gemm_quant_args g = { .quant = kinds[q],
                                       .m = 4,
                                       .n = 50,
                                       .k = 200,
                                       .a = a,
                                       .a_dtype = TS_DTYPE_F32,
                                       .c_dtype = TS_DTYPE_F32,
                                       .b = b,
                                       .lda = 200,
                                       .ldc = 50,
                                       .c = check_out(TS_DTYPE_F32, 200) };
        check_kernel(e, TS_KERNEL_gemm_quant, &g, 0);
        for (int64_t i = 0; i < 200; i++)
            if (!isnan(((const float *)g.c)[i]) != (i / 50 % 2 == 0))
                check_fail("row %lld: %g", (long long)(i / 50), (double)((const float *)g.c)[i]);
    }
}

/* Neither is hidden where it stands among the weights: whatever its bits, it spoils its column. */
static void weights_not_finite(const check_env *e)
{
    enum { N = 50, K = 200 };
    static const uint32_t bad[] = { 0x7FC00000, 0x7FFFFFFF, 0xFFFFFFFF, 0x7F800000, 0xFF800000 };
    for (size_t q = 0; q < CHECK_COUNT(kinds); q++) {
        check_case("quantize infinities and NaNs, %s", kinds[q] == TS_QUANT_INT8 ? "int8" : "nf4");
        float *w = check_in(2, TS_DTYPE_F32, N * K, 1);
        for (size_t i = 0; i < CHECK_COUNT(bad); i++)
            memcpy(&w[(10 * i + 1) * K + 49 * i], &bad[i], 4);
        check_touched(w);
        const ts_quantize_args p = { .quant = kinds[q], .n = N, .k = K, .ld = K,
                                     .src_dtype = TS_DTYPE_F32, .src = w,
                                     .dst = check_work(ts_quant_bytes(kinds[q], N, K)) };
        check_kernel(e, TS_KERNEL_quantize, &p, 0);
        check_touched(p.dst);
        const ts_gemm_quant_args g = { .quant = kinds[q], .m = 1, .n = N, .k = K, .lda = K, .ldc = N,
                                       .a = check_in(1, TS_DTYPE_F32, K, 1), .b = p.dst,
                                       .a_dtype = TS_DTYPE_F32, .c_dtype = TS_DTYPE_F32,
                                       .c = check_out(TS_DTYPE_F32, N) };
        check_kernel(e, TS_KERNEL_gemm_quant, &g, 0);
        for (int64_t j = 0; j < N; j++)
            if (!isnan(((const float *)g.c)[j]) != (j % 10 != 1))
                check_fail("column %lld: %g", (long long)j, (double)((const float *)g.c)[j]);
    }
}

/* A row's bits do not depend on the other rows. */
static void alone(const check_env *e)
{
    for (size_t q = 0; q < CHECK_COUNT(kinds); q++) {
        enum { M = 37, N = 60, K = 330 };
        double *w;
        check_case("gemm_quant, rows alone");
        ts_gemm_quant_args g = { .quant = kinds[q],
                                 .m = M,
                                 .n = N,
                                 .k = K,
                                 .lda = K,
                                 .ldc = N,
                                 .a_dtype = TS_DTYPE_BF16,
                                 .c_dtype = TS_DTYPE_F32 };
        g.b = make(e, kinds[q], N, K, TS_DTYPE_BF16, 1, &w);
        const uint16_t *a = g.a = check_in(1, TS_DTYPE_BF16, M * K, 1);
        const float *all = g.c = check_out(TS_DTYPE_F32, M * N);
        check_kernel(e, TS_KERNEL_gemm_quant, &g, 0);
        check_touched(g.c);
        for (int64_t i = 0; i < M; i += 5) {
            g.m = 1, g.a = a + i * K, g.c = check_out(TS_DTYPE_F32, N);
            check_kernel(e, TS_KERNEL_gemm_quant, &g, 0);
            for (int64_t j = 0; j < N; j++)
                check_equal("c", j, ((const float *)g.c)[j], all[i * N + j]);
        }
    }
}

/* Rows out of panels of bf16: exactly what went in. */
static void rows(const check_env *e)
{
    static const int64_t shape[][2] = { { 1, 1 }, { 50, 33 }, { 97, 64 }, { 48, 7 } };
    for (size_t i = 0; i < CHECK_COUNT(shape); i++) {
        const int64_t n = shape[i][0], k = shape[i][1];
        const size_t size = ts_packing_bytes(e->one->isa, TS_GEMM_NT, TS_DTYPE_BF16, n, k);
        if (!size)
            return;
        check_case("gemm_rows n %lld k %lld", (long long)n, (long long)k);
        const void *w = check_in(5, TS_DTYPE_BF16, n * k, 1);
        const ts_gemm_pack_args p = { .form = TS_GEMM_NT,
                                      .n = n,
                                      .k = k,
                                      .ld = k,
                                      .src_dtype = TS_DTYPE_BF16,
                                      .dtype = TS_DTYPE_BF16,
                                      .src = w,
                                      .dst = check_work(size) };
        ts_cpu packer = *e->one; /* a subject's table has its own kernels alone */
        ts_cpu_init_gemm(&packer);
        packer.kernel[TS_KERNEL_gemm_pack].whole(&packer, &p, 0);
        check_touched(p.dst);
        int32_t *ids = check_out(TS_DTYPE_I32, 3);
        ids[0] = (int32_t)n - 1, ids[1] = 0, ids[2] = (int32_t)n / 2;
        check_touched(ids);
        const ts_gemm_rows_args r = { .n = n,
                                      .k = k,
                                      .rows = 3,
                                      .b = p.dst,
                                      .ids = ids,
                                      .y_dtype = TS_DTYPE_BF16,
                                      .y = check_out(TS_DTYPE_BF16, 3 * k) };
        check_kernel(e, TS_KERNEL_gemm_rows, &r, 3);
        for (int64_t x = 0; x < 3 * k; x++)
            check_equal("y", x, check_get(r.y, x, TS_DTYPE_BF16),
                        check_get(w, ids[x / k] * k + x % k, TS_DTYPE_BF16));
    }
}

void check_quant(const check_env *e);
void check_quant(const check_env *e)
{
    sizes(e);
    large(e);
    not_finite(e);
    weights_not_finite(e);
    alone(e);
    rows(e);
}

void bench_quant(const check_env *e);
void bench_quant(const check_env *e)
{
    for (size_t q = 0; q < CHECK_COUNT(kinds); q++)
        for (int64_t m = 1; m <= 256; m *= 16) {
            const int64_t n = 8192, k = 2048;
            check_case("bench");
            ts_gemm_quant_args g = { .quant = kinds[q],
                                     .m = m,
                                     .n = n,
                                     .k = k,
                                     .lda = k,
                                     .ldc = n,
                                     .a_dtype = TS_DTYPE_BF16,
                                     .c_dtype = TS_DTYPE_F32 };
            const void *w = check_in(2, TS_DTYPE_BF16, n * k, 1);
            ts_quantize_args z = { .quant = kinds[q],
                                   .n = n,
                                   .k = k,
                                   .ld = k,
                                   .src_dtype = TS_DTYPE_BF16,
                                   .src = w,
                                   .dst = check_work(ts_quant_bytes(kinds[q], n, k)) };
            e->two->kernel[TS_KERNEL_quantize].whole(e->two, &z, 0);
            g.a = check_in(1, TS_DTYPE_BF16, m * k, 1), g.b = z.dst;
            g.c = check_out(TS_DTYPE_F32, m * n);
            char label[64];
            snprintf(label, sizeof label, "%s %lld x 8192 x 2048",
                     kinds[q] == TS_QUANT_INT8 ? "int8" : "nf4", (long long)m);
            check_bench(e, label, TS_KERNEL_gemm_quant, &g, 0, 2.0 * (double)(m * n * k), "flop",
                        (double)ts_quant_bytes(kinds[q], n, k));
        }
}
