#include "train/gather.h"

static const ts_shards *shards_of(const ts_gather *g) { return &g->params->shards; }

/* ---- one unit ---- */

static ts_comm *comm_of(const ts_gather *g, int64_t u)
{
    return ts_sharers_share(g->sharers, shards_of(g)->is_expert[u]);
}

static ts_status start(ts_gather *g, int64_t u)
{
    const ts_shards *s = shards_of(g);
    ts_comm *comm = comm_of(g, u);
    int64_t *counts = g->counts, *offsets = g->counts + comm->size;
    char *all = (char *)g->params->values->data + ts_param_set_byte(g->params, s->begin[u]);
    const int64_t mine = ts_param_set_unit_bytes(g->params, u, counts, offsets), n = counts[comm->rank],
                  last = comm->size - 1;
    g->unit[u].state = TS_GATHER_COMING;
    return ts_group_start(g->params->dev, comm,
                          ts_all_gather_v(all + mine, n, all, counts, offsets, TS_COMM_U8), n,
                          offsets[last] + counts[last], &g->unit[u].call);
}

static ts_status bring(ts_gather *g, int64_t u)
{
    if (g->unit[u].state == TS_GATHER_HERE)
        return TS_OK;
    if (g->unit[u].state == TS_GATHER_OLD)
        TS_TRY(start(g, u));
    TS_TRY(ts_group_wait(g->params->dev, comm_of(g, u), &g->unit[u].call));
    g->unit[u].state = TS_GATHER_HERE;
    g->missing--;
    return TS_OK;
}

/* ---- all ---- */

/* Values of p: of all units in which it lies, and the one behind them is sent for. */
static ts_status need(void *ctx, const ts_param *p)
{
    ts_gather *g = ctx;
    const ts_shards *s = shards_of(g);
    if (g->missing == 0 || p->offset < 0)
        return TS_OK;
    const int64_t last = ts_shard_unit(s, p->offset + ts_param_count(p) - 1);
    for (int64_t u = ts_shard_unit(s, p->offset); u <= last; u++)
        TS_TRY(bring(g, u));
    if (last + 1 < s->n_units && g->unit[last + 1].state == TS_GATHER_OLD)
        return start(g, last + 1);
    bool done;
    return last + 1 < s->n_units ? ts_comm_test(comm_of(g, last + 1), &g->unit[last + 1].call.request, &done) : TS_OK;
}

ts_status ts_gather_init(ts_gather *g, ts_param_set *params, const ts_sharers *sharers, bool overlap)
{
    const ts_shards *s = &params->shards;
    *g = (ts_gather){ 0 };
    if (ts_shards_alone(&params->shards) && !params->shards.o.coded)
        return TS_OK;
    TS_ASSERT(sharers->share->size == s->o.size && sharers->share->rank == s->o.rank, "shares of rank %d of %d",
              s->o.rank, s->o.size);
    *g = (ts_gather){ .params = params, .sharers = sharers, .overlap = overlap };
    if (ts_shards_values(&params->shards))
        return ts_visit_init(&g->visit, params, sharers);
    params->keeper = (ts_param_keeper){ need, g };
    TS_TRY(ts_alloc(&g->unit, (size_t)params->shards.n_units, sizeof *g->unit));
    return ts_alloc(&g->counts, 2 * (size_t)ts_shards_size(s), sizeof *g->counts);
}

void ts_gather_deinit(ts_gather *g)
{
    if (g->params)
        g->params->keeper = (ts_param_keeper){ 0 };
    ts_visit_deinit(&g->visit);
    ts_free(&g->unit);
    ts_free(&g->counts);
    *g = (ts_gather){ 0 };
}

void ts_gather_begin(ts_gather *g, bool trains)
{
    if (g->visit.params)
        ts_visit_begin(&g->visit, trains ? TS_VISIT_TRAINS : TS_VISIT_EVALUATES);
}

ts_status ts_gather_update(ts_gather *g)
{
    if (!g->params)
        return TS_OK;
    if (g->visit.params)
        return ts_visit_leave(&g->visit);
    for (int64_t u = 0; u < shards_of(g)->n_units; u++) {
        ts_param_set_fill_own(g->params, u);
        g->unit[u].state = TS_GATHER_OLD;
    }
    g->missing = shards_of(g)->n_units;
    TS_TRY(g->params->dev->sync(g->params->dev));
    return g->overlap ? start(g, 0) : ts_gather_finish(g);
}

ts_status ts_gather_finish(ts_gather *g)
{
    if (g->visit.params)
        return ts_visit_finish(&g->visit);
    for (int64_t u = 0; g->missing && u < shards_of(g)->n_units; u++)
        TS_TRY(bring(g, u));
    return TS_OK;
}
