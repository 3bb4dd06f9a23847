#include "base/thread.h"
#include "dist/comm_cost.h"
#include "dist/shm.h"
#include "dist/sum.h"

#include <sched.h>
#include <string.h>

enum { FLAT = 4096, TILE = 2048, SPINS = 3000, SPINS_CROWDED = 50 };

typedef enum work { REDUCE, REDUCE_FLAT, GATHER, EXCHANGE, SPREAD, MEET } work;

/* One collective under way. Pieces [first, first + pieces) of the communicator's count are its
 * own. */
struct ts_comm_request {
    work what;
    ts_comm_type t;
    ts_comm_op op;
    int root;
    int64_t first, pieces, put, reduced, taken; /* the last three: pieces of this collective done */
    int64_t each;                               /* values in a whole piece */
    int64_t n;                                  /* REDUCE*, SPREAD, GATHER: values of this rank */
    const char *send;
    char *recv;
    const int64_t *send_counts, *send_offsets, *recv_counts, *recv_offsets;
    ts_comm_request *next;
};

typedef struct shm_comm {
    ts_comm c;
    ts_shm_map map;
    ts_shm_head *head;
    char *slots;
    size_t piece;     /* bytes of a slot */
    int64_t issued;   /* pieces given to collectives so far */
    int spins;
    ts_watch watch;
    char host[64];
    ts_comm_request *first, *last; /* under way, in order */
    int64_t *uniform;              /* [2 * size] counts and offsets of all_gather */
} shm_comm;

static shm_comm *shm_of(ts_comm *c) { return (shm_comm *)c; }

static char *slot(const shm_comm *s, int64_t piece, int rank)
{
    return s->slots +
           ((size_t)(piece % TS_SHM_SLOTS) * (size_t)s->c.size + (size_t)rank) * s->piece;
}

/* How many of n values fall into piece k. */
static int64_t part(int64_t n, int64_t k, int64_t each)
{
    const int64_t left = n - k * each;
    return left < 0 ? 0 : left < each ? left : each;
}

static int64_t share_begin(int64_t m, int size, int rank)
{
    return rank == size ? m : m / 16 * rank / size * 16;
}

static void put_piece(const shm_comm *s, const ts_comm_request *r, int64_t k)
{
    const int p = s->c.size, me = s->c.rank;
    const size_t z = ts_comm_type_size(r->t);
    const int64_t m = part(r->n, k, r->each), at = k * r->each;
    char *to = slot(s, r->first + k, me);
    switch (r->what) {
    case REDUCE: { /* all but the own share, which only this rank needs */
        const size_t b = (size_t)share_begin(m, p, me) * z,
                     e = (size_t)share_begin(m, p, me + 1) * z;
        const char *from = r->recv + (size_t)at * z;
        memcpy(to, from, b);
        memcpy(to + e, from + e, (size_t)m * z - e);
        break;
    }
    case SPREAD:
        if (me != r->root)
            break;
        memcpy(to, r->recv + (size_t)at * z, (size_t)m * z);
        break;
    case REDUCE_FLAT:
    case GATHER:
        if (m > 0)
            memcpy(to, r->send + (size_t)at * z, (size_t)m * z);
        break;
    case EXCHANGE:
        for (int d = 0; d < p; d++) {
            const int64_t n = d == me ? 0 : part(r->send_counts[d], k, r->each);
            if (n > 0)
                memcpy(to + (size_t)(d * r->each) * z,
                       r->send + (size_t)(r->send_offsets[d] + at) * z, (size_t)n * z);
        }
        break;
    case MEET:
        break;
    }
}

/* The own share of all ranks' values, in rank order, into the own slot (where that place is
 * free). */
static void reduce_piece(const shm_comm *s, const ts_comm_request *r, int64_t k)
{
    const int p = s->c.size, me = s->c.rank;
    const size_t z = ts_comm_type_size(r->t);
    const int64_t m = part(r->n, k, r->each), at = k * r->each, end = share_begin(m, p, me + 1);
    char *own = slot(s, r->first + k, me), *buf = r->recv + (size_t)at * z;
    for (int64_t b = share_begin(m, p, me); b < end; b += TILE) {
        const int64_t n = end - b < TILE ? end - b : TILE;
        const size_t o = (size_t)b * z;
        const char *zero = me == 0 ? buf : slot(s, r->first + k, 0);
        for (int q = 1; q < p; q++) {
            const char *x = q == 1 ? zero + o : own + o;
            ts_combine(own + o, x, (q == me ? buf : slot(s, r->first + k, q)) + o, n, r->t, r->op);
        }
        memcpy(buf + o, own + o, (size_t)n * z);
    }
}

static void take_piece(const shm_comm *s, const ts_comm_request *r, int64_t k)
{
    const int p = s->c.size, me = s->c.rank;
    const size_t z = ts_comm_type_size(r->t);
    const int64_t m = part(r->n, k, r->each), at = k * r->each;
    char *buf = r->recv + (size_t)at * z;
    for (int q = 0; q < p; q++) {
        const char *from = slot(s, r->first + k, q);
        if (r->what == REDUCE_FLAT && q > 0)
            ts_combine(buf, q == 1 ? slot(s, r->first + k, 0) : buf, from, m, r->t, r->op);
        if (r->what == SPREAD && q == r->root && q != me)
            memcpy(buf, from, (size_t)m * z);
        if (q == me)
            continue;
        if (r->what == REDUCE) {
            const int64_t b = share_begin(m, p, q), e = share_begin(m, p, q + 1);
            memcpy(buf + (size_t)b * z, from + (size_t)b * z, (size_t)(e - b) * z);
        } else if (r->what == GATHER || r->what == EXCHANGE) {
            const int64_t n = part(r->recv_counts[q], k, r->each);
            if (n > 0)
                memcpy(r->recv + (size_t)(r->recv_offsets[q] + at) * z,
                       from + (r->what == EXCHANGE ? (size_t)(me * r->each) * z : 0),
                       (size_t)n * z);
        }
    }
}

typedef enum counter { PUT, REDUCED, TAKEN } counter;

static _Atomic int64_t *counter_of(const shm_comm *s, int rank, counter w)
{
    ts_shm_rank *r = &s->head->rank[rank];
    return w == PUT ? &r->put : w == REDUCED ? &r->reduced : &r->taken;
}

static bool all_beyond(const shm_comm *s, counter w, int64_t piece)
{
    for (int r = 0; r < s->c.size; r++)
        if (atomic_load_explicit(counter_of(s, r, w), memory_order_acquire) <= piece)
            return false;
    return true;
}

static void say(const shm_comm *s, counter w, int64_t piece)
{
    atomic_store_explicit(counter_of(s, s->c.rank, w), piece + 1, memory_order_release);
    ts_shm_signal(s->head);
}

/* One step of a collective if one can be taken. What is in the slots longest goes first. */
static bool step(shm_comm *s, ts_comm_request *r)
{
    const bool reduces = r->what == REDUCE;
    if (r->taken < r->put && (!reduces || r->taken < r->reduced) &&
        all_beyond(s, reduces ? REDUCED : PUT, r->first + r->taken)) {
        take_piece(s, r, r->taken);
        say(s, TAKEN, r->first + r->taken++);
        return true;
    }
    if (reduces && r->reduced < r->put && all_beyond(s, PUT, r->first + r->reduced)) {
        reduce_piece(s, r, r->reduced);
        say(s, REDUCED, r->first + r->reduced++);
        return true;
    }
    if (r->put < r->pieces && r->put < r->taken + TS_SHM_SLOTS &&
        all_beyond(s, TAKEN, r->first + r->put - TS_SHM_SLOTS)) {
        put_piece(s, r, r->put);
        say(s, PUT, r->first + r->put++);
        return true;
    }
    return false;
}

static bool finished(const ts_comm_request *r) { return r->taken == r->pieces; }

/* Takes the steps that can be taken now, oldest collective first. True if there was one. */
static bool advance(shm_comm *s)
{
    bool any = false;
    while (s->first) {
        if (!finished(s->first) && !step(s, s->first))
            break;
        any = true;
        if (finished(s->first)) {
            s->first = s->first->next;
            if (!s->first)
                s->last = NULL;
        }
    }
    return any;
}

/* Who has done least of all collectives: when nothing moves any more, the one that does not come.
 * Ranks that wait have done all that does not need it. */
static int furthest_behind(const shm_comm *s)
{
    int who = 0;
    int64_t least = INT64_MAX;
    for (int r = 0; r < s->c.size; r++) {
        int64_t done = 0;
        for (counter w = PUT; w <= TAKEN; w++)
            done += atomic_load_explicit(counter_of(s, r, w), memory_order_relaxed);
        if (done < least)
            least = done, who = r;
    }
    return who;
}

static void pause_cpu(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void finish(shm_comm *s, const ts_comm_request *r, const char *name)
{
    ts_watch_enter(&s->watch, name);
    int spins = 0;
    while (!finished(r)) {
        if (advance(s)) {
            spins = 0;
            continue;
        }
        if (spins++ < s->spins) {
            pause_cpu();
            continue;
        }
        atomic_fetch_add(&s->head->sleepers, 1);
        const uint32_t seen = atomic_load(&s->head->event);
        if (!advance(s)) {
            atomic_store_explicit(&s->watch.behind, furthest_behind(s) + 1, memory_order_relaxed);
            ts_shm_sleep(s->head, seen);
        }
        atomic_fetch_sub(&s->head->sleepers, 1);
    }
    ts_watch_leave(&s->watch);
    advance(s); /* takes a finished one off the list */
}

static void enqueue(shm_comm *s, ts_comm_request *r, int64_t longest)
{
    r->pieces = longest > 0 ? (longest - 1) / r->each + 1 : 0;
    r->first = s->issued;
    s->issued += r->pieces;
    if (!r->pieces)
        return;
    if (s->last)
        s->last->next = r;
    else
        s->first = r;
    s->last = r;
    advance(s);
}

static void run(shm_comm *s, ts_comm_request *r, int64_t longest, ts_collective what)
{
    enqueue(s, r, longest);
    finish(s, r, ts_collective_name(what));
}

static void count(ts_comm *c, ts_collective what, int64_t n, ts_comm_type t)
{
    const ts_comm_traffic x =
        ts_collective_cost(what, c->size, (double)n * (double)ts_comm_type_size(t));
    ts_traffic_add(&c->traffic, &x);
}

static int64_t values_in(const shm_comm *s, ts_comm_type t)
{
    return (int64_t)(s->piece / ts_comm_type_size(t));
}

static ts_comm_request reduction(shm_comm *s, void *buf, int64_t n, ts_comm_type t, ts_comm_op op)
{
    const bool flat = (size_t)n * ts_comm_type_size(t) <= FLAT;
    return (ts_comm_request){ .what = flat ? REDUCE_FLAT : REDUCE, .t = t, .op = op, .n = n,
                              .send = buf, .recv = buf, .each = values_in(s, t) };
}

static ts_status all_reduce(ts_comm *c, void *buf, int64_t n, ts_comm_type t, ts_comm_op op)
{
    ts_comm_request r = reduction(shm_of(c), buf, n, t, op);
    count(c, TS_ALL_REDUCE, n, t);
    run(shm_of(c), &r, n, TS_ALL_REDUCE);
    return TS_OK;
}

static ts_status all_reduce_start(ts_comm *c, void *buf, int64_t n, ts_comm_type t, ts_comm_op op,
                                  ts_comm_request **out)
{
    ts_comm_request *r;
    TS_TRY(ts_alloc(&r, 1, sizeof *r));
    *r = reduction(shm_of(c), buf, n, t, op);
    count(c, TS_ALL_REDUCE, n, t);
    enqueue(shm_of(c), r, n);
    *out = r;
    return TS_OK;
}

static ts_status test(ts_comm *c, ts_comm_request **r, bool *done)
{
    advance(shm_of(c));
    *done = !*r || finished(*r);
    if (*done)
        ts_free(r);
    return TS_OK;
}

static ts_status wait(ts_comm *c, ts_comm_request **r)
{
    if (*r)
        finish(shm_of(c), *r, ts_collective_name(TS_ALL_REDUCE));
    ts_free(r);
    return TS_OK;
}

static ts_status all_gather_v(ts_comm *c, const void *send, int64_t n, void *recv,
                              const int64_t *counts, const int64_t *offsets, ts_comm_type t)
{
    int64_t sum = 0, longest = 0;
    for (int r = 0; r < c->size; r++) {
        sum += counts[r];
        longest = counts[r] > longest ? counts[r] : longest;
    }
    TS_ASSERT(n == counts[c->rank], "rank %d sends %lld, others expect %lld", c->rank, (long long)n,
              (long long)counts[c->rank]);
    count(c, TS_ALL_GATHER, sum, t);
    char *mine = (char *)recv + (size_t)offsets[c->rank] * ts_comm_type_size(t);
    if (mine != send && n > 0)
        memmove(mine, send, (size_t)n * ts_comm_type_size(t));
    ts_comm_request r = { .what = GATHER, .t = t, .n = n, .send = mine, .recv = recv,
                          .each = values_in(shm_of(c), t), .recv_counts = counts,
                          .recv_offsets = offsets };
    run(shm_of(c), &r, longest, TS_ALL_GATHER);
    return TS_OK;
}

static ts_status all_gather(ts_comm *c, const void *send, void *recv, int64_t n, ts_comm_type t)
{
    int64_t *v = shm_of(c)->uniform;
    for (int r = 0; r < c->size; r++)
        v[r] = n, v[c->size + r] = r * n;
    return all_gather_v(c, send, n, recv, v, v + c->size, t);
}

static ts_status all_to_all_v(ts_comm *c, const void *send, const int64_t *send_counts,
                              const int64_t *send_offsets, void *recv, const int64_t *recv_counts,
                              const int64_t *recv_offsets, ts_comm_type t)
{
    const int me = c->rank;
    const size_t z = ts_comm_type_size(t);
    int64_t sent = 0, longest = 0;
    for (int r = 0; r < c->size; r++) {
        sent += r == me ? 0 : send_counts[r];
        longest = r != me && send_counts[r] > longest ? send_counts[r] : longest;
    }
    TS_ASSERT(send_counts[me] == recv_counts[me], "rank %d keeps %lld and expects %lld", me,
              (long long)send_counts[me], (long long)recv_counts[me]);
    count(c, TS_ALL_TO_ALL, sent, t);
    if (send_counts[me] > 0)
        memcpy((char *)recv + (size_t)recv_offsets[me] * z,
               (const char *)send + (size_t)send_offsets[me] * z, (size_t)send_counts[me] * z);
    shm_comm *s = shm_of(c);
    ts_comm_request most = reduction(s, &longest, 1, TS_COMM_I64, TS_COMM_MAX);
    run(s, &most, 1, TS_ALL_TO_ALL); /* all must go through as many pieces */
    ts_comm_request r = { .what = EXCHANGE, .t = t, .each = values_in(s, t) / c->size, .send = send,
                          .recv = recv, .send_counts = send_counts, .send_offsets = send_offsets,
                          .recv_counts = recv_counts, .recv_offsets = recv_offsets };
    run(s, &r, longest, TS_ALL_TO_ALL);
    return TS_OK;
}

static ts_status broadcast(ts_comm *c, void *buf, int64_t n, ts_comm_type t, int root)
{
    TS_ASSERT(root >= 0 && root < c->size, "root %d of %d", root, c->size);
    count(c, TS_BROADCAST, n, t);
    ts_comm_request r = { .what = SPREAD, .t = t, .n = n, .recv = buf, .root = root,
                          .each = values_in(shm_of(c), t) };
    run(shm_of(c), &r, n, TS_BROADCAST);
    return TS_OK;
}

static ts_status barrier(ts_comm *c)
{
    count(c, TS_BARRIER, 0, TS_COMM_U8);
    ts_comm_request r = { .what = MEET, .t = TS_COMM_U8, .each = 1 };
    run(shm_of(c), &r, 1, TS_BARRIER);
    return TS_OK;
}

static void destroy(ts_comm *c)
{
    shm_comm *s = shm_of(c);
    ts_shm_leave(&s->map);
    ts_free(&s->uniform);
    ts_free(&s);
}

ts_status ts_comm_shm_create(int rank, int size, const char *host, ts_shm_map *map, ts_comm **out)
{
    shm_comm *s;
    TS_TRY(ts_alloc(&s, 1, sizeof *s));
    const ts_status st = ts_alloc(&s->uniform, 2 * (size_t)size, sizeof *s->uniform);
    if (st != TS_OK) {
        ts_free(&s);
        return st;
    }
    s->map = *map;
    *map = (ts_shm_map){ .fd = -1 };
    s->head = s->map.base;
    s->slots = (char *)s->map.base + ts_shm_slots_offset(size);
    s->piece = ts_shm_piece_bytes(size);
    s->spins = size > ts_cpu_count() ? SPINS_CROWDED : SPINS;
    strncpy(s->host, host, sizeof s->host - 1);
    s->c = (ts_comm){ .kind = "shm", .group = "world", .rank = rank, .size = size,
                      .local_rank = rank, .local_size = size, .watch = &s->watch, .host = s->host,
                      .all_reduce = all_reduce, .all_reduce_start = all_reduce_start, .test = test,
                      .wait = wait, .all_gather = all_gather, .all_gather_v = all_gather_v,
                      .all_to_all_v = all_to_all_v, .broadcast = broadcast, .barrier = barrier,
                      .destroy = destroy };
    *out = &s->c;
    return TS_OK;
}
