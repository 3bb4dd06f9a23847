/* Byte-pair encoding by merges of ids. One engine for tokenizer.json, GPT-2's files, rank files and
 * SentencePiece: they differ in the first symbols and in how the table of merges is filled. */
#ifndef TS_TEXT_BPE_BPE_H
#define TS_TEXT_BPE_BPE_H
#include "base/mem.h"

enum {
    TS_BPE_SHORT = 64,     /* up to here looking through all pairs beats a heap */
    TS_BPE_PLACE_BITS = 6, /* of a place in a short piece */
    TS_BPE_ID_BITS = 21,   /* of a symbol, in a cell */
    TS_BPE_FEW = 8         /* pairs in a row */
};

typedef struct ts_bpe_pair {
    int32_t left, right;
    uint32_t rank;
    int32_t id;
} ts_bpe_pair;

/* What a pair becomes; rank UINT32_MAX, id -1: nothing. */
typedef struct ts_bpe_made {
    uint32_t rank;
    int32_t id;
} ts_bpe_made;

/* The pairs of one left symbol: n + n / 2 + 1 cells from `begin` on, of a row of many behind the
 * n / 8 words (rounded up) of its filter; a row of few has its filter here. */
typedef struct ts_bpe_row {
    uint32_t begin, n;
    uint64_t filter;
} ts_bpe_row;

typedef struct ts_bpe {
    ts_bpe_pair *list; /* [n], as they were added; NULL when settled */
    size_t n, cap;
    bool settled;
    /* Most pairs of a text are none of the table's, which the filters mostly say; and what one
     * piece needs stands together. */
    ts_bpe_row *row; /* [n_rows], by the left symbol; NULL: see pair */
    uint64_t *cell;  /* rank << 2 * TS_BPE_ID_BITS | id << TS_BPE_ID_BITS | right */
    size_t n_rows;
    ts_bpe_pair *pair; /* a hash of them all, only where they do not fit the cells */
    size_t slots;      /* a power of two */
    /* What the pairs of 256 ids from `first` on become, which are the bytes: where every text
     * begins. */
    ts_bpe_made *bytes; /* [256][256], NULL: none */
    int32_t first;
} ts_bpe;

/* A symbol of the piece under work. */
typedef struct ts_bpe_symbol {
    int32_t id; /* < 0: merges with nothing */
    int32_t prev, next;
    ts_bpe_made made; /* of it and the next */
} ts_bpe_symbol;

typedef struct ts_bpe_work {
    ts_bpe_symbol *sym;
    size_t n, cap;
    uint64_t *heap; /* rank << 32 | symbol */
    size_t heap_n, heap_cap;
} ts_bpe_work;

ts_status ts_bpe_reserve(ts_bpe *b, size_t n) TS_NODISCARD;
/* A pair given twice keeps its last rank. Ids are >= 0. */
ts_status ts_bpe_add(ts_bpe *b, int32_t left, int32_t right, uint32_t rank,
                     int32_t id) TS_NODISCARD;
/* After the last ts_bpe_add and before merging. */
ts_status ts_bpe_settle(ts_bpe *b) TS_NODISCARD;
/* Makes looking up pairs of the ids first to first + 255 quick; when settled. */
ts_status ts_bpe_use_bytes(ts_bpe *b, int32_t first) TS_NODISCARD;
/* When settled. */
ts_bpe_made ts_bpe_find(const ts_bpe *b, int32_t left, int32_t right);
void ts_bpe_deinit(ts_bpe *b);

static inline uint32_t ts_bpe_row_hash(int32_t right) { return (uint32_t)right * 0x9e3779b1u; }

/* A number below n, n < 2^32, from a hash. */
static inline size_t ts_bpe_spread(uint32_t hash, uint64_t n) { return (size_t)(hash * n >> 32); }

/* Words of the filter that stand before the cells of a row of n. */
static inline size_t ts_bpe_row_words(uint32_t n) { return n > TS_BPE_FEW ? (n + 7) / 8 : 0; }

#define TS_BPE_EMPTY UINT64_MAX

/* What a look-up of the pair will read beyond its row's head, which is near already. */
static inline void ts_bpe_fetch(const ts_bpe *b, int32_t left, int32_t right)
{
    if ((uint32_t)left >= b->n_rows)
        return;
    const ts_bpe_row *const row = &b->row[left];
    const uint32_t h = ts_bpe_row_hash(right);
    const size_t words = ts_bpe_row_words(row->n), size = row->n + row->n / 2 + 1;
    __builtin_prefetch(b->cell + row->begin + ts_bpe_spread(h, words));
    __builtin_prefetch(b->cell + row->begin + words + ts_bpe_spread(h, size));
}

#define TS_BPE_NOTHING ((ts_bpe_made){ UINT32_MAX, -1 })

/* ts_bpe_find of a table that is settled and has rows. */
static inline ts_bpe_made ts_bpe_find_quick(const ts_bpe *b, int32_t left, int32_t right)
{
    const uint64_t id_mask = (1u << TS_BPE_ID_BITS) - 1;
    const uint32_t x = (uint32_t)left - (uint32_t)b->first,
                   y = (uint32_t)right - (uint32_t)b->first;
    if (b->bytes && x < 256 && y < 256)
        return b->bytes[x << 8 | y];
    if ((uint32_t)left >= b->n_rows)
        return TS_BPE_NOTHING;
    const ts_bpe_row *const row = &b->row[left];
    const uint32_t h = ts_bpe_row_hash(right);
    const size_t words = ts_bpe_row_words(row->n), size = row->n + row->n / 2 + 1;
    const uint64_t *cell = b->cell + row->begin, *filter = words ? cell : &row->filter;
    const size_t bit = ts_bpe_spread(h, words ? 64 * words : 64);
    if (!(filter[bit >> 6] >> (bit & 63) & 1))
        return TS_BPE_NOTHING;
    cell += words;
    for (size_t i = ts_bpe_spread(h, size); cell[i] != TS_BPE_EMPTY; i = i + 1 < size ? i + 1 : 0)
        if ((cell[i] & id_mask) == (uint32_t)right)
            return (ts_bpe_made){ (uint32_t)(cell[i] >> 2 * TS_BPE_ID_BITS),
                                  (int32_t)(cell[i] >> TS_BPE_ID_BITS & id_mask) };
    return TS_BPE_NOTHING;
}

static inline ts_status ts_bpe_push(ts_bpe_work *w, int32_t id)
{
    if (w->n == w->cap) {
        const ts_status st = ts_grow(&w->sym, &w->cap, w->n + 1, sizeof *w->sym);
        if (st != TS_OK)
            return st;
    }
    w->sym[w->n++].id = id;
    return TS_OK;
}

/* bpe_merge.c: merge the symbols by lowest rank, leftmost first, until nothing merges. The table is
 * settled. */
/* w->sym[0..n): the symbols that are left stand at the beginning, w->n of them. */
ts_status ts_bpe_merge(const ts_bpe *b, ts_bpe_work *w) TS_NODISCARD;
/* id[0..n), n <= TS_BPE_SHORT, of a table with rows: returns how many are left. */
size_t ts_bpe_merge_short(const ts_bpe *b, int32_t *id, size_t n);
static inline bool ts_bpe_merges_short(const ts_bpe *b, size_t n)
{
    return n <= TS_BPE_SHORT && b->row;
}
void ts_bpe_work_deinit(ts_bpe_work *w);
#endif
