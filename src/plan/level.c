#include "plan/level.h"

#include "train/together.h"

#include <math.h>
#include <string.h>

/* What a stage takes with n layers of which r run again, by its samples. */
typedef struct stage {
    int64_t even; /* layers where they are shared out evenly */
    double peak, more_layers, first_again, more_again;   /* bytes; with even layers of which none runs again */
    double time, time_of_layer, time_of_again;           /* seconds of a step */
    bool moves;   /* its number of layers may be another */
} stage;

typedef struct level {
    const ts_job_options *o;
    const ts_option_set *set;
    const ts_plan *begun;
    int64_t layers, n;
    stage *stage;       /* [n] */
    int64_t *split, *again; /* [n] what is tried, or was found */
} level;

/* ---- the simulation ---- */

static ts_status run(const level *v, ts_plan *out)
{
    ts_job_options here = *v->o;
    here.parallel.stage_layers = v->split;
    here.train.stage_again = v->again;
    *out = (ts_plan){ .world_size = v->begun->world_size, .ranks_of_a_host = v->begun->ranks_of_a_host,
                      .memory_limit = v->begun->memory_limit, .hw = v->begun->hw };
    return ts_plan_simulate(&here, v->set, out);
}

static double time_of(const ts_plan_rank *r) { return r->seconds - r->network_seconds; }

static void share_evenly(const level *v, int64_t again)
{
    for (int64_t s = 0; s < v->n; s++) {
        v->split[s] = v->layers / v->n + (s < v->layers % v->n);
        v->again[s] = again < v->split[s] ? again : v->split[s];
    }
}

/* A layer goes from one stage to the other; false: neither has one to give. */
static bool move_layer(const level *v, int64_t from, int64_t to)
{
    const int64_t giver = v->split[from] > 1 ? from : to, taker = giver == from ? to : from;
    if (v->split[giver] < 2)
        return false;
    v->split[giver]--;
    v->split[taker]++;
    return true;
}

/* Pairs of neighbours (first 0, or the last with the first one) change a layer: what one takes on each. */
static ts_status sample_layers(const level *v, int64_t first)
{
    ts_plan plan;
    share_evenly(v, 0);
    bool moved = false;
    for (int64_t s = first; s < v->n && (first || s + 1 < v->n); s += 2)
        moved = move_layer(v, (s + 1) % v->n, s) || moved;
    if (!moved)
        return TS_OK;
    const ts_status st = run(v, &plan);
    for (int64_t s = 0; st == TS_OK && s < v->n; s++) {
        stage *g = &v->stage[s];
        const double more = (double)(v->split[s] - g->even);
        if (more == 0 || g->moves)
            continue;
        g->moves = true;
        g->more_layers = ((double)plan.rank[s].mem.peak - g->peak) / more;
        g->time_of_layer = (time_of(&plan.rank[s]) - g->time) / more;
    }
    ts_plan_deinit(&plan);
    return st;
}

/* One layer of each stage, then all of them run again. */
static ts_status sample_again(const level *v, bool all)
{
    ts_plan plan;
    share_evenly(v, all ? v->layers : 1);
    const ts_status st = run(v, &plan);
    for (int64_t s = 0; st == TS_OK && s < v->n; s++) {
        stage *g = &v->stage[s];
        const double less = g->peak - (double)plan.rank[s].mem.peak, n = (double)v->again[s];
        g->time_of_again = (time_of(&plan.rank[s]) - g->time) / n;
        if (!all)
            g->first_again = less;
        else
            g->more_again = n > 1 ? (less - g->first_again) / (n - 1) : 0;
    }
    ts_plan_deinit(&plan);
    return st;
}

static ts_status sample_all(const level *v, ts_plan *even)
{
    share_evenly(v, 0);
    TS_TRY(run(v, even));
    for (int64_t s = 0; s < v->n; s++)
        v->stage[s] = (stage){ .even = v->split[s], .peak = (double)even->rank[s].mem.peak,
                               .time = time_of(&even->rank[s]) };
    TS_TRY(sample_layers(v, 0));
    if (v->n % 2)
        TS_TRY(sample_layers(v, v->n - 1));
    TS_TRY(sample_again(v, false));
    return sample_again(v, true);
}

/* ---- dynamic programming ---- */

/* The fewest layers that run again so that n layers stay below the bound; below 0: none are enough. */
static int64_t least_again(const stage *g, int64_t n, double bound)
{
    const double over = g->peak + (double)(n - g->even) * g->more_layers - bound;
    if (over <= 0)
        return 0;
    if (over <= g->first_again)
        return 1;
    if (g->more_again <= 0)
        return -1;
    const double r = 1 + ceil((over - g->first_again) / g->more_again);
    return r <= (double)n ? (int64_t)r : -1;
}

typedef struct cell {
    double slowest, sum; /* seconds; slowest below 0: it cannot be */
    int64_t n, again;    /* of the last stage */
} cell;

static bool is_better(const cell *a, const cell *b)
{
    return b->slowest < 0 || a->slowest < b->slowest || (a->slowest == b->slowest && a->sum < b->sum);
}

/* The first s + 1 stages have `all` layers. */
static cell best_of(const level *v, const cell *before, int64_t s, int64_t all, double bound)
{
    const stage *g = &v->stage[s];
    cell best = { .slowest = -1 };
    const int64_t least = g->moves ? 1 : g->even, most = g->moves ? 2 * g->even + 2 : g->even;
    for (int64_t n = least; n <= most && n <= all; n++) {
        const cell *b = &before[all - n];
        const int64_t r = least_again(g, n, bound);
        if (r < 0 || b->slowest < 0)
            continue;
        const double t = g->time + (double)(n - g->even) * g->time_of_layer + (double)r * g->time_of_again;
        const cell c = { t > b->slowest ? t : b->slowest, b->sum + t, n, r };
        if (is_better(&c, &best))
            best = c;
    }
    return best;
}

/* *found: whether there is a way below the bound; then it is in v->split and v->again. */
static ts_status solve(const level *v, double bound, bool *found)
{
    const int64_t width = v->layers + 1;
    cell *c;
    TS_TRY(ts_alloc(&c, (size_t)((v->n + 1) * width), sizeof *c));
    for (int64_t l = 1; l < width; l++)
        c[l].slowest = -1;
    for (int64_t s = 0; s < v->n; s++)
        for (int64_t l = 0; l < width; l++)
            c[(s + 1) * width + l] = best_of(v, &c[s * width], s, l, bound);
    *found = c[v->n * width + v->layers].slowest >= 0;
    for (int64_t s = v->n, l = v->layers; *found && s-- > 0;) {
        const cell *at = &c[(s + 1) * width + l];
        v->split[s] = at->n, v->again[s] = at->again;
        l -= at->n;
    }
    ts_free(&c);
    return TS_OK;
}

/* The lowest bound that the samples say there is a way below, or `bound` itself where that is one. */
static ts_status reachable(const level *v, double bound, double even, double *out)
{
    bool found;
    double low = bound, high = even;
    *out = bound;
    TS_TRY(solve(v, bound, &found));
    for (int i = 0; !found && i < 30; i++) {
        bool fits;
        const double middle = (low + high) / 2;
        TS_TRY(solve(v, middle, &fits));
        *(fits ? &high : &low) = middle;
        *out = high;
    }
    return TS_OK;
}

/* ---- all of it ---- */

static void take(const level *v, const ts_plan *plan, ts_plan *p)
{
    p->chosen_peak = ts_plan_worst(plan)->mem.peak;
    p->chosen_seconds = plan->step_seconds;
    memcpy(p->stage_layers, v->split, (size_t)v->n * sizeof *v->split);
    memcpy(p->stage_again, v->again, (size_t)v->n * sizeof *v->again);
}

/* Samples are good for neighbours: what comes out otherwise asks for a lower bound. The best of all stays. */
static ts_status search(const level *v, double bound, ts_plan *p)
{
    enum { TRIES = 8 };
    double aim;
    bool found = true;
    TS_TRY(reachable(v, bound, (double)p->even_peak, &aim));
    bound = aim > bound ? aim : bound;
    for (int i = 0; i < TRIES && (double)p->chosen_peak > bound; i++) {
        ts_plan plan;
        TS_TRY(solve(v, aim, &found));
        if (!found)
            break;
        const ts_status st = run(v, &plan);
        if (st == TS_OK) {
            const int64_t peak = ts_plan_worst(&plan)->mem.peak;
            aim -= fmax((double)peak - bound, 1);
            if (peak < p->chosen_peak)
                take(v, &plan, p);
        }
        ts_plan_deinit(&plan);
        TS_TRY(st);
    }
    return TS_OK;
}

static ts_status count_layers(const ts_job_options *o, const ts_option_set *set, const ts_plan *begun, int64_t *out)
{
    *out = o->model.num_layers;
    if (*out > 0)
        return TS_OK;
    ts_plan plan = { .world_size = begun->world_size, .ranks_of_a_host = begun->ranks_of_a_host, .hw = begun->hw };
    const ts_status st = ts_plan_simulate(o, set, &plan);
    *out = plan.layers;
    ts_plan_deinit(&plan);
    return st;
}

static ts_status level_all(level *v, ts_plan *p)
{
    ts_plan even = { 0 };
    TS_TRY(ts_alloc(&v->stage, (size_t)v->n, sizeof *v->stage));
    TS_TRY(ts_alloc(&v->split, (size_t)v->n, sizeof *v->split));
    TS_TRY(ts_alloc(&v->again, (size_t)v->n, sizeof *v->again));
    TS_TRY(ts_alloc(&p->stage_layers, (size_t)v->n, sizeof *p->stage_layers));
    TS_TRY(ts_alloc(&p->stage_again, (size_t)v->n, sizeof *p->stage_again));
    p->chosen_stages = v->n;
    ts_status st = sample_all(v, &even);
    if (st == TS_OK) {
        p->even_peak = ts_plan_worst(&even)->mem.peak;
        p->even_seconds = even.step_seconds;
        share_evenly(v, 0);
        take(v, &even, p);
        st = search(v, (1 - v->o->train.save_ratio) * (double)p->even_peak, p);
    }
    ts_plan_deinit(&even);
    return st;
}

ts_status ts_level(const ts_job_options *o, const ts_option_set *set, ts_plan *p)
{
    level v = { .o = o, .set = set, .begun = p, .n = o->parallel.pipeline };
    TS_TRY(ts_job_check_together(o, set));
    TS_TRY(count_layers(o, set, p, &v.layers));
    if (v.layers < v.n)
        return ts_error(TS_ERR_USER, "--automated-pipeline: %lld layers for %lld stages: give a "
                                     "--pipeline-model-parallel-size of so many at most",
                        (long long)v.layers, (long long)v.n);
    const ts_status st = level_all(&v, p);
    ts_free(&v.stage);
    ts_free(&v.split);
    ts_free(&v.again);
    return st;
}

static ts_status list(const int64_t *v, int64_t n, ts_str *out)
{
    for (int64_t i = 0; i < n; i++)
        TS_TRY(ts_str_printf(out, "%s%lld", i ? "," : "", (long long)v[i]));
    return TS_OK;
}

ts_status ts_level_text(const ts_plan *p, ts_str *out)
{
    char peak[32], even[32];
    TS_TRY(ts_str_puts(out, "chosen     --num-layer-list "));
    TS_TRY(list(p->stage_layers, p->chosen_stages, out));
    TS_TRY(ts_str_puts(out, " --recompute-module-list "));
    TS_TRY(list(p->stage_again, p->chosen_stages, out));
    return ts_str_printf(out, ": the largest peak is %s, %.1f %% less than %s of layers shared out evenly, at %.1f %% more time\n",
                         ts_human_bytes((double)p->chosen_peak, peak),
                         100 * (1 - (double)p->chosen_peak / (double)p->even_peak),
                         ts_human_bytes((double)p->even_peak, even),
                         100 * (p->chosen_seconds / p->even_seconds - 1));
}
