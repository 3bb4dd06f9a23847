#include "plan/fastest.h"

#include "train/together.h"

/* Whether a is to be had rather than b: what fits, then the faster, and of what does not fit the smaller. */
static bool is_better(const ts_plan *a, bool fits, double seconds, int64_t peak)
{
    const bool fits_too = ts_plan_fits(a);
    if (fits_too != fits)
        return fits_too;
    return fits ? a->step_seconds < seconds : ts_plan_worst(a)->mem.peak < peak;
}

typedef struct search {
    const ts_job_options *o;
    const ts_option_set *set;
    ts_plan *p;
    bool fits; /* what p has so far */
} search;

static ts_status run(const search *s, const int64_t order[TS_PLAN_ORDER], ts_plan *out)
{
    ts_job_options here = *s->o;
    *out = (ts_plan){ .world_size = s->p->world_size, .ranks_of_a_host = s->p->ranks_of_a_host,
                      .memory_limit = s->p->memory_limit, .hw = s->p->hw };
    here.train.chosen_order = order;
    ts_plan_order(order, &here);
    return ts_plan_simulate(&here, s->set, out);
}

static void take(search *s, const int64_t order[TS_PLAN_ORDER], const ts_plan *plan)
{
    for (int i = 0; i < TS_PLAN_ORDER; i++)
        s->p->order[i] = order[i];
    s->p->chosen_seconds = plan->step_seconds;
    s->p->chosen_peak = ts_plan_worst(plan)->mem.peak;
    s->fits = ts_plan_fits(plan);
}

/* What the options say is refused with its reason; what else an option does not allow is left out. */
static ts_status try_one(search *s, int64_t micro, int64_t schedule)
{
    const int64_t order[TS_PLAN_ORDER] = { micro, schedule, s->p->order[2] };
    ts_plan plan;
    const ts_status st = run(s, order, &plan);
    if (st == TS_OK && is_better(&plan, s->fits, s->p->chosen_seconds, s->p->chosen_peak))
        take(s, order, &plan);
    ts_plan_deinit(&plan);
    return st == TS_ERR_USER ? TS_OK : st;
}

ts_status ts_fastest(const ts_job_options *o, const ts_option_set *set, ts_plan *p)
{
    search s = { .o = o, .set = set, .p = p };
    ts_plan given = { .world_size = p->world_size, .ranks_of_a_host = p->ranks_of_a_host,
                      .memory_limit = p->memory_limit, .hw = p->hw };
    TS_TRY(ts_job_check_together(o, set));
    TS_TRY(ts_alloc(&p->order, TS_PLAN_ORDER, sizeof *p->order));
    ts_status st = ts_plan_simulate(o, set, &given);
    const int64_t share = st == TS_OK ? given.global / given.replicas : 0;
    if (st == TS_OK) {
        take(&s, (int64_t[]){ given.micro, TS_SCHEDULE_1F1B, given.global }, &given);
        p->even_seconds = given.step_seconds;
    }
    for (int64_t micro = 1; st == TS_OK && micro <= share; micro++) {
        if (share % micro == 0)
            st = try_one(&s, micro, TS_SCHEDULE_1F1B);
        if (share % micro == 0 && st == TS_OK)
            st = try_one(&s, micro, TS_SCHEDULE_ZERO_BUBBLE);
    }
    ts_plan_deinit(&given);
    return st;
}

ts_status ts_fastest_text(const ts_plan *p, ts_str *out)
{
    return ts_str_printf(out, "chosen     --micro-batch-size %lld --pipeline-schedule %s: a step takes %.1f %% less time\n",
                         (long long)p->order[0], p->order[1] == TS_SCHEDULE_1F1B ? "1f1b" : "zero-bubble",
                         100 * (1 - p->chosen_seconds / p->even_seconds));
}
