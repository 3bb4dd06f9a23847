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
        st = ts_reducer_create(g->comm, ts_staged_grads(&g->staged), p->total, offset, count,
                               (int64_t)p->n, bucket, overlap, &g->reducer);
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

ts_status ts_grads_init(ts_grads *g, const ts_train_options *o, ts_device *dev, const ts_mesh *mesh,
                        ts_param_set *params, bool overlap, int64_t bucket)
{
    const size_t bytes = (size_t)params->total * sizeof(float);
    ts_comm *comm = mesh->comm[TS_MESH_DP];
    *g =
        (ts_grads){ .dev = dev, .comm = comm, .params = params, .deterministic = o->deterministic };
    TS_TRY(make_parts(g, mesh->comm[TS_MESH_TP]));
    for (size_t i = 0; i < params->n; i++)
        if (params->p[i]->at_both_ends && ts_param_is_trained(params->p[i]))
            g->ends = mesh->embd;
    if (!g->deterministic && comm->size > 1) {
        TS_TRY(ts_staged_init(&g->staged, params, comm, 0));
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
    const size_t least = (size_t)comm->size * 64 * sizeof(float);
    size_t room = bytes < STAGING ? bytes : STAGING;
    room = room > least ? room : least;
    TS_TRY(ts_staged_init(&g->staged, params, comm, (int64_t)(room / sizeof(float))));
    if (comm->size == 1 || g->staged.staging)
        return TS_OK;
    return ts_storage_create(dev, TS_MEM_COMM, room, &g->room);
}

void ts_grads_deinit(ts_grads *g)
{
    ts_staged_deinit(&g->staged);
    ts_storage_release(&g->acc);
    ts_storage_release(&g->room);
    ts_reducer_destroy(&g->reducer);
    ts_free(&g->parts);
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
    keep_failure(g, ts_staged_progress(&g->staged, g->reducer));
}

static void on_param_done(void *ctx, ts_param *p)
{
    ts_grads *g = ctx;
    keep_failure(g, ts_staged_param_done(&g->staged, g->reducer, p));
}

ts_status ts_grads_begin(ts_grads *g)
{
    ts_param_set_clear_grads(g->params);
    g->is_begun = false;
    return g->deterministic ? ts_staged_clear(&g->staged, g->acc) : TS_OK;
}

/* Hooks are on during the last micro-batch's backward only: before that a gradient is not complete. */
void ts_grads_enter(ts_grads *g, ts_tape *tape, bool is_last)
{
    if (g->deterministic)
        ts_param_set_clear_grads(g->params);
    g->failure = TS_OK;
    tape->hooks = (ts_tape_hooks){ 0 };
    if (!g->reducer || !is_last)
        return;
    if (!g->is_begun)
        ts_staged_begin(&g->staged, g->reducer);
    g->is_begun = true;
    tape->hooks = (ts_tape_hooks){ on_progress, on_param_done, g };
}

ts_status ts_grads_leave(ts_grads *g, ts_tape *tape)
{
    tape->hooks = (ts_tape_hooks){ 0 };
    TS_TRY(g->failure);
    if (!g->deterministic)
        return TS_OK;
    ts_param_set_settle_grads(g->params);
    return ts_staged_add(&g->staged, g->acc, g->room);
}

/* Parts between the flat array and the host's: of each parameter all slots, one of which is its own. */
static void copy_parts(const ts_grads *g, float *all, bool back)
{
    ts_device *dev = g->dev;
    float *at = g->parts;
    for (size_t i = 0; i < g->params->n; i++) {
        const ts_param *p = g->params->p[i];
        const int64_t n = part_of(p);
        if (!n)
            continue;
        float *here = all + p->offset + p->parts.from * p->dim[1], *there = at + p->parts.slot * n;
        (back ? dev->to_device : dev->to_host)(dev, back ? here : there, back ? there : here,
                                               (size_t)n * sizeof *at);
        at += n * p->parts.slots;
    }
}

static ts_status sum_parts(ts_grads *g, float *all)
{
    if (g->parts) {
        memset(g->parts, 0, (size_t)g->n_parts * sizeof *g->parts);
        copy_parts(g, all, false);
    }
    TS_TRY(g->dev->sync(g->dev));
    TS_TRY(ts_comm_run(g->group, ts_all_reduce(g->parts, g->n_parts, TS_COMM_F32, TS_COMM_SUM)));
    if (g->parts)
        copy_parts(g, all, true);
    return TS_OK;
}

/* By way of the host where the device's memory is another. */
static ts_status sum_piece(ts_grads *g, float *at, int64_t n, float *host)
{
    const size_t bytes = (size_t)n * sizeof *at;
    float *x = host ? host : at;
    if (host)
        TS_TRY(ts_device_read(g->dev, host, at, bytes));
    TS_TRY(ts_comm_run(g->ends, ts_all_reduce(x, n, TS_COMM_F32, TS_COMM_SUM)));
    if (host)
        g->dev->to_device(g->dev, at, host, bytes);
    return TS_OK;
}

static ts_status sum_ends(ts_grads *g, float *all)
{
    enum { PIECE = 1 << 20 };
    const bool direct = g->dev->on_host || !g->dev->computes;
    float *host = NULL;
    ts_status st = g->dev->sync(g->dev);
    if (st == TS_OK && !direct)
        st = ts_alloc(&host, PIECE, sizeof *host);
    for (size_t i = 0; st == TS_OK && i < g->params->n; i++) {
        const ts_param *p = g->params->p[i];
        const int64_t count = p->at_both_ends ? ts_param_count(p) : 0;
        const int64_t piece = direct ? count : PIECE;
        for (int64_t at = 0; st == TS_OK && at < count; at += piece)
            st = sum_piece(g, g->dev->computes ? all + p->offset + at : NULL,
                           count - at < piece ? count - at : piece, host);
    }
    ts_free(&host);
    return st;
}

ts_status ts_grads_finish(ts_grads *g, const float **sum)
{
    float *all = g->deterministic ? g->acc->data : g->params->grads->data;
    *sum = all;
    if (!g->deterministic)
        ts_param_set_settle_grads(g->params);
    if (g->reducer && !g->is_begun) /* nothing of this stage is trained in the last micro-batch */
        ts_staged_begin(&g->staged, g->reducer);
    if (g->reducer)
        TS_TRY(ts_staged_finish(&g->staged, g->reducer));
    if (g->deterministic)
        TS_TRY(ts_staged_add_up(&g->staged, g->acc));
    if (g->n_parts)
        TS_TRY(sum_parts(g, all));
    return g->ends ? sum_ends(g, all) : TS_OK;
}
