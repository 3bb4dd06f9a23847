#include "device/cpu/gemm/gemm_kernels.h"

static float b_value(const ts_gemm_args *g, int64_t i, ts_dtype type)
{
    const float v = ts_load_f32(g->b, i, type);
    return g->b_wide ? ts_bf16_to_f32(ts_f32_to_bf16(v)) : v;
}

static void row_times_b(const ts_gemm_args *g, int64_t i)
{
    const int64_t a_step = g->form == TS_GEMM_TN ? g->lda : 1,
                  a_at = g->form == TS_GEMM_TN ? i : i * g->lda;
    const int64_t b_step = g->form == TS_GEMM_NT ? 1 : g->ldb,
                  b_row = g->form == TS_GEMM_NT ? g->ldb : 1;
    const ts_dtype b_type = ts_gemm_b_type(g);
    for (int64_t j = 0; j < g->n; j++) {
        const int64_t at = i * g->ldc + j;
        double sum = 0;
        for (int64_t p = 0; p < g->k; p++)
            sum += (double)ts_load_f32(g->a, a_at + p * a_step, g->dtype) *
                   (double)b_value(g, j * b_row + p * b_step, b_type);
        float v = (float)sum;
        if (g->accumulate)
            v += ts_load_f32(g->c, at, g->c_dtype);
        if (g->bias)
            v += g->bias[j];
        if (g->add)
            v += ts_load_f32(g->add, at, g->c_dtype);
        ts_store_f32(g->c, at, g->c_dtype, v);
    }
}

static void rows(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    for (int64_t i = begin; i < end; i++)
        row_times_b(ctx, i);
}

void ts_gemm_ref(ts_cpu *cpu, const void *args, int64_t n)
{
    (void)n;
    const ts_gemm_args *g = args;
    ts_pool_run(cpu->pool, g->m, g->n * g->k > 20000 ? 1 : 20000 / (g->n * g->k + 1) + 1, rows,
                (void *)g);
}
