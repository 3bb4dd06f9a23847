#include "plan/fastest.h"

#include "parallel/schedule_replay.h"
#include "parallel/schedule_table.h"
#include "train/together.h"

#include <string.h>

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

static ts_status run(const search *s, const int64_t *order, ts_plan *out)
{
    ts_job_options here = *s->o;
    *out = (ts_plan){ .world_size = s->p->world_size, .ranks_of_a_host = s->p->ranks_of_a_host,
                      .memory_limit = s->p->memory_limit, .hw = s->p->hw };
    here.train.chosen_order = order;
    ts_plan_order(order, &here);
    return ts_plan_simulate(&here, s->set, out);
}

static ts_status take(search *s, const int64_t *order, const ts_plan *plan)
{
    const size_t n = (size_t)(TS_PLAN_ORDER + order[3]);
    ts_free(&s->p->order);
    TS_TRY(ts_alloc(&s->p->order, n, sizeof *order));
    memcpy(s->p->order, order, n * sizeof *order);
    s->p->chosen_seconds = plan->step_seconds;
    s->p->chosen_peak = ts_plan_worst(plan)->mem.peak;
    s->fits = ts_plan_fits(plan);
    return TS_OK;
}

/* What the options say is refused with its reason; what else an option does not allow is left out. */
static ts_status try_one(search *s, const int64_t *order)
{
    ts_plan plan;
    ts_status st = run(s, order, &plan);
    if (st == TS_OK && is_better(&plan, s->fits, s->p->chosen_seconds, s->p->chosen_peak))
        st = take(s, order, &plan);
    ts_plan_deinit(&plan);
    return st == TS_ERR_USER ? TS_OK : st;
}

/* ---- micro-batches of several sizes ---- */

enum { SMALLER = 3, WAYS = 2 * SMALLER };

/* Sizes that grow while the pipeline fills and shrink while it empties (MindSpeed's dynamic micro-batches): the first is
 * the fastest of one size, the next ones are halves of it. */
typedef struct mix {
    search *s;
    int64_t share, n_sizes, size[1 + SMALLER];
    ts_plan plan[1 + SMALLER]; /* what units of each take */
    int64_t most;   /* micro-batches of one smaller size, on either side */
    int64_t *sizes; /* [share] of the way at hand */
    const double (**unit)[TS_UNIT_KINDS]; /* [share] */
    double best;
    int64_t *order; /* [TS_PLAN_ORDER + share] the fastest way so far; order[3] 0: none */
} mix;

/* As many of each size as `count` says: first those that grow, then those that shrink. Returns how many; 0: the largest
 * size does not divide what is left. */
static int64_t line_up(const mix *m, const int64_t count[WAYS])
{
    int64_t left = m->share, n = 0;
    for (int64_t i = 0; i < WAYS; i++)
        left -= count[i] * m->size[1 + i % SMALLER];
    if (left < m->size[0] || left % m->size[0])
        return 0;
    for (int64_t i = m->n_sizes - 2; i >= 0; i--)
        for (int64_t k = 0; k < count[i]; k++)
            m->sizes[n++] = 1 + i;
    for (int64_t k = 0; k < left / m->size[0]; k++)
        m->sizes[n++] = 0;
    for (int64_t i = 0; i < m->n_sizes - 1; i++)
        for (int64_t k = 0; k < count[SMALLER + i]; k++)
            m->sizes[n++] = 1 + i;
    return n;
}

/* What a step of n micro-batches takes; sizes are numbers of plans. */
static ts_status time_of(const mix *m, int64_t n, double *seconds)
{
    const ts_plan *p = &m->plan[0];
    const ts_schedule_shape shape = { .n_stages = p->n_ranks, .n_chunks = p->chunks, .n_micro = n };
    ts_schedule_costs costs = { .of_micro = m->unit, .send = p->message_seconds };
    ts_schedule *s;
    ts_replay r;
    for (int64_t i = 0; i < n; i++)
        m->unit[i] = (const double (*)[TS_UNIT_KINDS])m->plan[m->sizes[i]].unit;
    TS_TRY(ts_schedule_create((ts_schedule_kind)m->s->p->order[1], &shape, &s));
    const ts_status st = ts_schedule_replay(s, &costs, &r);
    if (st == TS_OK) {
        *seconds = r.makespan + p->rest_seconds;
        ts_replay_deinit(&r);
    }
    ts_schedule_destroy(&s);
    return st;
}

static ts_status look_at(mix *m, const int64_t count[WAYS])
{
    const int64_t n = line_up(m, count);
    double seconds;
    if (!n)
        return TS_OK;
    TS_TRY(time_of(m, n, &seconds));
    if (seconds >= m->best)
        return TS_OK;
    m->best = seconds;
    m->order[3] = n;
    for (int64_t i = 0; i < n; i++)
        m->order[TS_PLAN_ORDER + i] = m->size[m->sizes[i]];
    return TS_OK;
}

/* Up to `most` of each smaller size on either side. */
static ts_status all_ways(mix *m)
{
    int64_t count[WAYS] = { 0 };
    for (int i = 0; i < WAYS;) {
        TS_TRY(look_at(m, count));
        for (i = 0; i < WAYS; i++) {
            if (i % SMALLER < m->n_sizes - 1 && count[i] < m->most) {
                count[i]++;
                break;
            }
            count[i] = 0;
        }
    }
    return TS_OK;
}

/* A step of some micro-batches of one size. */
static ts_status measure(const mix *m, int64_t size, ts_plan *out)
{
    const int64_t *order = m->s->p->order, replicas = order[2] / m->share, n = 4 * m->plan[0].n_ranks;
    return run(m->s, (int64_t[]){ size, order[1], replicas * size * n, 0 }, out);
}

static ts_status measure_all(mix *m)
{
    enum { UNITS = 20000000 }; /* that are replayed in all */
    const int64_t largest = m->s->p->order[0];
    TS_TRY(run(m->s, m->s->p->order, &m->plan[0]));
    for (m->n_sizes = 1, m->size[0] = largest; m->n_sizes <= SMALLER && largest >> m->n_sizes; m->n_sizes++) {
        m->size[m->n_sizes] = largest >> m->n_sizes;
        TS_TRY(measure(m, m->size[m->n_sizes], &m->plan[m->n_sizes]));
    }
    const double units = 2.0 * m->plan[0].n_ranks * (double)(m->share / largest + WAYS);
    double ways = 1;
    for (m->most = 0; m->most < 3; m->most++, ways = 1) {
        for (int64_t i = 0; i < 2 * (m->n_sizes - 1); i++)
            ways *= (double)(m->most + 2);
        if (ways * units > UNITS)
            break;
    }
    return TS_OK;
}

/* What the options say against several sizes is no fault: one is left. */
static ts_status mix_sizes(search *s, int64_t share)
{
    mix m = { .s = s, .share = share, .best = s->p->chosen_seconds };
    const int64_t n = TS_PLAN_ORDER + share;
    ts_status st = ts_alloc(&m.order, (size_t)n, sizeof *m.order);
    if (st == TS_OK)
        memcpy(m.order, s->p->order, TS_PLAN_ORDER * sizeof *m.order);
    if (st == TS_OK)
        st = ts_alloc(&m.sizes, (size_t)share, sizeof *m.sizes);
    if (st == TS_OK)
        st = ts_alloc(&m.unit, (size_t)share, sizeof *m.unit);
    if (st == TS_OK)
        st = measure_all(&m);
    if (st == TS_OK && m.n_sizes > 1)
        st = all_ways(&m);
    if (st == TS_OK && m.order[3])
        st = try_one(s, m.order);
    for (int i = 0; i <= SMALLER; i++)
        ts_plan_deinit(&m.plan[i]);
    ts_free(&m.order);
    ts_free(&m.sizes);
    ts_free(&m.unit);
    return st == TS_ERR_USER ? TS_OK : st;
}

ts_status ts_fastest(const ts_job_options *o, const ts_option_set *set, ts_plan *p)
{
    search s = { .o = o, .set = set, .p = p };
    ts_plan given = { .world_size = p->world_size, .ranks_of_a_host = p->ranks_of_a_host,
                      .memory_limit = p->memory_limit, .hw = p->hw };
    TS_TRY(ts_job_check_together(o, set));
    ts_status st = ts_plan_simulate(o, set, &given);
    const int64_t share = st == TS_OK ? given.global / given.replicas : 0;
    if (st == TS_OK) {
        st = take(&s, (int64_t[]){ given.micro, TS_SCHEDULE_1F1B, given.global, 0 }, &given);
        p->even_seconds = given.step_seconds;
    }
    for (int64_t micro = 1; st == TS_OK && micro <= share; micro++) {
        if (share % micro == 0)
            st = try_one(&s, (int64_t[]){ micro, TS_SCHEDULE_1F1B, given.global, 0 });
        if (share % micro == 0 && st == TS_OK)
            st = try_one(&s, (int64_t[]){ micro, TS_SCHEDULE_ZERO_BUBBLE, given.global, 0 });
    }
    if (st == TS_OK && p->order[0] < share)
        st = mix_sizes(&s, share);
    ts_plan_deinit(&given);
    return st;
}

ts_status ts_fastest_text(const ts_plan *p, ts_str *out)
{
    const int64_t n = p->order[3];
    TS_TRY(n ? ts_str_puts(out, "chosen     --optimized-mbs-list ")
             : ts_str_printf(out, "chosen     --micro-batch-size %lld", (long long)p->order[0]));
    for (int64_t i = 0; i < n; i++)
        TS_TRY(ts_str_printf(out, "%s%lld", i ? "," : "", (long long)p->order[TS_PLAN_ORDER + i]));
    return ts_str_printf(out, " --pipeline-schedule %s: a step takes %.1f %% less time\n",
                         p->order[1] == TS_SCHEDULE_1F1B ? "1f1b" : "zero-bubble",
                         100 * (1 - p->chosen_seconds / p->even_seconds));
}
