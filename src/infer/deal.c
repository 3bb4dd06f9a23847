#include "infer/deal.h"

#include <stdlib.h>
#include <string.h>

/* Ahead of a line's bytes. */
typedef struct head {
    int64_t number, n;
} head;

typedef struct place {
    head h;
    const char *s;
} place;

ts_status ts_deal_put(ts_str *own, int64_t number, const char *s, size_t n)
{
    const head h = { number, (int64_t)n };
    TS_TRY(ts_str_add(own, (const char *)&h, sizeof h));
    return ts_str_add(own, s, n);
}

static int by_number(const void *a, const void *b)
{
    const int64_t x = ((const place *)a)->h.number, y = ((const place *)b)->h.number;
    return x < y ? -1 : x > y;
}

static ts_status tell_all(const ts_str *all, ts_status (*line)(void *ctx, const char *s, size_t n), void *ctx)
{
    place *v = NULL;
    size_t n = 0, cap = 0;
    ts_status st = TS_OK;
    for (size_t at = 0; st == TS_OK && at < all->len;) {
        st = ts_grow(&v, &cap, n + 1, sizeof *v);
        if (st != TS_OK)
            break;
        memcpy(&v[n].h, all->s + at, sizeof v[n].h);
        v[n].s = all->s + at + sizeof v[n].h;
        at += sizeof v[n].h + (size_t)v[n].h.n;
        n++;
    }
    if (n)
        qsort(v, n, sizeof *v, by_number);
    for (size_t i = 0; st == TS_OK && i < n; i++)
        st = line(ctx, v[i].s, (size_t)v[i].h.n);
    ts_free(&v);
    return st;
}

ts_status ts_deal_collect(ts_comm *c, ts_str *own, ts_status (*line)(void *ctx, const char *s, size_t n), void *ctx)
{
    ts_str all = { 0 };
    ts_status st = ts_comm_gather_text(c, ts_str_text(own), own->len, &all);
    ts_str_deinit(own);
    if (st == TS_OK && c->rank == 0)
        st = tell_all(&all, line, ctx);
    ts_str_deinit(&all);
    return st;
}
