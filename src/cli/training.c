#include "cli/training.h"

#include "api/words.h"
#include "base/log.h"
#include "cli/processes.h"
#include "plan/report.h"
#include "plan/run.h"
#include "train/memory_report.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void show_timing(const ts_device *dev, const ts_comm *comm)
{
    ts_str table = { 0 };
    if (dev->timing && comm->rank == 0 && ts_device_stat_table(dev, &table) == TS_OK)
        ts_log_raw("%s\n", table.s);
    ts_str_deinit(&table);
}

/* The plan of the same job. One that cannot be made is no reason not to train. */
static bool make_plan(const ts_training *t, ts_plan *plan)
{
    ts_plan_options p;
    ts_job_options o;
    ts_training_plan(t, &o, &p);
    if (ts_plan_run(&o, t->set, &p, plan) == TS_OK)
        return true;
    ts_plan_deinit(plan);
    return false;
}

/* With --memory-report: the highest moment, beside what the plan says of this process's stage. */
static void show_memory(const ts_training *t)
{
    const int stage = t->job.mesh->at[TS_MESH_PP];
    ts_plan plan;
    if (!ts_memory_report_speaks(&t->job))
        return;
    const bool is_planned = make_plan(t, &plan);
    ts_memory_report_peak(&t->job, is_planned && stage < plan.n_ranks ? &plan.rank[stage].held : NULL);
    if (is_planned)
        ts_plan_deinit(&plan);
}

/* What the plan says of the highest moment of a step. */
static void say_memory(const ts_training *t)
{
    ts_plan plan;
    char peak[32], weights[32], gradients[32], optimizer[32], activations[32];
    if (t->comm->rank || !make_plan(t, &plan))
        return;
    const ts_mem_ledger *m = &ts_plan_worst(&plan)->mem;
    ts_log(ts_plan_fits(&plan) ? TS_LOG_INFO : TS_LOG_WARN,
           "memory: about %s in %s at the highest moment of a step (weights %s, gradients "
           "%s, optimizer %s, activations %s)%s",
           ts_human_bytes((double)m->peak, peak),
           plan.n_ranks > 1 ? "each process of the largest stage" : "each process",
           ts_human_bytes((double)m->at_peak[TS_MEM_WEIGHT], weights),
           ts_human_bytes((double)m->at_peak[TS_MEM_GRAD], gradients),
           ts_human_bytes((double)m->at_peak[TS_MEM_OPTIM], optimizer),
           ts_human_bytes((double)m->at_peak[TS_MEM_ACT], activations),
           ts_plan_fits(&plan) ? "" : ", which does not fit: see `tessera plan` with the same options");
    ts_plan_deinit(&plan);
}

static ts_status train(ts_training *t)
{
    const ts_job_hooks hooks = { .signals = true };
    ts_job_watch_loading();
    signal(SIGPIPE, SIG_IGN); /* who reads the metrics or the log may go; the run stays */
    ts_status st = ts_training_begin(t);
    if (st == TS_OK)
        st = ts_comm_agree(t->comm, ts_job_describe(&t->job));
    if (st == TS_OK) {
        say_memory(t);
        st = ts_job_run(&t->job, &hooks);
        show_timing(t->dev, t->comm);
        if (st == TS_OK)
            show_memory(t);
    }
    st = ts_device_explain(t->dev, st);
    ts_training_end(t);
    return st;
}

ts_status ts_train_command(const ts_command *cmd, const char *usage, const ts_option_table tables[TS_JOB_TABLES], bool tunes,
                           int argc, char *const *argv, ts_training *t)
{
    bool helped;
    TS_TRY(ts_command_options(cmd, usage, tables, TS_JOB_TABLES, argc, argv, &t->set, &helped));
    if (helped)
        return TS_OK;
    ts_status st = TS_OK;
    if (tunes && !ts_tuning_on(&t->o.tuning))
        st = ts_error(TS_ERR_USER, "--stage is missing, or pt: sft trains on answers; `tessera pretrain` trains on text");
    if (st == TS_OK)
        st = ts_comm_world(&t->comm);
    if (st == TS_OK) {
        ts_processes_log((ts_log_level)t->o.runtime.log_level, t->comm);
        ts_words_log_notes(t->set);
        st = ts_processes_end(&t->comm, train(t));
    }
    ts_option_set_destroy(&t->set);
    return st;
}
