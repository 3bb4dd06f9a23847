/* tessera diff-runs: where two runs part ways. */
#include "cli/command.h"
#include "report/dump_diff.h"

#include <stdio.h>

extern const ts_command ts_cmd_diff_runs;

typedef struct diff_options {
    double tolerance;
    int64_t top;
} diff_options;

#define GROUP "comparison"
static const ts_option rows[] = {
    TS_ROW(REAL, diff_options, tolerance, "tolerance", "0", 0, 1e30, NULL, GROUP,
           "how far values may be apart, as a share of the tensor's largest (0: not at all)"),
    TS_ROW(INT, diff_options, top, "top", "30", 0, 1 << 30, NULL, GROUP, "rows of the table"),
};

static const char usage[] =
    "usage: tessera diff-runs A B [--tolerance X]\n\n"
    "A and B are folders that pretrain --dump-steps wrote (--dump-path). Names the first tensor that differs, in the\n"
    "order of computation, and by how much, then the others. The runs may have other layouts: what their processes\n"
    "wrote is put together. Runs that are the same exit with 0, others with 1. docs/seeing.md has an example.\n\n"
    "example: tessera diff-runs dumps/one dumps/tp2 --tolerance 1e-5";

static ts_status compare(const char *a, const char *b, const diff_options *o)
{
    ts_dump_comparison c;
    ts_str text = { 0 };
    char title[512];
    TS_TRY(ts_dumps_compare(a, b, o->tolerance, &c));
    ts_status st = ts_dumps_table(&c, o->top, &text);
    const ts_dump_difference *first = ts_dumps_first(&c);
    if (st == TS_OK) {
        fputs(text.s, stdout);
        if (first)
            st = ts_error(TS_ERR_RUN, "the runs differ, first in: %s",
                          ts_dumped_title(first->a ? first->a : first->b, title));
        else
            printf("%s and %s are the same%s\n", a, b,
                   c.count[TS_DUMPS_NEAR] ? " within the tolerance" : "");
    }
    ts_str_deinit(&text);
    ts_dump_comparison_deinit(&c);
    return st;
}

/* The two leading words are the folders. */
static ts_status run(int argc, char *const *argv)
{
    diff_options o = { 0 };
    const ts_option_table tables[] = { { rows, sizeof rows / sizeof *rows, &o } };
    ts_option_set *set;
    bool helped;
    const int n = ts_command_words(argc, argv);
    TS_TRY(
        ts_command_options(&ts_cmd_diff_runs, usage, tables, 1, argc - n, argv + n, &set, &helped));
    if (helped)
        return TS_OK;
    const ts_status st =
        n == 2 ? compare(argv[0], argv[1], &o)
               : ts_error(TS_ERR_USER,
                          "tessera diff-runs: %d folders were given: expected two, which "
                          "pretrain --dump-steps wrote",
                          n);
    ts_option_set_destroy(&set);
    return st;
}

const ts_command ts_cmd_diff_runs = { "diff-runs",
                                      "the first tensor in which two training runs differ", run };
