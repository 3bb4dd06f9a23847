#include "device/cpu/gemm/gemm_few.h"

#include <string.h>

enum {
    MOST_ROWS = 64, /* more are better packed first */
    SLICE = 2048,   /* steps that the tiles sum in registers: partial sums are added up so */
    CHUNK = 64,     /* steps turned at a time: 12 KiB */
    MOST_WIDTH = 48,
    PIECES = 8,      /* of a thread: a piece's strips follow each other in memory */
    SMALL = 1 << 17, /* products below which threads are not worth waking */
};

typedef struct job {
    const ts_gemm_args *g;
    ts_cpu *cpu;
    ts_gemm_few_kernels kern;
    void (*round)(float *units, int64_t n);
    const float *a; /* [m, k] */
    int64_t lda;
} job;

static void kernels_of(ts_gemm_few_kernels *k, unsigned isa)
{
    *k = (ts_gemm_few_kernels){ 0 };
#if defined(__x86_64__)
    if (isa & TS_ISA_AVX2)
        ts_gemm_few_kernels_init_avx2(k);
    if (isa & TS_ISA_AVX512)
        ts_gemm_few_kernels_init_avx512(k);
#else
    (void)isa;
#endif
}

/* sum [m, width] = the products of one slice. */
static void run_slice(const job *j, int64_t col, int64_t cols, int64_t s0, int64_t steps,
                      float *panel, float *sum)
{
    const ts_gemm_args *g = j->g;
    const int width = j->kern.width, rows = j->kern.rows;
    const ts_dtype type = ts_gemm_b_type(g);
    const size_t size = ts_dtype_size(type);
    /* the next strip, as it lies in memory: the last has none */
    const int64_t after = col + width < g->n ? col + width : col;
    const char *next = (const char *)g->b + (size_t)(after * g->ldb) * size;
    memset(sum, 0, (size_t)(g->m * width) * sizeof *sum);
    for (int64_t s = 0; s < steps; s += CHUNK) {
        const int64_t n = min64(CHUNK, steps - s);
        const ts_gemm_panels p = { .src =
                                       (const char *)g->b + (size_t)(col * g->ldb + s0 + s) * size,
                                   .ld = g->ldb,
                                   .n_x = cols,
                                   .n_k = n,
                                   .src_dtype = type,
                                   .width = width,
                                   .dst = (char *)panel,
                                   .steps = CHUNK };
        const char *ahead = next + (size_t)(width * (s0 + s)) * size;
        if (g->m <= j->kern.line_rows && j->kern.line(&p, ahead, j->a + s0 + s, j->lda, sum, (int)g->m))
            continue;
        j->kern.turn(&p, ahead);
        if (g->b_wide)
            j->round(panel, n * width);
        for (int64_t r = 0; r < g->m; r += rows)
            j->kern.add(j->a + r * j->lda + s0 + s, j->lda, panel, n, sum + r * width,
                        (int)min64(rows, g->m - r));
    }
}

/* As the tiles do: bias and addend after the first slice of an fp32 C, after the last of others. */
static void add_ends(const job *j, int64_t col, int64_t cols, float *sum)
{
    const ts_gemm_args *g = j->g;
    for (int64_t r = 0; r < g->m; r++)
        for (int64_t c = 0; c < cols; c++) {
            const int64_t at = r * g->ldc + col + c;
            float *v = &sum[r * j->kern.width + c];
            if (g->accumulate)
                *v += ((const float *)g->c)[at];
            if (g->bias)
                *v += g->bias[col + c];
            if (g->add)
                *v += ts_load_f32(g->add, at, g->c_dtype);
        }
}

static void run_strip(const job *j, int64_t strip, char *scratch)
{
    const ts_gemm_args *g = j->g;
    const int width = j->kern.width;
    const int64_t col = strip * width, cols = min64(width, g->n - col);
    float *panel = (float *)(void *)scratch, *sum = panel + CHUNK * MOST_WIDTH;
    float *part = sum + MOST_ROWS * MOST_WIDTH;
    for (int64_t s0 = 0; s0 == 0 || s0 < g->k; s0 += SLICE) {
        run_slice(j, col, cols, s0, min64(SLICE, g->k - s0), panel, s0 ? part : sum);
        for (int64_t i = 0; s0 && i < g->m * width; i++)
            sum[i] = part[i] + sum[i];
        if (g->c_dtype == TS_DTYPE_F32 && s0 == 0)
            add_ends(j, col, cols, sum);
    }
    if (g->c_dtype != TS_DTYPE_F32)
        add_ends(j, col, cols, sum);
    for (int64_t r = 0; r < g->m; r++)
        for (int64_t c = 0; c < cols; c++)
            ts_store_f32(g->c, r * g->ldc + col + c, g->c_dtype, sum[r * width + c]);
}

static void run_strips(void *ctx, int64_t begin, int64_t end, int thread)
{
    const job *j = ctx;
    for (int64_t i = begin; i < end; i++)
        run_strip(j, i, ts_cpu_scratch(j->cpu, thread));
}

/* A in fp32: few rows, so that it matters little that one thread does it. */
static void widen(job *j)
{
    const ts_gemm_args *g = j->g;
    float *a = (float *)(void *)j->cpu->shared_scratch;
    for (int64_t r = 0; r < g->m; r++)
        for (int64_t k = 0; k < g->k; k++)
            a[r * g->k + k] = ts_load_f32(g->a, r * g->lda + k, g->dtype);
    j->a = a, j->lda = g->k;
}

bool ts_gemm_few(ts_cpu *cpu, const ts_gemm_args *g, const ts_gemm_kernels *kern)
{
    job j = { .g = g, .cpu = cpu, .round = kern->round, .a = g->a, .lda = g->lda };
    if (g->form != TS_GEMM_NT || g->b_packed || g->b_nf4 || g->m > MOST_ROWS || kern->pairs ||
        (g->dtype != TS_DTYPE_F32 && g->m * g->k * 4 > cpu->shared_bytes))
        return false;
    kernels_of(&j.kern, cpu->isa);
    if (!j.kern.rows)
        return false;
    if (g->dtype != TS_DTYPE_F32)
        widen(&j);
    const int64_t strips = (g->n + j.kern.width - 1) / j.kern.width;
    const int64_t piece = strips / (PIECES * ts_pool_threads(cpu->pool)) + 1;
    const bool small = g->m * g->k * g->n < SMALL;
    ts_pool_run(cpu->pool, strips, small ? strips : piece, run_strips, &j);
    return true;
}
