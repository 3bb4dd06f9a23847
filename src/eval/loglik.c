#include "eval/loglik.h"

#include "infer/score.h"

enum { ROWS = 4096 }; /* of one pass, padding included */

/* Requests that go through together: they share their first `shared` ids. */
typedef struct group {
    ts_loglik_request *r; /* [n] */
    int64_t n, shared;
} group;

struct ts_loglik {
    ts_decoder *d;
    ts_tape *tape;
    ts_engine *e; /* slots 0..batch-1 work, slot batch holds what all begin with */
    int64_t batch, base;
    group *group; /* [n_groups] of the run at hand */
    size_t n_groups, cap_groups;
    ts_ask *ask; /* [n_asks], and whose sum each belongs to */
    ts_loglik_request **asker;
    float *answer;
    size_t n_asks, cap_ask, cap_asker, cap_answer;
    ts_prompt *more; /* [batch] */
    int64_t *from;   /* [batch] */
};

ts_status ts_loglik_create(ts_decoder *d, ts_tape *tape, int64_t batch, ts_loglik **out)
{
    ts_loglik *l;
    TS_TRY(ts_alloc(&l, 1, sizeof *l));
    l->d = d, l->tape = tape, l->batch = batch;
    ts_status st = ts_alloc(&l->more, (size_t)batch, sizeof *l->more);
    if (st == TS_OK)
        st = ts_alloc(&l->from, (size_t)batch, sizeof *l->from);
    if (st == TS_OK)
        st = ts_engine_create(d, batch + 1, &l->e);
    if (st != TS_OK)
        ts_loglik_destroy(&l);
    else
        *out = l;
    return st;
}

void ts_loglik_destroy(ts_loglik **loglik)
{
    ts_loglik *l = *loglik;
    if (!l)
        return;
    ts_engine_destroy(&l->e);
    ts_free(&l->group);
    ts_free(&l->ask);
    ts_free(&l->asker);
    ts_free(&l->answer);
    ts_free(&l->more);
    ts_free(&l->from);
    ts_free(loglik);
}

/* How many of the first `most` ids two requests share. */
static int64_t common(const ts_loglik_request *a, const ts_loglik_request *b, int64_t most)
{
    int64_t n = 0;
    while (n < most && n < a->n - 1 && n < b->n - 1 && a->ids[n] == b->ids[n])
        n++;
    return n;
}

/* What no engine can take up from a cache: its angles depend on its length. */
static bool is_alone(const ts_loglik *l, const ts_loglik_request *r)
{
    return r->n - 1 > ts_engine_alone_above(l->e);
}

ts_status ts_loglik_begin(ts_loglik *l, const ts_loglik_request *r, int64_t n)
{
    int64_t base = n > 1 ? r[0].from - 1 : 0;
    for (int64_t i = 0; i < n && base > 0; i++) {
        base = common(&r[0], &r[i], base);
        base = r[i].from - 1 < base ? r[i].from - 1 : base;
        base = is_alone(l, &r[i]) ? 0 : base;
    }
    l->base = base;
    ts_engine_clear(l->e, l->batch);
    const ts_prompt p = { .ids = r[0].ids, .n = base };
    return base ? ts_engine_extend(l->e, l->batch, 1, &p, NULL, 0, NULL) : TS_OK;
}

/* ---- groups ---- */

static ts_status add_group(ts_loglik *l, ts_loglik_request *r, int64_t n, int64_t shared)
{
    TS_TRY(ts_grow(&l->group, &l->cap_groups, l->n_groups + 1, sizeof *l->group));
    l->group[l->n_groups++] = (group){ r, n, shared };
    return TS_OK;
}

/* The requests of one question: together, where they share more than all do and there is room, else each alone. */
static ts_status group_question(ts_loglik *l, ts_loglik_request *r, int64_t n)
{
    int64_t shared = r[0].n - 1;
    for (int64_t i = 0; i < n; i++) {
        shared = common(&r[0], &r[i], shared);
        shared = is_alone(l, &r[i]) ? 0 : shared;
    }
    if (shared > l->base && n <= l->batch)
        return add_group(l, r, n, shared);
    for (int64_t i = 0; i < n; i++)
        TS_TRY(add_group(l, &r[i], 1, r[i].n - 1));
    return TS_OK;
}

static ts_status make_groups(ts_loglik *l, ts_loglik_request *r, int64_t n)
{
    l->n_groups = 0;
    for (int64_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && r[end].group == r[i].group;)
            end++;
        TS_TRY(group_question(l, &r[i], end - i));
    }
    return TS_OK;
}

static int64_t longest_rest(const group *g)
{
    int64_t longest = 0;
    for (int64_t i = 0; i < g->n; i++)
        longest = g->r[i].n - 1 - g->shared > longest ? g->r[i].n - 1 - g->shared : longest;
    return longest;
}

/* How many of these groups go through together, at least 1. */
static size_t take(const ts_loglik *l, const group *g, size_t n)
{
    int64_t requests = 0, first = 0, second = 0;
    size_t k = 0;
    for (; k < n; k++) {
        const int64_t a = g[k].shared - l->base, b = longest_rest(&g[k]);
        first = a > first ? a : first;
        second = b > second ? b : second;
        requests += g[k].n;
        if (k > 0 && (requests > l->batch || first * (int64_t)(k + 1) > ROWS || second * requests > ROWS))
            break;
    }
    return k;
}

/* ---- passes ---- */

/* Asks for those tokens of the continuation that follow ids [begin, end), which are row `row` of the pass. */
static ts_status ask(ts_loglik *l, ts_loglik_request *r, int64_t row, int64_t begin, int64_t end)
{
    for (int64_t t = r->from > begin + 1 ? r->from : begin + 1; t < r->n && t <= end; t++) {
        TS_TRY(ts_grow(&l->ask, &l->cap_ask, l->n_asks + 1, sizeof *l->ask));
        TS_TRY(ts_grow(&l->asker, &l->cap_asker, l->n_asks + 1, sizeof *l->asker));
        l->ask[l->n_asks] = (ts_ask){ row, t - 1 - begin, r->ids[t] };
        l->asker[l->n_asks++] = r;
    }
    return TS_OK;
}

static ts_status pass(ts_loglik *l, int64_t rows)
{
    TS_TRY(ts_grow(&l->answer, &l->cap_answer, l->n_asks, sizeof *l->answer));
    TS_TRY(ts_engine_extend(l->e, 0, rows, l->more, l->ask, (int64_t)l->n_asks, l->answer));
    for (size_t i = 0; i < l->n_asks; i++)
        l->asker[i]->sum += (double)l->answer[i];
    l->n_asks = 0;
    return TS_OK;
}

/* What the requests of each group share, a slot each. */
static ts_status run_shared(ts_loglik *l, const group *g, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        if (l->base)
            ts_engine_copy(l->e, (int64_t)k, l->batch);
        else
            ts_engine_clear(l->e, (int64_t)k);
        l->more[k] = (ts_prompt){ .ids = g[k].r[0].ids + l->base, .n = g[k].shared - l->base };
        for (int64_t i = 0; i < g[k].n; i++)
            TS_TRY(ask(l, &g[k].r[i], (int64_t)k, l->base, g[k].shared));
    }
    return pass(l, (int64_t)n);
}

/* And what they do not. */
static ts_status run_rests(ts_loglik *l, const group *g, size_t n)
{
    int64_t rows = 0;
    for (size_t k = 0; k < n; k++)
        for (int64_t i = 0; i < g[k].n; i++) {
            ts_loglik_request *r = &g[k].r[i];
            if (r->n - 1 == g[k].shared)
                continue;
            l->from[rows] = (int64_t)k;
            l->more[rows] = (ts_prompt){ .ids = r->ids + g[k].shared, .n = r->n - 1 - g[k].shared };
            TS_TRY(ask(l, r, rows++, g[k].shared, r->n - 1));
        }
    if (!rows)
        return TS_OK;
    TS_TRY(ts_engine_reorder(l->e, l->from, rows));
    return pass(l, rows);
}

static ts_status run_alone(ts_loglik *l, ts_loglik_request *r)
{
    double *logprobs = NULL;
    bool *greedy = NULL;
    ts_status st = ts_alloc(&logprobs, (size_t)r->n, sizeof *logprobs);
    if (st == TS_OK)
        st = ts_alloc(&greedy, (size_t)r->n, sizeof *greedy);
    if (st == TS_OK)
        st = ts_score_ids(l->d, l->tape, r->ids, r->n, NULL, NULL, logprobs, greedy);
    for (int64_t t = r->from; t < r->n && st == TS_OK; t++)
        r->sum += logprobs[t];
    ts_free(&logprobs);
    ts_free(&greedy);
    return st;
}

ts_status ts_loglik_run(ts_loglik *l, ts_loglik_request *r, int64_t n)
{
    int64_t longest = l->base;
    TS_TRY(make_groups(l, r, n));
    for (int64_t i = 0; i < n; i++) {
        r[i].sum = 0;
        longest = !is_alone(l, &r[i]) && r[i].n > longest ? r[i].n : longest;
    }
    TS_TRY(ts_engine_reserve(l->e, longest));
    for (size_t k = 0, m; k < l->n_groups; k += m) {
        const group *g = &l->group[k];
        m = is_alone(l, g->r) ? 1 : take(l, g, l->n_groups - k);
        for (size_t i = 1; i < m; i++)
            if (is_alone(l, g[i].r))
                m = i;
        if (is_alone(l, g->r)) {
            TS_TRY(run_alone(l, g->r));
            continue;
        }
        TS_TRY(run_shared(l, g, m));
        TS_TRY(run_rests(l, g, m));
    }
    return TS_OK;
}
