#include "dist/shm_run.h"

#include "base/thread.h"
#include "dist/shm_message.h"
#include "dist/sum.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

enum { CACHES = 16 << 20 };
/* Bytes from one rank to another: from DIRECT on a system call and a wait for the readers are
 * cheaper than a second copy, from TRIED on it is worth the clock's time to find the way. */
enum { DIRECT = 12 << 10, TRIED = 2 << 10 };

typedef enum counter { PUT, REDUCED, TAKEN } counter;

static _Atomic int64_t *counter_of(const ts_shm_comm *s, int rank, counter w)
{
    ts_shm_rank *r = &s->place.head->rank[rank];
    return w == PUT ? &r->put : w == REDUCED ? &r->reduced : &r->taken;
}

static bool all_beyond(const ts_shm_comm *s, counter w, int64_t piece)
{
    for (int r = 0; r < s->c.size; r++)
        if (atomic_load_explicit(counter_of(s, r, w), memory_order_acquire) <= piece)
            return false;
    return true;
}

static void say(const ts_shm_comm *s, counter w, int64_t piece)
{
    atomic_store_explicit(counter_of(s, s->c.rank, w), piece + 1, memory_order_release);
    ts_shm_signal(s->world->place.head);
}

static int64_t values_in(const ts_shm_comm *s, ts_comm_type t)
{
    return (int64_t)(s->place.slot_bytes / ts_comm_type_size(t));
}

/* Of a slot with a place for each rank's values. */
static int64_t part_in(const ts_shm_comm *s, ts_comm_type t)
{
    return s->c.size == 2 ? values_in(s, t) : values_in(s, t) / s->c.size;
}

static bool beyond_caches(const ts_shm_comm *s, int64_t n, ts_comm_type t)
{
    return (size_t)n * ts_comm_type_size(t) > CACHES / (size_t)s->world->c.size;
}

static double began(const ts_shm_request *r, int64_t k)
{
    return r->turns && ts_shm_is_timed(r->turn + k) ? ts_now() : 0;
}

static void ended(ts_shm_comm *s, ts_shm_request *r, int64_t k, ts_shm_step step, double t0)
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

static void put(ts_shm_comm *s, ts_shm_request *r)
{
    const int64_t k = r->put++;
    const double t0 = began(r, k);
    ts_shm_put(&s->place, r, k, way_of(r, k));
    ended(s, r, k, TS_SHM_PUT, t0);
    say(s, PUT, r->first + k);
    ts_shm_keep(&s->place, r, k, k + 1);
}

/* The failure of one step is that of the communicator: nothing can come after it. */
static bool stepped(ts_shm_comm *s, ts_status st)
{
    if (st != TS_OK) {
        s->st = st;
        s->first = s->last = s->messages = NULL;
        snprintf(s->why, sizeof s->why, "%s", ts_error_message());
    }
    return st == TS_OK;
}

static bool take(ts_shm_comm *s, ts_shm_request *r)
{
    const double t0 = began(r, r->taken);
    if (!stepped(s, ts_shm_take(&s->place, r, r->taken)))
        return false;
    ended(s, r, r->taken, TS_SHM_TAKE, t0);
    say(s, TAKEN, r->first + r->taken++);
    return true;
}

static void share(ts_shm_comm *s, ts_shm_request *r)
{
    const double t0 = began(r, r->reduced);
    ts_shm_reduce(&s->place, r, r->reduced);
    ended(s, r, r->reduced, TS_SHM_SHARE, t0);
    say(s, REDUCED, r->first + r->reduced++);
}

/* Every rank gives as long an array here (`longest`), so all come to the same. */
static void choose_way(ts_shm_comm *s, ts_shm_request *r, int64_t longest)
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
    while (size + 1 < TS_SHM_SIZES && bytes > (int64_t)TRIED << (2 * size + 2))
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
 * all must go through as many pieces. What comes after it has no numbers yet. */
static void learn_length(ts_shm_comm *s, ts_shm_request *r)
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
static bool step(ts_shm_comm *s, ts_shm_request *r)
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
static bool passed(const ts_shm_request *r)
{
    return (r->what == TS_SHM_SEND ? r->put : r->taken) == r->pieces;
}

/* Others may still be reading this rank's memory. */
static bool finished(const ts_shm_comm *s, const ts_shm_request *r)
{
    if (!passed(r) || !r->direct || r->what == TS_SHM_RECV)
        return passed(r);
    return r->what == TS_SHM_SEND ? ts_shm_message_taken(&s->place, r)
                                  : all_beyond(s, TAKEN, r->first + r->pieces - 1);
}

/* The first in the row gets its numbers. No earlier: only then is known how many pieces all before
 * it have had, exchanges among them. */
static void begin_first(ts_shm_comm *s)
{
    ts_shm_request *r = s->first;
    r->first = s->issued;
    s->issued += r->pieces;
    begin_turns(r);
}

static bool advance_collectives(ts_shm_comm *s)
{
    bool any = false;
    while (s->first && s->st == TS_OK) {
        ts_shm_request *r = s->first;
        if (!step(s, r))
            break;
        any = true;
        if (!passed(r))
            continue;
        if (r->what == TS_SHM_EXCHANGE) /* this rank's own values, beyond the longest for another */
            ts_shm_keep(&s->place, r, r->pieces, ts_shm_pieces(r->send_counts[s->c.rank], r->each));
        s->first = r->next;
        if (s->first)
            begin_first(s);
        else
            s->last = NULL;
    }
    return any;
}

static bool advance_messages(ts_shm_comm *s)
{
    bool any = false;
    for (ts_shm_request **at = &s->messages; *at;) {
        ts_shm_request *r = *at;
        bool moved = true;
        while (moved && !passed(r)) {
            if (!stepped(s, ts_shm_message_step(&s->place, r, &moved)))
                return any;
            any |= moved;
        }
        if (passed(r))
            *at = r->next;
        else
            at = &r->next;
    }
    if (any)
        ts_shm_signal(s->world->place.head);
    return any;
}

bool ts_shm_advance(ts_shm_comm *s)
{
    bool any = false;
    for (ts_shm_comm *q = s->world; q; q = q->next) {
        if (q->first)
            any |= advance_collectives(q);
        if (q->messages)
            any |= advance_messages(q);
    }
    return any;
}

/* An exchange begins with one piece, whatever its length: shm_piece.h. */
static void begin_exchange(ts_shm_comm *s, ts_shm_request *r, int64_t longest)
{
    const int64_t bytes = longest * (int64_t)ts_comm_type_size(r->t);
    r->longest = longest;
    r->direct = s->reads && (bytes >= DIRECT || longest > r->each);
    r->past = s->past && bytes >= TRIED;
    r->pieces = 1;
    if (s->reads)
        r->each = INT64_MAX;
}

static void enqueue(ts_shm_comm *s, ts_shm_request *r)
{
    if (s->last)
        s->last->next = r;
    else
        s->first = r;
    s->last = r;
    if (s->first == r)
        begin_first(s);
}

static void begin_message(ts_shm_comm *s, ts_shm_request *r)
{
    int64_t *count = r->what == TS_SHM_SEND ? &s->sent[r->root] : &s->received[r->root];
    ts_shm_request **last = &s->messages;
    ts_shm_message_init(&s->place, r, *count,
                        s->reads && r->n * (int64_t)ts_comm_type_size(r->t) >= DIRECT);
    *count += r->pieces;
    while (*last)
        last = &(*last)->next;
    *last = r;
}

void ts_shm_begin(ts_shm_comm *s, ts_shm_request *r, int64_t longest)
{
    const bool has_parts = r->what == TS_SHM_SCATTER || r->what == TS_SHM_EXCHANGE;
    r->each = has_parts ? part_in(s, r->t) : values_in(s, r->t);
    r->stream = beyond_caches(s, longest, r->t);
    if (r->what == TS_SHM_SEND || r->what == TS_SHM_RECV) {
        begin_message(s, r);
    } else if (r->what == TS_SHM_EXCHANGE) {
        begin_exchange(s, r, longest);
        enqueue(s, r);
    } else {
        choose_way(s, r, longest);
        r->pieces = ts_shm_pieces(longest, r->each);
        if (r->pieces > 0)
            enqueue(s, r);
    }
    ts_shm_advance(s);
}

ts_status ts_shm_state(const ts_shm_comm *s, const ts_shm_request *r, bool *done)
{
    *done = s->st == TS_OK && finished(s, r);
    if (s->st == TS_OK)
        return TS_OK;
    return ts_error(s->st, "%s in the group %s: %s", ts_collective_name(r->name), s->c.group,
                    s->why);
}

/* Who has done least of all collectives: when nothing moves any more, the one that does not come.
 * Ranks that wait have done all that does not need it. Of a message it is the other end. */
static int furthest_behind(const ts_shm_comm *s, const ts_shm_request *r)
{
    int who = 0;
    int64_t least = INT64_MAX;
    if (r->what == TS_SHM_SEND || r->what == TS_SHM_RECV)
        return r->root;
    for (int q = 0; q < s->c.size; q++) {
        int64_t done = 0;
        for (counter w = PUT; w <= TAKEN; w++)
            done += atomic_load_explicit(counter_of(s, q, w), memory_order_relaxed);
        if (done < least)
            least = done, who = q;
    }
    return who;
}

static void pause_cpu(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* For the watchdog, of this rank and of others. behind: 1 + number of a rank; 0: none. */
static void tell_behind(ts_shm_comm *world, int behind)
{
    atomic_store_explicit(&world->watch.behind, behind, memory_order_relaxed);
    atomic_store_explicit(&world->watch.seats[world->c.rank].behind, behind, memory_order_relaxed);
}

/* A rank that has failed comes no more: what is waited for fails with what it said. */
static bool is_given_up(ts_shm_comm *s)
{
    const ts_shm_failure *f = &s->world->place.head->failure;
    const int rank = atomic_load_explicit(&f->rank, memory_order_acquire);
    if (!rank || s->st != TS_OK)
        return false;
    s->st = TS_ERR_RUN;
    snprintf(s->why, sizeof s->why, "rank %d of %d has failed: %s", rank - 1, s->world->c.size, f->why);
    return true;
}

/* A process that ended without a word, which its launcher may not tell for long. Only where numbers of
 * processes mean the same to all, as they do where memory can be read by them. */
static void find_gone(ts_shm_comm *s)
{
    for (int q = 0; s->reads && q < s->c.size && s->st == TS_OK; q++) {
        const int64_t pid = s->place.head->rank[q].pid;
        if (q == s->c.rank || kill((pid_t)pid, 0) == 0 || errno != ESRCH)
            continue;
        s->st = TS_ERR_RUN;
        snprintf(s->why, sizeof s->why, "rank %d of %d has ended (process %lld)",
                 ts_comm_world_rank(&s->c, q), s->world->c.size, (long long)pid);
    }
}

ts_status ts_shm_finish(ts_shm_comm *s, const ts_shm_request *r)
{
    ts_shm_comm *world = s->world;
    ts_shm_head *bell = world->place.head;
    int spins = 0;
    bool done, has_told = false;
    ts_watch_enter(&world->watch, s->c.group, ts_collective_name(r->name));
    while (!finished(s, r) && s->st == TS_OK && !(spins && is_given_up(s))) {
        if (ts_shm_advance(s)) {
            spins = 0;
            continue;
        }
        if (spins++ < world->spins) {
            pause_cpu();
            continue;
        }
        const uint32_t seen = ts_shm_doze(bell);
        if (!ts_shm_advance(s) && !finished(s, r) && s->st == TS_OK) {
            tell_behind(world, ts_comm_world_rank(&s->c, furthest_behind(s, r)) + 1);
            has_told = true;
            ts_shm_sleep(bell, seen);
            if (atomic_load(&bell->event) == seen) /* nothing has happened */
                find_gone(s);
        }
        ts_shm_rise(bell);
    }
    ts_watch_leave(&world->watch);
    if (has_told)
        tell_behind(world, 0);
    return ts_shm_state(s, r, &done);
}
