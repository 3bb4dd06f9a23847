/* Texts whose keys and values lie in pages: room for them, prompts piece by piece, guesses. */
#include "infer/scheduler_inside.h"

#include <string.h>

enum { FIRST_PAGES = 64 };

/* ---- pages of a text ---- */

/* The last ones first, so that what many texts may begin with is given away last. */
void ts_scheduled_give_back(ts_scheduler *b, ts_scheduled *t)
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

/* To the head of the queue, without pages. */
static void preempt(ts_scheduler *b, ts_scheduled *t)
{
    ts_scheduler_take_out(b, t);
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
    while (t->n_pages < ts_scheduler_pages_for(tokens)) {
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

/* ---- texts join ---- */

/* Pages that prompts at work still want. */
static int64_t promised(const ts_scheduler *b)
{
    int64_t n = 0;
    for (int64_t i = 0; i < b->n; i++) {
        const int64_t wants = ts_scheduler_pages_for(b->at[i]->prompt + 1) - b->at[i]->n_pages;
        n += wants > 0 ? wants : 0;
    }
    return n;
}

/* Whole pages of its prompt that may be there already. The last token of a prompt has to go in whatever there is: its
 * logits are wanted. */
static int64_t most_found(const ts_scheduled *t) { return t->shares ? (t->r.n_prompt - 1) >> TS_ENGINE_PAGE_BITS : 0; }

/* What of the first pages of a text is there already, in place of what it has; it has computed nothing of its own. */
static ts_status find_pages(ts_scheduler *b, ts_scheduled *t, int64_t most)
{
    TS_TRY(ts_grow(&t->pages, &t->cap_pages, (size_t)most, sizeof *t->pages));
    ts_scheduled_give_back(b, t);
    t->n_pages = t->kept = ts_pages_find(b->pages, t->ids, most << TS_ENGINE_PAGE_BITS, t->pages);
    t->there = t->n_pages << TS_ENGINE_PAGE_BITS;
    return TS_OK;
}

static ts_status find_beginning(ts_scheduler *b, ts_scheduled *t)
{
    t->shares = b->o.reuse && t->r.n_prompt <= b->alone_above;
    t->reused = 0;
    if (!most_found(t))
        return TS_OK;
    TS_TRY(find_pages(b, t, most_found(t)));
    t->reused = t->there;
    b->f.reused_tokens += t->there;
    return TS_OK;
}

/* Whether a text that has computed nothing yet begins with pages that an older one is about to compute. */
static bool waits_for(const ts_scheduled *t, const ts_scheduled *older)
{
    const int64_t most = most_found(t) < most_found(older) ? most_found(t) : most_found(older);
    const size_t bytes = (size_t)(t->n_pages + 1) * TS_ENGINE_PAGE * sizeof *t->ids;
    return t->n_pages < most && older->prompt == older->r.n_prompt && !memcmp(t->ids, older->ids, bytes);
}

/* Looks again for the beginning of a text that has computed nothing yet, now that older ones have computed more. */
static ts_status find_more(ts_scheduler *b, ts_scheduled *t, ts_scheduled *const *older, int64_t n, bool *waits)
{
    *waits = false;
    if (t->there != t->reused || t->n_pages == most_found(t))
        return TS_OK;
    const int64_t before = t->reused;
    TS_TRY(find_beginning(b, t));
    b->f.reused_tokens -= before;
    for (int64_t i = 0; i < n && !*waits; i++)
        *waits = waits_for(t, older[i]);
    return TS_OK;
}

static ts_status admit(ts_scheduler *b)
{
    while (b->n < b->o.texts && b->first) {
        const int64_t room = ts_pages_free(b->pages) + b->most_pages - ts_pages_count(b->pages) - promised(b);
        if (b->n > 0 && ts_scheduler_pages_for(b->first->n + 1) > room)
            return TS_OK;
        ts_scheduled *t = ts_scheduler_join(b);
        const ts_status st = find_beginning(b, t);
        if (st != TS_OK)
            ts_scheduler_finish(b, t, st, false);
    }
    return TS_OK;
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
        ts_scheduler_go_on(b, list[i], wanted ? z.v + i * z.ld : NULL);
    }
    return TS_OK;
}

/* How many tokens of its prompt are next; a prompt whose angles depend on its length goes in whole. */
static int64_t prompt_tokens(const ts_scheduler *b, const ts_scheduled *t, int64_t budget)
{
    const int64_t left = t->prompt - t->there;
    return t->prompt > b->alone_above || left < budget ? left : budget;
}

static ts_status put_prompts(ts_scheduler *b)
{
    ts_scheduled *list[TS_ENGINE_MOST_SLOTS], *older[TS_ENGINE_MOST_SLOTS];
    int64_t tokens[TS_ENGINE_MOST_SLOTS], budget = b->o.step_tokens, n = 0, n_older = 0;
    ts_prompt shape[TS_ENGINE_MOST_SLOTS];
    const int64_t all = ts_scheduler_list(b, true, list);
    for (int64_t i = 0; i < all && budget > 0; i++) {
        bool got, waits;
        const bool is_alone = list[i]->prompt > b->alone_above;
        if (!list[i]->is_writing || (is_alone && n > 0))
            break;
        TS_TRY(find_more(b, list[i], older, n_older, &waits));
        older[n_older++] = list[i];
        if (waits)
            continue;
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
    while (got && t->n_pages < ts_scheduler_pages_for(t->there + tokens)) {
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
        if (!ts_scheduler_go_on(b, t, z->v + i * z->ld) || i == count || t->ids[t->n - 1] != draft[i])
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
    ts_scheduled_give_back(b, t);
    t->prompt = b->alone_above + 1;
    return true;
}

static ts_status write_tokens(ts_scheduler *b)
{
    ts_scheduled *list[TS_ENGINE_MOST_SLOTS], *apart[TS_ENGINE_MOST_SLOTS];
    int64_t one[TS_ENGINE_MOST_SLOTS], n = 0, n_apart = 0;
    const int64_t all = ts_scheduler_list(b, false, list);
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

/* ---- answers as beginnings ----
 *
 * What a new token's keys and values are is not to the bit what they would be of a prompt. So those of answers are made
 * again, as a prompt's, when there is nothing else to do. */

enum { MOST_MEMORY = 64 }; /* texts that wait for it */

void ts_scheduler_drop_memory(ts_scheduler *b)
{
    ts_scheduled *t = b->memory;
    b->memory = t->next;
    b->last_memory = b->memory ? b->last_memory : NULL;
    b->n_memory--;
    ts_scheduled_destroy(t);
}

void ts_scheduler_remember(ts_scheduler *b, ts_scheduled *t)
{
    t->r.n_prompt = t->prompt = t->n;
    t->next = NULL;
    if (!t->shares || t->n > b->alone_above) {
        ts_scheduled_destroy(t);
        return;
    }
    *(b->last_memory ? &b->last_memory->next : &b->memory) = t;
    b->last_memory = t;
    if (++b->n_memory > MOST_MEMORY)
        ts_scheduler_drop_memory(b);
}

/* Some whole pages more of the text that has waited longest. It holds no page between two steps: who comes finds what
 * there is, and may take what it needs. */
static ts_status remember_more(ts_scheduler *b)
{
    ts_scheduled *t = b->memory;
    const int64_t whole = t->n >> TS_ENGINE_PAGE_BITS, pages = b->o.step_tokens >> TS_ENGINE_PAGE_BITS;
    bool got = true;
    ts_status st = whole ? find_pages(b, t, whole) : TS_OK;
    const int64_t left = whole - t->n_pages, n = left < pages ? left : pages > 0 ? pages : 1;
    while (st == TS_OK && got && t->n_pages < (t->there >> TS_ENGINE_PAGE_BITS) + n) {
        st = take_page(b, &t->pages[t->n_pages], &got);
        t->n_pages += st == TS_OK && got;
    }
    if (st == TS_OK && got && n > 0) {
        const ts_engine_stretch s = { t->ids + t->there, t->there, n << TS_ENGINE_PAGE_BITS, t->pages, t->n_pages };
        st = ts_engine_run(b->engine, &s, 1, true, NULL);
    }
    if (st == TS_OK && got && n > 0) {
        t->there += n << TS_ENGINE_PAGE_BITS;
        b->f.remembered_tokens += n << TS_ENGINE_PAGE_BITS;
        keep_pages(b, t);
    }
    ts_scheduled_give_back(b, t);
    if (st != TS_OK || !got || n == left)
        ts_scheduler_drop_memory(b);
    return st;
}

ts_status ts_scheduler_step_in_pages(ts_scheduler *b)
{
    if (!b->n && !b->first)
        return b->memory ? remember_more(b) : TS_OK;
    TS_TRY(admit(b));
    TS_TRY(put_prompts(b));
    return write_tokens(b);
}

