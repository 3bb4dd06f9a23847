/* What words become, remembered: one thread's table from a word's bytes to its ids. A word of up
 * to 15 bytes with up to 3 ids lies whole in its entry; the rest of a longer one lies in a pool.
 * Two entries make a bucket, which is a line of the processor's cache: the first is the one that
 * was found again last, the second gives way to the next new word. */
#ifndef TS_TEXT_CACHE_H
#define TS_TEXT_CACHE_H
#include "base/mem.h"

#include <string.h>

enum {
#ifdef TESSERA_FUZZ /* made anew thousands of times a second there, and to be full soon */
    TS_CACHE_BITS = 6,
    TS_CACHE_POOL = 1 << 13,
#else
    TS_CACHE_BITS = 17,
    TS_CACHE_POOL = 1 << 22,
#endif
    TS_CACHE_BUCKETS = 1 << TS_CACHE_BITS,
    TS_CACHE_MAX_WORD = 256,
    TS_CACHE_IDS = 3
};

typedef struct ts_cache_entry {
    /* The bytes and in the last the length, or a hash and 0xFF in the last byte; 0: empty. */
    uint64_t key[2];
    int32_t id[TS_CACHE_IDS]; /* in the pool: id[0] is the place there */
    int32_t n;                /* ids; with TS_CACHE_POOLED when they are in the pool */
} ts_cache_entry;

#define TS_CACHE_POOLED (1 << 30)

typedef struct ts_cache {
    void *memory;
    ts_cache_entry *entry; /* [2 * TS_CACHE_BUCKETS], aligned to a bucket */
    char *pool;            /* [TS_CACHE_POOL]: int32 ids, then for long words their bytes */
    size_t pool_n;
} ts_cache;

ts_status ts_cache_init(ts_cache *c) TS_NODISCARD;
void ts_cache_deinit(ts_cache *c);

typedef struct ts_cache_key {
    uint64_t k[2];
    size_t bucket;
} ts_cache_key;

/* Whether the entry's long word (behind its ids in the pool) is this one. */
bool ts_cache_same_word(const ts_cache *c, const ts_cache_entry *e, const char *s, size_t n);
void ts_cache_long_key(const char *s, size_t n, uint64_t k[2]);

static inline size_t ts_cache_bucket(const uint64_t k[2])
{
    /* the upper bits of a product depend on all bits of the factors; the two do not wait */
    return (size_t)((k[0] * 0x9e3779b97f4a7c15u + k[1] * 0xd6e8feb86659fd93u) >>
                    (64 - TS_CACHE_BITS));
}

/* room: bytes that may be read from s on, n or more. */
static inline ts_cache_key ts_cache_key_of(const char *s, size_t n, size_t room)
{
    ts_cache_key key = { { 0, 0 }, 0 };
    if (n < 16) {
        if (room >= 16) {
            /* n bytes of ones, then zeros: no branch that the processor would guess */
            static const unsigned char ones[32] = { 255, 255, 255, 255, 255, 255, 255, 255,
                                                    255, 255, 255, 255, 255, 255, 255, 255 };
            uint64_t low, high;
            memcpy(&low, ones + 16 - n, 8);
            memcpy(&high, ones + 24 - n, 8);
            memcpy(key.k, s, 16);
            key.k[0] &= low;
            key.k[1] &= high;
        } else {
            memcpy(key.k, s, n);
        }
        key.k[1] |= (uint64_t)n << 56;
    } else {
        ts_cache_long_key(s, n, key.k);
    }
    key.bucket = ts_cache_bucket(key.k);
    return key;
}

static inline void ts_cache_prefetch(const ts_cache *c, const ts_cache_key *key)
{
    __builtin_prefetch(&c->entry[2 * key->bucket]);
}

/* The entry of a word of fewer than 16 bytes, or one that a longer word may have. NULL: none. */
static inline const ts_cache_entry *ts_cache_entry_of(ts_cache *c, const ts_cache_key *key)
{
    ts_cache_entry *e = &c->entry[2 * key->bucket];
    if (e[0].key[0] == key->k[0] && e[0].key[1] == key->k[1])
        return e;
    if (e[1].key[0] != key->k[0] || e[1].key[1] != key->k[1])
        return NULL;
    const ts_cache_entry second = e[1];
    e[1] = e[0];
    e[0] = second;
    return e;
}

/* The ids of the word, NULL when it is not there. */
static inline const int32_t *ts_cache_find(ts_cache *c, const ts_cache_key *key, const char *s,
                                           size_t n, size_t *n_ids)
{
    const ts_cache_entry *e = ts_cache_entry_of(c, key);
    if (!e || (n >= 16 && !ts_cache_same_word(c, e, s, n)))
        return NULL;
    *n_ids = (size_t)(e->n & ~TS_CACHE_POOLED);
    if (!(e->n & TS_CACHE_POOLED))
        return e->id;
    return (const int32_t *)(const void *)(c->pool + e->id[0]);
}

/* Remembers the ids of a word (up to TS_CACHE_MAX_WORD bytes; a longer one is not kept). */
void ts_cache_put(ts_cache *c, const ts_cache_key *key, const char *s, size_t n, const int32_t *ids,
                  size_t n_ids);
#endif
