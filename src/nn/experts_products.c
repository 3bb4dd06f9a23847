#include "nn/experts_products.h"

ts_status ts_experts_products(ts_tape *tape, const ts_experts_layer *l, const ts_sorted_rows *s, ts_tensor *rows,
                              ts_tensor **out)
{
    ts_tensor *h, *a;
    tape->makes_late = l->apart && l->apart->late && !ts_tape_replays(tape, TS_REPLAY_TRAVEL);
    const ts_status st = ts_op_linear_groups(tape, s, rows, l->fc1, &h);
    tape->makes_late = false;
    TS_TRY(st);
    ts_tape_drop(tape, rows);
    TS_TRY(ts_op_act(tape, l->act, l->gated, h, &a));
    ts_tape_drop(tape, h);
    TS_TRY(ts_op_linear_groups(tape, s, a, l->fc2, out));
    ts_tape_drop(tape, a);
    return TS_OK;
}
