#include "device/cpu/scan/scan.h"

TS_SCAN_CHOOSE(selective)

typedef struct job {
    const ts_cpu *cpu;
    const ts_selective_args *a;
    ts_selective_fn *fn;
} job;

static void run_blocks(void *ctx, int64_t begin, int64_t end, int thread)
{
    const job *j = ctx;
    const int64_t blocks = ts_selective_blocks(j->a->channels);
    for (int64_t i = begin; i < end; i++) {
        const int64_t channel = i % blocks * TS_SELECTIVE_BLOCK;
        const ts_selective_task task = { i / blocks, channel, min64(TS_SELECTIVE_BLOCK, j->a->channels - channel) };
        j->fn(j->a, &task, ts_cpu_scratch(j->cpu, thread));
    }
}

static void run(ts_cpu *cpu, const ts_selective_args *a, ts_selective_fn *fn)
{
    job j = { cpu, a, fn };
    ts_pool_run(cpu->pool, a->B * ts_selective_blocks(a->channels), 1, run_blocks, &j);
}

static void selective_fwd(ts_cpu *cpu, const void *args, int64_t n)
{
    ts_selective_body body;
    (void)n;
    choose_body(cpu, &body);
    run(cpu, args, body.fwd);
}

static void selective_bwd(ts_cpu *cpu, const void *args, int64_t n)
{
    ts_selective_body body;
    (void)n;
    choose_body(cpu, &body);
    run(cpu, args, body.bwd);
}

void ts_cpu_init_selective(ts_cpu *c)
{
    ts_selective_body body;
    choose_body(c, &body);
    c->kernel[TS_KERNEL_selective_fwd] = (ts_cpu_kernel){ .whole = selective_fwd, .variant = body.name };
    c->kernel[TS_KERNEL_selective_bwd] = (ts_cpu_kernel){ .whole = selective_bwd, .variant = body.name };
    c->kernel[TS_KERNEL_selective_join] = (ts_cpu_kernel){ .rows = body.join, .variant = body.name };
}
