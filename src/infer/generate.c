#include "infer/generate.h"

#include <string.h>

/* A line at work in a slot. */
typedef struct active {
    const ts_gen_line *line;
    ts_gen_text text;
    ts_seen seen;
    int32_t state; /* of the grammar, where there is one */
} active;

typedef struct generator {
    ts_engine *e;
    const ts_arch *arch;
    const ts_gen_config *c;
    const ts_gen_hooks *hooks;
    const ts_gen_line *lines;
    int64_t n, next;         /* lines; the first that has not begun */
    int64_t slots, n_active;
    active *at;              /* [slots]; the first n_active are at work */
    ts_prompt *prompts;      /* [slots] of the lines that begin */
    int32_t *last;           /* [slots] their newest tokens */
    ts_sampler sampler;
    int32_t grammar_start;
    int64_t new_tokens;
} generator;

void ts_gen_text_deinit(ts_gen_text *t)
{
    ts_free(&t->ids);
    ts_free(&t->logprobs);
    *t = (ts_gen_text){ 0 };
}

ts_status ts_gen_limit(const ts_gen_config *c, const ts_arch *a, int64_t prompt, int64_t *max_new)
{
    int64_t most = c->max_new_tokens ? c->max_new_tokens : c->max_length - prompt;
    if (prompt < 1)
        return ts_error(TS_ERR_USER, "the prompt has no tokens");
    if (most < 1)
        return ts_error(TS_ERR_USER,
                        "the prompt has %lld tokens, and generation_config.json's max_length is "
                        "%lld: give --max-new-tokens",
                        (long long)prompt, (long long)c->max_length);
    if (a->position == TS_POSITION_LEARNED) {
        const int64_t room = a->max_positions - prompt + 1; /* the last token is not read again */
        if (room < 1)
            return ts_error(TS_ERR_USER, "the prompt has %lld tokens, and the model %lld positions",
                            (long long)prompt, (long long)a->max_positions);
        most = most < room ? most : room;
    }
    if (prompt + most > INT32_MAX)
        return ts_error(TS_ERR_USER, "%lld tokens in all are too many", (long long)(prompt + most));
    *max_new = most;
    return TS_OK;
}

int64_t ts_gen_slots(const ts_gen_config *c, int64_t batch, int64_t lines)
{
    if (c->num_beams > 1)
        return c->num_beams;
    const int64_t n = batch < lines ? batch : lines;
    return n < 1 ? 1 : n < TS_ENGINE_MOST_SLOTS ? n : TS_ENGINE_MOST_SLOTS;
}

static int64_t whole(const ts_gen_line *l) { return l->prompt.n + l->max_new; }
static bool is_alone(const generator *g, const ts_gen_line *l)
{
    return whole(l) > ts_engine_alone_above(g->e);
}

static void drop(active *a)
{
    ts_gen_text_deinit(&a->text);
    ts_seen_deinit(&a->seen);
    a->line = NULL;
}

/* The next token of a slot; *ended says whether it was the last. */
static ts_status take_token(generator *g, int64_t slot, const float *logits, bool *ended)
{
    active *a = &g->at[slot];
    ts_gen_text *t = &a->text;
    const ts_place_in_line place = { a->line->number, (int64_t)t->n };
    int32_t id;
    TS_TRY(ts_constraint_before(g->c->constraint, a->state, &g->sampler.allowed, &g->sampler.may_end));
    TS_TRY(ts_sampler_next(&g->sampler, logits, &a->seen, place, &id));
    TS_TRY(ts_grow(&t->ids, &t->cap_ids, t->n + 1, sizeof *t->ids));
    if (g->c->logprobs) {
        TS_TRY(ts_grow(&t->logprobs, &t->cap_logprobs, t->n + 1, sizeof *t->logprobs));
        t->logprobs[t->n] = (double)logits[id] - ts_log_sum_exp(logits, g->arch->vocab);
    }
    t->ids[t->n++] = id;
    g->last[slot] = id;
    g->new_tokens++;
    if (g->c->sampling.repetition_penalty != 1)
        TS_TRY(ts_seen_add(&a->seen, g->arch->vocab, &id, 1));
    t->is_stopped = ts_sampling_ends(&g->c->sampling, id);
    TS_TRY(ts_constraint_after(g->c->constraint, &a->state, id, &t->is_stopped));
    if (g->hooks->token) {
        bool stop = false;
        TS_TRY(g->hooks->token(g->hooks->ctx, a->line, t, &stop));
        t->is_stopped = t->is_stopped || stop;
    }
    *ended = t->is_stopped || (int64_t)t->n == a->line->max_new;
    return TS_OK;
}

/* The last active slot moves to where one became free. */
static void close_gap(generator *g, int64_t slot)
{
    const int64_t last = --g->n_active;
    drop(&g->at[slot]);
    if (slot == last)
        return;
    ts_engine_copy(g->e, slot, last);
    g->at[slot] = g->at[last];
    g->last[slot] = g->last[last];
    g->at[last] = (active){ 0 };
}

/* Takes a token for slots [first, first + n) and lets go of those that end; from the last, so that
 * what moves into a gap has been looked at. */
static ts_status take_tokens(generator *g, int64_t first, int64_t n, const ts_logits *z)
{
    bool ended[TS_ENGINE_MOST_SLOTS];
    for (int64_t i = 0; i < n; i++)
        TS_TRY(take_token(g, first + i, z->v + i * z->ld, &ended[i]));
    for (int64_t i = n; i-- > 0;) {
        if (!ended[i])
            continue;
        TS_TRY(g->hooks->done(g->hooks->ctx, g->at[first + i].line, &g->at[first + i].text));
        close_gap(g, first + i);
    }
    return TS_OK;
}

/* As many of the next lines as there are free slots and as go well together. */
static ts_status begin_lines(generator *g)
{
    while (g->n_active < g->slots && g->next < g->n) {
        const int64_t first = g->n_active;
        int64_t n = 0, longest = 0;
        if (is_alone(g, &g->lines[g->next]) ? first > 0 : first > 0 && is_alone(g, g->at[0].line))
            return TS_OK;
        for (; first + n < g->slots && g->next + n < g->n; n++) {
            const ts_gen_line *l = &g->lines[g->next + n];
            if (n > 0 && (is_alone(g, l) || is_alone(g, &g->lines[g->next])))
                break;
            g->prompts[n] = l->prompt;
        }
        n = ts_engine_prefill_group(g->prompts, n);
        for (int64_t i = 0; i < n; i++) {
            const ts_gen_line *l = &g->lines[g->next + i];
            enum { MODEST = 512 };
            const int64_t likely = l->prompt.n + (l->max_new < MODEST ? l->max_new : MODEST);
            g->at[first + i] = (active){ .line = l, .state = g->grammar_start };
            longest = likely > longest ? likely : longest;
            g->n_active++;
            if (g->c->sampling.repetition_penalty != 1)
                TS_TRY(ts_seen_add(&g->at[first + i].seen, g->arch->vocab, l->prompt.ids,
                                   l->prompt.n));
        }
        g->next += n;
        ts_logits z;
        TS_TRY(ts_engine_reserve(g->e, longest));
        TS_TRY(ts_engine_prefill(g->e, first, n, g->prompts, &z));
        TS_TRY(take_tokens(g, first, n, &z));
    }
    return TS_OK;
}

/* The whole text of slot 0 again, where its angles change. */
static ts_status refill(generator *g, ts_logits *z)
{
    const active *a = &g->at[0];
    const int64_t n = a->line->prompt.n + (int64_t)a->text.n;
    int32_t *ids;
    TS_TRY(ts_alloc(&ids, (size_t)n, sizeof *ids));
    memcpy(ids, a->line->prompt.ids, (size_t)a->line->prompt.n * sizeof *ids);
    memcpy(ids + a->line->prompt.n, a->text.ids, a->text.n * sizeof *ids);
    const ts_prompt p = { .ids = ids, .n = n };
    const ts_status st = ts_engine_prefill(g->e, 0, 1, &p, z);
    ts_free(&ids);
    return st;
}

static ts_status run(generator *g)
{
    TS_TRY(begin_lines(g));
    while (g->n_active > 0) {
        ts_logits z;
        const int64_t n = g->n_active;
        if (n == 1 && ts_engine_must_refill(g->e, ts_engine_length(g->e, 0) + 1))
            TS_TRY(refill(g, &z));
        else
            TS_TRY(ts_engine_decode(g->e, n, g->last, &z));
        TS_TRY(take_tokens(g, 0, n, &z));
        if (g->hooks->progress)
            g->hooks->progress(g->hooks->ctx, g->new_tokens);
        TS_TRY(begin_lines(g));
    }
    return TS_OK;
}

static ts_status run_beams(generator *g)
{
    for (; g->next < g->n; g->next++) {
        ts_gen_text t = { 0 };
        ts_status st = ts_beam_search(g->e, g->arch, g->c, &g->lines[g->next], &t);
        if (st == TS_OK)
            st = g->hooks->done(g->hooks->ctx, &g->lines[g->next], &t);
        g->new_tokens += (int64_t)t.n;
        ts_gen_text_deinit(&t);
        TS_TRY(st);
        if (g->hooks->progress)
            g->hooks->progress(g->hooks->ctx, g->new_tokens);
    }
    return TS_OK;
}

ts_status ts_generate(ts_engine *e, const ts_arch *a, const ts_gen_config *c,
                      const ts_gen_line *lines, int64_t n, const ts_gen_hooks *hooks)
{
    generator g = { .e = e, .arch = a, .c = c, .hooks = hooks, .lines = lines, .n = n,
                    .slots = ts_engine_slots(e),
                    .grammar_start = c->constraint ? ts_grammar_start(ts_constraint_grammar(c->constraint)) : 0 };
    if (c->num_beams > 1)
        return run_beams(&g);
    ts_status st;
    TS_TRY_TO(done, st, ts_alloc(&g.at, (size_t)g.slots, sizeof *g.at));
    TS_TRY_TO(done, st, ts_alloc(&g.prompts, (size_t)g.slots, sizeof *g.prompts));
    TS_TRY_TO(done, st, ts_alloc(&g.last, (size_t)g.slots, sizeof *g.last));
    TS_TRY_TO(done, st, ts_sampler_init(&g.sampler, &c->sampling, a->vocab));
    st = run(&g);
done:
    for (int64_t i = 0; g.at && i < g.slots; i++)
        drop(&g.at[i]);
    ts_free(&g.at);
    ts_free(&g.prompts);
    ts_free(&g.last);
    ts_sampler_deinit(&g.sampler);
    return st;
}
