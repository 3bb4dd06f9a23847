#include "dist/comm_cost.h"

#include <string.h>

/* One process: nothing is sent, and what would be received from oneself is copied. */

static void count(ts_comm *c) { c->traffic.calls++; }

static void copy(void *to, const void *from, int64_t n, ts_comm_type t)
{
    if (to != from && n > 0)
        memmove(to, from, (size_t)n * ts_comm_type_size(t));
}

static const void *at(const void *p, int64_t offset, ts_comm_type t)
{
    return (const char *)p + (size_t)offset * ts_comm_type_size(t);
}

static ts_status all_reduce(ts_comm *c, void *buf, int64_t n, ts_comm_type t, ts_comm_op op)
{
    (void)buf, (void)n, (void)t, (void)op;
    count(c);
    return TS_OK;
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
    count(c);
    copy(recv, send, n, t);
    return TS_OK;
}

static ts_status all_gather_v(ts_comm *c, const void *send, int64_t n, void *recv,
                              const int64_t *counts, const int64_t *offsets, ts_comm_type t)
{
    TS_ASSERT(n == counts[0], "sends %lld, expects %lld", (long long)n, (long long)counts[0]);
    count(c);
    copy((char *)recv + (size_t)offsets[0] * ts_comm_type_size(t), send, n, t);
    return TS_OK;
}

static ts_status all_to_all_v(ts_comm *c, const void *send, const int64_t *send_counts,
                              const int64_t *send_offsets, void *recv, const int64_t *recv_counts,
                              const int64_t *recv_offsets, ts_comm_type t)
{
    TS_ASSERT(send_counts[0] == recv_counts[0], "sends %lld, expects %lld",
              (long long)send_counts[0], (long long)recv_counts[0]);
    count(c);
    copy((char *)recv + (size_t)recv_offsets[0] * ts_comm_type_size(t),
         at(send, send_offsets[0], t), send_counts[0], t);
    return TS_OK;
}

static ts_status reduce_scatter_v(ts_comm *c, const void *send, void *recv, const int64_t *counts,
                                  const int64_t *offsets, ts_comm_type t, ts_comm_op op)
{
    (void)op;
    count(c);
    copy(recv, at(send, offsets[0], t), counts[0], t);
    return TS_OK;
}

static ts_status broadcast(ts_comm *c, void *buf, int64_t n, ts_comm_type t, int root)
{
    (void)buf, (void)n, (void)t;
    TS_ASSERT(root == 0, "root %d of a group of one", root);
    count(c);
    return TS_OK;
}

static ts_status barrier(ts_comm *c)
{
    count(c);
    return TS_OK;
}

static void destroy(ts_comm *c) { ts_free(&c); }

ts_status ts_comm_self_create(ts_comm **out)
{
    ts_comm *c;
    TS_TRY(ts_alloc(&c, 1, sizeof *c));
    *c = (ts_comm){ .kind = "self", .group = "world", .rank = 0, .size = 1, .local_rank = 0,
                    .local_size = 1, .host = "", .all_reduce = all_reduce,
                    .all_reduce_start = all_reduce_start, .test = test, .wait = wait,
                    .all_gather = all_gather, .all_gather_v = all_gather_v,
                    .all_to_all_v = all_to_all_v, .reduce_scatter_v = reduce_scatter_v,
                    .broadcast = broadcast, .barrier = barrier, .destroy = destroy };
    *out = c;
    return TS_OK;
}
