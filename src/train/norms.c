/* The norms of an optimizer's gradients and values. */
#include "train/optimizer.h"

#include <math.h>

/* Adds up the n results of sumsq. */
static ts_status add_blocks(const ts_optimizer *z, int64_t n, double *sum)
{
    ts_device *dev = z->params->dev;
    double *host;
    if (!dev->computes)
        return TS_OK;
    TS_TRY(ts_alloc(&host, (size_t)n, sizeof *host));
    const ts_status st = ts_device_read(dev, host, z->sums->data, (size_t)n * sizeof *host);
    for (int64_t i = 0; st == TS_OK && i < n; i++)
        *sum += host[i];
    ts_free(&host);
    return st;
}

/* The zeros that sumsq has counted, but for `padding` of them. */
static ts_status add_zeros(const ts_optimizer *z, int64_t n, int64_t padding, int64_t *count)
{
    ts_device *dev = z->params->dev;
    int64_t *host;
    TS_TRY(ts_alloc(&host, (size_t)n, sizeof *host));
    const ts_status st = ts_device_read(dev, host, z->zeros->data, (size_t)n * sizeof *host);
    for (int64_t i = 0; st == TS_OK && i < n; i++)
        *count += host[i];
    *count -= padding;
    ts_free(&host);
    return st;
}

/* len numbers: adds the sum of their squares and, where zeros is given, how many are 0 but for padding. */
static ts_status add_squares(const ts_optimizer *z, const void *x, ts_dtype t, int64_t len,
                             int64_t padding, double *sum, int64_t *zeros)
{
    ts_device *dev = z->params->dev;
    const int64_t n = ts_sumsq_blocks(len);
    const bool count = zeros && z->zeros;
    const ts_sumsq_args a = { .x = x,
                              .x_dtype = t,
                              .len = len,
                              .out = z->sums->data,
                              .zeros = count ? z->zeros->data : NULL };
    ts_launch_sumsq(dev, &a, n,
                    (ts_cost){ 2.0 * (double)len, (double)len * (double)ts_dtype_size(t),
                               TS_DTYPE_F32 });
    TS_TRY(add_blocks(z, n, sum));
    return count && dev->computes ? add_zeros(z, n, padding, zeros) : TS_OK;
}

static ts_status add_over(ts_comm *comm, double both[2])
{
    return comm ? ts_comm_run(comm, ts_all_reduce(both, 2, TS_COMM_F64, TS_COMM_SUM)) : TS_OK;
}

ts_status ts_optimizer_add_up(const ts_optimizer *z, double *sum, int64_t *zeros)
{
    double both[2] = { *sum, zeros ? (double)*zeros : 0 };
    TS_TRY(add_over(z->counters, both));
    TS_TRY(add_over(z->group, both));
    *sum = both[0];
    if (zeros)
        *zeros = (int64_t)both[1];
    return TS_OK;
}

static int64_t padding_of(const ts_param_set *s)
{
    int64_t n = s->total;
    for (size_t i = 0; i < s->n; i++)
        n -= ts_param_is_trained(s->p[i]) ? ts_param_count(s->p[i]) : 0;
    return n;
}

bool ts_optimizer_counts(const ts_optimizer *z, const ts_param *p)
{
    const ts_comm *c = z->expert_sharers && p->is_expert ? z->expert_sharers : z->counters;
    if (p->is_elsewhere)
        return false;
    return !c || c->rank == 0 || (z->sharers && ts_param_is_trained(p));
}

/* Of a piece the elements, from its first on, that norms count here. */
static int64_t counted(const ts_optimizer *z, const ts_shard_piece *x)
{
    const int64_t n = ts_optimizer_counts(z, x->p) ? x->p->counted - x->at : 0;
    return n < 0 ? 0 : n < x->n ? n : x->n;
}

static ts_status add_coded(const ts_optimizer *z, const ts_shard_piece *x, double *sum)
{
    for (int64_t at = 0; at < counted(z, x); at += TS_SUMSQ_BLOCK) {
        const int64_t n = counted(z, x) - at < TS_SUMSQ_BLOCK ? counted(z, x) - at : TS_SUMSQ_BLOCK;
        ts_shard_piece_decode(x, at, n, TS_DTYPE_F32, z->joined->data);
        TS_TRY(add_squares(z, z->joined->data, TS_DTYPE_F32, n, 0, sum, NULL));
    }
    return TS_OK;
}

/* Of the values that norms count in a piece; those in halves are joined some at a time. */
static ts_status add_values(const ts_optimizer *z, const ts_shard_piece *x, double *sum)
{
    const ts_param_set *s = z->params;
    if (ts_shard_piece_codes(x))
        return add_coded(z, x, sum);
    if (!ts_param_is_parted(x->p))
        return add_squares(z, ts_shard_piece_master(x), ts_shard_piece_type(x), counted(z, x), 0, sum, NULL);
    for (int64_t at = 0; at < counted(z, x); at += TS_SUMSQ_BLOCK) {
        const int64_t n = counted(z, x) - at < TS_SUMSQ_BLOCK ? counted(z, x) - at : TS_SUMSQ_BLOCK;
        const ts_join_halves_args a = { .high = (uint16_t *)ts_shard_piece_master(x) + at,
                                        .low = (uint16_t *)s->low->data + x->own + at,
                                        .v = (float *)s->ties->data + x->own + at,
                                        .out = z->joined->data };
        ts_launch_join_halves(s->dev, &a, n, (ts_cost){ 0, 12 * (double)n, TS_DTYPE_F32 });
        TS_TRY(add_squares(z, a.out, TS_DTYPE_F32, n, 0, sum, NULL));
    }
    return TS_OK;
}

/* Those in few bits are read some at a time. */
ts_status ts_optimizer_add_grads(const ts_optimizer *z, const ts_shard_piece *x, const ts_step_grads *g, double *sum,
                                 int64_t *zeros)
{
    const ts_grads_there there = ts_step_grads_there(g, x, 0);
    const int64_t most = TS_STEP_GRADS;
    if (there.x)
        return add_squares(z, there.x, there.dtype, counted(z, x), 0, sum, zeros);
    for (int64_t at = 0; at < counted(z, x); at += most) {
        const int64_t n = counted(z, x) - at < most ? counted(z, x) - at : most;
        TS_TRY(add_squares(z, ts_step_grads_at(g, x, at, n), TS_DTYPE_F32, n, 0, sum, zeros));
    }
    return TS_OK;
}

/* What norms count here of the model, by parameters' ids: gradients, or else values. wanted: of these alone; NULL: of
 * all. */
static ts_status squares_by_id(const ts_optimizer *z, bool of_grads, const float *grads, const bool *wanted, double *of,
                               int64_t *zeros)
{
    const ts_shards *s = &z->params->shards;
    const ts_step_grads g = ts_optimizer_grads(z, grads);
    for (int64_t i = 0; i < s->n_pieces; i++) {
        const ts_shard_piece *x = &s->piece[i];
        if (counted(z, x) && (!wanted || wanted[x->p->id]))
            TS_TRY(of_grads ? ts_optimizer_add_grads(z, x, &g, &of[x->p->id], zeros) : add_values(z, x, &of[x->p->id]));
    }
    return TS_OK;
}

/* What is not trained is on all that hold the same weights, and counts on one. */
static ts_status frozen_by_id(const ts_optimizer *z, double *of)
{
    const ts_param_set *s = z->params;
    for (size_t i = 0; i < s->n; i++) {
        const ts_param *p = s->p[i];
        if (!ts_param_is_trained(p) && p->value && p->counted && ts_optimizer_counts(z, p))
            TS_TRY(add_squares(z, p->value, p->dtype, p->counted, 0, &of[p->id], NULL));
    }
    return TS_OK;
}

/* What all of a network know alike, one of each brings to all. */
static ts_status add_networks(const ts_line *l, double *of, int64_t n)
{
    for (int64_t i = 0; l->own->rank && i < n; i++)
        of[i] = 0;
    return ts_comm_run(l->all, ts_all_reduce(of, n, TS_COMM_F64, TS_COMM_SUM));
}

/* Of all processes. */
static ts_status add_by_id(const ts_optimizer *z, double *of, int64_t n)
{
    ts_comm *const over[] = { z->counters, z->group, z->stages };
    for (size_t k = 0; k < sizeof over / sizeof *over; k++)
        if (over[k])
            TS_TRY(ts_comm_run(over[k], ts_all_reduce(of, n, TS_COMM_F64, TS_COMM_SUM)));
    return z->line ? add_networks(z->line, of, n) : TS_OK;
}

ts_status ts_optimizer_squares(const ts_optimizer *z, const float *grads, const bool *wanted, double *of)
{
    TS_TRY(squares_by_id(z, true, grads, wanted, of, NULL));
    return add_by_id(z, of, z->params->next_id);
}

/* Of each parameter by its id in the whole model, so that the sum does not depend on what is where. */
static ts_status sum_by_id(ts_optimizer *z, bool of_grads, const float *grads, double *sum, int64_t *zeros)
{
    const int64_t n = z->params->next_id;
    double *of;
    int64_t here = 0;
    TS_TRY(ts_alloc(&of, (size_t)n + 1, sizeof *of));
    ts_status st = squares_by_id(z, of_grads, grads, NULL, of, zeros ? &here : NULL);
    if (st == TS_OK && !of_grads)
        st = frozen_by_id(z, of);
    of[n] = (double)here;
    if (st == TS_OK)
        st = add_by_id(z, of, n + 1);
    for (int64_t i = 0; i < n; i++)
        *sum += of[i];
    if (zeros)
        *zeros = (int64_t)of[n];
    ts_free(&of);
    return st;
}

ts_status ts_optimizer_sumsq(ts_optimizer *z, const float *grads, double *sum, int64_t *zero_count)
{
    const ts_shards *s = &z->params->shards;
    *sum = 0;
    if (zero_count)
        *zero_count = 0;
    if (z->stages || z->line || z->o->deterministic)
        return sum_by_id(z, true, grads, sum, zero_count);
    if (!z->group && !z->counters && !z->main)
        return add_squares(z, grads, TS_DTYPE_F32, z->params->total, padding_of(z->params), sum,
                           zero_count);
    const ts_step_grads g = ts_optimizer_grads(z, grads);
    for (int64_t i = 0; i < s->n_pieces; i++)
        TS_TRY(ts_optimizer_add_grads(z, &s->piece[i], &g, sum, zero_count));
    return ts_optimizer_add_up(z, sum, zero_count);
}

/* As sum_by_id, a sum for all parameters of a process. */
static ts_status sum_values(ts_optimizer *z, double *sum)
{
    const ts_shards *s = &z->params->shards;
    for (int64_t i = 0; i < s->n_pieces; i++) {
        const ts_shard_piece *x = &s->piece[i];
        if (counted(z, x))
            TS_TRY(add_values(z, x, sum));
    }
    for (size_t i = 0; i < z->params->n; i++) {
        const ts_param *p = z->params->p[i];
        if (!ts_param_is_trained(p) && p->value && p->counted && ts_optimizer_counts(z, p))
            TS_TRY(add_squares(z, p->value, p->dtype, p->counted, 0, sum, NULL));
    }
    return ts_optimizer_add_up(z, sum, NULL);
}

ts_status ts_optimizer_params_norm(ts_optimizer *z, double *norm)
{
    double sum = 0;
    TS_TRY(z->stages || z->line || z->o->deterministic ? sum_by_id(z, false, NULL, &sum, NULL) : sum_values(z, &sum));
    *norm = sqrt(sum);
    return TS_OK;
}
