#include "ops/uses.h"

#include <string.h>

enum { LEAST_SLOTS = 64, LINE_BITS = 6 };

void ts_uses_deinit(ts_uses *u)
{
    ts_free(&u->slot);
    *u = (ts_uses){ 0 };
}

void ts_uses_clear(ts_uses *u)
{
    if (u->used)
        memset(u->slot, 0, u->slots * sizeof *u->slot);
    u->used = 0;
}

/* The parameter's slot, or the empty one where it belongs. Parameters lie some hundred bytes apart. */
static ts_use *find(const ts_uses *u, const ts_param *p)
{
    const uint64_t hash = ((uintptr_t)p >> LINE_BITS) * 0x9E3779B97F4A7C15u;
    size_t at = (size_t)(hash >> 32) & (u->slots - 1);
    while (u->slot[at].p && u->slot[at].p != p)
        at = (at + 1) & (u->slots - 1);
    return &u->slot[at];
}

static ts_status grow(ts_uses *u)
{
    ts_uses more = { .slots = u->slots ? 2 * u->slots : LEAST_SLOTS, .used = u->used };
    TS_TRY(ts_alloc(&more.slot, more.slots, sizeof *more.slot));
    for (size_t i = 0; i < u->slots; i++)
        if (u->slot[i].p)
            *find(&more, u->slot[i].p) = u->slot[i];
    ts_free(&u->slot);
    *u = more;
    return TS_OK;
}

ts_status ts_uses_add(ts_uses *u, const ts_param *p)
{
    if (u->used + 1 > u->slots / 2)
        TS_TRY(grow(u));
    ts_use *use = find(u, p);
    u->used += !use->p;
    use->p = p;
    use->n++;
    return TS_OK;
}

int ts_uses_come(ts_uses *u, const ts_param *p)
{
    ts_use *use = find(u, p);
    TS_ASSERT(use->n > 0, "%s: a gradient that nobody expects", p->name);
    return --use->n;
}

int ts_uses_left(const ts_uses *u, const ts_param *p) { return u->slots ? find(u, p)->n : 0; }
