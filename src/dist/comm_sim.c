#include "dist/comm_cost.h"

/* A rank of a group that does not exist: every call is booked and nothing is read or written, so
 * pointers may be made up. */

typedef struct sim_comm {
    ts_comm c;
    ts_comm_sim_link link;
    bool linked;
} sim_comm;

static ts_status book(ts_comm *c, ts_collective what, int64_t n, ts_comm_type t)
{
    sim_comm *s = (sim_comm *)c;
    const ts_comm_traffic cost =
        ts_collective_cost(what, c->size, (double)n * (double)ts_comm_type_size(t));
    ts_traffic_add(&c->traffic, &cost);
    if (s->linked && s->link.spend && cost.messages > 0) {
        double seconds = s->link.latency * (double)cost.messages;
        if (s->link.bytes_per_second > 0)
            seconds += cost.bytes / s->link.bytes_per_second;
        s->link.spend(s->link.ctx, seconds);
    }
    return TS_OK;
}

static ts_status all_reduce(ts_comm *c, void *buf, int64_t n, ts_comm_type t, ts_comm_op op)
{
    (void)buf, (void)op;
    return book(c, TS_ALL_REDUCE, n, t);
}

static ts_status all_reduce_start(ts_comm *c, void *buf, int64_t n, ts_comm_type t, ts_comm_op op,
                                  ts_comm_request **out)
{
    *out = NULL;
    return all_reduce(c, buf, n, t, op);
}

static ts_status test(ts_comm *c, ts_comm_request **r, bool *done)
{
    (void)c;
    *r = NULL;
    *done = true;
    return TS_OK;
}

static ts_status wait(ts_comm *c, ts_comm_request **r)
{
    (void)c;
    *r = NULL;
    return TS_OK;
}

static ts_status all_gather(ts_comm *c, const void *send, void *recv, int64_t n, ts_comm_type t)
{
    (void)send, (void)recv;
    return book(c, TS_ALL_GATHER, n * c->size, t);
}

static ts_status all_gather_v(ts_comm *c, const void *send, int64_t n, void *recv,
                              const int64_t *counts, const int64_t *offsets, ts_comm_type t)
{
    (void)send, (void)recv, (void)offsets;
    TS_ASSERT(n == counts[c->rank], "sends %lld, others expect %lld", (long long)n,
              (long long)counts[c->rank]);
    int64_t sum = 0;
    for (int r = 0; r < c->size; r++)
        sum += counts[r];
    return book(c, TS_ALL_GATHER, sum, t);
}

static ts_status all_to_all_v(ts_comm *c, const void *send, const int64_t *send_counts,
                              const int64_t *send_offsets, void *recv, const int64_t *recv_counts,
                              const int64_t *recv_offsets, ts_comm_type t)
{
    (void)send, (void)send_offsets, (void)recv, (void)recv_counts, (void)recv_offsets;
    int64_t sum = 0;
    for (int r = 0; r < c->size; r++)
        sum += r == c->rank ? 0 : send_counts[r];
    return book(c, TS_ALL_TO_ALL, sum, t);
}

static ts_status reduce_scatter_v(ts_comm *c, const void *send, void *recv, const int64_t *counts,
                                  const int64_t *offsets, ts_comm_type t, ts_comm_op op)
{
    (void)send, (void)recv, (void)offsets, (void)op;
    int64_t sum = 0;
    for (int r = 0; r < c->size; r++)
        sum += counts[r];
    return book(c, TS_REDUCE_SCATTER, sum, t);
}

static ts_status broadcast(ts_comm *c, void *buf, int64_t n, ts_comm_type t, int root)
{
    (void)buf;
    TS_ASSERT(root >= 0 && root < c->size, "root %d of %d", root, c->size);
    return book(c, TS_BROADCAST, n, t);
}

static ts_status barrier(ts_comm *c) { return book(c, TS_BARRIER, 0, TS_COMM_U8); }

static void destroy(ts_comm *c) { ts_free(&c); }

ts_status ts_comm_sim_create(int rank, int size, const char *group, const ts_comm_sim_link *link,
                             ts_comm **out)
{
    TS_ASSERT(rank >= 0 && rank < size, "rank %d of %d", rank, size);
    sim_comm *s;
    TS_TRY(ts_alloc(&s, 1, sizeof *s));
    s->c = (ts_comm){ .kind = "sim", .group = group, .rank = rank, .size = size, .local_rank = rank,
                      .local_size = size, .host = "", .all_reduce = all_reduce,
                      .all_reduce_start = all_reduce_start, .test = test, .wait = wait,
                      .all_gather = all_gather, .all_gather_v = all_gather_v,
                      .all_to_all_v = all_to_all_v, .reduce_scatter_v = reduce_scatter_v,
                      .broadcast = broadcast, .barrier = barrier, .destroy = destroy };
    s->linked = link != NULL;
    if (link)
        s->link = *link;
    *out = &s->c;
    return TS_OK;
}
