#include "cli/training.h"

#include "api/words.h"
#include "base/log.h"
#include "dist/world.h"
#include "plan/report.h"
#include "plan/run.h"
#include "train/memory_report.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void start_log(const ts_job_options *o, const ts_comm *comm)
{
    char prefix[128] = "", host[64] = "";
    if (comm->rank > 0) {
        gethostname(host, sizeof host - 1);
        snprintf(prefix, sizeof prefix, "rank %d on %s: ", comm->rank, host);
    }
    /* Rank 0 speaks; the others only when something went wrong on them. */
    ts_log_init(comm->rank > 0 ? TS_LOG_WARN : (ts_log_level)o->runtime.log_level, prefix);
}

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

/* Whether all ranks have the same message; they all call. */
static bool is_said_by_all(ts_comm *comm, const char *message)
{
    const int64_t h = (int64_t)(ts_hash_bytes(message, strlen(message)) >> 1);
    int64_t ends[2] = { h, -h };
    return ts_comm_run(comm, ts_all_reduce(ends, 2, TS_COMM_I64, TS_COMM_MAX)) == TS_OK &&
           ends[0] == -ends[1];
}

/* Of one of several processes, before the end: ending the job may end this process at once. A user's
 * mistake is found by all ranks alike, and rank 0 says it, or by one that sees other files than the rest,
 * which wait for it; any other failure may be this rank's alone. Returns whether all have failed. */
static bool say_failure(ts_comm *comm, ts_status st)
{
    enum { PATIENCE = 20 };
    const bool early = comm->rank == 0 || st != TS_ERR_USER;
    char message[8192];
    snprintf(message, sizeof message, "%s", ts_error_message());
    if (early)
        ts_log(TS_LOG_ERROR, "%s", message);
    const bool is_common = st == TS_ERR_USER && ts_comm_meet(comm, PATIENCE),
               is_same = is_common && is_said_by_all(comm, message);
    if (!early && !is_same)
        ts_log(TS_LOG_ERROR, "%s", message);
    return is_common;
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
        start_log(&t->o, t->comm);
        ts_words_log_notes(t->set);
        st = train(t);
        const bool is_common = t->comm->size == 1 || st == TS_OK || say_failure(t->comm, st);
        const bool is_said = st != TS_OK && t->comm->size > 1;
        ts_comm_finish(&t->comm, !is_common);
        if (is_said)
            st = ts_error(st, "%s", ""); /* and not again at the end */
    }
    ts_option_set_destroy(&t->set);
    return st;
}
