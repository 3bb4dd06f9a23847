#include "text/bpe/bpe.h"

#include <string.h>

enum { AHEAD = 12 }; /* pairs that are on their way from memory while one is put in its row */

static inline uint64_t hash_of(int32_t left, int32_t right)
{
    const uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    uint64_t h = key * 0x9e3779b97f4a7c15u;
    h = (h ^ (h >> 32)) * 0xd6e8feb86659fd93u;
    return h ^ h >> 32;
}

static inline size_t slot_of(const ts_bpe *b, int32_t left, int32_t right)
{
    size_t i = (size_t)hash_of(left, right) & (b->slots - 1);
    while (b->pair[i].left >= 0 && (b->pair[i].left != left || b->pair[i].right != right))
        i = (i + 1) & (b->slots - 1);
    return i;
}

ts_status ts_bpe_reserve(ts_bpe *b, size_t n)
{
    return ts_grow(&b->list, &b->cap, n, sizeof *b->list);
}

ts_status ts_bpe_add(ts_bpe *b, int32_t left, int32_t right, uint32_t rank, int32_t id)
{
    TS_ASSERT(!b->settled, "pairs come before ts_bpe_settle");
    TS_ASSERT(left >= 0 && right >= 0 && id >= 0 && rank != UINT32_MAX, "no such pair");
    TS_TRY(ts_bpe_reserve(b, b->n + 1));
    b->list[b->n++] = (ts_bpe_pair){ .left = left, .right = right, .rank = rank, .id = id };
    return TS_OK;
}

/* The hash that needs no bounds of ids. */
static ts_status hash_all(ts_bpe *b)
{
    b->slots = 64;
    while (b->slots < 2 * b->n)
        b->slots *= 2;
    TS_TRY(ts_alloc_large(&b->pair, b->slots, sizeof *b->pair));
    memset(b->pair, 0xFF, b->slots * sizeof *b->pair);
    for (size_t i = 0; i < b->n; i++)
        b->pair[slot_of(b, b->list[i].left, b->list[i].right)] = b->list[i];
    return TS_OK;
}

/* Cells and filter. */
static size_t words_of(const ts_bpe_row *r)
{
    return r->n ? ts_bpe_row_words(r->n) + r->n + r->n / 2 + 1 : 0;
}

/* Whether a cell can hold any of the pairs; *n_rows: as many as the left symbols need. */
static bool fits(const ts_bpe *b, size_t *n_rows)
{
    const uint32_t ids = (1u << TS_BPE_ID_BITS) - 1, /* the last is for empty cells */
        ranks = 1u << (64 - 2 * TS_BPE_ID_BITS);
    *n_rows = 0;
    for (size_t i = 0; i < b->n; i++) {
        const ts_bpe_pair *p = &b->list[i];
        if ((uint32_t)p->left >= ids || (uint32_t)p->right >= ids || (uint32_t)p->id >= ids ||
            p->rank >= ranks)
            return false;
        *n_rows = (size_t)p->left >= *n_rows ? (size_t)p->left + 1 : *n_rows;
    }
    return true;
}

/* Counts the pairs of each row, and gives it its place. */
static ts_status lay_out(ts_bpe *b)
{
    size_t words = 0;
    TS_TRY(ts_alloc_large(&b->row, b->n_rows, sizeof *b->row));
    for (size_t i = 0; i < b->n; i++)
        b->row[b->list[i].left].n++;
    for (size_t i = 0; i < b->n_rows; i++) {
        b->row[i].begin = (uint32_t)words;
        words += words_of(&b->row[i]);
        if (words > UINT32_MAX)
            return ts_error(TS_ERR_USER, "%zu merges are too many", b->n);
    }
    TS_TRY(ts_alloc_large(&b->cell, words, sizeof *b->cell));
    for (size_t i = 0; i < b->n_rows; i++) {
        const size_t filter = ts_bpe_row_words(b->row[i].n), all = words_of(&b->row[i]);
        if (all) /* empty */
            memset(b->cell + b->row[i].begin + filter, 0xFF, (all - filter) * sizeof *b->cell);
    }
    return TS_OK;
}

static void put(ts_bpe *b, const ts_bpe_pair *p)
{
    const uint64_t id_mask = (1u << TS_BPE_ID_BITS) - 1;
    ts_bpe_row *const r = &b->row[p->left];
    const uint32_t h = ts_bpe_row_hash(p->right);
    const size_t words = ts_bpe_row_words(r->n), size = r->n + r->n / 2 + 1,
                 bit = ts_bpe_spread(h, words ? 64 * words : 64);
    uint64_t *cell = b->cell + r->begin, *const filter = words ? cell : &r->filter;
    filter[bit >> 6] |= (uint64_t)1 << (bit & 63);
    cell += words;
    size_t i = ts_bpe_spread(h, size);
    while (cell[i] != TS_BPE_EMPTY && (cell[i] & id_mask) != (uint64_t)p->right)
        i = i + 1 < size ? i + 1 : 0;
    cell[i] = (uint64_t)p->rank << 2 * TS_BPE_ID_BITS | (uint64_t)p->id << TS_BPE_ID_BITS |
              (uint64_t)p->right;
}

ts_status ts_bpe_settle(ts_bpe *b)
{
    TS_ASSERT(!b->settled, "settled once");
    if (fits(b, &b->n_rows)) {
        TS_TRY(lay_out(b));
        for (size_t i = 0; i < b->n; i++) {
            const ts_bpe_pair *soon = &b->list[i + AHEAD < b->n ? i + AHEAD : i];
            ts_bpe_fetch(b, soon->left, soon->right);
            put(b, &b->list[i]);
        }
    } else {
        TS_TRY(hash_all(b));
    }
    ts_free(&b->list);
    b->settled = true;
    return TS_OK;
}

ts_bpe_made ts_bpe_find(const ts_bpe *b, int32_t left, int32_t right)
{
    if (b->row)
        return ts_bpe_find_quick(b, left, right);
    if (!b->pair || left < 0 || right < 0)
        return TS_BPE_NOTHING;
    const ts_bpe_pair *p = &b->pair[slot_of(b, left, right)];
    return p->left >= 0 ? (ts_bpe_made){ p->rank, p->id } : TS_BPE_NOTHING;
}

ts_status ts_bpe_use_bytes(ts_bpe *b, int32_t first)
{
    ts_bpe_made *bytes = NULL;
    TS_ASSERT(b->settled && !b->bytes, "bytes come after ts_bpe_settle, once");
    TS_TRY(ts_alloc(&bytes, 1 << 16, sizeof *bytes));
    for (int32_t i = 0; i < 1 << 16; i++)
        bytes[i] = ts_bpe_find(b, first + (i >> 8), first + (i & 255));
    b->bytes = bytes;
    b->first = first;
    return TS_OK;
}

void ts_bpe_deinit(ts_bpe *b)
{
    ts_free(&b->list);
    ts_free(&b->pair);
    ts_free(&b->row);
    ts_free(&b->cell);
    ts_free(&b->bytes);
    *b = (ts_bpe){ 0 };
}
