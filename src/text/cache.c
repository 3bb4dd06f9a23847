#include "text/cache.h"

#include "base/str.h"

enum { ENTRIES = 2 * TS_CACHE_BUCKETS, LINE = 64 };

ts_status ts_cache_init(ts_cache *c)
{
    TS_TRY(ts_alloc_large(&c->memory, ENTRIES * sizeof *c->entry + LINE, 1));
    const uintptr_t at = (uintptr_t)c->memory;
    c->entry = (ts_cache_entry *)(void *)((char *)c->memory + (LINE - at % LINE) % LINE);
    const ts_status st = ts_alloc(&c->pool, TS_CACHE_POOL, 1);
    if (st != TS_OK)
        ts_free(&c->memory);
    return st;
}

void ts_cache_deinit(ts_cache *c)
{
    ts_free(&c->memory);
    c->entry = NULL;
    ts_free(&c->pool);
}

/* Empties the pool, and with it the entries that stand in it. */
static void drop_pooled(ts_cache *c)
{
    for (size_t i = 0; i < ENTRIES; i++)
        if (c->entry[i].n & TS_CACHE_POOLED)
            c->entry[i] = (ts_cache_entry){ 0 };
    c->pool_n = 0;
}

void ts_cache_long_key(const char *s, size_t n, uint64_t k[2])
{
    k[0] = ts_hash_bytes(s, n);
    k[1] = 0xFFull << 56 | n;
}

bool ts_cache_same_word(const ts_cache *c, const ts_cache_entry *e, const char *s, size_t n)
{
    /* the key holds the length */
    return memcmp(c->pool + e->id[0] + 4 * (size_t)(e->n & ~TS_CACHE_POOLED), s, n) == 0;
}

void ts_cache_put(ts_cache *c, const ts_cache_key *key, const char *s, size_t n, const int32_t *ids,
                  size_t n_ids)
{
    const bool whole = n < 16 && n_ids <= TS_CACHE_IDS;
    const size_t need = whole ? 0 : (4 * n_ids + (n < 16 ? 0 : n) + 3) & ~(size_t)3;
    if (n > TS_CACHE_MAX_WORD || n_ids > 4 * TS_CACHE_MAX_WORD)
        return;
    if (c->pool_n + need > TS_CACHE_POOL)
        drop_pooled(c);
    ts_cache_entry *e = &c->entry[2 * key->bucket];
    /* the second when the first is taken by another word */
    e += e->key[1] != 0 && (e->key[0] != key->k[0] || e->key[1] != key->k[1]);
    e->key[0] = key->k[0];
    e->key[1] = key->k[1];
    e->n = (int32_t)n_ids | (whole ? 0 : TS_CACHE_POOLED);
    if (whole) {
        for (size_t i = 0; i < n_ids; i++)
            e->id[i] = ids[i];
        return;
    }
    e->id[0] = (int32_t)c->pool_n;
    if (n_ids) /* else ids may be NULL */
        memcpy(c->pool + c->pool_n, ids, 4 * n_ids);
    if (n >= 16)
        memcpy(c->pool + c->pool_n + 4 * n_ids, s, n);
    c->pool_n += need;
}
