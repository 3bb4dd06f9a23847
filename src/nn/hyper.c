#include "nn/hyper.h"

#include "ops/altup.h"
#include "ops/columns.h"
#include "ops/experts.h"

ts_status ts_hyper_declare(const ts_declarer *d, const char *name, ts_hyper_layer *l)
{
    const ts_declarer in = ts_declare_in(d, name);
    const int64_t n = l->op.streams, cols = ts_hyper_cols(n, l->op.iterations);
    const ts_param_parts of_rows = { .slots = ts_shares_rows(d->group) };
    const ts_param_spec weight = { .place = ts_place_whole(cols, n * l->width), .is_router = true, .parts = of_rows },
                        scale = { .place = ts_place_whole(ts_hyper_scales(l->op.iterations), 0), .parts = of_rows,
                                  .start = TS_START_CONSTANT, .value = l->start },
                        base = { .place = ts_place_whole(cols, 0), .start = TS_START_CONSTANT, .parts = of_rows };
    if (!n)
        return TS_OK;
    TS_TRY(ts_norm_declare(&in, "norm", &l->norm));
    TS_TRY(ts_declare(&in, "weight", &weight, &l->weight));
    TS_TRY(ts_declare(&in, "scale", &scale, &l->op.scale));
    return ts_declare(&in, "base", &base, &l->op.base);
}

ts_status ts_hyper_widen(ts_tape *tape, const ts_hyper_layer *l, ts_tensor *x, ts_tensor **s)
{
    return ts_op_repeat_cols(tape, x, l->op.streams, s);
}

ts_status ts_hyper_read(ts_tape *tape, const ts_hyper_layer *l, ts_tensor *s, ts_tensor **x, ts_hyper_mix *mix)
{
    const int64_t n = l->op.streams;
    ts_tensor *c, *from;
    TS_TRY(ts_op_norm(tape, &l->norm.op, s, NULL, NULL, &c));
    TS_TRY(ts_op_router(tape, c, l->weight, NULL, &c));
    TS_TRY(ts_op_hyper(tape, &l->op, c, &c));
    TS_TRY(ts_op_take_cols(tape, c, 1, 0, n, &from));
    if (mix) {
        TS_TRY(ts_op_take_cols(tape, c, 1, n, n, &mix->write));
        TS_TRY(ts_op_take_cols(tape, c, 1, 2 * n, n * n, &mix->across));
    }
    return ts_op_mix(tape, s, NULL, from, n, 1, 0, x);
}

ts_status ts_hyper_write(ts_tape *tape, const ts_hyper_layer *l, ts_tensor *s, ts_tensor *y, const ts_hyper_mix *mix,
                         ts_tensor **out)
{
    const int64_t n = l->op.streams;
    TS_TRY(ts_op_mix(tape, s, NULL, mix->across, n, n, 0, &s));
    return ts_op_mix(tape, y, s, mix->write, 1, n, 0, out);
}
