#include "train/profile_options.h"

#include <stdlib.h>
#include <string.h>

#define GROUP "profiling"
#define ROW(type, field, name, def, lo, hi, choices, help)                                         \
    TS_ROW(type, ts_profile_options, field, name, def, lo, hi, choices, GROUP, help)
#define PLACE(field, name, def, help)                                                              \
    TS_ROW_IS(TS_OPTION_PLACE, TEXT, ts_profile_options, field, name, def, 0, 0, NULL, GROUP, help)

const ts_option ts_profile_option_rows[] = {
    ROW(FLAG, on, "profile", NULL, 0, 0, NULL,
        "capture steps: what each process does when, as a trace for ui.perfetto.dev or chrome://tracing, and a "
        "table of where the time went (docs/profiling.md)"),
    ROW(INT, step_start, "profile-step-start", "10", 0, 1e15, NULL,
        "the first iteration that is captured is the one behind this"),
    ROW(INT, step_end, "profile-step-end", "12", -1, 1e15, NULL,
        "the last iteration that is captured (-1: the run's last)"),
    ROW(LIST, ranks, "profile-ranks", NULL, 0, 0, NULL,
        "processes that write what they captured, by their ranks (default, and -1: all)"),
    PLACE(save_path, "profile-save-path", "./profile_dir", "folder for captures; it is made"),
    ROW(CHOICE, level, "profile-level", "level0", 0, 0, TS_CHOICES(TS_PROFILE_LEVELS),
        "modules, units, calls and waits (level0); each kernel too (level1); with its operations, bytes and rates, "
        "and the messages of calls (level2)"),
    ROW(FLAG, with_cpu, "profile-with-cpu", NULL, 0, 0, NULL,
        "the process's own work: copies, and of each unit and step the processor time, page faults and times it lost "
        "its processor"),
    ROW(FLAG, with_stack, "profile-with-stack", NULL, 0, 0, NULL,
        "who called each kernel, as addresses for addr2line (with --profile-level level1 or level2)"),
    ROW(FLAG, with_memory, "profile-with-memory", NULL, 0, 0, NULL,
        "bytes by kind over the step: weights, gradients, optimizer, activations, ..."),
    ROW(FLAG, record_shapes, "profile-record-shapes", NULL, 0, 0, NULL,
        "the sizes that each kernel worked on (with --profile-level level1 or level2)"),
    ROW(FLAG, op_flops, "op-cal-tflops", NULL, 0, 0, NULL,
        "with each log line: the operations that products (matrices and attention) have executed on all processes, "
        "recomputation apart, and the rate of each process with and without it"),
    ROW(FLAG, memory_report, "memory-report", NULL, 0, 0, NULL,
        "say what holds the memory: what has grown between two steps, by kind, module and size, and what the highest "
        "moment was made of, beside the plan (of rank 0, or those of --profile-ranks)"),
    ROW(INT, report_from, "memory-report-from", "1", 1, 1e15, NULL, "the first of the two steps"),
    ROW(INT, report_to, "memory-report-to", "-1", -1, 1e15, NULL, "the second (-1: the run's last)"),
    PLACE(trigger_file, "profile-trigger-file", NULL,
          "a file on the host of rank 0 that is looked for after each step: when someone makes it (touch FILE), the "
          "next steps are captured on all chosen ranks, and it is removed"),
    ROW(INT, trigger_steps, "profile-trigger-steps", "2", 1, 1e6, NULL, "steps that are captured then"),
};
const size_t ts_profile_option_count = sizeof ts_profile_option_rows / sizeof *ts_profile_option_rows;

static bool is_all(const ts_profile_options *o)
{
    return o->ranks.n == 0 || (o->ranks.n == 1 && !strcmp(o->ranks.v[0], "-1"));
}

static ts_status check_ranks(const ts_profile_options *o, int size)
{
    int64_t *rank, n;
    ts_status st = TS_OK;
    if (is_all(o))
        return TS_OK;
    TS_TRY(ts_option_numbers("profile-ranks", &o->ranks, &rank, &n));
    for (int64_t i = 0; i < n && st == TS_OK; i++)
        if (rank[i] >= size)
            st = ts_error(TS_ERR_USER, "--profile-ranks %lld: the ranks of this job are 0 to %d", (long long)rank[i],
                          size - 1);
    ts_free(&rank);
    return st;
}

ts_status ts_profile_options_check(const ts_profile_options *o, int size)
{
    if (o->on && o->step_end >= 0 && o->step_end <= o->step_start)
        return ts_error(TS_ERR_USER,
                        "--profile-step-start %lld, --profile-step-end %lld: nothing lies between; the iterations "
                        "behind the first up to the second are captured",
                        (long long)o->step_start, (long long)o->step_end);
    if (o->memory_report && o->report_to >= 0 && o->report_to <= o->report_from)
        return ts_error(TS_ERR_USER, "--memory-report-to %lld is not behind --memory-report-from %lld",
                        (long long)o->report_to, (long long)o->report_from);
    const char *of_kernels = o->with_stack ? "with-stack" : o->record_shapes ? "record-shapes" : NULL;
    if (of_kernels && o->level == TS_PROFILE_MODULES)
        return ts_error(TS_ERR_USER, "--profile-%s tells of kernels, which --profile-level level0 does not show: give "
                                     "level1 or level2", of_kernels);
    return check_ranks(o, size);
}

bool ts_profile_chooses(const ts_profile_options *o, int rank)
{
    int64_t *chosen, n;
    bool is_chosen = is_all(o);
    if (is_chosen || ts_option_numbers("profile-ranks", &o->ranks, &chosen, &n) != TS_OK)
        return is_chosen;
    for (int64_t i = 0; i < n; i++)
        is_chosen = is_chosen || chosen[i] == rank;
    ts_free(&chosen);
    return is_chosen;
}

ts_timeline_detail ts_profile_detail(const ts_profile_options *o)
{
    return (ts_timeline_detail){ .kernels = o->level >= TS_PROFILE_KERNELS, .costs = o->level == TS_PROFILE_COSTS,
                                 .shapes = o->record_shapes, .memory = o->with_memory, .host = o->with_cpu,
                                 .stack = o->with_stack };
}

void ts_profile_options_warn(const ts_profile_options *o, const ts_option_set *set)
{
    static const char *const of_both[] = { "profile-save-path", "profile-level",
                                           "profile-with-cpu", "profile-with-stack", "profile-with-memory",
                                           "profile-record-shapes" };
    const bool captures = o->on || o->trigger_file || ts_option_is_on(set, "trace"); /* plan's */
    for (size_t i = 0; i < sizeof of_both / sizeof *of_both; i++)
        ts_option_warn_alone(set, of_both[i], captures, "--profile or --profile-trigger-file");
    ts_option_warn_alone(set, "profile-ranks", o->on || o->trigger_file || o->memory_report,
                         "--profile, --profile-trigger-file or --memory-report");
    ts_option_warn_alone(set, "memory-report-from", o->memory_report, "--memory-report");
    ts_option_warn_alone(set, "memory-report-to", o->memory_report, "--memory-report");
    ts_option_warn_alone(set, "profile-step-start", o->on, "--profile");
    ts_option_warn_alone(set, "profile-step-end", o->on, "--profile");
    ts_option_warn_alone(set, "profile-trigger-steps", o->trigger_file, "--profile-trigger-file");
}
