#include "text/bpe.h"

#include <string.h>

enum {
    SHORT = 48,     /* up to here looking through all pairs beats a heap */
    KNOWN_WORDS = 8 /* slots to a word of `known` */
};

static const ts_bpe_made nothing = { UINT32_MAX, -1 };

static inline uint64_t hash_of(int32_t left, int32_t right)
{
    const uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    uint64_t h = key * 0x9e3779b97f4a7c15u;
    h = (h ^ (h >> 32)) * 0xd6e8feb86659fd93u;
    return h ^ h >> 32;
}

/* The bit of a hash in `known`, of which there are 8 * slots. */
static inline bool is_known(const ts_bpe *b, uint64_t h)
{
    const size_t bit = (size_t)h & (8 * b->slots - 1);
    return b->known[bit >> 6] >> (bit & 63) & 1;
}

static inline void set_known(ts_bpe *b, uint64_t h)
{
    const size_t bit = (size_t)h & (8 * b->slots - 1);
    b->known[bit >> 6] |= (uint64_t)1 << (bit & 63);
}

static inline size_t slot_of(const ts_bpe *b, uint64_t h, int32_t left, int32_t right)
{
    size_t i = (size_t)h & (b->slots - 1);
    while (b->pair[i].left >= 0 && (b->pair[i].left != left || b->pair[i].right != right))
        i = (i + 1) & (b->slots - 1);
    return i;
}

static ts_status rehash(ts_bpe *b, size_t slots)
{
    const ts_bpe old = *b;
    ts_bpe_pair *pair = NULL;
    uint64_t *known = NULL;
    TS_TRY(ts_alloc_large(&pair, slots, sizeof *pair));
    const ts_status st = ts_alloc(&known, slots / KNOWN_WORDS, sizeof *known);
    if (st != TS_OK) {
        ts_free(&pair);
        return st;
    }
    memset(pair, 0xFF, slots * sizeof *pair);
    b->pair = pair;
    b->known = known;
    b->slots = slots;
    for (size_t i = 0; i < old.slots; i++) {
        const ts_bpe_pair *p = &old.pair[i];
        if (p->left < 0)
            continue;
        const uint64_t h = hash_of(p->left, p->right);
        set_known(b, h);
        pair[slot_of(b, h, p->left, p->right)] = *p;
    }
    ts_bpe_pair *was = old.pair;
    uint64_t *was_known = old.known;
    ts_free(&was);
    ts_free(&was_known);
    return TS_OK;
}

ts_status ts_bpe_reserve(ts_bpe *b, size_t n)
{
    size_t slots = 64;
    while (slots < 2 * n)
        slots *= 2;
    return slots > b->slots ? rehash(b, slots) : TS_OK;
}

ts_status ts_bpe_add(ts_bpe *b, int32_t left, int32_t right, uint32_t rank, int32_t id)
{
    TS_ASSERT(!b->bytes, "pairs come before ts_bpe_use_bytes");
    if (2 * (b->n + 1) > b->slots)
        TS_TRY(ts_bpe_reserve(b, b->n + 1 > 32 ? 2 * b->n : 64));
    const uint64_t h = hash_of(left, right);
    const size_t i = slot_of(b, h, left, right);
    set_known(b, h);
    b->n += b->pair[i].left < 0;
    b->pair[i] = (ts_bpe_pair){ .left = left, .right = right, .rank = rank, .id = id };
    return TS_OK;
}

const ts_bpe_pair *ts_bpe_find(const ts_bpe *b, int32_t left, int32_t right)
{
    if (b->n == 0 || left < 0 || right < 0)
        return NULL;
    const uint64_t h = hash_of(left, right);
    if (!is_known(b, h))
        return NULL;
    const ts_bpe_pair *p = &b->pair[slot_of(b, h, left, right)];
    return p->left >= 0 ? p : NULL;
}

ts_status ts_bpe_tighten(ts_bpe *b)
{
    size_t slots = b->slots;
    while (slots > 64 && slots / 2 * 2 / 3 > b->n)
        slots /= 2;
    return slots < b->slots ? rehash(b, slots) : TS_OK;
}

ts_status ts_bpe_use_bytes(ts_bpe *b, int32_t first)
{
    ts_bpe_made *bytes = NULL;
    TS_TRY(ts_alloc(&bytes, 1 << 16, sizeof *bytes));
    for (int32_t i = 0; i < 1 << 16; i++) {
        const ts_bpe_pair *p = ts_bpe_find(b, first + (i >> 8), first + (i & 255));
        bytes[i] = p ? (ts_bpe_made){ p->rank, p->id } : nothing;
    }
    ts_free(&b->bytes);
    b->bytes = bytes;
    b->first = first;
    return TS_OK;
}

void ts_bpe_deinit(ts_bpe *b)
{
    ts_free(&b->pair);
    ts_free(&b->bytes);
    ts_free(&b->known);
    *b = (ts_bpe){ 0 };
}

static inline ts_bpe_made made_of(const ts_bpe *b, int32_t left, int32_t right)
{
    const uint32_t x = (uint32_t)left - (uint32_t)b->first,
                   y = (uint32_t)right - (uint32_t)b->first;
    if (b->bytes && x < 256 && y < 256)
        return b->bytes[x << 8 | y];
    const ts_bpe_pair *p = ts_bpe_find(b, left, right);
    return p ? (ts_bpe_made){ p->rank, p->id } : nothing;
}

typedef struct short_work {
    uint32_t rank[SHORT]; /* of the pair that begins here; UINT32_MAX: none, or gone */
    int32_t made[SHORT], id[SHORT];
    uint8_t prev[SHORT], next[SHORT];
} short_work;

/* Looks up the pair of symbol i and its next. */
static inline void offer_short(const ts_bpe *b, short_work *t, size_t i, size_t n)
{
    const size_t j = t->next[i];
    const ts_bpe_made m = j < n ? made_of(b, t->id[i], t->id[j]) : nothing;
    t->rank[i] = m.rank;
    t->made[i] = m.id;
}

/* The place of the lowest rank, the first of equals; without branches to guess. */
static inline size_t lowest(const uint32_t *rank, size_t n)
{
    uint64_t best = UINT64_MAX;
    for (size_t i = 0; i < n; i++) {
        const uint64_t v = (uint64_t)rank[i] << 32 | i;
        best = v < best ? v : best;
    }
    return (size_t)(uint32_t)best;
}

static void merge_short(const ts_bpe *b, ts_bpe_work *w)
{
    ts_bpe_symbol *s = w->sym;
    const size_t n = w->n;
    short_work t;
    for (size_t i = 0; i < n; i++) {
        t.id[i] = s[i].id;
        t.prev[i] = (uint8_t)(i ? i - 1 : SHORT);
        t.next[i] = (uint8_t)(i + 1);
    }
    for (size_t i = 0; i < n; i++)
        offer_short(b, &t, i, n);
    while (n > 0) {
        const size_t i = lowest(t.rank, n), j = t.next[i];
        if (t.rank[i] == nothing.rank)
            break;
        t.id[i] = t.made[i];
        t.rank[j] = nothing.rank;
        t.next[i] = t.next[j];
        if (t.next[j] < n)
            t.prev[t.next[j]] = (uint8_t)i;
        offer_short(b, &t, i, n);
        if (t.prev[i] < n)
            offer_short(b, &t, t.prev[i], n);
    }
    size_t k = 0;
    for (size_t i = 0; i < n; i = t.next[i])
        s[k++].id = t.id[i];
    w->n = k;
}

static ts_status heap_push(ts_bpe_work *w, uint32_t rank, size_t at)
{
    TS_TRY(ts_grow(&w->heap, &w->heap_cap, w->heap_n + 1, sizeof *w->heap));
    const uint64_t v = (uint64_t)rank << 32 | at;
    size_t i = w->heap_n++;
    for (; i > 0 && w->heap[(i - 1) / 2] > v; i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = v;
    return TS_OK;
}

static uint64_t heap_pop(ts_bpe_work *w)
{
    const uint64_t top = w->heap[0], last = w->heap[--w->heap_n];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= w->heap_n)
            break;
        if (child + 1 < w->heap_n && w->heap[child + 1] < w->heap[child])
            child++;
        if (w->heap[child] >= last)
            break;
        w->heap[i] = w->heap[child];
        i = child;
    }
    if (w->heap_n)
        w->heap[i] = last;
    return top;
}

/* Sets the rank of symbol i with its next and queues it. */
static ts_status offer(const ts_bpe *b, ts_bpe_work *w, int32_t i)
{
    ts_bpe_symbol *s = w->sym;
    s[i].made = s[i].next < 0 ? nothing : made_of(b, s[i].id, s[s[i].next].id);
    return s[i].made.id < 0 ? TS_OK : heap_push(w, s[i].made.rank, (size_t)i);
}

static ts_status merge_long(const ts_bpe *b, ts_bpe_work *w)
{
    ts_bpe_symbol *s = w->sym;
    const int32_t n = (int32_t)w->n;
    w->heap_n = 0;
    for (int32_t i = 0; i < n; i++) {
        s[i].prev = i - 1;
        s[i].next = i + 1 < n ? i + 1 : -1;
    }
    for (int32_t i = 0; i < n; i++)
        TS_TRY(offer(b, w, i));
    while (w->heap_n) {
        const uint64_t top = heap_pop(w);
        const int32_t i = (int32_t)(uint32_t)top, j = s[i].next;
        if (s[i].made.id < 0 || s[i].made.rank != (uint32_t)(top >> 32)) /* overtaken */
            continue;
        s[i].id = s[i].made.id;
        s[i].next = s[j].next;
        s[j].made = nothing;
        s[j].prev = -2; /* gone */
        if (s[i].next >= 0)
            s[s[i].next].prev = i;
        TS_TRY(offer(b, w, i));
        if (s[i].prev >= 0)
            TS_TRY(offer(b, w, s[i].prev));
    }
    size_t k = 0;
    for (int32_t i = 0; i >= 0; i = s[i].next)
        s[k++].id = s[i].id; /* k <= i, and only the id is written */
    w->n = k;
    return TS_OK;
}

ts_status ts_bpe_merge(const ts_bpe *b, ts_bpe_work *w)
{
    if (w->n <= SHORT) {
        merge_short(b, w);
        return TS_OK;
    }
    if (w->n > INT32_MAX / 2)
        return ts_error(TS_ERR_USER, "a piece of %zu symbols is too long to merge", w->n);
    return merge_long(b, w);
}

void ts_bpe_work_deinit(ts_bpe_work *w)
{
    ts_free(&w->sym);
    ts_free(&w->heap);
    *w = (ts_bpe_work){ 0 };
}
