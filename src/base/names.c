#include "base/names.h"

#include "base/str.h"

#include <string.h>

struct ts_names {
    ts_str text;    /* each with its NUL */
    size_t *begin;  /* [n] in text */
    size_t n, cap;
    uint64_t *slot; /* upper half of the hash << 32 | number + 1, 0: empty */
    size_t slots;   /* a power of two, half of them empty at least */
};

enum { LEAST_SLOTS = 16 };

/* The slot of a name, or the empty one where it belongs. */
static size_t find_slot(const ts_names *t, uint64_t hash, const char *name)
{
    size_t at = (size_t)hash & (t->slots - 1);
    for (; t->slot[at]; at = (at + 1) & (t->slots - 1))
        if (t->slot[at] >> 32 == hash >> 32 &&
            !strcmp(ts_names_text(t, (uint32_t)t->slot[at] - 1), name))
            break;
    return at;
}

static void put(ts_names *t, size_t at, uint64_t hash, size_t number)
{
    t->slot[at] = hash >> 32 << 32 | (number + 1);
}

/* Makes room for n names. */
static ts_status rehash(ts_names *t, size_t n)
{
    size_t slots = LEAST_SLOTS;
    uint64_t *slot;
    if (n >= UINT32_MAX)
        return ts_error(TS_ERR_NOMEM, "%zu names are too many for one table", n);
    while (slots / 2 < n)
        slots *= 2;
    TS_TRY(ts_alloc(&slot, slots, sizeof *slot));
    ts_free(&t->slot);
    t->slot = slot;
    t->slots = slots;
    for (size_t i = 0; i < t->n; i++) {
        const char *name = ts_names_text(t, i);
        const uint64_t hash = ts_hash_bytes(name, strlen(name));
        put(t, find_slot(t, hash, name), hash, i);
    }
    return TS_OK;
}

ts_status ts_names_create(size_t n, ts_names **out)
{
    ts_names *t;
    TS_TRY(ts_alloc(&t, 1, sizeof *t));
    ts_status st = rehash(t, n);
    if (st == TS_OK)
        st = ts_grow(&t->begin, &t->cap, n, sizeof *t->begin);
    if (st == TS_OK)
        *out = t;
    else
        ts_names_destroy(&t);
    return st;
}

void ts_names_destroy(ts_names **names)
{
    ts_names *t = *names;
    if (!t)
        return;
    ts_str_deinit(&t->text);
    ts_free(&t->begin);
    ts_free(&t->slot);
    ts_free(names);
}

ts_status ts_names_add(ts_names *t, const char *name)
{
    const size_t len = strlen(name), begin = t->text.len;
    const uint64_t hash = ts_hash_bytes(name, len);
    if (ts_names_find(t, name) >= 0)
        return ts_error(TS_ERR_USER, "the name %s is there twice", name);
    if (t->n + 1 > t->slots / 2)
        TS_TRY(rehash(t, t->n + 1));
    TS_TRY(ts_grow(&t->begin, &t->cap, t->n + 1, sizeof *t->begin));
    TS_TRY(ts_str_add(&t->text, name, len + 1));
    put(t, find_slot(t, hash, name), hash, t->n);
    t->begin[t->n++] = begin;
    return TS_OK;
}

int64_t ts_names_find(const ts_names *t, const char *name)
{
    return (int64_t)(uint32_t)t->slot[find_slot(t, ts_hash_bytes(name, strlen(name)), name)] - 1;
}

size_t ts_names_count(const ts_names *t) { return t->n; }

const char *ts_names_text(const ts_names *t, size_t number)
{
    return t->text.s + t->begin[number];
}
