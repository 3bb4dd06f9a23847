#include "dist/shm_piece.h"
#include "dist/shm_read.h"
#include "dist/sum.h"

#include <string.h>

/* A whole piece summed rank by rank would leave L1 between one rank and the next. So it is summed
 * in tiles of this many values, all ranks for a tile before the next. */
enum { TILE = 2048 };

/* Where `rank` puts piece k. A slot serves every fourth piece:
 *
 *   slots [SLOTS][size][slot_bytes]     | rank 0 | rank 1 | rank 0 | rank 1 | ...
 *                                       |  pieces 0, 4..  |  pieces 1, 5..  |  */
static char *slot(const ts_shm_place *p, const ts_shm_request *r, int64_t k, int rank)
{
    return p->slots + ((size_t)((r->first + k) % TS_SHM_SLOTS) * (size_t)p->size + (size_t)rank) *
                          p->slot_bytes;
}

/* Where piece k begins, in values. Bare pieces carry none, so the next one begins at 0. */
static int64_t begin_of(const ts_shm_request *r, int64_t k) { return (k - r->bare) * r->each; }

/* How many of n values fall into piece k: a rank with fewer than the longest has none in the last
 * pieces, and still goes through them. */
static int64_t part(const ts_shm_request *r, int64_t n, int64_t k)
{
    const int64_t left = n - begin_of(r, k);
    return left < 0 ? 0 : left < r->each ? left : r->each;
}

/* Where a rank's share of m values begins, when all reduce together. A rank writes its share's sums
 * into its slot while others still read theirs there: a cache line that both touch would go back
 * and forth between their cores. So shares begin at multiples of 16 values, a line of floats. */
static int64_t share_begin(int64_t m, int size, int rank)
{
    return rank == size ? m : m / 16 * rank / size * 16;
}

static void copy(void *to, const void *from, int64_t values, size_t z, bool stream)
{
    if (values > 0)
        ts_copy_fast(to, from, (size_t)values * z, stream);
}

/* In a SCATTER or EXCHANGE, rank me has other values for each rank d, so its slot has a place for
 * each. Nothing is put into its own place, which holds sums meanwhile (SCATTER). Between two ranks
 * there is one other, who has the whole slot:
 *
 *   slot of rank 1 of 4   | for 0 | (sums) | for 2 | for 3 |       of 2   | for 0 ........... |  */
static size_t place_of(const ts_shm_place *p, const ts_shm_request *r, int d)
{
    const size_t z = ts_comm_type_size(r->t);
    return p->size == 2 ? 0 : p->slot_bytes / z / (size_t)p->size * z * (size_t)d;
}

/* Where this rank's values of piece k for rank d lie in its own array. */
static const char *source(const ts_shm_request *r, int64_t k, int d)
{
    const int64_t at = begin_of(r, k) + (r->send_offsets ? r->send_offsets[d] : 0);
    return (r->send ? r->send : r->recv) + (size_t)at * ts_comm_type_size(r->t);
}

/* Into each other rank's place what is for it. */
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
        return; /* the bare piece was all of it then, and its keep has copied everything */
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
        memcpy(recv, own, (size_t)m * z); /* source and target may both be in this core's caches */
}

/* Into this rank's slot what others need of piece k, and no more. */
static void put_values(const ts_shm_place *p, const ts_shm_request *r, int64_t k, bool past)
{
    const int me = p->rank;
    const size_t z = ts_comm_type_size(r->t);
    const int64_t m = part(r, r->n, k);
    char *to = slot(p, r, k, me);
    switch (r->what) {
    case TS_SHM_REDUCE: { /* all but its own share, which it reads in its array itself */
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
    default: /* MEET */ break;
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
    /* The others will read the array itself. If it was stored past the caches, those stores may
     * still be under way, and a counter's release does not wait for them: the fence does. */
    atomic_thread_fence(memory_order_seq_cst);
    const char **addresses = (const char **)(void *)slot(p, r, k, p->rank);
    for (int d = 0; d < p->size; d++)
        addresses[d] = source(r, k, d);
}

/* A tile of a 16-bit type: at most TS_SUM_TILE values, rounded once. */
static void combine_16(const ts_shm_place *p, const ts_shm_request *r, int64_t k, size_t at,
                       const char *own, char *out, int64_t n)
{
    float acc[TS_SUM_TILE];
    ts_widen(acc, p->rank == 0 ? own : slot(p, r, k, 0) + at, n, r->t);
    for (int q = 1; q < p->size; q++)
        ts_fold(acc, p->rank == q ? own : slot(p, r, k, q) + at, n, r->t, r->op);
    ts_narrow(out, acc, n, r->t);
}

/* out = the m values of all ranks, added in rank order, so that every rank gets the same bits. This
 * rank's values are at `own`, the others' in their slots from byte `at` on.
 *
 *   out = ((rank 0 + rank 1) + rank 2) + rank 3         tile by tile
 *           first and second sum: at `sum`, last: at `out`
 *
 * sum may be out, unless own is out as well and a sum would overwrite values still to be added. */
static void combine_all(const ts_shm_place *p, const ts_shm_request *r, int64_t k, size_t at,
                        const char *own, char *sum, char *out, int64_t m)
{
    const size_t z = ts_comm_type_size(r->t);
    const bool narrow = ts_comm_type_is_half(r->t);
    const int64_t tile = narrow ? TS_SUM_TILE : TILE;
    for (int64_t b = 0; b < m; b += tile) {
        const int64_t n = m - b < tile ? m - b : tile;
        const size_t o = (size_t)b * z;
        if (narrow) {
            combine_16(p, r, k, at + o, own + o, out + o, n);
            continue;
        }
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

/* Copies the n values that rank q has for this one to `to`, from q's slot, or, where the slot has
 * addresses, from q's memory. */
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

/* Step 3 for what does not reduce on the spot: rank q's contribution to this rank's array. */
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

/* FLAT and SCATTER sum here. A sum may not overwrite values of this rank that are yet to be added:
 *
 *   FLAT      sums go to the array, whose values were put into the own slot and are read from there
 *   SCATTER   sums go to the own place of the own slot, since recv may be part of send
 *
 * Of two ranks there is a single sum, straight to its place, and no such danger. */
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
