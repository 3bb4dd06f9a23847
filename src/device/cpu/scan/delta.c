#include "device/cpu/scan/scan.h"

TS_SCAN_CHOOSE(delta)

typedef struct job {
    const ts_cpu *cpu;
    const ts_delta_args *a;
    ts_delta_fn *fn;
} job;

static void run_heads(void *ctx, int64_t begin, int64_t end, int thread)
{
    const job *j = ctx;
    for (int64_t i = begin; i < end; i++)
        j->fn(j->a, i / j->a->heads, i % j->a->heads, ts_cpu_scratch(j->cpu, thread));
}

static void run(ts_cpu *cpu, const ts_delta_args *a, ts_delta_fn *fn)
{
    job j = { cpu, a, fn };
    ts_pool_run(cpu->pool, a->B * a->heads, 1, run_heads, &j);
}

#define WHOLE(name, fn)                                                                            \
    static void name(ts_cpu *cpu, const void *args, int64_t n)                                     \
    {                                                                                              \
        ts_delta_body body;                                                                        \
        (void)n;                                                                                   \
        choose_body(cpu, &body);                                                                   \
        run(cpu, args, body.fn);                                                                   \
    }
WHOLE(delta_fwd, fwd)
WHOLE(delta_bwd, bwd)
WHOLE(kda_fwd, kda_fwd)
WHOLE(kda_bwd, kda_bwd)

void ts_cpu_init_delta(ts_cpu *c)
{
    ts_delta_body body;
    choose_body(c, &body);
    c->kernel[TS_KERNEL_delta_fwd] = (ts_cpu_kernel){ .whole = delta_fwd, .variant = body.name };
    c->kernel[TS_KERNEL_delta_bwd] = (ts_cpu_kernel){ .whole = delta_bwd, .variant = body.name };
    c->kernel[TS_KERNEL_kda_fwd] = (ts_cpu_kernel){ .whole = kda_fwd, .variant = body.name };
    c->kernel[TS_KERNEL_kda_bwd] = (ts_cpu_kernel){ .whole = kda_bwd, .variant = body.name };
    c->kernel[TS_KERNEL_delta_join] = (ts_cpu_kernel){ .rows = body.join, .variant = body.name };
}
