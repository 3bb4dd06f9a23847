#include "nn/selective.h"
#include "nn/show.h"
#include "ops/columns.h"
#include "ops/group.h"
#include "ops/product.h"

#include <math.h>

/* Rates start as 1, 2, 3, ... in every channel, as Mamba's authors have them. */
static ts_status declare_scan(const ts_declarer *d, ts_selective_layer *l, const ts_place *channels)
{
    ts_param_spec rate = { .place = *channels, .start = TS_START_LOG_COLUMN, .is_vectors = true },
                  skip = { .place = *channels, .start = TS_START_CONSTANT, .value = 1 },
                  step = { .place = *channels, .start = TS_START_STEP };
    rate.place.rank = 2;
    rate.place.dim[1] = (ts_place_dim){ .whole = l->N };
    TS_TRY(ts_declare(d, "A_log", &rate, &l->A_log));
    TS_TRY(ts_declare(d, "D", &skip, &l->D));
    return ts_declare(d, "dt_proj.bias", &step, &l->dt_bias);
}

static ts_status declare_norms(const ts_declarer *d, ts_selective_layer *l)
{
    TS_TRY(ts_norm_declare(d, "dt_layernorm", &l->dt_norm));
    TS_TRY(ts_norm_declare(d, "b_layernorm", &l->b_norm));
    return ts_norm_declare(d, "c_layernorm", &l->c_norm);
}

ts_status ts_selective_declare(const ts_declarer *d, ts_selective_layer *l)
{
    const ts_place channels = ts_share_of(d, l->channels, 1);
    const ts_param_spec filter = ts_filter_spec(&channels, l->width),
                        bias = { .place = channels, .start = TS_START_CONSTANT };
    l->group = d->group;
    l->x = l->z = (ts_linear){ .in = l->hidden, .has_bias = l->bias };
    l->low = (ts_linear){ .in = l->channels, .out = l->rank + 2 * l->N };
    l->dt = (ts_linear){ .in = l->rank };
    l->out = (ts_linear){ .in = l->channels, .out = l->hidden, .has_bias = l->bias, .start = TS_START_OUT };
    ts_linear_share_as(d, &l->x, &channels);
    ts_linear_share_as(d, &l->z, &channels);
    ts_linear_share_as(d, &l->dt, &channels);
    ts_linear_share(d, &l->low, TS_CUT_ROW, 1, 1);
    ts_linear_share(d, &l->out, TS_CUT_ROW, 1, 1);
    TS_TRY(declare_scan(d, l, &channels));
    TS_TRY(ts_declare(d, "conv1d.weight", &filter, &l->conv_w));
    if (l->conv_bias)
        TS_TRY(ts_declare(d, "conv1d.bias", &bias, &l->conv_b));
    TS_TRY(ts_linear_declare(d, "in_proj_x", &l->x));
    TS_TRY(ts_linear_declare(d, "in_proj_z", &l->z));
    TS_TRY(ts_linear_declare(d, "x_proj", &l->low));
    TS_TRY(ts_linear_declare(d, "dt_proj", &l->dt));
    TS_TRY(declare_norms(d, l));
    TS_TRY(ts_linear_declare(d, "out_proj", &l->out));
    l->channels = ts_place_local(&channels, 0);
    return TS_OK;
}

/* Columns [begin, begin + norm's width) of x_proj's result, normed. */
static ts_status part_of(ts_tape *tape, ts_tensor *low, int64_t begin, const ts_norm_layer *norm, ts_tensor **y)
{
    TS_TRY(ts_op_take_cols(tape, low, 1, begin, norm->width, y));
    return norm->present ? ts_op_norm(tape, &norm->op, *y, NULL, NULL, y) : TS_OK;
}

/* Steps before their bias, and B and C side by side. Of the latter every process uses all rows, and has a part of
 * their gradient. */
static ts_status select(ts_tape *tape, const ts_selective_layer *l, ts_tensor *x, ts_tensor **raw, ts_tensor **bc)
{
    ts_comm *group = l->group ? l->group->comm : NULL;
    ts_tensor *low, *dt, *b, *c;
    TS_TRY(ts_linear_forward(tape, &l->low, x, &low));
    TS_TRY(part_of(tape, low, 0, &l->dt_norm, &dt));
    TS_TRY(ts_linear_forward(tape, &l->dt, dt, raw));
    TS_TRY(part_of(tape, low, l->rank, &l->b_norm, &b));
    TS_TRY(part_of(tape, low, l->rank + l->N, &l->c_norm, &c));
    TS_TRY(ts_op_join_cols(tape, b, c, bc));
    return ts_shares_rows(l->group) ? ts_op_group_collect(tape, group, *bc, bc)
                                    : ts_op_group_copy(tape, group, *bc, bc);
}

static ts_status mix(ts_tape *tape, const void *module, const ts_run *run, int64_t layer, ts_tensor *x,
                     ts_tensor **y)
{
    const ts_selective_layer *l = module;
    const ts_scan_kept kept = ts_scan_state_kept(run->state ? run->state[layer] : NULL, run->slot0, run->q_start,
                                                 run->q_len);
    const ts_conv_op conv = { .B = run->B, .S = run->S, .w = l->conv_w, .b = l->conv_b, .silu = true,
                              .first_key = run->first_key, .kept = kept };
    const ts_selective_op scan = { .B = run->B, .S = run->S, .channels = l->channels, .N = l->N, .A_log = l->A_log,
                                   .D = l->D, .dt_bias = l->dt_bias, .first_key = run->first_key, .kept = kept };
    const ts_shown_columns inner = ts_columns_of(&l->out, TS_CUT_ROW), stream = ts_columns_whole(l->out.out);
    ts_tensor *in, *seen, *raw, *bc, *scanned, *z, *gated;
    TS_ASSERT(!run->spread, "layer %lld carries a state: its sequences are not shared out", (long long)layer);
    TS_TRY(ts_linear_forward(tape, &l->x, x, &in));
    TS_TRY(ts_op_conv(tape, &conv, in, &seen));
    ts_tape_drop(tape, in);
    TS_TRY(select(tape, l, seen, &raw, &bc));
    TS_TRY(ts_op_selective(tape, &scan, seen, raw, bc, &scanned));
    TS_TRY(ts_show(tape, run, layer, "mixer", "scan", &inner, scanned));
    TS_TRY(ts_linear_forward(tape, &l->z, x, &z));
    TS_TRY(ts_op_product(tape, TS_FACTOR_SILU, scanned, z, &gated));
    TS_TRY(ts_linear_forward(tape, &l->out, gated, y));
    return ts_show(tape, run, layer, "mixer", "out_proj", &stream, *y);
}

static bool trains(const ts_selective_layer *l)
{
    const ts_param *const p[] = { l->conv_w, l->conv_b, l->A_log, l->D, l->dt_bias, l->dt_norm.op.w, l->b_norm.op.w,
                                  l->c_norm.op.w };
    const ts_linear *const x[] = { &l->x, &l->z, &l->low, &l->dt, &l->out };
    bool any = false;
    for (size_t i = 0; i < sizeof p / sizeof *p; i++)
        any = any || ts_param_has_grad(p[i]);
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        any = any || ts_linear_trains(x[i]);
    return any;
}

static ts_status forward(const void *module, ts_tape *tape, const ts_run *run, int64_t layer, ts_tensor *x,
                         ts_tensor **y)
{
    const ts_mixer m = { mix, module, "mixer", trains(module) };
    return ts_mixer_forward(tape, &m, run, layer, x, y);
}

static ts_status make_state(const void *module, ts_device *dev, ts_dtype dtype, int64_t slots, ts_layer_state **out)
{
    const ts_selective_layer *l = module;
    return ts_scan_state_create(dev, dtype, slots, l->width - 1, l->channels, l->channels * l->N, out);
}

ts_sublayer ts_selective_sublayer(const ts_selective_layer *l)
{
    return (ts_sublayer){ .forward = forward, .module = l, .make_state = make_state };
}
