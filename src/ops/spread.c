#include "ops/spread.h"

/* What the neighbours of group `at` have together. */
static ts_pieces pieces_of(const ts_spread *s, int at)
{
    const int64_t n = s->comm->size / s->heads;
    if (n == 1)
        return ts_pieces_one(0, s->length);
    if (!s->zigzag)
        return ts_pieces_one(s->length * at / n, s->length * (at + 1) / n - s->length * at / n);
    const int64_t chunk = s->length / (2 * n);
    return (ts_pieces){ .n = 2, .piece = { { at * chunk, chunk }, { (2 * n - 1 - at) * chunk, chunk } } };
}

ts_pieces ts_spread_queries(const ts_spread *s, int64_t length, int rank)
{
    return s ? pieces_of(s, rank / s->heads) : ts_pieces_one(0, length);
}

/* Neighbours share them out one after another; the first have one more where they do not come out even. */
ts_pieces ts_spread_rows(const ts_spread *s, int64_t length, int rank)
{
    const ts_pieces all = ts_spread_queries(s, length, rank);
    if (!s || s->heads == 1)
        return all;
    const int64_t n = ts_pieces_count(&all), i = rank % s->heads, more = n % s->heads;
    int64_t begin = n / s->heads * i + (i < more ? i : more), left = n / s->heads + (i < more);
    ts_pieces p = { 0 };
    for (int k = 0; k < all.n && left > 0; k++) {
        const ts_stretch *from = &all.piece[k];
        if (begin < from->n) {
            const int64_t take = from->n - begin < left ? from->n - begin : left;
            p.piece[p.n++] = (ts_stretch){ from->begin + begin, take };
            left -= take;
            begin = from->n;
        }
        begin -= from->n;
    }
    return p;
}

int ts_ring_block(int n, int w, int at, int t)
{
    const int windows = n / w, window = (at / w - t / w + windows) % windows;
    return window * w + (at % w - t % w + w) % w;
}

int ts_ring_holder(int n, int w, int block, int t)
{
    return (block / w + t / w) % (n / w) * w + (block % w + t % w) % w;
}
