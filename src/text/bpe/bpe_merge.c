#include "text/bpe/bpe.h"

#include <string.h>

enum { SHORT = TS_BPE_SHORT };

#define NO_PAIR INT32_MAX

/* Pairs of a short piece, by the place of their left symbol. */
typedef struct short_work {
    /* rank << TS_BPE_PLACE_BITS | place, so that the least is the lowest rank, of equals the first;
     * NO_PAIR: none, or gone. */
    int32_t key[SHORT];
    int32_t made[SHORT];
    uint8_t prev[SHORT], next[SHORT];
} short_work;

typedef int32_t four __attribute__((vector_size(16)));

static inline four lower(four a, four b)
{
    const four is_a = a < b;
    return (a & is_a) | (b & ~is_a);
}

/* The least of key[0..n), n a multiple of 8; without branches to guess. */
static inline int32_t lowest(const int32_t *key, size_t n)
{
    four a, b, x, y;
    memcpy(&a, key, sizeof a);
    memcpy(&b, key + 4, sizeof b);
    for (size_t i = 8; i < n; i += 8) {
        memcpy(&x, key + i, sizeof x);
        memcpy(&y, key + i + 4, sizeof y);
        a = lower(a, x);
        b = lower(b, y);
    }
    a = lower(a, b);
    const int32_t p = a[0] < a[1] ? a[0] : a[1], q = a[2] < a[3] ? a[2] : a[3];
    return p < q ? p : q;
}

/* Looks up the pair of the symbols at i and j. */
__attribute__((always_inline)) static inline void offer_short(const ts_bpe *b, short_work *t,
                                                              const int32_t *id, size_t i, size_t j)
{
    const ts_bpe_made m = ts_bpe_find_quick(b, id[i], id[j]);
    t->made[i] = m.id;
    t->key[i] = m.id < 0 ? NO_PAIR : (int32_t)(m.rank << TS_BPE_PLACE_BITS | (uint32_t)i);
    __builtin_prefetch(&b->row[m.id < 0 ? 0 : m.id]); /* most pairs that can merge will */
}

size_t ts_bpe_merge_short(const ts_bpe *b, int32_t *id, size_t n)
{
    short_work t;
    const size_t padded = (n + 7) & ~(size_t)7;
    if (n < 2)
        return n;
    for (size_t i = 0; i < n; i++) {
        t.prev[i] = (uint8_t)(i - 1);
        t.next[i] = (uint8_t)(i + 1);
    }
    for (size_t i = 0; i + 1 < n; i++)
        offer_short(b, &t, id, i, i + 1);
    for (size_t i = n - 1; i < padded; i++)
        t.key[i] = NO_PAIR;
    for (int32_t least; (least = lowest(t.key, padded)) != NO_PAIR;) {
        const size_t i = (size_t)least & (SHORT - 1), j = t.next[i], k = t.next[j], h = t.prev[i];
        id[i] = t.made[i];
        ts_bpe_fetch(b, id[i], k < n ? id[k] : 0);
        ts_bpe_fetch(b, i > 0 ? id[h] : 0, id[i]);
        t.next[i] = (uint8_t)k;
        t.key[i] = t.key[j] = NO_PAIR;
        if (k < n) {
            t.prev[k] = (uint8_t)i;
            offer_short(b, &t, id, i, k);
        }
        if (i > 0)
            offer_short(b, &t, id, h, i);
    }
    size_t left = 0;
    for (size_t i = 0; i < n; i = t.next[i])
        id[left++] = id[i];
    return left;
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
    s[i].made = s[i].next < 0 ? TS_BPE_NOTHING : ts_bpe_find(b, s[i].id, s[s[i].next].id);
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
        s[j].made = TS_BPE_NOTHING;
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
    TS_ASSERT(b->settled || b->n == 0, "merging comes after ts_bpe_settle");
    if (w->n < 2 || b->n == 0)
        return TS_OK;
    if (ts_bpe_merges_short(b, w->n)) {
        int32_t id[SHORT];
        for (size_t i = 0; i < w->n; i++)
            id[i] = w->sym[i].id;
        w->n = ts_bpe_merge_short(b, id, w->n);
        for (size_t i = 0; i < w->n; i++)
            w->sym[i].id = id[i];
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
