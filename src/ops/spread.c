#include "ops/spread.h"

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Where chunk i of 2n begins. Where they do not come out even the first have one position more, and of the second
 * half the last: so the first groups have one more than the others. */
static int64_t chunk_begin(const ts_spread *s, int64_t n, int64_t i)
{
    const int64_t more = s->length % (2 * n), late = 2 * n - (more > n ? more - n : 0);
    return s->length / (2 * n) * i + least(i, least(more, n)) + (i > late ? i - late : 0);
}

static ts_stretch chunk_of(const ts_spread *s, int64_t n, int64_t i)
{
    const int64_t begin = chunk_begin(s, n, i);
    return (ts_stretch){ begin, chunk_begin(s, n, i + 1) - begin };
}

/* What the neighbours of group `at` have together. */
static ts_stretches pieces_of(const ts_spread *s, int at)
{
    const int64_t n = s->comm->size / s->heads;
    if (n == 1)
        return ts_stretches_one(0, s->length);
    if (!s->zigzag)
        return ts_stretches_one(s->length * at / n, s->length * (at + 1) / n - s->length * at / n);
    return (ts_stretches){ .n = 2, .piece = { chunk_of(s, n, at), chunk_of(s, n, 2 * n - 1 - at) } };
}

ts_stretches ts_spread_queries(const ts_spread *s, int64_t length, int rank)
{
    return s ? pieces_of(s, rank / s->heads) : ts_stretches_one(0, length);
}

/* Neighbours share them out one after another; the first have one more where they do not come out even. */
ts_stretches ts_spread_rows(const ts_spread *s, int64_t length, int rank)
{
    const ts_stretches all = ts_spread_queries(s, length, rank);
    if (!s || s->heads == 1)
        return all;
    const int64_t n = ts_stretches_count(&all), i = rank % s->heads, more = n % s->heads;
    int64_t begin = n / s->heads * i + (i < more ? i : more), left = n / s->heads + (i < more);
    ts_stretches p = { 0 };
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

/* What some pieces have of a document [begin, end): its first position, and how far it reaches; n 0: nothing. */
static ts_stretch part_of(const ts_stretches *p, int64_t begin, int64_t end)
{
    ts_stretch part = { end, 0 };
    for (int i = 0; i < p->n; i++) {
        const ts_stretch *x = &p->piece[i];
        const int64_t from = x->begin > begin ? x->begin : begin, all = x->begin + x->n;
        const int64_t to = all < end ? all : end;
        if (from >= to)
            continue;
        part.begin = from < part.begin ? from : part.begin;
        part.n = to - part.begin;
    }
    return part;
}

static void see_document(const ts_spread *s, int64_t begin, int64_t end, bool *seen)
{
    const int n = s->comm->size / s->heads;
    for (int i = 0; i < n * n; i++) {
        const ts_stretches q = pieces_of(s, i / n), k = pieces_of(s, i % n);
        const ts_stretch queries = part_of(&q, begin, end), keys = part_of(&k, begin, end);
        seen[i] = seen[i] || (queries.n && keys.n && keys.begin < queries.begin + queries.n);
    }
}

void ts_spread_see(const ts_spread *s, const int32_t *segments, bool *seen)
{
    int64_t begin = 0;
    for (int64_t i = 1; i <= s->length; i++)
        if (i == s->length || segments[i] != segments[i - 1]) {
            see_document(s, begin, i, seen);
            begin = i;
        }
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
