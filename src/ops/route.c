#include "ops/experts.h"
#include "ops/gemm.h"
#include "ops/group.h"
#include "ops/ops.h"

/* ---- the router's product ---- */

static ts_status router_backward(ts_tape *tape, ts_record *r)
{
    ts_tensor *x = r->in[0], *dx, *back;
    const ts_tensor *dy = r->out[0]->grad;
    ts_param *w = r->param[0];
    if (!x->wants_grad)
        return TS_OK;
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, x->dim[0], x->dim[1], &dx));
    TS_TRY(ts_gemm_input_grad(tape, w, TS_DTYPE_F32, ts_tensor_data(dy), w->dim[0], dy->dim[0],
                              ts_tensor_data(dx)));
    TS_TRY(ts_op_cast(tape, dx, x->dtype, &back));
    return ts_tape_accumulate(tape, x, back);
}

static ts_status router_weight(ts_tape *tape, ts_record *r)
{
    const ts_tensor *dy = r->out[0]->grad;
    ts_param *w = r->param[0], *b = r->param[1];
    ts_tensor *wide;
    if (ts_param_has_grad(b))
        ts_bias_grad(tape, b, TS_DTYPE_F32, ts_tensor_data(dy), b->dim[0], dy->dim[0]);
    if (!ts_param_has_grad(w))
        return TS_OK;
    TS_TRY(ts_op_cast(tape, r->in[0], TS_DTYPE_F32, &wide));
    void *data;
    TS_TRY(ts_tape_need(tape, wide, &data));
    return ts_gemm_weight_grad(tape, w, TS_DTYPE_F32, ts_tensor_data(dy), w->dim[0], data, dy->dim[0]);
}

static const ts_op router_op = { .name = "router", .backward = router_backward, .weight = router_weight };

ts_status ts_op_router(ts_tape *tape, ts_tensor *x, ts_param *w, ts_param *b, ts_tensor **logits)
{
    const bool recording = tape->recording;
    ts_tensor *wide;
    void *data;
    TS_ASSERT(x->dim[1] == w->dim[1], "router: rows of %lld for %s", (long long)x->dim[1], w->name);
    tape->recording = false; /* one record of our own */
    ts_status st = ts_op_cast(tape, x, TS_DTYPE_F32, &wide);
    tape->recording = recording;
    TS_TRY(st);
    TS_TRY(ts_tape_need(tape, wide, &data));
    TS_TRY(ts_param_need(b));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, x->dim[0], w->dim[0], logits));
    TS_TRY(ts_gemm_forward(tape, w, ts_param_vector(b), TS_DTYPE_F32, data, x->dim[0], TS_DTYPE_F32,
                           ts_tensor_data(*logits), w->dim[0]));
    if (wide != x)
        ts_tape_drop(tape, wide);
    if (!recording || !(x->wants_grad || ts_param_has_grad(w) || ts_param_has_grad(b)))
        return TS_OK;
    ts_record *r;
    TS_TRY(ts_tape_record(tape, &router_op, 1, &r));
    r->in[0] = x;
    r->out[0] = *logits;
    (*logits)->wants_grad = true;
    if (ts_param_has_grad(w))
        ts_record_save(tape, r, x);
    TS_TRY(ts_record_param(tape, r, 0, w));
    return ts_record_param(tape, r, 1, b);
}

/* ---- choosing ---- */

/* saved: logits, ids, and, where there is an auxiliary loss, its pull */
enum { LOGITS, IDS, PULL };

static ts_route_args args_of(const ts_route_op *o, const ts_tensor *logits, const ts_tensor *ids)
{
    return (ts_route_args){ .score = o->score, .rows = logits->dim[0], .experts = logits->dim[1], .k = o->k,
                            .groups = o->groups, .group_topk = o->group_topk, .group_best = o->group_best,
                            .norms = o->norms,
                            .given = o->by == TS_ROUTE_BY_SINKHORN || o->by == TS_ROUTE_BY_RECORD,
                            .fixed = o->by == TS_ROUTE_BY_TURN, .first = o->first, .scale = o->scale,
                            .bias = ts_param_vector(o->bias), .logits = ts_tensor_data(logits),
                            .ids = ts_tensor_data(ids) };
}

static ts_cost cost_of(const ts_tensor *logits, double passes)
{
    const double n = (double)ts_tensor_count(logits);
    return (ts_cost){ 16 * n, passes * 4 * n, TS_DTYPE_F32 };
}

static int64_t block_rows(const ts_balance *b, const ts_tensor *logits)
{
    return b->by_sequence ? b->block_rows : logits->dim[0];
}

/* ---- parts of sequences that are balanced together ---- */

struct ts_balance_slices {
    int64_t n, B;
    ts_tensor *pull;
    const ts_tensor **logits, **ids; /* [n] of each part */
};

ts_status ts_balance_slices_make(ts_tape *tape, int64_t n, int64_t B, ts_balance_slices **out)
{
    TS_TRY(ts_arena_alloc(&tape->arena, sizeof **out, out));
    **out = (ts_balance_slices){ .n = n, .B = B };
    TS_TRY(ts_arena_alloc(&tape->arena, (size_t)n * sizeof(ts_tensor *), &(*out)->logits));
    return ts_arena_alloc(&tape->arena, (size_t)n * sizeof(ts_tensor *), &(*out)->ids);
}

/* All parts, sequence after sequence. */
static ts_status join_parts(ts_tape *tape, const ts_balance_slices *s, const ts_tensor *const *part, ts_tensor **whole)
{
    const size_t bytes = ts_tensor_bytes(part[0]) / (size_t)s->B;
    TS_TRY(ts_tape_new(tape, part[0]->dtype, part[0]->dim[0] * s->n, part[0]->dim[1], whole));
    for (int64_t b = 0; b < s->B; b++)
        for (int64_t i = 0; i < s->n; i++)
            tape->dev->move(tape->dev, (char *)ts_tensor_data(*whole) + (size_t)(b * s->n + i) * bytes,
                            (char *)ts_tensor_data(part[i]) + (size_t)b * bytes, bytes);
    return TS_OK;
}

static ts_status route_backward(ts_tape *tape, ts_record *r)
{
    const ts_route_op *o = r->attr;
    const ts_balance *b = &o->balance;
    ts_tensor *logits = r->in[0], *d;
    ts_route_args a = args_of(o, logits, r->saved[IDS]);
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, logits->dim[0], logits->dim[1], &d));
    a.dweights = ts_tensor_data(r->out[0]->grad);
    a.dlogits = ts_tensor_data(d);
    a.pull = r->n_saved > PULL ? ts_tensor_data(r->saved[PULL]) : NULL;
    a.pull_rows = block_rows(b, logits);
    a.z = b->weight * b->z / (float)(logits->dim[0] * (b->slices ? b->slices->n : 1) * (b->shares > 1 ? b->shares : 1));
    ts_launch_route_bwd(tape->dev, &a, a.rows, cost_of(logits, 3));
    return ts_tape_accumulate(tape, logits, d);
}

static const ts_op route_op = { .name = "route", .backward = route_backward };

/* What the sum of c[e] P[e] is multiplied with: the loss counts all rows of a block, wherever they are, and
 * pairs of all that counted them together. */
static float factor_of(const ts_route_op *o, int64_t T, int64_t E)
{
    const ts_balance *b = &o->balance;
    const double block = (double)(b->by_sequence ? b->block_rows : T), blocks = (double)T / block;
    const double rows = block * (double)(b->shares > 1 ? b->shares : 1);
    const double counted = block * (double)(b->group ? b->group->size : 1) * (double)(b->before ? b->passes : 1);
    return (float)((double)b->aux * (double)E / ((b->of_first ? 1 : (double)o->k) * rows * counted * blocks));
}

static void launch_balance(ts_tape *tape, const ts_balance_args *a, const ts_tensor *logits)
{
    ts_launch_balance(tape->dev, a, a->experts, cost_of(logits, a->losses ? 2 : 1));
}

/* Pairs of all of the group: *counted [blocks, E]. */
static ts_status count_together(ts_tape *tape, ts_comm *group, const ts_balance_args *a, const ts_tensor *logits,
                                ts_tensor **counted)
{
    ts_balance_args count = { .score = a->score, .rows = a->rows, .block_rows = a->block_rows,
                              .experts = a->experts, .k = a->k, .logits = a->logits, .ids = a->ids,
                              .of_first = a->of_first };
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, a->rows / a->block_rows, a->experts, counted));
    count.counts = ts_tensor_data(*counted);
    launch_balance(tape, &count, logits);
    return ts_group_sum(tape, group, count.counts, ts_tensor_count(*counted), TS_DTYPE_F32);
}

static void scale(ts_tape *tape, float *x, int64_t n, float by, const float *more, float times)
{
    const ts_elementwise_args a = { .x_dtype = TS_DTYPE_F32, .z_dtype = TS_DTYPE_F32, .y_dtype = TS_DTYPE_F32,
                                    .x = x, .z = more, .y = x, .alpha = by, .beta = times };
    ts_launch_add(tape->dev, &a, n, (ts_cost){ 2 * (double)n, 12 * (double)n, TS_DTYPE_F32 });
}

/* What the backward needs of balancing: [blocks, E]. */
static ts_status make_pull(ts_tape *tape, const ts_balance *b, const ts_tensor *logits, ts_tensor **pull)
{
    *pull = b->slices ? b->slices->pull : NULL;
    if (b->weight == 0 || b->aux == 0 || *pull)
        return TS_OK;
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, logits->dim[0] / block_rows(b, logits), logits->dim[1], pull));
    if (b->slices)
        b->slices->pull = *pull;
    return TS_OK;
}

/* Counts and losses of the pass, once; fills pull, where there is one. */
static ts_status balance_all(ts_tape *tape, const ts_route_op *o, const ts_tensor *logits, const ts_tensor *ids,
                             ts_tensor *pull)
{
    const ts_balance *b = &o->balance;
    const int64_t T = logits->dim[0], E = logits->dim[1];
    ts_tensor *counted = NULL;
    ts_balance_args a = { .score = o->score, .rows = T, .block_rows = block_rows(b, logits), .experts = E,
                          .k = o->k, .logits = ts_tensor_data(logits), .ids = ts_tensor_data(ids),
                          .factor = factor_of(o, T, E), .of_first = b->of_first, .before = b->before };
    if (pull) {
        a.pull = ts_tensor_data(pull);
        if (ts_group_shares(b->group)) {
            TS_TRY(count_together(tape, b->group, &a, logits, &counted));
            a.counted = ts_tensor_data(counted);
        }
    }
    if (!tape->dev->again) {
        a.load = b->load;
        a.losses = b->aux != 0 ? b->losses : NULL;
        a.z_loss = b->z != 0 ? b->z_loss : NULL;
        a.z = b->z / (float)(T * (b->shares > 1 ? b->shares : 1));
    }
    launch_balance(tape, &a, logits);
    if (b->before && counted && !tape->dev->again)
        scale(tape, b->before, E, 1, a.counted, 1);
    if (pull && b->weight != 1)
        scale(tape, a.pull, ts_tensor_count(pull), b->weight, a.pull, 0);
    return TS_OK;
}

/* The same; of parts of sequences when the last one is there. */
static ts_status balance(ts_tape *tape, const ts_route_op *o, const ts_tensor *logits, const ts_tensor *ids, ts_tensor *pull)
{
    ts_balance_slices *s = o->balance.slices;
    ts_route_op whole = *o;
    ts_tensor *all, *chosen;
    if (o->balance.weight == 0)
        return TS_OK;
    if (!s)
        return balance_all(tape, o, logits, ids, pull);
    s->logits[o->balance.slice] = logits, s->ids[o->balance.slice] = ids;
    if (o->balance.slice + 1 < s->n)
        return TS_OK;
    whole.balance.block_rows *= s->n;
    TS_TRY(join_parts(tape, s, s->logits, &all));
    TS_TRY(join_parts(tape, s, s->ids, &chosen));
    TS_TRY(balance_all(tape, &whole, all, chosen, pull));
    ts_tape_drop(tape, all);
    ts_tape_drop(tape, chosen);
    return TS_OK;
}

static ts_status choose(ts_tape *tape, const ts_route_op *o, const ts_tensor *logits, const ts_tensor *ids,
                        const ts_tensor *weights)
{
    ts_route_args a = args_of(o, logits, ids);
    a.weights = ts_tensor_data(weights);
    if (o->by == TS_ROUTE_BY_SINKHORN) {
        ts_tensor *work;
        TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, a.rows, a.experts, &work));
        a.work = ts_tensor_data(work);
        ts_launch_sinkhorn(tape->dev, &a, 0, cost_of(logits, 20));
        ts_tape_drop(tape, work);
    }
    ts_launch_route_fwd(tape->dev, &a, a.rows, cost_of(logits, 1));
    return TS_OK;
}

/* Who has no room has no weight: *ids become those of the others. */
static ts_status drop(ts_tape *tape, const ts_route_op *o, const ts_tensor *logits, const ts_tensor *weights, ts_tensor **ids)
{
    const ts_sort_op order = { .experts = logits->dim[1], .capacity = o->capacity, .by_weight = o->order != NULL,
                               .by_slot = !o->order, .keeps = true };
    ts_sorted_rows s;
    TS_TRY(ts_sort_rows(tape, &order, *ids, o->order, &s));
    *ids = s.kept;
    ts_route_args a = args_of(o, logits, *ids);
    a.given = true;
    a.weights = ts_tensor_data(weights);
    ts_launch_route_fwd(tape->dev, &a, a.rows, cost_of(logits, 1));
    return TS_OK;
}

ts_status ts_op_route(ts_tape *tape, const ts_route_op *o, ts_tensor *logits, ts_tensor **weights,
                      ts_tensor **ids)
{
    ts_tensor *pull;
    TS_ASSERT(logits->dtype == TS_DTYPE_F32 && o->k <= logits->dim[1] && logits->dim[1] <= TS_ROUTE_MAX,
              "route: %lld of %lld experts", (long long)o->k, (long long)logits->dim[1]);
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, logits->dim[0], o->k, weights));
    if (o->by != TS_ROUTE_BY_RECORD)
        TS_TRY(ts_tape_new(tape, TS_DTYPE_I32, logits->dim[0], o->k, ids));
    TS_TRY(choose(tape, o, logits, *ids, *weights));
    TS_TRY(make_pull(tape, &o->balance, logits, &pull));
    TS_TRY(balance(tape, o, logits, *ids, pull));
    if (o->capacity)
        TS_TRY(drop(tape, o, logits, *weights, ids));
    if (!tape->recording || !logits->wants_grad)
        return TS_OK;
    ts_record *r;
    TS_TRY(ts_tape_record(tape, &route_op, sizeof *o, &r));
    *(ts_route_op *)r->attr = *o;
    r->in[0] = logits;
    r->out[0] = *weights;
    (*weights)->wants_grad = true;
    ts_record_save(tape, r, logits);
    ts_record_save(tape, r, *ids);
    if (pull)
        ts_record_save(tape, r, pull);
    return TS_OK;
}

ts_status ts_look_up_ids(ts_tape *tape, const ts_param *table, const ts_tensor *tokens, ts_tensor **ids)
{
    const int64_t T = tokens->dim[0], k = table->dim[1];
    TS_TRY(ts_param_need(table));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_I32, T, k, ids));
    const ts_look_up_ids_args a = { .k = k, .table = table->value, .tokens = ts_tensor_data(tokens),
                                    .ids = ts_tensor_data(*ids) };
    ts_launch_look_up_ids(tape->dev, &a, T, (ts_cost){ 0, 8 * (double)(T * k), TS_DTYPE_F32 });
    return TS_OK;
}
