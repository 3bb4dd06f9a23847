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

ts_status ts_experts_products(ts_tape *tape, const ts_experts_layer *l, const ts_experts_set *which,
                              const ts_sorted_rows *s, ts_tensor *rows, ts_tensor **out)
{
    ts_tensor *h, *a;
    TS_TRY(first_product(tape, l, which, s, rows, &h));
    ts_tape_drop(tape, rows);
    TS_TRY(ts_op_act_of(tape, &(ts_act_op){ l->act, l->gated, l->clamp, l->offset }, h, &a));
    ts_tape_drop(tape, h);
    TS_TRY(second_product(tape, l, which, s, a, out));
    ts_tape_drop(tape, a);
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
    return ts_op_combine(tape, s, out, l->scales_input ? NULL : weights, y);
}
