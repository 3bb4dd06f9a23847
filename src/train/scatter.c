#include "train/scatter.h"

#include "dist/ordered.h"

enum { STAGING = 8 << 20 }; /* bytes that are received at a time, in deterministic mode */

static const ts_shards *shards_of(const ts_scatter *s) { return &s->params->shards; }

static int64_t length(const ts_scatter *s, int64_t u)
{
    return shards_of(s)->begin[u + 1] - shards_of(s)->begin[u];
}

/* Who shares unit u out. */
static ts_comm *comm_of(const ts_scatter *s, int64_t u)
{
    return ts_sharers_share(s->sharers, shards_of(s)->is_expert[u]);
}

/* Who has the same shares of it; NULL: nobody. */
static ts_comm *copies_of(const ts_scatter *s, int64_t u)
{
    return ts_sharers_copies(s->sharers, shards_of(s)->is_expert[u]);
}

static bool in_units(const ts_scatter *s) { return ts_scatter_hears_all(s); }

static bool is_far(const ts_scatter *s) { return s->params->dev->computes && !s->params->dev->on_host; }

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
    const int64_t least = (int64_t)ts_shards_size(shards_of(s)) * 64, longest = ts_shards_longest(shards_of(s));
    s->n_room = longest < STAGING / (int64_t)sizeof(float) ? longest : STAGING / (int64_t)sizeof(float);
    s->n_room = s->n_room > least ? s->n_room : least;
    return is_far(s) ? TS_OK : ts_storage_create(s->params->dev, TS_MEM_COMM, (size_t)s->n_room * sizeof(float), &s->room);
}

static ts_status bring(void *ctx, const ts_param *p);

static ts_status make_own(ts_scatter *s)
{
    if (in_units(s))
        s->params->grad_keeper = (ts_param_keeper){ bring, s };
    if (s->o.uses_now)
        return TS_OK;
    if (s->o.train)
        TS_TRY(ts_main_grads_init(&s->main, s->o.train, s->params));
    if (ts_main_grads_are_here(&s->main))
        return TS_OK;
    return ts_storage_create(s->params->dev, TS_MEM_GRAD,
                             (size_t)shards_of(s)->most * sizeof(float), &s->own);
}

ts_status ts_scatter_init(ts_scatter *s, const ts_scatter_options *o, ts_param_set *params,
                          const ts_sharers *sharers)
{
    *s = (ts_scatter){ 0 };
    if (ts_shards_alone(&params->shards) && !params->shards.o.by_unit)
        return TS_OK;
    *s = (ts_scatter){ .params = params, .sharers = sharers, .o = *o, .pending = -1 };
    s->o.overlap = o->overlap && !o->deterministic; /* terms of a sum wait for each other's turn */
    TS_TRY(ts_alloc(&s->unit, (size_t)params->shards.n_units, sizeof *s->unit));
    TS_TRY(ts_alloc(&s->counts, 2 * (size_t)ts_shards_size(&params->shards), sizeof *s->counts));
    count_params(s);
    if (o->deterministic || in_units(s))
        TS_TRY(make_own(s));
    if (o->deterministic)
        return make_ordered(s);
    s->n_room = o->in_bf16 ? ts_shards_longest(shards_of(s)) : 0;
    return s->n_room ? ts_storage_create(params->dev, TS_MEM_COMM,
                                         (size_t)s->n_room * ts_dtype_size(TS_DTYPE_BF16), &s->room)
                     : TS_OK;
}

void ts_scatter_deinit(ts_scatter *s)
{
    for (int64_t u = 0; s->unit && u < shards_of(s)->n_units; u++)
        ts_storage_release(&s->unit[u].grads);
    if (s->params)
        s->params->grad_keeper = (ts_param_keeper){ 0 };
    ts_storage_release(&s->own);
    ts_main_grads_deinit(&s->main);
    ts_storage_release(&s->room);
    ts_free(&s->unit);
    ts_free(&s->counts);
    *s = (ts_scatter){ 0 };
}

/* ---- one unit ---- */

/* In elements of the unit; returns those of the own share, which begins at *at. */
static int64_t cut(const ts_scatter *s, int64_t u, int64_t *at)
{
    const int size = ts_shard_size(shards_of(s), u), me = ts_shard_rank(shards_of(s), u);
    int64_t *counts = s->counts, *offsets = s->counts + size;
    for (int r = 0; r < size; r++) {
        offsets[r] = ts_shard_begin(shards_of(s), u, r) - shards_of(s)->begin[u];
        counts[r] = ts_shard_begin(shards_of(s), u, r + 1) - ts_shard_begin(shards_of(s), u, r);
    }
    *at = offsets[me];
    return counts[me];
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
    ts_comm *comm = comm_of(s, u);
    int64_t at;
    const int64_t n = cut(s, u, &at);
    uint16_t *room = s->room->data;
    convert(s, all, TS_DTYPE_F32, room, TS_DTYPE_BF16, length(s, u));
    TS_TRY(ts_group_run_on(s->params->dev, comm,
                           ts_reduce_scatter_v(room, room + at, s->counts, s->counts + comm->size, TS_COMM_BF16,
                                               TS_COMM_SUM),
                           length(s, u), n));
    convert(s, room + at, TS_DTYPE_BF16, all + at, TS_DTYPE_F32, n);
    return TS_OK;
}

static float *unit_grads(const ts_scatter *s, int64_t u)
{
    if (s->unit[u].grads)
        return s->unit[u].grads->data;
    return (float *)s->params->grads->data + shards_of(s)->begin[u];
}

static ts_status send(ts_scatter *s, int64_t u)
{
    float *all = unit_grads(s, u);
    ts_comm *comm = comm_of(s, u);
    int64_t at;
    s->unit[u].is_sent = true;
    if (comm->size == 1)
        return TS_OK;
    if (s->o.in_bf16)
        return sum_in_bf16(s, u, all);
    const int64_t n = cut(s, u, &at);
    return ts_group_start(s->params->dev, comm,
                          ts_reduce_scatter_v(all, all + at, s->counts, s->counts + comm->size, TS_COMM_F32,
                                              TS_COMM_SUM),
                          length(s, u), n, &s->unit[u].call);
}

/* By way of memory of the host. */
static ts_status add_in_order_far(ts_scatter *s, int64_t u, float *own, const int64_t *border)
{
    ts_device *dev = s->params->dev;
    const int64_t n = length(s, u), n_own = shards_of(s)->own[u + 1] - shards_of(s)->own[u];
    const size_t bytes = (size_t)n_own * sizeof(float);
    float *grads;
    TS_TRY(ts_alloc(&grads, (size_t)(n + n_own + s->n_room), sizeof *grads));
    float *sums = grads + n;
    dev->to_host(dev, grads, unit_grads(s, u), (size_t)n * sizeof(float));
    ts_status st = ts_device_read(dev, sums, own, bytes);
    if (st == TS_OK)
        st = ts_ordered_add_own(comm_of(s, u), grads, sums, n, border, sums + n_own, s->n_room);
    if (st == TS_OK)
        dev->to_device(dev, own, sums, bytes);
    ts_free(&grads);
    return st;
}

/* Adds one micro-batch of every rank to the own share. */
static ts_status add_in_order(ts_scatter *s, int64_t u)
{
    const bool computes = s->params->dev->computes;
    float *own = computes ? (float *)s->own->data + shards_of(s)->own[u] : NULL;
    const int64_t *border = shards_of(s)->border ? shards_of(s)->border + u * (ts_shards_size(shards_of(s)) + 1) : NULL;
    if (is_far(s))
        return add_in_order_far(s, u, own, border);
    return ts_ordered_add_own(comm_of(s, u), unit_grads(s, u), own, length(s, u), border, s->room->data, s->n_room);
}

/* ---- a unit whose gradients are here while they are made ---- */

/* Memory for all of it. */
static ts_status bring(void *ctx, const ts_param *p)
{
    ts_scatter *s = ctx;
    const ts_shards *h = shards_of(s);
    const int64_t u = ts_shard_unit(h, p->offset);
    TS_ASSERT(!s->unit[u].grads, "%s: its gradients are here", p->name);
    TS_TRY(ts_storage_create(s->params->dev, TS_MEM_GRAD, (size_t)length(s, u) * sizeof(float),
                             &s->unit[u].grads));
    for (int64_t i = h->param[u]; i < h->param[u + 1]; i++) {
        ts_param *q = s->params->p[i];
        if (ts_param_is_trained(q)) {
            q->grad = (float *)s->unit[u].grads->data + (q->offset - h->begin[u]);
            ts_param_grad_clear(q);
        }
    }
    return TS_OK;
}

static void drop(ts_scatter *s, int64_t u)
{
    const ts_shards *h = shards_of(s);
    for (int64_t i = h->param[u]; i < h->param[u + 1]; i++) {
        s->params->p[i]->grad = NULL;
        s->params->p[i]->grad_empty = false;
    }
    ts_storage_release(&s->unit[u].grads);
}

/* Where a piece of unit u is among its gradients. */
static const float *piece_grads(const ts_scatter *s, int64_t u, const ts_shard_piece *x)
{
    return unit_grads(s, u) + (x->p->offset + x->at - shards_of(s)->begin[u]);
}

/* The sum of the own share, over all ranks, joins those of earlier micro-batches. */
static void add_own(ts_scatter *s, int64_t u)
{
    const ts_shards *h = shards_of(s);
    const bool begins = !s->unit[u].has_sum;
    s->unit[u].has_sum = true;
    for (int64_t i = h->first[u]; ts_main_grads_are_here(&s->main) && i < h->first[u + 1]; i++)
        ts_main_grads_add(&s->main, &h->piece[i], piece_grads(s, u, &h->piece[i]), begins);
    if (ts_main_grads_are_here(&s->main))
        return;
    const float *sum = unit_grads(s, u) + (ts_shard_own_begin(h, u) - h->begin[u]);
    float *own = (float *)s->own->data + h->own[u];
    const int64_t n = h->own[u + 1] - h->own[u];
    const ts_elementwise_args a = { .x_dtype = TS_DTYPE_F32, .z_dtype = TS_DTYPE_F32,
                                    .y_dtype = TS_DTYPE_F32, .x = sum, .z = own, .y = own,
                                    .alpha = 1, .beta = 1 };
    if (begins)
        convert(s, sum, TS_DTYPE_F32, own, TS_DTYPE_F32, n);
    else
        ts_launch_add(s->params->dev, &a, n, (ts_cost){ (double)n, 12 * (double)n, TS_DTYPE_F32 });
}

/* Gradients that are not kept, of all who have the same shares. */
static ts_status use_now(ts_scatter *s, int64_t u)
{
    const ts_shards *h = shards_of(s);
    const ts_step_grads g = { .all = unit_grads(s, u), .from = h->begin[u] };
    ts_comm *copies = copies_of(s, u);
    if (copies) {
        float *own = (float *)s->unit[u].grads->data + (ts_shard_own_begin(h, u) - h->begin[u]);
        TS_TRY(s->params->dev->sync(s->params->dev));
        TS_TRY(ts_comm_run(copies, ts_all_reduce(own, h->own[u + 1] - h->own[u], TS_COMM_F32, TS_COMM_SUM)));
    }
    return s->use(s->use_ctx, u, &g);
}

static ts_status finish_pending(ts_scatter *s)
{
    const int64_t u = s->pending;
    if (u < 0)
        return TS_OK;
    s->pending = -1;
    TS_TRY(ts_group_wait(s->params->dev, comm_of(s, u), &s->unit[u].call));
    if (s->o.uses_now)
        TS_TRY(use_now(s, u));
    else
        add_own(s, u);
    drop(s, u);
    return TS_OK;
}

/* A unit that is complete. While it is on its way the next one is made. */
static ts_status pass_on(ts_scatter *s, int64_t u)
{
    const ts_shards *h = shards_of(s);
    for (int64_t i = h->param[u]; i < h->param[u + 1]; i++)
        ts_param_grad_settle(s->params->p[i]);
    TS_TRY(s->params->dev->sync(s->params->dev));
    TS_TRY(finish_pending(s));
    if (s->o.deterministic) {
        TS_TRY(add_in_order(s, u));
        drop(s, u);
        return TS_OK;
    }
    TS_TRY(send(s, u));
    s->pending = u;
    return s->o.overlap ? TS_OK : finish_pending(s);
}

/* Units with parameters that were not used in this piece. */
static ts_status pass_on_rest(ts_scatter *s)
{
    for (int64_t u = shards_of(s)->n_units - 1; u >= 0; u--)
        if (s->unit[u].grads && u != s->pending)
            TS_TRY(pass_on(s, u));
    return finish_pending(s);
}

/* What had no gradient in this step. */
static void clear_rest(ts_scatter *s)
{
    const ts_shards *h = shards_of(s);
    for (int64_t i = 0; ts_main_grads_are_here(&s->main) && i < h->n_pieces; i++)
        if (!s->unit[ts_shard_unit(h, h->piece[i].p->offset)].has_sum)
            ts_main_grads_clear(&s->main, &h->piece[i]);
    for (int64_t u = 0; s->own && u < h->n_units && !s->o.deterministic; u++)
        if (!s->unit[u].has_sum)
            s->params->dev->zero(s->params->dev, (float *)s->own->data + h->own[u],
                                 (size_t)(h->own[u + 1] - h->own[u]) * sizeof(float));
}

/* ---- a step ---- */

ts_status ts_scatter_begin(ts_scatter *s)
{
    for (int64_t u = 0; u < shards_of(s)->n_units; u++)
        s->unit[u].has_sum = s->unit[u].is_sent = false;
    if (s->o.deterministic)
        s->params->dev->zero(s->params->dev, s->own->data, s->own->bytes);
    return TS_OK;
}

void ts_scatter_enter(ts_scatter *s)
{
    for (int64_t u = 0; u < shards_of(s)->n_units; u++)
        s->unit[u].missing = s->unit[u].params;
}

ts_status ts_scatter_param_done(ts_scatter *s, const ts_param *p)
{
    int64_t u, last;
    units_of(s, p, &u, &last);
    for (; last >= u; last--)
        if (--s->unit[last].missing == 0 && in_units(s))
            TS_TRY(pass_on(s, last));
        else if (s->unit[last].missing == 0 && s->o.overlap && !s->o.in_bf16)
            TS_TRY(send(s, last));
    return TS_OK;
}

ts_status ts_scatter_progress(ts_scatter *s)
{
    bool done;
    for (int64_t u = shards_of(s)->n_units - 1; u >= 0; u--)
        if (s->unit[u].call.request)
            return ts_comm_test(comm_of(s, u), &s->unit[u].call.request, &done);
    return TS_OK;
}

ts_status ts_scatter_leave(ts_scatter *s)
{
    if (in_units(s))
        return pass_on_rest(s);
    if (!s->o.deterministic)
        return TS_OK;
    TS_TRY(s->params->dev->sync(s->params->dev));
    for (int64_t u = 0; u < shards_of(s)->n_units; u++)
        TS_TRY(add_in_order(s, u));
    return TS_OK;
}

/* The sums of those that share out and of their copies. */
static ts_status add_copies(ts_scatter *s)
{
    const ts_shards *h = shards_of(s);
    if (!s->sharers->copies && !s->sharers->expert_copies)
        return TS_OK;
    if (ts_main_grads_are_here(&s->main))
        return ts_main_grads_all_reduce(&s->main, s->sharers);
    for (int64_t u = 0; u < h->n_units; u++) {
        float *v = s->own ? (float *)s->own->data + h->own[u] : (float *)s->params->grads->data + ts_shard_own_begin(h, u);
        const int64_t n = h->own[u + 1] - h->own[u];
        TS_TRY(ts_group_run_on(s->params->dev, copies_of(s, u), ts_all_reduce(v, n, TS_COMM_F32, TS_COMM_SUM), n, n));
    }
    return TS_OK;
}

ts_status ts_scatter_finish(ts_scatter *s, float **sums)
{
    *sums = s->own ? s->own->data : s->params->grads ? s->params->grads->data : NULL;
    if (s->o.uses_now)
        return TS_OK;
    if (ts_scatter_is_own(s)) {
        clear_rest(s);
        return add_copies(s);
    }
    TS_TRY(s->params->dev->sync(s->params->dev));
    for (int64_t u = shards_of(s)->n_units - 1; u >= 0; u--)
        if (!s->unit[u].is_sent)
            TS_TRY(send(s, u));
    for (int64_t u = 0; u < shards_of(s)->n_units; u++)
        TS_TRY(ts_group_wait(s->params->dev, comm_of(s, u), &s->unit[u].call));
    return add_copies(s);
}
