#include "dist/ordered.h"
#include "dist/sum.h"

/* elements of acc that stay in the first cache while all ranks' values are added */
enum { TILE = 4096 };

typedef struct lists {
    int64_t *send_counts, *send_offsets, *recv_counts, *recv_offsets; /* [size] each */
} lists;

/* What is added up, and how it is parted. */
typedef struct parts {
    int64_t total;
    const int64_t *border;
    int size;
} parts;

static int64_t begin_of(const parts *p, int rank)
{
    return p->border ? p->border[rank] - p->border[0] : ts_ordered_begin(p->total, p->size, rank);
}

static int64_t longest_of(const parts *p)
{
    int64_t most = 0;
    for (int r = 0; r < p->size; r++) {
        const int64_t n = begin_of(p, r + 1) - begin_of(p, r);
        most = n > most ? n : most;
    }
    return p->border ? most : ((p->total + 63) / 64 / p->size + 1) * 64;
}

/* One piece of every part: what goes to rank d lies at `at` in d's part. What is ours stays where
 * it is. */
static void cut_piece(const parts *p, int me, int64_t at, int64_t piece, lists *l)
{
    const int64_t mine = begin_of(p, me + 1) - begin_of(p, me) - at;
    for (int d = 0; d < p->size; d++) {
        const int64_t begin = begin_of(p, d) + at;
        const int64_t left = begin_of(p, d + 1) - begin;
        l->send_counts[d] = d == me || left < 0 ? 0 : left < piece ? left : piece;
        l->send_offsets[d] = l->send_counts[d] > 0 ? begin : 0;
        l->recv_counts[d] = d == me || mine < 0 ? 0 : mine < piece ? mine : piece;
        l->recv_offsets[d] = d * piece;
    }
}

static void add_piece(const ts_comm *comm, const float *g, float *acc, int64_t n,
                      const float *staging, int64_t piece)
{
    for (int64_t b = 0; b < n; b += TILE) {
        const int64_t k = n - b < TILE ? n - b : TILE;
        for (int r = 0; r < comm->size; r++)
            ts_sum_f32(acc + b, r == comm->rank ? g + b : staging + r * piece + b, k);
    }
}

static ts_status add_all(ts_comm *comm, const float *g, float *own, const parts *p, float *staging,
                         int64_t piece, lists *l)
{
    const int64_t begin = begin_of(p, comm->rank), n = begin_of(p, comm->rank + 1) - begin;
    const int64_t longest = longest_of(p);
    for (int64_t at = 0; at < longest; at += piece) {
        cut_piece(p, comm->rank, at, piece, l);
        TS_TRY(ts_comm_run(comm, ts_all_to_all_v(g, l->send_counts, l->send_offsets, staging,
                                                 l->recv_counts, l->recv_offsets, TS_COMM_F32)));
        if (own && at < n)
            add_piece(comm, g + begin + at, own + at, n - at < piece ? n - at : piece, staging,
                      piece);
    }
    return TS_OK;
}

ts_status ts_ordered_add(ts_comm *comm, const float *g, float *acc, int64_t total, float *staging,
                         int64_t staging_elements)
{
    float *own = acc ? acc + ts_ordered_begin(total, comm->size, comm->rank) : NULL;
    return ts_ordered_add_own(comm, g, own, total, NULL, staging, staging_elements);
}

ts_status ts_ordered_add_own(ts_comm *comm, const float *g, float *own, int64_t total,
                             const int64_t *border, float *staging, int64_t staging_elements)
{
    const int p = comm->size;
    if (p == 1) {
        if (own)
            ts_sum_f32(own, g, total);
        return TS_OK;
    }
    const int64_t piece = staging_elements / p / 64 * 64;
    TS_ASSERT(piece > 0, "staging of %lld values for %d ranks", (long long)staging_elements, p);
    int64_t *v;
    TS_TRY(ts_alloc(&v, 4 * (size_t)p, sizeof *v));
    lists l = { v, v + p, v + 2 * p, v + 3 * p };
    const parts parted = { total, border, p };
    const ts_status st = add_all(comm, g, own, &parted, staging, piece, &l);
    ts_free(&v);
    return st;
}

ts_status ts_ordered_finish(ts_comm *comm, float *acc, int64_t total)
{
    const int p = comm->size;
    if (p == 1)
        return TS_OK;
    int64_t *v;
    TS_TRY(ts_alloc(&v, 2 * (size_t)p, sizeof *v));
    for (int r = 0; r < p; r++) {
        v[p + r] = ts_ordered_begin(total, p, r);
        v[r] = ts_ordered_begin(total, p, r + 1) - v[p + r];
    }
    const ts_status st =
        ts_comm_run(comm, ts_all_gather_v(acc ? acc + v[p + comm->rank] : NULL, v[comm->rank], acc,
                                          v, v + p, TS_COMM_F32));
    ts_free(&v);
    return st;
}
