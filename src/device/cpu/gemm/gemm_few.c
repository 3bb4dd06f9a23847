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
    ts_gemm_finish_fn *finish;
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
    const int width = j->kern.width;
    const int64_t rows = ceil_div(g->m, ceil_div(g->m, j->kern.rows)); /* 32: not five times 6 and 2, which would wait for its sums */
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

/* A strip's sums to C: as the tiles do, with bias and addend after the first slice of an fp32 C, after the last of
 * others. `onto`: C has what came before. */
static void put(const job *j, int64_t col, int64_t cols, const float *sum, bool has_ends, bool onto)
{
    const ts_gemm_args *g = j->g;
    const size_t at = (size_t)col * ts_dtype_size(g->c_dtype);
    ts_gemm_tile t = { .rows = (int)g->m, .cols = (int)cols, .c = (char *)g->c + at, .ldc = g->ldc, .c_dtype = g->c_dtype };
    t.from = onto ? t.c : NULL, t.from_ld = g->ldc;
    t.bias = has_ends && g->bias ? g->bias + col : NULL;
    t.add = has_ends && g->add ? (const char *)g->add + at : NULL;
    j->finish(&t, sum);
}

static void run_strip(const job *j, int64_t strip, char *scratch)
{
    const ts_gemm_args *g = j->g;
    const int width = j->kern.width;
    const int64_t col = strip * width, cols = min64(width, g->n - col);
    const bool in_c = g->c_dtype == TS_DTYPE_F32;
    float *panel = (float *)(void *)scratch, *sum = panel + CHUNK * MOST_WIDTH;
    float *part = sum + MOST_ROWS * MOST_WIDTH;
    for (int64_t s0 = 0; s0 == 0 || s0 < g->k; s0 += SLICE) {
        const bool first = s0 == 0;
        run_slice(j, col, cols, s0, min64(SLICE, g->k - s0), panel, first || in_c ? sum : part);
        if (in_c)
            put(j, col, cols, sum, first, !first || g->accumulate);
        for (int64_t i = 0; !first && !in_c && i < g->m * width; i++)
            sum[i] = part[i] + sum[i];
    }
    if (!in_c)
        put(j, col, cols, sum, true, false);
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
    for (int64_t r = 0; r < g->m; r++) {
        const uint16_t *from = (const uint16_t *)g->a + r * g->lda;
        float *to = a + r * g->k;
        for (int64_t k = 0; g->dtype == TS_DTYPE_BF16 && k < g->k; k++)
            to[k] = ts_bf16_to_f32(from[k]);
        for (int64_t k = 0; g->dtype == TS_DTYPE_F16 && k < g->k; k++)
            to[k] = ts_f16_to_f32(from[k]);
    }
    j->a = a, j->lda = g->k;
}

bool ts_gemm_few(ts_cpu *cpu, const ts_gemm_args *g, const ts_gemm_kernels *kern)
{
    job j = { .g = g, .cpu = cpu, .round = kern->round, .finish = kern->finish, .a = g->a, .lda = g->lda };
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
