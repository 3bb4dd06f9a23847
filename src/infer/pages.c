#include "infer/pages.h"

#include "base/str.h"

#include <string.h>

enum { NONE = -1, FIRST_BUCKETS = 64 };

typedef struct page {
    int32_t holders;
    int32_t ids[TS_ENGINE_PAGE];
    /* Under which text it is kept: its serial number, 0: none, and that of the page before, 0: it is the first. Numbers
     * are never used again, so that what was kept behind a page that is gone is never found. */
    uint64_t serial, before;
    int32_t next_alike;       /* of its bucket */
    int32_t older, newer;     /* in the list of those that nobody has */
} page;

struct ts_pages {
    page *v;                  /* [n] */
    size_t cap;
    int64_t n, n_free, n_idle;
    int32_t oldest, newest;   /* that nobody has */
    int32_t *bucket;          /* [buckets] first page of each; a power of two */
    size_t buckets;
    uint64_t serial;          /* the last one */
};

ts_status ts_pages_create(ts_pages **out)
{
    ts_pages *p;
    TS_TRY(ts_alloc(&p, 1, sizeof *p));
    p->oldest = p->newest = NONE;
    *out = p;
    return TS_OK;
}

void ts_pages_destroy(ts_pages **p)
{
    if (!*p)
        return;
    ts_free(&(*p)->v);
    ts_free(&(*p)->bucket);
    ts_free(p);
}

int64_t ts_pages_count(const ts_pages *p) { return p->n; }
int64_t ts_pages_free(const ts_pages *p) { return p->n_free; }
int64_t ts_pages_idle(const ts_pages *p) { return p->n_idle; }

/* ---- texts ---- */

static size_t bucket_of(const ts_pages *p, uint64_t before, const int32_t *ids)
{
    char key[sizeof before + TS_ENGINE_PAGE * sizeof *ids];
    memcpy(key, &before, sizeof before);
    memcpy(key + sizeof before, ids, TS_ENGINE_PAGE * sizeof *ids);
    return (size_t)ts_hash_bytes(key, sizeof key) & (p->buckets - 1);
}

static void put_in_bucket(ts_pages *p, int32_t i)
{
    int32_t *first = &p->bucket[bucket_of(p, p->v[i].before, p->v[i].ids)];
    p->v[i].next_alike = *first;
    *first = i;
}

static void forget(ts_pages *p, int32_t i)
{
    int32_t *at = &p->bucket[bucket_of(p, p->v[i].before, p->v[i].ids)];
    while (*at != i)
        at = &p->v[*at].next_alike;
    *at = p->v[i].next_alike;
    p->v[i].serial = 0;
}

static int32_t look_up(const ts_pages *p, uint64_t before, const int32_t *ids)
{
    if (!p->buckets)
        return NONE;
    int32_t i = p->bucket[bucket_of(p, before, ids)];
    while (i != NONE && (p->v[i].before != before || memcmp(p->v[i].ids, ids, sizeof p->v[i].ids)))
        i = p->v[i].next_alike;
    return i;
}

static ts_status make_buckets(ts_pages *p, int64_t pages)
{
    size_t n = p->buckets ? p->buckets : FIRST_BUCKETS;
    int32_t *bucket;
    while (n < (size_t)pages)
        n *= 2;
    if (n == p->buckets)
        return TS_OK;
    TS_TRY(ts_alloc(&bucket, n, sizeof *bucket));
    ts_free(&p->bucket);
    p->bucket = bucket, p->buckets = n;
    for (size_t i = 0; i < n; i++)
        bucket[i] = NONE;
    for (int64_t i = 0; i < p->n; i++)
        if (p->v[i].serial)
            put_in_bucket(p, (int32_t)i);
    return TS_OK;
}

/* ---- the list of those that nobody has: from the one to be used next to the one to be used last ---- */

static void unlink_free(ts_pages *p, int32_t i)
{
    page *x = &p->v[i];
    *(x->older == NONE ? &p->oldest : &p->v[x->older].newer) = x->newer;
    *(x->newer == NONE ? &p->newest : &p->v[x->newer].older) = x->older;
    p->n_free--;
    p->n_idle -= x->serial != 0;
}

/* What is kept under a text goes behind all others, the rest before them. */
static void link_free(ts_pages *p, int32_t i)
{
    page *x = &p->v[i];
    x->older = x->serial ? p->newest : NONE;
    x->newer = x->serial ? NONE : p->oldest;
    *(x->older == NONE ? &p->oldest : &p->v[x->older].newer) = i;
    *(x->newer == NONE ? &p->newest : &p->v[x->newer].older) = i;
    p->n_free++;
    p->n_idle += x->serial != 0;
}

ts_status ts_pages_grow(ts_pages *p, int64_t pages)
{
    TS_TRY(ts_grow(&p->v, &p->cap, (size_t)pages, sizeof *p->v));
    TS_TRY(make_buckets(p, pages));
    for (int64_t i = pages; i-- > p->n;)
        link_free(p, (int32_t)i);
    p->n = pages > p->n ? pages : p->n;
    return TS_OK;
}

bool ts_pages_take(ts_pages *p, int32_t *out)
{
    const int32_t i = p->oldest;
    if (i == NONE)
        return false;
    unlink_free(p, i);
    if (p->v[i].serial)
        forget(p, i);
    p->v[i].holders = 1;
    *out = i;
    return true;
}

void ts_pages_release(ts_pages *p, int32_t i)
{
    TS_ASSERT(p->v[i].holders > 0, "page %d is given back by nobody", (int)i);
    if (--p->v[i].holders == 0)
        link_free(p, i);
}

int64_t ts_pages_find(ts_pages *p, const int32_t *ids, int64_t n, int32_t *pages)
{
    uint64_t before = 0;
    int64_t found = 0;
    for (; (found + 1) * TS_ENGINE_PAGE <= n; found++) {
        const int32_t i = look_up(p, before, ids + found * TS_ENGINE_PAGE);
        if (i == NONE)
            break;
        if (p->v[i].holders == 0)
            unlink_free(p, i);
        p->v[i].holders++;
        before = p->v[i].serial;
        pages[found] = i;
    }
    return found;
}

void ts_pages_keep(ts_pages *p, const int32_t *ids, const int32_t *pages, int64_t i)
{
    page *x = &p->v[pages[i]];
    const uint64_t before = i ? p->v[pages[i - 1]].serial : 0;
    if (x->serial || (i && !before) || look_up(p, before, ids + i * TS_ENGINE_PAGE) != NONE)
        return;
    memcpy(x->ids, ids + i * TS_ENGINE_PAGE, sizeof x->ids);
    x->before = before;
    x->serial = ++p->serial;
    put_in_bucket(p, pages[i]);
}
