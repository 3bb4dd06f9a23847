#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK = 256 * 1024 };

struct ts_arena_chunk {
    ts_arena_chunk *next;
    size_t size, used;
    _Alignas(16) char bytes[];
};

static ts_arena_chunk *take_spare(ts_arena *a, size_t need)
{
    for (ts_arena_chunk **p = &a->spare; *p; p = &(*p)->next) {
        if ((*p)->size >= need) {
            ts_arena_chunk *c = *p;
            *p = c->next;
            return c;
        }
    }
    return NULL;
}

ts_status ts_arena_alloc(ts_arena *a, size_t bytes, void *out)
{
    const size_t need = (bytes + 15) & ~(size_t)15;
    if (!a->chunk || a->chunk->size - a->chunk->used < need) {
        ts_arena_chunk *c = take_spare(a, need);
        if (!c) {
            const size_t size = need > CHUNK ? need : CHUNK;
            c = malloc(sizeof *c + size);
            if (!c)
                return ts_error(TS_ERR_NOMEM, "out of memory: %zu bytes could not be had", size);
            c->size = size;
        }
        c->used = 0;
        c->next = a->chunk;
        a->chunk = c;
    }
    void *p = a->chunk->bytes + a->chunk->used;
    a->chunk->used += need;
    memset(p, 0, need);
    memcpy(out, &p, sizeof p);
    return TS_OK;
}

void ts_arena_reset(ts_arena *a)
{
    while (a->chunk) {
        ts_arena_chunk *c = a->chunk;
        a->chunk = c->next;
        memset(c->bytes, 0xA5, c->used);
        c->next = a->spare;
        a->spare = c;
    }
}

void ts_arena_deinit(ts_arena *a)
{
    ts_arena_reset(a);
    while (a->spare) {
        ts_arena_chunk *c = a->spare;
        a->spare = c->next;
        free(c);
    }
}
