/* Byte-pair encoding by merges of ids. One engine for tokenizer.json, GPT-2's files, rank files and
 * SentencePiece: they differ in the first symbols and in how the table of merges is filled. */
#ifndef TS_TEXT_BPE_H
#define TS_TEXT_BPE_H
#include "base/mem.h"

typedef struct ts_bpe_pair {
    int32_t left, right; /* left -1: empty */
    uint32_t rank;
    int32_t id;
} ts_bpe_pair;

typedef struct ts_bpe {
    ts_bpe_pair *pair;
    size_t slots, n; /* slots: a power of two */
    /* A bit for each hash that some pair has, 8 times as many as slots: most pairs of a text are
     * none of the table's, and this small map says so without a look into the large one. */
    uint64_t *known;
    /* The pairs of 256 ids from `first` on, which are the bytes: where every text begins. */
    struct ts_bpe_made *bytes; /* [256][256], NULL: none */
    int32_t first;
} ts_bpe;

/* What a pair becomes; rank UINT32_MAX: nothing. */
typedef struct ts_bpe_made {
    uint32_t rank;
    int32_t id;
} ts_bpe_made;

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
/* No more room than is well used: the smaller, the quicker. */
ts_status ts_bpe_tighten(ts_bpe *b) TS_NODISCARD;
/* Makes looking up pairs of the ids first to first + 255 quick; after the last ts_bpe_add. */
ts_status ts_bpe_use_bytes(ts_bpe *b, int32_t first) TS_NODISCARD;
const ts_bpe_pair *ts_bpe_find(const ts_bpe *b, int32_t left, int32_t right); /* NULL: none */
void ts_bpe_deinit(ts_bpe *b);

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

/* Merges w->sym[0..n) by lowest rank, leftmost first, until nothing merges; the symbols that are
 * left stand at the beginning, w->n of them. */
ts_status ts_bpe_merge(const ts_bpe *b, ts_bpe_work *w) TS_NODISCARD;
void ts_bpe_work_deinit(ts_bpe_work *w);
#endif
