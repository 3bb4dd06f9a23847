#include "nn/mamba.h"
#include "nn/scan_parts.h"
#include "nn/show.h"
#include "ops/product.h"

#include <math.h>

/* Numbers of heads, whose start is a rule of its own. */
static ts_status declare_heads(const ts_declarer *d, ts_mamba_layer *l, const ts_place *heads)
{
    const ts_param_spec rate = { .place = *heads, .start = TS_START_LOG_UNIFORM, .value = 16 },
                        skip = { .place = *heads, .start = TS_START_CONSTANT, .value = 1 },
                        step = { .place = *heads, .start = TS_START_STEP };
    TS_TRY(ts_declare(d, "A_log", &rate, &l->A_log));
    TS_TRY(ts_declare(d, "D", &skip, &l->D));
    return ts_declare(d, "dt_bias", &step, &l->dt_bias);
}

ts_status ts_mamba_declare(const ts_declarer *d, ts_mamba_layer *l)
{
    const ts_place heads = ts_share_of(d, l->heads, 1), inner = ts_share_of(d, l->heads, l->P),
                   shared = ts_share_of(d, l->groups, l->N);
    const ts_place xbc = ts_shares_behind(d, (const ts_place[]){ inner, shared, shared }, 3);
    const ts_param_spec filter = ts_filter_spec(&xbc, l->width), bias = { .place = xbc, .start = TS_START_CONSTANT },
                        norm = { .place = inner, .start = TS_START_CONSTANT, .value = 1 };
    l->z = l->xbc = l->dt = (ts_linear){ .in = l->hidden, .has_bias = l->bias };
    ts_linear_share_as(d, &l->z, &inner);
    ts_linear_share_as(d, &l->xbc, &xbc);
    ts_linear_share_as(d, &l->dt, &heads);
    l->out = (ts_linear){ .in = l->heads * l->P, .out = l->hidden, .has_bias = l->bias, .start = TS_START_OUT };
    ts_linear_share(d, &l->out, TS_CUT_ROW, 1, l->P);
    TS_TRY(declare_heads(d, l, &heads));
    TS_TRY(ts_linear_declare(d, "in_proj_z", &l->z));
    TS_TRY(ts_linear_declare(d, "in_proj_xbc", &l->xbc));
    TS_TRY(ts_linear_declare(d, "in_proj_dt", &l->dt));
    TS_TRY(ts_declare(d, "conv1d.weight", &filter, &l->conv_w));
    if (l->conv_bias)
        TS_TRY(ts_declare(d, "conv1d.bias", &bias, &l->conv_b));
    if (!l->no_norm)
        TS_TRY(ts_declare(d, "norm.weight", &norm, &l->norm_w));
    TS_TRY(ts_linear_declare(d, "out_proj", &l->out));
    const int64_t all = l->heads, here = ts_place_local(&heads, 0);
    l->heads = here;
    l->groups = l->groups * here / all;
    l->norm_groups = l->norm_groups * here / all;
    return TS_OK;
}

static ts_status scaled(ts_tape *tape, float by, ts_tensor *x, ts_tensor **y)
{
    *y = x;
    return by == 1 ? TS_OK : ts_op_add(tape, x, by, NULL, 0, y);
}

/* x, B and C, each with its factor, before the convolution. */
static ts_status project(ts_tape *tape, const ts_mamba_layer *l, ts_tensor *x, ts_tensor **xbc)
{
    const int64_t shared = l->groups * l->N;
    const ts_stretch_factors by = { 3, { l->heads * l->P, shared, shared }, { l->x_scale, l->b_scale, l->c_scale } };
    ts_tensor *plain;
    TS_TRY(ts_linear_forward(tape, &l->xbc, x, &plain));
    TS_TRY(ts_op_scale_cols(tape, &by, plain, xbc));
    if (*xbc != plain)
        ts_tape_drop(tape, plain);
    return TS_OK;
}

/* What the scan makes of the heads that are here, of the rows here with all heads. */
static ts_status scan(ts_tape *tape, const ts_mamba_layer *l, const ts_run *run, int64_t layer, ts_tensor *xbc,
                      ts_tensor *dt, ts_tensor **heads)
{
    const ts_spread *s = run->spread;
    const ts_scan_kept kept = ts_scan_state_kept(run->state ? run->state[layer] : NULL, run->slot0, run->q_start,
                                                 run->q_len);
    const int64_t each = l->heads / l->groups; /* heads of a group */
    const ts_spread_share here = ts_spread_share_of(s, l->groups);
    const ts_scan_parts parts = { l->groups, 3, { each * l->P, l->N, l->N }, { false, true, true } };
    const ts_conv_op conv = { .w = l->conv_w, .b = l->conv_b, .silu = true, .first_key = ts_scan_first_key(run), .kept = kept };
    const ts_ssd_op o = { .B = run->B, .S = ts_scan_rows(run), .heads = ts_spread_here_of(&here, each),
                          .head0 = ts_spread_first_of(&here, each), .groups = here.n, .P = l->P, .N = l->N, .lo = l->dt_min, .hi = l->dt_max > 0 ? l->dt_max : INFINITY,
                          .A_log = l->A_log, .D = l->D, .dt_bias = l->dt_bias, .first_key = ts_scan_first_key(run),
                          .kept = kept };
    ts_tensor *seen, *steps, *y;
    TS_TRY(ts_scan_convolve(tape, run, &conv, &parts, xbc, &seen));
    ts_tape_drop(tape, xbc);
    TS_TRY(ts_op_spread_out(tape, s, run->B, l->groups, dt, &steps));
    TS_TRY(ts_op_ssd(tape, &o, seen, steps, &y));
    ts_tape_drop(tape, seen);
    return ts_op_spread_back(tape, s, run->B, l->groups, y, heads);
}

static ts_status mix(ts_tape *tape, const void *module, const ts_run *run, int64_t layer, ts_tensor *x,
                     ts_tensor **y)
{
    const ts_mamba_layer *l = module;
    const ts_gate_op gate = { .group = l->heads * l->P / l->norm_groups, .kind = TS_GATE_SILU,
                              .behind = l->norm_first, .eps = l->eps, .w = l->norm_w };
    const ts_shown_columns inner = ts_columns_of(&l->out, TS_CUT_ROW), stream = ts_columns_whole(l->out.out);
    ts_tensor *z, *xbc, *dt, *heads, *normed;
    TS_TRY(scaled(tape, l->in_scale, x, &x));
    TS_TRY(project(tape, l, x, &xbc));
    TS_TRY(ts_linear_forward(tape, &l->dt, x, &dt));
    TS_TRY(scaled(tape, l->dt_scale, dt, &dt));
    TS_TRY(scan(tape, l, run, layer, xbc, dt, &heads));
    TS_TRY(ts_show(tape, run, layer, "mixer", "scan", &inner, heads));
    TS_TRY(ts_linear_forward(tape, &l->z, x, &z));
    TS_TRY(scaled(tape, l->z_scale, z, &z));
    TS_TRY(l->no_norm ? ts_op_product(tape, TS_FACTOR_SILU, heads, z, &normed)
                      : ts_op_gate(tape, &gate, heads, z, &normed));
    TS_TRY(ts_linear_forward(tape, &l->out, normed, y));
    return ts_show(tape, run, layer, "mixer", "out_proj", &stream, *y);
}

static bool trains(const ts_mamba_layer *l)
{
    const ts_param *const p[] = { l->conv_w, l->conv_b, l->A_log, l->D, l->dt_bias, l->norm_w };
    const ts_linear *const x[] = { &l->z, &l->xbc, &l->dt, &l->out };
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
    const ts_mamba_layer *l = module;
    return ts_scan_state_create(dev, dtype, slots, l->width - 1, l->heads * l->P + 2 * l->groups * l->N,
                                l->heads * l->N * l->P, out);
}

ts_sublayer ts_mamba_sublayer(const ts_mamba_layer *l)
{
    return (ts_sublayer){ .forward = forward, .module = l, .make_state = make_state };
}
