#include "train/grads.h"

#include <string.h>

enum { STAGING = 8 << 20 };

/* ---- made ---- */

static ts_status make_reducer(ts_grads *g, bool overlap, int64_t bucket)
{
    const ts_param_set *p = g->params;
    int64_t *offset = NULL, *count = NULL;
    ts_status st = ts_alloc(&offset, p->n, sizeof *offset);
    if (st == TS_OK)
        st = ts_alloc(&count, p->n, sizeof *count);
    for (size_t i = 0; st == TS_OK && i < p->n; i++) {
        if (!ts_param_is_trained(p->p[i])) /* empty: never reported done */
            continue;
        offset[i] = p->p[i]->offset;
        count[i] = ts_param_count(p->p[i]);
    }
    if (st == TS_OK)
        st = ts_reducer_create(g->of, g->n_of, ts_staged_grads(&g->staged), offset, count, (int64_t)p->n, bucket,
                               overlap, &g->reducer);
    ts_free(&offset);
    ts_free(&count);
    return st;
}

/* Elements of a parameter that the tensor-parallel group sums, of this process. */
static int64_t part_of(const ts_param *p)
{
    return p->parts.slots && ts_param_is_trained(p) ? (p->dim[0] - p->parts.from) * p->dim[1] : 0;
}

/* What the tensor-parallel group sums at the end of a step: few and short, so by way of the host. */
static ts_status make_parts(ts_grads *g, ts_comm *group)
{
    g->group = group->size > 1 ? group : NULL;
    for (size_t i = 0; g->group && i < g->params->n; i++)
        g->n_parts += part_of(g->params->p[i]) * g->params->p[i]->parts.slots;
    return g->n_parts && g->dev->computes ? ts_alloc(&g->parts, (size_t)g->n_parts, sizeof *g->parts)
                                          : TS_OK;
}

/* Stretches of the flat arrays that one group sums: all, or, where experts have another, by turns. */
static ts_status make_stretches(ts_grads *g, const ts_sharers *sharers, ts_comm *all)
{
    const ts_param_set *p = g->params;
    size_t cap = 0;
    TS_TRY(ts_grow(&g->of, &cap, 1, sizeof *g->of));
    g->of[g->n_of++] = (ts_reduced){ 0, p->total, all };
    for (size_t i = 0; sharers->expert_share && i < p->n; i++) {
        ts_comm *comm = p->p[i]->is_expert ? sharers->expert_share : all;
        ts_reduced *last = &g->of[g->n_of - 1];
        if (!ts_param_is_trained(p->p[i]) || comm == last->comm)
            continue;
        last->end = p->p[i]->offset;
        TS_TRY(ts_grow(&g->of, &cap, (size_t)g->n_of + 1, sizeof *g->of));
        g->of[g->n_of++] = (ts_reduced){ p->p[i]->offset, p->total, comm };
    }
    return TS_OK;
}

static int largest_group(const ts_grads *g)
{
    int most = 1;
    for (int64_t i = 0; i < g->n_of; i++)
        most = g->of[i].comm->size > most ? g->of[i].comm->size : most;
    return most;
}

/* The stages that have p too, each with a part of its gradient; NULL: none. */
static ts_comm *stages_of(const ts_mesh *mesh, const ts_param *p)
{
    if (!ts_param_is_trained(p))
        return NULL;
    return p->at_both_ends ? mesh->embd : p->block ? mesh->blocks[p->block - 1] : NULL;
}

ts_status ts_grads_init(ts_grads *g, const ts_train_options *o, const ts_mesh *mesh,
                        const ts_sharers *sharers, ts_param_set *params, bool overlap, int64_t bucket)
{
    ts_device *dev = params->dev;
    const size_t bytes = (size_t)params->total * sizeof(float);
    *g = (ts_grads){ .dev = dev, .params = params, .deterministic = o->deterministic };
    TS_TRY(ts_alloc(&g->chunks, params->n, sizeof *g->chunks));
    TS_TRY(make_stretches(g, sharers, mesh->comm[TS_MESH_DP_CP]));
    TS_TRY(make_parts(g, mesh->comm[TS_MESH_TP]));
    for (size_t i = 0; i < params->n; i++)
        if (stages_of(mesh, params->p[i]))
            g->mesh = mesh;
    if (!ts_shards_alone(&params->shards) || params->shards.o.by_unit)
        return ts_scatter_init(&g->scatter,
                               &(ts_scatter_options){ .overlap = overlap,
                                                      .deterministic = o->deterministic,
                                                      .in_bf16 = o->grad_reduce_in_bf16 ||
                                                                 sharers->sharing.in_bf16,
                                                      .train = o,
                                                      .uses_now = ts_train_steps_layerwise(o) },
                               params, sharers);
    if (!g->deterministic && largest_group(g) > 1) {
        TS_TRY(ts_staged_init(&g->staged, params, g->of, g->n_of, 0));
        TS_TRY(make_reducer(g, overlap, bucket));
        if (o->grad_reduce_in_bf16)
            TS_TRY(ts_reducer_use_bf16(g->reducer, dev->computes));
        g->reducer_bytes = ts_reducer_bytes(g->reducer);
        ts_device_book(dev, TS_MEM_COMM, g->reducer_bytes);
        return TS_OK;
    }
    if (!g->deterministic)
        return TS_OK;
    TS_TRY(ts_storage_create(dev, TS_MEM_GRAD, bytes, &g->acc));
    /* At least a block of every rank. */
    const size_t least = (size_t)largest_group(g) * 64 * sizeof(float);
    size_t room = bytes < STAGING ? bytes : STAGING;
    room = room > least ? room : least;
    TS_TRY(ts_staged_init(&g->staged, params, g->of, g->n_of, (int64_t)(room / sizeof(float))));
    if (largest_group(g) == 1 || g->staged.staging)
        return TS_OK;
    return ts_storage_create(dev, TS_MEM_COMM, room, &g->room);
}

void ts_grads_deinit(ts_grads *g)
{
    ts_scatter_deinit(&g->scatter);
    ts_staged_deinit(&g->staged);
    ts_storage_release(&g->acc);
    ts_storage_release(&g->room);
    ts_reducer_destroy(&g->reducer);
    ts_free(&g->parts);
    ts_free(&g->of);
    ts_free(&g->chunks);
    if (g->dev)
        ts_device_book(g->dev, TS_MEM_COMM, -g->reducer_bytes);
    *g = (ts_grads){ 0 };
}

/* ---- a step ---- */

/* Hooks cannot fail: the first failure is kept for the end of the pass. */
static void keep_failure(ts_grads *g, ts_status st)
{
    if (g->failure == TS_OK)
        g->failure = st;
}

static void on_progress(void *ctx)
{
    ts_grads *g = ctx;
    keep_failure(g, g->scatter.params ? ts_scatter_progress(&g->scatter)
                                      : ts_staged_progress(&g->staged, g->reducer));
}

static void on_param_done(void *ctx, ts_param *p)
{
    ts_grads *g = ctx;
    if (p->chunks > 1 && !ts_scatter_hears_all(&g->scatter) && ++g->chunks[p->index] < p->chunks)
        return; /* other chunks of this stage add to it */
    keep_failure(g, g->scatter.params ? ts_scatter_param_done(&g->scatter, p)
                                      : ts_staged_param_done(&g->staged, g->reducer, p));
}

ts_status ts_grads_begin(ts_grads *g)
{
    ts_param_set_clear_grads(g->params);
    g->is_begun = false;
    memset(g->chunks, 0, g->params->n * sizeof *g->chunks);
    if (g->scatter.params)
        return ts_scatter_begin(&g->scatter);
    return g->deterministic ? ts_staged_clear(&g->staged, g->acc) : TS_OK;
}

/* Hooks are on during the last micro-batch's backward only: before that a gradient is not complete. */
void ts_grads_enter(ts_grads *g, ts_tape *tape, bool is_last)
{
    if (g->deterministic)
        ts_param_set_clear_grads(g->params);
    g->failure = TS_OK;
    tape->hooks = (ts_tape_hooks){ 0 };
    if (!(is_last && (g->reducer || g->scatter.params)) && !ts_scatter_hears_all(&g->scatter))
        return;
    if (g->scatter.params && (!g->is_begun || ts_scatter_hears_all(&g->scatter)))
        ts_scatter_enter(&g->scatter);
    else if (!g->is_begun)
        ts_staged_begin(&g->staged, g->reducer);
    g->is_begun = true;
    tape->hooks = (ts_tape_hooks){ on_progress, on_param_done, g };
}

ts_status ts_grads_leave(ts_grads *g, ts_tape *tape)
{
    tape->hooks = (ts_tape_hooks){ 0 };
    TS_TRY(g->failure);
    if (g->deterministic)
        ts_param_set_settle_grads(g->params);
    if (g->scatter.params)
        return ts_scatter_leave(&g->scatter);
    return g->deterministic ? ts_staged_add(&g->staged, g->acc, g->room) : TS_OK;
}

/* Where the sum of element `at` of a piece stands. */
static float *sum_at(const ts_grads *g, float *all, const ts_shard_piece *x, int64_t at)
{
    if (ts_main_grads_are_here(&g->scatter.main))
        return ts_main_grads_plain(&g->scatter.main, x) + (at - x->at);
    return all + (ts_scatter_is_own(&g->scatter) ? x->own : x->p->offset + x->at) + (at - x->at);
}

/* Elements [from, from + n) of p between the sums that are here and the host's. */
static void copy_stretch(const ts_grads *g, const ts_param *p, int64_t from, int64_t n, float *host,
                         float *all, bool back)
{
    ts_device *dev = g->dev;
    int64_t i, end = ts_param_pieces(p, &i);
    for (; i < end; i++) {
        const ts_shard_piece *x = &g->params->shards.piece[i];
        const int64_t begin = x->at > from ? x->at : from,
                      last = x->at + x->n < from + n ? x->at + x->n : from + n;
        if (begin >= last)
            continue;
        float *here = sum_at(g, all, x, begin), *there = host + (begin - from);
        (back ? dev->to_device : dev->to_host)(dev, back ? here : there, back ? there : here,
                                               (size_t)(last - begin) * sizeof *here);
    }
}

/* Of each parameter all slots, one of which is its own. */
static void copy_parts(const ts_grads *g, float *all, bool back)
{
    float *at = g->parts;
    for (size_t i = 0; i < g->params->n; i++) {
        const ts_param *p = g->params->p[i];
        const int64_t n = part_of(p);
        if (!n)
            continue;
        copy_stretch(g, p, p->parts.from * p->dim[1], n, at + p->parts.slot * n, all, back);
        at += n * p->parts.slots;
    }
}

/* The sum over comm of what copies to the host have brought. Where shares hold the sums, each element is on one
 * process of the data-parallel group; there it is brought together first, so that the terms of a sum and their
 * order are those without shares. */
static ts_status sum_host(const ts_grads *g, ts_comm *comm, float *x, int64_t n)
{
    const ts_comm_call call = ts_all_reduce(x, n, TS_COMM_F32, TS_COMM_SUM);
    TS_TRY(g->dev->sync(g->dev));
    if (g->scatter.params)
        TS_TRY(ts_comm_run(g->scatter.sharers->share, call));
    return ts_comm_run(comm, call);
}

static ts_status sum_parts(ts_grads *g, float *all)
{
    if (g->parts) {
        memset(g->parts, 0, (size_t)g->n_parts * sizeof *g->parts);
        copy_parts(g, all, false);
    }
    TS_TRY(sum_host(g, g->group, g->parts, g->n_parts));
    if (g->parts)
        copy_parts(g, all, true);
    return TS_OK;
}

/* Elements of p that several stages have, by way of the host: these need not have shared them out alike. */
static ts_status sum_stretch(ts_grads *g, const ts_param *p, int64_t from, int64_t n, float *host, float *all)
{
    if (host) {
        memset(host, 0, (size_t)n * sizeof *host);
        copy_stretch(g, p, from, n, host, all, false);
    }
    TS_TRY(sum_host(g, stages_of(g->mesh, p), host, n));
    if (host)
        copy_stretch(g, p, from, n, host, all, true);
    return g->dev->sync(g->dev);
}

static ts_status sum_stages(ts_grads *g, float *all)
{
    enum { PIECE = 1 << 20 };
    float *host = NULL;
    ts_status st = g->dev->computes ? ts_alloc(&host, PIECE, sizeof *host) : TS_OK;
    for (size_t i = 0; st == TS_OK && i < g->params->n; i++) {
        const ts_param *p = g->params->p[i];
        const int64_t count = stages_of(g->mesh, p) ? ts_param_count(p) : 0;
        for (int64_t at = 0; st == TS_OK && at < count; at += PIECE)
            st = sum_stretch(g, p, at, count - at < PIECE ? count - at : PIECE, host, all);
    }
    ts_free(&host);
    return st;
}

ts_status ts_grads_finish(ts_grads *g, const float **sum)
{
    float *all;
    if (!g->deterministic && !ts_scatter_hears_all(&g->scatter))
        ts_param_set_settle_grads(g->params);
    if (!g->is_begun && g->reducer) /* nothing of this stage has come to its end by itself */
        ts_staged_begin(&g->staged, g->reducer);
    if (g->scatter.params) {
        TS_TRY(ts_scatter_finish(&g->scatter, &all));
    } else {
        all = g->deterministic ? g->acc->data : g->params->grads->data;
        if (g->reducer)
            TS_TRY(ts_staged_finish(&g->staged, g->reducer));
        if (g->deterministic)
            TS_TRY(ts_staged_add_up(&g->staged, g->acc));
    }
    *sum = all;
    if (g->n_parts)
        TS_TRY(sum_parts(g, all));
    return g->mesh ? sum_stages(g, all) : TS_OK;
}
