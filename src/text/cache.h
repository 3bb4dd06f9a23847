/* What words become, remembered: one thread's open table from a word's bytes to its ids. A word
 * of up to 15 bytes with up to 3 ids lies whole in its entry; the rest of a longer one lies in a
 * pool. An entry is overwritten by the next word of its slot, and a full pool empties the cache. */
#ifndef TS_TEXT_CACHE_H
#define TS_TEXT_CACHE_H
#include "base/mem.h"

#include <string.h>

enum {
    TS_CACHE_SLOTS = 1 << 16,
    TS_CACHE_POOL = 1 << 22,
    TS_CACHE_MAX_WORD = 256,
    TS_CACHE_IDS = 3
};

typedef struct ts_cache_entry {
    uint64_t
        key[2]; /* the bytes and in the last the length; or a hash, and 0xFF in the last byte */
    int32_t n;       /* ids; -1: empty */
    int32_t id[TS_CACHE_IDS]; /* n > 3 or a long word: id[0] is the place in the pool */
} ts_cache_entry;

typedef struct ts_cache {
    ts_cache_entry *entry; /* [TS_CACHE_SLOTS] */
    char *pool;            /* [TS_CACHE_POOL]: int32 ids, then for long words length and bytes */
    size_t pool_n;
} ts_cache;

ts_status ts_cache_init(ts_cache *c) TS_NODISCARD;
void ts_cache_deinit(ts_cache *c);

typedef struct ts_cache_key {
    uint64_t k[2];
    size_t slot;
} ts_cache_key;

/* Whether the entry's long word (behind its ids in the pool) is this one. */
bool ts_cache_same_word(const ts_cache *c, const ts_cache_entry *e, const char *s, size_t n);
void ts_cache_long_key(const char *s, size_t n, uint64_t k[2]);

/* room: bytes that may be read from s on, n or more. */
static inline ts_cache_key ts_cache_key_of(const char *s, size_t n, size_t room)
{
    ts_cache_key key = { { 0, 0 }, 0 };
    if (n < 16) {
        if (room >= 16) {
            memcpy(key.k, s, 16);
            if (n < 8) {
                key.k[0] &= (1ull << (8 * n)) - 1;
                key.k[1] = 0;
            } else {
                key.k[1] &= (1ull << (8 * (n - 8))) - 1;
            }
        } else {
            memcpy(key.k, s, n);
        }
        key.k[1] |= (uint64_t)n << 56;
    } else {
        ts_cache_long_key(s, n, key.k);
    }
    uint64_t h = (key.k[0] ^ (key.k[1] * 0x9fb21c651e98df25u)) * 0x9e3779b97f4a7c15u;
    h ^= h >> 32;
    key.slot = (size_t)((h * 0xd6e8feb86659fd93u) >> 48) & (TS_CACHE_SLOTS - 1);
    return key;
}

/* The ids of the word, NULL when it is not there. */
static inline const int32_t *ts_cache_find(const ts_cache *c, const ts_cache_key *key,
                                           const char *s, size_t n, size_t *n_ids)
{
    const ts_cache_entry *e = &c->entry[key->slot];
    if (e->n < 0 || e->key[0] != key->k[0] || e->key[1] != key->k[1])
        return NULL;
    if (n >= 16 && !ts_cache_same_word(c, e, s, n))
        return NULL;
    *n_ids = (size_t)e->n;
    if (n < 16 && e->n <= TS_CACHE_IDS)
        return e->id;
    return (const int32_t *)(const void *)(c->pool + e->id[0]);
}

/* Remembers the ids of a word (up to TS_CACHE_MAX_WORD bytes; a longer one is not kept). */
void ts_cache_put(ts_cache *c, const ts_cache_key *key, const char *s, size_t n, const int32_t *ids,
                  size_t n_ids);
#endif
