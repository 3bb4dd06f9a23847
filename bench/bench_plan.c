/* What `plan` says against what happens: runs a training job (made-up tokens) on this CPU and on
 * the simulated one, kernel by kernel. With one thread the processor's time is measured, so a busy
 * machine does little harm.
 *     bench_plan STEPS (options of tessera plan) */
#include "base/thread.h"
#include "plan/hardware.h"
#include "plan/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef void launch_fn(ts_device *d, ts_kernel k, const void *args, int64_t n, ts_cost cost);

static launch_fn *real_launch;
static bool by_processor;
static double seconds[TS_KERNEL_COUNT];

static double now(void)
{
    struct timespec t;
    if (!by_processor)
        return ts_now();
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void timed_launch(ts_device *d, ts_kernel k, const void *args, int64_t n, ts_cost cost)
{
    const double began = now();
    real_launch(d, k, args, n, cost);
    seconds[k] += now() - began;
}

static ts_status measure(ts_job *job, int steps, double *best, double *step)
{
    ts_step_result r;
    *step = 1e30;
    for (int k = 0; k < TS_KERNEL_COUNT; k++)
        best[k] = 1e30;
    for (int i = 0; i <= steps; i++) {
        memset(seconds, 0, sizeof seconds);
        const double began = now();
        TS_TRY(ts_trainer_step(job->trainer, false, &r));
        const double took = now() - began;
        if (i == 0)
            continue; /* fresh memory */
        *step = took < *step ? took : *step;
        for (int k = 0; k < TS_KERNEL_COUNT; k++)
            best[k] = seconds[k] < best[k] ? seconds[k] : best[k];
    }
    return TS_OK;
}

static void print_table(const ts_plan *p, const double *best, double step)
{
    double kernels = 0;
    printf("%-14s %8s %12s %12s %8s %10s %10s\n", "kernel", "calls", "measured ms", "planned ms",
           "ratio", "GFLOP/s", "GB/s");
    for (int k = 0; k < TS_KERNEL_COUNT; k++) {
        const ts_kernel_stat *s = &p->rank[0].kernel[k];
        if (!s->calls)
            continue;
        kernels += best[k];
        printf("%-14s %8lld %12.3f %12.3f %8.2f %10.1f %10.1f\n", ts_kernel_name((ts_kernel)k),
               (long long)s->calls, best[k] * 1e3, s->seconds * 1e3, s->seconds / best[k],
               s->flops / best[k] * 1e-9, s->bytes / best[k] * 1e-9);
    }
    printf("%-14s %8s %12.3f\n", "outside", "", (step - kernels) * 1e3);
    printf("%-14s %8s %12.3f %12.3f %8.2f\n", "step", "", step * 1e3, p->step_seconds * 1e3,
           p->step_seconds / step);
}

static ts_status bench(const ts_job_options *o, const ts_option_set *set, const ts_plan_options *po,
                       int steps)
{
    ts_plan plan;
    ts_device *dev = NULL;
    ts_comm *comm = NULL;
    ts_job job;
    double best[TS_KERNEL_COUNT], step;
    TS_TRY(ts_plan_run(o, set, po, &plan));
    by_processor = plan.hw.threads == 1;
    TS_TRY(ts_runtime_open(&o->runtime, 0, 1, &dev));
    real_launch = dev->launch;
    dev->launch = timed_launch;
    TS_TRY(ts_comm_self_create(&comm));
    TS_TRY(ts_job_open(o, set, dev, comm, false, &job));
    TS_TRY(measure(&job, steps, best, &step));
    print_table(&plan, best, step);
    printf("memory: planned %.3f MB, accounted %.3f MB\n", (double)plan.rank[0].mem.peak * 1e-6,
           (double)dev->mem.peak * 1e-6);
    ts_plan_deinit(&plan);
    ts_job_close(&job);
    ts_comm_destroy(&comm);
    ts_device_close(&dev);
    return TS_OK;
}

int main(int argc, char **argv)
{
    ts_job_options o = { 0 };
    ts_plan_options p = { 0 };
    ts_option_table tables[TS_JOB_TABLES + 1];
    ts_option_set *set;
    if (argc < 2 || atoi(argv[1]) < 1) {
        fprintf(stderr, "usage: bench_plan STEPS (options of tessera plan)\n");
        return 2;
    }
    ts_job_tables(&o, tables);
    tables[TS_JOB_TABLES] = (ts_option_table){ ts_plan_option_rows, ts_plan_option_count, &p };
    ts_status st = ts_option_set_create(tables, TS_JOB_TABLES + 1, &set);
    if (st == TS_OK)
        st = ts_option_parse(set, argc - 2, argv + 2);
    if (st == TS_OK)
        st = ts_option_finish(set);
    if (st == TS_OK)
        st = bench(&o, set, &p, atoi(argv[1]));
    if (st != TS_OK)
        fprintf(stderr, "%s\n", ts_error_message());
    return ts_status_exit_code(st);
}
