#include "train/qk_clip.h"

#include "ops/group.h"

#include <math.h>

void ts_qk_clip_begin(ts_param_set *s)
{
    const int64_t n = s->n_tops;
    const ts_elementwise_args a = { .y_dtype = TS_DTYPE_F32, .y = n ? s->tops->data : NULL, .alpha = -INFINITY };
    if (n)
        ts_launch_fill(s->dev, &a, n, (ts_cost){ 0, 4 * (double)n, TS_DTYPE_F32 });
}

static ts_status read_tops(const ts_param_set *s, float **out)
{
    const size_t n = (size_t)s->n_tops;
    TS_TRY(ts_alloc(out, n, sizeof **out));
    const ts_status st = n ? ts_device_read(s->dev, *out, s->tops->data, n * sizeof **out) : TS_OK;
    if (st != TS_OK)
        ts_free(out);
    return st;
}

/* Of weights that layers on several stages use. */
static ts_status share_blocks(ts_param_set *s, const ts_mesh *mesh)
{
    for (size_t i = 0; i < s->n; i++) {
        const ts_param *p = s->p[i];
        const int64_t n = p->tops && p->block ? ts_param_queries(p) : 0;
        if (n)
            TS_TRY(ts_group_run_on(s->dev, mesh->blocks[p->block - 1], ts_all_reduce(p->tops, n, TS_COMM_F32, TS_COMM_MAX),
                                   n, n));
    }
    return TS_OK;
}

ts_status ts_qk_clip_share(ts_param_set *s, const ts_mesh *mesh, double *most)
{
    const int64_t n = s->n_tops;
    float *tops;
    *most = -INFINITY;
    if (n)
        TS_TRY(ts_group_run_on(s->dev, mesh->comm[TS_MESH_DP_CP],
                               ts_all_reduce(s->tops->data, n, TS_COMM_F32, TS_COMM_MAX), n, n));
    TS_TRY(share_blocks(s, mesh));
    TS_TRY(read_tops(s, &tops));
    for (int64_t i = 0; i < n; i++)
        *most = (double)tops[i] > *most ? (double)tops[i] : *most;
    ts_free(&tops);
    return ts_comm_run(mesh->world, ts_all_reduce(most, 1, TS_COMM_F64, TS_COMM_MAX));
}

/* Elements [at, at + n) of p, as far as their masters are here. */
static void shrink(const ts_param *p, int64_t at, int64_t n, double by)
{
    const ts_param_set *s = p->set;
    int64_t i, end = ts_param_pieces(p, &i);
    for (; i < end; i++) {
        const ts_shard_piece *x = &s->shards.piece[i];
        const int64_t from = at > x->at ? at : x->at, to = at + n < x->at + x->n ? at + n : x->at + x->n;
        const ts_dtype t = ts_shard_piece_type(x);
        char *v = (char *)ts_shard_piece_master(x) + (size_t)(from - x->at) * ts_dtype_size(t);
        const ts_elementwise_args a = { .x_dtype = t, .z_dtype = t, .y_dtype = t, .x = v, .z = v, .y = v,
                                        .alpha = (float)by };
        if (from < to)
            ts_launch_add(s->dev, &a, to - from,
                          (ts_cost){ (double)(to - from), 2 * (double)((to - from) * (int64_t)ts_dtype_size(t)),
                                     TS_DTYPE_F32 });
    }
}

/* Weight or bias of one layer; top [heads of queries]. */
static void clip(ts_param *p, const float *top, const ts_train_options *o)
{
    const ts_param_bands b = ts_param_bands_here(p);
    const int64_t group = b.rows[0] + b.rows[1] + b.rows[2] + b.rows[3], queries = b.rows[0] / b.head,
                  gates = b.n == 4 ? b.rows[1] : 0, keys = b.rows[b.n - 2];
    for (int64_t g = 0; g < p->dim[0] / group; g++) {
        double most = -INFINITY;
        for (int64_t h = 0; h < queries; h++)
            most = (double)top[g * queries + h] > most ? (double)top[g * queries + h] : most;
        if (!(most > o->qk_clip_threshold))
            continue;
        const double eta = o->qk_clip_threshold / most;
        const int64_t first = g * group * p->dim[1], n = b.rows[0] * p->dim[1];
        shrink(p, first, n, pow(eta, o->qk_clip_alpha));
        shrink(p, first + n + gates * p->dim[1], keys * p->dim[1], pow(eta, 1 - o->qk_clip_alpha));
        p->version++; /* the optimizer may have made its forms */
    }
}

ts_status ts_qk_clip_apply(ts_param_set *s, const ts_train_options *o)
{
    float *tops;
    if (!o->qk_clip || !s->n_tops || !s->dev->computes)
        return TS_OK;
    TS_TRY(read_tops(s, &tops));
    for (size_t i = 0; i < s->n; i++)
        if (s->p[i]->tops && ts_param_is_trained(s->p[i]))
            clip(s->p[i], tops + (s->p[i]->tops - (float *)s->tops->data), o);
    ts_free(&tops);
    return TS_OK;
}
