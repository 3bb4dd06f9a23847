#include "nn/short_conv.h"
#include "nn/scan_parts.h"
#include "nn/show.h"
#include "ops/product.h"

ts_status ts_short_conv_declare(const ts_declarer *d, ts_short_conv_layer *l)
{
    const ts_place share = ts_share_of(d, l->hidden, 1);
    const ts_param_spec filter = ts_filter_spec(&share, l->width),
                        bias = { .place = share, .start = TS_START_CONSTANT };
    l->b = l->c = l->x = (ts_linear){ .in = l->hidden, .has_bias = l->bias };
    ts_linear_share_as(d, &l->b, &share);
    ts_linear_share_as(d, &l->c, &share);
    ts_linear_share_as(d, &l->x, &share);
    l->out = (ts_linear){ .in = l->hidden, .out = l->hidden, .has_bias = l->bias, .start = TS_START_OUT };
    ts_linear_share(d, &l->out, TS_CUT_ROW, 1, 1);
    l->cols = ts_place_local(&share, 0);
    TS_TRY(ts_declare(d, "conv1d.weight", &filter, &l->conv_w));
    if (l->bias)
        TS_TRY(ts_declare(d, "conv1d.bias", &bias, &l->conv_b));
    TS_TRY(ts_linear_declare(d, "in_proj_b", &l->b));
    TS_TRY(ts_linear_declare(d, "in_proj_c", &l->c));
    TS_TRY(ts_linear_declare(d, "in_proj_x", &l->x));
    return ts_linear_declare(d, "out_proj", &l->out);
}

static ts_status mix(ts_tape *tape, const void *module, const ts_run *run, int64_t layer, ts_tensor *x,
                     ts_tensor **y)
{
    const ts_short_conv_layer *l = module;
    const ts_scan_kept kept = ts_scan_state_kept(run->state ? run->state[layer] : NULL, run->slot0, run->q_start,
                                                 run->q_len);
    const ts_conv_op conv = { .w = l->conv_w, .b = l->conv_b, .first_key = ts_scan_first_key(run), .kept = kept };
    const ts_scan_parts parts = { l->cols, 1, { 1 }, { false } };
    const ts_shown_columns inner = ts_columns_of(&l->out, TS_CUT_ROW), stream = ts_columns_whole(l->out.out);
    ts_tensor *b, *c, *in, *gated, *seen, *made;
    TS_TRY(ts_linear_forward(tape, &l->b, x, &b));
    TS_TRY(ts_linear_forward(tape, &l->x, x, &in));
    TS_TRY(ts_op_product(tape, TS_FACTOR_ITSELF, in, b, &gated));
    TS_TRY(ts_scan_convolve(tape, run, &conv, &parts, gated, &seen));
    ts_tape_drop(tape, gated);
    TS_TRY(ts_op_spread_back(tape, run->spread, run->B, l->cols, seen, &seen));
    TS_TRY(ts_show(tape, run, layer, "short_conv", "conv1d", &inner, seen));
    TS_TRY(ts_linear_forward(tape, &l->c, x, &c));
    TS_TRY(ts_op_product(tape, TS_FACTOR_ITSELF, seen, c, &made));
    TS_TRY(ts_linear_forward(tape, &l->out, made, y));
    return ts_show(tape, run, layer, "short_conv", "out_proj", &stream, *y);
}

static bool trains(const ts_short_conv_layer *l)
{
    return ts_param_has_grad(l->conv_w) || ts_param_has_grad(l->conv_b) || ts_linear_trains(&l->b) ||
           ts_linear_trains(&l->c) || ts_linear_trains(&l->x) || ts_linear_trains(&l->out);
}

static ts_status forward(const void *module, ts_tape *tape, const ts_run *run, int64_t layer, ts_tensor *x,
                         ts_tensor **y)
{
    const ts_mixer m = { mix, module, "short conv", trains(module) };
    return ts_mixer_forward(tape, &m, run, layer, x, y);
}

static ts_status make_state(const void *module, ts_device *dev, ts_dtype dtype, int64_t slots, ts_layer_state **out)
{
    const ts_short_conv_layer *l = module;
    return ts_scan_state_create(dev, dtype, slots, l->width - 1, l->cols, 0, out);
}

ts_sublayer ts_short_conv_sublayer(const ts_short_conv_layer *l)
{
    return (ts_sublayer){ .forward = forward, .module = l, .make_state = make_state };
}
