#include "text/bpe.h"

#include <string.h>

enum { SHORT = 48 }; /* up to here looking through all pairs beats a heap */

static const uint32_t no_rank = UINT32_MAX;

static inline size_t slot_of(const ts_bpe *b, int32_t left, int32_t right)
{
    const uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    uint64_t h = key * 0x9e3779b97f4a7c15u;
    h = (h ^ (h >> 32)) * 0xd6e8feb86659fd93u;
    size_t i = (size_t)(h >> 32) & (b->slots - 1);
    while (b->pair[i].left >= 0 && (b->pair[i].left != left || b->pair[i].right != right))
        i = (i + 1) & (b->slots - 1);
    return i;
}

ts_status ts_bpe_reserve(ts_bpe *b, size_t n)
{
    ts_bpe old = *b;
    size_t slots = 64;
    while (slots < 2 * n)
        slots *= 2;
    if (slots <= old.slots)
        return TS_OK;
    ts_bpe_pair *pair = NULL;
    TS_TRY(ts_alloc(&pair, slots, sizeof *pair));
    memset(pair, 0xFF, slots * sizeof *pair);
    b->pair = pair;
    b->slots = slots;
    for (size_t i = 0; i < old.slots; i++)
        if (old.pair[i].left >= 0)
            pair[slot_of(b, old.pair[i].left, old.pair[i].right)] = old.pair[i];
    ts_free(&old.pair);
    return TS_OK;
}

ts_status ts_bpe_add(ts_bpe *b, int32_t left, int32_t right, uint32_t rank, int32_t id)
{
    if (2 * (b->n + 1) > b->slots)
        TS_TRY(ts_bpe_reserve(b, b->n + 1 > 32 ? 2 * b->n : 64));
    const size_t i = slot_of(b, left, right);
    b->n += b->pair[i].left < 0;
    b->pair[i] = (ts_bpe_pair){ .left = left, .right = right, .rank = rank, .id = id };
    return TS_OK;
}

const ts_bpe_pair *ts_bpe_find(const ts_bpe *b, int32_t left, int32_t right)
{
    if (b->n == 0 || left < 0 || right < 0)
        return NULL;
    const ts_bpe_pair *p = &b->pair[slot_of(b, left, right)];
    return p->left >= 0 ? p : NULL;
}

void ts_bpe_deinit(ts_bpe *b)
{
    ts_free(&b->pair);
    *b = (ts_bpe){ 0 };
}

static inline uint32_t rank_of(const ts_bpe *b, int32_t left, int32_t right)
{
    const ts_bpe_pair *p = ts_bpe_find(b, left, right);
    return p ? p->rank : no_rank;
}

static void merge_short(const ts_bpe *b, ts_bpe_work *w)
{
    ts_bpe_symbol *s = w->sym;
    size_t n = w->n;
    for (size_t i = 0; i + 1 < n; i++)
        s[i].rank = rank_of(b, s[i].id, s[i + 1].id);
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (s[i].rank < s[best].rank)
                best = i;
        if (s[best].rank == no_rank)
            break;
        s[best].id = ts_bpe_find(b, s[best].id, s[best + 1].id)->id;
        memmove(s + best + 1, s + best + 2, (n - best - 2) * sizeof *s);
        n--;
        if (best > 0)
            s[best - 1].rank = rank_of(b, s[best - 1].id, s[best].id);
        if (best + 1 < n)
            s[best].rank = rank_of(b, s[best].id, s[best + 1].id);
    }
    w->n = n;
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
    s[i].rank = s[i].next < 0 ? no_rank : rank_of(b, s[i].id, s[s[i].next].id);
    return s[i].rank == no_rank ? TS_OK : heap_push(w, s[i].rank, (size_t)i);
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
        if (s[i].rank != (uint32_t)(top >> 32)) /* overtaken by another merge */
            continue;
        s[i].id = ts_bpe_find(b, s[i].id, s[j].id)->id;
        s[i].next = s[j].next;
        s[j].rank = no_rank;
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
