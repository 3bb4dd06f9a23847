#include "dist/comm.h"

/* A rank of a group that does not exist: every call is booked and nothing is read or written, so
 * pointers may be made up. Everything is done at its start, so there are no requests. */

typedef struct sim_comm {
    ts_comm c;
    ts_comm_sim_link link;
    bool linked;
} sim_comm;

double ts_comm_sim_seconds(const ts_comm_sim_link *link, const ts_comm_traffic *t)
{
    const double transfer = link->bytes_per_second > 0 ? t->bytes / link->bytes_per_second : 0;
    return link->latency * (double)t->messages + transfer;
}

static ts_status start(ts_comm *c, const ts_comm_call *call, ts_comm_request **out)
{
    (void)out;
    const sim_comm *s = (const sim_comm *)c;
    const ts_comm_traffic cost = ts_call_cost(call, c->rank, c->size);
    if (s->linked && s->link.spend && cost.messages > 0)
        s->link.spend(s->link.ctx, ts_comm_sim_seconds(&s->link, &cost));
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

/* Over the same network: links within a host are not told from those between hosts. */
static ts_status split(ts_comm *c, const char *group, const int *ranks, int n, ts_comm **out)
{
    const sim_comm *s = (const sim_comm *)c;
    int at = 0;
    while (at < n && ranks[at] != c->rank)
        at++;
    return n ? ts_comm_sim_create(at, n, group, s->linked ? &s->link : NULL, out) : TS_OK;
}

static void destroy(ts_comm *c) { ts_free(&c); }

ts_status ts_comm_sim_create(int rank, int size, const char *group, const ts_comm_sim_link *link,
                             ts_comm **out)
{
    static const ts_comm_table table = { start, test, wait, split, destroy };
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
    *out = &s->c;
    return TS_OK;
}
