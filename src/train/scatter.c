#include "train/scatter.h"

#include "dist/ordered.h"

enum { STAGING = 8 << 20 }; /* bytes that are received at a time, in deterministic mode */

static const ts_shards *shards_of(const ts_scatter *s) { return &s->params->shards; }

static int64_t length(const ts_scatter *s, int64_t u)
{
    return shards_of(s)->begin[u + 1] - shards_of(s)->begin[u];
}

/* ---- made ---- */

/* Units in which a trained parameter lies. */
static void units_of(const ts_scatter *s, const ts_param *p, int64_t *first, int64_t *last)
{
    *first = ts_shard_unit(shards_of(s), p->offset);
    *last = ts_shard_unit(shards_of(s), p->offset + ts_param_count(p) - 1);
}

static void count_params(ts_scatter *s)
{
    for (size_t i = 0; i < s->params->n; i++) {
        const ts_param *p = s->params->p[i];
        int64_t u, last;
        if (!ts_param_is_trained(p))
            continue;
        for (units_of(s, p, &u, &last); u <= last; u++)
            s->unit[u].params++;
    }
}

static ts_status make_ordered(ts_scatter *s)
{
    const int64_t least = (int64_t)s->comm->size * 64, longest = ts_shards_longest(shards_of(s));
    s->n_room = longest < STAGING / (int64_t)sizeof(float) ? longest : STAGING / (int64_t)sizeof(float);
    s->n_room = s->n_room > least ? s->n_room : least;
    TS_TRY(ts_storage_create(s->params->dev, TS_MEM_COMM, (size_t)s->n_room * sizeof(float), &s->room));
    return ts_storage_create(s->params->dev, TS_MEM_GRAD,
                             (size_t)ts_shards_own(shards_of(s)) * sizeof(float), &s->own);
}

ts_status ts_scatter_init(ts_scatter *s, const ts_scatter_options *o, ts_param_set *params,
                          ts_comm *comm)
{
    *s = (ts_scatter){ 0 };
    if (ts_shards_alone(&params->shards))
        return TS_OK;
    *s = (ts_scatter){ .params = params, .comm = comm, .o = *o };
    TS_TRY(ts_alloc(&s->unit, (size_t)params->shards.n_units, sizeof *s->unit));
    TS_TRY(ts_alloc(&s->counts, 2 * (size_t)comm->size, sizeof *s->counts));
    count_params(s);
    if (o->deterministic)
        return make_ordered(s);
    s->n_room = o->in_bf16 ? ts_shards_longest(shards_of(s)) : 0;
    return s->n_room ? ts_storage_create(params->dev, TS_MEM_COMM,
                                         (size_t)s->n_room * ts_dtype_size(TS_DTYPE_BF16), &s->room)
                     : TS_OK;
}

void ts_scatter_deinit(ts_scatter *s)
{
    ts_storage_release(&s->own);
    ts_storage_release(&s->room);
    ts_free(&s->unit);
    ts_free(&s->counts);
    *s = (ts_scatter){ 0 };
}

/* ---- one unit ---- */

/* In elements of the unit; returns those of the own share. */
static int64_t cut(const ts_scatter *s, int64_t u)
{
    const int size = s->comm->size;
    int64_t *counts = s->counts, *offsets = s->counts + size;
    for (int r = 0; r < size; r++) {
        offsets[r] = ts_ordered_begin(length(s, u), size, r);
        counts[r] = ts_ordered_begin(length(s, u), size, r + 1) - offsets[r];
    }
    return counts[s->comm->rank];
}

static void convert(const ts_scatter *s, const void *x, ts_dtype from, void *y, ts_dtype to, int64_t n)
{
    const ts_elementwise_args a = { .x_dtype = from, .y_dtype = to, .x = x, .y = y };
    ts_launch_copy(s->params->dev, &a, n,
                   (ts_cost){ 0, (double)n * (double)(ts_dtype_size(from) + ts_dtype_size(to)), to });
}

/* From `all`, a unit's gradients, the own share's sum into its place there. */
static ts_status sum_in_bf16(ts_scatter *s, int64_t u, float *all)
{
    const int64_t n = cut(s, u), at = s->counts[s->comm->size + s->comm->rank];
    uint16_t *room = s->room->data;
    convert(s, all, TS_DTYPE_F32, room, TS_DTYPE_BF16, length(s, u));
    TS_TRY(s->params->dev->sync(s->params->dev));
    TS_TRY(ts_comm_run(s->comm, ts_reduce_scatter_v(room, room + at, s->counts,
                                                    s->counts + s->comm->size, TS_COMM_BF16,
                                                    TS_COMM_SUM)));
    convert(s, room + at, TS_DTYPE_BF16, all + at, TS_DTYPE_F32, n);
    return TS_OK;
}

static float *unit_grads(const ts_scatter *s, int64_t u)
{
    return (float *)s->params->grads->data + shards_of(s)->begin[u];
}

static ts_status send(ts_scatter *s, int64_t u)
{
    float *all = unit_grads(s, u);
    s->unit[u].is_sent = true;
    if (s->o.in_bf16)
        return sum_in_bf16(s, u, all);
    cut(s, u);
    return ts_comm_start(s->comm,
                         ts_reduce_scatter_v(all, all + s->counts[s->comm->size + s->comm->rank],
                                             s->counts, s->counts + s->comm->size, TS_COMM_F32,
                                             TS_COMM_SUM),
                         &s->unit[u].request);
}

/* Adds one micro-batch of every rank to the own share. */
static ts_status add_in_order(ts_scatter *s, int64_t u)
{
    const bool computes = s->params->dev->computes;
    float *own = computes ? (float *)s->own->data + shards_of(s)->own[u] : NULL;
    return ts_ordered_add_own(s->comm, unit_grads(s, u), own, length(s, u), s->room->data, s->n_room);
}

/* ---- a step ---- */

ts_status ts_scatter_begin(ts_scatter *s)
{
    if (s->own)
        s->params->dev->zero(s->params->dev, s->own->data, s->own->bytes);
    return TS_OK;
}

void ts_scatter_enter(ts_scatter *s)
{
    for (int64_t u = 0; u < shards_of(s)->n_units; u++) {
        s->unit[u].missing = s->unit[u].params;
        s->unit[u].is_sent = false;
    }
}

ts_status ts_scatter_param_done(ts_scatter *s, const ts_param *p)
{
    int64_t u, last;
    units_of(s, p, &u, &last);
    for (; last >= u; last--)
        if (--s->unit[last].missing == 0 && s->o.overlap && !s->o.in_bf16)
            TS_TRY(send(s, last));
    return TS_OK;
}

ts_status ts_scatter_progress(ts_scatter *s)
{
    bool done;
    for (int64_t u = shards_of(s)->n_units - 1; u >= 0; u--)
        if (s->unit[u].request)
            return ts_comm_test(s->comm, &s->unit[u].request, &done);
    return TS_OK;
}

ts_status ts_scatter_leave(ts_scatter *s)
{
    if (!s->o.deterministic)
        return TS_OK;
    TS_TRY(s->params->dev->sync(s->params->dev));
    for (int64_t u = 0; u < shards_of(s)->n_units; u++)
        TS_TRY(add_in_order(s, u));
    return TS_OK;
}

ts_status ts_scatter_finish(ts_scatter *s, float **sums)
{
    *sums = s->own ? s->own->data : s->params->grads->data;
    if (s->o.deterministic)
        return TS_OK;
    TS_TRY(s->params->dev->sync(s->params->dev));
    for (int64_t u = shards_of(s)->n_units - 1; u >= 0; u--)
        if (!s->unit[u].is_sent)
            TS_TRY(send(s, u));
    for (int64_t u = 0; u < shards_of(s)->n_units; u++)
        TS_TRY(ts_comm_wait(s->comm, &s->unit[u].request));
    return TS_OK;
}
