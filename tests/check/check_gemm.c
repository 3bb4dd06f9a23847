/* Matrix products. Of small integers every sum is exact, so equality is demanded; of real numbers an
 * element may miss the sum in double by the rounding unit of fp32 x (a few + growth of a k-term sum) x the
 * sum of |a b|. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct gemm_case {
    ts_gemm_form form;
    int64_t m, n, k;
    ts_dtype dtype, c_dtype;
    bool packed;               /* where this device packs */
    bool ints, accumulate, bias, in_place; /* in_place: add is c */
    bool add;
    int gap;                   /* lda, ldb, ldc are this much longer than rows */
    double scale;
} gemm_case;

static const char *const form_name[] = { "NT", "NN", "TN" };

static void *operand(const gemm_case *c, uint64_t seed, int64_t rows, int64_t ld)
{
    return c->ints ? check_ints(seed, c->dtype, rows * ld, 3) : check_in(seed, c->dtype, rows * ld, c->scale);
}

static void judge(const gemm_case *c, const ts_gemm_args *g, const void *b)
{
    const int64_t at = g->form == TS_GEMM_TN ? 1 : g->lda, a_step = g->form == TS_GEMM_TN ? g->lda : 1;
    const int64_t bt = g->form == TS_GEMM_NT ? g->ldb : 1, b_step = g->form == TS_GEMM_NT ? 1 : g->ldb;
    for (int64_t i = 0; i < g->m; i++) {
        for (int64_t j = 0; j < g->n; j++) {
            double sum = 0, size = 0;
            for (int64_t p = 0; p < g->k; p++) {
                const double t = check_get(g->a, i * at + p * a_step, g->dtype) *
                                 check_get(b, j * bt + p * b_step, g->dtype);
                sum += t, size += fabs(t);
            }
            const int64_t e = i * g->ldc + j;
            const double terms[] = { g->accumulate ? check_before(g->c, e, g->c_dtype) : 0,
                                     g->bias ? g->bias[j] : 0,
                                     g->add ? check_before(g->add, e, g->c_dtype) : 0 };
            for (size_t t = 0; t < CHECK_COUNT(terms); t++)
                sum += terms[t], size += fabs(terms[t]);
            /* products of tiny bf16 are flushed to zero by vdpbf16ps */
            const double bound = c->ints ? 0 : CHECK_U * (4 + 2 * sqrt((double)g->k)) * size +
                                               (double)g->k * 0x1p-126;
            if (c->ints && g->c_dtype == TS_DTYPE_F32)
                check_equal("c", e, check_get(g->c, e, g->c_dtype), sum);
            else
                check_elem("c", g->c, e, g->c_dtype, sum, bound);
        }
        check_untouched("c", g->c, i * g->ldc + g->n, g->ldc - g->n, g->c_dtype);
    }
}

static void run_case(const check_env *e, const gemm_case *c)
{
    const bool nt = c->form == TS_GEMM_NT, tn = c->form == TS_GEMM_TN;
    const size_t packed = c->packed ? ts_cpu_gemm_packed_bytes(&e->one->base, c->form, c->dtype, c->n, c->k) : 0;
    if (c->packed && !packed)
        return;
    check_case("gemm %s m %lld n %lld k %lld %s -> %s%s%s%s%s%s%s gap %d scale %g", form_name[c->form],
               (long long)c->m, (long long)c->n, (long long)c->k, ts_dtype_name(c->dtype),
               ts_dtype_name(c->c_dtype), c->packed ? " packed" : "", c->ints ? " integers" : "",
               c->accumulate ? " accumulate" : "", c->bias ? " bias" : "", c->add ? " add" : "",
               c->in_place ? " in place" : "", c->gap, c->scale);
    ts_gemm_args g = { .form = c->form, .m = c->m, .n = c->n, .k = c->k, .dtype = c->dtype,
                       .c_dtype = c->c_dtype, .accumulate = c->accumulate };
    g.lda = (tn ? c->m : c->k) + c->gap, g.ldb = (nt ? c->k : c->n) + c->gap, g.ldc = c->n + c->gap;
    g.a = operand(c, 1, tn ? c->k : c->m, g.lda);
    const void *b = g.b = operand(c, 2, nt ? c->n : c->k, g.ldb);
    const int64_t c_size = c->m * g.ldc;
    if (c->accumulate || c->in_place)
        g.c = check_inout(3, c->c_dtype, c_size, 2);
    else
        g.c = check_out(c->c_dtype, c_size);
    if (c->ints && (c->accumulate || c->in_place)) {
        for (int64_t i = 0; i < c_size; i++)
            ts_store_f32(g.c, i, c->c_dtype, (float)(i % 11 - 5));
        check_touched(g.c);
    }
    if (c->bias)
        g.bias = c->ints ? check_ints(4, TS_DTYPE_F32, c->n, 9) : check_in(4, TS_DTYPE_F32, c->n, 1);
    if (c->in_place)
        g.add = g.c;
    else if (c->add)
        g.add = c->ints ? check_ints(5, c->c_dtype, c_size, 9) : check_in(5, c->c_dtype, c_size, 1);
    if (packed) {
        ts_gemm_pack_args p = { .form = c->form, .n = c->n, .k = c->k, .ld = g.ldb, .src_dtype = c->dtype,
                                .dtype = c->dtype, .src = b, .dst = check_work(packed) };
        check_kernel(e, TS_KERNEL_gemm_pack, &p, 0);
        g.b = p.dst, g.b_packed = true;
        check_touched(p.dst);
    }
    check_kernel(e, TS_KERNEL_gemm, &g, 0);
    judge(c, &g, b);
}

static const ts_dtype types[] = { TS_DTYPE_F32, TS_DTYPE_BF16, TS_DTYPE_F16 };

/* Every form and type at sizes round the tiles (6 x 16, 8 x 48) and the packing unit (96, 256 steps). */
static void sizes(const check_env *e)
{
    static const int64_t m[] = { 1, 2, 5, 6, 7, 8, 9, 15, 16, 17, 33, 97 };
    static const int64_t n[] = { 1, 8, 15, 16, 17, 31, 33, 47, 48, 49, 95, 96, 97, 145 };
    static const int64_t k[] = { 0, 1, 2, 3, 15, 16, 17, 31, 32, 33, 63, 65, 130 };
    size_t turn = 0;
    for (size_t i = 0; i < CHECK_COUNT(m); i++)
        for (size_t j = 0; j < CHECK_COUNT(n); j++)
            for (size_t p = 0; p < CHECK_COUNT(k); p++, turn++) {
                const size_t t = turn * 2654435761u >> 7;
                gemm_case c = { .form = (ts_gemm_form)(t % 3), .m = m[i], .n = n[j], .k = k[p],
                                .dtype = types[t / 3 % 3], .c_dtype = types[t / 9 % 3],
                                .ints = t / 27 % 2, .gap = (int)(t / 54 % 3) * 5, .scale = 1,
                                .bias = t / 162 % 2, .add = t / 324 % 3 > 0, .in_place = t / 324 % 3 == 2 };
                c.accumulate = c.c_dtype == TS_DTYPE_F32 && !c.bias && t / 972 % 2;
                run_case(e, &c);
                if (c.dtype == TS_DTYPE_BF16) {
                    c.packed = true;
                    run_case(e, &c);
                }
            }
}

/* Longer than a slice and a block of k (2048 and 4096 steps of one or two), many panels, many rows. */
static void large(const check_env *e)
{
    static const int64_t shape[][3] = { { 9, 50, 2049 }, { 17, 49, 4097 }, { 10, 17, 8200 }, { 7, 97, 16390 },
                                        { 300, 5, 513 }, { 5, 1700, 70 }, { 1, 700, 300 }, { 130, 200, 1025 } };
    for (size_t i = 0; i < CHECK_COUNT(shape); i++)
        for (int form = 0; form < 3; form++)
            for (size_t t = 0; t < CHECK_COUNT(types); t++)
                for (int v = 0; v < 4; v++) {
                    gemm_case c = { .form = (ts_gemm_form)form, .m = shape[i][0], .n = shape[i][1],
                                    .k = shape[i][2], .dtype = types[t], .scale = 1,
                                    .c_dtype = v & 1 ? types[1 + t % 2] : TS_DTYPE_F32, .ints = v == 2,
                                    .accumulate = v == 2, .bias = v != 2, .add = v & 1, .gap = v };
                    run_case(e, &c);
                    c.packed = true;
                    run_case(e, &c);
                }
}

/* Masters of every type to panels of bf16: as if they had been rounded to bf16 first. */
static void pack_types(const check_env *e)
{
    static const int64_t shape[][2] = { { 1, 1 }, { 47, 33 }, { 48, 32 }, { 97, 31 }, { 200, 600 }, { 17, 64 } };
    for (size_t i = 0; i < CHECK_COUNT(shape); i++)
        for (int form = 0; form < 2; form++)
            for (size_t t = 0; t < CHECK_COUNT(types); t++) {
                const int64_t n = shape[i][0], k = shape[i][1], rows = form ? k : n, ld = (form ? n : k) + 3;
                const size_t size = ts_cpu_gemm_packed_bytes(&e->one->base, (ts_gemm_form)form,
                                                             TS_DTYPE_BF16, n, k);
                if (!size)
                    return;
                check_case("gemm_pack %s n %lld k %lld from %s", form_name[form], (long long)n, (long long)k,
                           ts_dtype_name(types[t]));
                const void *src = check_in(6, types[t], rows * ld, 3);
                uint16_t *rounded = check_out(TS_DTYPE_BF16, rows * ld);
                for (int64_t p = 0; p < rows * ld; p++)
                    rounded[p] = ts_f32_to_bf16(ts_load_f32(src, p, types[t]));
                check_touched(rounded);
                ts_gemm_pack_args a = { .form = (ts_gemm_form)form, .n = n, .k = k, .ld = ld,
                                        .src_dtype = types[t], .dtype = TS_DTYPE_BF16, .src = src,
                                        .dst = check_work(size) };
                ts_gemm_pack_args b = a;
                b.src = rounded, b.src_dtype = TS_DTYPE_BF16, b.dst = check_work(size);
                check_kernel(e, TS_KERNEL_gemm_pack, &a, 0);
                check_kernel(e, TS_KERNEL_gemm_pack, &b, 0);
                const uint16_t *x = a.dst, *y = b.dst;
                for (size_t p = 0; p < size / 2; p++)
                    check_equal("unit", (int64_t)p, x[p], y[p]);
            }
}

/* Rows of zeros against infinities beyond the end of k and n, and magnitudes. */
static void extremes(const check_env *e)
{
    static const double scale[] = { 1e-4, 1e4, 1e12 };
    for (size_t s = 0; s < CHECK_COUNT(scale); s++)
        for (int form = 0; form < 3; form++)
            for (size_t t = 0; t < 2; t++)
                for (size_t u = 0; u < CHECK_COUNT(types); u++) {
                    gemm_case c = { .form = (ts_gemm_form)form, .m = 11, .n = 53, .k = 37, .dtype = types[t],
                                    .c_dtype = types[u], .scale = scale[s] };
                    run_case(e, &c);
                }
}

/* What lies between the rows of A and B is never read into a sum: there are NaNs. */
static void gaps(const check_env *e)
{
    for (int form = 0; form < 3; form++)
        for (size_t t = 0; t < CHECK_COUNT(types); t++)
            for (int64_t k = 31; k < 34; k++) {
                const int64_t m = 10, n = 50, a_rows = form == TS_GEMM_TN ? k : m, gap = 2;
                const int64_t a_cols = form == TS_GEMM_TN ? m : k, b_rows = form == TS_GEMM_NT ? n : k;
                const int64_t b_cols = form == TS_GEMM_NT ? k : n;
                check_case("gemm %s k %lld %s, NaN between rows", form_name[form], (long long)k,
                           ts_dtype_name(types[t]));
                void *a = check_ints(1, types[t], a_rows * (a_cols + gap), 3);
                void *b = check_ints(2, types[t], b_rows * (b_cols + gap), 3);
                for (int64_t i = 0; i < a_rows * (a_cols + gap); i++)
                    if (i % (a_cols + gap) >= a_cols)
                        ts_store_f32(a, i, types[t], NAN);
                for (int64_t i = 0; i < b_rows * (b_cols + gap); i++)
                    if (i % (b_cols + gap) >= b_cols)
                        ts_store_f32(b, i, types[t], NAN);
                check_touched(a), check_touched(b);
                const gemm_case c = { .ints = true };
                ts_gemm_args g = { .form = (ts_gemm_form)form, .m = m, .n = n, .k = k, .dtype = types[t],
                                   .a = a, .b = b, .lda = a_cols + gap, .ldb = b_cols + gap, .ldc = n,
                                   .c_dtype = TS_DTYPE_F32, .c = check_out(TS_DTYPE_F32, m * n) };
                check_kernel(e, TS_KERNEL_gemm, &g, 0);
                judge(&c, &g, b);
            }
}

void check_gemm(const check_env *e);
void check_gemm(const check_env *e)
{
    sizes(e);
    large(e);
    pack_types(e);
    extremes(e);
    gaps(e);
}
void bench_gemm(const check_env *e);
void bench_gemm(const check_env *e)
{
    (void)e;
}
