#include "nn/experts.h"

/* ---- counting ---- */

ts_status ts_expert_load_init(ts_expert_load *l, ts_device *dev, int64_t layers, int64_t n, int64_t experts)
{
    *l = (ts_expert_load){ .dev = dev, .experts = experts, .layers = layers, .n = n };
    const size_t bytes = (size_t)(n * ts_expert_load_width(l)) * sizeof(float);
    if (!n)
        return TS_OK;
    TS_TRY(ts_alloc(&l->layer, (size_t)n, sizeof *l->layer));
    TS_TRY(ts_alloc(&l->module, (size_t)n, sizeof(ts_experts_layer *)));
    TS_TRY(ts_alloc(&l->bias, (size_t)n, sizeof(ts_param *)));
    TS_TRY(ts_alloc(&l->busiest, (size_t)n, sizeof *l->busiest));
    for (int64_t i = 0; i < n; i++)
        l->busiest[i] = -1;
    TS_TRY(ts_storage_create(dev, TS_MEM_OTHER, bytes, &l->sums));
    dev->zero(dev, l->sums->data, bytes);
    return TS_OK;
}

void ts_expert_load_deinit(ts_expert_load *l)
{
    ts_free(&l->layer);
    ts_free(&l->module);
    ts_free(&l->bias);
    ts_free(&l->busiest);
    ts_storage_release(&l->sums);
    *l = (ts_expert_load){ 0 };
}

/* ---- parameters ---- */

static ts_status declare_router(const ts_declarer *d, ts_experts_layer *l)
{
    const ts_declarer in = ts_declare_in(d, "router");
    const int64_t n = ts_experts_choices(l);
    const ts_param_spec w = { .place = ts_place_whole(n, l->hidden), .is_router = true,
                              .parts = { .slots = ts_shares_rows(d->group) } };
    const ts_param_spec b = { .place = ts_place_whole(n, 0), .start = TS_START_CONSTANT,
                              .is_fixed = true };
    const ts_param_spec more = { .place = b.place, .start = TS_START_CONSTANT, .parts = w.parts };
    const ts_param_spec scale = { .place = ts_place_whole(n, 1), .start = TS_START_CONSTANT, .value = 1, .is_vectors = true };
    const ts_param_spec table = { .place = ts_place_whole(l->tokens, l->route.k), .start = TS_START_CHOICES,
                                  .value = (float)l->experts, .is_router = true, .is_fixed = true };
    TS_TRY(ts_norm_declare(&in, "norm", &l->router_norm));
    TS_TRY(ts_declare(&in, "weight", &w, &l->router));
    l->logits = (ts_linear){ .in = l->hidden, .out = n, .parts = w.parts, .w = l->router };
    if (d->adapting)
        TS_TRY(d->adapting->meet(d->adapting, &in, &l->logits));
    if (l->has_scale)
        TS_TRY(ts_declare(&in, "expert_scale", &scale, &l->scale));
    if (l->has_biases)
        TS_TRY(ts_declare(&in, "bias", &more, &l->router_bias));
    if (l->by_token)
        return ts_declare(&in, "token_experts", &table, &l->table);
    if (!l->has_bias)
        return TS_OK;
    TS_TRY(ts_declare(&in, "expert_bias", &b, &l->bias));
    l->route.bias = l->bias;
    return TS_OK;
}

/* The experts that are here. */
static void cut_stack(const ts_experts_layer *l, const ts_expert_group *g, ts_place *p)
{
    const int64_t here = g ? l->experts / g->comm->size : 0;
    if (g && g->comm->size > 1 && g->order)
        ts_place_cut_list(p, 0, TS_AXIS_EXPERT, g->order + l->number * l->experts + g->comm->rank * here, here);
    else if (g && g->comm->size > 1)
        ts_place_cut_even(p, 0, TS_AXIS_EXPERT, g->comm->size, g->comm->rank, 1, 1);
}

static ts_status meet_products(const ts_declarer *in, ts_experts_layer *l)
{
    const ts_declarer first = ts_declare_in(in, "linear_fc1"), second = ts_declare_in(in, "linear_fc2");
    if (!in->adapting)
        return TS_OK;
    TS_TRY(in->adapting->meet_experts(in->adapting, &first, &l->first));
    return in->adapting->meet_experts(in->adapting, &second, &l->second);
}

static ts_status declare_experts(const ts_declarer *d, ts_experts_layer *l)
{
    const ts_declarer in = ts_declare_in(d, "experts");
    const int64_t inner = l->gated ? 2 * l->ffn : l->ffn;
    ts_param_spec fc1 = { .place = ts_place_stack(l->experts, inner, l->hidden), .is_expert = true };
    ts_param_spec fc2 = { .place = ts_place_stack(l->experts, l->hidden, l->ffn), .start = TS_START_OUT,
                          .is_expert = true };
    ts_param_spec b1 = { .place = ts_place_whole(l->experts, inner), .start = TS_START_CONSTANT, .is_vectors = true,
                         .is_expert = true };
    ts_param_spec b2 = { .place = ts_place_whole(l->experts, l->hidden), .start = TS_START_CONSTANT,
                         .is_vectors = true, .is_expert = true };
    ts_comm *c = d->experts ? d->experts->pieces : d->group ? d->group->comm : NULL;
    l->group = d->group;
    l->apart = d->experts;
    if (d->experts && d->experts->place)
        l->place = d->experts->place + l->number * l->experts;
    cut_stack(l, d->experts, &fc1.place);
    cut_stack(l, d->experts, &b1.place);
    cut_stack(l, d->experts, &fc2.place);
    cut_stack(l, d->experts, &b2.place);
    if (c && c->size > 1) {
        ts_place_cut_even(&fc1.place, 1, TS_AXIS_TENSOR, c->size, c->rank, l->gated ? 2 : 1, 1);
        ts_place_cut_even(&fc2.place, 2, TS_AXIS_TENSOR, c->size, c->rank, 1, 1);
        ts_place_cut_even(&b1.place, 1, TS_AXIS_TENSOR, c->size, c->rank, l->gated ? 2 : 1, 1);
    }
    TS_TRY(ts_declare(&in, "linear_fc1.weight", &fc1, &l->fc1));
    if (l->has_biases)
        TS_TRY(ts_declare(&in, "linear_fc1.bias", &b1, &l->fc1_bias));
    TS_TRY(ts_declare(&in, "linear_fc2.weight", &fc2, &l->fc2));
    if (l->has_biases)
        TS_TRY(ts_declare(&in, "linear_fc2.bias", &b2, &l->fc2_bias));
    l->first = (ts_experts_product){ .place = fc1.place, .shares = c && c->size > 1 ? c : NULL };
    l->second = (ts_experts_product){ .place = fc2.place, .shares = l->first.shares, .is_row = true };
    return meet_products(&in, l);
}

ts_status ts_experts_declare(const ts_declarer *d, ts_experts_layer *l)
{
    const ts_declarer shared = ts_declare_in(d, "shared_experts"), experts = ts_declare_in(d, "experts");
    const ts_param_spec gate = { .place = ts_place_whole(1, l->hidden), .is_router = true,
                                 .parts = { .slots = ts_shares_rows(d->group) } };
    TS_TRY(declare_router(d, l));
    if (l->has_shared)
        TS_TRY(ts_mlp_declare(&shared, &l->shared));
    if (l->has_shared_gate)
        TS_TRY(ts_declare(&shared, "gate_weight", &gate, &l->shared_gate));
    TS_TRY(ts_norm_declare(&experts, "norm", &l->norm));
    return declare_experts(d, l); /* behind what all processes have: that is one unit, where units are shared out */
}
