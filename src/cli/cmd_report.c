/* tessera report: what runs left behind, on one page. */
#include "base/log.h"
#include "base/output.h"
#include "cli/command.h"
#include "report/page.h"

#include <stdio.h>

extern const ts_command ts_cmd_report;

typedef struct report_options {
    const char *output, *title;
} report_options;

#define GROUP "report"
static const ts_option rows[] = {
    TS_ROW(TEXT, report_options, output, "output", "report.html", 0, 0, NULL, GROUP,
           "the page (- is the standard output)"),
    TS_ROW(TEXT, report_options, title, "title", "Training runs", 0, 0, NULL, GROUP, "what stands above"),
};

static const char usage[] =
    "usage: tessera report RUN... [--output FILE.html]\n\n"
    "Draws the curves of runs over each other on one page of HTML that needs nothing else, no network and no\n"
    "script: loss, gradient norm, learning rate, speed, memory, traffic. A RUN is a file that --metrics-jsonl wrote.\n"
    "docs/seeing.md says what is read and how the page is to be read.\n\n"
    "example: tessera report runs/a/metrics.jsonl runs/b/metrics.jsonl --output compare.html";

static ts_status read_runs(int n, char *const *words, ts_report *r)
{
    TS_TRY(ts_alloc(&r->runs, (size_t)n, sizeof *r->runs));
    for (int i = 0; i < n; i++) {
        ts_report_run *run = &r->runs[r->n++];
        TS_TRY(ts_strdup(words[i], &run->name));
        TS_TRY(ts_strdup(words[i], &run->path));
        TS_TRY(ts_report_read_metrics(run, words[i]));
    }
    return TS_OK;
}

static ts_status write_page(const ts_report *r, const char *path)
{
    ts_output out = { 0 };
    ts_str text = { 0 };
    ts_status st = ts_report_page(r, &text);
    if (st == TS_OK)
        st = ts_output_open(&out, "--output", path, TS_OUTPUT_REPLACE);
    if (st == TS_OK)
        st = ts_output_write(&out, text.s, text.len);
    if (st == TS_OK)
        st = ts_output_finish(&out);
    ts_output_abandon(&out);
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
    int n = 0;
    while (n < argc && argv[n][0] != '-')
        n++;
    TS_TRY(ts_command_options(&ts_cmd_report, usage, tables, 1, argc - n, argv + n, &set, &helped));
    if (helped)
        return TS_OK;
    r.title = o.title;
    ts_status st = n ? read_runs(n, argv, &r)
                     : ts_error(TS_ERR_USER, "tessera report: which runs is missing: expected files of metrics "
                                             "(--metrics-jsonl)");
    if (st == TS_OK)
        st = write_page(&r, o.output);
    for (size_t i = 0; i < r.n; i++)
        ts_report_run_deinit(&r.runs[i]);
    ts_free(&r.runs);
    ts_option_set_destroy(&set);
    return st;
}

const ts_command ts_cmd_report = { "report", "the curves of training runs on one page", run };
