#include "plan/scale.h"

#include "plan/report.h"
#include "plan/run.h"

#include <stdio.h>

/* ---- one world ---- */

typedef struct row {
    int64_t world;
    char why[256]; /* it cannot be; "": it can */
    int replicas;
    int64_t global, peak;
    double seconds, tokens, utilisation, linearity; /* utilisation: of the peak, 0: not known */
    bool fits;
} row;

/* The batch of the first world for each that shares it out. */
static int64_t batch_of(const ts_job_options *o, int64_t world, int64_t first)
{
    const ts_parallel_options *l = &o->parallel;
    const int64_t others = l->tensor * l->context * l->pipeline;
    const int64_t at_first = first / others, here = world / others;
    const int64_t global = o->train.global_batch_size;
    return global && at_first ? global / at_first * here : 0;
}

static ts_status plan_one(const ts_job_options *o, const ts_option_set *set, const ts_plan_options *p,
                          int64_t first, row *r)
{
    ts_job_options here = *o;
    ts_plan_options one = *p;
    ts_plan plan;
    here.train.global_batch_size = batch_of(o, r->world, first);
    one.world_size = r->world;
    const ts_status st = ts_plan_run(&here, set, &one, &plan);
    if (st == TS_ERR_USER)
        snprintf(r->why, sizeof r->why, "%s", ts_error_message());
    if (st == TS_OK) {
        r->replicas = plan.replicas;
        r->global = plan.global;
        r->peak = ts_plan_worst(&plan)->mem.peak;
        r->seconds = plan.step_seconds;
        r->tokens = plan.tokens_per_second;
        r->utilisation = ts_plan_utilisation(&plan);
        r->fits = ts_plan_fits(&plan);
    }
    ts_plan_deinit(&plan);
    return st == TS_ERR_USER ? TS_OK : st;
}

/* Beside the first that can be. */
static void compare(row *r, int64_t n)
{
    const row *first = NULL;
    for (int64_t i = 0; i < n; i++) {
        if (r[i].why[0])
            continue;
        first = first ? first : &r[i];
        r[i].linearity = r[i].tokens / (double)r[i].world / (first->tokens / (double)first->world);
    }
}

/* ---- shown ---- */

static ts_status table(const row *r, int64_t n, ts_str *out)
{
    char peak[32];
    TS_TRY(ts_str_printf(out, "%9s %8s %9s %12s %10s %13s %7s %9s\n", "processes", "replicas", "batch",
                         "memory", "step", "tokens/s", "MFU", "linearity"));
    for (; n-- > 0; r++) {
        char mfu[16] = "";
        if (r->why[0]) {
            TS_TRY(ts_str_printf(out, "%9lld cannot be: %s\n", (long long)r->world, r->why));
            continue;
        }
        if (r->utilisation > 0)
            snprintf(mfu, sizeof mfu, "%.1f %%", 100 * r->utilisation);
        TS_TRY(ts_str_printf(out, "%9lld %8d %9lld %12s %8.3f s %13.0f %7s %7.1f %%%s\n", (long long)r->world,
                             r->replicas, (long long)r->global, ts_human_bytes((double)r->peak, peak),
                             r->seconds, r->tokens, mfu, 100 * r->linearity,
                             r->fits ? "" : "  does NOT FIT"));
    }
    return TS_OK;
}

static json_t *row_json(const row *r)
{
    if (r->why[0])
        return json_pack("{s:I, s:s}", "world_size", (json_int_t)r->world, "error", r->why);
    return json_pack("{s:I, s:i, s:I, s:I, s:o, s:o, s:o, s:o, s:b}", "world_size", (json_int_t)r->world,
                     "replicas", r->replicas, "global_batch_size", (json_int_t)r->global, "peak_bytes",
                     (json_int_t)r->peak, "step_seconds", ts_json_number(r->seconds), "tokens_per_second",
                     ts_json_number(r->tokens), "utilisation", ts_json_number(r->utilisation), "linearity",
                     ts_json_number(r->linearity), "fits", (int)r->fits);
}

static ts_status as_json(const row *r, int64_t n, ts_str *out)
{
    json_t *all = json_array();
    for (int64_t i = 0; all && i < n; i++)
        if (json_array_append_new(all, row_json(&r[i]))) {
            json_decref(all);
            all = NULL;
        }
    const ts_status st = ts_json_write(all, JSON_INDENT(1) | JSON_REAL_PRECISION(15), "the plans", out);
    json_decref(all);
    return st == TS_OK ? ts_str_puts(out, "\n") : st;
}

ts_status ts_plan_scale(const ts_job_options *o, const ts_option_set *set, const ts_plan_options *p,
                        ts_str *out)
{
    int64_t *world, n;
    row *r = NULL;
    TS_TRY(ts_option_numbers("scale", &p->scale, &world, &n));
    ts_status st = ts_alloc(&r, (size_t)n, sizeof *r);
    for (int64_t i = 0; st == TS_OK && i < n; i++) {
        r[i].world = world[i];
        st = world[i] ? plan_one(o, set, p, world[0], &r[i])
                      : ts_error(TS_ERR_USER, "--scale: a job has at least one process");
    }
    if (st == TS_OK) {
        compare(r, n);
        st = p->json ? as_json(r, n, out) : table(r, n, out);
    }
    ts_free(&r);
    ts_free(&world);
    return st;
}
