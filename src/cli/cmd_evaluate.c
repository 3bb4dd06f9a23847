#include "api/evaluate.h"
#include "api/words.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/processes.h"

#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: tessera evaluate --load DIR --task NAME... --task-data-path DIR [--output FILE.jsonl] [--json]\n"
    "       mpirun -n 4 tessera evaluate ...      (samples are dealt to the processes)\n"
    "       mpirun -n 4 tessera evaluate --tensor-model-parallel-size 2 ...     (of which two have a model between them)\n\n"
    "Asks a model the questions of benchmarks and judges its answers, as lm-evaluation-harness 0.4.13 does or, with\n"
    "--eval-rule original, as MindSpeed LLM does. Benchmarks' files are not part of Tessera: docs/evaluation.md says\n"
    "which are looked for under which names.\n"
    "example: tessera evaluate --load models/my-model --task mmlu --task-data-path mmlu/test --num-fewshot 5";

/* ---- results ---- */

static void print_row(const char *indent, const char *name, const json_t *one)
{
    const char *metric;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)one, metric, v)
    {
        char error[160] = "";
        const size_t n = strlen(metric);
        if (!json_is_real(v) || (n > 7 && !strcmp(metric + n - 7, "_stderr")))
            continue;
        snprintf(error, sizeof error, "%s_stderr", metric);
        const json_t *e = json_object_get(one, error);
        error[0] = 0;
        if (json_is_real(e))
            snprintf(error, sizeof error, " +- %.4f", json_real_value(e));
        printf("%-2s%-*s %7lld  %-18s %.4f%s\n", indent, 34, name,
               (long long)json_integer_value(json_object_get(one, "count")), metric, json_real_value(v),
               error);
        name = "";
    }
}

static void print_table(const json_t *tasks)
{
    const char *name, *part;
    json_t *task, *one;
    printf("%-36s %7s  %-18s %s\n", "task", "samples", "metric", "value");
    json_object_foreach((json_t *)(uintptr_t)tasks, name, task)
    {
        print_row("", name, task);
        json_object_foreach(json_object_get(task, "groups"), part, one) print_row(" -", part, one);
        json_object_foreach(json_object_get(task, "subjects"), part, one) print_row("  ", part, one);
    }
}

static ts_status show(const ts_evaluation *e)
{
    ts_str text = { 0 };
    if (!e->o.json) {
        print_table(json_object_get(e->report, "tasks"));
        return TS_OK;
    }
    const ts_status st = ts_json_write(e->report, JSON_INDENT(2), "results", &text);
    if (st == TS_OK)
        puts(text.s);
    ts_str_deinit(&text);
    return st;
}

static ts_status run(int argc, char *const *argv);
const ts_command ts_cmd_evaluate = { "evaluate", "benchmarks: MMLU, GSM8K, HellaSwag, HumanEval and others",
                                     run };

static ts_status run(int argc, char *const *argv)
{
    ts_evaluation e = { 0 };
    ts_option_table tables[TS_EVALUATION_TABLES];
    ts_option_set *set;
    ts_comm *comm = NULL;
    bool helped;
    ts_evaluation_tables(&e, tables);
    TS_TRY(
        ts_command_options(&ts_cmd_evaluate, usage, tables, TS_EVALUATION_TABLES, argc, argv, &set, &helped));
    if (helped)
        return TS_OK;
    ts_status st = ts_comm_world(&comm);
    if (st == TS_OK) {
        ts_processes_log((ts_log_level)e.lm.rt.log_level, comm);
        ts_words_log_notes(set);
        st = ts_evaluation_run(&e, comm);
        if (st == TS_OK && !comm->rank)
            st = show(&e);
        ts_evaluation_end(&e);
        st = ts_processes_end(&comm, st);
    }
    ts_option_set_destroy(&set);
    return st;
}
