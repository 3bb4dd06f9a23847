#include "dist/comm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Programmer's mistakes. */
static void check(const ts_comm *c, const ts_comm_call *call)
{
    const int64_t n = call->n, *sc = call->send_counts, *rc = call->recv_counts;
    const bool message = call->what == TS_SEND || call->what == TS_RECV;
    TS_ASSERT(n >= 0, "%s of %lld values", ts_collective_name(call->what), (long long)n);
    TS_ASSERT(call->peer >= 0 && call->peer < c->size && !(message && call->peer == c->rank),
              "%s with rank %d, on rank %d of %d", ts_collective_name(call->what), call->peer,
              c->rank, c->size);
    TS_ASSERT(call->what != TS_ALL_GATHER || n == ts_call_count(rc, n, c->rank),
              "rank %d sends %lld, others expect %lld", c->rank, (long long)n,
              (long long)rc[c->rank]);
    TS_ASSERT(call->what != TS_ALL_TO_ALL ||
                  ts_call_count(sc, n, c->rank) == ts_call_count(rc, n, c->rank),
              "rank %d keeps %lld and expects %lld", c->rank, (long long)sc[c->rank],
              (long long)rc[c->rank]);
}

static ts_comm_traffic book(ts_comm *c, const ts_comm_call *call)
{
    check(c, call);
    const ts_comm_traffic t = ts_call_cost(call, c->rank, c->size);
    ts_traffic_add(&c->traffic, &t);
    ts_traffic_add(&c->traffic_by[call->what], &t);
    return t;
}

/* A process alone waits for nobody and sends nothing. */
static bool is_marked(const ts_comm *c) { return c->size > 1 && ts_timeline_is_on(c->timeline); }

static ts_mark mark_of(const ts_comm *c, const ts_comm_call *call, const ts_comm_traffic *t)
{
    return (ts_mark){ .name = ts_collective_name(call->what), .group = c->group, .layer = -1, .bytes = t->bytes,
                      .calls = t->calls, .messages = t->messages, .begin = ts_timeline_now(c->timeline) };
}

ts_status ts_comm_start(ts_comm *c, ts_comm_call call, ts_comm_request **out)
{
    const ts_comm_traffic t = book(c, &call);
    *out = NULL;
    if (!is_marked(c))
        return c->table->start(c, &call, out);
    const ts_mark m = mark_of(c, &call, &t);
    const ts_status st = c->table->start(c, &call, out);
    ts_timeline_call(c->timeline, &m, *out);
    return st;
}

ts_status ts_comm_test(ts_comm *c, ts_comm_request **r, bool *done)
{
    const void *was = *r;
    *done = true;
    if (!was)
        return TS_OK;
    const ts_status st = c->table->test(c, r, done);
    if (!*r && is_marked(c))
        ts_timeline_done(c->timeline, was);
    return st;
}

ts_status ts_comm_wait(ts_comm *c, ts_comm_request **r)
{
    const void *was = *r;
    if (!was)
        return TS_OK;
    const double began = ts_timeline_begin(c->timeline);
    const ts_status st = c->table->wait(c, r);
    if (is_marked(c))
        ts_timeline_waited(c->timeline, was, c->group, began);
    return st;
}

static ts_status run(ts_comm *c, const ts_comm_call *call)
{
    ts_comm_request *r = NULL;
    TS_TRY(c->table->start(c, call, &r));
    return r ? c->table->wait(c, &r) : TS_OK;
}

ts_status ts_comm_run(ts_comm *c, ts_comm_call call)
{
    const ts_comm_traffic t = book(c, &call);
    if (!is_marked(c))
        return run(c, &call);
    const ts_mark m = mark_of(c, &call, &t);
    const ts_status st = run(c, &call);
    ts_timeline_call(c->timeline, &m, NULL);
    return st;
}

ts_status ts_comm_group(ts_comm *c, const char *group, const int *ranks, int n, ts_comm **out)
{
    ts_comm *made = NULL;
    int *world, at = -1;
    ts_status st = ts_alloc(&world, (size_t)n, sizeof *world);
    for (int i = 0; st == TS_OK && i < n; i++) {
        TS_ASSERT(ranks[i] >= 0 && ranks[i] < c->size, "rank %d of %d", ranks[i], c->size);
        world[i] = ts_comm_world_rank(c, ranks[i]);
        at = ranks[i] == c->rank ? i : at;
    }
    TS_TRY(ts_comm_agree(c, st));
    TS_ASSERT(n == 0 || at >= 0, "rank %d is not of its own group", c->rank);
    st = c->table->split(c, group, ranks, n, &made);
    if (st != TS_OK || !made) {
        ts_free(&world);
        *out = st == TS_OK ? NULL : *out;
        return st;
    }
    made->group = group, made->ranks = world, made->watch = c->watch, made->host = c->host;
    made->timeline = c->timeline;
    TS_ASSERT(made->rank == at && made->size == n, "rank %d of %d", made->rank, made->size);
    *out = made;
    return TS_OK;
}

typedef struct membership {
    int64_t colour, key, rank;
} membership;

static int by_key(const void *x, const void *y)
{
    const membership *a = x, *b = y;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    return a->rank < b->rank ? -1 : 1;
}

/* all [size]; ranks [size]: the members of this rank's group, in order. */
static int members(membership *all, int size, int64_t colour, int *ranks)
{
    int n = 0;
    qsort(all, (size_t)size, sizeof *all, by_key);
    for (int r = 0; r < size; r++)
        if (colour >= 0 && all[r].colour == colour)
            ranks[n++] = (int)all[r].rank;
    return n;
}

ts_status ts_comm_split(ts_comm *c, const char *group, int colour, int key, ts_comm **out)
{
    TS_ASSERT(strcmp(c->kind, "sim") != 0, "a simulated rank knows no other's colour");
    const membership own = { colour, key, c->rank };
    membership *all = NULL;
    int *ranks = NULL;
    ts_status st;
    TS_TRY_TO(agree, st, ts_alloc(&all, (size_t)c->size, sizeof *all));
    TS_TRY_TO(agree, st, ts_alloc(&ranks, (size_t)c->size, sizeof *ranks));
agree:
    TS_TRY_TO(end, st, ts_comm_agree(c, st));
    TS_TRY_TO(end, st, ts_comm_run(c, ts_all_gather(&own, all, 3, TS_COMM_I64)));
    st = ts_comm_group(c, group, ranks, members(all, c->size, colour, ranks), out);
end:
    ts_free(&all);
    ts_free(&ranks);
    return st;
}

void ts_comm_destroy(ts_comm **c)
{
    if (*c) {
        ts_free(&(*c)->ranks);
        (*c)->table->destroy(*c);
    }
    *c = NULL;
}

/* A request to stop is the mildest: a failure elsewhere must not pass for it. Then by the codes. */
static int64_t severity(ts_status st)
{
    return st == TS_OK ? 0 : st == TS_ERR_INTERRUPTED ? 1 : 1 - (int64_t)st;
}

static ts_status of_severity(int64_t s)
{
    return s == 0 ? TS_OK : s == 1 ? TS_ERR_INTERRUPTED : (ts_status)(1 - s);
}

/* One small all-reduce when all is well. Otherwise the lowest of the worst ranks tells its
 * message. */
ts_status ts_comm_agree(ts_comm *c, ts_status st)
{
    int64_t key = severity(st) * c->size + (c->size - 1 - c->rank);
    TS_TRY(ts_comm_run(c, ts_all_reduce(&key, 1, TS_COMM_I64, TS_COMM_MAX)));
    const ts_status worst = of_severity(key / c->size);
    if (worst == TS_OK)
        return TS_OK;
    const int culprit = c->size - 1 - (int)(key % c->size);
    char text[1024];
    memset(text, 0, sizeof text);
    snprintf(text, sizeof text, "%s", ts_error_message());
    TS_TRY(ts_comm_run(c, ts_broadcast(text, sizeof text, TS_COMM_U8, culprit)));
    text[sizeof text - 1] = 0;
    if (st == worst)
        return st;
    return ts_error(worst, "rank %d of %d: %s", culprit, c->size, *text ? text : "failed");
}
