#include "dist/shm_piece.h"
#include "dist/comm_cost.h"
#include "dist/shm_read.h"
#include "dist/sum.h"

#include <string.h>

/* Values whose sum stays in the first cache while rank after rank is added. */
enum { TILE = 2048 };

static char *slot(const ts_shm_place *p, const ts_shm_request *r, int64_t k, int rank)
{
    return p->slots + ((size_t)((r->first + k) % TS_SHM_SLOTS) * (size_t)p->size + (size_t)rank) *
                          p->slot_bytes;
}

/* Values before piece k. */
static int64_t begin_of(const ts_shm_request *r, int64_t k) { return (k - r->bare) * r->each; }

/* How many of n values fall into piece k. */
static int64_t part(const ts_shm_request *r, int64_t n, int64_t k)
{
    const int64_t left = n - begin_of(r, k);
    return left < 0 ? 0 : left < r->each ? left : r->each;
}

/* Equal shares of m values, whole cache lines but for the last. */
static int64_t share_begin(int64_t m, int size, int rank)
{
    return rank == size ? m : m / 16 * rank / size * 16;
}

static void copy(void *to, const void *from, int64_t values, size_t z, bool stream)
{
    if (values > 0)
        ts_copy_fast(to, from, (size_t)values * z, stream);
}

/* Where in a slot rank d's values of a SCATTER or EXCHANGE lie. Between two ranks there is one
 * place; else the own one holds sums. */
static size_t place_of(const ts_shm_place *p, const ts_shm_request *r, int d)
{
    const size_t z = ts_comm_type_size(r->t);
    return p->size == 2 ? 0 : p->slot_bytes / z / (size_t)p->size * z * (size_t)d;
}

/* The values of piece k for rank d where they lie. */
static const char *source(const ts_shm_request *r, int64_t k, int d)
{
    const int64_t at = begin_of(r, k) + (r->send_offsets ? r->send_offsets[d] : 0);
    return (r->send ? r->send : r->recv) + (size_t)at * ts_comm_type_size(r->t);
}

static void put_parts(const ts_shm_place *p, const ts_shm_request *r, int64_t k, char *to,
                      bool past)
{
    const size_t z = ts_comm_type_size(r->t);
    for (int d = 0; d < p->size; d++)
        if (d != p->rank)
            copy(to + place_of(p, r, d), source(r, k, d), part(r, r->send_counts[d], k), z, past);
}

void ts_shm_keep(const ts_shm_place *p, const ts_shm_request *r, int64_t from, int64_t to)
{
    const bool gathers = r->what == TS_SHM_GATHER;
    if ((!gathers && r->what != TS_SHM_EXCHANGE) || r->bare)
        return; /* before that was known, all was one piece */
    const size_t z = ts_comm_type_size(r->t);
    const int64_t n = gathers ? r->n : r->send_counts[p->rank], b = from * r->each,
                  e = to * r->each;
    if (b >= n)
        return;
    const char *own = source(r, from, p->rank);
    char *recv = r->recv + (size_t)(r->recv_offsets[p->rank] + b) * z;
    const int64_t m = (e < n ? e : n) - b;
    if (own != recv && r->stream)
        copy(recv, own, m, z, true);
    else if (own != recv)
        memcpy(recv, own, (size_t)m * z); /* from this core's caches to its caches: the fastest */
}

static void put_values(const ts_shm_place *p, const ts_shm_request *r, int64_t k, bool past)
{
    const int me = p->rank;
    const size_t z = ts_comm_type_size(r->t);
    const int64_t m = part(r, r->n, k);
    char *to = slot(p, r, k, me);
    switch (r->what) {
    case TS_SHM_REDUCE: { /* all but the own share, which only this rank needs */
        const int64_t b = share_begin(m, p->size, me), e = share_begin(m, p->size, me + 1);
        const char *from = source(r, k, me);
        copy(to, from, b, z, past);
        copy(to + (size_t)e * z, from + (size_t)e * z, m - e, z, past);
        break;
    }
    case TS_SHM_SPREAD:
        if (me == r->root)
            copy(to, source(r, k, me), m, z, past);
        break;
    case TS_SHM_REDUCE_FLAT:
    case TS_SHM_GATHER:
        copy(to, source(r, k, me), m, z, past);
        break;
    case TS_SHM_EXCHANGE:
    case TS_SHM_SCATTER:
        put_parts(p, r, k, to, past);
        break;
    case TS_SHM_MEET:
        break;
    }
}

void ts_shm_put(const ts_shm_place *p, const ts_shm_request *r, int64_t k, ts_shm_way way)
{
    ts_shm_rank *me = &p->head->rank[p->rank];
    const int64_t place = (r->first + k) % TS_SHM_SLOTS;
    if (r->what == TS_SHM_EXCHANGE)
        me->longest[place] = r->longest;
    me->direct[place] = way == TS_SHM_DIRECT;
    if (way != TS_SHM_DIRECT) {
        put_values(p, r, k, way == TS_SHM_PAST);
        return;
    }
    atomic_thread_fence(memory_order_seq_cst); /* values that were stored past the caches, too */
    const char **addresses = (const char **)(void *)slot(p, r, k, p->rank);
    for (int d = 0; d < p->size; d++)
        addresses[d] = source(r, k, d);
}

/* out = the m values of all ranks, in rank order: own this rank's, and slot + at of the others.
 * The sum so far lies at `sum`, which may be out. */
static void combine_all(const ts_shm_place *p, const ts_shm_request *r, int64_t k, size_t at,
                        const char *own, char *sum, char *out, int64_t m)
{
    const size_t z = ts_comm_type_size(r->t);
    for (int64_t b = 0; b < m; b += TILE) {
        const int64_t n = m - b < TILE ? m - b : TILE;
        const size_t o = (size_t)b * z;
        const char *x = p->rank == 0 ? own + o : slot(p, r, k, 0) + at + o;
        for (int q = 1; q < p->size; q++) {
            char *to = q + 1 == p->size ? out + o : sum + o;
            ts_combine(to, x, q == p->rank ? own + o : slot(p, r, k, q) + at + o, n, r->t, r->op);
            x = to;
        }
    }
}

void ts_shm_reduce(const ts_shm_place *p, const ts_shm_request *r, int64_t k)
{
    const size_t z = ts_comm_type_size(r->t);
    const int64_t m = part(r, r->n, k), b = share_begin(m, p->size, p->rank),
                  n = share_begin(m, p->size, p->rank + 1) - b;
    char *mine = slot(p, r, k, p->rank) + (size_t)b * z,
         *buf = r->recv + (size_t)(begin_of(r, k) + b) * z;
    combine_all(p, r, k, (size_t)b * z, buf, mine, mine, n);
    copy(buf, mine, n, z, false);
}

/* What rank q has for this one, n values, to where they belong. */
static ts_status fetch(const ts_shm_place *p, const ts_shm_request *r, int64_t k, int q, char *to,
                       int64_t n)
{
    const char *from = slot(p, r, k, q);
    const size_t bytes = n > 0 ? (size_t)n * ts_comm_type_size(r->t) : 0;
    if (p->head->rank[q].direct[(r->first + k) % TS_SHM_SLOTS])
        return ts_shm_read(p->head, q, to, ((const char *const *)(const void *)from)[p->rank],
                           bytes, r->stream ? p->bounce : NULL);
    from += r->what == TS_SHM_EXCHANGE ? place_of(p, r, p->rank) : 0;
    ts_copy_fast(to, from, bytes, r->stream);
    return TS_OK;
}

static ts_status take_from(const ts_shm_place *p, const ts_shm_request *r, int64_t k, int q)
{
    const size_t z = ts_comm_type_size(r->t);
    const int64_t m = part(r, r->n, k), at = begin_of(r, k);
    switch (r->what) {
    case TS_SHM_REDUCE: {
        const int64_t b = share_begin(m, p->size, q), e = share_begin(m, p->size, q + 1);
        copy(r->recv + (size_t)(at + b) * z, slot(p, r, k, q) + (size_t)b * z, e - b, z, false);
        return TS_OK;
    }
    case TS_SHM_SPREAD:
        return q == r->root ? fetch(p, r, k, q, r->recv + (size_t)at * z, m) : TS_OK;
    case TS_SHM_GATHER:
    case TS_SHM_EXCHANGE:
        return fetch(p, r, k, q, r->recv + (size_t)(r->recv_offsets[q] + at) * z,
                     part(r, r->recv_counts[q], k));
    default:
        return TS_OK;
    }
}

/* Where a rank reduces alone, the sum so far of more than two ranks stays in the own slot: the
 * buffer holds a term that is still to come. */
ts_status ts_shm_take(const ts_shm_place *p, const ts_shm_request *r, int64_t k)
{
    const int me = p->rank;
    const size_t z = ts_comm_type_size(r->t);
    if (k < r->bare)
        return TS_OK;
    if (r->what == TS_SHM_REDUCE_FLAT) {
        char *buf = r->recv + (size_t)begin_of(r, k) * z;
        const char *own = p->size > 2 ? slot(p, r, k, me) : buf;
        combine_all(p, r, k, 0, own, buf, buf, part(r, r->n, k));
    } else if (r->what == TS_SHM_SCATTER) {
        const size_t at = place_of(p, r, me);
        combine_all(p, r, k, at, source(r, k, me), slot(p, r, k, me) + at,
                    r->recv + (size_t)begin_of(r, k) * z, part(r, r->send_counts[me], k));
    } else {
        for (int q = 0; q < p->size; q++)
            if (q != me)
                TS_TRY(take_from(p, r, k, q));
    }
    return TS_OK;
}
