#include "data/instruct/packs.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

typedef struct item {
    int64_t length, sample;
} item;

static int longest_first(const void *a, const void *b)
{
    const item *x = a, *y = b;
    if (x->length != y->length)
        return x->length > y->length ? -1 : 1;
    return x->sample < y->sample ? -1 : x->sample > y->sample;
}

/* Packs by the room that is left in them. */
typedef struct rooms {
    int64_t capacity;
    uint64_t *any;  /* a bit for each room that a pack has */
    int64_t *first; /* [capacity + 1] of the packs with this room, -1: none */
    int64_t *next;  /* [packs] */
    int64_t *room;  /* [packs] */
} rooms;

static void put(rooms *r, int64_t pack, int64_t room)
{
    r->room[pack] = room;
    r->next[pack] = r->first[room];
    r->first[room] = pack;
    r->any[room / 64] |= 1ull << (room % 64);
}

/* The least room of at least so much, or -1. */
static int64_t least(const rooms *r, int64_t length)
{
    int64_t w = length / 64;
    uint64_t bits = r->any[w] & (~0ull << (length % 64));
    while (!bits && ++w <= r->capacity / 64)
        bits = r->any[w];
    return bits ? w * 64 + __builtin_ctzll(bits) : -1;
}

static int64_t take(rooms *r, int64_t room)
{
    const int64_t pack = r->first[room];
    r->first[room] = r->next[pack];
    if (r->first[room] < 0)
        r->any[room / 64] &= ~(1ull << (room % 64));
    return pack;
}

static ts_status rooms_make(rooms *r, int64_t n, int64_t capacity)
{
    *r = (rooms){ .capacity = capacity };
    TS_TRY(ts_alloc(&r->any, (size_t)capacity / 64 + 1, sizeof *r->any));
    TS_TRY(ts_alloc(&r->first, (size_t)capacity + 1, sizeof *r->first));
    TS_TRY(ts_alloc(&r->next, (size_t)n, sizeof *r->next));
    TS_TRY(ts_alloc(&r->room, (size_t)n, sizeof *r->room));
    memset(r->first, 0xFF, ((size_t)capacity + 1) * sizeof *r->first);
    return TS_OK;
}

static void rooms_deinit(rooms *r)
{
    ts_free(&r->any);
    ts_free(&r->first);
    ts_free(&r->next);
    ts_free(&r->room);
}

/* pack_of [n]: which pack the item of this place in the order goes to; returns how many packs. */
static int64_t fit(rooms *r, const item *v, int64_t n, int64_t *pack_of)
{
    int64_t n_packs = 0;
    for (int64_t i = 0; i < n; i++) {
        const int64_t room = least(r, v[i].length);
        const int64_t pack = room < 0 ? n_packs++ : take(r, room);
        put(r, pack, (room < 0 ? r->capacity : room) - v[i].length);
        pack_of[i] = pack;
    }
    return n_packs;
}

/* Items by their packs, in their order. */
static void gather(const item *v, const int64_t *pack_of, int64_t n, ts_packs *p)
{
    for (int64_t i = 0; i < n; i++)
        p->begin[pack_of[i] + 1]++;
    for (int64_t k = 0; k < p->n; k++)
        p->begin[k + 1] += p->begin[k];
    for (int64_t i = 0; i < n; i++)
        p->sample[p->begin[pack_of[i]]++] = v[i].sample;
    for (int64_t k = p->n; k > 0; k--)
        p->begin[k] = p->begin[k - 1];
    p->begin[0] = 0;
}

ts_status ts_packs_make(const int64_t *length, int64_t n, int64_t capacity, ts_packs *out)
{
    ts_packs p = { 0 };
    rooms r = { 0 };
    item *v = NULL;
    int64_t *pack_of = NULL;
    ts_status st;
    TS_TRY_TO(done, st, ts_alloc(&v, (size_t)n, sizeof *v));
    TS_TRY_TO(done, st, ts_alloc(&pack_of, (size_t)n, sizeof *pack_of));
    TS_TRY_TO(done, st, rooms_make(&r, n, capacity));
    for (int64_t i = 0; i < n; i++)
        v[i] = (item){ length[i] < capacity ? length[i] : capacity, i };
    qsort(v, (size_t)n, sizeof *v, longest_first);
    p.n = fit(&r, v, n, pack_of);
    TS_TRY_TO(done, st, ts_alloc(&p.begin, (size_t)p.n + 1, sizeof *p.begin));
    TS_TRY_TO(done, st, ts_alloc(&p.sample, (size_t)n, sizeof *p.sample));
    gather(v, pack_of, n, &p);
    *out = p;
    p = (ts_packs){ 0 };
done:
    ts_packs_deinit(&p);
    rooms_deinit(&r);
    ts_free(&v);
    ts_free(&pack_of);
    return st;
}

void ts_packs_deinit(ts_packs *p)
{
    ts_free(&p->sample);
    ts_free(&p->begin);
    p->n = 0;
}

/* ---- rows ---- */

enum { IDS, LABELS, ORDINALS };

typedef struct pack_rows {
    ts_rows table;
    ts_rows *rows;
    ts_packs packs;
    int64_t capacity;
} pack_rows;

static ts_status append(const ts_row *from, int64_t capacity, int32_t ordinal, ts_row *out)
{
    const int64_t at = out->n[IDS], n = from->n[IDS] < capacity ? from->n[IDS] : capacity;
    for (int k = IDS; k <= ORDINALS; k++)
        TS_TRY(ts_row_room(out, k, at + n));
    memcpy(out->v[IDS] + at, from->v[IDS], (size_t)n * sizeof *from->v[IDS]);
    memcpy(out->v[LABELS] + at, from->v[LABELS], (size_t)n * sizeof *from->v[LABELS]);
    TS_TRY(ts_row_weigh(out, at, from->n_weights ? from->weight : NULL, n));
    if (n)
        out->v[LABELS][at] = TS_ROW_NO_LABEL;
    for (int64_t i = 0; i < n; i++)
        out->v[ORDINALS][at + i] = ordinal;
    return TS_OK;
}

static ts_status read_pack(const ts_rows *table, int64_t i, ts_row *out)
{
    const pack_rows *r = (const pack_rows *)(const void *)table;
    const ts_packs *p = &r->packs;
    ts_row one = { 0 };
    ts_status st = TS_OK;
    out->n_weights = 0;
    for (int k = IDS; k <= ORDINALS && st == TS_OK; k++)
        st = ts_row_room(out, k, 0);
    for (int64_t k = p->begin[i]; k < p->begin[i + 1] && st == TS_OK; k++) {
        st = r->rows->read(r->rows, p->sample[k], &one);
        if (st == TS_OK)
            st = append(&one, r->capacity, (int32_t)(k - p->begin[i] + 1), out);
    }
    ts_row_deinit(&one);
    return st;
}

static void destroy(ts_rows *table)
{
    pack_rows *r = (pack_rows *)(void *)table;
    if (r->rows)
        r->rows->destroy(r->rows);
    ts_packs_deinit(&r->packs);
    ts_free(&r);
}

ts_status ts_pack_rows_open(ts_rows **rows, const int64_t *length, int64_t capacity, ts_rows **out)
{
    static const char *const key[] = { "input_ids", "labels", "attention_mask" };
    pack_rows *r = NULL;
    TS_TRY(ts_alloc(&r, 1, sizeof *r));
    r->table = (ts_rows){ .key = key, .n_keys = ORDINALS + 1, .read = read_pack, .destroy = destroy };
    r->capacity = capacity;
    const ts_status st = ts_packs_make(length, (*rows)->n, capacity, &r->packs);
    if (st != TS_OK) {
        destroy(&r->table);
        return st;
    }
    r->table.n = r->packs.n;
    r->rows = *rows;
    *rows = NULL;
    *out = &r->table;
    return TS_OK;
}
