/* Products of groups against double precision, groups without rows and rows of nobody among them; and that what lies
 * behind the last group stays zero. */
#include "check.h"
#include "device/cpu/gemm/gemm.h"

#include <string.h>

typedef struct groups_case {
    ts_gemm_form form;
    int64_t groups, rows, n, k; /* n, k: of a matrix of b; TN: of c, [n, k] */
    bool heads;                 /* columns side by side instead of rows one after another */
    ts_dtype dtype;
} groups_case;

static void *as_double(const void *x, ts_dtype t, int64_t n)
{
    double *d = check_f64(n);
    for (int64_t i = 0; i < n; i++)
        d[i] = check_get(x, i, t);
    return d;
}

/* Uneven, some empty; the last rows are nobody's. */
static int32_t *offsets_of(const groups_case *c)
{
    int32_t *at = check_ints(9, TS_DTYPE_I32, c->groups + 1, 0);
    int64_t used = 0;
    for (int64_t g = 0; g < c->groups; g++) {
        at[g] = (int32_t)used;
        used += g % 3 == 1 ? 0 : (c->rows - 2 - used) * (g + 1 == c->groups ? 1 : g % 2 + 1) / 3;
    }
    at[c->groups] = (int32_t)used;
    check_touched(at);
    return at;
}

static ts_gemm_groups_args args_of(const groups_case *c, const int32_t *offsets)
{
    const bool tn = c->form == TS_GEMM_TN;
    const int64_t size = (int64_t)ts_dtype_size(c->dtype), wide = c->heads ? c->groups : 1;
    const int64_t a_cols = tn ? c->n : c->k, b_cols = c->form == TS_GEMM_NT ? c->k : tn ? c->k : c->n;
    ts_gemm_groups_args g = { .groups = c->groups, .rows = c->rows, .offsets = offsets };
    g.one = (ts_gemm_args){ .form = c->form, .m = tn ? c->n : 0, .n = tn ? c->k : c->n, .k = tn ? 0 : c->k,
                            .dtype = c->dtype, .c_dtype = tn ? TS_DTYPE_F32 : c->dtype, .lda = wide * a_cols,
                            .ldb = b_cols, .ldc = tn ? c->k : wide * c->n };
    g.one.a = check_in(1, c->dtype, c->rows * wide * a_cols, 1);
    g.one.b = check_in(2, c->dtype, tn ? c->rows * b_cols : c->groups * c->n * c->k, 1);
    g.one.c = check_out(g.one.c_dtype, tn ? c->groups * c->n * c->k : c->rows * wide * c->n);
    g.a_stride = (size_t)(a_cols * size);
    g.b_stride = (size_t)(c->n * c->k * size);
    g.c_stride = tn ? (size_t)(c->n * c->k) * sizeof(float) : (size_t)(c->n * size);
    return g;
}

/* C[i][j] of group g in double: rows [r0, r1) are the group's. */
static void judge(const groups_case *c, const ts_gemm_groups_args *g, int64_t group, int64_t r0, int64_t r1)
{
    const ts_gemm_args *o = &g->one;
    const int64_t wide = c->heads ? c->groups : 1, tn = c->form == TS_GEMM_TN;
    const int64_t a_cols = tn ? c->n : c->k;
    const double *a = as_double(o->a, c->dtype, c->rows * wide * a_cols);
    const double *b = as_double(o->b, c->dtype, tn ? c->rows * c->k : c->groups * c->n * c->k);
    const int64_t rows = tn ? c->n : r1 - r0, cols = tn ? c->k : c->n, terms = tn ? r1 - r0 : c->k;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++) {
            double sum = 0, size = 0;
            for (int64_t p = 0; p < terms; p++) {
                const double x = tn ? a[(r0 + p) * o->lda + i] : a[(r0 + i) * o->lda + (c->heads ? group * c->k : 0) + p];
                const double y = tn                        ? b[(r0 + p) * c->k + j]
                                 : c->form == TS_GEMM_NT   ? b[(group * c->n + j) * c->k + p]
                                                           : b[(group * c->k + p) * c->n + j];
                sum += x * y, size += fabs(x * y);
            }
            const int64_t at = tn ? (group * c->n + i) * c->k + j : (r0 + i) * o->ldc + (c->heads ? group * c->n : 0) + j;
            check_elem("c", o->c, at, o->c_dtype, sum, CHECK_U * (4 + 2 * sqrt((double)terms)) * size + (double)terms * 0x1p-126);
        }
}

static void run_case(const check_env *e, const groups_case *c)
{
    static const char *const forms[] = { "NT", "NN", "TN" };
    check_case("gemm_groups %s %s groups %lld rows %lld n %lld k %lld%s", forms[c->form], ts_dtype_name(c->dtype),
               (long long)c->groups, (long long)c->rows, (long long)c->n, (long long)c->k, c->heads ? " heads" : "");
    const int32_t *offsets = c->heads ? NULL : offsets_of(c);
    const ts_gemm_groups_args g = args_of(c, offsets);
    check_kernel(e, TS_KERNEL_gemm_groups, &g, 0);
    for (int64_t i = 0; i < c->groups; i++)
        judge(c, &g, i, offsets ? offsets[i] : 0, offsets ? offsets[i + 1] : c->rows);
    if (!offsets || c->form == TS_GEMM_TN)
        return;
    for (int64_t p = offsets[c->groups] * c->n; p < c->rows * c->n; p++)
        check_equal("rows of nobody", p, check_get(g.one.c, p, c->dtype), 0);
}

void check_gemm_groups(const check_env *e)
{
    static const int64_t rows[] = { 7, 40, 200 }, sizes[][2] = { { 33, 17 }, { 96, 64 }, { 16, 130 } };
    ts_cpu_init_gemm(e->one), ts_cpu_init_gemm(e->two), ts_cpu_init_gemm(e->ref);
    for (int t = TS_DTYPE_F32; t <= TS_DTYPE_BF16; t++)
        for (size_t r = 0; r < CHECK_COUNT(rows); r++)
            for (size_t s = 0; s < CHECK_COUNT(sizes); s++)
                for (int form = TS_GEMM_NT; form <= TS_GEMM_TN; form++)
                    for (int heads = 0; heads <= (form == TS_GEMM_NT); heads++) {
                        const groups_case c = { (ts_gemm_form)form, 5, rows[r], sizes[s][0], sizes[s][1], heads != 0,
                                                (ts_dtype)t };
                        run_case(e, &c);
                    }
}
