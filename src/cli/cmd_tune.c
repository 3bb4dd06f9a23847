#include "base/output.h"
#include "base/thread.h"
#include "cli/planning.h"
#include "dist/world.h"
#include "plan/tune.h"

#include <stdio.h>
#include <unistd.h>

typedef struct tune_options {
    const char *svg;
    int64_t top;
} tune_options;

static const ts_option rows[] = {
    TS_ROW(TEXT, tune_options, svg, "svg", NULL, 0, 0, NULL, "tune", "a picture of all that were compared"),
    TS_ROW(INT, tune_options, top, "top", "10", 1, 100000, NULL, "tune", "rows of the table"),
};

static const char usage[] =
    "usage: tessera tune --world-size N [--hardware NAME|FILE.json] [--memory-limit-gb X] [--svg FILE] (options of "
    "pretrain)\n\n"
    "Plans every layout of a job that its options leave open (tensor, pipeline and context parallelism, chunks of\n"
    "stages, the micro-batch, the distributed optimizer, recomputation) and says which is fastest of those that fit,\n"
    "and what each other choice would cost. What you give is kept. Nothing is trained and no data are read.\n\n"
    "example: tessera tune --load Llama-3-70B --seq-length 8192 --global-batch-size 256 --train-iters 1 --lr 1e-4 --bf16\n"
    "    --world-size 64 --hardware h100 --svg layouts.svg";

static double last_said;

/* A line on a terminal, each second. */
static void say_progress(int64_t done, int64_t all)
{
    const double now = ts_now();
    if (!isatty(2) || (now - last_said < 1 && done < all))
        return;
    last_said = now;
    fprintf(stderr, "\r%lld of %lld combinations%s", (long long)done, (long long)all, done < all ? "" : "\n");
}

static ts_status show(const ts_tuning *t, const tune_options *o, bool json)
{
    ts_str text = { 0 }, picture = { 0 };
    ts_status st = json ? ts_tuning_json(t, &text) : ts_tuning_table(t, o->top, &text);
    if (st == TS_OK && o->svg)
        st = ts_tuning_svg(t, &picture);
    if (st == TS_OK && o->svg)
        st = ts_output_all("--svg", o->svg, picture.s, picture.len);
    if (st == TS_OK)
        fputs(text.s, stdout);
    ts_str_deinit(&picture);
    ts_str_deinit(&text);
    return st;
}

static ts_status tune(const ts_job_options *o, const ts_option_set *set, const ts_plan_options *p,
                      const tune_options *t)
{
    ts_tuning found;
    int64_t rank;
    ts_comm_launched(&rank);
    if (rank > 0) /* under a launcher one process is enough */
        return TS_OK;
    if (t->svg)
        TS_TRY(ts_output_check("--svg", t->svg));
    last_said = ts_now();
    ts_status st = ts_tune(o, set, p, say_progress, &found);
    if (st == TS_OK)
        st = show(&found, t, p->json);
    ts_tuning_deinit(&found);
    return st;
}

static ts_status run(int argc, char *const *argv);
const ts_command ts_cmd_tune = { "tune", "find the layout of a training job that is fastest and fits", run };

static ts_status run(int argc, char *const *argv)
{
    ts_planning p;
    tune_options t = { 0 };
    const ts_option_table own = { rows, sizeof rows / sizeof *rows, &t };
    bool helped;
    TS_TRY(ts_planning_options(&ts_cmd_tune, usage, &own, argc, argv, &p, &helped));
    if (helped)
        return TS_OK;
    const ts_status st = tune(&p.job, p.set, &p.plan, &t);
    ts_option_set_destroy(&p.set);
    return st;
}
