#include "base/thread.h"
#include "dist/comm_cost.h"
#include "dist/shm_piece.h"
#include "dist/sum.h"

#include <string.h>

enum { FLAT = 8192, SPINS = 3000, SPINS_CROWDED = 50, CACHES = 16 << 20 };

typedef struct shm_comm {
    ts_comm c;
    ts_shm_map map;
    ts_shm_place place;
    int64_t issued; /* pieces given to collectives so far */
    int spins;
    bool past;         /* slots are written past the caches */
    int64_t n_learned; /* collectives with pieces enough to learn that */
    ts_watch watch;
    char host[64];
    ts_comm_request *first, *last; /* under way, in order */
    int64_t *uniform;              /* [2 * size] counts and offsets of all_gather */
} shm_comm;

static shm_comm *shm_of(ts_comm *c) { return (shm_comm *)c; }

typedef enum counter { PUT, REDUCED, TAKEN } counter;

static _Atomic int64_t *counter_of(const shm_comm *s, int rank, counter w)
{
    ts_shm_rank *r = &s->place.head->rank[rank];
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
    ts_shm_signal(s->place.head);
}

/* Between cores that share a cache, slots stay in it. Between others (and virtual ones are moved
 * about) each line of a slot costs so much that memory is faster. Results do not depend on the
 * way, so each rank finds its own: the first pieces of some large collectives go one way and the
 * other, in turns of TURN, and the second half of each turn is timed. */
enum { TURN = 16, LEARN_EVERY = 16, MANY = 4 };

static void plan_learning(shm_comm *s, ts_comm_request *r)
{
    r->learns = r->pieces > 2 * TURN && s->n_learned++ % LEARN_EVERY == 0;
    for (int i = 0; i < 4; i++)
        r->fastest[i / 2][i % 2] = 1;
}

static bool goes_past(const shm_comm *s, const ts_comm_request *r, int64_t k)
{
    return r->pieces > MANY && (r->learns && k < 2 * TURN ? k >= TURN : s->past);
}

static void learn(shm_comm *s, ts_comm_request *r, int64_t k, int take, double began)
{
    if (k >= 2 * TURN || k % TURN < TURN / 2)
        return;
    double *const f = r->fastest[k / TURN], spent = ts_now() - began;
    f[take] = spent < f[take] ? spent : f[take];
    if (take && k + 1 == 2 * TURN)
        s->past = f[0] + f[1] < r->fastest[0][0] + r->fastest[0][1];
}

static void put(shm_comm *s, ts_comm_request *r)
{
    const double began = r->learns ? ts_now() : 0;
    ts_shm_put(&s->place, r, r->put, goes_past(s, r, r->put));
    if (r->learns)
        learn(s, r, r->put, 0, began);
    say(s, PUT, r->first + r->put++);
}

static void take(shm_comm *s, ts_comm_request *r)
{
    const double began = r->learns ? ts_now() : 0;
    ts_shm_take(&s->place, r, r->taken);
    if (r->learns)
        learn(s, r, r->taken, 1, began);
    say(s, TAKEN, r->first + r->taken++);
}

/* All have put the first piece of an exchange, and said how many values they have for one rank:
 * all must go through as many pieces. Nothing was begun after it. */
static void learn_length(shm_comm *s, ts_comm_request *r)
{
    int64_t longest = 0;
    for (int q = 0; q < s->c.size; q++) {
        const int64_t n = s->place.head->rank[q].longest[r->first % TS_SHM_SLOTS];
        longest = n > longest ? n : longest;
    }
    const int64_t pieces = ts_shm_pieces(longest, r->each);
    s->issued += pieces > 1 ? pieces - 1 : 0;
    r->pieces = pieces > 1 ? pieces : 1;
    plan_learning(s, r);
}

/* One step of a collective if one can be taken. What is in the slots longest goes first. */
static bool step(shm_comm *s, ts_comm_request *r)
{
    const bool reduces = r->what == TS_SHM_REDUCE;
    if (r->taken < r->put && (!reduces || r->taken < r->reduced) &&
        all_beyond(s, reduces ? REDUCED : PUT, r->first + r->taken)) {
        if (r->what == TS_SHM_EXCHANGE && r->taken == 0)
            learn_length(s, r);
        take(s, r);
        return true;
    }
    if (reduces && r->reduced < r->put && all_beyond(s, PUT, r->first + r->reduced)) {
        ts_shm_reduce(&s->place, r, r->reduced);
        say(s, REDUCED, r->first + r->reduced++);
        return true;
    }
    if (r->put < r->pieces && r->put < r->taken + TS_SHM_SLOTS &&
        all_beyond(s, TAKEN, r->first + r->put - TS_SHM_SLOTS)) {
        put(s, r);
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
        const uint32_t seen = ts_shm_doze(s->place.head);
        if (!advance(s)) {
            atomic_store_explicit(&s->watch.behind, furthest_behind(s) + 1, memory_order_relaxed);
            ts_shm_sleep(s->place.head, seen);
        }
        ts_shm_rise(s->place.head);
    }
    ts_watch_leave(&s->watch);
    advance(s); /* takes a finished one off the list */
}

/* longest: values that go through one slot, on the rank that has most. */
static void enqueue(shm_comm *s, ts_comm_request *r, int64_t longest)
{
    r->pieces = ts_shm_pieces(longest, r->each);
    r->first = s->issued;
    s->issued += r->pieces;
    if (!r->pieces)
        return;
    plan_learning(s, r);
    if (s->last)
        s->last->next = r;
    else
        s->first = r;
    s->last = r;
    advance(s);
}

static void run(shm_comm *s, ts_comm_request *r, int64_t longest, ts_collective what)
{
    r->stream = (size_t)longest * ts_comm_type_size(r->t) > CACHES / (size_t)s->c.size;
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
    return (int64_t)(s->place.slot_bytes / ts_comm_type_size(t));
}

/* Of a slot with a place for each rank's values. */
static int64_t part_in(const shm_comm *s, ts_comm_type t)
{
    return s->c.size == 2 ? values_in(s, t) : values_in(s, t) / s->c.size;
}

static ts_comm_request reduction(shm_comm *s, void *buf, int64_t n, ts_comm_type t, ts_comm_op op)
{
    const bool flat = s->c.size == 2 || (size_t)n * ts_comm_type_size(t) <= FLAT;
    return (ts_comm_request){ .what = flat ? TS_SHM_REDUCE_FLAT : TS_SHM_REDUCE, .t = t, .op = op,
                              .n = n, .recv = buf, .each = values_in(s, t) };
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
    ts_comm_request r = { .what = TS_SHM_GATHER, .t = t, .n = n, .send = send, .recv = recv,
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
    shm_comm *s = shm_of(c);
    ts_comm_request r = { .what = TS_SHM_EXCHANGE, .t = t, .longest = longest, .send = send,
                          .recv = recv, .each = part_in(s, t), .send_counts = send_counts,
                          .send_offsets = send_offsets, .recv_counts = recv_counts,
                          .recv_offsets = recv_offsets,
                          .stream = (size_t)longest * z > CACHES / (size_t)c->size };
    enqueue(s, &r, 1);
    finish(s, &r, ts_collective_name(TS_ALL_TO_ALL));
    ts_shm_keep(&s->place, &r, r.pieces, ts_shm_pieces(send_counts[me], r.each));
    return TS_OK;
}

static ts_status reduce_scatter_v(ts_comm *c, const void *send, void *recv, const int64_t *counts,
                                  const int64_t *offsets, ts_comm_type t, ts_comm_op op)
{
    int64_t sum = 0, longest = 0;
    for (int r = 0; r < c->size; r++) {
        sum += counts[r];
        longest = counts[r] > longest ? counts[r] : longest;
    }
    count(c, TS_REDUCE_SCATTER, sum, t);
    ts_comm_request r = { .what = TS_SHM_SCATTER, .t = t, .op = op, .send = send, .recv = recv,
                          .each = part_in(shm_of(c), t), .send_counts = counts,
                          .send_offsets = offsets };
    run(shm_of(c), &r, longest, TS_REDUCE_SCATTER);
    return TS_OK;
}

static ts_status broadcast(ts_comm *c, void *buf, int64_t n, ts_comm_type t, int root)
{
    TS_ASSERT(root >= 0 && root < c->size, "root %d of %d", root, c->size);
    count(c, TS_BROADCAST, n, t);
    ts_comm_request r = { .what = TS_SHM_SPREAD, .t = t, .n = n, .recv = buf, .root = root,
                          .each = values_in(shm_of(c), t) };
    run(shm_of(c), &r, n, TS_BROADCAST);
    return TS_OK;
}

static ts_status barrier(ts_comm *c)
{
    count(c, TS_BARRIER, 0, TS_COMM_U8);
    ts_comm_request r = { .what = TS_SHM_MEET, .t = TS_COMM_U8, .each = 1 };
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
    s->place = (ts_shm_place){ .head = s->map.base, .rank = rank, .size = size,
                               .slots = (char *)s->map.base + ts_shm_slots_offset(size),
                               .slot_bytes = ts_shm_piece_bytes(size) };
    s->spins = size > ts_cpu_count() ? SPINS_CROWDED : SPINS;
    strncpy(s->host, host, sizeof s->host - 1);
    s->c = (ts_comm){ .kind = "shm", .group = "world", .rank = rank, .size = size,
                      .local_rank = rank, .local_size = size, .watch = &s->watch, .host = s->host,
                      .all_reduce = all_reduce, .all_reduce_start = all_reduce_start, .test = test,
                      .wait = wait, .all_gather = all_gather, .all_gather_v = all_gather_v,
                      .all_to_all_v = all_to_all_v, .reduce_scatter_v = reduce_scatter_v,
                      .broadcast = broadcast, .barrier = barrier, .destroy = destroy };
    *out = &s->c;
    return TS_OK;
}
