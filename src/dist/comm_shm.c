#include "dist/comm_shm.h"

#include "base/thread.h"
#include "dist/comm_cost.h"
#include "dist/shm_piece.h"
#include "dist/shm_read.h"
#include "dist/sum.h"

#include <stdio.h>
#include <string.h>

enum { FLAT = 8192, SPINS = 3000, SPINS_CROWDED = 50, CACHES = 16 << 20 };
/* Bytes from one rank to another: from DIRECT on a system call and a wait for the readers are
 * cheaper than a second copy, from TRIED on it is worth the clock's time to find the way. */
enum { DIRECT = 12 << 10, TRIED = 2 << 10, MOST_READING = 64 };
/* Sizes of arrays that find their way each for itself: up to 4, 16, .. times TRIED, and more. */
enum { SIZES = 7 };

typedef struct shm_comm {
    ts_comm c;
    ts_shm_map map;
    ts_shm_place place;
    int64_t issued; /* pieces given to collectives so far */
    int spins;
    ts_watch watch;
    char host[64];
    ts_shm_request *first, *last; /* under way, in order */
    int64_t *uniform;              /* [2 * size] counts and offsets of all_gather */
    bool reads;                    /* every rank may read every other's memory */
    int64_t token;                 /* proves it */
    ts_shm_turns turns[TS_SHM_MEET][SIZES];
    bool past;    /* what the last of them has found */
    ts_status st; /* once a collective has failed: all that come after */
    char why[200];
} shm_comm;

static shm_comm *shm_of(ts_comm *c) { return (shm_comm *)c; }
static ts_shm_request *own(ts_comm_request *r) { return (ts_shm_request *)(void *)r; }

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

static int64_t values_in(const shm_comm *s, ts_comm_type t)
{
    return (int64_t)(s->place.slot_bytes / ts_comm_type_size(t));
}

/* Of a slot with a place for each rank's values. */
static int64_t part_in(const shm_comm *s, ts_comm_type t)
{
    return s->c.size == 2 ? values_in(s, t) : values_in(s, t) / s->c.size;
}

static bool beyond_caches(const shm_comm *s, int64_t n, ts_comm_type t)
{
    return (size_t)n * ts_comm_type_size(t) > CACHES / (size_t)s->c.size;
}

static double began(const ts_shm_request *r, int64_t k)
{
    return r->turns && ts_shm_is_timed(r->turn + k) ? ts_now() : 0;
}

static void ended(shm_comm *s, ts_shm_request *r, int64_t k, ts_shm_step step, double t0)
{
    if (t0 > 0) {
        ts_shm_timed(r->turns, r->turn + k, step, ts_now() - t0);
        s->past = r->turns->past;
    }
}

static ts_shm_way way_of(const ts_shm_request *r, int64_t k)
{
    return r->direct  ? TS_SHM_DIRECT
           : r->turns ? ts_shm_way_of(r->turns, r->turn + k)
           : r->past  ? TS_SHM_PAST
                      : TS_SHM_THROUGH;
}

static void put(shm_comm *s, ts_shm_request *r)
{
    const int64_t k = r->put++;
    const double t0 = began(r, k);
    ts_shm_put(&s->place, r, k, way_of(r, k));
    ended(s, r, k, TS_SHM_PUT, t0);
    say(s, PUT, r->first + k);
    ts_shm_keep(&s->place, r, k, k + 1);
}

/* The failure of one step is that of the communicator: nothing can come after it. */
static bool stepped(shm_comm *s, ts_status st)
{
    if (st != TS_OK) {
        s->st = st;
        s->first = s->last = NULL; /* callers return, and theirs are gone */
        snprintf(s->why, sizeof s->why, "%s", ts_error_message());
    }
    return st == TS_OK;
}

static bool take(shm_comm *s, ts_shm_request *r)
{
    const double t0 = began(r, r->taken);
    if (!stepped(s, ts_shm_take(&s->place, r, r->taken)))
        return false;
    ended(s, r, r->taken, TS_SHM_TAKE, t0);
    say(s, TAKEN, r->first + r->taken++);
    return true;
}

static void share(shm_comm *s, ts_shm_request *r)
{
    const double t0 = began(r, r->reduced);
    ts_shm_reduce(&s->place, r, r->reduced);
    ended(s, r, r->reduced, TS_SHM_SHARE, t0);
    say(s, REDUCED, r->first + r->reduced++);
}

/* Every rank gives as long an array here (`longest`), so all come to the same. */
static void choose_way(shm_comm *s, ts_shm_request *r, int64_t longest)
{
    const bool reads = r->what == TS_SHM_GATHER || r->what == TS_SHM_SPREAD;
    const int64_t bytes = longest * (int64_t)ts_comm_type_size(r->t);
    r->direct = s->reads && reads && bytes >= DIRECT && !r->stream;
    if (r->direct)
        r->each = INT64_MAX;
    r->past = s->past && bytes >= TRIED;
    if (r->direct || bytes < TRIED || r->what == TS_SHM_SPREAD || r->what == TS_SHM_MEET)
        return;
    int size = 0;
    while (size + 1 < SIZES && bytes > (int64_t)TRIED << (2 * size + 2))
        size++;
    r->turns = &s->turns[r->what][size];
}

static void begin_turns(ts_shm_request *r)
{
    if (r->turns) {
        r->turn = r->turns->pieces;
        r->turns->pieces += r->pieces;
    }
}

/* All have put the first piece of an exchange, and said how many values they have for one rank:
 * all must go through as many pieces. Nothing was begun after it. */
static void learn_length(shm_comm *s, ts_shm_request *r)
{
    int64_t longest = 0;
    for (int q = 0; q < s->c.size; q++) {
        const int64_t n = s->place.head->rank[q].longest[r->first % TS_SHM_SLOTS];
        longest = n > longest ? n : longest;
    }
    r->stream = beyond_caches(s, longest, r->t);
    if (s->reads && !r->stream)
        return; /* in that one piece, by whichever way */
    r->bare = s->reads, r->direct = false;
    r->each = part_in(s, r->t);
    const int64_t pieces = ts_shm_pieces(longest, r->each) + r->bare;
    s->issued += pieces > 1 ? pieces - 1 : 0;
    r->pieces = pieces > 1 ? pieces : 1;
    choose_way(s, r, longest);
    begin_turns(r);
}

/* One step of a collective if one can be taken. What is in the slots longest goes first. */
static bool step(shm_comm *s, ts_shm_request *r)
{
    const bool reduces = r->what == TS_SHM_REDUCE;
    if (r->taken < r->put && (!reduces || r->taken < r->reduced) &&
        all_beyond(s, reduces ? REDUCED : PUT, r->first + r->taken)) {
        if (r->what == TS_SHM_EXCHANGE && r->taken == 0)
            learn_length(s, r);
        return take(s, r);
    }
    if (reduces && r->reduced < r->put && all_beyond(s, PUT, r->first + r->reduced)) {
        share(s, r);
        return true;
    }
    if (r->put < r->pieces && r->put < r->taken + TS_SHM_SLOTS &&
        all_beyond(s, TAKEN, r->first + r->put - TS_SHM_SLOTS)) {
        put(s, r);
        return true;
    }
    return false;
}

/* This rank has taken all its steps. */
static bool passed(const ts_shm_request *r) { return r->taken == r->pieces; }

/* Others may still be reading this rank's memory. */
static bool finished(const shm_comm *s, const ts_shm_request *r)
{
    return passed(r) && (!r->direct || all_beyond(s, TAKEN, r->first + r->pieces - 1));
}

/* Takes the steps that can be taken now, oldest collective first. True if there was one. */
static bool advance(shm_comm *s)
{
    bool any = false;
    while (s->first && s->st == TS_OK) {
        if (!passed(s->first) && !step(s, s->first))
            break;
        any = true;
        if (passed(s->first)) {
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

static ts_status finish(shm_comm *s, const ts_shm_request *r, const char *name)
{
    ts_watch_enter(&s->watch, name);
    int spins = 0;
    while (!finished(s, r) && s->st == TS_OK) {
        if (advance(s)) {
            spins = 0;
            continue;
        }
        if (spins++ < s->spins) {
            pause_cpu();
            continue;
        }
        const uint32_t seen = ts_shm_doze(s->place.head);
        if (!advance(s) && !finished(s, r) && s->st == TS_OK) {
            atomic_store_explicit(&s->watch.behind, furthest_behind(s) + 1, memory_order_relaxed);
            ts_shm_sleep(s->place.head, seen);
        }
        ts_shm_rise(s->place.head);
    }
    ts_watch_leave(&s->watch);
    advance(s); /* takes a finished one off the list */
    return s->st == TS_OK ? TS_OK : ts_error(s->st, "%s: %s", name, s->why);
}

static void enqueue(shm_comm *s, ts_shm_request *r, int64_t pieces)
{
    r->pieces = pieces;
    r->first = s->issued;
    s->issued += pieces;
    if (!pieces || s->st != TS_OK)
        return;
    begin_turns(r);
    if (s->last)
        s->last->next = r;
    else
        s->first = r;
    s->last = r;
    advance(s);
}

/* longest: values that go through one slot, on the rank that has most. */
static void start(shm_comm *s, ts_shm_request *r, int64_t longest)
{
    choose_way(s, r, longest);
    enqueue(s, r, ts_shm_pieces(longest, r->each));
}

static ts_status run(shm_comm *s, ts_shm_request *r, int64_t longest, ts_collective what)
{
    r->stream = beyond_caches(s, longest, r->t);
    start(s, r, longest);
    return finish(s, r, ts_collective_name(what));
}

static void count(ts_comm *c, ts_collective what, int64_t n, ts_comm_type t)
{
    const ts_comm_traffic x =
        ts_collective_cost(what, c->size, (double)n * (double)ts_comm_type_size(t));
    ts_traffic_add(&c->traffic, &x);
}

static ts_shm_request reduction(shm_comm *s, void *buf, int64_t n, ts_comm_type t, ts_comm_op op)
{
    const bool flat = s->c.size == 2 || (size_t)n * ts_comm_type_size(t) <= FLAT;
    return (ts_shm_request){ .what = flat ? TS_SHM_REDUCE_FLAT : TS_SHM_REDUCE, .t = t, .op = op,
                             .n = n, .recv = buf, .each = values_in(s, t) };
}

static ts_status all_reduce(ts_comm *c, void *buf, int64_t n, ts_comm_type t, ts_comm_op op)
{
    ts_shm_request r = reduction(shm_of(c), buf, n, t, op);
    count(c, TS_ALL_REDUCE, n, t);
    return run(shm_of(c), &r, n, TS_ALL_REDUCE);
}

static ts_status all_reduce_start(ts_comm *c, void *buf, int64_t n, ts_comm_type t, ts_comm_op op,
                                  ts_comm_request **out)
{
    ts_shm_request *r;
    TS_TRY(ts_alloc(&r, 1, sizeof *r));
    *r = reduction(shm_of(c), buf, n, t, op);
    count(c, TS_ALL_REDUCE, n, t);
    start(shm_of(c), r, n);
    *out = (ts_comm_request *)(void *)r;
    return TS_OK;
}

static ts_status test(ts_comm *c, ts_comm_request **r, bool *done)
{
    shm_comm *s = shm_of(c);
    advance(s);
    *done = !*r || finished(s, own(*r));
    if (*done)
        ts_free(r);
    return s->st == TS_OK ? TS_OK : ts_error(s->st, "%s", s->why);
}

static ts_status wait(ts_comm *c, ts_comm_request **r)
{
    const ts_status st = *r ? finish(shm_of(c), own(*r), ts_collective_name(TS_ALL_REDUCE)) : TS_OK;
    ts_free(r);
    return st;
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
    ts_shm_request r = { .what = TS_SHM_GATHER, .t = t, .n = n, .send = send, .recv = recv,
                         .each = values_in(shm_of(c), t), .recv_counts = counts,
                         .recv_offsets = offsets };
    return run(shm_of(c), &r, longest, TS_ALL_GATHER);
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
    int64_t sent = 0, longest = 0;
    for (int r = 0; r < c->size; r++) {
        sent += r == me ? 0 : send_counts[r];
        longest = r != me && send_counts[r] > longest ? send_counts[r] : longest;
    }
    TS_ASSERT(send_counts[me] == recv_counts[me], "rank %d keeps %lld and expects %lld", me,
              (long long)send_counts[me], (long long)recv_counts[me]);
    count(c, TS_ALL_TO_ALL, sent, t);
    shm_comm *s = shm_of(c);
    ts_shm_request r = { .what = TS_SHM_EXCHANGE, .t = t, .longest = longest, .send = send,
                         .recv = recv, .each = part_in(s, t), .send_counts = send_counts,
                         .send_offsets = send_offsets, .recv_counts = recv_counts,
                         .recv_offsets = recv_offsets,
                         .stream = beyond_caches(s, longest, t) };
    r.direct = s->reads && (longest * (int64_t)ts_comm_type_size(t) >= DIRECT || longest > r.each);
    r.past = s->past && longest * (int64_t)ts_comm_type_size(t) >= TRIED;
    if (s->reads)
        r.each = INT64_MAX;
    enqueue(s, &r, 1);
    TS_TRY(finish(s, &r, ts_collective_name(TS_ALL_TO_ALL)));
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
    ts_shm_request r = { .what = TS_SHM_SCATTER, .t = t, .op = op, .send = send, .recv = recv,
                         .each = part_in(shm_of(c), t), .send_counts = counts,
                         .send_offsets = offsets };
    return run(shm_of(c), &r, longest, TS_REDUCE_SCATTER);
}

static ts_status broadcast(ts_comm *c, void *buf, int64_t n, ts_comm_type t, int root)
{
    TS_ASSERT(root >= 0 && root < c->size, "root %d of %d", root, c->size);
    count(c, TS_BROADCAST, n, t);
    ts_shm_request r = { .what = TS_SHM_SPREAD, .t = t, .n = n, .recv = buf, .root = root,
                         .each = values_in(shm_of(c), t) };
    return run(shm_of(c), &r, n, TS_BROADCAST);
}

static ts_status barrier(ts_comm *c)
{
    count(c, TS_BARRIER, 0, TS_COMM_U8);
    ts_shm_request r = { .what = TS_SHM_MEET, .t = TS_COMM_U8, .each = 1 };
    return run(shm_of(c), &r, 1, TS_BARRIER);
}

static void destroy(ts_comm *c)
{
    shm_comm *s = shm_of(c);
    ts_shm_leave(&s->map);
    ts_free(&s->place.bounce);
    ts_free(&s->uniform);
    ts_free(&s);
}

static ts_status make_room(shm_comm *s, int size)
{
    TS_TRY(ts_alloc(&s->uniform, 2 * (size_t)size, sizeof *s->uniform));
    return ts_alloc(&s->place.bounce, TS_SHM_BOUNCE, 1);
}

ts_status ts_comm_shm_create(int rank, int size, const char *host, ts_shm_map *map, ts_comm **out)
{
    shm_comm *s;
    TS_TRY(ts_alloc(&s, 1, sizeof *s));
    s->map.fd = -1;
    const ts_status st = make_room(s, size);
    if (st != TS_OK) {
        destroy(&s->c);
        return st;
    }
    s->map = *map;
    *map = (ts_shm_map){ .fd = -1 };
    s->place.head = s->map.base, s->place.rank = rank, s->place.size = size;
    s->place.slots = (char *)s->map.base + ts_shm_slots_offset(size);
    s->place.slot_bytes = ts_shm_piece_bytes(size);
    s->spins = size > ts_cpu_count() ? SPINS_CROWDED : SPINS;
    ts_shm_offer(s->place.head, rank, &s->token);
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

ts_status ts_comm_shm_probe(ts_comm *c, ts_comm *all)
{
    shm_comm *s = shm_of(c);
    int64_t reads = c->size <= MOST_READING && ts_shm_readable(s->place.head, c->rank, c->size);
    TS_TRY(all->all_reduce(all, &reads, 1, TS_COMM_I64, TS_COMM_MIN));
    s->reads = reads != 0;
    return TS_OK;
}

bool ts_comm_shm_reads(const ts_comm *c) { return ((const shm_comm *)c)->reads; }
