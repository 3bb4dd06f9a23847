#include "infer/draft.h"

#include "infer/sample.h"

#include <string.h>

struct ts_draft {
    ts_engine *engine;
    int64_t vocab, room; /* tokens that pages have room for */
    int32_t *ids;        /* [there] whose keys and values are there */
    size_t cap;
    int64_t there;
    int32_t *pages; /* 0, 1, ... */
    size_t cap_pages;
};

ts_status ts_draft_create(ts_decoder *d, ts_draft **out)
{
    ts_draft *a;
    if (!ts_engine_has_pages(d))
        return ts_error(TS_ERR_USER, "the draft model keeps more than keys and values of its texts: another kind of model is needed");
    TS_TRY(ts_alloc(&a, 1, sizeof *a));
    a->vocab = d->arch.vocab;
    const ts_status st = ts_engine_create_paged(d, 1, &a->engine);
    if (st != TS_OK)
        ts_draft_destroy(&a);
    else
        *out = a;
    return st;
}

void ts_draft_destroy(ts_draft **draft)
{
    ts_draft *a = *draft;
    if (!a)
        return;
    ts_engine_destroy(&a->engine);
    ts_free(&a->ids);
    ts_free(&a->pages);
    ts_free(draft);
}

static ts_status need(ts_draft *a, int64_t tokens)
{
    if (tokens <= a->room)
        return TS_OK;
    const int64_t pages = (2 * tokens + TS_ENGINE_PAGE - 1) >> TS_ENGINE_PAGE_BITS;
    TS_TRY(ts_engine_reserve_pages(a->engine, pages));
    TS_TRY(ts_grow(&a->pages, &a->cap_pages, (size_t)pages, sizeof *a->pages));
    TS_TRY(ts_grow(&a->ids, &a->cap, (size_t)(pages << TS_ENGINE_PAGE_BITS), sizeof *a->ids));
    for (int64_t i = 0; i < pages; i++)
        a->pages[i] = (int32_t)i;
    a->room = pages << TS_ENGINE_PAGE_BITS;
    return TS_OK;
}

/* Tokens there to upto - 1 of a->ids, and the most probable one behind them. */
static ts_status run(ts_draft *a, int64_t upto, int32_t *next)
{
    ts_logits z;
    const ts_engine_stretch s = { a->ids + a->there, a->there, upto - a->there, a->pages, (upto + TS_ENGINE_PAGE - 1) >> TS_ENGINE_PAGE_BITS };
    TS_TRY(ts_engine_run(a->engine, &s, 1, s.n > 1, &z));
    a->there = upto;
    *next = ts_argmax(z.v, a->vocab);
    return TS_OK;
}

int64_t ts_draft_guess(void *draft, const int32_t *ids, int64_t n, int64_t most, int32_t *out)
{
    ts_draft *a = draft;
    int64_t same = 0, count = 0;
    for (int64_t i = a->there; i < n; i++)
        if (ids[i] >= a->vocab) /* a token that only the other model has */
            return 0;
    ts_status st = need(a, n + most);
    if (st != TS_OK)
        return st;
    while (same < a->there && same < n - 1 && a->ids[same] == ids[same])
        same++;
    a->there = same;
    memcpy(a->ids + same, ids + same, (size_t)(n - same) * sizeof *ids);
    for (; count < most; count++) {
        st = run(a, n + count, &out[count]);
        if (st != TS_OK)
            return st;
        if (out[count] < 0)
            break;
        a->ids[n + count] = out[count];
    }
    return count;
}
