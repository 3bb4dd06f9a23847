#include "nn/linear.h"

ts_status ts_linear_declare(const ts_declarer *d, const char *name, ts_linear *l)
{
    const ts_declarer in = ts_declare_in(d, name);
    const ts_param_spec w = { .place = ts_place_whole(l->out, l->in), .start = l->start,
                              .decoupled = l->decoupled };
    const ts_param_spec b = { .place = ts_place_whole(l->out, 0), .start = TS_START_CONSTANT };
    if (!l->tied)
        TS_TRY(ts_declare(&in, "weight", &w, &l->w));
    return l->has_bias ? ts_declare(&in, "bias", &b, &l->b) : TS_OK;
}

ts_status ts_linear_forward(ts_tape *tape, const ts_linear *l, ts_tensor *x, ts_tensor **y)
{
    TS_TRY(ts_op_linear(tape, x, l->w, l->b, y));
    return l->adapter ? l->adapter->add(l->adapter, tape, x, y) : TS_OK;
}
