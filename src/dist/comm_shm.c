#include "dist/comm_shm.h"

#include "base/thread.h"
#include "dist/shm_read.h"
#include "dist/shm_run.h"

#include <string.h>
#include <time.h>

enum { FLAT = 8192, SPINS = 3000, SPINS_CROWDED = 50, MOST_READING = 64 };

static ts_shm_comm *shm_of(ts_comm *c) { return (ts_shm_comm *)c; }
static ts_shm_request *own(ts_comm_request *r) { return (ts_shm_request *)(void *)r; }

static ts_status take_request(ts_shm_comm *s, ts_shm_request **out)
{
    const size_t counts = 4 * (size_t)s->c.size;
    if (!s->spare)
        return ts_alloc(out, 1, sizeof **out + counts * sizeof *(*out)->counts);
    *out = s->spare;
    s->spare = s->spare->next;
    memset(*out, 0, sizeof **out);
    return TS_OK;
}

static void give_request(ts_shm_comm *s, ts_comm_request **r)
{
    own(*r)->next = s->spare;
    s->spare = own(*r);
    *r = NULL;
}

/* Copies counts and offsets behind the request, at `place` of 4; the caller's need not stay.
 * Returns the largest count, of other ranks than `but`. */
static int64_t keep_counts(const ts_comm *c, const ts_comm_call *x, const int64_t *counts,
                           const int64_t *offsets, int64_t *to, int but)
{
    int64_t longest = 0;
    for (int r = 0; r < c->size; r++) {
        to[r] = ts_call_count(counts, x->n, r);
        to[c->size + r] = ts_call_offset(offsets, x->n, r);
        longest = r != but && to[r] > longest ? to[r] : longest;
    }
    return longest;
}

/* What the work is, and how many values of a rank go through one slot. */
static int64_t describe(const ts_comm *c, const ts_comm_call *x, ts_shm_request *r)
{
    int64_t *sc = r->counts, *rc = r->counts + 2 * c->size;
    switch (x->what) {
    case TS_ALL_REDUCE:
        r->what = c->size == 2 || (size_t)x->n * ts_comm_type_size(x->type) <= FLAT
                      ? TS_SHM_REDUCE_FLAT
                      : TS_SHM_REDUCE;
        return x->n;
    case TS_REDUCE_SCATTER:
        r->what = TS_SHM_SCATTER;
        r->send_counts = sc, r->send_offsets = sc + c->size;
        return keep_counts(c, x, x->send_counts, x->send_offsets, sc, -1);
    case TS_ALL_GATHER:
        r->what = TS_SHM_GATHER;
        r->recv_counts = rc, r->recv_offsets = rc + c->size;
        return keep_counts(c, x, x->recv_counts, x->recv_offsets, rc, -1);
    case TS_ALL_TO_ALL:
        r->what = TS_SHM_EXCHANGE;
        r->send_counts = sc, r->send_offsets = sc + c->size;
        r->recv_counts = rc, r->recv_offsets = rc + c->size;
        (void)keep_counts(c, x, x->recv_counts, x->recv_offsets, rc, -1);
        return keep_counts(c, x, x->send_counts, x->send_offsets, sc, c->rank);
    case TS_BROADCAST: r->what = TS_SHM_SPREAD; return x->n;
    case TS_BARRIER: r->what = TS_SHM_MEET; return 1;
    default: r->what = x->what == TS_SEND ? TS_SHM_SEND : TS_SHM_RECV; return x->n;
    }
}

static ts_status start(ts_comm *c, const ts_comm_call *x, ts_comm_request **out)
{
    ts_shm_comm *s = shm_of(c);
    ts_shm_request *r;
    if (s->st != TS_OK)
        return ts_error(s->st, "%s in the group %s: %s", ts_collective_name(x->what), c->group,
                        s->why);
    TS_TRY(take_request(s, &r));
    r->name = x->what, r->t = x->type, r->op = x->op, r->root = x->peer, r->n = x->n;
    r->send = x->send, r->recv = x->recv;
    ts_shm_begin(s, r, describe(c, x, r));
    *out = (ts_comm_request *)(void *)r;
    return TS_OK;
}

static ts_status test(ts_comm *c, ts_comm_request **r, bool *done)
{
    ts_shm_advance(shm_of(c));
    const ts_status st = ts_shm_state(shm_of(c), own(*r), done);
    if (*done || st != TS_OK)
        give_request(shm_of(c), r);
    return st;
}

static ts_status wait(ts_comm *c, ts_comm_request **r)
{
    const ts_status st = ts_shm_finish(shm_of(c), own(*r));
    give_request(shm_of(c), r);
    return st;
}

static void destroy(ts_comm *c)
{
    ts_shm_comm *s = shm_of(c), **at = &s->world->next;
    while (s != s->world && *at && *at != s)
        at = &(*at)->next;
    if (s != s->world && *at)
        *at = s->next;
    while (s->spare) {
        ts_shm_request *r = s->spare;
        s->spare = r->next;
        ts_free(&r);
    }
    ts_shm_leave(&s->map);
    ts_free(&s->place.bounce);
    ts_free(&s->sent);
    ts_free(&s);
}

static ts_status found(ts_comm *all, ts_shm_comm *world, const int *ranks, int n, ts_comm **out);

static ts_status split(ts_comm *c, const char *group, const int *ranks, int n, ts_comm **out)
{
    (void)group; /* ts_comm_group sets it */
    return found(c, shm_of(c)->world, ranks, n, out);
}

/* Takes over the map (cleared) on success. world: NULL if this is it. */
static ts_status create(ts_comm *all, ts_shm_comm *world, int rank, int size, ts_shm_map *map,
                        ts_shm_comm **out)
{
    static const ts_comm_table table = { start, test, wait, split, destroy };
    ts_shm_comm *s;
    TS_TRY(ts_alloc(&s, 1, sizeof *s));
    s->world = world ? world : s;
    s->map.fd = -1;
    s->c = (ts_comm){ .kind = "shm",
                      .group = "world",
                      .rank = rank,
                      .size = size,
                      .local_rank = rank,
                      .local_size = size,
                      .watch = &s->world->watch,
                      .host = s->world->host,
                      .table = &table };
    ts_status st;
    TS_TRY_TO(fail, st, ts_alloc(&s->sent, 2 * (size_t)size, sizeof *s->sent));
    TS_TRY_TO(fail, st, ts_alloc(&s->place.bounce, TS_SHM_BOUNCE, 1));
    s->received = s->sent + size;
    s->map = *map;
    *map = (ts_shm_map){ .fd = -1 };
    s->place.head = s->map.base, s->place.rank = rank, s->place.size = size;
    s->place.slots = (char *)s->map.base + ts_shm_slots_offset(size);
    s->place.channels = (char *)s->map.base + ts_shm_channels_offset(size);
    s->place.slot_bytes = ts_shm_piece_bytes(size);
    s->spins = size > ts_cpu_count() ? SPINS_CROWDED : SPINS;
    ts_shm_offer(s->place.head, rank, &s->token);
    strncpy(s->host, all->host, sizeof s->host - 1);
    if (world) {
        s->next = world->next;
        world->next = s;
    } else {
        s->watch.seats = (ts_watch_seat *)(void *)((char *)s->map.base + ts_shm_seats_offset(size));
    }
    *out = s;
    return TS_OK;
fail:
    destroy(&s->c);
    return st;
}

/* The first of each group makes its memory and tells the ticket. */
static ts_status meet(ts_comm *all, int first, int n, ts_shm_map *map)
{
    ts_shm_ticket own_ticket = { 0 }, *tickets = NULL;
    ts_status st = ts_alloc(&tickets, (size_t)all->size, sizeof *tickets);
    if (st == TS_OK && n > 1 && first == all->rank)
        st = ts_shm_make(n, map, &own_ticket);
    TS_TRY_TO(end, st, ts_comm_agree(all, st));
    TS_TRY_TO(end, st,
              ts_comm_run(all, ts_all_gather(&own_ticket, tickets, sizeof own_ticket, TS_COMM_U8)));
    if (n > 1 && first != all->rank)
        st = ts_shm_join(&tickets[first], map);
    st = ts_comm_agree(all, st);
end:
    ts_free(&tickets);
    return st;
}

/* Whether the ranks may read each other's memory, when all have offered it. */
static ts_status probe(ts_shm_comm *s)
{
    const int size = s->c.size;
    int64_t reads = size <= MOST_READING && ts_shm_readable(s->place.head, s->c.rank, size);
    TS_TRY(ts_comm_run(&s->c, ts_all_reduce(&reads, 1, TS_COMM_I64, TS_COMM_MIN)));
    s->reads = reads != 0;
    s->c.traffic = (ts_comm_traffic){ 0 };
    memset(s->c.traffic_by, 0, sizeof s->c.traffic_by);
    return TS_OK;
}

/* All ranks of `all` make groups, this one that of ranks [n]. */
static ts_status found(ts_comm *all, ts_shm_comm *world, const int *ranks, int n, ts_comm **out)
{
    ts_shm_map map = { .fd = -1 };
    ts_shm_comm *s = NULL;
    ts_comm *made = NULL;
    int at = 0;
    while (at < n && ranks[at] != all->rank)
        at++;
    ts_status st;
    TS_TRY_TO(fail, st, meet(all, n ? ranks[0] : 0, n, &map));
    if (n > 1)
        st = create(all, world, at, n, &map, &s);
    else if (n)
        st = ts_comm_self_create(&made);
    made = s ? &s->c : made;
    TS_TRY_TO(fail, st, ts_comm_agree(all, st));
    TS_TRY_TO(fail, st, ts_comm_agree(all, s ? probe(s) : TS_OK));
    *out = made;
    return TS_OK;
fail:
    ts_comm_destroy(&made);
    ts_shm_leave(&map);
    return st;
}

ts_status ts_comm_shm_world(ts_comm *all, ts_comm **out)
{
    int *ranks;
    ts_status st = ts_alloc(&ranks, (size_t)all->size, sizeof *ranks);
    TS_TRY(ts_comm_agree(all, st));
    for (int r = 0; r < all->size; r++)
        ranks[r] = r;
    st = found(all, NULL, ranks, all->size, out);
    ts_free(&ranks);
    return st;
}

bool ts_comm_shm_reads(const ts_comm *c) { return ((const ts_shm_comm *)c)->reads; }

void ts_comm_shm_give_up(ts_comm *world, const char *why)
{
    ts_shm_head *head = shm_of(world)->place.head;
    ts_shm_failure *f = &head->failure;
    if (atomic_exchange(&f->begun, 1) == 0) {
        strncpy(f->why, why, sizeof f->why - 1);
        f->why[strcspn(f->why, "\n")] = 0;
        atomic_store_explicit(&f->rank, world->rank + 1, memory_order_release);
        ts_shm_signal(head);
    }
    atomic_fetch_add(&f->heard, 1);
    for (const double until = ts_now() + TS_PATIENCE; ts_now() < until;) {
        if (atomic_load(&f->heard) >= world->size)
            return;
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
}
