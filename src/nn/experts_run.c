/* A pass through a mixture of experts: see nn/experts.h. */
#include "nn/experts_apart.h"
#include "nn/experts_products.h"
#include "nn/show.h"
#include "ops/columns.h"
#include "ops/group.h"
#include "ops/product.h"

#include <math.h>

/* ---- routing ---- */

static const ts_expert_rules *rules_of(const ts_experts_layer *l)
{
    static const ts_expert_rules none = { 0 };
    return l->rules ? l->rules : &none;
}

/* rows: of the pass, wherever they are. */
static ts_balance balance_of(const ts_experts_layer *l, const ts_run *run, int64_t rows)
{
    const ts_expert_rules *r = rules_of(l);
    ts_balance b = { .aux = r->aux, .z = r->z, .slices = run->together, .slice = run->slice,
                     .weight = run->balance, .by_sequence = r->by_sequence, .of_first = r->by_slots,
                     .block_rows = rows / run->B, .passes = run->pass + 1,
                     .shares = r->sequence ? r->sequence->size : 1, .group = r->sequence };
    if (l->sums) {
        b.load = l->sums;
        b.losses = b.load + ts_experts_choices(l);
        b.before = r->is_global ? b.losses + ts_experts_choices(l) : NULL;
        b.z_loss = l->sums + 3 * ts_experts_choices(l);
    }
    if (r->is_global)
        b.group = r->everyone;
    return b;
}

/* What the router reads: x, in training perhaps with jitter. */
static ts_status router_input(ts_tape *tape, const ts_experts_layer *l, const ts_run *run, int64_t layer,
                              ts_tensor *x, ts_tensor **y)
{
    const float eps = rules_of(l)->jitter;
    if (l->router_norm.present) {
        TS_TRY(ts_op_norm(tape, &l->router_norm.op, x, NULL, NULL, &x));
        TS_TRY(ts_op_add(tape, x, l->router_in, NULL, 0, &x));
    }
    *y = x;
    if (eps == 0 || run->balance == 0)
        return TS_OK;
    const ts_rng rng = ts_run_rng(run, TS_RNG_JITTER, layer);
    const ts_row_places rows = ts_run_places(run, run->row0);
    TS_TRY(ts_op_cast(tape, x, TS_DTYPE_F32, y));
    return ts_op_jitter(tape, *y, eps, &rng, &rows, y);
}

/* A pass's choices go to a file, or come from it. */
static ts_routes *routes_of(const ts_experts_layer *l, const ts_run *run)
{
    return run->balance != 0 ? rules_of(l)->routes : run->routes;
}

static ts_status replay(ts_tape *tape, const ts_experts_layer *l, const ts_run *run, int64_t layer, int64_t n,
                        ts_tensor **ids)
{
    const ts_row_places rows = ts_run_places(run, 0);
    const int64_t count = n * l->route.k;
    int32_t *buffer;
    TS_TRY(ts_tape_new(tape, TS_DTYPE_I32, n, l->route.k, ids));
    TS_TRY(ts_alloc(&buffer, (size_t)count, sizeof *buffer));
    const ts_status st = ts_routes_take(routes_of(l, run), run->step, layer, &rows, n, buffer);
    if (st == TS_OK)
        tape->dev->to_device(tape->dev, ts_tensor_data(*ids), buffer, (size_t)count * sizeof *buffer);
    ts_free(&buffer);
    return st;
}

static ts_status record(ts_tape *tape, const ts_experts_layer *l, const ts_run *run, int64_t layer, const ts_tensor *ids)
{
    const ts_row_places rows = ts_run_places(run, 0);
    int32_t *buffer;
    TS_TRY(ts_alloc(&buffer, (size_t)ts_tensor_count(ids), sizeof *buffer));
    const ts_status st = ts_device_read(tape->dev, buffer, ts_tensor_data(ids), (size_t)ts_tensor_count(ids) * sizeof *buffer);
    if (st == TS_OK)
        ts_routes_put(routes_of(l, run), run->step, layer, &rows, ids->dim[0], buffer);
    ts_free(&buffer);
    return st;
}

/* Each pair's weight times its expert's scale. */
static ts_status scale_weights(ts_tape *tape, const ts_experts_layer *l, ts_tensor *ids, ts_tensor **weights)
{
    const int64_t k = l->route.k;
    ts_tensor *column, *scale;
    TS_TRY(ts_op_reshape(tape, ids, 1, &column));
    if (tape->recording) /* the look-up's gradient reads it */
        TS_TRY(ts_tape_hold(tape, column));
    const ts_embed_op look_up = { .table = l->scale, .ids = column, .scale = 1, .dtype = TS_DTYPE_F32 };
    TS_TRY(ts_op_embed(tape, &look_up, &scale));
    TS_TRY(ts_op_reshape(tape, scale, k, &scale));
    return ts_op_product(tape, TS_FACTOR_ITSELF, *weights, scale, weights);
}

/* Pairs that an expert takes: Megatron-LM's and DeepSpeed's ceil(pairs / experts * factor); 0: all. */
static int64_t capacity_of(const ts_experts_layer *l, double factor, int64_t rows)
{
    const ts_expert_rules *r = rules_of(l);
    const double most = ceil((double)(rows * l->route.k) / (double)ts_experts_choices(l) * factor),
                 least = r->by_slots ? fmax(most, (double)r->least) : most;
    return factor <= 0 ? 0 : least < (double)rows ? (int64_t)least : rows;
}

/* The room of experts, slot by slot. */
static ts_status seat(ts_tape *tape, const ts_experts_layer *l, const ts_run *run, int64_t layer, int64_t rows, ts_route_op *o)
{
    const ts_row_places places = ts_run_places(run, 0);
    const ts_rng rng = ts_run_rng(run, TS_RNG_SEATS, layer);
    const ts_expert_rules *r = rules_of(l);
    const bool trains = run->balance != 0;
    ts_tensor *order;
    o->capacity = capacity_of(l, trains || r->capacity_alone == 0 ? r->capacity : r->capacity_alone, rows);
    if (!o->capacity || !r->draws || l->route.k > 1 || !trains)
        return TS_OK;
    TS_TRY(ts_op_draw(tape, rows, &rng, &places, &order));
    o->order = order;
    return TS_OK;
}

/* The choice is that of logits with noise. */
static ts_status draw(ts_tape *tape, const ts_experts_layer *l, const ts_run *run, int64_t layer, const ts_tensor *logits,
                      ts_tensor **ids)
{
    const ts_row_places places = ts_run_places(run, 0);
    const ts_rng rng = ts_run_rng(run, TS_RNG_GUMBEL, layer);
    const bool recording = tape->recording;
    ts_tensor *noisy, *unused;
    TS_TRY(ts_op_gumbel(tape, logits, &rng, &places, &noisy));
    tape->recording = false;
    const ts_status st = ts_op_route(tape, &l->route, noisy, &unused, ids);
    tape->recording = recording;
    return st;
}

/* Logits are fp32, and so is what an adapter adds. */
static ts_status router_logits(ts_tape *tape, const ts_experts_layer *l, ts_tensor *x, ts_tensor **logits)
{
    ts_tensor *wide;
    TS_TRY(ts_op_router(tape, x, l->router, l->router_bias, logits));
    if (!ts_linear_is_adapted(&l->logits))
        return TS_OK;
    TS_TRY(ts_op_cast(tape, x, TS_DTYPE_F32, &wide));
    return l->logits.adapter->add(l->logits.adapter, tape, wide, logits);
}

/* Experts and weights of all rows of the group. */
static ts_status route(ts_tape *tape, const ts_experts_layer *l, const ts_run *run, int64_t layer, ts_tensor *x,
                       ts_tensor **weights, ts_tensor **ids)
{
    const ts_expert_rules *r = rules_of(l);
    const ts_shown_columns columns = ts_columns_whole(ts_experts_choices(l));
    ts_route_op o = l->route;
    ts_tensor *in, *logits;
    TS_TRY(router_input(tape, l, run, layer, x, &in));
    TS_TRY(router_logits(tape, l, in, &logits));
    TS_TRY(ts_show(tape, run, layer, "mlp", "router", &columns, logits));
    if (ts_shares_rows(l->group))
        TS_TRY(ts_op_group_gather(tape, l->group->comm, logits, &logits));
    o.balance = balance_of(l, run, logits->dim[0]);
    o.by = r->fixed ? TS_ROUTE_BY_TURN : r->sinkhorn && run->balance != 0 ? TS_ROUTE_BY_SINKHORN : TS_ROUTE_BY_SCORE;
    if (l->by_token) {
        TS_ASSERT(run->ids, "layer %lld chooses experts by tokens, and there are none", (long long)layer);
        o.by = TS_ROUTE_BY_RECORD;
        TS_TRY(ts_look_up_ids(tape, l->table, run->ids, ids));
    }
    ts_routes *routes = routes_of(l, run);
    if (routes && ts_routes_replays(routes)) {
        o.by = TS_ROUTE_BY_RECORD;
        TS_TRY(replay(tape, l, run, layer, logits->dim[0], ids));
    }
    if (r->gumbel && run->balance != 0) {
        o.by = TS_ROUTE_BY_RECORD;
        TS_TRY(draw(tape, l, run, layer, logits, ids));
    }
    if (r->by_slots)
        TS_TRY(seat(tape, l, run, layer, logits->dim[0], &o));
    TS_TRY(ts_op_route(tape, &o, logits, weights, ids));
    if (l->has_scale)
        TS_TRY(scale_weights(tape, l, *ids, weights));
    const bool records = routes && !ts_routes_replays(routes) && !tape->dev->again;
    return records ? record(tape, l, run, layer, *ids) : TS_OK;
}

/* Where the router has dropped pairs already, they are of no expert. */
static ts_sort_op order_of(const ts_experts_layer *l, const ts_tensor *ids)
{
    const ts_expert_rules *r = rules_of(l);
    ts_sort_op o = { .experts = l->experts, .misses = l->zeros > 0 || (r->by_slots && r->capacity > 0) };
    if (r->capacity > 0 && !r->by_slots) {
        o.capacity = capacity_of(l, r->capacity, ids->dim[0]);
        o.pads = r->pads;
        o.by_weight = !r->by_position;
    }
    return o;
}

/* ---- experts ---- */

/* x of all rows -> what its experts make of it; with a group a part of a sum. */
static ts_status run_experts(ts_tape *tape, const ts_experts_layer *l, ts_tensor *x, ts_tensor *weights,
                             ts_tensor *ids, ts_tensor **y)
{
    const ts_sort_op order = order_of(l, ids);
    const ts_experts_set all = { .even = (double)ts_tensor_count(ids) / (double)l->experts };
    ts_sorted_rows s;
    ts_tensor *rows, *out;
    TS_TRY(ts_sort_rows(tape, &order, ids, weights, &s));
    TS_TRY(ts_experts_rows(tape, l, &s, x, weights, &rows));
    TS_TRY(ts_experts_products(tape, l, &all, &s, rows, &out));
    TS_TRY(ts_experts_combine(tape, l, &s, out, weights, y));
    ts_tape_drop(tape, out);
    return TS_OK;
}

/* The same with a group: rows come from all, and the parts of the sum go back. */
static ts_status run_shared_out(ts_tape *tape, const ts_experts_layer *l, ts_tensor *x, ts_tensor *weights,
                                ts_tensor *ids, ts_tensor **y)
{
    ts_comm *c = l->group->comm;
    ts_tensor *all, *w, *part;
    TS_TRY((l->group->sequence ? ts_op_group_collect : ts_op_group_copy)(tape, c, x, &all));
    TS_TRY(ts_op_group_copy(tape, c, weights, &w));
    TS_TRY(run_experts(tape, l, all, w, ids, &part));
    if (all != x)
        ts_tape_drop(tape, all);
    return (l->group->sequence ? ts_op_group_scatter : ts_op_group_sum)(tape, c, part, y);
}

/* Choices behind the experts: x times the sum of their weights. */
static ts_status add_zeros(ts_tape *tape, const ts_experts_layer *l, ts_tensor *x, ts_tensor *weights, ts_tensor *ids,
                           ts_tensor **y)
{
    const ts_sort_op order = { .experts = l->zeros, .first = l->experts, .misses = true };
    ts_sorted_rows s;
    ts_tensor *one, *sum, *own;
    if (ts_shares_rows(l->group)) {
        TS_TRY(ts_op_group_keep(tape, l->group->comm, weights, &weights));
        TS_TRY(ts_op_group_keep(tape, l->group->comm, ids, &ids));
    }
    TS_TRY(ts_sort_rows(tape, &order, ids, weights, &s));
    TS_TRY(ts_op_ones(tape, s.rows, &one));
    TS_TRY(ts_op_combine(tape, &s, one, weights, &sum));
    TS_TRY(ts_op_combine(tape, NULL, x, sum, &own));
    return ts_op_add(tape, *y, 1, own, 1, y);
}

/* Who goes past its expert, or to none, is decided for all rows together, wherever they go. */
static ts_status drop_pairs(ts_tape *tape, const ts_experts_layer *l, ts_tensor *weights, ts_tensor **ids)
{
    ts_sort_op order = order_of(l, *ids);
    ts_sorted_rows s;
    if (!order.capacity && !order.misses)
        return TS_OK;
    order.pads = false;
    order.keeps = true;
    TS_TRY(ts_sort_rows(tape, &order, *ids, weights, &s));
    *ids = s.kept;
    return TS_OK;
}

/* ---- in three steps ---- */

struct ts_experts_pass {
    ts_beside b;
    ts_tensor *weights, *ids; /* of all rows of the group */
    ts_tensor *own[3];        /* apart: rows that this process sends, their weights and ids */
    bool all_rows;            /* which are not all that it has */
    ts_exchange *exchange;    /* NULL: rows stay here, or all come to all */
    ts_tensor *y;
};

static bool drops(const ts_experts_layer *l) { return rules_of(l)->capacity > 0 || l->zeros; }

/* Of a tensor-parallel group each process sends its share of the rows. */
static ts_status send(ts_tape *tape, ts_experts_pass *p)
{
    const ts_experts_layer *l = p->b.l;
    ts_comm *group = l->group ? l->group->comm : NULL;
    p->all_rows = group && !l->group->sequence;
    p->own[0] = p->b.x, p->own[1] = p->weights, p->own[2] = p->ids;
    if (l->apart->by == TS_DISPATCH_SUM) {
        p->all_rows = false;
        return TS_OK;
    }
    TS_TRY(drop_pairs(tape, l, p->weights, &p->own[2]));
    for (int i = !p->all_rows; i < 3; i++)
        TS_TRY(ts_op_group_keep(tape, group, p->own[i], &p->own[i]));
    return l->apart->by == TS_DISPATCH_ALL_GATHER
               ? TS_OK
               : ts_exchange_begin(tape, &p->b, p->own[0], p->own[1], p->own[2], drops(l), &p->exchange);
}

ts_status ts_experts_begin(ts_tape *tape, const ts_experts_layer *l, const ts_run *run, int64_t layer, ts_tensor *x,
                           ts_experts_pass **out)
{
    ts_experts_pass *p;
    ts_device_part(tape->dev, "experts", layer);
    TS_TRY(ts_arena_alloc(&tape->arena, sizeof *p, &p));
    *p = (ts_experts_pass){ .b = { .l = l, .run = run, .layer = layer, .x = x } };
    *out = p;
    TS_TRY(route(tape, l, run, layer, x, &p->weights, &p->ids));
    if (l->norm.present)
        TS_TRY(ts_op_norm(tape, &l->norm.op, x, NULL, NULL, &p->b.x));
    if (l->has_shared && !(l->apart && l->apart->beside) && ts_beside_comes_first(l))
        TS_TRY(ts_beside_finish(tape, &p->b));
    return l->apart ? send(tape, p) : TS_OK;
}

ts_status ts_experts_compute(ts_tape *tape, ts_experts_pass *p)
{
    const ts_experts_layer *l = p->b.l;
    ts_device_part(tape->dev, "experts", p->b.layer);
    if (p->exchange)
        return ts_exchange_compute(tape, p->exchange);
    if (l->apart && l->apart->by == TS_DISPATCH_SUM)
        return ts_experts_summed(tape, l, p->own[0], p->own[1], p->own[2], &p->y);
    if (l->apart)
        return ts_experts_gathered(tape, &p->b, p->own[0], p->own[1], p->own[2], &p->y);
    return (l->group ? run_shared_out : run_experts)(tape, l, p->b.x, p->weights, p->ids, &p->y);
}

/* What the shared expert has made of x, through its gate. */
static ts_status add_shared(ts_tape *tape, const ts_experts_layer *l, ts_tensor *x, ts_tensor *shared, ts_tensor **y)
{
    const ts_route_op sigmoid = { .score = TS_ROUTE_SIGMOID, .k = 1, .groups = 1, .scale = 1 };
    ts_tensor *logit, *weight, *ids;
    if (l->has_shared_gate) {
        TS_TRY(ts_op_router(tape, x, l->shared_gate, NULL, &logit));
        TS_TRY(ts_op_route(tape, &sigmoid, logit, &weight, &ids));
        TS_TRY(ts_op_combine(tape, NULL, shared, weight, &shared));
    }
    return ts_op_add(tape, *y, 1, shared, 1, y);
}

ts_status ts_experts_finish(ts_tape *tape, ts_experts_pass *p, ts_tensor **y)
{
    const ts_experts_layer *l = p->b.l;
    const ts_shown_columns columns = ts_columns_whole(l->hidden);
    ts_device_part(tape->dev, "experts", p->b.layer);
    if (p->exchange)
        TS_TRY(ts_exchange_finish(tape, p->exchange, &p->y));
    *y = p->y;
    if (p->all_rows)
        TS_TRY(ts_op_group_gather(tape, l->group->comm, *y, y));
    if (l->zeros)
        TS_TRY(add_zeros(tape, l, p->b.x, p->weights, p->ids, y));
    TS_TRY(ts_show(tape, p->b.run, p->b.layer, "mlp", "experts", &columns, *y));
    if (!l->has_shared)
        return TS_OK;
    TS_TRY(ts_beside_finish(tape, &p->b));
    return add_shared(tape, l, p->b.x, p->b.y, y);
}

static ts_status run_layer(ts_tape *tape, const ts_experts_layer *l, const ts_run *run, int64_t layer,
                           ts_tensor *x, ts_tensor **y)
{
    ts_experts_pass *p;
    TS_TRY(ts_experts_begin(tape, l, run, layer, x, &p));
    TS_TRY(ts_experts_compute(tape, p));
    return ts_experts_finish(tape, p, y);
}

typedef struct again_ctx {
    const ts_experts_layer *l;
    const ts_run *run;
    int64_t layer;
} again_ctx;

static ts_status again(ts_tape *tape, void *ctx, ts_tensor *in, ts_tensor **out)
{
    const again_ctx *c = ctx;
    ts_device_part(tape->dev, "experts", c->layer);
    return run_layer(tape, c->l, c->run, c->layer, in, out);
}

static bool trains(const ts_experts_layer *l)
{
    return ts_param_has_grad(l->router) || ts_param_has_grad(l->fc1) || ts_param_has_grad(l->fc2) ||
           ts_param_has_grad(l->router_bias) || ts_param_has_grad(l->fc1_bias) || ts_param_has_grad(l->fc2_bias) ||
           ts_param_has_grad(l->shared_gate) || ts_param_has_grad(l->router_norm.op.w) || ts_param_has_grad(l->norm.op.w) ||
           ts_param_has_grad(l->scale) || ts_experts_product_trains(&l->first) || ts_experts_product_trains(&l->second) ||
           l->logits.adapter ||
           (l->has_shared && (ts_linear_trains(&l->shared.fc1) || ts_linear_trains(&l->shared.fc2)));
}

static ts_status forward(const void *module, ts_tape *tape, const ts_run *run, int64_t layer, ts_tensor *x,
                         ts_tensor **y)
{
    const ts_experts_layer *l = module;
    const again_ctx c = { l, run, layer };
    ts_device_part(tape->dev, "experts", layer);
    TS_TRY(ts_tape_push(tape));
    const bool runs_again = ts_run_again(run, layer, TS_PART_MLP) || ts_run_again(run, layer, TS_PART_EXPERTS);
    const ts_status st = runs_again ? ts_run_segment(tape, again, &c, sizeof c, trains(l), x, y)
                                    : run_layer(tape, l, run, layer, x, y);
    ts_tape_pop(tape, st == TS_OK ? *y : NULL);
    return st;
}

ts_sublayer ts_experts_sublayer(const ts_experts_layer *l)
{
    return (ts_sublayer){ .forward = forward, .module = l };
}
