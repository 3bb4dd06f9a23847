/* tessera schedule: a pipeline schedule replayed, before there is a job. */
#include "base/output.h"
#include "cli/command.h"
#include "parallel/schedule_check.h"
#include "parallel/schedule_picture.h"
#include "parallel/schedule_table.h"

#include <stdio.h>

extern const ts_command ts_cmd_schedule;

typedef struct schedule_options {
    int kind;
    int64_t stages, chunks, micro, group;
    bool detaches, in_advance, in_bubble, apart;
    double forward, input_grad, weight_grad, send;
    const char *svg, *trace;
} schedule_options;

#define GROUP "schedule"
#define COSTS "costs, in any unit of time"
#define ROW(type, field, name, def, lo, hi, group, help)                                           \
    TS_ROW(type, schedule_options, field, name, def, lo, hi, NULL, group, help)
static const ts_option rows[] = {
    TS_ROW(CHOICE, schedule_options, kind, "pipeline-schedule", "1f1b", 0, 0,
           TS_CHOICES(TS_SCHEDULES), GROUP, "the order of work"),
    ROW(INT, stages, "pipeline-model-parallel-size", "1", 1, 1 << 16, GROUP, "stages"),
    ROW(INT, micro, "num-microbatches", NULL, 1, 1 << 22, GROUP, "micro-batches of a step"),
    ROW(INT, chunks, "num-virtual-stages-per-pipeline-rank", NULL, 1, 1 << 16, GROUP,
        "chunks of layers a stage (default: 1; dualpipev: 2)"),
    ROW(INT, group, "microbatch-group-size-per-virtual-pipeline-stage", NULL, 1, 1 << 22, GROUP,
        "interleaved, nanopipe: micro-batches through a chunk before the next chunk's turn "
        "(default: the number of stages)"),
    ROW(FLAG, in_advance, "recompute-in-advance", NULL, 0, 0, GROUP,
        "full recomputation, begun before the gradient comes"),
    ROW(FLAG, in_bubble, "recompute-in-bubble", NULL, 0, 0, GROUP,
        "interleaved: recompute only what a stage would hold beyond stages x chunks"),
    ROW(FLAG, detaches, "dualpipev-dw-detach", NULL, 0, 0, GROUP,
        "dualpipev: put weight gradients off in the cool-down"),
    ROW(FLAG, apart, "optimize-send-recv-comm", NULL, 0, 0, GROUP,
        "forward messages and gradients do not wait for each other"),
    ROW(REAL, forward, "forward-cost", "1", 0, 1e12, COSTS,
        "a micro-batch's forward through all layers of a stage; running again costs the same"),
    ROW(REAL, input_grad, "input-gradient-cost", "1", 0, 1e12, COSTS,
        "the half of its backward that the stage before waits for"),
    ROW(REAL, weight_grad, "weight-gradient-cost", "1", 0, 1e12, COSTS, "the other half"),
    ROW(REAL, send, "send-cost", "0", 0, 1e12, COSTS, "a message between two stages"),
    ROW(TEXT, svg, "svg", NULL, 0, 0, GROUP, "a picture (- is the standard output)"),
    ROW(TEXT, trace, "trace", NULL, 0, 0, GROUP,
        "Chrome's trace-event JSON, for ui.perfetto.dev (- is the standard output)"),
};

static const char usage[] =
    "usage: tessera schedule --pipeline-schedule NAME --pipeline-model-parallel-size P --num-microbatches M\n"
    "    [--num-virtual-stages-per-pipeline-rank V] [--svg FILE] [--trace FILE]\n\n"
    "Makes a pipeline schedule, proves that it comes to its end, and says how long each stage idles and how much\n"
    "it holds. Nothing is trained: costs are the ones given. docs/schedules.md explains the schedules.\n\n"
    "example: tessera schedule --pipeline-schedule zero-bubble --pipeline-model-parallel-size 4\n"
    "    --num-microbatches 8 --svg picture.svg";

/* ---- what was asked for ---- */

static ts_status make(const schedule_options *o, const ts_option_set *set, ts_schedule **out)
{
    const ts_schedule_shape shape = {
        .n_stages = o->stages,
        .n_chunks = o->chunks                          ? o->chunks
                    : o->kind == TS_SCHEDULE_DUALPIPEV ? 2
                                                       : 1,
        .n_micro = o->micro,
        .group = o->group,
        .recompute = o->in_advance  ? TS_AGAIN_ADVANCE
                     : o->in_bubble ? TS_AGAIN_BUBBLE
                                    : TS_AGAIN_NONE,
        .detaches_weights = o->detaches,
    };
    TS_TRY(ts_option_exclude(set, "recompute-in-advance", "recompute-in-bubble"));
    if (!o->micro)
        return ts_error(TS_ERR_USER,
                        "--num-microbatches is missing: expected how many a step is cut into");
    if (o->svg && o->trace && ts_output_is_same(o->svg, o->trace))
        return ts_error(TS_ERR_USER, "--svg %s and --trace %s name the same file", o->svg,
                        o->trace);
    return ts_schedule_create((ts_schedule_kind)o->kind, &shape, out);
}

/* A chunk has its share of a stage's layers. */
static ts_schedule_costs costs_of(const schedule_options *o, const ts_schedule *s)
{
    const double v = (double)s->shape.n_chunks;
    return (ts_schedule_costs){
        .unit = { [TS_UNIT_FORWARD] = o->forward / v,
                  [TS_UNIT_BACKWARD] = (o->input_grad + o->weight_grad) / v,
                  [TS_UNIT_INPUT_GRAD] = o->input_grad / v,
                  [TS_UNIT_WEIGHT_GRAD] = o->weight_grad / v,
                  [TS_UNIT_RECOMPUTE] = o->forward / v },
        .send = o->send,
        .shares_link = !o->apart,
    };
}

/* ---- what is told ---- */

static const char *const names[] = {
#define NAME(kind_, word_) [kind_] = word_,
    TS_SCHEDULES(NAME)
};

static double share(double part, double whole) { return whole > 0 ? 100 * part / whole : 0; }

static ts_status title_of(const ts_schedule *s, const ts_replay *r, int kind, ts_str *out)
{
    double idle = 0;
    for (int64_t i = 0; i < r->n_stages; i++)
        idle += r->stage[i].idle / (double)r->n_stages;
    return ts_str_printf(
        out, "%s: stages %lld, chunks of each %lld, micro-batches %lld; time %g, %.1f %% idle",
        names[kind], (long long)s->shape.n_stages, (long long)s->shape.n_chunks,
        (long long)s->shape.n_micro, r->makespan, share(idle, r->makespan));
}

/* In flight: in micro-batches of a whole stage, as a chunk's forward holds 1/v of one. */
static void print_table(const ts_schedule *s, const ts_replay *r, const char *title)
{
    const double v = (double)s->shape.n_chunks;
    printf("%s\n%lld messages between stages\n\n", title, (long long)r->n_messages);
    printf("stage        busy        idle   idle share   in flight   of it weight halves\n");
    for (int64_t i = 0; i < r->n_stages; i++) {
        const ts_schedule_held held = ts_schedule_holds(s, i);
        printf("%5lld  %10.6g  %10.6g  %9.1f %%  %10.4g  %20.4g\n", (long long)i, r->stage[i].busy,
               r->stage[i].idle, share(r->stage[i].idle, r->makespan), (double)held.units / v,
               (double)held.weight_halves / v);
    }
}

typedef ts_status draw_fn(const ts_schedule *s, const ts_replay *r, const char *title, ts_str *out);

static ts_status write_file(const char *option, const char *path, draw_fn *draw,
                            const ts_schedule *s, const ts_replay *r, const char *title)
{
    ts_str text = { 0 };
    if (!path)
        return TS_OK;
    ts_status st = draw(s, r, title, &text);
    if (st == TS_OK)
        st = ts_output_all(option, path, text.s, text.len);
    ts_str_deinit(&text);
    return st;
}

static bool is_stdout(const char *path) { return path && path[0] == '-' && !path[1]; }

static ts_status tell(const schedule_options *o, const ts_schedule *s)
{
    const ts_schedule_costs costs = costs_of(o, s);
    ts_replay r = { 0 };
    ts_str title = { 0 };
    ts_status st = ts_schedule_replay(s, &costs, &r);
    if (st == TS_OK)
        st = title_of(s, &r, o->kind, &title);
    if (st == TS_OK)
        st = write_file("--svg", o->svg, ts_schedule_svg, s, &r, title.s);
    if (st == TS_OK)
        st = write_file("--trace", o->trace, ts_schedule_trace, s, &r, title.s);
    if (st == TS_OK && !is_stdout(o->svg) && !is_stdout(o->trace))
        print_table(s, &r, title.s);
    ts_str_deinit(&title);
    ts_replay_deinit(&r);
    return st;
}

static ts_status run(int argc, char *const *argv)
{
    schedule_options o = { 0 };
    const ts_option_table tables[] = { { rows, sizeof rows / sizeof *rows, &o } };
    ts_option_set *set;
    ts_schedule *s = NULL;
    bool helped;
    TS_TRY(ts_command_options(&ts_cmd_schedule, usage, tables, 1, argc, argv, &set, &helped));
    if (helped)
        return TS_OK;
    ts_status st = make(&o, set, &s);
    if (st == TS_OK)
        st = ts_schedule_check(s, NULL);
    if (st == TS_OK)
        st = tell(&o, s);
    ts_schedule_destroy(&s);
    ts_option_set_destroy(&set);
    return st;
}

const ts_command ts_cmd_schedule = { "schedule",
                                     "a pipeline schedule: who idles, what is held, a picture",
                                     run };
