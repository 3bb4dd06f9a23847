#include "infer/detok.h"
#include "infer/explore_parts.h"

#include <math.h>
#include <string.h>

void ts_path_deinit(ts_path *p)
{
    ts_free(&p->ids);
    ts_free(&p->logprobs);
    ts_free(&p->gaps);
    ts_free(&p->rewards);
    ts_str_deinit(&p->text);
    ts_str_deinit(&p->answer);
    *p = (ts_path){ 0 };
}

void ts_exploration_deinit(ts_exploration *e)
{
    for (size_t i = 0; i < e->n; i++)
        ts_path_deinit(&e->paths[i]);
    ts_free(&e->paths);
    *e = (ts_exploration){ 0 };
}

static ts_status copy_path(const ts_path *of, ts_path *to)
{
    for (size_t i = 0; i < of->n; i++)
        TS_TRY(ts_path_add(to, of->ids[i], of->logprobs[i], of->gaps[i]));
    TS_TRY(ts_grow(&to->rewards, &to->cap_rewards, of->n_rewards + 1, sizeof *to->rewards));
    memcpy(to->rewards, of->rewards, of->n_rewards * sizeof *to->rewards);
    to->n_rewards = of->n_rewards;
    to->tree = of->tree, to->state = of->state;
    return TS_OK;
}

ts_status ts_path_begin(ts_explorer *x, const ts_path *of, ts_path **out)
{
    ts_exploration *e = x->out;
    const size_t from = of ? (size_t)(of - e->paths) : 0;
    TS_TRY(ts_grow(&e->paths, &e->cap, e->n + 1, sizeof *e->paths));
    ts_path *p = &e->paths[e->n++];
    *p = (ts_path){ .number = x->next++, .score = NAN };
    p->tree = p->number;
    p->state = x->c->constraint ? ts_grammar_start(ts_constraint_grammar(x->c->constraint)) : 0;
    *out = p;
    return of ? copy_path(&e->paths[from], p) : TS_OK;
}

ts_status ts_path_add(ts_path *p, int32_t id, double logprob, double gap)
{
    TS_TRY(ts_grow(&p->ids, &p->cap_ids, p->n + 1, sizeof *p->ids));
    TS_TRY(ts_grow(&p->logprobs, &p->cap_logprobs, p->n + 1, sizeof *p->logprobs));
    TS_TRY(ts_grow(&p->gaps, &p->cap_gaps, p->n + 1, sizeof *p->gaps));
    p->logprobs[p->n] = logprob, p->gaps[p->n] = gap;
    p->ids[p->n++] = id;
    return TS_OK;
}

ts_status ts_path_take(ts_explorer *x, ts_path *p, bool *ends)
{
    const int32_t id = p->ids[p->n - 1];
    *ends = ts_sampling_ends(&x->sampling, id);
    return ts_constraint_after(x->c->constraint, &p->state, id, ends);
}

/* ---- what a path tells ---- */

/* Its text up to a stop text; behind each token ends[i] bytes of it, where ends is not NULL. */
static ts_status read_text(const ts_explorer *x, const ts_path *p, size_t *ends, ts_str *text)
{
    ts_detok d;
    ts_status st = TS_OK;
    ts_detok_init(&d, x->tok, x->c->stop, x->c->n_stop);
    for (size_t i = 0; st == TS_OK && i < p->n; i++) {
        st = i + 1 < p->n ? ts_detok_add(&d, p->ids, i + 1) : ts_detok_end(&d, p->ids, i + 1);
        if (ends)
            ends[i] = d.text.len;
    }
    if (st == TS_OK && text)
        st = ts_str_add(text, ts_str_text(&d.text), d.text.len);
    ts_detok_deinit(&d);
    return st;
}

static ts_status find_answer(const ts_explorer *x, const ts_path *p, size_t *from, size_t *upto, bool *found)
{
    *from = 0, *upto = p->text.len, *found = p->text.len > 0;
    return x->hooks.answer ? x->hooks.answer(x->hooks.ctx, ts_str_text(&p->text), p->text.len, from, upto, found) : TS_OK;
}

ts_status ts_path_finish(ts_explorer *x, ts_path *p)
{
    size_t from, upto;
    if (!x->tok)
        return TS_OK;
    ts_str_reset(&p->text);
    ts_str_reset(&p->answer);
    TS_TRY(read_text(x, p, NULL, &p->text));
    TS_TRY(find_answer(x, p, &from, &upto, &p->has_answer));
    return p->has_answer ? ts_str_add(&p->answer, p->text.s + from, upto - from) : TS_OK;
}

ts_status ts_path_gap(const ts_explorer *x, const ts_path *p, double *out)
{
    size_t *ends = NULL, from = 0, upto = 0, n = 0;
    bool found = true;
    double sum = 0;
    *out = NAN;
    if (x->tok) {
        TS_TRY(find_answer(x, p, &from, &upto, &found));
        TS_TRY(ts_alloc(&ends, p->n + 1, sizeof *ends));
    }
    const ts_status st = ends ? read_text(x, p, ends, NULL) : TS_OK;
    for (size_t i = 0; st == TS_OK && i < p->n; i++) {
        const size_t begin = ends && i ? ends[i - 1] : 0, end = ends ? ends[i] : 0;
        if (ends && (begin >= upto || end <= from))
            continue;
        sum += p->gaps[i];
        n++;
    }
    if (n && found)
        *out = sum / (double)n;
    ts_free(&ends);
    return st;
}

/* ---- who is chosen ---- */

/* Paths that may be chosen have ended, or were at work when steps or tokens were used up. */
static bool may_be(const ts_path *p) { return p->end == TS_PATH_STOP || p->end == TS_PATH_LENGTH; }

static bool same_answer(const ts_path *a, const ts_path *b)
{
    return a->answer.len == b->answer.len && !memcmp(ts_str_text(&a->answer), ts_str_text(&b->answer), a->answer.len);
}

static double score_of(const ts_path *p) { return isnan(p->score) ? -INFINITY : p->score; }

/* What speaks for the answer of path i. */
static double weight_of(const ts_exploration *e, ts_vote vote, const ts_path *of)
{
    double sum = 0;
    for (size_t i = 0; i < e->n; i++) {
        const ts_path *p = &e->paths[i];
        if (may_be(p) && p->has_answer && same_answer(p, of))
            sum += vote == TS_VOTE_MAJORITY ? 1 : isnan(p->score) ? 0 : p->score;
    }
    return sum;
}

void ts_explore_choose(ts_explorer *x)
{
    ts_exploration *e = x->out;
    const ts_path *best = NULL;
    double most = 0;
    for (size_t i = 0; i < e->n; i++) {
        const ts_path *p = &e->paths[i];
        const bool votes = x->o.vote != TS_VOTE_BEST && p->has_answer;
        if (!may_be(p))
            continue;
        const double weight = votes ? weight_of(e, x->o.vote, p) : x->o.vote == TS_VOTE_BEST ? score_of(p) : -INFINITY;
        if (!best || weight > most || (weight == most && same_answer(p, best) && score_of(p) > score_of(best)))
            best = p, most = weight;
    }
    e->chosen = best ? best - e->paths : 0;
}
