#include "device/cpu/scan/scan.h"

TS_SCAN_CHOOSE(ssd)

typedef struct job {
    const ts_cpu *cpu;
    const ts_ssd_args *a;
    ts_ssd_body body;
    int64_t most; /* heads of a task */
    int64_t blocks; /* of a group */
    bool backward;
} job;

static void run_tasks(void *ctx, int64_t begin, int64_t end, int thread)
{
    const job *j = ctx;
    const ts_ssd_args *a = j->a;
    const int64_t of_group = a->heads / a->groups;
    for (int64_t i = begin; i < end; i++) {
        const int64_t block = i % j->blocks, g = i / j->blocks % a->groups;
        const ts_ssd_task task = { .b = i / j->blocks / a->groups, .head = g * of_group + block * j->most,
                                   .n = min64(j->most, of_group - block * j->most), .block = block };
        (j->backward ? j->body.bwd : j->body.fwd)(a, &task, ts_cpu_scratch(j->cpu, thread));
    }
}

static void run(ts_cpu *cpu, job *j)
{
    const ts_ssd_args *a = j->a;
    j->blocks = ceil_div(a->heads / a->groups, j->most);
    ts_pool_run(cpu->pool, a->B * a->groups * j->blocks, 1, run_tasks, j);
}

/* Heads of a task share what is made of B and C; fewer of them where threads would have nothing to do. */
static void ssd_fwd(ts_cpu *cpu, const void *args, int64_t n)
{
    job j = { .cpu = cpu, .a = args };
    (void)n;
    choose_body(cpu, &j.body);
    j.most = ts_ssd_block(j.a->N, j.a->P);
    while (j.most > 1 && j.a->B * j.a->heads < 2 * j.most * ts_pool_threads(cpu->pool))
        j.most /= 2;
    run(cpu, &j);
}

/* Here blocks are what sums are taken over: the same whatever the threads. */
static void ssd_bwd(ts_cpu *cpu, const void *args, int64_t n)
{
    job j = { .cpu = cpu, .a = args, .backward = true };
    (void)n;
    choose_body(cpu, &j.body);
    j.most = ts_ssd_block(j.a->N, j.a->P);
    run(cpu, &j);
}

void ts_cpu_init_ssd(ts_cpu *c)
{
    ts_ssd_body body;
    choose_body(c, &body);
    c->kernel[TS_KERNEL_ssd_fwd] = (ts_cpu_kernel){ .whole = ssd_fwd, .variant = body.name };
    c->kernel[TS_KERNEL_ssd_bwd] = (ts_cpu_kernel){ .whole = ssd_bwd, .variant = body.name };
    c->kernel[TS_KERNEL_ssd_join] = (ts_cpu_kernel){ .rows = body.join, .variant = body.name };
}
