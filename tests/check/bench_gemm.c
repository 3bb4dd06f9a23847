/* --bench of matrix products: the shapes of a 135M and a 1B model, [tokens, out, in] of a linear
 * layer. */
#include "check.h"
#include "device/cpu/gemm/gemm.h"
#include "device/cpu/gemm/gemm_kernels.h"
#include "device/packing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct bench_pass {
    const char *name;
    ts_gemm_form form;
    bool packed;
} bench_pass;

static const bench_pass passes[] = { { "forward", TS_GEMM_NT, false },
                                     { "forward", TS_GEMM_NT, true },
                                     { "input gradient", TS_GEMM_NN, false },
                                     { "input gradient", TS_GEMM_NN, true },
                                     { "weight gradient", TS_GEMM_TN, false } };
static const int64_t bench_shapes[][3] = {
    { 1024, 1536, 576 },  { 1024, 576, 1536 },    { 1024, 960, 576 },   { 4096, 1536, 576 },
    { 4096, 576, 1536 },  { 1024, 49152, 576 },   { 1024, 8192, 2048 }, { 1024, 2048, 8192 },
    { 4096, 8192, 2048 }, { 1024, 128256, 2048 },
};

typedef struct bench_memory {
    char *at;
    size_t size, used;
} bench_memory;

/* Bytes that look like floats and bf16 near one, of both signs. */
static void *bench_take(bench_memory *m, size_t bytes)
{
    const size_t begin = m->used;
    m->used += (bytes + 4095) / 4096 * 4096 + 64; /* no two begin at the same place of a page */
    if (m->used > m->size)
        return NULL;
    uint16_t *p = (uint16_t *)(void *)(m->at + begin);
    uint32_t r = 1;
    for (size_t i = 0; i < bytes / 2; i++) {
        r = r * 1664525u + 1013904223u;
        p[i] = (uint16_t)(0x3C00u | r >> 31 << 15 | (r >> 20 & 0x1FF));
    }
    return p;
}

typedef struct peak_run {
    const ts_cpu *cpu;
    ts_gemm_kernels k;
    ts_gemm_tile t;
    int64_t rounds;
} peak_run;

static void peak_share(void *ctx, int64_t begin, int64_t end, int thread)
{
    const peak_run *r = ctx;
    ts_gemm_tile t = r->t;
    t.c = ts_cpu_scratch(r->cpu, thread);
    if (r->k.begin)
        r->k.begin();
    for (int64_t i = begin * r->rounds; i < end * r->rounds; i++)
        r->k.tile(&t);
    if (r->k.end)
        r->k.end();
}

/* The roof: the micro-kernel alone on operands in L1, every thread at it. GFLOP/s. */
static double peak(ts_cpu *c, ts_dtype dtype, bench_memory *m)
{
    enum { STEPS = 96 };
    const int threads = ts_pool_threads(c->pool);
    peak_run r = { .cpu = c, .rounds = 400 };
    ts_gemm_kernels_init(&r.k, c->isa, dtype);
    char *p = bench_take(m, 2 * STEPS * 64 * 4);
    r.t = (ts_gemm_tile){ .a = p, .a_next = p, .a_row = STEPS * 4, .a_step = 4,
                          .b = p + STEPS * 64 * 4, .steps = STEPS, .rows = r.k.rows,
                          .cols = r.k.width, .ldc = r.k.width };
    const double flop =
        2.0 * (r.k.pairs ? 2 : 1) * STEPS * r.k.rows * r.k.width * (double)r.rounds * threads;
    double best = 0;
    for (int i = 0; i < 60; i++) {
        const double began = ts_now();
        ts_pool_run(c->pool, threads, 1, peak_share, &r);
        best = fmax(best, flop / (ts_now() - began));
    }
    return best * 1e-9;
}

/* On one thread its own time counts, on several the clock on the wall: only that needs an idle
 * machine. */
static double seconds_now(bool one)
{
    struct timespec t;
    if (!one)
        return ts_now();
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double gflops(ts_cpu *c, const ts_gemm_args *g)
{
    const bool one = ts_pool_threads(c->pool) == 1;
    double best = 1e30;
    const double start = seconds_now(one);
    for (int i = 0; i < 400 && (i < 3 || seconds_now(one) - start < 0.15); i++) {
        const double began = seconds_now(one);
        c->kernel[TS_KERNEL_gemm].whole(c, g, 0);
        best = fmin(best, seconds_now(one) - began);
    }
    return 2e-9 * (double)(g->m * g->n) * (double)g->k / best;
}

enum { LOGITS = 49152 }; /* so many outputs are fp32, others of a layer have its type */

/* Fills g for a pass of a layer; false when it does not fit in memory or is not packed here. */
static bool bench_args(ts_gemm_args *g, ts_cpu *c, const bench_pass *p, const int64_t *shape,
                       ts_dtype dtype, bench_memory *m)
{
    const int64_t tokens = shape[0], out = shape[1], in = shape[2];
    const bool nt = p->form == TS_GEMM_NT, tn = p->form == TS_GEMM_TN;
    *g = (ts_gemm_args){ .form = p->form, .m = tn ? out : tokens, .n = nt ? out : in,
                         .k = nt ? in : tn ? tokens : out, .dtype = dtype,
                         .c_dtype = tn || (nt && out >= LOGITS) ? TS_DTYPE_F32 : dtype,
                         .accumulate = tn };
    const int64_t size = (int64_t)ts_dtype_size(dtype);
    g->lda = tn ? g->m : g->k, g->ldb = nt ? g->k : g->n, g->ldc = g->n;
    g->a = bench_take(m, (size_t)(g->m * g->k * size));
    g->b = bench_take(m, (size_t)(g->n * g->k * size));
    g->c = bench_take(m, (size_t)(g->m * g->n * 4));
    if (!g->a || !g->b || !g->c || !p->packed)
        return g->a && g->b && g->c;
    const size_t packed = ts_packing_bytes(c->isa, p->form, dtype, g->n, g->k);
    ts_gemm_pack_args a = { .form = p->form, .n = g->n, .k = g->k, .ld = g->ldb, .src_dtype = dtype,
                            .dtype = dtype, .src = g->b,
                            .dst = packed ? bench_take(m, packed) : NULL };
    if (!a.dst)
        return false;
    c->kernel[TS_KERNEL_gemm_pack].whole(c, &a, 0);
    g->b = a.dst, g->b_packed = true;
    return true;
}

/* A speed on one thread and on all of them, in GFLOP/s or GB/s. */
typedef struct bench_speed {
    double one, all;
} bench_speed;

static bench_speed say_roof(const check_env *e, ts_dtype dtype, bench_memory *m)
{
    const bench_speed roof = { peak(e->one, dtype, m), peak(e->two, dtype, m) };
    const int threads = ts_pool_threads(e->two->pool);
    const char *variant = e->one->kernel[TS_KERNEL_gemm].variant;
    double load = 0;
    if (getloadavg(&load, 1) != 1)
        load = 0;
    if (e->json)
        check_json("\"what\": \"roof\", \"dtype\": \"%s\", \"variant\": \"%s\", \"threads\": %d, "
                   "\"gflop_per_s\": %.2f, \"one_thread_gflop_per_s\": %.2f, \"load\": %.2f",
                   ts_dtype_name(dtype), variant, threads, roof.all, roof.one, load);
    else
        printf("gemm %s, %s (%s): roof %.1f GFLOP/s on one thread, %.1f on %d; load %.1f\n",
               ts_dtype_name(dtype), e->isa_name, variant, roof.one, roof.all, threads, load);
    return roof;
}

static void say_product(const check_env *e, const bench_pass *p, const int64_t *shape,
                        ts_dtype dtype, bench_speed v, bench_speed roof)
{
    const long long tokens = shape[0], out = shape[1], in = shape[2];
    if (e->json)
        check_json("\"what\": \"%s\", \"packed\": %s, \"dtype\": \"%s\", \"tokens\": %lld, "
                   "\"out\": %lld, \"in\": %lld, \"gflop_per_s\": %.2f, \"share_of_roof\": %.4f, "
                   "\"one_thread_gflop_per_s\": %.2f, \"one_thread_share_of_roof\": %.4f",
                   p->name, p->packed ? "true" : "false", ts_dtype_name(dtype), tokens, out, in,
                   v.all, v.all / roof.all, v.one, v.one / roof.one);
    else
        printf("  %s%-*s %5lld x %6lld x %4lld  %7.1f (%3.0f %%)  %7.1f (%3.0f %%)\n", p->name,
               (int)(22 - strlen(p->name)), p->packed ? ", packed" : "", tokens, out, in, v.one,
               100 * v.one / roof.one, v.all, 100 * v.all / roof.all);
    fflush(stdout);
}

/* Few tokens, as in generation: the weights' bytes are what counts. */
static void say_few(const check_env *e, int64_t tokens, bool packed, ts_dtype dtype, bench_speed v)
{
    if (e->json)
        check_json("\"what\": \"few tokens\", \"packed\": %s, \"dtype\": \"%s\", "
                   "\"tokens\": %lld, \"out\": 8192, \"in\": 2048, \"weights_gb_per_s\": %.2f, "
                   "\"one_thread_weights_gb_per_s\": %.2f",
                   packed ? "true" : "false", ts_dtype_name(dtype), (long long)tokens, v.all,
                   v.one);
    else
        printf("  %-22s %5lld x   8192 x 2048  %7.1f GB/s       %7.1f GB/s\n",
               packed ? "forward, packed" : "forward", (long long)tokens, v.one, v.all);
}

static void bench_type(const check_env *e, ts_dtype dtype, bench_memory *m)
{
    m->used = 0;
    const bench_speed roof = say_roof(e, dtype, m);
    const size_t shapes = e->isa & TS_ISA_BF16 ? CHECK_COUNT(bench_shapes) : 5;
    for (size_t p = 0; p < CHECK_COUNT(passes); p++) {
        double log1 = 0, log2 = 0;
        int count = 0;
        for (size_t s = 0; s < shapes; s++) {
            const int64_t *shape = bench_shapes[s];
            ts_gemm_args g;
            m->used = 0;
            if (!bench_args(&g, e->one, &passes[p], shape, dtype, m))
                continue;
            const bench_speed v = { gflops(e->one, &g), gflops(e->two, &g) };
            log1 += log(v.one / roof.one), log2 += log(v.all / roof.all), count++;
            say_product(e, &passes[p], shape, dtype, v, roof);
        }
        if (count && !e->json)
            printf("  %s%-*s geometric mean           (%3.0f %%)           (%3.0f %%)\n",
                   passes[p].name, (int)(22 - strlen(passes[p].name)),
                   passes[p].packed ? ", packed" : "", 100 * exp(log1 / count),
                   100 * exp(log2 / count));
    }
    for (int64_t tokens = 1; tokens <= 32; tokens *= 2) {
        const int64_t shape[3] = { tokens, 8192, 2048 };
        ts_gemm_args g;
        m->used = 0;
        if (!bench_args(&g, e->one, &passes[1], shape, dtype, m))
            bench_args(&g, e->one, &passes[0], shape, dtype, m);
        const double bytes = (double)ts_dtype_size(dtype) / 2 / (double)tokens; /* a FLOP */
        const bench_speed v = { gflops(e->one, &g) * bytes, gflops(e->two, &g) * bytes };
        say_few(e, tokens, g.b_packed, dtype, v);
    }
}

void bench_gemm(const check_env *e);
void bench_gemm(const check_env *e)
{
    ts_gemm_kernels k;
    ts_gemm_kernels_init(&k, e->isa, TS_DTYPE_F32);
    if (!k.rows) {
        fprintf(stderr, "gemm: the reference is not timed\n");
        return;
    }
    bench_memory m = { .size = (size_t)2400 << 20 };
    m.at = aligned_alloc(4096, m.size);
    if (!m.at) {
        fprintf(stderr, "gemm: no memory to measure on\n");
        return;
    }
    bench_type(e, TS_DTYPE_BF16, &m);
    bench_type(e, TS_DTYPE_F32, &m);
    free(m.at);
}
