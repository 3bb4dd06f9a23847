#include "infer/explore_parts.h"

#include <math.h>
#include <stdlib.h>

/* ---- scores ---- */

static double score_of_steps(ts_step_score how, const double *r, size_t n)
{
    double x = r[n - 1], sum = 0;
    if (how == TS_STEPS_LAST)
        return x;
    for (size_t i = 0; i + 1 < n; i++)
        x = how == TS_STEPS_MIN ? fmin(x, r[i]) : how == TS_STEPS_PROD ? x * r[i] : x;
    for (size_t i = 0; i < n; i++)
        sum += r[i];
    return how == TS_STEPS_MEAN ? sum / (double)n : x;
}

/* The reward of what a path has so far joins its others. */
static ts_status reward(ts_explorer *x, ts_path *p)
{
    double r;
    TS_TRY(ts_grow(&p->rewards, &p->cap_rewards, p->n_rewards + 1, sizeof *p->rewards));
    TS_TRY(x->hooks.reward(x->hooks.ctx, &x->line->prompt, p->ids, (int64_t)p->n, &r));
    if (isnan(r))
        return ts_error(TS_ERR_RUN, "line %lld: the reward of a text is not a number", (long long)x->line->number + 1);
    p->rewards[p->n_rewards++] = r;
    p->score = score_of_steps(x->o.steps, p->rewards, p->n_rewards);
    return TS_OK;
}

/* Of paths from `first` on, which a round has gone on with. */
static ts_status reward_from(ts_explorer *x, size_t first)
{
    for (size_t i = first; i < x->out->n; i++)
        TS_TRY(reward(x, &x->out->paths[i]));
    return TS_OK;
}

/* ---- answers beside each other ---- */

static ts_status begin_roots(ts_explorer *x)
{
    ts_path *p;
    for (int64_t i = 0; i < x->o.n; i++) {
        TS_TRY(ts_path_begin(x, NULL, &p));
        p->tree = x->o.m ? i / x->o.m : i;
    }
    return TS_OK;
}

static ts_status side_by_side(ts_explorer *x)
{
    TS_TRY(x->o.approach == TS_APPROACH_COT ? ts_explore_branch(x) : begin_roots(x));
    return ts_explore_round(x, true);
}

/* ---- trees ---- */

/* Paths are compared by place, since they move when there are more. */
typedef struct node {
    size_t at;
    int64_t tree, children;
    double score;
} node;

static int by_score(const void *a, const void *b)
{
    const node *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* nodes [n], best first: the n / m best of all, or of each tree the best, go on m times. */
static void keep_best(const ts_explorer *x, node *v, size_t n)
{
    const size_t most = (size_t)(x->o.n / x->o.m);
    for (size_t i = 0, kept = 0; i < n; i++) {
        bool first = true;
        for (size_t k = 0; k < i; k++)
            first = first && v[k].tree != v[i].tree;
        const bool goes_on = x->o.approach == TS_APPROACH_DVTS ? first : kept < most;
        v[i].children = goes_on ? x->o.m : 0;
        kept += goes_on;
    }
}

/* A share of `width` for each, by softmax(score / temperature), to the nearest whole number; where none has any, the best
 * has all. */
static void keep_shares(const ts_explorer *x, node *v, size_t n, int64_t width)
{
    double sum = 0;
    int64_t all = 0;
    for (size_t i = 0; i < n; i++)
        sum += exp((v[i].score - v[0].score) / x->o.temperature);
    for (size_t i = 0; i < n; i++) {
        v[i].children = (int64_t)floor((double)width * exp((v[i].score - v[0].score) / x->o.temperature) / sum + 0.5);
        all += v[i].children;
    }
    if (!all)
        v[0].children = width;
}

/* Children of the nodes, in their order; a node that has some is no answer any more, one that has none is left. */
static ts_status expand(ts_explorer *x, const node *v, size_t n)
{
    ts_exploration *e = x->out;
    ts_path *p;
    for (size_t i = 0; i < n; i++)
        for (int64_t k = 0; k < v[i].children; k++)
            TS_TRY(ts_path_begin(x, &e->paths[v[i].at], &p));
    for (size_t i = 0; i < n; i++)
        e->paths[v[i].at].end = v[i].children ? TS_PATH_INNER : TS_PATH_LEFT;
    return TS_OK;
}

static void close_gaps(ts_exploration *e)
{
    size_t k = 0;
    for (size_t i = 0; i < e->n; i++)
        if (e->paths[i].end == TS_PATH_INNER)
            ts_path_deinit(&e->paths[i]);
        else
            e->paths[k++] = e->paths[i];
    e->n = k;
}

/* Whether there is a token for each of the nodes' children. */
static bool has_tokens(const ts_explorer *x, const node *v, size_t n)
{
    int64_t children = 0;
    for (size_t i = 0; i < n; i++)
        children += v[i].children;
    return !x->o.budget || x->o.budget - x->out->new_tokens >= children;
}

/* The budget is used up: these are as long as they get. */
static void cut(ts_exploration *e, const node *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        e->paths[v[i].at].end = TS_PATH_LENGTH;
}

/* Who goes on behind a step of paths from `first` on, and how often; *width: places that are left. false: it ends. */
static ts_status next_level(ts_explorer *x, size_t first, int64_t *width, bool *goes_on)
{
    const ts_exploration *e = x->out;
    node *v;
    size_t n = 0;
    TS_TRY(ts_alloc(&v, e->n - first + 1, sizeof *v));
    for (size_t i = first; i < e->n; i++) {
        const ts_path *p = &e->paths[i];
        if (p->end == TS_PATH_OPEN)
            v[n++] = (node){ .at = i, .tree = p->tree, .score = p->score };
        else
            --*width;
    }
    *goes_on = n && *width > 0;
    qsort(v, n, sizeof *v, by_score);
    if (*goes_on && x->o.approach == TS_APPROACH_REBASE)
        keep_shares(x, v, n, *width);
    else if (*goes_on)
        keep_best(x, v, n);
    const bool is_cut = *goes_on && !has_tokens(x, v, n);
    *goes_on = *goes_on && !is_cut;
    if (is_cut)
        cut(x->out, v, n);
    const ts_status st = is_cut ? TS_OK : expand(x, v, n);
    ts_free(&v);
    return st;
}

static ts_status grow_tree(ts_explorer *x)
{
    int64_t width = x->o.n;
    bool goes_on = true;
    size_t first = 0;
    TS_TRY(begin_roots(x));
    for (int64_t step = 1; goes_on; step++) {
        const bool last = step == x->o.most_steps;
        TS_TRY(ts_explore_round(x, last));
        TS_TRY(reward_from(x, first));
        if (last)
            break;
        const size_t before = x->out->n;
        TS_TRY(next_level(x, first, &width, &goes_on));
        first = before;
    }
    close_gaps(x->out);
    return TS_OK;
}

/* ---- the whole ---- */

ts_status ts_explore(ts_explorer *x, const ts_gen_line *line, ts_exploration *out)
{
    x->line = line, x->out = out, x->next = 0;
    if (ts_approach_has_steps(x->o.approach))
        TS_TRY(grow_tree(x));
    else
        TS_TRY(side_by_side(x));
    for (size_t i = 0; i < out->n; i++) {
        ts_path *p = &out->paths[i];
        TS_TRY(ts_path_finish(x, p));
        if (x->o.approach == TS_APPROACH_COT)
            TS_TRY(ts_path_gap(x, p, &p->score));
        else if (x->hooks.reward && !p->n_rewards)
            TS_TRY(reward(x, p));
    }
    ts_explore_choose(x);
    return TS_OK;
}

ts_status ts_explorer_create(ts_decoder *d, const ts_gen_config *c, const ts_explore_options *o, const ts_tokenizer *tok,
                             const ts_explore_hooks *hooks, int64_t batch, int64_t tokens, ts_explorer **out)
{
    enum { STEP = 4096 };
    ts_explorer *x;
    const int64_t texts = batch < TS_ENGINE_MOST_SLOTS ? batch : TS_ENGINE_MOST_SLOTS;
    const ts_scheduler_options so = { .texts = texts, .step_tokens = STEP, .reuse = true,
                                      .tokens = (tokens + TS_ENGINE_PAGE) * texts };
    TS_ASSERT(o->n >= 1 && o->n <= TS_EXPLORE_MOST && (!o->m || o->n % o->m == 0), "%lld answers, %lld each", (long long)o->n,
              (long long)o->m);
    TS_TRY(ts_alloc(&x, 1, sizeof *x));
    *x = (ts_explorer){ .o = *o, .c = c, .sampling = c->sampling, .tok = tok, .hooks = *hooks, .d = d };
    x->sampling.do_sample = ts_approach_draws(o->approach);
    const ts_status st = ts_scheduler_create(d, &so, &x->s);
    if (st != TS_OK)
        ts_free(&x);
    else
        *out = x;
    return st;
}

void ts_explorer_destroy(ts_explorer **x)
{
    if (!*x)
        return;
    ts_scheduler_destroy(&(*x)->s);
    ts_free(x);
}
