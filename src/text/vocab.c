#include "text/vocab.h"

#include <string.h>

static inline bool is_known(const ts_vocab *v, uint64_t hash)
{
    const size_t bit = (size_t)hash & (8 * v->slots - 1);
    return v->known[bit >> 6] >> (bit & 63) & 1;
}

static inline void set_known(uint64_t *known, size_t slots, uint64_t hash)
{
    const size_t bit = (size_t)hash & (8 * slots - 1);
    known[bit >> 6] |= (uint64_t)1 << (bit & 63);
}

static ts_status rehash(ts_vocab *v, size_t slots)
{
    uint64_t *slot = NULL, *known = NULL;
    TS_TRY(ts_alloc_large(&slot, slots, sizeof *slot));
    const ts_status st = ts_alloc(&known, slots / 8, sizeof *known);
    if (st != TS_OK) {
        ts_free(&slot);
        return st;
    }
    for (size_t i = 0; i < v->slots; i++) { /* the tag is the upper half, the place the lower */
        if (!v->slot[i])
            continue;
        const ts_vocab_entry *e = &v->entry[(uint32_t)v->slot[i] - 1];
        const uint64_t hash = ts_hash_bytes(v->text.s + e->off, e->len);
        size_t h = hash & (slots - 1);
        set_known(known, slots, hash);
        while (slot[h])
            h = (h + 1) & (slots - 1);
        slot[h] = v->slot[i];
    }
    ts_free(&v->slot);
    ts_free(&v->known);
    v->slot = slot;
    v->known = known;
    v->slots = slots;
    return TS_OK;
}

ts_status ts_vocab_reserve(ts_vocab *v, size_t n)
{
    size_t slots = 64;
    while (slots < 2 * n)
        slots *= 2;
    TS_TRY(ts_grow(&v->entry, &v->cap, n, sizeof *v->entry));
    return slots > v->slots ? rehash(v, slots) : TS_OK;
}

/* The slot of a text with this hash, or the empty slot where it belongs. */
static size_t find_slot(const ts_vocab *v, uint64_t hash, const char *s, size_t n)
{
    size_t h = hash & (v->slots - 1);
    for (; v->slot[h]; h = (h + 1) & (v->slots - 1)) {
        if (v->slot[h] >> 32 != hash >> 32)
            continue;
        const ts_vocab_entry *e = &v->entry[(uint32_t)v->slot[h] - 1];
        if (e->len == n && (n == 0 || memcmp(v->text.s + e->off, s, n) == 0))
            break;
    }
    return h;
}

ts_status ts_vocab_add(ts_vocab *v, const char *s, size_t n, int64_t id)
{
    if (id < 0 || id >= TS_VOCAB_MAX_ID)
        return ts_error(TS_ERR_USER, "token id %lld: expected 0 to %d", (long long)id,
                        TS_VOCAB_MAX_ID - 1);
    if (n > UINT32_MAX - 1 || v->n >= UINT32_MAX - 1)
        return ts_error(TS_ERR_USER, "a vocabulary this large is not supported");
    if (2 * (v->n + 1) > v->slots)
        TS_TRY(ts_vocab_reserve(v, v->slots ? v->slots : 32));
    TS_TRY(ts_grow(&v->by_id, &v->by_id_cap, (size_t)id + 1, sizeof *v->by_id));
    const uint64_t hash = ts_hash_bytes(s, n);
    const size_t h = find_slot(v, hash, s, n);
    if (!v->slot[h]) {
        TS_TRY(ts_grow(&v->entry, &v->cap, v->n + 1, sizeof *v->entry));
        const size_t off = v->text.len;
        TS_TRY(ts_str_add(&v->text, s, n));
        TS_TRY(ts_str_add(&v->text, "", 1));
        v->entry[v->n] = (ts_vocab_entry){ .off = off, .len = (uint32_t)n };
        v->slot[h] = hash >> 32 << 32 | ++v->n;
        set_known(v->known, v->slots, hash);
    }
    const uint32_t at = (uint32_t)v->slot[h];
    v->entry[at - 1].id = (int32_t)id;
    v->by_id[id] = at;
    if ((size_t)id >= v->n_ids)
        v->n_ids = (size_t)id + 1;
    return TS_OK;
}

int32_t ts_vocab_find(const ts_vocab *v, const char *s, size_t n)
{
    if (!v->slots)
        return -1;
    const uint32_t e = (uint32_t)v->slot[find_slot(v, ts_hash_bytes(s, n), s, n)];
    return e ? v->entry[e - 1].id : -1;
}

void ts_vocab_fetch(const ts_vocab *v, uint64_t hash)
{
    if (v->slots)
        __builtin_prefetch(&v->known[((size_t)hash & (8 * v->slots - 1)) >> 6]);
}

int32_t ts_vocab_find_rare(const ts_vocab *v, const char *s, size_t n, uint64_t hash)
{
    if (!v->slots || !is_known(v, hash))
        return -1;
    const uint32_t e = (uint32_t)v->slot[find_slot(v, hash, s, n)];
    return e ? v->entry[e - 1].id : -1;
}

const char *ts_vocab_text(const ts_vocab *v, int32_t id, size_t *len)
{
    if (id < 0 || (size_t)id >= v->n_ids || !v->by_id[id])
        return NULL;
    const ts_vocab_entry *e = &v->entry[v->by_id[id] - 1];
    if (len)
        *len = e->len;
    return v->text.s + e->off;
}

bool ts_vocab_is(const ts_vocab *v, int32_t id, const char *s, size_t n)
{
    if (id < 0 || (size_t)id >= v->n_ids || !v->by_id[id])
        return false;
    const ts_vocab_entry *e = &v->entry[v->by_id[id] - 1];
    return e->len == n && e->id == id && memcmp(v->text.s + e->off, s, n) == 0;
}

void ts_vocab_deinit(ts_vocab *v)
{
    ts_str_deinit(&v->text);
    ts_free(&v->entry);
    ts_free(&v->slot);
    ts_free(&v->known);
    ts_free(&v->by_id);
    *v = (ts_vocab){ 0 };
}
