/* Products in 8-bit integers. Two oracles: the definition, quantised here in float and summed in
 * double (what is left is the adding up of blocks in fp32), and the real product (what is left is
 * half a step of each value). */
#include "check.h"
#include "device/cpu/gemm/gemm.h"
#include "device/cpu/gemm/gemm_i8.h"
#include "device/packing.h"

#include <time.h>

typedef struct i8_case {
    ts_gemm_form form;
    int64_t m, n, k;
    ts_dtype dtype, src_dtype, c_dtype;
    bool bias, add;
    int gap;
    double scale;
} i8_case;

/* [rows, k]: values, quantised values, and each value's step. */
typedef struct operand {
    double *value, *quantised, *step;
} operand;

static operand operand_of(const void *x, ts_dtype t, int64_t rows, int64_t k, int64_t row,
                          int64_t step)
{
    const operand o = { check_f64(rows * k), check_f64(rows * k), check_f64(rows * k) };
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t k0 = 0; k0 < k; k0 += TS_GEMM_I8_BLOCK) {
            const int64_t end = k0 + TS_GEMM_I8_BLOCK < k ? k0 + TS_GEMM_I8_BLOCK : k;
            float most = 0;
            for (int64_t p = k0; p < end; p++)
                most = fmaxf(most, fabsf((float)check_get(x, i * row + p * step, t)));
            const float s = most / 127.0f, by = most > 0 ? 127.0f / most : 0;
            for (int64_t p = k0; p < end; p++) {
                const float v = (float)check_get(x, i * row + p * step, t);
                o.value[i * k + p] = v;
                o.quantised[i * k + p] = (double)rintf(v * by) * (double)s;
                o.step[i * k + p] = (double)s;
            }
        }
    }
    return o;
}

static void judge(const ts_gemm_args *g, operand a, operand b)
{
    const double blocks = (double)ts_i8_blocks(g->k);
    for (int64_t i = 0; i < g->m; i++) {
        for (int64_t j = 0; j < g->n; j++) {
            const int64_t e = i * g->ldc + j;
            double defined = 0, size = 0, real = 0, off = 0;
            for (int64_t p = 0; p < g->k; p++) {
                const int64_t x = i * g->k + p, y = j * g->k + p;
                const double q = a.quantised[x] * b.quantised[y];
                defined += q, size += fabs(q), real += a.value[x] * b.value[y];
                off += 0.5001 * (fabs(a.quantised[x]) * b.step[y] + fabs(b.value[y]) * a.step[x]);
            }
            const double terms[] = { g->bias ? g->bias[j] : 0,
                                     g->add ? check_before(g->add, e, g->c_dtype) : 0 };
            for (size_t t = 0; t < CHECK_COUNT(terms); t++)
                defined += terms[t], real += terms[t], size += fabs(terms[t]);
            const double bound = CHECK_U * (6 + blocks) * size + 0x1p-140;
            check_elem("c as defined", g->c, e, g->c_dtype, defined, bound);
            check_elem("c", g->c, e, g->c_dtype, real, bound + off);
        }
        check_untouched("c", g->c, i * g->ldc + g->n, g->ldc - g->n, g->c_dtype);
    }
}

static void run_case(const check_env *e, const i8_case *c)
{
    const bool nt = c->form == TS_GEMM_NT;
    check_case("gemm_i8 %s m %lld n %lld k %lld %s x %s -> %s%s%s gap %d scale %g",
               nt ? "NT" : "NN", (long long)c->m, (long long)c->n, (long long)c->k,
               ts_dtype_name(c->dtype), ts_dtype_name(c->src_dtype), ts_dtype_name(c->c_dtype),
               c->bias ? " bias" : "", c->add ? " add" : "", c->gap, c->scale);
    ts_gemm_args g = { .form = c->form, .m = c->m, .n = c->n, .k = c->k, .dtype = c->dtype,
                       .c_dtype = c->c_dtype, .b_packed = true };
    g.lda = c->k + c->gap, g.ldc = c->n + c->gap;
    g.a = check_in(1, c->dtype, c->m * g.lda, c->scale);
    const int64_t ld = (nt ? c->k : c->n) + c->gap;
    ts_gemm_pack_args p = { .form = c->form, .n = c->n, .k = c->k, .ld = ld,
                            .src_dtype = c->src_dtype, .dtype = TS_DTYPE_I8 };
    p.src = check_in(2, c->src_dtype, (nt ? c->n : c->k) * ld, 1);
    p.dst = check_work(ts_packing_bytes(e->one->isa, c->form, TS_DTYPE_I8, c->n, c->k));
    if (c->bias)
        g.bias = check_in(4, TS_DTYPE_F32, c->n, 1);
    if (c->add)
        g.add = check_in(5, c->c_dtype, c->m * g.ldc, 1);
    g.c = check_out(c->c_dtype, c->m * g.ldc);
    check_kernel(e, TS_KERNEL_gemm_i8_pack, &p, 0);
    g.b = p.dst;
    check_touched(p.dst);
    check_kernel(e, TS_KERNEL_gemm_i8, &g, 0);
    judge(&g, operand_of(g.a, c->dtype, c->m, c->k, g.lda, 1),
          operand_of(p.src, c->src_dtype, c->n, c->k, nt ? ld : 1, nt ? 1 : ld));
}

/* What is not finite must show in its row (of A) or column (of B), and nowhere else. */
static void check_not_finite(const check_env *e, float bad, bool in_a)
{
    const int64_t m = 5, n = 20, k = 200, x = 3, at = 196;
    check_case("gemm_i8 with %g in %s", (double)bad, in_a ? "row 3 of A" : "column 3 of B");
    float *a = check_in(1, TS_DTYPE_F32, m * k, 1), *b = check_in(2, TS_DTYPE_F32, n * k, 1);
    (in_a ? a : b)[x * k + at] = bad;
    check_touched(a), check_touched(b);
    ts_gemm_pack_args p = { .n = n, .k = k, .ld = k, .src = b, .dtype = TS_DTYPE_I8 };
    p.dst = check_work(ts_packing_bytes(e->isa, p.form, TS_DTYPE_I8, n, k));
    check_kernel(e, TS_KERNEL_gemm_i8_pack, &p, 0);
    check_touched(p.dst);
    ts_gemm_args g = { .m = m, .n = n, .k = k, .lda = k, .ldc = n, .a = a, .b = p.dst,
                       .b_packed = true };
    g.c = check_out(TS_DTYPE_F32, m * n);
    check_kernel(e, TS_KERNEL_gemm_i8, &g, 0);
    for (int64_t i = 0; i < m * n; i++)
        check_equal("isfinite(c)", i, isfinite(((float *)g.c)[i]) ? 1 : 0,
                    (in_a ? i / n : i % n) != x);
}

/* A 16-bit C is the fp32 C rounded once, to the bit: infinities, NaN, numbers that round to
 * infinity, and those below 2^-126 too. */
static void rounded(const check_env *e)
{
    static const ts_dtype half[] = { TS_DTYPE_BF16, TS_DTYPE_F16 };
    const int64_t m = 19, n = 101, k = 200;
    check_case("gemm_i8 rounded");
    float *a = check_in(1, TS_DTYPE_F32, m * k, 1);
    const float *b = check_in(2, TS_DTYPE_F32, n * k, 1);
    static const float factor[] = { 1e-39F, 1e-37F, 1e37F, 3e37F };
    for (int64_t i = 0; i < m * k; i++)
        a[i] = i / k % 5 ? a[i] * factor[i / k % 5 - 1] : a[i];
    a[3 * k + 1] = INFINITY, a[10 * k + 2] = NAN;
    check_touched(a);
    ts_gemm_pack_args p = { .n = n, .k = k, .ld = k, .src = b, .dtype = TS_DTYPE_I8 };
    p.dst = check_work(ts_packing_bytes(e->isa, p.form, TS_DTYPE_I8, n, k));
    check_kernel(e, TS_KERNEL_gemm_i8_pack, &p, 0);
    check_touched(p.dst);
    ts_gemm_args g = { .m = m, .n = n, .k = k, .lda = k, .ldc = n, .a = a, .b = p.dst,
                       .b_packed = true, .c = check_out(TS_DTYPE_F32, m * n) };
    const float *exact = g.c;
    check_kernel(e, TS_KERNEL_gemm_i8, &g, 0);
    check_touched(g.c);
    for (size_t h = 0; h < 2; h++) {
        g.c_dtype = half[h], g.c = check_out(half[h], m * n);
        check_kernel(e, TS_KERNEL_gemm_i8, &g, 0);
        for (int64_t x = 0; x < m * n; x++) {
            uint16_t want[2];
            ts_store_f32(want, 0, half[h], exact[x]);
            check_equal("bits of c", x, ((const uint16_t *)g.c)[x], want[0]);
        }
    }
}

void check_gemm_i8(const check_env *e);
void check_gemm_i8(const check_env *e)
{
    static const ts_dtype type[] = { TS_DTYPE_F32, TS_DTYPE_BF16, TS_DTYPE_F16 };
    static const int64_t m[] = { 1, 3, 4, 7, 8, 9, 17, 50 };
    static const int64_t n[] = { 1, 7, 15, 16, 17, 33, 47, 48, 49, 97 };
    static const int64_t k[] = { 1, 3, 4, 5, 31, 191, 192, 193, 200, 576 };
    size_t turn = 0;
    for (size_t i = 0; i < CHECK_COUNT(m); i++) {
        for (size_t j = 0; j < CHECK_COUNT(n); j++) {
            for (size_t p = 0; p < CHECK_COUNT(k); p++, turn++) {
                const size_t t = turn * 2654435761u >> 7;
                if (turn % 3 && k[p] > 200)
                    continue; /* slow oracle */
                run_case(e, &(i8_case){ .form = t % 2 ? TS_GEMM_NN : TS_GEMM_NT, .m = m[i],
                                        .n = n[j], .k = k[p], .dtype = type[t / 2 % 3],
                                        .src_dtype = type[t / 6 % 3], .c_dtype = type[t / 18 % 3],
                                        .bias = t / 54 % 2, .add = t / 108 % 2,
                                        .gap = (int)(t / 216 % 3) * 5,
                                        .scale = t / 648 % 4 ? 1 : 1e-3 });
            }
        }
    }
    run_case(e, &(i8_case){ .m = 500, .n = 100, .k = 400, .dtype = TS_DTYPE_BF16, .scale = 1 });
    check_not_finite(e, NAN, true);
    check_not_finite(e, NAN, false);
    check_not_finite(e, INFINITY, true);
    check_not_finite(e, -INFINITY, false);
    rounded(e);
}

/* ---- --bench */

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* One thread is timed by the processor's clock, which a busy machine does not disturb. */
static double best_of(ts_cpu *c, ts_kernel k, const void *args)
{
    const clockid_t clock =
        ts_pool_threads(c->pool) == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC;
    double best = 1e9;
    for (int i = 0; i < 7; i++) {
        const double t = seconds(clock);
        c->kernel[k].whole(c, args, 0);
        best = fmin(best, seconds(clock) - t);
    }
    return best;
}

void bench_gemm_i8(const check_env *e);
void bench_gemm_i8(const check_env *e)
{
    static const int64_t shape[][3] = { { 2048, 960, 576 }, { 2048, 576, 576 }, { 2048, 3072, 576 },
                                        { 2048, 576, 1536 }, { 1024, 8192, 2048 },
                                        { 1024, 2048, 8192 } };
    if (!(e->isa & TS_ISA_AVX2)) {
        fprintf(stderr, "gemm_i8: the reference is not timed\n");
        return;
    }
    if (!e->json)
        printf("gemm_i8, bf16 x packed -> bf16, quantising A included (%s), %s\n", e->isa_name,
               e->one->kernel[TS_KERNEL_gemm_i8].variant);
    for (size_t i = 0; i < CHECK_COUNT(shape) * 2; i++) {
        const int64_t *s = shape[i / 2];
        check_case("bench");
        const bool nn = i % 2;
        ts_gemm_args g = { .form = nn ? TS_GEMM_NN : TS_GEMM_NT, .m = s[0], .n = nn ? s[2] : s[1],
                           .k = nn ? s[1] : s[2], .dtype = TS_DTYPE_BF16, .b_packed = true,
                           .c_dtype = TS_DTYPE_BF16 };
        g.lda = g.k, g.ldc = g.n, g.a = check_in(1, TS_DTYPE_BF16, g.m * g.k, 1);
        g.c = check_out(TS_DTYPE_BF16, g.m * g.n);
        ts_gemm_pack_args p = { .form = g.form, .n = g.n, .k = g.k, .ld = s[2],
                                .dtype = TS_DTYPE_I8 };
        p.src = check_in(2, TS_DTYPE_F32, g.n * g.k, 1);
        p.dst = check_work(ts_packing_bytes(e->one->isa, g.form, TS_DTYPE_I8, g.n, g.k));
        g.b = p.dst;
        const double pack = best_of(e->two, TS_KERNEL_gemm_i8_pack, &p);
        const double one = best_of(e->one, TS_KERNEL_gemm_i8, &g);
        const double two = best_of(e->two, TS_KERNEL_gemm_i8, &g);
        const double ops = 2 * (double)g.m * (double)g.n * (double)g.k;
        const double packed = (double)g.n * (double)g.k;
        if (e->json)
            check_json("\"what\": \"%s\", \"m\": %lld, \"n\": %lld, \"k\": %lld, "
                       "\"gop_per_s\": %.2f, \"one_thread_gop_per_s\": %.2f, "
                       "\"pack_gelem_per_s\": %.3f",
                       nn ? "NN" : "NT", (long long)g.m, (long long)g.n, (long long)g.k,
                       ops / two * 1e-9, ops / one * 1e-9, packed / pack * 1e-9);
        else
            printf("  %s %5lld x %5lld x %5lld  %7.1f  %7.1f Gop/s  pack %5.2f Gelem/s\n",
                   nn ? "NN" : "NT", (long long)g.m, (long long)g.n, (long long)g.k,
                   ops / one * 1e-9, ops / two * 1e-9, packed / pack * 1e-9);
    }
}
