/* A joined pair changes only the pairs at its sides. So for each neighbour it is summed, in an
 * array by symbol, how often it stands there; the large table of pairs is then touched once for
 * each neighbour, not once for each occurrence. */
#include "text/bpe/bpe_learn.h"

#include "base/arena.h"

#include <string.h>

enum { AHEAD = 16 }; /* words whose symbols are fetched before they are needed */

/* Two neighbouring symbols: how often, and in which words (some may no longer have it). */
typedef struct pair {
    uint64_t key; /* left << 32 | right, + 1; 0: free */
    int64_t count;
    uint32_t *words; /* places of words in the cells */
    uint32_t n, last;
} pair;

typedef struct entry {
    int64_t count;
    uint64_t key;
} entry;

/* What one join does to a neighbour on one side. */
typedef struct side {
    int64_t count;
    uint32_t *words;  /* of the new pair */
    uint32_t n, last; /* words; the last one's place + 1 */
} side;

typedef struct use {
    int32_t symbol;
    uint32_t word;
} use;

typedef enum which { LEFT, RIGHT } which;

typedef struct learner {
    ts_bpe_words *w;
    ts_arena arena;
    pair *pairs;
    size_t slots, n_pairs;
    entry *heap;
    size_t n_heap, cap_heap;
    side *side[2]; /* by symbol */
    size_t cap_side[2];
    int32_t *touched[2];
    size_t n_touched[2], cap_touched[2];
    use *uses[2];
    size_t n_uses[2], cap_uses[2];
} learner;

ts_status ts_bpe_words_add(ts_bpe_words *w, int64_t count, size_t n_symbols, int32_t **symbols)
{
    const size_t need = w->n + TS_BPE_WORD_HEAD + n_symbols;
    if (n_symbols > INT32_MAX || need > UINT32_MAX - 1)
        return ts_error(TS_ERR_USER, "too many different words to learn from");
    TS_TRY(ts_grow(&w->cell, &w->cap, need, sizeof *w->cell));
    int32_t *x = w->cell + w->n;
    x[0] = (int32_t)n_symbols;
    memcpy(x + 1, &count, sizeof count);
    *symbols = x + TS_BPE_WORD_HEAD;
    w->n = need;
    return TS_OK;
}

/* ---- the table of pairs ---- */

static uint64_t key_of(int32_t a, int32_t b)
{
    return ((uint64_t)(uint32_t)a << 32 | (uint32_t)b) + 1;
}

static size_t slot_of(const learner *l, uint64_t key)
{
    uint64_t h = key * 0x9e3779b97f4a7c15u;
    h = (h ^ h >> 32) * 0xd6e8feb86659fd93u;
    size_t i = (size_t)(h >> 32) & (l->slots - 1);
    while (l->pairs[i].key && l->pairs[i].key != key)
        i = (i + 1) & (l->slots - 1);
    return i;
}

static ts_status more_slots(learner *l)
{
    pair *const old = l->pairs;
    const size_t n = l->slots;
    pair *made = NULL;
    TS_TRY(ts_alloc_large(&made, n ? 2 * n : 1 << 16, sizeof *made));
    l->pairs = made;
    l->slots = n ? 2 * n : 1 << 16;
    for (size_t i = 0; i < n; i++)
        if (old[i].key)
            l->pairs[slot_of(l, old[i].key)] = old[i];
    pair *gone = old;
    ts_free(&gone);
    return TS_OK;
}

/* The pair, made when it is new; good until the next is looked for. */
static ts_status find_pair(learner *l, uint64_t key, pair **out)
{
    if (2 * (l->n_pairs + 1) > l->slots)
        TS_TRY(more_slots(l));
    pair *p = &l->pairs[slot_of(l, key)];
    l->n_pairs += p->key == 0;
    p->key = key;
    *out = p;
    return TS_OK;
}

/* ---- the pairs by frequency ---- */

static bool before(const entry *x, const entry *y)
{
    return x->count != y->count ? x->count > y->count : x->key < y->key;
}

static ts_status push(learner *l, const pair *p)
{
    TS_TRY(ts_grow(&l->heap, &l->cap_heap, l->n_heap + 1, sizeof *l->heap));
    const entry e = { p->count, p->key };
    size_t at = l->n_heap++;
    for (; at && before(&e, &l->heap[(at - 1) / 2]); at = (at - 1) / 2)
        l->heap[at] = l->heap[(at - 1) / 2];
    l->heap[at] = e;
    return TS_OK;
}

static entry pop(learner *l)
{
    const entry top = l->heap[0], e = l->heap[--l->n_heap];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= l->n_heap)
            break;
        if (child + 1 < l->n_heap && before(&l->heap[child + 1], &l->heap[child]))
            child++;
        if (!before(&l->heap[child], &e))
            break;
        l->heap[at] = l->heap[child];
        at = child;
    }
    l->heap[at] = e;
    return top;
}

/* ---- the first pairs ---- */

static int64_t count_of(const int32_t *x)
{
    int64_t count;
    memcpy(&count, x + 1, sizeof count);
    return count;
}

/* Counts pairs and the words that have them; then, with `fill`, notes the words. */
static ts_status look_at_words(learner *l, bool fill)
{
    for (size_t at = 0; at < l->w->n;) {
        const int32_t *x = l->w->cell + at, *s = x + TS_BPE_WORD_HEAD;
        const int64_t count = count_of(x);
        const uint32_t mark = (uint32_t)at + 1;
        for (int32_t i = 0; i + 1 < x[0]; i++) {
            pair *p;
            TS_TRY(find_pair(l, key_of(s[i], s[i + 1]), &p));
            p->count += fill ? 0 : count;
            if (p->last == mark)
                continue;
            p->last = mark;
            if (fill)
                p->words[p->n] = (uint32_t)at;
            p->n++;
        }
        at += TS_BPE_WORD_HEAD + (size_t)x[0];
    }
    return TS_OK;
}

static ts_status first_pairs(learner *l)
{
    TS_TRY(look_at_words(l, false));
    for (size_t i = 0; i < l->slots; i++) {
        pair *p = &l->pairs[i];
        if (!p->key)
            continue;
        TS_TRY(ts_arena_alloc(&l->arena, p->n * sizeof *p->words, &p->words));
        p->n = p->last = 0;
        TS_TRY(push(l, p));
    }
    return look_at_words(l, true);
}

/* ---- joining ---- */

/* A neighbour of a joined pair in a word that occurs `count` times. */
static ts_status note(learner *l, which k, int32_t symbol, int64_t count, uint32_t word)
{
    TS_TRY(ts_grow(&l->side[k], &l->cap_side[k], (size_t)symbol + 1, sizeof *l->side[k]));
    side *d = &l->side[k][symbol];
    if (d->n == 0) {
        TS_TRY(ts_grow(&l->touched[k], &l->cap_touched[k], l->n_touched[k] + 1,
                       sizeof *l->touched[k]));
        l->touched[k][l->n_touched[k]++] = symbol;
    }
    d->count += count;
    if (d->last == word + 1)
        return TS_OK;
    d->last = word + 1;
    d->n++;
    TS_TRY(ts_grow(&l->uses[k], &l->cap_uses[k], l->n_uses[k] + 1, sizeof *l->uses[k]));
    l->uses[k][l->n_uses[k]++] = (use){ symbol, word };
    return TS_OK;
}

/* Joins a and b in the word at `at`. */
static ts_status join_word(learner *l, uint32_t at, int32_t a, int32_t b, int32_t made)
{
    int32_t *x = l->w->cell + at, *s = x + TS_BPE_WORD_HEAD;
    const int32_t n = x[0];
    const int64_t count = count_of(x);
    int32_t i = 0;
    while (i + 1 < n && (s[i] != a || s[i + 1] != b))
        i++;
    if (i + 1 >= n)
        return TS_OK; /* another join took it */
    int32_t k = i;
    while (i < n) {
        if (i + 1 == n || s[i] != a || s[i + 1] != b) {
            s[k++] = s[i++];
            continue;
        }
        if (k > 0)
            TS_TRY(note(l, LEFT, s[k - 1], count, at));
        if (i + 2 < n)
            TS_TRY(note(l, RIGHT, s[i + 2], count, at));
        s[k++] = made;
        i += 2;
    }
    x[0] = k;
    return TS_OK;
}

/* Brings the table up to date with what was noted on one side of the pair a, b. */
static ts_status settle(learner *l, which k, int32_t a, int32_t b, int32_t made)
{
    for (size_t i = 0; i < l->n_touched[k]; i++) {
        const int32_t x = l->touched[k][i];
        side *d = &l->side[k][x];
        pair *p;
        TS_TRY(find_pair(l, k == LEFT ? key_of(x, a) : key_of(b, x), &p));
        p->count -= d->count;
        TS_TRY(find_pair(l, k == LEFT ? key_of(x, made) : key_of(made, x), &p));
        p->count += d->count;
        uint32_t *words;
        TS_TRY(ts_arena_alloc(&l->arena, ((size_t)p->n + d->n) * sizeof *words, &words));
        if (p->n)
            memcpy(words, p->words, p->n * sizeof *words);
        d->words = words + p->n;
        p->words = words;
        p->n += d->n;
    }
    for (size_t i = 0; i < l->n_uses[k]; i++) {
        side *d = &l->side[k][l->uses[k][i].symbol];
        *d->words++ = l->uses[k][i].word;
    }
    return TS_OK;
}

/* Queues the new pairs of a side and forgets the notes. */
static ts_status queue(learner *l, which k, int32_t made)
{
    for (size_t i = 0; i < l->n_touched[k]; i++) {
        const int32_t x = l->touched[k][i];
        pair *p;
        TS_TRY(find_pair(l, k == LEFT ? key_of(x, made) : key_of(made, x), &p));
        if (p->count > 0)
            TS_TRY(push(l, p));
        l->side[k][x] = (side){ 0 };
    }
    l->n_touched[k] = l->n_uses[k] = 0;
    return TS_OK;
}

static ts_status join_pair(learner *l, uint64_t key, int32_t made)
{
    const int32_t a = (int32_t)((key - 1) >> 32), b = (int32_t)(uint32_t)(key - 1);
    pair *p;
    TS_TRY(find_pair(l, key, &p));
    const uint32_t *words = p->words, n = p->n;
    p->words = NULL;
    p->n = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (n - i > AHEAD)
            __builtin_prefetch(l->w->cell + words[i + AHEAD]);
        TS_TRY(join_word(l, words[i], a, b, made));
    }
    TS_TRY(settle(l, LEFT, a, b, made));
    TS_TRY(settle(l, RIGHT, a, b, made));
    TS_TRY(find_pair(l, key, &p));
    p->count = 0;
    TS_TRY(queue(l, LEFT, made));
    return queue(l, RIGHT, made);
}

static ts_status learn(learner *l, int64_t min_frequency, ts_bpe_join_fn *join, void *ctx)
{
    TS_TRY(first_pairs(l));
    for (bool stop = false; l->n_heap && !stop;) {
        const entry e = pop(l);
        pair *p;
        TS_TRY(find_pair(l, e.key, &p));
        if (e.count != p->count) { /* it has changed since; a lower count waits for its turn */
            if (p->count > 0 && e.count > p->count)
                TS_TRY(push(l, p));
            continue;
        }
        if (e.count < 1 || e.count < min_frequency)
            break;
        int32_t made;
        TS_TRY(
            join(ctx, (int32_t)((e.key - 1) >> 32), (int32_t)(uint32_t)(e.key - 1), &made, &stop));
        if (!stop)
            TS_TRY(join_pair(l, e.key, made));
    }
    return TS_OK;
}

ts_status ts_bpe_learn(ts_bpe_words *words, int64_t min_frequency, ts_bpe_join_fn *join, void *ctx)
{
    learner l = { .w = words };
    const ts_status st = learn(&l, min_frequency, join, ctx);
    ts_arena_deinit(&l.arena);
    ts_free(&l.pairs);
    ts_free(&l.heap);
    for (int k = 0; k < 2; k++) {
        ts_free(&l.side[k]);
        ts_free(&l.touched[k]);
        ts_free(&l.uses[k]);
    }
    return st;
}
