#include "device/cpu/gemm/gemm_i8.h"

#include "device/cpu/gemm/gemm.h"

typedef struct job {
    const ts_gemm_args *g;
    ts_cpu *cpu;
    ts_i8_kernels kern;
    ts_i8_rows a;          /* the rows of A at hand, quantised in the shared scratch */
    int64_t m0, m;
    int64_t rows, panels;  /* rows of a task; tasks are panels x chunks of rows */
} job;

static void kernels_init(ts_i8_kernels *k, unsigned isa)
{
    ts_i8_kernels_init_ref(k);
#if defined(__x86_64__)
    if (isa & TS_ISA_AVX2)
        ts_i8_kernels_init_avx2(k);
    if (isa & TS_ISA_AVX512 && isa & TS_ISA_VNNI)
        ts_i8_kernels_init_vnni(k);
    if (isa & TS_ISA_AMX_I8)
        ts_i8_kernels_init_amx(k);
#else
    (void)isa;
#endif
}

static void quantise_shares(void *ctx, int64_t begin, int64_t end, int thread)
{
    const job *j = ctx;
    (void)thread;
    j->kern.quantise(&j->a, begin, end);
}

static void run_task(const job *j, int64_t panel, int64_t chunk, void *work)
{
    const ts_gemm_args *g = j->g;
    const int64_t width = j->kern.width, col = panel * width;
    const int64_t begin = chunk * j->rows, end = min64(begin + j->rows, j->m);
    const int64_t size = (int64_t)ts_dtype_size(g->c_dtype);
    ts_i8_tile t = { .a_row = j->a.q_ld, .blocks = j->a.blocks,
                     .b = (const char *)g->b + panel * ts_i8_panel(g->k, width),
                     .work = work };
    t.last_steps = ts_i8_steps(g->k) - (j->a.blocks - 1) * TS_I8_STEPS;
    t.out = (ts_gemm_tile){ .cols = (int)min64(width, g->n - col), .ldc = g->ldc,
                            .c_dtype = g->c_dtype, .bias = g->bias ? g->bias + col : NULL };
    for (int64_t row = begin; row < end; row += j->kern.rows) {
        const int64_t at = ((j->m0 + row) * g->ldc + col) * size;
        t.a = j->a.q + row * j->a.q_ld, t.a_scale = j->a.scale + row * j->a.blocks;
        t.out.rows = (int)min64(j->kern.rows, end - row);
        t.out.c = (char *)g->c + at;
        t.out.add = g->add ? (const char *)g->add + at : NULL;
        j->kern.tile(&t);
    }
}

static void run_tasks(void *ctx, int64_t begin, int64_t end, int thread)
{
    const job *j = ctx;
    if (j->kern.begin)
        j->kern.begin();
    for (int64_t t = begin; t < end; t++)
        run_task(j, t % j->panels, t / j->panels, ts_cpu_scratch(j->cpu, thread));
    if (j->kern.end)
        j->kern.end();
}

/* A task's rows of A and its panel stay in the second cache, and each thread has some tasks. */
static void cut_rows(job *j)
{
    enum { A_IN_L2 = 384 << 10, EACH = 8, LEAST = 6 };
    const int64_t threads = ts_pool_threads(j->cpu->pool), tiles = ceil_div(j->m, j->kern.rows);
    int64_t per = A_IN_L2 / (j->a.q_ld + 4) / j->kern.rows;
    j->panels = ceil_div(j->g->n, j->kern.width);
    if (threads > 1)
        per = min64(per, tiles * j->panels / (EACH * threads));
    per = per < LEAST ? LEAST : per;
    per = ceil_div(tiles, ceil_div(tiles, per)); /* even */
    j->rows = per * j->kern.rows;
}

static void gemm_i8(ts_cpu *cpu, const void *args, int64_t n)
{
    enum { SMALL = 1 << 21 }; /* products below which threads are not worth waking */
    const ts_gemm_args *g = args;
    job j = { .g = g, .cpu = cpu };
    (void)n;
    TS_ASSERT(g->form != TS_GEMM_TN && g->b_packed && !g->accumulate,
              "gemm_i8: packed NT and NN products only");
    if (g->m <= 0 || g->n <= 0)
        return;
    kernels_init(&j.kern, cpu->isa);
    const int64_t blocks = ts_i8_blocks(g->k), q_ld = ts_i8_steps(g->k) * 4;
    const int64_t most = TS_CPU_SHARED_SCRATCH / (q_ld + blocks * 4 + 1) / 8 * 8;
    TS_ASSERT(most > 0, "gemm_i8: rows of %lld do not fit the work space", (long long)g->k);
    for (j.m0 = 0; j.m0 < g->m; j.m0 += most) {
        j.m = min64(most, g->m - j.m0);
        j.a = (ts_i8_rows){ .src_dtype = g->dtype, .ld = g->lda, .k = g->k, .q_ld = q_ld,
                            .blocks = blocks, .scale = (float *)(void *)cpu->shared_scratch };
        j.a.src = (const char *)g->a + j.m0 * g->lda * (int64_t)ts_dtype_size(g->dtype);
        j.a.q = (uint8_t *)cpu->shared_scratch + j.m * blocks * 4;
        ts_pool_run(cpu->pool, j.m, j.m * g->k < 1 << 16 ? j.m : 16, quantise_shares, &j);
        cut_rows(&j);
        const int64_t tasks = j.panels * ceil_div(j.m, j.rows);
        ts_pool_run(cpu->pool, tasks, j.m * g->n * g->k < SMALL ? tasks : 1, run_tasks, &j);
    }
}

typedef struct pack_job {
    const ts_gemm_pack_args *g;
    ts_i8_kernels kern;
} pack_job;

static void pack_shares(void *ctx, int64_t begin, int64_t end, int thread)
{
    const pack_job *j = ctx;
    (void)thread;
    for (int64_t p = begin; p < end; p++)
        j->kern.pack(j->g, p * j->kern.width,
                     (char *)j->g->dst + p * ts_i8_panel(j->g->k, j->kern.width));
}

static void gemm_i8_pack(ts_cpu *cpu, const void *args, int64_t n)
{
    pack_job j = { .g = args };
    (void)n;
    TS_ASSERT(j.g->form != TS_GEMM_TN, "gemm_i8_pack: there is no such product");
    kernels_init(&j.kern, cpu->isa);
    ts_pool_run(cpu->pool, ceil_div(j.g->n, j.kern.width), 1, pack_shares, &j);
}

void ts_cpu_init_gemm_i8(ts_cpu *c)
{
    ts_i8_kernels kern;
    kernels_init(&kern, c->isa);
    c->kernel[TS_KERNEL_gemm_i8] = (ts_cpu_kernel){ .whole = gemm_i8, .variant = kern.variant };
    c->kernel[TS_KERNEL_gemm_i8_pack] =
        (ts_cpu_kernel){ .whole = gemm_i8_pack, .variant = kern.variant };
}
