#include "plan/tune.h"

#include "plan/report.h"
#include "plan/run.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const names[TS_TUNED] = {
    [TS_TUNED_TENSOR] = "tensor-model-parallel-size",
    [TS_TUNED_PIPELINE] = "pipeline-model-parallel-size",
    [TS_TUNED_CHUNKS] = "num-virtual-stages-per-pipeline-rank",
    [TS_TUNED_CONTEXT] = "context-parallel-size",
    [TS_TUNED_MICRO] = "micro-batch-size",
    [TS_TUNED_STATE] = "use-distributed-optimizer",
    [TS_TUNED_RECOMPUTE] = "recompute-granularity",
};

const char *ts_tuned_name(ts_tuned t) { return names[t]; }

/* ---- what is tried ---- */

enum { MOST_VALUES = 40, LONG_SEQUENCE = 16384 };
typedef struct values {
    int64_t v[MOST_VALUES];
    int n;
} values;

static void add(values *x, int64_t v)
{
    if (x->n < MOST_VALUES)
        x->v[x->n++] = v;
}

static values divisors(int64_t of, int64_t most)
{
    values x = { 0 };
    for (int64_t i = 1; i <= of && i <= most; i++)
        if (of % i == 0)
            add(&x, i);
    return x;
}

static int64_t given_value(const ts_job_options *o, ts_tuned t)
{
    const ts_parallel_options *p = &o->parallel;
    const int64_t v[TS_TUNED] = { p->tensor, p->pipeline, p->chunks, p->context, o->train.micro_batch_size,
                                  p->distributed_optimizer,
                                  o->train.recompute_granularity == TS_GRANULARITY_FULL };
    return v[t];
}

/* Values to try of one thing, whatever the others. */
static values values_of(const ts_job_options *o, int64_t world, ts_tuned t)
{
    values x = { 0 };
    switch (t) {
    case TS_TUNED_TENSOR: return divisors(world, 64);
    case TS_TUNED_PIPELINE: return divisors(world, 128);
    case TS_TUNED_CONTEXT: return divisors(world, o->train.seq_length >= LONG_SEQUENCE ? 64 : 1);
    case TS_TUNED_CHUNKS: add(&x, 1), add(&x, 2), add(&x, 4); return x;
    case TS_TUNED_MICRO: add(&x, 1), add(&x, 2), add(&x, 4), add(&x, 8); return x;
    default: add(&x, 0), add(&x, 1); return x;
    }
}

/* Ways to say how layers are shared out, beside --num-virtual-stages-per-pipeline-rank. */
static bool says_stages(const ts_option_set *set)
{
    static const char *const ways[] = { "num-layers-per-virtual-pipeline-stage", "num-layer-list",
                                        "pipeline-model-parallel-layout", "schedules-method",
                                        "pipeline-num-transformer-layers", "pipeline-schedule" };
    bool yes = false;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        yes = yes || ts_option_given(set, ways[i]);
    return yes;
}

/* Of no use, or the same as another. */
static bool is_idle(const ts_job_options *o, const int64_t *v, int64_t world)
{
    const int64_t used = v[TS_TUNED_TENSOR] * v[TS_TUNED_PIPELINE] * v[TS_TUNED_CONTEXT];
    const int64_t dp = world % used ? 0 : world / used;
    const int64_t global = o->train.global_batch_size;
    if (!dp || (v[TS_TUNED_CHUNKS] > 1 && v[TS_TUNED_PIPELINE] == 1) || (v[TS_TUNED_STATE] && dp == 1))
        return true;
    return global && global % (v[TS_TUNED_MICRO] * dp);
}

/* ---- one of them ---- */

static void apply(ts_job_options *o, const int64_t *v)
{
    ts_parallel_options *p = &o->parallel;
    p->tensor = v[TS_TUNED_TENSOR];
    p->sequence = p->sequence || p->tensor > 1;
    p->pipeline = v[TS_TUNED_PIPELINE];
    p->chunks = v[TS_TUNED_CHUNKS] > 1 ? v[TS_TUNED_CHUNKS] : 0;
    p->context = v[TS_TUNED_CONTEXT];
    p->distributed_optimizer = v[TS_TUNED_STATE];
    o->train.micro_batch_size = v[TS_TUNED_MICRO];
    if (v[TS_TUNED_RECOMPUTE])
        o->train.recompute_granularity = TS_GRANULARITY_FULL;
}

static void describe(const ts_plan *plan, ts_candidate *c)
{
    c->peak = ts_plan_worst(plan)->mem.peak;
    c->seconds = plan->step_seconds;
    c->tokens = plan->tokens_per_second;
    c->bubble = plan->bubble;
    c->utilisation = ts_plan_utilisation(plan);
    c->fits = ts_plan_fits(plan);
    for (int i = 0; i < plan->n_ranks; i++) {
        const double share = plan->rank[i].network_seconds / plan->step_seconds;
        c->network = share > c->network ? share : c->network;
    }
}

static ts_status try_one(const ts_job_options *o, const ts_option_set *set, const ts_plan_options *p,
                         const int64_t *v, ts_tuning *t)
{
    ts_job_options here = *o;
    ts_plan plan;
    apply(&here, v);
    const ts_status st = ts_plan_run(&here, set, p, &plan);
    t->refused += st == TS_ERR_USER;
    if (st == TS_OK) {
        TS_TRY(ts_grow(&t->v, &t->cap, (size_t)t->n + 1, sizeof *t->v));
        ts_candidate *c = &t->v[t->n++];
        *c = (ts_candidate){ 0 };
        for (int k = 0; k < TS_TUNED; k++)
            c->value[k] = v[k];
        describe(&plan, c);
        snprintf(t->hardware, sizeof t->hardware, "%s", plan.hw.name);
        t->world = plan.world_size;
    }
    ts_plan_deinit(&plan);
    return st == TS_ERR_USER ? TS_OK : st;
}

/* ---- all of them ---- */

static int better_first(const void *a, const void *b)
{
    const ts_candidate *x = a, *y = b;
    if (x->fits != y->fits)
        return x->fits ? -1 : 1;
    if (!x->fits && x->peak != y->peak)
        return x->peak < y->peak ? -1 : 1;
    return (x->tokens < y->tokens) - (x->tokens > y->tokens);
}

/* Number `at` of all combinations. */
static void combination(const values *all, int64_t at, int64_t *v)
{
    for (int t = 0; t < TS_TUNED; t++) {
        v[t] = all[t].v[at % all[t].n];
        at /= all[t].n;
    }
}

ts_status ts_tune(const ts_job_options *o, const ts_option_set *set, const ts_plan_options *p,
                  void (*progress)(int64_t done, int64_t all), ts_tuning *out)
{
    values all[TS_TUNED];
    const int64_t world = ts_plan_world_size(o, p);
    int64_t n = 1, v[TS_TUNED];
    *out = (ts_tuning){ .world = (int)world };
    for (ts_tuned t = 0; t < TS_TUNED; t++) {
        out->given[t] = ts_option_given(set, names[t]) || (t == TS_TUNED_CHUNKS && says_stages(set));
        all[t] = values_of(o, world, t);
        if (out->given[t])
            all[t] = (values){ { given_value(o, t) }, 1 };
        n *= all[t].n;
    }
    ts_status st = TS_OK;
    for (int64_t i = 0; st == TS_OK && i < n; i++) {
        combination(all, i, v);
        if (!is_idle(o, v, world))
            st = try_one(o, set, p, v, out);
        if (progress)
            progress(i + 1, n);
    }
    if (st == TS_OK && !out->n && !out->refused) { /* to hear what is wrong with them */
        combination(all, 0, v);
        st = try_one(o, set, p, v, out);
    }
    if (st == TS_OK && !out->n) {
        char why[768];
        snprintf(why, sizeof why, "%s", ts_error_message());
        st = ts_error(TS_ERR_USER, "no layout of %lld processes can be; the last one tried: %s",
                      (long long)world, why);
    }
    if (st == TS_OK)
        qsort(out->v, (size_t)out->n, sizeof *out->v, better_first);
    return st;
}

void ts_tuning_deinit(ts_tuning *t)
{
    ts_free(&t->v);
    t->n = 0;
}
