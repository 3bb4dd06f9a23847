/* Matrix products. Of small integers every sum is exact, so equality is demanded; of real numbers
 * an element may miss the sum in double by the rounding unit of fp32 x (a few + growth of a k-term
 * sum) x the sum of |a b|. */
#include "check.h"
#include "device/cpu/gemm/gemm.h"
#include "device/cpu/gemm/gemm_kernels.h"
#include "device/packing.h"

typedef struct gemm_case {
    ts_gemm_form form;
    int64_t m, n, k;
    ts_dtype dtype, c_dtype;
    bool packed;               /* where this device packs */
    bool ints, accumulate, bias, in_place; /* in_place: add is c */
    bool add;
    int gap;                   /* lda, ldb, ldc are this much longer than rows */
    double scale;
    int64_t skip;              /* rows that are not judged after each that is */
} gemm_case;

static const char *const form_name[] = { "NT", "NN", "TN" };

static void *operand(const gemm_case *c, uint64_t seed, int64_t rows, int64_t ld)
{
    return c->ints ? check_ints(seed, c->dtype, rows * ld, 3)
                   : check_in(seed, c->dtype, rows * ld, c->scale);
}

/* [rows, k] of doubles: element (i, p) of an operand lies at i * row + p * step. */
static double *widened(const void *x, ts_dtype t, int64_t rows, int64_t k, int64_t row,
                       int64_t step)
{
    double *d = check_f64(rows * k);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t p = 0; p < k; p++)
            d[i * k + p] = check_get(x, i * row + p * step, t);
    return d;
}

/* Columns side by side: the additions of one column wait for each other. */
enum { ABREAST = 8 };

/* sum and size [ABREAST]: of the products of a row [k] with rows of b, and of their amounts; the last is taken again
 * where there are fewer than ABREAST. */
static void sums_of(const double *a, const double *b, int64_t rows, int64_t k, double *sum, double *size)
{
    const double *at[ABREAST];
    for (int64_t q = 0; q < ABREAST; q++) {
        at[q] = b + (q < rows ? q : rows - 1) * k;
        sum[q] = size[q] = 0;
    }
    for (int64_t p = 0; p < k; p++) {
        for (int q = 0; q < ABREAST; q++) {
            const double t = a[p] * at[q][p];
            sum[q] += t, size[q] += fabs(t);
        }
    }
}

static void judge(const gemm_case *c, const ts_gemm_args *g, const void *b_unpacked)
{
    const bool nt = g->form == TS_GEMM_NT, tn = g->form == TS_GEMM_TN;
    const double *a = widened(g->a, g->dtype, g->m, g->k, tn ? 1 : g->lda, tn ? g->lda : 1);
    const double *b = widened(b_unpacked, g->dtype, g->n, g->k, nt ? g->ldb : 1, nt ? 1 : g->ldb);
    for (int64_t i = 0; i < g->m; i += 1 + c->skip) {
        double sums[ABREAST], sizes[ABREAST];
        for (int64_t j = 0; j < g->n; j++) {
            if (j % ABREAST == 0)
                sums_of(a + i * g->k, b + j * g->k, g->n - j, g->k, sums, sizes);
            double sum = sums[j % ABREAST], size = sizes[j % ABREAST];
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

static bool left_out(const check_env *e, ts_dtype t) { return e->bf16_only && t != TS_DTYPE_BF16; }

/* The reference has no blocks: it computes all sizes alike, and the largest would take long. */
enum { REF_MOST = 4000000 };
static bool too_long(const check_env *e, int64_t m, int64_t n, int64_t k) { return !e->isa && m * n * k > REF_MOST; }

static void run_case(const check_env *e, const gemm_case *c)
{
    const bool nt = c->form == TS_GEMM_NT, tn = c->form == TS_GEMM_TN;
    const size_t packed =
        c->packed ? ts_packing_bytes(e->one->isa, c->form, c->dtype, c->n, c->k) : 0;
    if ((c->packed && !packed) || left_out(e, c->dtype) || too_long(e, c->m, c->n, c->k))
        return;
    check_case("gemm %s m %lld n %lld k %lld %s -> %s%s%s%s%s%s%s gap %d scale %g",
               form_name[c->form], (long long)c->m, (long long)c->n, (long long)c->k,
               ts_dtype_name(c->dtype), ts_dtype_name(c->c_dtype), c->packed ? " packed" : "",
               c->ints ? " integers" : "", c->accumulate ? " accumulate" : "",
               c->bias ? " bias" : "", c->add ? " add" : "", c->in_place ? " in place" : "", c->gap,
               c->scale);
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
        g.bias =
            c->ints ? check_ints(4, TS_DTYPE_F32, c->n, 9) : check_in(4, TS_DTYPE_F32, c->n, 1);
    if (c->in_place)
        g.add = g.c;
    else if (c->add)
        g.add = c->ints ? check_ints(5, c->c_dtype, c_size, 9) : check_in(5, c->c_dtype, c_size, 1);
    if (packed) {
        ts_gemm_pack_args p = { .form = c->form, .n = c->n, .k = c->k, .ld = g.ldb,
                                .src_dtype = c->dtype, .dtype = c->dtype, .src = b,
                                .dst = check_work(packed) };
        check_kernel(e, TS_KERNEL_gemm_pack, &p, 0);
        g.b = p.dst, g.b_packed = true;
        check_touched(p.dst);
    }
    check_kernel(e, TS_KERNEL_gemm, &g, 0);
    judge(c, &g, b);
}

static const ts_dtype types[] = { TS_DTYPE_F32, TS_DTYPE_BF16, TS_DTYPE_F16 };

/* Every form and type at sizes round the tiles (6 x 16, 8 x 48) and the packing unit (96, 256
 * steps). */
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
                                .bias = t / 162 % 2, .add = t / 324 % 3 > 0,
                                .in_place = t / 324 % 3 == 2 };
                c.accumulate = c.c_dtype == TS_DTYPE_F32 && !c.bias && t / 972 % 2;
                run_case(e, &c);
                if (c.dtype == TS_DTYPE_BF16) {
                    c.packed = true;
                    run_case(e, &c);
                }
            }
}

/* Longer than a slice and a block of k (2048 and 4096 steps of one or two), many panels, many
 * rows; of four ways to end two, by turns. */
static void large(const check_env *e)
{
    static const int64_t shape[][3] = { { 9, 50, 2049 }, { 17, 49, 4097 }, { 10, 17, 8200 },
                                        { 7, 97, 16390 }, { 300, 5, 513 }, { 5, 1700, 70 },
                                        { 1, 700, 300 }, { 130, 200, 1025 } };
    for (size_t i = 0; i < CHECK_COUNT(shape); i++)
        for (int form = 0; form < 3; form++)
            for (size_t t = 0; t < CHECK_COUNT(types); t++)
                for (int v = (int)(i + (size_t)form + t) % 2; v < 4; v += 2) {
                    gemm_case c = { .form = (ts_gemm_form)form, .m = shape[i][0], .n = shape[i][1],
                                    .k = shape[i][2], .dtype = types[t], .scale = 1,
                                    .c_dtype = v & 1 ? types[1 + t % 2] : TS_DTYPE_F32,
                                    .ints = v == 2, .accumulate = v == 2, .bias = v != 2,
                                    .add = v & 1, .gap = v };
                    run_case(e, &c);
                    c.packed = true;
                    run_case(e, &c);
                }
}

/* More than one block of rows, columns or k: the work space holds 4096 steps of 480 rows and 960
 * columns. */
static void blocks(const check_env *e)
{
    static const int64_t shape[][3] = { { 520, 5, 8200 }, { 3, 1600, 4200 }, { 400, 50, 1025 },
                                        { 60, 1100, 4100 } };
    for (size_t i = 0; i < CHECK_COUNT(shape); i++)
        for (int form = 0; form < 3; form++) {
            gemm_case c = { .form = (ts_gemm_form)form, .m = shape[i][0], .n = shape[i][1],
                            .k = shape[i][2], .dtype = types[(i + (size_t)form) % 3],
                            .c_dtype = TS_DTYPE_F32, .ints = true,
                            .accumulate = true };
            run_case(e, &c);
            c = (gemm_case){ .form = c.form, .m = c.m, .n = c.n, .k = c.k, .dtype = TS_DTYPE_F32,
                             .scale = 1, .c_dtype = TS_DTYPE_BF16, .bias = true, .add = true,
                             .in_place = form == 1 };
            run_case(e, &c);
        }
    gemm_case c = { .form = TS_GEMM_NN, .m = 9, .n = 20, .k = 9000, .dtype = TS_DTYPE_F32,
                    .scale = 1, .c_dtype = TS_DTYPE_F32, .bias = true, .add = true,
                    .in_place = true };
    run_case(e, &c);
    c = (gemm_case){ .form = TS_GEMM_TN, .m = 500, .n = 1000, .k = 4100, .dtype = TS_DTYPE_F32,
                     .c_dtype = TS_DTYPE_F32, .ints = true, .skip = 12 };
    run_case(e, &c);
}

/* Weight gradients with so many rows that threads pack their own: whole pieces of 96 and not, more
 * than one block of k and of columns. */
static void own_rows(const check_env *e)
{
    static const int64_t shape[][4] = { { 768, 50, 70, 5 }, { 1003, 97, 301, 10 },
                                        { 961, 4, 33, 0 }, { 2000, 49, 64, 20 },
                                        { 900, 1100, 8300, 300 } };
    for (size_t i = 0; i < CHECK_COUNT(shape); i++)
        for (int v = 0; v < 3; v++) {
            if (shape[i][2] > 8000 && v)
                continue;
            gemm_case c = { .form = TS_GEMM_TN, .m = shape[i][0], .n = shape[i][1],
                            .k = shape[i][2], .dtype = TS_DTYPE_BF16, .c_dtype = TS_DTYPE_F32,
                            .ints = v == 0, .accumulate = v == 0, .bias = v == 1, .add = v == 1,
                            .gap = v * 3, .scale = 1, .skip = shape[i][3] };
            run_case(e, &c);
        }
}

/* Masters of every type to panels of bf16: as if they had been rounded to bf16 first. */
static void pack_types(const check_env *e)
{
    static const int64_t shape[][2] = { { 1, 1 }, { 47, 33 }, { 48, 32 }, { 97, 31 }, { 200, 600 },
                                        { 17, 64 } };
    for (size_t i = 0; i < CHECK_COUNT(shape); i++)
        for (int form = 0; form < 2; form++)
            for (size_t t = 0; t < CHECK_COUNT(types); t++) {
                const int64_t n = shape[i][0], k = shape[i][1], rows = form ? k : n,
                              ld = (form ? n : k) + 3;
                const size_t size =
                    ts_packing_bytes(e->one->isa, (ts_gemm_form)form, TS_DTYPE_BF16, n, k);
                if (!size)
                    return;
                check_case("gemm_pack %s n %lld k %lld from %s", form_name[form], (long long)n,
                           (long long)k, ts_dtype_name(types[t]));
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

/* A B in fp32 that is rounded where it is read gives the bits of one that was rounded before: few rows and many, more
 * than a slice and a block of k, NaN and infinities. */
static void wide(const check_env *e)
{
    static const int64_t shape[][3] = { { 1, 53, 67 }, { 7, 33, 2049 }, { 64, 49, 31 }, { 65, 97, 130 },
                                        { 97, 16, 4131 }, { 130, 200, 300 } };
    for (size_t i = 0; i < CHECK_COUNT(shape) && !ts_packing_of(e->one->isa).pairs; i++)
        for (int form = TS_GEMM_NT; form <= TS_GEMM_NN; form++)
            for (size_t t = 0; t < 2; t++) {
                const int64_t m = shape[i][0], n = shape[i][1], k = shape[i][2];
                const bool nt = form == TS_GEMM_NT;
                const int64_t rows = nt ? n : k, ld = (nt ? k : n) + 3;
                check_case("gemm %s m %lld n %lld k %lld -> %s, B rounded on the way", form_name[form], (long long)m,
                           (long long)n, (long long)k, ts_dtype_name(types[t]));
                float *b = check_in(2, TS_DTYPE_F32, rows * ld, 1);
                b[ld + 3] = NAN, b[2 * ld + 1] = INFINITY, b[3 * ld] = 3.4e38F;
                check_touched(b);
                uint16_t *narrow = check_out(TS_DTYPE_BF16, rows * ld);
                for (int64_t p = 0; p < rows * ld; p++)
                    narrow[p] = ts_f32_to_bf16(b[p]);
                check_touched(narrow);
                ts_gemm_args g = { .form = (ts_gemm_form)form, .m = m, .n = n, .k = k, .lda = k, .ldb = ld, .ldc = n,
                                   .dtype = TS_DTYPE_BF16, .c_dtype = types[t], .a = check_in(1, TS_DTYPE_BF16, m * k, 1),
                                   .b = narrow, .c = check_out(types[t], m * n) };
                const void *want = g.c;
                check_kernel(e, TS_KERNEL_gemm, &g, 0);
                check_touched(g.c);
                g.b = b, g.b_wide = true, g.c = check_out(types[t], m * n);
                check_kernel(e, TS_KERNEL_gemm, &g, 0);
                for (int64_t x = 0; x < m * n; x++)
                    check_equal("c", x, check_get(g.c, x, types[t]), check_get(want, x, types[t]));
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
                    gemm_case c = { .form = (ts_gemm_form)form, .m = 11, .n = 53, .k = 37,
                                    .dtype = types[t], .c_dtype = types[u], .scale = scale[s] };
                    run_case(e, &c);
                }
}

/* What lies between the rows of A and B is never read into a sum: there are NaNs. */
static void gaps(const check_env *e)
{
    for (int form = 0; form < 3; form++)
        for (size_t t = 0; t < CHECK_COUNT(types); t++)
            for (int64_t k = 31; k < 34 && !left_out(e, types[t]); k++) {
                const int64_t m = 10, n = 50, a_rows = form == TS_GEMM_TN ? k : m, gap = 2;
                const int64_t a_cols = form == TS_GEMM_TN ? m : k,
                              b_rows = form == TS_GEMM_NT ? n : k;
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
                ts_gemm_args g = { .form = (ts_gemm_form)form, .m = m, .n = n, .k = k,
                                   .dtype = types[t], .a = a, .b = b, .lda = a_cols + gap,
                                   .ldb = b_cols + gap, .ldc = n, .c_dtype = TS_DTYPE_F32,
                                   .c = check_out(TS_DTYPE_F32, m * n) };
                check_kernel(e, TS_KERNEL_gemm, &g, 0);
                judge(&c, &g, b);
            }
}

/* A row's bits do not depend on how many rows there are: each of 1 or 60 rows is the same as among
 * 66, which other code computes. */
static void alone(const check_env *e)
{
    static const int64_t few[] = { 1, 60 }, ks[] = { 67, 2049 };
    for (size_t t = 0; t < CHECK_COUNT(types); t++)
        for (size_t u = 0; u < 2; u++)
            for (size_t i = 0; i < CHECK_COUNT(ks) && !left_out(e, types[t]); i++)
                for (int packs = 0; packs < 2; packs++) {
                    const int64_t m = 66, n = 53, k = ks[i];
                    const size_t size =
                        packs ? ts_packing_bytes(e->one->isa, TS_GEMM_NT, types[t], n, k) : 0;
                    if (packs && !size)
                        continue;
                    check_case("gemm NT k %lld %s, rows alone%s", (long long)k,
                               ts_dtype_name(types[t]), packs ? ", packed" : "");
                    ts_gemm_args g = { .form = TS_GEMM_NT, .m = m, .n = n, .k = k, .lda = k,
                                       .ldb = k, .ldc = n, .dtype = types[t],
                                       .c_dtype = u ? TS_DTYPE_BF16 : TS_DTYPE_F32,
                                       .a = check_in(1, types[t], m * k, 1),
                                       .b = check_in(2, types[t], n * k, 1),
                                       .bias = check_in(3, TS_DTYPE_F32, n, 1) };
                    if (packs) {
                        const ts_gemm_pack_args p = { .form = TS_GEMM_NT, .n = n, .k = k, .ld = k,
                                                      .src_dtype = types[t], .dtype = types[t],
                                                      .src = g.b, .dst = check_work(size) };
                        check_kernel(e, TS_KERNEL_gemm_pack, &p, 0);
                        check_touched(p.dst);
                        g.b = p.dst, g.b_packed = true;
                    }
                    const void *all = g.c = check_out(g.c_dtype, m * n);
                    check_kernel(e, TS_KERNEL_gemm, &g, 0);
                    check_touched(g.c);
                    for (size_t f = 0; f < CHECK_COUNT(few); f++) {
                        g.m = few[f];
                        g.c = check_out(g.c_dtype, g.m * n);
                        check_kernel(e, TS_KERNEL_gemm, &g, 0);
                        for (int64_t x = 0; x < g.m * n; x++)
                            check_equal("c", x, check_get(g.c, x, g.c_dtype),
                                        check_get(all, x, g.c_dtype));
                    }
                }
}

/* An element's bits do not depend on where in the product it stands: a part of rows and columns by
 * itself is the same as within the whole. */
static void parts(const check_env *e)
{
    static const int64_t part[][4] = { { 0, 0, 1, 1 }, { 3, 5, 17, 40 }, { 15, 16, 2, 33 },
                                       { 33, 47, 32, 48 }, { 69, 109, 1, 1 }, { 7, 1, 60, 100 } };
    const int64_t m = 70, n = 110, k = 4243;
    for (size_t t = 0; t < CHECK_COUNT(types); t++)
        for (int form = 0; form < 3 && !left_out(e, types[t]); form++) {
            const bool nt = form == TS_GEMM_NT, tn = form == TS_GEMM_TN;
            check_case("gemm %s %s, parts of it", form_name[form], ts_dtype_name(types[t]));
            ts_gemm_args g = { .form = (ts_gemm_form)form, .m = m, .n = n, .k = k,
                               .lda = tn ? m : k, .ldb = nt ? k : n, .ldc = n, .dtype = types[t],
                               .c_dtype = TS_DTYPE_F32, .a = check_in(1, types[t], m * k, 1),
                               .b = check_in(2, types[t], n * k, 1),
                               .c = check_out(TS_DTYPE_F32, m * n) };
            const ts_gemm_args whole = g;
            const int64_t size = (int64_t)ts_dtype_size(types[t]);
            check_kernel(e, TS_KERNEL_gemm, &whole, 0);
            check_touched(whole.c);
            for (size_t p = 0; p < CHECK_COUNT(part); p++) {
                const int64_t i0 = part[p][0], j0 = part[p][1];
                g.m = part[p][2], g.n = g.ldc = part[p][3];
                g.a = (const char *)whole.a + i0 * (tn ? 1 : g.lda) * size;
                g.b = (const char *)whole.b + j0 * (nt ? g.ldb : 1) * size;
                g.c = check_out(TS_DTYPE_F32, g.m * g.n);
                check_kernel(e, TS_KERNEL_gemm, &g, 0);
                for (int64_t x = 0; x < g.m * g.n; x++)
                    check_equal("c", x, ((const float *)g.c)[x],
                                ((const float *)whole.c)[(i0 + x / g.n) * n + j0 + x % g.n]);
            }
        }
}

/* A 16-bit C is the fp32 C rounded once, to the bit: of numbers that bf16 rounds to infinity, of
 * infinities and NaN, and of those about 2^-126, where products are flushed to zero. */
static void rounded(const check_env *e)
{
    static const double scale[] = { 1, 2e-19, 1e19 };
    static const ts_dtype half[] = { TS_DTYPE_BF16, TS_DTYPE_F16 };
    const int64_t m = 19, n = 101, k = 67;
    for (size_t t = 0; t < 2; t++)
        for (size_t s = 0; s < CHECK_COUNT(scale) && !left_out(e, types[t]); s++) {
            check_case("gemm %s scale %g, rounded", ts_dtype_name(types[t]), scale[s]);
            void *a = check_in(1, types[t], m * k, scale[s]);
            ts_store_f32(a, 3 * k + 1, types[t], INFINITY);
            ts_store_f32(a, 5 * k + 2, types[t], NAN);
            ts_store_f32(a, 11 * k + 3, types[t], 3e38F);
            check_touched(a);
            ts_gemm_args g = { .form = TS_GEMM_NT, .m = m, .n = n, .k = k, .lda = k, .ldb = k,
                               .ldc = n, .dtype = types[t], .c_dtype = TS_DTYPE_F32, .a = a,
                               .b = check_in(2, types[t], n * k, scale[s]),
                               .c = check_out(TS_DTYPE_F32, m * n) };
            const float *exact = g.c;
            check_kernel(e, TS_KERNEL_gemm, &g, 0);
            check_touched(g.c);
            for (size_t h = 0; h < 2; h++) {
                g.c_dtype = half[h], g.c = check_out(half[h], m * n);
                check_kernel(e, TS_KERNEL_gemm, &g, 0);
                for (int64_t x = 0; x < m * n; x++) {
                    uint16_t want[2];
                    ts_store_f32(want, 0, half[h], exact[x]);
                    check_equal("bits of c", x, ((const uint16_t *)g.c)[x], want[0]);
                }
            }
        }
}

static void widths(const check_env *e)
{
    ts_gemm_kernels k;
    check_case("panels are those that memory is foreseen with");
    ts_gemm_kernels_init(&k, e->isa, TS_DTYPE_BF16);
    check_equal("columns", 0, k.pairs ? k.width : 0, ts_packing_of(e->isa).pairs);
}

void check_gemm(const check_env *e);
void check_gemm(const check_env *e)
{
    widths(e);
    sizes(e);
    large(e);
    blocks(e);
    own_rows(e);
    pack_types(e);
    wide(e);
    extremes(e);
    gaps(e);
    if (e->isa) /* the reference computes all alike */
        alone(e), parts(e), rounded(e);
}
