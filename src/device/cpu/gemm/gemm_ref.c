#include "device/cpu/gemm/gemm_kernels.h"

/* Rows of c, and terms of their sums, that are worked on together. Each sum is of its terms in order, in double. */
enum { ROWS = 8, TERMS = 1024 };

/* Numbers first, first + step, ... of x, to every `apart`-th place of out. */
static void load(const void *x, ts_dtype type, int64_t first, int64_t step, int64_t n, int apart, double *out)
{
    switch (type) {
    case TS_DTYPE_F32:
        for (int64_t i = 0; i < n; i++)
            out[i * apart] = (double)((const float *)x)[first + i * step];
        break;
    case TS_DTYPE_BF16:
        for (int64_t i = 0; i < n; i++)
            out[i * apart] = (double)ts_bf16_to_f32(((const uint16_t *)x)[first + i * step]);
        break;
    default:
        for (int64_t i = 0; i < n; i++)
            out[i * apart] = (double)ts_load_f32(x, first + i * step, type);
    }
}

/* Terms of column j of B in NF4. */
static void load_nf4(const ts_gemm_args *g, int64_t j, int64_t p, int64_t n, double *out)
{
    float v[TERMS];
    const bool nt = g->form == TS_GEMM_NT;
    const ts_nf4_part part = { .w = g->b_nf4, .row = g->b_row + (nt ? j : p), .rows = nt ? 1 : n,
                               .col = g->b_col + (nt ? p : j), .cols = nt ? n : 1, .type = g->dtype };
    ts_nf4_unpack(&part, ts_nf4_look_up_ref, TS_DTYPE_F32, v, part.cols);
    for (int64_t i = 0; i < n; i++)
        out[i] = (double)v[i];
}

static void load_b(const ts_gemm_args *g, int64_t j, int64_t p, int64_t n, double *out)
{
    if (g->b_nf4) {
        load_nf4(g, j, p, n, out);
        return;
    }
    const int64_t step = g->form == TS_GEMM_NT ? 1 : g->ldb, row = g->form == TS_GEMM_NT ? g->ldb : 1;
    load(g->b, ts_gemm_b_type(g), j * row + p * step, step, n, 1, out);
    for (int64_t i = 0; g->b_wide && i < n; i++)
        out[i] = (double)ts_bf16_to_f32(ts_f32_to_bf16((float)out[i]));
}

static void load_a(const ts_gemm_args *g, int64_t i, int64_t p, int64_t n, double *out)
{
    const int64_t step = g->form == TS_GEMM_TN ? g->lda : 1, row = g->form == TS_GEMM_TN ? 1 : g->lda;
    load(g->a, g->dtype, i * row + p * step, step, n, ROWS, out);
}

static void store(const ts_gemm_args *g, int64_t i, int64_t j, double sum)
{
    const int64_t at = i * g->ldc + j;
    float v = (float)sum;
    if (g->accumulate)
        v += ts_load_f32(g->c, at, g->c_dtype);
    if (g->bias)
        v += g->bias[j];
    if (g->add)
        v += ts_load_f32(g->add, at, g->c_dtype);
    ts_store_f32(g->c, at, g->c_dtype, v);
}

/* sum[r] += terms of a's row r times b, in order; of n rows. */
static void add_terms(double a[TERMS][ROWS], const double *b, int64_t terms, int64_t n, double *sum)
{
    if (n < ROWS) {
        for (int64_t r = 0; r < n; r++)
            for (int64_t t = 0; t < terms; t++)
                sum[r] += a[t][r] * b[t];
        return;
    }
    for (int64_t t = 0; t < terms; t++)
#pragma GCC unroll 8
        for (int r = 0; r < ROWS; r++)
            sum[r] += a[t][r] * b[t];
}

/* n rows of c, at most ROWS, from row i. */
static void rows_times_b(const ts_gemm_args *g, int64_t i, int64_t n)
{
    double a[TERMS][ROWS], b[TERMS];
    for (int64_t j = 0; j < g->n; j++) {
        double sum[ROWS] = { 0 };
        for (int64_t p = 0; p < g->k; p += TERMS) {
            const int64_t terms = g->k - p < TERMS ? g->k - p : TERMS;
            for (int64_t r = 0; r < n && (j == 0 || g->k > TERMS); r++)
                load_a(g, i + r, p, terms, &a[0][r]);
            load_b(g, j, p, terms, b);
            add_terms(a, b, terms, n, sum);
        }
        for (int64_t r = 0; r < n; r++)
            store(g, i + r, j, sum[r]);
    }
}

static void rows(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    for (int64_t i = begin; i < end; i += ROWS)
        rows_times_b(ctx, i, end - i < ROWS ? end - i : ROWS);
}

void ts_gemm_ref(ts_cpu *cpu, const void *args, int64_t n)
{
    (void)n;
    const ts_gemm_args *g = args;
    const int64_t threads = ts_pool_threads(cpu->pool), share = (g->m + threads - 1) / threads;
    const int64_t most = g->n * g->k > 20000 ? ROWS : 20000 / (g->n * g->k + 1) + ROWS;
    ts_pool_run(cpu->pool, g->m, g->n * g->k > 20000 && share < most ? share : most, rows, (void *)g);
}
