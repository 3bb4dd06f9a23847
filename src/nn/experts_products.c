#include "nn/experts_products.h"

static ts_status first_product(ts_tape *tape, const ts_experts_layer *l, const ts_experts_set *which,
                               const ts_sorted_rows *s, ts_tensor *rows, ts_tensor **h)
{
    const ts_groups_op fc1 = { .w = l->fc1, .b = l->fc1_bias, .first = which->first };
    if (which->fc1)
        return ts_op_linear_lent(tape, s, which->fc1, which->fc1_bias, rows, h);
    tape->makes_late = l->apart && l->apart->late && !ts_tape_replays(tape, TS_REPLAY_TRAVEL);
    const ts_status st = ts_op_linear_groups_of(tape, s, &fc1, rows, h);
    tape->makes_late = false;
    return st;
}

static ts_status second_product(ts_tape *tape, const ts_experts_layer *l, const ts_experts_set *which,
                                const ts_sorted_rows *s, ts_tensor *a, ts_tensor **out)
{
    const ts_comm *pieces = l->apart ? l->apart->pieces : l->group ? l->group->comm : NULL;
    const ts_groups_op fc2 = { .w = l->fc2, .b = l->fc2_bias, .first = which->first,
                               .elsewhere = pieces && pieces->rank > 0 };
    return which->fc2 ? ts_op_linear_lent(tape, s, which->fc2, which->fc2_bias, a, out)
                      : ts_op_linear_groups_of(tape, s, &fc2, a, out);
}

static ts_status adapt(ts_tape *tape, const ts_experts_product *p, const ts_experts_set *which, const ts_sorted_rows *s,
                       ts_tensor *x, ts_tensor **y)
{
    if (!p->adapter || *p->off)
        return TS_OK;
    TS_ASSERT(!which->fc1, "%s: copies of experts have no adapters", p->adapter->a->name);
    ts_lora_groups_op o = *p->adapter;
    o.first = which->first;
    return ts_op_lora_groups(tape, s, &o, x, *y, y);
}

static ts_status run_products(ts_tape *tape, const ts_experts_layer *l, const ts_experts_set *which,
                              const ts_sorted_rows *s, ts_tensor *rows, ts_tensor **out)
{
    ts_tensor *h, *a;
    TS_TRY(first_product(tape, l, which, s, rows, &h));
    TS_TRY(adapt(tape, &l->first, which, s, rows, &h));
    ts_tape_drop(tape, rows);
    TS_TRY(ts_op_act_of(tape, &(ts_act_op){ l->act, l->gated, l->clamp, l->offset, l->clamps_value }, h, &a));
    ts_tape_drop(tape, h);
    TS_TRY(second_product(tape, l, which, s, a, out));
    TS_TRY(adapt(tape, &l->second, which, s, a, out));
    ts_tape_drop(tape, a);
    return TS_OK;
}

/* ---- made again where experts are too busy ---- */

/* Of s, the most that one has; where nothing is computed all have as many. */
static ts_status most_rows(ts_tape *tape, const ts_sorted_rows *s, double *most)
{
    const size_t n = (size_t)s->experts + 1;
    int32_t *offsets;
    *most = (double)s->rows / (double)s->experts;
    if (!tape->dev->computes)
        return TS_OK;
    TS_TRY(ts_alloc(&offsets, n, sizeof *offsets));
    const ts_status st = ts_device_read(tape->dev, offsets, ts_tensor_data(s->offsets), n * sizeof *offsets);
    *most = 0;
    for (int64_t e = 0; e < s->experts; e++)
        *most = offsets[e + 1] - offsets[e] > *most ? offsets[e + 1] - offsets[e] : *most;
    ts_free(&offsets);
    return st;
}

/* Whether this pass keeps nothing of experts but their rows, by what the one before has seen; and what this one sees. A
 * layer that runs again does as it did. */
static ts_status are_too_busy(ts_tape *tape, const ts_experts_layer *l, const ts_experts_set *which, const ts_sorted_rows *s,
                              bool *again)
{
    double most;
    *again = false;
    if (!tape->recording || tape->dev->again || !l->rules || l->rules->again_above == 0 || !l->busiest || which->fc1)
        return TS_OK;
    *again = *l->busiest < 0 || *l->busiest > l->rules->again_above;
    TS_TRY(most_rows(tape, s, &most));
    *l->busiest = most / which->even;
    return TS_OK;
}

typedef struct again_ctx {
    const ts_experts_layer *l;
    ts_experts_set which;
    ts_sorted_rows s;
} again_ctx;

static ts_status products_again(ts_tape *tape, void *ctx, ts_tensor *in, ts_tensor **out)
{
    const again_ctx *c = ctx;
    return run_products(tape, c->l, &c->which, &c->s, in, out);
}

ts_status ts_experts_products(ts_tape *tape, const ts_experts_layer *l, const ts_experts_set *which,
                              const ts_sorted_rows *s, ts_tensor *rows, ts_tensor **out)
{
    const again_ctx c = { l, *which, *s };
    const ts_record *last = tape->last;
    bool again;
    TS_TRY(are_too_busy(tape, l, which, s, &again));
    if (!again)
        return run_products(tape, l, which, s, rows, out);
    TS_TRY(ts_tape_segment(tape, products_again, &c, sizeof c, rows, out));
    if (tape->last != last)
        ts_record_save(tape, tape->last, s->offsets);
    ts_tape_drop(tape, rows);
    return TS_OK;
}

ts_status ts_experts_rows(ts_tape *tape, const ts_experts_layer *l, const ts_sorted_rows *s, ts_tensor *x,
                          ts_tensor *weights, ts_tensor **rows)
{
    return l->scales_input ? ts_op_scale_rows(tape, s, x, weights, rows) : ts_op_gather_rows(tape, s, x, rows);
}

ts_status ts_experts_combine(ts_tape *tape, const ts_experts_layer *l, const ts_sorted_rows *s, ts_tensor *out,
                             ts_tensor *weights, ts_tensor **y)
{
    const bool waits = tape->waits;
    tape->waits = waits || (l->rules && l->rules->swaps && tape->recording && !tape->dev->again);
    const ts_status st = ts_op_combine(tape, s, out, l->scales_input ? NULL : weights, y);
    tape->waits = waits;
    return st;
}
