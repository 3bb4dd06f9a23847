#include "dist/comm.h"

/* A rank of a group that does not exist: every call is booked and nothing is read or written, so
 * pointers may be made up. Everything is done at its start, so there are no requests. */

typedef struct sim_comm {
    ts_comm c;
    ts_comm_sim_link link;
    bool linked, is_near; /* near: all its ranks are on one host */
} sim_comm;

static const ts_comm_table table;

double ts_comm_sim_seconds(const ts_comm *c, const ts_comm_traffic *t)
{
    const sim_comm *s = (const sim_comm *)c;
    if (c->table != &table || !s->linked)
        return 0;
    const ts_comm_sim_link *l = &s->link;
    const double rate = s->is_near ? l->host_bytes_per_second : l->bytes_per_second;
    const double latency = s->is_near ? l->host_latency : l->latency;
    return latency * (double)t->messages + (rate > 0 ? t->bytes / rate : 0);
}

static ts_status start(ts_comm *c, const ts_comm_call *call, ts_comm_request **out)
{
    (void)out;
    const sim_comm *s = (const sim_comm *)c;
    const ts_comm_traffic cost = ts_call_cost(call, c->rank, c->size);
    const double seconds = cost.messages > 0 ? ts_comm_sim_seconds(c, &cost) : 0;
    c->traffic.seconds += seconds;
    c->traffic_by[call->what].seconds += seconds;
    if (s->linked && s->link.spend && cost.messages > 0)
        s->link.spend(s->link.ctx, seconds);
    return TS_OK;
}

static ts_status test(ts_comm *c, ts_comm_request **r, bool *done)
{
    (void)c, (void)r, (void)done;
    return TS_OK;
}

static ts_status wait(ts_comm *c, ts_comm_request **r)
{
    (void)c, (void)r;
    return TS_OK;
}

static bool on_one_host(const ts_comm *c, const sim_comm *s, const int *ranks, int n)
{
    const int host = s->link.ranks_of_a_host;
    bool is = s->linked && host > 0;
    for (int i = 1; is && i < n; i++)
        is = ts_comm_world_rank(c, ranks[i]) / host == ts_comm_world_rank(c, ranks[0]) / host;
    return is;
}

static ts_status split(ts_comm *c, const char *group, const int *ranks, int n, ts_comm **out)
{
    const sim_comm *s = (const sim_comm *)c;
    int at = 0;
    while (at < n && ranks[at] != c->rank)
        at++;
    if (!n)
        return TS_OK;
    TS_TRY(ts_comm_sim_create(at, n, group, s->linked ? &s->link : NULL, out));
    ((sim_comm *)*out)->is_near = on_one_host(c, s, ranks, n);
    return TS_OK;
}

static void destroy(ts_comm *c) { ts_free(&c); }

static const ts_comm_table table = { start, test, wait, split, destroy };

ts_status ts_comm_sim_create(int rank, int size, const char *group, const ts_comm_sim_link *link,
                             ts_comm **out)
{
    TS_ASSERT(rank >= 0 && rank < size, "rank %d of %d", rank, size);
    sim_comm *s;
    TS_TRY(ts_alloc(&s, 1, sizeof *s));
    s->c = (ts_comm){ .kind = "sim",
                      .group = group,
                      .rank = rank,
                      .size = size,
                      .local_rank = rank,
                      .local_size = size,
                      .host = "",
                      .table = &table };
    s->linked = link != NULL;
    if (link)
        s->link = *link;
    s->is_near = link && size <= link->ranks_of_a_host;
    *out = &s->c;
    return TS_OK;
}
