/* A round: paths go on side by side. Those that begin alike have a leader, whose prompt goes in first; the others then find
 * its pages there. */
#include "infer/detok.h"
#include "infer/explore_parts.h"

#include <math.h>
#include <string.h>

/* A path at work. */
typedef struct walker {
    ts_explorer *x;
    size_t path; /* its place: paths may be moved */
    int32_t *ids; /* the prompt and the path so far */
    ts_detok stops, step;
    size_t step_from;
    bool has_stops, has_steps, has_begun, is_done, is_at_step, has_ended;
    ts_status st;
} walker;

static ts_path *path_of(const walker *w) { return &w->x->out->paths[w->path]; }

static ts_status on_token(void *ctx, const ts_choice *c, bool *stop)
{
    walker *w = ctx;
    ts_path *p = path_of(w);
    const double gap = c->n_top > 1 ? exp(c->top[0].logprob) - exp(c->top[1].logprob) : 0;
    w->has_begun = true;
    w->x->out->new_tokens++;
    TS_TRY(ts_path_add(p, c->id, c->logprob, gap));
    TS_TRY(ts_path_take(w->x, p, &w->has_ended));
    if (w->has_stops) {
        TS_TRY(ts_detok_add(&w->stops, p->ids, p->n));
        w->has_ended = w->has_ended || w->stops.is_stopped;
    }
    if (w->has_steps) {
        TS_TRY(ts_detok_add(&w->step, p->ids + w->step_from, p->n - w->step_from));
        w->is_at_step = w->step.is_stopped;
    }
    *stop = w->has_ended || w->is_at_step;
    return TS_OK;
}

static void on_done(void *ctx, ts_status st, bool is_stopped)
{
    walker *w = ctx;
    (void)is_stopped;
    w->is_done = true;
    w->st = st;
}

static ts_status add(walker *w, int64_t max_new)
{
    ts_explorer *x = w->x;
    const ts_path *p = path_of(w);
    const ts_prompt *prompt = &x->line->prompt;
    const bool gaps = x->o.approach == TS_APPROACH_COT;
    ts_scheduled *one;
    TS_TRY(ts_alloc(&w->ids, (size_t)prompt->n + p->n, sizeof *w->ids));
    memcpy(w->ids, prompt->ids, (size_t)prompt->n * sizeof *w->ids);
    if (p->n)
        memcpy(w->ids + prompt->n, p->ids, p->n * sizeof *w->ids);
    ts_detok_init(&w->stops, x->tok, x->c->stop, x->c->n_stop);
    ts_detok_init(&w->step, x->tok, &x->o.delimiter, 1);
    if (w->has_stops && p->n)
        TS_TRY(ts_detok_add(&w->stops, p->ids, p->n));
    w->step_from = p->n;
    const ts_scheduler_request r = {
        .prompt = w->ids, .n_prompt = prompt->n + (int64_t)p->n, .max_new = max_new,
        .n_answered = (int64_t)p->n, .state = p->state,
        .choice = { .sampling = x->sampling, .line = x->line->number + (p->number << TS_LINE_BITS),
                    .logprobs = x->c->logprobs || gaps, .top = gaps ? 2 : 0 },
        .constraint = x->c->constraint,
        .ctx = w, .token = on_token, .done = on_done,
    };
    return ts_scheduler_add(x->s, &r, &one);
}

/* Whether a path before it in the list begins with the same tokens. */
static bool has_leader(const walker *w, size_t i)
{
    const ts_path *p = path_of(&w[i]);
    for (size_t k = 0; k < i; k++) {
        const ts_path *q = path_of(&w[k]);
        if (q->n == p->n && (!p->n || !memcmp(p->ids, q->ids, p->n * sizeof *p->ids)))
            return true;
    }
    return false;
}

static ts_status first_failure(const walker *w, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (w[i].st != TS_OK)
            return w[i].st;
    return TS_OK;
}

static bool any_waits(const walker *w, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (w[i].ids && !w[i].has_begun && !w[i].is_done)
            return true;
    return false;
}

/* How many tokens a walker may write. */
static int64_t most_tokens(const walker *w, int64_t each, bool whole)
{
    const int64_t left = w->x->line->max_new - (int64_t)path_of(w)->n, step = whole ? left : w->x->o.step_tokens;
    const int64_t most = left < step ? left : step;
    return most < each ? most : each;
}

static ts_status run_walkers(ts_explorer *x, walker *w, size_t n, int64_t each, bool whole)
{
    bool *follows;
    TS_TRY(ts_alloc(&follows, n, sizeof *follows));
    ts_status st = TS_OK;
    for (size_t i = 0; i < n; i++)
        follows[i] = has_leader(w, i);
    for (int turn = 0; turn < 2; turn++) {
        for (size_t i = 0; st == TS_OK && i < n; i++)
            if (follows[i] == (turn > 0))
                st = add(&w[i], most_tokens(&w[i], each, whole));
        while (st == TS_OK && (turn ? !ts_scheduler_is_idle(x->s) : any_waits(w, n))) {
            st = ts_scheduler_step(x->s);
            st = st == TS_OK ? first_failure(w, n) : st;
        }
    }
    ts_free(&follows);
    return st;
}

/* What a walker's round made of its path. */
static void settle(const walker *w)
{
    ts_path *p = path_of(w);
    if (w->has_ended)
        p->end = TS_PATH_STOP;
    else if ((int64_t)p->n >= w->x->line->max_new)
        p->end = TS_PATH_LENGTH;
}

/* All paths at work go on by `each` tokens at most. */
static ts_status run_once(ts_explorer *x, walker *w, size_t n, int64_t each, bool whole)
{
    for (size_t i = 0; i < n; i++)
        w[i] = (walker){ .x = x, .path = w[i].path, .has_stops = x->tok && x->c->n_stop, .has_steps = x->tok && x->o.delimiter && !whole };
    const ts_status st = run_walkers(x, w, n, each, whole);
    for (size_t i = 0; i < n; i++) {
        if (st == TS_OK)
            settle(&w[i]);
        ts_detok_deinit(&w[i].stops);
        ts_detok_deinit(&w[i].step);
        ts_free(&w[i].ids);
    }
    return st;
}

/* Of the paths that this round has begun: those that are at work still. */
static size_t still_open(const ts_explorer *x, walker *w, size_t n, const size_t *began, bool whole)
{
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        const ts_path *p = &x->out->paths[w[i].path];
        const bool full = !whole && (w[i].is_at_step || (int64_t)(p->n - began[w[i].path]) >= x->o.step_tokens);
        if (p->end == TS_PATH_OPEN && !full)
            w[k++].path = w[i].path;
    }
    return k;
}

/* Every path has an equal share of what the budget has left; what is over goes round again, until all are at their ends
 * or there is less than a token for each. */
static ts_status run_all(ts_explorer *x, walker *w, size_t n, const size_t *began, bool whole)
{
    while (n) {
        const int64_t left = x->o.budget ? x->o.budget - x->out->new_tokens : INT64_MAX, each = left / (int64_t)n;
        if (each < 1)
            break;
        TS_TRY(run_once(x, w, n, each, whole));
        n = still_open(x, w, n, began, whole);
    }
    for (size_t i = 0; i < n; i++)
        x->out->paths[w[i].path].end = TS_PATH_LENGTH;
    return TS_OK;
}

ts_status ts_explore_round(ts_explorer *x, bool whole)
{
    const ts_exploration *e = x->out;
    walker *w;
    size_t *began = NULL, n = 0;
    TS_TRY(ts_alloc(&w, e->n, sizeof *w));
    ts_status st = ts_alloc(&began, e->n, sizeof *began);
    for (size_t i = 0; st == TS_OK && i < e->n; i++) {
        began[i] = e->paths[i].n;
        if (e->paths[i].end == TS_PATH_OPEN)
            w[n++].path = i;
    }
    if (st == TS_OK)
        st = run_all(x, w, n, began, whole);
    ts_free(&began);
    ts_free(&w);
    return st;
}

/* ---- branches ---- */

typedef struct branching {
    ts_choice choice;
    ts_status st;
} branching;

static ts_status keep_choice(void *ctx, const ts_choice *c, bool *stop)
{
    ((branching *)ctx)->choice = *c;
    *stop = true;
    return TS_OK;
}

static void note_end(void *ctx, ts_status st, bool is_stopped)
{
    (void)is_stopped;
    ((branching *)ctx)->st = st;
}

/* Whether an answer may begin with a token. */
static bool may_begin(const ts_explorer *x, int32_t id, const uint64_t *bits, bool may_end)
{
    if (ts_sampling_ends(&x->sampling, id))
        return may_end && x->sampling.min_new_tokens < 1;
    return !bits || (bits[id >> 6] >> (id & 63) & 1);
}

static ts_status begin_branches(ts_explorer *x, const ts_choice *c)
{
    const uint64_t *bits;
    bool may_end;
    int64_t n = 0;
    const int32_t start = x->c->constraint ? ts_grammar_start(ts_constraint_grammar(x->c->constraint)) : 0;
    TS_TRY(ts_constraint_before(x->c->constraint, start, &bits, &may_end));
    const double gap = c->n_top > 1 ? exp(c->top[0].logprob) - exp(c->top[1].logprob) : 1;
    for (int i = 0; i < c->n_top && n < x->o.n; i++) {
        ts_path *p;
        bool ends;
        if (!may_begin(x, c->top[i].id, bits, may_end))
            continue;
        TS_TRY(ts_path_begin(x, NULL, &p));
        TS_TRY(ts_path_add(p, c->top[i].id, c->top[i].logprob, gap));
        TS_TRY(ts_path_take(x, p, &ends));
        p->end = ends ? TS_PATH_STOP : x->line->max_new == 1 ? TS_PATH_LENGTH : TS_PATH_OPEN;
        x->out->new_tokens++;
        n++;
    }
    return n ? TS_OK
             : ts_error(TS_ERR_USER, "line %lld: none of the %d most probable first tokens fits the grammar",
                        (long long)x->line->number + 1, c->n_top);
}

ts_status ts_explore_branch(ts_explorer *x)
{
    branching b = { .st = TS_OK };
    ts_scheduled *one;
    const int most = x->c->constraint || x->sampling.min_new_tokens ? TS_CHOICE_MOST_TOP : x->o.n > 2 ? (int)x->o.n : 2;
    const ts_scheduler_request r = {
        .prompt = x->line->prompt.ids, .n_prompt = x->line->prompt.n, .max_new = 1,
        .choice = { .sampling = x->sampling, .line = x->line->number, .logprobs = true, .top = most },
        .ctx = &b, .token = keep_choice, .done = note_end,
    };
    TS_TRY(ts_scheduler_add(x->s, &r, &one));
    while (!ts_scheduler_is_idle(x->s))
        TS_TRY(ts_scheduler_step(x->s));
    TS_TRY(b.st);
    return begin_branches(x, &b.choice);
}
