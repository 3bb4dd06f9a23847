#include "train/whole.h"

#include <string.h>

/* What a process brings: its place in the whole, and elements in the order of its share. */
static void put(const ts_place *place, const char *share, size_t size, char *whole)
{
    const int64_t n = ts_place_count(place);
    for (int64_t at = 0, first, run; at < n; at += run) {
        run = ts_place_run(place, at, &first);
        run = run < n - at ? run : n - at;
        memcpy(whole + (size_t)first * size, share + (size_t)at * size, (size_t)run * size);
    }
}

/* Buffers for one tensor at a time. Shares may overlap. */
typedef struct collector {
    ts_comm *group;
    ts_device *dev;
    ts_place *place; /* [group] */
    int64_t *counts; /* [group] bytes of each one's share, [group] where it begins */
    char *mine, *all;
} collector;

static ts_status open_collector(collector *c)
{
    const size_t n = (size_t)c->group->size;
    TS_TRY(ts_alloc(&c->place, n, sizeof *c->place));
    return ts_alloc(&c->counts, 2 * n, sizeof *c->counts);
}

/* Bytes of everyone's share of p. */
static ts_status measure(collector *c, const ts_param *p, size_t size, int64_t *total)
{
    const int n = c->group->size;
    TS_TRY(ts_comm_run(c->group, ts_all_gather(&p->place, c->place, sizeof *c->place, TS_COMM_U8)));
    *total = 0;
    for (int r = 0; r < n; r++) {
        c->counts[r] = ts_place_count(&c->place[r]) * (int64_t)size;
        c->counts[n + r] = *total;
        *total += c->counts[r];
    }
    return TS_OK;
}

/* Room, and the own share in it. */
static ts_status prepare(collector *c, const ts_param *p, const void *share, size_t size,
                         int64_t total, char **whole)
{
    const size_t mine = (size_t)ts_param_count(p) * size;
    TS_TRY(ts_alloc(&c->mine, mine, 1));
    TS_TRY(ts_alloc(&c->all, (size_t)total, 1));
    TS_TRY(ts_alloc(whole, (size_t)ts_place_whole_count(&p->place) * size, 1));
    return ts_device_read(c->dev, c->mine, share, mine);
}

static ts_status exchange(collector *c, size_t size, char *whole)
{
    const int n = c->group->size;
    TS_TRY(ts_comm_run(c->group, ts_all_gather_v(c->mine, c->counts[c->group->rank], c->all, c->counts,
                                                 c->counts + n, TS_COMM_U8)));
    for (int r = 0; r < n; r++)
        put(&c->place[r], c->all + c->counts[n + r], size, whole);
    return TS_OK;
}

static ts_status collect_one(collector *c, const ts_param *p, const void *share, size_t size,
                             char **whole)
{
    int64_t total;
    ts_status st = measure(c, p, size, &total);
    if (st == TS_OK)
        st = ts_comm_agree(c->group, prepare(c, p, share, size, total, whole));
    if (st == TS_OK)
        st = exchange(c, size, *whole);
    ts_free(&c->mine);
    ts_free(&c->all);
    return st;
}

/* The share of this process of a tensor-parallel group. */
static const void *share_of(const ts_whole *w, const ts_param *p)
{
    const char *all = w->flat ? w->flat : w->own ? w->own->data : NULL;
    if (!all || (!ts_param_is_trained(p) && w->own == w->params->master))
        return p->value;
    return ts_param_is_trained(p) ? all + (size_t)p->offset * ts_dtype_size(w->type) : NULL;
}

ts_dtype ts_whole_type(const ts_whole *w, const ts_param *p)
{
    return w->own && ts_param_is_trained(p) ? w->type : p->dtype;
}

const void *ts_whole_of(const ts_whole *w, const ts_param *p)
{
    return w->data && w->data[p->index] ? w->data[p->index] : share_of(w, p);
}

/* One unit: the own share in its place, and then the others'. */
static ts_status join_unit(ts_whole *w, ts_comm *sharers, int64_t u, int64_t *counts)
{
    const ts_shards *s = &w->params->shards;
    const size_t size = ts_dtype_size(w->type);
    const int n = sharers->size, me = sharers->rank;
    char *all = w->flat + (size_t)s->begin[u] * size;
    for (int r = 0; r < n; r++) {
        counts[n + r] = (ts_shard_begin(s, u, r) - s->begin[u]) * (int64_t)size;
        counts[r] = (ts_shard_begin(s, u, r + 1) - s->begin[u]) * (int64_t)size - counts[n + r];
    }
    char *mine = all + counts[n + me];
    TS_TRY(ts_device_read(w->params->dev, mine, (char *)w->own->data + (size_t)s->own[u] * size,
                          (size_t)counts[me]));
    return ts_comm_run(sharers, ts_all_gather_v(mine, counts[me], all, counts, counts + n, TS_COMM_U8));
}

ts_status ts_whole_join(ts_whole *w, ts_comm *sharers, const ts_param_set *params, const ts_storage *own,
                        ts_dtype type)
{
    int64_t *counts = NULL;
    *w = (ts_whole){ .params = params, .own = own ? own : params->master,
                     .type = own ? type : TS_DTYPE_F32 };
    if (!w->own || ts_shards_alone(&params->shards))
        return TS_OK;
    ts_status st = ts_alloc(&counts, 2 * (size_t)sharers->size, sizeof *counts);
    if (st == TS_OK)
        st = ts_alloc(&w->flat, (size_t)params->total * ts_dtype_size(w->type), 1);
    st = ts_comm_agree(sharers, st);
    for (int64_t u = 0; st == TS_OK && u < params->shards.n_units; u++)
        st = join_unit(w, sharers, u, counts);
    ts_free(&counts);
    if (st != TS_OK)
        ts_whole_deinit(w);
    return st;
}

ts_status ts_whole_collect(ts_whole *w, ts_comm *group)
{
    const ts_param_set *params = w->params;
    collector c = { .group = group, .dev = params->dev };
    if (group->size == 1)
        return TS_OK;
    ts_status st = ts_alloc(&w->data, params->n, sizeof *w->data);
    if (st == TS_OK)
        st = open_collector(&c);
    st = ts_comm_agree(group, st);
    for (size_t i = 0; st == TS_OK && i < params->n; i++) {
        const ts_param *p = params->p[i];
        const void *data = ts_place_is_whole(&p->place) ? NULL : share_of(w, p);
        if (data)
            st = collect_one(&c, p, data, ts_dtype_size(ts_whole_type(w, p)), &w->data[i]);
    }
    ts_free(&c.place);
    ts_free(&c.counts);
    if (st != TS_OK)
        ts_whole_deinit(w);
    return st;
}

void ts_whole_deinit(ts_whole *w)
{
    for (size_t i = 0; w->data && i < w->params->n; i++)
        ts_free(&w->data[i]);
    ts_free(&w->data);
    ts_free(&w->flat);
    *w = (ts_whole){ 0 };
}
