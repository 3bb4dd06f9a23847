/* Products with a weight in NF4: to the bit those with the values that it stands for, which the definition (base/nf4.h)
 * gives here, one by one. The weight is rows and columns of larger matrices, so that rows begin anywhere in blocks. */
#include "base/nf4.h"
#include "check.h"
#include "device/cpu/gemm/gemm.h"

#include <stdio.h>

typedef struct nf4_case {
    ts_gemm_form form;
    int64_t m, n, k;
    ts_dtype dtype, c_dtype, type;
    int64_t whole, first; /* columns of the matrices, and the first that is here */
} nf4_case;

static uint32_t state;
static uint32_t next(void) { return (state = state * 1664525u + 1013904223u) >> 8; }

/* Rows in another order than in the two matrices that they are of. */
static ts_nf4 make(int64_t rows, int64_t cols, const nf4_case *c)
{
    const int64_t blocks = ts_nf4_row_blocks(cols), half = rows / 2,
                  part = (half + 1) * c->whole / TS_NF4_NEST + 1;
    uint8_t *code = check_work((size_t)(rows * ((cols + 1) / 2))), *most = check_work((size_t)(rows * blocks));
    int64_t *at = check_work((size_t)rows * sizeof *at);
    ts_nf4_group *nest = check_work((size_t)(2 * part) * sizeof *nest);
    for (int64_t i = 0; i < rows * ((cols + 1) / 2); i++)
        code[i] = (uint8_t)next();
    for (int64_t i = 0; i < rows * blocks; i++)
        most[i] = (uint8_t)next();
    for (int64_t i = 0; i < 2 * part; i++)
        nest[i] = (ts_nf4_group){ 0.1f + (float)(next() % 100) / 900, i < part ? 0.3f : 0.2f };
    for (int64_t r = 0; r < rows; r++)
        at[r] = (r % 2 ? part * TS_NF4_NEST : 0) + (half - r / 2) * c->whole + c->first;
    return (ts_nf4){ .rows = rows, .cols = cols, .blocks = blocks, .type = c->type, .code = code, .most = most, .at = at,
                     .nest = nest };
}

static float rounded(float v, ts_dtype t)
{
    uint16_t h;
    if (t == TS_DTYPE_F32)
        return v;
    h = t == TS_DTYPE_BF16 ? ts_f32_to_bf16(v) : ts_f32_to_f16(v);
    return t == TS_DTYPE_BF16 ? ts_bf16_to_f32(h) : ts_f16_to_f32(h);
}

static float value(const ts_nf4 *w, int64_t r, int64_t c)
{
    const int64_t a = w->at[r] + c;
    const uint8_t two = w->code[r * ((w->cols + 1) / 2) + c / 2], most = w->most[r * w->blocks + a / 64 - w->at[r] / 64];
    const float product = ts_nf4_nested_levels[most] * w->nest[a / TS_NF4_NEST].most,
                scale = product + w->nest[a / TS_NF4_NEST].offset;
    return rounded(ts_nf4_levels[c % 2 ? two & 15 : two >> 4] * scale, w->type);
}

static void run_case(const check_env *e, const nf4_case *c)
{
    const bool nt = c->form == TS_GEMM_NT;
    const int64_t rows = nt ? c->n : c->k, cols = nt ? c->k : c->n, size = (int64_t)ts_dtype_size(c->dtype);
    check_case("gemm of nf4 %s m %lld n %lld k %lld %s -> %s, values %s, columns from %lld of %lld", nt ? "NT" : "NN",
               (long long)c->m, (long long)c->n, (long long)c->k, ts_dtype_name(c->dtype), ts_dtype_name(c->c_dtype),
               ts_dtype_name(c->type), (long long)c->first, (long long)c->whole);
    state = (uint32_t)(c->m * 7 + c->n * 31 + c->k * 1001);
    const ts_nf4 w = make(rows, cols, c);
    char *b = check_work((size_t)(rows * cols * size) + 1);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < cols; i++)
            ts_store_f32(b, r * cols + i, c->dtype, rounded(value(&w, r, i), c->dtype));
    ts_gemm_args g = { .form = c->form, .m = c->m, .n = c->n, .k = c->k, .dtype = c->dtype, .c_dtype = c->c_dtype,
                       .lda = c->k, .ldb = cols, .ldc = c->n, .b = b };
    g.a = check_in(1, c->dtype, c->m * c->k, 1);
    g.bias = check_in(3, TS_DTYPE_F32, c->n, 1);
    g.c = check_out(c->c_dtype, c->m * c->n);
    check_kernel(e, TS_KERNEL_gemm, &g, 0);
    const void *want = g.c;
    g.c = check_out(c->c_dtype, c->m * c->n);
    g.b = NULL, g.ldb = 0, g.b_nf4 = &w;
    check_kernel(e, TS_KERNEL_gemm, &g, 0);
    for (int64_t i = 0; i < c->m * c->n; i++)
        check_equal("c", i, check_get(g.c, i, c->c_dtype), check_get(want, i, c->c_dtype));
}

void ts_cpu_init_nf4(ts_cpu *c);
void ts_cpu_init_nf4(ts_cpu *c) { ts_cpu_init_gemm(c); }

void check_nf4(const check_env *e);
void check_nf4(const check_env *e)
{
    static const ts_dtype types[] = { TS_DTYPE_F32, TS_DTYPE_BF16, TS_DTYPE_F16 };
    static const int64_t size[][3] = { { 1, 1, 1 }, { 3, 16, 64 }, { 9, 49, 65 }, { 33, 97, 130 }, { 70, 48, 129 },
                                       { 65, 193, 200 }, { 10, 100, 1100 } };
    size_t turn = 0;
    for (size_t i = 0; i < CHECK_COUNT(size); i++)
        for (int way = 0; way < 12; way++, turn++) {
            const int64_t k = size[i][2], n = size[i][1], cols = way % 2 ? n : k;
            const nf4_case c = { .form = way % 2 ? TS_GEMM_NN : TS_GEMM_NT, .m = size[i][0], .n = n, .k = k,
                                 .dtype = types[way / 2 % 3], .c_dtype = types[turn / 3 % 3], .type = types[turn % 3],
                                 .whole = cols + (way / 6 ? 37 : 0), .first = way / 6 ? 21 : 0 };
            run_case(e, &c);
        }
    /* longer than a block of k, with sums in fp32 and not; a panel for one task; several packing tasks */
    run_case(e, &(nf4_case){ TS_GEMM_NT, 3, 20, 8300, TS_DTYPE_BF16, TS_DTYPE_BF16, TS_DTYPE_BF16, 8300, 0 });
    run_case(e, &(nf4_case){ TS_GEMM_NN, 3, 20, 8300, TS_DTYPE_BF16, TS_DTYPE_BF16, TS_DTYPE_F32, 164, 64 });
    run_case(e, &(nf4_case){ TS_GEMM_NN, 9, 1300, 70, TS_DTYPE_F32, TS_DTYPE_F32, TS_DTYPE_F32, 1300, 0 });
    run_case(e, &(nf4_case){ TS_GEMM_NT, 9, 200, 1300, TS_DTYPE_F32, TS_DTYPE_F32, TS_DTYPE_BF16, 1344, 44 });
}

/* Beside the same products with the weight in bf16. */
void bench_nf4(const check_env *e);
void bench_nf4(const check_env *e)
{
    static const int64_t rows[] = { 64, 256, 512 };
    for (size_t i = 0; i < CHECK_COUNT(rows); i++)
        for (int way = 0; way < 4; way++) {
            const bool nt = way % 2 == 0, by_nf4 = way / 2;
            const int64_t m = rows[i], n = nt ? 1536 : 1024, k = nt ? 1024 : 1536;
            const nf4_case c = { .type = TS_DTYPE_BF16, .whole = 1024 };
            const ts_nf4 w = make(1536, 1024, &c);
            ts_gemm_args g = { .form = nt ? TS_GEMM_NT : TS_GEMM_NN, .m = m, .n = n, .k = k, .dtype = TS_DTYPE_BF16,
                               .c_dtype = TS_DTYPE_BF16, .lda = k, .ldb = 1024, .ldc = n };
            g.a = check_in(1, TS_DTYPE_BF16, m * k, 1), g.c = check_out(TS_DTYPE_BF16, m * n);
            g.b = by_nf4 ? NULL : check_in(2, TS_DTYPE_BF16, n * k, 1), g.b_nf4 = by_nf4 ? &w : NULL;
            char label[64];
            snprintf(label, sizeof label, "%s %s %lld x %lld x %lld", by_nf4 ? "nf4" : "bf16", nt ? "NT" : "NN", (long long)m,
                     (long long)n, (long long)k);
            check_bench(e, label, TS_KERNEL_gemm, &g, 0, 2.0 * (double)(m * n * k), "flop", 0);
        }
}
