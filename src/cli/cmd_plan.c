#include "cli/planning.h"
#include "dist/world.h"
#include "model/presets.h"
#include "plan/report.h"
#include "plan/run.h"
#include "plan/scale.h"
#include "plan/trace.h"
#include "train/together.h"

#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: tessera plan [--world-size N] [--hardware NAME|FILE.json] [--trace FILE] [--json] (options of pretrain)\n\n"
    "Says what a training job will need before it runs: memory of each process and where it is highest,\n"
    "operations, messages, and about how long a step takes. Give the options of `tessera pretrain`; --world-size\n"
    "stands for the launcher (mpirun -n N). Nothing is computed and no data are read, so a model may be far\n"
    "larger than this machine. docs/plan.md says what is exact and what is estimated.\n\n"
    "example: tessera plan --load Llama-3-70B --seq-length 4096 --micro-batch-size 1 --global-batch-size 512\n"
    "    --world-size 64 --train-iters 1000 --lr 1e-4 --bf16 --recompute-granularity full";

static ts_status print_scale(const ts_job_options *o, const ts_option_set *set, const ts_plan_options *p,
                             int64_t rank)
{
    ts_str text = { 0 };
    const ts_status st = ts_plan_scale(o, set, p, &text);
    if (st == TS_OK && rank == 0)
        fputs(text.s, stdout);
    ts_str_deinit(&text);
    return st;
}

static ts_status print_plan(const ts_job_options *o, const ts_option_set *set,
                            const ts_plan_options *p)
{
    ts_plan plan;
    ts_str text = { 0 };
    int64_t rank; /* under a launcher one process speaks */
    ts_comm_launched(&rank);
    TS_TRY(ts_option_exclude(set, "scale", "trace"));
    if (p->scale.n)
        return print_scale(o, set, p, rank);
    ts_status st = ts_plan_run(o, set, p, &plan);
    if (st == TS_OK)
        st = p->json ? ts_plan_json(&plan, &text) : ts_plan_table(&plan, &text);
    if (st == TS_OK && rank == 0)
        ts_job_warn_alone(o, set, plan.world_size);
    if (st == TS_OK && rank == 0 && p->trace)
        st = ts_plan_write_trace(&plan, p->trace);
    if (st == TS_OK && rank == 0 && !(p->trace && !strcmp(p->trace, "-")))
        fputs(text.s, stdout);
    ts_str_deinit(&text);
    ts_plan_deinit(&plan);
    return st;
}

static ts_status list_presets(void)
{
    ts_str text = { 0 };
    const ts_status st = ts_preset_list(&text);
    if (st == TS_OK)
        fputs(text.s, stdout);
    ts_str_deinit(&text);
    return st;
}

static ts_status run(int argc, char *const *argv);
const ts_command ts_cmd_plan = { "plan", "say what a training job will need, without running it",
                                 run };

static ts_status run(int argc, char *const *argv)
{
    ts_planning p;
    bool helped;
    TS_TRY(ts_planning_options(&ts_cmd_plan, usage, NULL, argc, argv, &p, &helped));
    if (helped)
        return TS_OK;
    const ts_status st = p.plan.list_presets ? list_presets() : print_plan(&p.job, p.set, &p.plan);
    ts_option_set_destroy(&p.set);
    return st;
}
