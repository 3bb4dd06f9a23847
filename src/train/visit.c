#include "train/visit.h"

/* ---- one unit ---- */

/* Where the values of a unit's parameters are; NULL: nowhere. */
static void place_values(const ts_visit *v, int64_t u, char *data)
{
    const ts_shards *s = &v->params->shards;
    const int64_t begin = ts_param_set_byte(v->params, s->begin[u]);
    for (int64_t i = s->param[u]; i < s->param[u + 1]; i++) {
        ts_param *p = v->params->p[i];
        if (ts_param_is_trained(p))
            p->value = data ? data + (p->byte - begin) : NULL;
    }
}

static ts_status gather(ts_visit *v, int64_t u, char *data)
{
    const int size = v->comm->size;
    const int64_t mine = ts_param_set_unit_bytes(v->params, u, v->counts, v->counts + size);
    return ts_comm_start(v->comm,
                         ts_all_gather_v(data + mine, v->counts[v->comm->rank], data, v->counts,
                                         v->counts + size, TS_COMM_U8),
                         &v->request);
}

/* Memory for a unit, the own share in it, and the others' on their way. */
static ts_status send_for(ts_visit *v, int64_t u)
{
    const ts_shards *s = &v->params->shards;
    const int64_t bytes = ts_param_set_byte(v->params, s->begin[u + 1]) -
                          ts_param_set_byte(v->params, s->begin[u]);
    TS_TRY(ts_storage_create(v->params->dev, TS_MEM_WEIGHT, (size_t)bytes, &v->ahead));
    v->coming = u;
    place_values(v, u, v->ahead->data);
    ts_param_set_fill_own(v->params, u);
    TS_TRY(v->params->dev->sync(v->params->dev));
    return gather(v, u, v->ahead->data);
}

static void drop(ts_visit *v)
{
    if (v->current >= 0)
        place_values(v, v->current, NULL);
    ts_storage_release(&v->here);
    v->current = -1;
}

/* The unit that is coming is the current one. */
static ts_status arrive(ts_visit *v)
{
    TS_TRY(ts_comm_wait(v->comm, &v->request));
    drop(v);
    v->current = v->coming, v->here = v->ahead;
    v->coming = -1, v->ahead = NULL;
    return TS_OK;
}

/* ---- the order ---- */

/* Unit u is used now. */
static ts_status note(ts_visit *v, int64_t u)
{
    ts_visit_trace *t = v->in;
    if (v->at < t->n && t->unit[v->at] == u) {
        v->at++;
        return TS_OK;
    }
    t->n = v->at; /* another order than before, or the first time */
    TS_TRY(ts_grow(&t->unit, &t->cap, t->n + 1, sizeof *t->unit));
    t->unit[t->n++] = u;
    v->at++;
    return TS_OK;
}

static ts_status switch_to(ts_visit *v, int64_t u)
{
    if (v->coming >= 0 && v->coming != u) /* was not used: another order */
        TS_TRY(arrive(v));
    if (v->current != u && v->coming < 0) {
        drop(v);
        TS_TRY(send_for(v, u));
    }
    if (v->coming == u)
        TS_TRY(arrive(v));
    TS_TRY(note(v, u));
    const bool known = v->at < v->in->n;
    return known ? send_for(v, v->in->unit[v->at]) : TS_OK;
}

static ts_status need(void *ctx, const ts_param *p)
{
    ts_visit *v = ctx;
    bool done;
    if (p->offset < 0)
        return TS_OK;
    const int64_t u = ts_shard_unit(&v->params->shards, p->offset);
    if (u != v->current)
        return switch_to(v, u);
    return v->coming >= 0 ? ts_comm_test(v->comm, &v->request, &done) : TS_OK;
}

/* ---- all ---- */

ts_status ts_visit_init(ts_visit *v, ts_param_set *params, ts_comm *comm)
{
    *v = (ts_visit){ .params = params, .comm = comm, .current = -1, .coming = -1, .in = v->trace };
    params->keeper = (ts_param_keeper){ need, v };
    return ts_alloc(&v->counts, 2 * (size_t)comm->size, sizeof *v->counts);
}

void ts_visit_deinit(ts_visit *v)
{
    ts_storage_release(&v->here);
    ts_storage_release(&v->ahead);
    for (int i = 0; i < TS_VISIT_PASSES; i++)
        ts_free(&v->trace[i].unit);
    ts_free(&v->counts);
    *v = (ts_visit){ 0 };
}

void ts_visit_begin(ts_visit *v, ts_visit_pass pass)
{
    v->in = &v->trace[pass];
    v->at = 0;
}

ts_status ts_visit_leave(ts_visit *v)
{
    if (v->coming >= 0)
        TS_TRY(arrive(v));
    drop(v);
    return TS_OK;
}
