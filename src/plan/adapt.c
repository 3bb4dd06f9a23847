#include "plan/adapt.h"

#include "plan/choose.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { ATTENTION = 1 << TS_PART_ATTENTION, MLP = 1 << TS_PART_MLP,
       NORMS = 1 << TS_PART_INPUT_NORM | 1 << TS_PART_MLP_NORM };
enum { MOST_WAYS = 20 };
#define HIDDEN 0.001 /* of a step's time: copies that take no more hide */

/* Ways to hold a layer; the first keeps all. */
typedef struct ways {
    ts_layer_memory way[MOST_WAYS];
    int n;
} ways;

static void add_way(ways *w, bool whole, int again, int swap)
{
    w->way[w->n++] = (ts_layer_memory){ whole, (unsigned)again, (unsigned)swap };
}

typedef enum part_way { KEPT, AGAIN, SWAPPED } part_way;

static bool is_open(part_way w, bool again, bool swaps)
{
    return w == KEPT || (w == AGAIN ? again : swaps);
}

static ways ways_of(bool again, bool swaps)
{
    ways w = { 0 };
    for (int norms = 0; norms <= (swaps ? NORMS : 0); norms += NORMS)
        for (part_way m = KEPT; m <= SWAPPED; m++)
            for (part_way a = KEPT; a <= SWAPPED; a++)
                if (is_open(m, again, swaps) && is_open(a, again, swaps))
                    add_way(&w, false, (a == AGAIN ? ATTENTION : 0) | (m == AGAIN ? MLP : 0),
                            norms | (a == SWAPPED ? ATTENTION : 0) | (m == SWAPPED ? MLP : 0));
    if (again)
        add_way(&w, true, 0, 0);
    if (again && swaps)
        add_way(&w, true, 0, 1 << TS_PART_INPUT_NORM);
    return w;
}

/* ---- a stage ---- */

typedef struct stage {
    ts_plan *p;
    const ways *ways;
    int64_t need; /* where a stage did not fit: the least limit that would do for all so far */
    /* while it is open */
    ts_simulation *s;
    ts_trainer *t;
    int64_t n;       /* layers */
    int64_t *number; /* [n] of the model's */
    bool *ends;      /* [n] last of a chunk: nothing else is computed while its bytes come back */
    int *kind;       /* [n] the first of the stage's layers that is like this one */
    ts_layer_way *way;     /* [n * ways] against keeping all; of the first of each kind */
    ts_layer_ways *list; /* [n] */
    int *taken;          /* [n] ways */
} stage;

/* What a step takes. */
typedef struct sample {
    int64_t kept;     /* for backward passes, by all micro-batches under way */
    int64_t standing; /* what is there between steps */
    int64_t peak;
    double seconds;
} sample;

/* Micro-batches of a chunk under way at most. */
static int64_t under_way(const ts_unit_list *units, int64_t chunk)
{
    int64_t now = 0, most = 0;
    for (int64_t i = 0; i < units->n; i++) {
        now += units->v[i].chunk == chunk && units->v[i].kind == TS_UNIT_FORWARD;
        most = now > most ? now : most;
        now -= units->v[i].chunk == chunk && ts_unit_ends(&units->v[i]);
    }
    return most;
}

static int64_t kept_by(const ts_pipeline *p)
{
    int64_t sum = 0;
    for (int64_t c = 0; c < p->schedule->shape.n_chunks; c++) {
        const struct ts_unit_time *x = &p->time[c * TS_UNIT_KINDS + TS_UNIT_FORWARD];
        sum += x->units ? x->held / x->units * under_way(&p->schedule->stage[p->stage], c) : 0;
    }
    return sum;
}

static ts_status measure(const stage *g, sample *out)
{
    ts_device *dev = g->s->dev;
    const double began = ts_sim_seconds(dev);
    ts_step_result r;
    ts_device_reset_peak(dev);
    g->t->feed.n_micro = ts_simulation_few(g->t);
    TS_TRY(ts_trainer_step(g->t, false, &r));
    const ts_mem_ledger *m = &dev->mem;
    *out = (sample){ .kept = kept_by(&g->t->pipeline), .seconds = ts_sim_seconds(dev) - began,
                     .standing = m->total - m->now[TS_MEM_ACT] - m->now[TS_MEM_SWAP],
                     .peak = g->p->chosen_for_device ? m->device_peak : m->peak };
    return TS_OK;
}

static bool ends_chunk(const ts_job *job, int64_t layer)
{
    bool yes = false;
    for (int64_t c = 0; c < job->stages.n_chunks; c++)
        yes = yes || job->layers[c].last == layer + 1;
    return yes;
}

static ts_status list_layers(const ts_job *job, stage *g)
{
    const ts_layer_arch *a = job->model.decoder->arch.layer;
    const int64_t all = job->model.decoder->arch.n_layers;
    TS_TRY(ts_alloc(&g->number, (size_t)all, sizeof *g->number));
    for (int64_t c = 0; c < job->stages.n_chunks; c++)
        for (int64_t l = job->layers[c].first; l < job->layers[c].last; l++)
            g->number[g->n++] = l;
    const size_t n = (size_t)(g->n ? g->n : 1);
    TS_TRY(ts_alloc(&g->ends, n, sizeof *g->ends));
    for (int64_t i = 0; i < g->n; i++)
        g->ends[i] = ends_chunk(job, g->number[i]);
    TS_TRY(ts_alloc(&g->kind, n, sizeof *g->kind));
    TS_TRY(ts_alloc(&g->taken, n, sizeof *g->taken));
    TS_TRY(ts_alloc(&g->list, n, sizeof *g->list));
    TS_TRY(ts_alloc(&g->way, n * MOST_WAYS, sizeof *g->way));
    for (int i = 0; i < g->n; i++)
        while (memcmp(&a[g->number[g->kind[i]]], &a[g->number[i]], sizeof *a) ||
               g->ends[g->kind[i]] != g->ends[i])
            g->kind[i]++;
    return TS_OK;
}

static void close_layers(stage *g)
{
    ts_free(&g->number);
    ts_free(&g->ends);
    ts_free(&g->kind);
    ts_free(&g->taken);
    ts_free(&g->list);
    ts_free(&g->way);
    g->n = 0;
}

/* All layers of a kind in a way; how many they are. */
static int64_t set_kind(const stage *g, int kind, int way)
{
    int64_t n = 0;
    for (int i = 0; i < g->n; i++) {
        if (g->kind[i] != kind)
            continue;
        g->p->chosen[g->number[i]] = g->ways->way[way];
        n++;
    }
    return n;
}

/* What each way of each kind takes for a layer, beside keeping all. Times in whole picoseconds. */
static ts_status measure_ways(stage *g, const sample *all)
{
    for (int k = 0; k < g->n; k++) {
        g->list[k] = (ts_layer_ways){ &g->way[g->kind[k] * MOST_WAYS], g->ways->n };
        for (int w = 1; g->kind[k] == k && w < g->ways->n; w++) {
            sample x;
            const int64_t n = set_kind(g, k, w);
            TS_TRY(measure(g, &x));
            const double more = (x.seconds - all->seconds) / (double)n;
            g->way[k * MOST_WAYS + w] = (ts_layer_way){ (x.kept - all->kept) / n,
                                                  more > 0 ? llround(more * 1e12) : 0 };
        }
        set_kind(g, k, 0);
    }
    return TS_OK;
}

static void set_taken(const stage *g)
{
    for (int64_t i = 0; i < g->n; i++)
        g->p->chosen[g->number[i]] = g->ways->way[g->taken[i]];
}

static void set_point(const stage *g, const ts_front *f, int64_t point)
{
    ts_front_take(f, point, g->taken);
    set_taken(g);
}

/* The first point from the fast end that stays within the limit, as it runs. What cannot be, since what is kept
 * alone is more, is passed over. */
static ts_status walk_front(stage *g, const ts_front *f, const sample *all, sample *found)
{
    enum { ROUNDING = 64 };
    int64_t least = INT64_MAX;
    for (int64_t i = 0; i < ts_front_count(f); i++) {
        const int64_t kept = all->kept + ts_front_at(f, i)->bytes - ROUNDING * g->n;
        if (all->standing + kept > g->p->chosen_limit && i + 1 < ts_front_count(f))
            continue;
        set_point(g, f, i);
        TS_TRY(measure(g, found));
        if (found->peak <= g->p->chosen_limit)
            return TS_OK;
        least = found->peak < least ? found->peak : least;
    }
    g->need = least > g->need ? least : g->need;
    return TS_OK;
}

static int64_t count_kind(const stage *g, int kind)
{
    int64_t n = 0;
    for (int i = 0; i < g->n; i++)
        n += g->kind[i] == kind;
    return n;
}

/* Of each kind the way that holds least of those whose copies hide, for all its layers: even copies hide best. */
static void take_even(const stage *g, const sample *all, int *taken)
{
    for (int k = 0; k < g->n; k++) {
        const double most = HIDDEN * 1e12 * all->seconds / (double)count_kind(g, g->kind[k]);
        taken[k] = g->kind[k] < k ? taken[g->kind[k]] : 0;
        for (int w = 1; g->kind[k] == k && w < g->ways->n; w++) {
            const ts_layer_way *way = &g->list[k].way[w];
            if ((double)way->cost <= most && way->bytes < g->list[k].way[taken[k]].bytes)
                taken[k] = w;
        }
    }
}

static bool hides(const sample *x, const sample *all) { return x->seconds <= (1 + HIDDEN) * all->seconds; }

/* A point whose copies hide and behind which, as far as was tried, they do not; -1: there is none. */
static ts_status last_hidden(stage *g, const ts_front *f, const sample *all, int64_t *good)
{
    int64_t bad = ts_front_count(f);
    *good = -1;
    while (bad - *good > 1) {
        sample x;
        const int64_t middle = *good + (bad - *good) / 2;
        set_point(g, f, middle);
        TS_TRY(measure(g, &x));
        *(hides(&x, all) ? good : &bad) = middle;
    }
    return TS_OK;
}

/* Even copies, then without those of layers that end chunks, then what the front has, then none. */
static ts_status find_hidden(stage *g, const ts_front *f, const sample *all, sample *found)
{
    int64_t point;
    take_even(g, all, g->taken);
    for (int i = 0; i < 2; i++) {
        for (int64_t l = 0; l < g->n; l++)
            if (i && g->ends[l])
                g->taken[l] = 0;
        set_taken(g);
        TS_TRY(measure(g, found));
        if (hides(found, all))
            return TS_OK;
    }
    TS_TRY(last_hidden(g, f, all, &point));
    memset(g->taken, 0, (size_t)g->n * sizeof *g->taken);
    if (point < 0)
        set_taken(g);
    else
        set_point(g, f, point);
    return measure(g, found);
}

static ts_status choose_for(stage *g)
{
    sample all, found;
    ts_front f = { 0 };
    TS_TRY(measure(g, &all)); /* the first step makes what stays */
    TS_TRY(measure(g, &all));
    if (all.peak <= g->p->chosen_limit || (!g->n && !g->p->chosen_limit))
        return TS_OK;
    if (!g->n) {
        g->need = all.peak > g->need ? all.peak : g->need;
        return TS_OK;
    }
    TS_TRY(measure_ways(g, &all));
    ts_status st = ts_front_make(g->list, g->n, &f);
    if (st == TS_OK)
        st = (g->p->chosen_limit ? walk_front : find_hidden)(g, &f, &all, &found);
    ts_front_deinit(&f);
    TS_TRY(st);
    const double share = found.seconds / all.seconds - 1;
    g->p->chosen_share = share > g->p->chosen_share ? share : g->p->chosen_share;
    return TS_OK;
}

static ts_status one_stage(ts_simulation *s, ts_job *job, void *ctx)
{
    stage *g = ctx;
    if (!g->p->chosen)
        TS_TRY(ts_alloc(&g->p->chosen, (size_t)job->model.decoder->arch.n_layers, sizeof *g->p->chosen));
    g->p->layers = job->model.decoder->arch.n_layers;
    g->s = s;
    g->t = job->trainer;
    g->t->pipeline.clock = ts_simulation_clock;
    g->t->pipeline.clock_ctx = s;
    job->objective.recompute.chosen = g->p->chosen;
    ts_status st = list_layers(job, g);
    if (st == TS_OK)
        st = choose_for(g);
    close_layers(g);
    return st;
}

/* ---- all stages ---- */

static void limit_of(const ts_train_options *o, ts_plan *p)
{
    p->chosen_limit = p->memory_limit;
    p->chosen_for_device = o->adapt_mb >= 0;
    if (o->adapt_mb >= 0) {
        p->chosen_limit = o->adapt_mb ? o->adapt_mb << 20 : 1;
    } else if (o->smart_swap) {
        p->chosen_limit = 0, p->chosen_for_device = true;
    } else if (!p->memory_limit) {
        p->chosen_limit = (int64_t)(p->hw.memory_bytes / p->ranks_of_a_host);
        p->chosen_for_device = p->hw.is_gpu;
    }
}

static ts_status not_enough(const ts_plan *p, int64_t need)
{
    char limit[32], least[32];
    ts_human_bytes((double)p->chosen_limit, limit);
    ts_human_bytes((double)need, least);
    if (p->chosen_for_device)
        return ts_error(TS_ERR_USER,
                        "no choice of what layers keep stays within %s: %s are needed at least: give "
                        "--adaptive-recompute-device-size %lld or more, a smaller --micro-batch-size, or more stages",
                        limit, least, (long long)((need + (1 << 20) - 1) >> 20));
    return ts_error(TS_ERR_USER,
                    "no choice of what layers keep stays within %s: %s are needed at least: give --memory-limit-gb "
                    "%.6f or more, a smaller --micro-batch-size, or more stages",
                    limit, least, ceil((double)need * 1e-3) * 1e-6);
}

ts_status ts_adapt(const ts_job_options *o, const ts_option_set *set, ts_plan *p)
{
    limit_of(&o->train, p);
    if (!p->chosen_limit && !o->train.smart_swap)
        return ts_error(TS_ERR_USER, "--adaptive-...: how much memory there is is not known: give "
                                     "--adaptive-recompute-device-size or --memory-limit-gb");
    /* Where the second memory counts too nothing is won by waiting there. */
    const ways w = ways_of(!o->train.smart_swap,
                           p->chosen_for_device && (o->train.adapts_with_swap || o->train.smart_swap));
    stage g = { .p = p, .ways = &w };
    for (int rank = 0; rank >= 0;)
        TS_TRY(ts_simulation_run(o, set, rank, p, one_stage, &g, &rank));
    return g.need ? not_enough(p, g.need) : TS_OK;
}

/* ---- in words ---- */

static ts_status say_parts(unsigned parts, const char *what, bool *said, ts_str *out)
{
    static const char *const name[TS_LAYER_PARTS] = { "input norm", "attention", "norm before the MLP", "MLP" };
    bool first = true;
    for (int i = 0; i < TS_LAYER_PARTS; i++) {
        if (!(parts & 1u << i))
            continue;
        TS_TRY(ts_str_printf(out, "%s%s", first ? (*said ? "; " : "") : ", ", name[i]));
        first = false, *said = true;
    }
    return first ? TS_OK : ts_str_puts(out, what);
}

static ts_status say_memory(const ts_layer_memory *m, ts_str *out)
{
    bool said = false;
    if (m->whole)
        return ts_str_puts(out, m->swap ? "all runs again; the input waits on the host" : "all runs again");
    TS_TRY(say_parts(m->again, " again", &said, out));
    TS_TRY(say_parts(m->swap, " on the host", &said, out));
    return said ? TS_OK : ts_str_puts(out, "all is kept");
}

static bool same_memory(const ts_layer_memory *a, const ts_layer_memory *b)
{
    return a->whole == b->whole && a->again == b->again && a->swap == b->swap;
}

/* Layers from the i-th on that were chosen alike. */
static int64_t alike(const ts_plan *p, int64_t i)
{
    int64_t n = 1;
    while (i + n < p->layers && same_memory(&p->chosen[i], &p->chosen[i + n]))
        n++;
    return n;
}

ts_status ts_adapt_text(const ts_plan *p, ts_str *out)
{
    char limit[32], within[96] = "as far as copies to the host hide";
    if (p->chosen_limit)
        snprintf(within, sizeof within, "within %s%s", ts_human_bytes((double)p->chosen_limit, limit),
                 p->chosen_for_device ? " of device memory" : "");
    TS_TRY(ts_str_printf(out, "chosen     what layers keep, %s, at %.1f %% more time than if all were kept\n", within,
                         100 * p->chosen_share));
    for (int64_t i = 0, n; i < p->layers; i += n) {
        n = alike(p, i);
        TS_TRY(n > 1 ? ts_str_printf(out, "  layers %lld to %lld: ", (long long)i, (long long)(i + n - 1))
                     : ts_str_printf(out, "  layer %lld: ", (long long)i));
        TS_TRY(say_memory(&p->chosen[i], out));
        TS_TRY(ts_str_puts(out, "\n"));
    }
    return TS_OK;
}

json_t *ts_adapt_json(const ts_plan *p)
{
    json_t *list = json_array();
    ts_str words = { 0 };
    for (int64_t i = 0, n; list && i < p->layers; i += n) {
        n = alike(p, i);
        ts_str_reset(&words);
        if (say_memory(&p->chosen[i], &words) != TS_OK ||
            json_array_append_new(list, json_pack("{s:I, s:I, s:s}", "first", (json_int_t)i, "last",
                                                  (json_int_t)(i + n - 1), "keeps", words.s))) {
            json_decref(list);
            list = NULL;
        }
    }
    ts_str_deinit(&words);
    return list;
}
