/* tessera report: what runs left behind, on one page. */
#include "base/log.h"
#include "base/output.h"
#include "cli/command.h"
#include "report/page.h"

#include <string.h>

extern const ts_command ts_cmd_report;

typedef struct report_options {
    const char *output, *title;
    ts_option_list plan;
} report_options;

#define GROUP "report"
static const ts_option rows[] = {
    TS_ROW(TEXT, report_options, output, "output", "report.html", 0, 0, NULL, GROUP,
           "the page (- is the standard output)"),
    TS_ROW(
        LIST, report_options, plan, "plan", NULL, 0, 0, NULL, GROUP,
        "what tessera plan --json wrote, a file for each run in their order or one for all: stands beside what was "
        "measured"),
    TS_ROW(TEXT, report_options, title, "title", "Training runs", 0, 0, NULL, GROUP,
           "what stands above"),
};

static const char usage[] =
    "usage: tessera report RUN... [--output FILE.html] [--plan FILE.json...]\n\n"
    "Draws the curves of runs over each other on one page of HTML that needs nothing else, no network and no\n"
    "script: loss, gradient norm, learning rate, speed, memory, traffic; with what differs in their options, what was\n"
    "planned, and what happened. A RUN is a file that --metrics-jsonl wrote, or the folder that holds it, its event\n"
    "files, logs and checkpoints. docs/seeing.md says how the page is to be read.\n\n"
    "example: tessera report runs/a runs/b --output compare.html";

/* The last part of the path, without the end of a file's name. */
static ts_status short_name(const char *path, char **out)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    size_t at = n;
    while (at > 0 && path[at - 1] != '/')
        at--;
    if (n - at > 6 && !strncmp(path + n - 6, ".jsonl", 6))
        n -= 6;
    return ts_strndup(path + at, n - at, out);
}

/* Two of one name are told apart by their whole paths. */
static ts_status name_runs(ts_report *r)
{
    for (size_t i = 0; i < r->n; i++)
        TS_TRY(short_name(r->runs[i].path, &r->runs[i].name));
    for (size_t i = 0; i < r->n; i++) {
        bool is_twice = !strcmp(r->runs[i].name, "metrics");
        for (size_t k = 0; k < r->n; k++)
            is_twice = is_twice || (k != i && !strcmp(r->runs[i].name, r->runs[k].name));
        if (!is_twice)
            continue;
        ts_free(&r->runs[i].name);
        TS_TRY(ts_strdup(r->runs[i].path, &r->runs[i].name));
    }
    return TS_OK;
}

/* A run that cannot be read is left out with a warning as long as another can. */
static ts_status read_runs(int n, char *const *words, ts_report *r)
{
    ts_status st = TS_OK;
    TS_TRY(ts_alloc(&r->runs, (size_t)n, sizeof *r->runs));
    for (int i = 0; i < n; i++) {
        ts_report_run *run = &r->runs[r->n];
        st = ts_report_read_run(run, words[i]);
        if (st == TS_OK) {
            r->n++;
            continue;
        }
        ts_report_run_deinit(run);
        if (st != TS_ERR_USER)
            return st;
        if (r->n || i + 1 < n)
            ts_log(TS_LOG_WARN, "left out: %s", ts_error_message());
    }
    return r->n ? name_runs(r) : st;
}

static ts_status read_plans(const ts_option_list *files, ts_report *r)
{
    if (files->n > 1 && (size_t)files->n != r->n)
        return ts_error(
            TS_ERR_USER,
            "--plan names %lld files for %zu runs: expected one for each, or one for all",
            (long long)files->n, r->n);
    for (size_t i = 0; i < r->n && files->n; i++) {
        const char *path = files->v[files->n > 1 ? i : 0];
        TS_TRY(ts_json_read(path, &r->runs[i].plan));
        if (!json_is_array(json_object_get(r->runs[i].plan, "ranks")))
            return ts_error(TS_ERR_USER,
                            "--plan %s: is no plan: expected what tessera plan --json prints",
                            path);
    }
    return TS_OK;
}

/* What could not be read is said here too, not on the page alone. */
static void say_notes(const ts_report *r)
{
    for (size_t i = 0; i < r->n; i++)
        for (size_t k = 0; k < r->runs[i].n_notes; k++)
            if (!strstr(r->runs[i].notes[k], "warning: "))
                ts_log(TS_LOG_WARN, "%s", r->runs[i].notes[k]);
}

static ts_status write_page(const ts_report *r, const char *path)
{
    ts_str text = { 0 };
    ts_status st = ts_report_page(r, &text);
    if (st == TS_OK)
        st = ts_output_all("--output", path, text.s, text.len);
    ts_str_deinit(&text);
    return st;
}

/* The leading words are the runs. */
static ts_status run(int argc, char *const *argv)
{
    report_options o = { 0 };
    const ts_option_table tables[] = { { rows, sizeof rows / sizeof *rows, &o } };
    ts_report r = { 0 };
    ts_option_set *set;
    bool helped;
    const int n = ts_command_words(argc, argv);
    TS_TRY(ts_command_options(&ts_cmd_report, usage, tables, 1, argc - n, argv + n, &set, &helped));
    if (helped)
        return TS_OK;
    r.title = o.title;
    ts_status st = n ? read_runs(n, argv, &r)
                     : ts_error(TS_ERR_USER,
                                "tessera report: which runs is missing: expected files of metrics "
                                "(--metrics-jsonl) or the folders that hold them");
    if (st == TS_OK)
        st = read_plans(&o.plan, &r);
    if (st == TS_OK) {
        say_notes(&r);
        st = write_page(&r, o.output);
        if (st == TS_OK)
            ts_log(TS_LOG_INFO, "%s: a page of %zu run%s", o.output, r.n, r.n == 1 ? "" : "s");
    }
    for (size_t i = 0; i < r.n; i++)
        ts_report_run_deinit(&r.runs[i]);
    ts_free(&r.runs);
    ts_option_set_destroy(&set);
    return st;
}

const ts_command ts_cmd_report = { "report", "the curves of training runs on one page", run };
