#include "cli/planning.h"
#include "dist/world.h"
#include "model/presets.h"
#include "plan/inference.h"
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
    "larger than this machine. docs/plan.md says what is exact and what is estimated. With --task infer: what the\n"
    "weights, and keys and values of --max-num-seqs texts, take on each process.\n\n"
    "example: tessera plan --load Llama-3-70B --seq-length 4096 --micro-batch-size 1 --global-batch-size 512\n"
    "    --world-size 64 --train-iters 1000 --lr 1e-4 --bf16 --recompute-granularity full\n"
    "example: tessera plan --task infer --load Llama-3-70B --bf16 --load-in-4bit --world-size 4 --tensor-model-parallel-size 4";

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

static ts_status print_inference(const ts_planning *p, const ts_plan_inference *i)
{
    ts_str text = { 0 };
    int64_t rank; /* under a launcher one process speaks */
    ts_comm_launched(&rank);
    const ts_status st = ts_plan_inference_text(&p->job, p->set, &p->plan, i, &text);
    if (st == TS_OK && rank == 0)
        fputs(text.s, stdout);
    ts_str_deinit(&text);
    return st;
}

/* Options of a use of a model mean nothing to a training. */
static void warn(const ts_option_set *set, const ts_plan_inference *i)
{
    static const char *const own[] = { "max-num-seqs", "max-model-len", "load-in-8bit", "load-in-4bit" };
    for (size_t k = 0; k < sizeof own / sizeof *own; k++)
        ts_option_warn_alone(set, own[k], i->task == TS_PLAN_INFER, "--task infer");
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
    ts_plan_inference i = { 0 };
    const ts_option_table own = { ts_plan_inference_rows, ts_plan_inference_count, &i };
    bool helped;
    TS_TRY(ts_planning_options(&ts_cmd_plan, usage, &own, argc, argv, &p, &helped));
    if (helped)
        return TS_OK;
    warn(p.set, &i);
    const ts_status st = p.plan.list_presets        ? list_presets()
                         : i.task == TS_PLAN_INFER ? print_inference(&p, &i)
                                                   : print_plan(&p.job, p.set, &p.plan);
    ts_option_set_destroy(&p.set);
    return st;
}
