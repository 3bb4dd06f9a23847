#include "nn/experts_apart.h"

#include "nn/experts_products.h"
#include "ops/dispatch.h"

/* ---- the shared expert, meanwhile ---- */

static bool is_beside(const ts_beside *b) { return b->l->has_shared && b->l->apart->beside; }

ts_status ts_beside_first(ts_tape *tape, ts_beside *b)
{
    if (!is_beside(b) || b->y || ts_run_again(b->run, b->layer, TS_PART_SHARED))
        return TS_OK;
    if (ts_beside_comes_first(b->l))
        return ts_beside_finish(tape, b);
    ts_device_part(tape->dev, "mlp", b->layer);
    TS_TRY(ts_mlp_first(tape, &b->l->shared, b->run, b->layer, b->x, &b->half));
    ts_device_part(tape->dev, "experts", b->layer);
    return TS_OK;
}

ts_status ts_beside_second(ts_tape *tape, ts_beside *b)
{
    if (!b->half)
        return TS_OK;
    ts_device_part(tape->dev, "mlp", b->layer);
    TS_TRY(ts_mlp_second(tape, &b->l->shared, b->run, b->layer, b->half, &b->y));
    ts_device_part(tape->dev, "experts", b->layer);
    ts_tape_drop(tape, b->half);
    return TS_OK;
}

ts_status ts_beside_finish(ts_tape *tape, ts_beside *b)
{
    const ts_sublayer mlp = ts_mlp_sublayer(&b->l->shared);
    return b->y ? TS_OK : mlp.forward(mlp.module, tape, b->run, b->layer, b->x, &b->y);
}

/* ---- all gather ---- */

/* Everyone's rows come to all, and each takes those of its experts: a part of a sum. */
ts_status ts_experts_gathered(ts_tape *tape, ts_beside *b, ts_tensor *x, ts_tensor *weights, ts_tensor *ids,
                              ts_tensor **y)
{
    const ts_expert_group *g = b->l->apart;
    const int64_t here = b->l->experts / g->comm->size, own = x->dim[0];
    const ts_sort_op order = { .experts = here, .first = g->comm->rank * here };
    ts_comm *const all[] = { g->pieces, g->comm };
    ts_travel near, far;
    ts_under_way *u;
    ts_sorted_rows s;
    ts_tensor *rows, *out;
    TS_TRY(ts_travel_gather(tape, g->pieces, own, &near));
    TS_TRY(ts_travel_gather(tape, g->comm, near.n_there, &far));
    TS_TRY(ts_op_travel(tape, &near, false, x, near.n_there, &x));
    TS_TRY(ts_op_travel_start(tape, &far, false, x, far.n_there, &u));
    for (int i = 0; i < 2; i++) {
        TS_TRY(ts_op_group_collect(tape, all[i], weights, &weights));
        TS_TRY(ts_dispatch_gather_ids(tape, all[i], ids, &ids));
    }
    if (b->l->place)
        TS_TRY(ts_places_of(tape, &(ts_places){ .n = b->l->experts, .slices = 1, .stride = b->l->experts,
                                                .experts = b->l->experts, .shares = 1, .place = b->l->place },
                            ids, &ids));
    TS_TRY(ts_sort_rows(tape, &order, ids, weights, &s));
    TS_TRY(ts_dispatch_trim(tape, &s, g->pieces->size * g->comm->size, b->l->experts));
    const ts_experts_set those = { .even = (double)ts_tensor_count(ids) / (double)b->l->experts };
    TS_TRY(ts_beside_first(tape, b));
    TS_TRY(ts_op_travel_wait(tape, u, &x));
    TS_TRY(ts_experts_rows(tape, b->l, &s, x, weights, &rows));
    ts_tape_drop(tape, x);
    TS_TRY(ts_experts_products(tape, b->l, &those, &s, rows, &out));
    TS_TRY(ts_experts_combine(tape, b->l, &s, out, weights, &x));
    ts_tape_drop(tape, out);
    TS_TRY(ts_op_travel_start(tape, &far, true, x, far.n_here, &u));
    TS_TRY(ts_beside_second(tape, b));
    TS_TRY(ts_op_travel_wait(tape, u, &out));
    ts_apart_drop(tape, x, out);
    return ts_op_travel(tape, &near, true, out, own, y);
}

/* ---- rows that are everywhere ---- */

ts_status ts_experts_summed(ts_tape *tape, const ts_experts_layer *l, ts_tensor *x, ts_tensor *weights, ts_tensor *ids,
                            ts_tensor **y)
{
    const ts_expert_group *g = l->apart;
    const int64_t here = l->experts / g->comm->size;
    const ts_sort_op order = { .experts = here, .first = g->comm->rank * here, .misses = true };
    const ts_experts_set those = { .even = (double)ts_tensor_count(ids) / (double)l->experts };
    ts_sorted_rows s;
    ts_tensor *rows, *out, *part;
    TS_TRY(ts_sort_rows(tape, &order, ids, weights, &s));
    TS_TRY(ts_experts_rows(tape, l, &s, x, weights, &rows));
    TS_TRY(ts_experts_products(tape, l, &those, &s, rows, &out));
    TS_TRY(ts_experts_combine(tape, l, &s, out, weights, &part));
    ts_tape_drop(tape, out);
    return ts_op_group_sum(tape, g->all, part, y);
}
