#include "infer/scheduler_inside.h"

#include <string.h>

void ts_scheduler_take_out(ts_scheduler *b, ts_scheduled *t)
{
    int64_t i = 0;
    while (b->at[i] != t)
        i++;
    b->at[i] = b->at[--b->n];
    if (!b->pages && i < b->n)
        ts_engine_copy(b->engine, i, b->n);
    if (b->pages)
        ts_scheduled_give_back(b, t);
    t->is_writing = false;
}

/* ---- texts come and go ---- */

void ts_scheduled_destroy(ts_scheduled *t)
{
    ts_free(&t->ids);
    ts_free(&t->pages);
    ts_free(&t);
}

void ts_scheduler_finish(ts_scheduler *b, ts_scheduled *t, ts_status st, bool is_stopped)
{
    const ts_scheduler_request r = t->r;
    ts_scheduler_take_out(b, t);
    if (st == TS_OK && b->o.remembers)
        ts_scheduler_remember(b, t);
    else
        ts_scheduled_destroy(t);
    r.done(r.ctx, st, is_stopped);
}

ts_status ts_scheduler_add(ts_scheduler *b, const ts_scheduler_request *r, ts_scheduled **out)
{
    ts_scheduled *t;
    TS_ASSERT(r->n_prompt >= 1 && r->max_new >= 1, "a text of %lld and %lld tokens", (long long)r->n_prompt,
              (long long)r->max_new);
    TS_TRY(ts_alloc(&t, 1, sizeof *t));
    const ts_status st = ts_grow(&t->ids, &t->cap_ids, (size_t)r->n_prompt, sizeof *t->ids);
    if (st != TS_OK) {
        ts_scheduled_destroy(t);
        return st;
    }
    memcpy(t->ids, r->prompt, (size_t)r->n_prompt * sizeof *t->ids);
    t->r = *r;
    t->n = t->prompt = r->n_prompt;
    t->state = r->n_answered   ? r->state
               : r->constraint ? ts_grammar_start(ts_constraint_grammar(r->constraint))
                               : 0;
    t->number = b->number++;
    *(b->last ? &b->last->next : &b->first) = t;
    b->last = t;
    b->f.waiting++;
    *out = t;
    return TS_OK;
}

void ts_scheduler_cancel(ts_scheduler *b, ts_scheduled *t)
{
    if (t->is_writing) {
        ts_scheduler_take_out(b, t);
    } else {
        ts_scheduled **at = &b->first, *before = NULL;
        for (; *at != t; at = &(*at)->next)
            before = *at;
        *at = t->next;
        b->last = b->last == t ? before : b->last;
        b->f.waiting--;
    }
    ts_scheduled_destroy(t);
}

int64_t ts_scheduler_reused(const ts_scheduled *t) { return t->reused; }

ts_scheduled *ts_scheduler_join(ts_scheduler *b)
{
    ts_scheduled *t = b->first;
    b->first = t->next;
    b->last = b->first ? b->last : NULL;
    t->next = NULL;
    t->is_writing = true;
    b->at[b->n++] = t;
    b->f.waiting--;
    return t;
}

/* ---- tokens ---- */

static ts_status next_token(ts_scheduler *b, ts_scheduled *t, const float *logits, bool *stop, bool *ended)
{
    ts_choice c;
    TS_TRY(ts_constraint_before(t->r.constraint, t->state, &b->chooser.allowed, &b->chooser.may_end));
    TS_TRY(ts_choose(&b->chooser, &t->r.choice, logits, b->vocab, t->ids, t->n, t->r.n_prompt - t->r.n_answered, &c));
    TS_TRY(ts_grow(&t->ids, &t->cap_ids, (size_t)t->n + 1, sizeof *t->ids));
    t->ids[t->n++] = c.id;
    b->f.new_tokens++;
    TS_TRY(t->r.token(t->r.ctx, &c, stop));
    *stop = *stop || ts_sampling_ends(&t->r.choice.sampling, c.id);
    TS_TRY(ts_constraint_after(t->r.constraint, &t->state, c.id, stop));
    *ended = *stop || t->n - t->r.n_prompt == t->r.max_new;
    return TS_OK;
}

bool ts_scheduler_go_on(ts_scheduler *b, ts_scheduled *t, const float *logits)
{
    bool stop = false, ended = false;
    if (t->there < t->n)
        return true;
    const ts_status st = next_token(b, t, logits, &stop, &ended);
    if (st != TS_OK || ended)
        ts_scheduler_finish(b, t, st, stop);
    return st == TS_OK && !ended;
}

/* ---- who is next ---- */

int64_t ts_scheduler_list(const ts_scheduler *b, bool is_prompt, ts_scheduled **list)
{
    int64_t n = 0;
    for (int64_t i = 0; i < b->n; i++) {
        ts_scheduled *t = b->at[i];
        int64_t to = n;
        if ((t->there < t->prompt) != is_prompt)
            continue;
        for (; to > 0 && list[to - 1]->number > t->number; to--)
            list[to] = list[to - 1];
        list[to] = t;
        n++;
    }
    return n;
}

/* ---- in slots ---- */

static int64_t whole(const ts_scheduled *t) { return t->r.n_prompt + t->r.max_new; }

/* A text whose angles depend on its length shares no pass with others. */
static bool may_join(const ts_scheduler *b)
{
    return b->n == 0 ||
           (b->n < b->o.texts && whole(b->first) <= b->alone_above && whole(b->at[0]) <= b->alone_above);
}

/* The whole text so far into the last slot. */
static ts_status put_whole(ts_scheduler *b, ts_scheduled *t)
{
    ts_logits z;
    const ts_prompt p = { .ids = t->ids, .n = t->n };
    TS_TRY(ts_engine_prefill(b->engine, b->n - 1, 1, &p, &z));
    t->there = t->n;
    ts_scheduler_go_on(b, t, z.v);
    return TS_OK;
}

static ts_status step_in_slots(ts_scheduler *b)
{
    int32_t last[TS_ENGINE_MOST_SLOTS];
    ts_logits z;
    if (b->first && may_join(b)) {
        ts_scheduled *t = ts_scheduler_join(b);
        b->f.prompt_tokens += t->n;
        TS_TRY(put_whole(b, t));
    }
    const int64_t n = b->n;
    if (n == 1 && ts_engine_must_refill(b->engine, ts_engine_length(b->engine, 0) + 1))
        return put_whole(b, b->at[0]);
    for (int64_t i = 0; i < n; i++)
        last[i] = b->at[i]->ids[b->at[i]->there];
    if (n)
        TS_TRY(ts_engine_decode(b->engine, n, last, &z));
    for (int64_t i = n; i-- > 0;) { /* from the last, so that what moves into a gap has been looked at */
        b->at[i]->there++;
        ts_scheduler_go_on(b, b->at[i], z.v + i * z.ld);
    }
    return TS_OK;
}

/* ---- the batch ---- */

static ts_status create(ts_scheduler *b, ts_decoder *d)
{
    const bool has_pages = ts_engine_has_pages(d);
    b->vocab = d->arch.vocab;
    b->most_pages = ts_scheduler_pages_for(b->o.tokens);
    TS_TRY(ts_alloc(&b->at, (size_t)b->o.texts, sizeof *b->at));
    b->o.drafts = has_pages ? b->o.drafts : 0;
    const int64_t rows = b->o.texts * (1 + b->o.drafts);
    b->rows = rows < TS_ENGINE_MOST_SLOTS ? rows : TS_ENGINE_MOST_SLOTS;
    TS_TRY(ts_alloc(&b->stretch, (size_t)b->rows, sizeof *b->stretch));
    TS_TRY(ts_alloc(&b->draft, (size_t)b->rows, sizeof *b->draft));
    TS_TRY((has_pages ? ts_engine_create_paged : ts_engine_create)(d, has_pages ? b->rows : b->o.texts, &b->engine));
    b->alone_above = ts_engine_alone_above(b->engine);
    return has_pages ? ts_pages_create(&b->pages) : TS_OK;
}

ts_status ts_scheduler_create(ts_decoder *d, const ts_scheduler_options *o, ts_scheduler **out)
{
    ts_scheduler *b;
    TS_ASSERT(o->texts >= 1 && o->texts <= TS_ENGINE_MOST_SLOTS && o->step_tokens >= 1,
              "a batch of %lld texts", (long long)o->texts);
    TS_TRY(ts_alloc(&b, 1, sizeof *b));
    b->o = *o;
    const ts_status st = create(b, d);
    if (st != TS_OK)
        ts_scheduler_destroy(&b);
    else
        *out = b;
    return st;
}

void ts_scheduler_destroy(ts_scheduler **batch)
{
    ts_scheduler *b = *batch;
    if (!b)
        return;
    for (int64_t i = 0; i < b->n; i++)
        ts_scheduled_destroy(b->at[i]);
    while (b->first)
        ts_scheduler_cancel(b, b->first);
    while (b->memory)
        ts_scheduler_drop_memory(b);
    ts_pages_destroy(&b->pages);
    ts_engine_destroy(&b->engine);
    ts_chooser_deinit(&b->chooser);
    ts_free(&b->at);
    ts_free(&b->stretch);
    ts_free(&b->draft);
    ts_free(batch);
}

bool ts_scheduler_is_idle(const ts_scheduler *b) { return !b->n && !b->first && !b->memory; }

ts_status ts_scheduler_step(ts_scheduler *b)
{
    const ts_status st = b->pages ? ts_scheduler_step_in_pages(b) : step_in_slots(b);
    b->f.steps++;
    while (st != TS_OK && b->n > 0)
        ts_scheduler_finish(b, b->at[b->n - 1], st, false);
    return st;
}

ts_scheduler_figures ts_scheduler_look(const ts_scheduler *b)
{
    ts_scheduler_figures f = b->f;
    f.writing = b->n;
    if (b->pages) {
        f.tokens_room = b->most_pages << TS_ENGINE_PAGE_BITS;
        f.tokens_held = (ts_pages_count(b->pages) - ts_pages_free(b->pages)) << TS_ENGINE_PAGE_BITS;
    }
    return f;
}
