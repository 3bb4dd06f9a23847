#include "device/cpu/gemm/gemm.h"

#include "device/cpu/gemm/gemm_kernels.h"

#include <string.h>

/* Products of many groups. One that is large keeps all threads busy by itself; of small ones, such as
 * those of a hundred experts with some rows each, every thread does whole products alone, with a part of
 * the shared scratch:
 *
 *   large        thread 0 |0000|1111|          small      thread 0 |0|2|5|
 *                thread 1 |0000|1111|                     thread 1 |1|3|4|
 *
 * Which way it goes changes no sum (device/kernels/gemm.h). */

enum { PART = 192 * 64 }; /* parts of the scratch are multiples, so that two thirds are 64-aligned */

typedef struct groups_job {
    const ts_gemm_groups_args *g;
    ts_cpu *cpu;
    int64_t part; /* bytes of the shared scratch for a thread */
    int64_t most; /* multiplications of a product that a thread does alone */
    bool small;   /* those that are done now */
} groups_job;

/* Rows of all groups together. */
static int64_t all_rows(const ts_gemm_groups_args *g)
{
    return g->offsets ? g->offsets[g->groups] : g->groups * g->rows;
}

static ts_gemm_args product_of(const ts_gemm_groups_args *g, int64_t i)
{
    ts_gemm_args a = g->one;
    if (!g->offsets) {
        a.m = g->rows;
        a.a = (const char *)a.a + (size_t)i * g->a_stride;
        a.b = (const char *)a.b + (size_t)i * g->b_stride;
        a.c = (char *)a.c + (size_t)i * g->c_stride;
        return a;
    }
    const int64_t begin = g->offsets[i], n = g->offsets[i + 1] - begin;
    const int64_t size = (int64_t)ts_dtype_size(a.dtype);
    const bool tn = a.form == TS_GEMM_TN;
    *(tn ? &a.k : &a.m) = n;
    a.a = (const char *)a.a + begin * a.lda * size;
    a.b = (const char *)a.b + (tn ? (size_t)(begin * a.ldb * size) : (size_t)i * g->b_stride);
    a.c = (char *)a.c + (tn ? (size_t)i * g->c_stride
                            : (size_t)(begin * a.ldc) * ts_dtype_size(a.c_dtype));
    if (a.bias)
        a.bias += i * a.n;
    return a;
}

/* Whether what it packs fits a thread's part, and it is not too long for one thread. */
static bool is_small(const groups_job *j, const ts_gemm_args *a)
{
    const int64_t steps = a->k + 16, b = steps * round_up(a->n, 64) * 4, rows = steps * round_up(a->m, 64) * 4;
    return a->m * a->n * a->k <= j->most && b <= j->part / 3 * 2 && rows <= j->part / 3;
}

static void multiply(ts_cpu *cpu, const ts_gemm_args *a)
{
    if (a->m > 0)
        cpu->kernel[TS_KERNEL_gemm].whole(cpu, a, 0);
}

static void run_small(void *ctx, int64_t begin, int64_t end, int thread)
{
    const groups_job *j = ctx;
    ts_cpu own = *j->cpu;
    own.pool = j->cpu->alone;
    own.shared_scratch = j->cpu->shared_scratch + thread * j->part;
    own.shared_bytes = j->part;
    own.thread_scratch = ts_cpu_scratch(j->cpu, thread);
    for (int64_t i = begin; i < end; i++) {
        const ts_gemm_args a = product_of(j->g, i);
        if (is_small(j, &a))
            multiply(&own, &a);
    }
}

static void zero_behind(const ts_gemm_groups_args *g)
{
    const ts_gemm_args *a = &g->one;
    const size_t row = (size_t)a->ldc * ts_dtype_size(a->c_dtype);
    const int64_t end = g->offsets ? g->offsets[g->groups] : g->rows;
    if (a->form != TS_GEMM_TN && end < g->rows)
        memset((char *)a->c + (size_t)end * row, 0, (size_t)(g->rows - end) * row);
}

static void gemm_groups(ts_cpu *cpu, const void *args, int64_t n)
{
    const ts_gemm_groups_args *g = args;
    const ts_gemm_args *a = &g->one;
    const int threads = ts_pool_threads(cpu->pool);
    const bool tn = a->form == TS_GEMM_TN;
    const int64_t work = all_rows(g) * a->n * (tn ? a->m : a->k);
    groups_job j = { .g = g, .cpu = cpu, .part = cpu->shared_bytes / threads / PART * PART,
                     .most = threads > 1 ? work / threads / 2 : -1 };
    (void)n;
    if (threads > 1)
        ts_pool_run(cpu->pool, g->groups, 1, run_small, &j);
    for (int64_t i = 0; i < g->groups; i++) {
        const ts_gemm_args p = product_of(g, i);
        if (!is_small(&j, &p))
            multiply(cpu, &p);
    }
    zero_behind(g);
}

void ts_cpu_init_gemm_groups(ts_cpu *c)
{
    c->kernel[TS_KERNEL_gemm_groups] =
        (ts_cpu_kernel){ .whole = gemm_groups, .variant = c->kernel[TS_KERNEL_gemm].variant };
}
