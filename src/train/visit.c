#include "train/visit.h"

#include "dist/ordered.h"

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

static int64_t bytes_of(const ts_visit *v, int64_t u)
{
    const ts_shards *s = &v->params->shards;
    return ts_param_set_byte(v->params, s->begin[u + 1]) - ts_param_set_byte(v->params, s->begin[u]);
}

static void copy(const ts_visit *v, const void *from, void *to, int64_t bytes)
{
    const int64_t n = bytes / (int64_t)sizeof(float); /* units are whole lines */
    const ts_elementwise_args a = { .x_dtype = TS_DTYPE_F32, .y_dtype = TS_DTYPE_F32, .x = from, .y = to };
    ts_launch_copy(v->params->dev, &a, n, (ts_cost){ 0, 2 * (double)bytes, TS_DTYPE_F32 });
}

/* Of a unit, in bytes, what near process r keeps. */
static int64_t near_begin(const ts_visit *v, int64_t u, int r)
{
    return ts_ordered_begin(bytes_of(v, u), v->near->size, r);
}

/* Counts and offsets of what each brings, this process's part already in its place. */
static int64_t parts_of_near(ts_visit *v, int64_t u, char *data)
{
    const int n = v->near->size, me = v->near->rank;
    for (int r = 0; r < n; r++) {
        v->counts[n + r] = near_begin(v, u, r);
        v->counts[r] = near_begin(v, u, r + 1) - v->counts[n + r];
    }
    copy(v, v->part[u].kept->data, data + v->counts[n + me], v->counts[me]);
    return v->counts[n + me];
}

static ts_status gather(ts_visit *v, int64_t u, char *data)
{
    const bool is_near = v->near && v->part[u].is_new;
    int64_t mine;
    v->by = is_near ? v->near : ts_sharers_share(v->sharers, v->params->shards.is_expert[u]);
    const int size = v->by->size;
    if (is_near) {
        mine = parts_of_near(v, u, data);
    } else {
        ts_param_set_fill_own(v->params, u);
        mine = ts_param_set_unit_bytes(v->params, u, v->counts, v->counts + size);
    }
    if (v->by->size == 1)
        return TS_OK;
    const int64_t n = v->counts[v->by->rank];
    return ts_group_start(v->params->dev, v->by,
                          ts_all_gather_v(data + mine, n, data, v->counts, v->counts + size, TS_COMM_U8), n,
                          bytes_of(v, u), &v->call);
}

/* Of a unit that has come from all, this process's part for those near. */
static ts_status keep(ts_visit *v, int64_t u)
{
    if (!v->near || v->part[u].is_new)
        return TS_OK;
    const int64_t begin = near_begin(v, u, v->near->rank),
                  n = near_begin(v, u, v->near->rank + 1) - begin;
    ts_visit_part *part = &v->part[u];
    if (!part->kept)
        TS_TRY(ts_storage_create(v->params->dev, TS_MEM_WEIGHT, (size_t)n, &part->kept));
    copy(v, (char *)v->here->data + begin, part->kept->data, n);
    part->is_new = true;
    return TS_OK;
}

/* Memory for a unit, the own share in it, and the others' on their way. */
static ts_status send_for(ts_visit *v, int64_t u)
{
    TS_TRY(ts_storage_create(v->params->dev, TS_MEM_WEIGHT, (size_t)bytes_of(v, u), &v->ahead));
    v->coming = u;
    place_values(v, u, v->ahead->data);
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
    TS_TRY(ts_group_wait(v->params->dev, v->by, &v->call));
    drop(v);
    v->current = v->coming, v->here = v->ahead;
    v->coming = -1, v->ahead = NULL;
    return keep(v, v->current);
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
    if (ts_shards_size(&v->params->shards) == 1)
        return TS_OK;
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
    return v->coming >= 0 ? ts_comm_test(v->by, &v->call.request, &done) : TS_OK;
}

/* ---- all ---- */

ts_status ts_visit_init(ts_visit *v, ts_param_set *params, const ts_sharers *sharers)
{
    *v = (ts_visit){ .params = params, .sharers = sharers, .near = sharers->near, .current = -1, .coming = -1,
                     .in = v->trace };
    params->keeper = (ts_param_keeper){ need, v };
    if (v->near)
        TS_TRY(ts_alloc(&v->part, (size_t)params->shards.n_units, sizeof *v->part));
    return ts_alloc(&v->counts, 2 * (size_t)ts_shards_size(&params->shards), sizeof *v->counts);
}

void ts_visit_deinit(ts_visit *v)
{
    ts_storage_release(&v->here);
    ts_storage_release(&v->ahead);
    for (int64_t u = 0; v->part && u < v->params->shards.n_units; u++)
        ts_storage_release(&v->part[u].kept);
    ts_free(&v->part);
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

ts_status ts_visit_finish(ts_visit *v) { return v->coming >= 0 ? arrive(v) : TS_OK; }

ts_status ts_visit_leave(ts_visit *v)
{
    TS_TRY(ts_visit_finish(v));
    drop(v);
    for (int64_t u = 0; v->part && u < v->params->shards.n_units; u++)
        v->part[u].is_new = false;
    return TS_OK;
}
