#include "infer/scheduler.h"

#include "infer/pages.h"

#include <string.h>

enum { FIRST_PAGES = 64 };

struct ts_scheduled {
    ts_scheduler_request r;
    int64_t number; /* texts in the order in which they came */
    int32_t *ids;   /* [n]: the prompt, and the answer so far */
    size_t cap_ids;
    int64_t n, there; /* there: tokens whose keys and values are */
    int64_t prompt;   /* tokens that go in as a prompt does */
    int32_t *pages;   /* [n_pages] */
    size_t cap_pages;
    int64_t n_pages, kept; /* kept: pages that were offered to others */
    int64_t reused;
    int32_t state;   /* of the grammar, where there is one */
    bool shares;     /* its pages with others */
    bool is_writing; /* else it waits, and: */
    ts_scheduled *next;
};

struct ts_scheduler {
    ts_scheduler_options o;
    ts_engine *engine;
    int64_t vocab, alone_above; /* see ts_engine_alone_above */
    ts_pages *pages;            /* NULL: texts have slots, at[i] has slot i */
    int64_t most_pages;
    ts_scheduled **at; /* [o.texts] that are written, [n] of them */
    int64_t n;
    ts_scheduled *first, *last; /* that wait */
    int64_t number;
    int64_t rows;               /* of a pass, at most */
    ts_engine_stretch *stretch; /* [rows] of the pass at hand */
    int32_t *draft;             /* [rows] guesses of the pass at hand */
    ts_chooser chooser;
    ts_scheduler_figures f;
};

/* ---- pages of a text ---- */

static int64_t pages_for(int64_t tokens) { return (tokens + TS_ENGINE_PAGE - 1) >> TS_ENGINE_PAGE_BITS; }

/* The last ones first, so that what many texts may begin with is given away last. */
static void give_back(ts_scheduler *b, ts_scheduled *t)
{
    while (t->n_pages > 0)
        ts_pages_release(b->pages, t->pages[--t->n_pages]);
    t->there = t->kept = 0;
}

/* More pages, by doubling, as long as there may be more. */
static ts_status grow(ts_scheduler *b)
{
    const int64_t now = ts_pages_count(b->pages), twice = now ? 2 * now : FIRST_PAGES;
    const int64_t pages = twice < b->most_pages ? twice : b->most_pages;
    const ts_status st = ts_engine_reserve_pages(b->engine, pages);
    if (st == TS_ERR_NOMEM && now > 0) { /* then these have to do */
        b->most_pages = now;
        return TS_OK;
    }
    TS_TRY(st);
    return ts_pages_grow(b->pages, pages);
}

static ts_status take_page(ts_scheduler *b, int32_t *page, bool *got)
{
    *got = ts_pages_take(b->pages, page);
    if (*got || ts_pages_count(b->pages) >= b->most_pages)
        return TS_OK;
    TS_TRY(grow(b));
    *got = ts_pages_take(b->pages, page);
    return TS_OK;
}

static ts_scheduled *newest(const ts_scheduler *b)
{
    ts_scheduled *t = b->at[0];
    for (int64_t i = 1; i < b->n; i++)
        t = b->at[i]->number > t->number ? b->at[i] : t;
    return t;
}

/* Out of those that are written; the last one takes its place. */
static void take_out(ts_scheduler *b, ts_scheduled *t)
{
    int64_t i = 0;
    while (b->at[i] != t)
        i++;
    b->at[i] = b->at[--b->n];
    if (!b->pages && i < b->n)
        ts_engine_copy(b->engine, i, b->n);
    if (b->pages)
        give_back(b, t);
    t->is_writing = false;
}

/* To the head of the queue, without pages. */
static void preempt(ts_scheduler *b, ts_scheduled *t)
{
    take_out(b, t);
    t->prompt = t->r.n_prompt;
    t->next = b->first;
    b->first = t;
    b->last = b->last ? b->last : t;
    b->f.waiting++;
    b->f.preempted++;
}

/* Pages for so many tokens of the text, where others may have to go for them; *got false: it went itself. */
static ts_status need_pages(ts_scheduler *b, ts_scheduled *t, int64_t tokens, bool *got)
{
    *got = true;
    while (t->n_pages < pages_for(tokens)) {
        bool one;
        TS_TRY(ts_grow(&t->pages, &t->cap_pages, (size_t)t->n_pages + 1, sizeof *t->pages));
        TS_TRY(take_page(b, &t->pages[t->n_pages], &one));
        if (one) {
            t->n_pages++;
            continue;
        }
        ts_scheduled *goes = newest(b);
        if (b->n == 1)
            return ts_error(TS_ERR_NOMEM, "there is no memory for the keys and values of %lld tokens",
                            (long long)tokens);
        preempt(b, goes);
        if (goes == t) {
            *got = false;
            return TS_OK;
        }
    }
    return TS_OK;
}

/* ---- texts come and go ---- */

static void destroy_text(ts_scheduled *t)
{
    ts_free(&t->ids);
    ts_free(&t->pages);
    ts_free(&t);
}

static void finish(ts_scheduler *b, ts_scheduled *t, ts_status st, bool is_stopped)
{
    const ts_scheduler_request r = t->r;
    take_out(b, t);
    destroy_text(t);
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
        destroy_text(t);
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
        take_out(b, t);
    } else {
        ts_scheduled **at = &b->first, *before = NULL;
        for (; *at != t; at = &(*at)->next)
            before = *at;
        *at = t->next;
        b->last = b->last == t ? before : b->last;
        b->f.waiting--;
    }
    destroy_text(t);
}

int64_t ts_scheduler_reused(const ts_scheduled *t) { return t->reused; }

/* The head of the queue joins. */
static ts_scheduled *join(ts_scheduler *b)
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

/* Pages that prompts at work still want. */
static int64_t promised(const ts_scheduler *b)
{
    int64_t n = 0;
    for (int64_t i = 0; i < b->n; i++) {
        const int64_t wants = pages_for(b->at[i]->prompt + 1) - b->at[i]->n_pages;
        n += wants > 0 ? wants : 0;
    }
    return n;
}

/* What of its prompt is there already. The last token of a prompt has to go in whatever there is: its
 * logits are wanted. */
static ts_status find_beginning(ts_scheduler *b, ts_scheduled *t)
{
    const int64_t most = (t->r.n_prompt - 1) >> TS_ENGINE_PAGE_BITS;
    t->shares = b->o.reuse && t->r.n_prompt <= b->alone_above;
    if (!t->shares || !most)
        return TS_OK;
    TS_TRY(ts_grow(&t->pages, &t->cap_pages, (size_t)most, sizeof *t->pages));
    t->n_pages = t->kept = ts_pages_find(b->pages, t->ids, most << TS_ENGINE_PAGE_BITS, t->pages);
    t->there = t->n_pages << TS_ENGINE_PAGE_BITS;
    t->reused = t->there;
    b->f.reused_tokens += t->there;
    return TS_OK;
}

static ts_status admit(ts_scheduler *b)
{
    while (b->n < b->o.texts && b->first) {
        const int64_t room = ts_pages_free(b->pages) + b->most_pages - ts_pages_count(b->pages) - promised(b);
        if (b->n > 0 && pages_for(b->first->n + 1) > room)
            return TS_OK;
        ts_scheduled *t = join(b);
        const ts_status st = find_beginning(b, t);
        if (st != TS_OK)
            finish(b, t, st, false);
    }
    return TS_OK;
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

/* What follows a pass: the next token, where the text does not have it from before it made room. Whether the text is
 * still there. */
static bool go_on(ts_scheduler *b, ts_scheduled *t, const float *logits)
{
    bool stop = false, ended = false;
    if (t->there < t->n)
        return true;
    const ts_status st = next_token(b, t, logits, &stop, &ended);
    if (st != TS_OK || ended)
        finish(b, t, st, stop);
    return st == TS_OK && !ended;
}

/* ---- in pages ---- */

/* Full pages of the prompt are kept for others. */
static void keep_pages(ts_scheduler *b, ts_scheduled *t)
{
    const int64_t upto = t->there < t->r.n_prompt ? t->there : t->r.n_prompt;
    for (; t->shares && t->prompt == t->r.n_prompt && (t->kept + 1) * TS_ENGINE_PAGE <= upto; t->kept++)
        ts_pages_keep(b->pages, t->ids, t->pages, t->kept);
}

/* One pass for list [n], some tokens each. */
static ts_status run_list(ts_scheduler *b, ts_scheduled *const *list, const int64_t *tokens, int64_t n,
                          bool is_prompt)
{
    ts_logits z;
    bool wanted = false;
    for (int64_t i = 0; i < n; i++) {
        const ts_scheduled *t = list[i];
        b->stretch[i] = (ts_engine_stretch){ t->ids + t->there, t->there, tokens[i], t->pages, t->n_pages };
        wanted = wanted || t->there + tokens[i] == t->n;
    }
    TS_TRY(ts_engine_run(b->engine, b->stretch, n, is_prompt, wanted ? &z : NULL));
    for (int64_t i = 0; i < n; i++) {
        list[i]->there += tokens[i];
        b->f.prompt_tokens += is_prompt ? tokens[i] : 0;
        keep_pages(b, list[i]);
        go_on(b, list[i], wanted ? z.v + i * z.ld : NULL);
    }
    return TS_OK;
}

/* Of those that are written, by age: prompts that are not in yet, or texts that want their next token. */
static int64_t list_by_age(const ts_scheduler *b, bool is_prompt, ts_scheduled **list)
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

/* How many tokens of its prompt are next; a prompt whose angles depend on its length goes in whole. */
static int64_t prompt_tokens(const ts_scheduler *b, const ts_scheduled *t, int64_t budget)
{
    const int64_t left = t->prompt - t->there;
    return t->prompt > b->alone_above || left < budget ? left : budget;
}

static ts_status put_prompts(ts_scheduler *b)
{
    ts_scheduled *list[TS_ENGINE_MOST_SLOTS];
    int64_t tokens[TS_ENGINE_MOST_SLOTS], budget = b->o.step_tokens, n = 0;
    ts_prompt shape[TS_ENGINE_MOST_SLOTS];
    const int64_t all = list_by_age(b, true, list);
    for (int64_t i = 0; i < all && budget > 0; i++) {
        bool got;
        const bool is_alone = list[i]->prompt > b->alone_above;
        if (!list[i]->is_writing || (is_alone && n > 0))
            break;
        tokens[n] = prompt_tokens(b, list[i], budget);
        TS_TRY(need_pages(b, list[i], list[i]->there + tokens[n], &got));
        if (!got)
            break;
        shape[n] = (ts_prompt){ .ids = NULL, .n = tokens[n] };
        budget -= is_alone ? budget : tokens[n];
        list[n++] = list[i];
    }
    return n ? run_list(b, list, tokens, ts_engine_prefill_group(shape, n), true) : TS_OK;
}

/* ---- guesses ---- */

/* How many tokens behind those that are there have room in pages, of so many that want it; nobody goes for them. */
static ts_status find_room(ts_scheduler *b, ts_scheduled *t, int64_t tokens, int64_t *room)
{
    bool got = true;
    while (got && t->n_pages < pages_for(t->there + tokens)) {
        TS_TRY(ts_grow(&t->pages, &t->cap_pages, (size_t)t->n_pages + 1, sizeof *t->pages));
        TS_TRY(take_page(b, &t->pages[t->n_pages], &got));
        t->n_pages += got;
    }
    *room = (t->n_pages << TS_ENGINE_PAGE_BITS) - t->there;
    return TS_OK;
}

/* Guesses for a text that waits for a new token, behind its ids and to `draft`; how many, *n. */
static ts_status guess(ts_scheduler *b, ts_scheduled *t, int64_t most, int32_t *draft, int64_t *n)
{
    const int64_t left = t->r.max_new - (t->n - t->r.n_prompt) - 1;
    int64_t room;
    *n = 0;
    most = most < left ? most : left;
    if (most < 1 || t->there + 1 != t->n || t->n + most > b->alone_above)
        return TS_OK;
    TS_TRY(find_room(b, t, most + 1, &room));
    most = most < room - 1 ? most : room - 1;
    if (most < 1)
        return TS_OK;
    const int64_t got = b->o.drafter(b->o.drafter_ctx, t->ids, t->n, most, draft);
    if (got < 0)
        return (ts_status)got;
    TS_TRY(ts_grow(&t->ids, &t->cap_ids, (size_t)(t->n + got), sizeof *t->ids));
    for (; *n < got && draft[*n] < b->vocab; ++*n)
        t->ids[t->n + *n] = draft[*n];
    b->f.drafted += *n;
    return TS_OK;
}

/* Rows of logits z, of the newest token and of `count` guesses: each is of use as long as the guess before it is what
 * was chosen. */
static void take_guesses(ts_scheduler *b, ts_scheduled *t, const ts_logits *z, const int32_t *draft, int64_t count)
{
    for (int64_t i = 0; i <= count; i++) {
        t->there++;
        if (!go_on(b, t, z->v + i * z->ld) || i == count || t->ids[t->n - 1] != draft[i])
            return;
        b->f.accepted++;
    }
}

/* One pass for list [n]: the newest token of each, and guesses of what follows as rows of their own, which share its
 * pages. */
static ts_status run_guesses(ts_scheduler *b, ts_scheduled *const *list, int64_t n)
{
    int64_t count[TS_ENGINE_MOST_SLOTS], rows = 0;
    const int64_t each = b->rows / n - 1 < b->o.drafts ? b->rows / n - 1 : b->o.drafts;
    ts_logits z;
    for (int64_t i = 0; i < n; i++) {
        ts_scheduled *t = list[i];
        TS_TRY(guess(b, t, each, b->draft + rows, &count[i]));
        for (int64_t k = 0; k <= count[i]; k++)
            b->stretch[rows + k] = (ts_engine_stretch){ t->ids + t->there + k, t->there + k, 1, t->pages, t->n_pages };
        rows += count[i] + 1;
    }
    TS_TRY(ts_engine_run(b->engine, b->stretch, rows, false, &z));
    for (int64_t i = 0, row = 0; i < n; row += count[i++] + 1) {
        const ts_logits own = { z.v + row * z.ld, z.ld };
        take_guesses(b, list[i], &own, b->draft + row, count[i]);
    }
    return TS_OK;
}

/* A text whose angles all change with its next token goes in again as a prompt. */
static bool goes_again(ts_scheduler *b, ts_scheduled *t)
{
    if (!ts_engine_must_refill(b->engine, t->there + 1))
        return false;
    give_back(b, t);
    t->prompt = b->alone_above + 1;
    return true;
}

static ts_status write_tokens(ts_scheduler *b)
{
    ts_scheduled *list[TS_ENGINE_MOST_SLOTS], *apart[TS_ENGINE_MOST_SLOTS];
    int64_t one[TS_ENGINE_MOST_SLOTS], n = 0, n_apart = 0;
    const int64_t all = list_by_age(b, false, list);
    for (int64_t i = 0; i < all; i++) {
        bool got;
        one[i] = 1;
        if (!list[i]->is_writing || goes_again(b, list[i]))
            continue;
        TS_TRY(need_pages(b, list[i], list[i]->there + 1, &got));
        if (!got)
            continue;
        if (list[i]->there + 1 > b->alone_above)
            apart[n_apart++] = list[i];
        else
            list[n++] = list[i];
    }
    if (n)
        TS_TRY(b->o.drafts ? run_guesses(b, list, n) : run_list(b, list, one, n, false));
    for (int64_t i = 0; i < n_apart; i++)
        TS_TRY(run_list(b, &apart[i], &(int64_t){ 1 }, 1, false));
    return TS_OK;
}

static ts_status step_in_pages(ts_scheduler *b)
{
    TS_TRY(admit(b));
    TS_TRY(put_prompts(b));
    return write_tokens(b);
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
    go_on(b, t, z.v);
    return TS_OK;
}

static ts_status step_in_slots(ts_scheduler *b)
{
    int32_t last[TS_ENGINE_MOST_SLOTS];
    ts_logits z;
    if (b->first && may_join(b)) {
        ts_scheduled *t = join(b);
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
        go_on(b, b->at[i], z.v + i * z.ld);
    }
    return TS_OK;
}

/* ---- the batch ---- */

static ts_status create(ts_scheduler *b, ts_decoder *d)
{
    const bool has_pages = ts_engine_has_pages(d);
    b->vocab = d->arch.vocab;
    b->most_pages = pages_for(b->o.tokens);
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
        destroy_text(b->at[i]);
    while (b->first)
        ts_scheduler_cancel(b, b->first);
    ts_pages_destroy(&b->pages);
    ts_engine_destroy(&b->engine);
    ts_chooser_deinit(&b->chooser);
    ts_free(&b->at);
    ts_free(&b->stretch);
    ts_free(&b->draft);
    ts_free(batch);
}

bool ts_scheduler_is_idle(const ts_scheduler *b) { return !b->n && !b->first; }

ts_status ts_scheduler_step(ts_scheduler *b)
{
    const ts_status st = b->pages ? step_in_pages(b) : step_in_slots(b);
    b->f.steps++;
    while (st != TS_OK && b->n > 0)
        finish(b, b->at[b->n - 1], st, false);
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
