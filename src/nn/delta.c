#include "nn/delta.h"
#include "nn/scan_parts.h"
#include "nn/show.h"

ts_status ts_delta_declare(const ts_declarer *d, ts_delta_layer *l)
{
    const int64_t shared = l->heads / l->key_heads;
    const ts_place keys = ts_share_of(d, l->key_heads, l->K), values = ts_share_of(d, l->key_heads, shared * l->V),
                   heads = ts_share_of(d, l->key_heads, shared);
    const ts_place qkv = ts_shares_behind(d, (const ts_place[]){ keys, keys, values }, 3);
    const ts_param_spec filter = ts_filter_spec(&qkv, l->width),
                        rate = { .place = heads, .start = TS_START_LOG_UNIFORM, .value = 16 },
                        step = { .place = heads, .start = TS_START_CONSTANT, .value = 1 },
                        norm = { .place = ts_place_whole(l->V, 0), .parts = { .slots = d->group != NULL },
                                 .start = TS_START_CONSTANT, .value = 1 };
    l->qkv = l->z = l->b = l->a = (ts_linear){ .in = l->hidden };
    ts_linear_share_as(d, &l->qkv, &qkv);
    ts_linear_share_as(d, &l->z, &values);
    ts_linear_share_as(d, &l->b, &heads);
    ts_linear_share_as(d, &l->a, &heads);
    l->out = (ts_linear){ .in = l->heads * l->V, .out = l->hidden, .start = TS_START_OUT };
    ts_linear_share(d, &l->out, TS_CUT_ROW, 1, shared * l->V);
    TS_TRY(ts_declare(d, "dt_bias", &step, &l->dt_bias));
    TS_TRY(ts_declare(d, "A_log", &rate, &l->A_log));
    TS_TRY(ts_declare(d, "conv1d.weight", &filter, &l->conv_w));
    TS_TRY(ts_linear_declare(d, "in_proj_qkv", &l->qkv));
    TS_TRY(ts_linear_declare(d, "in_proj_z", &l->z));
    TS_TRY(ts_linear_declare(d, "in_proj_b", &l->b));
    TS_TRY(ts_linear_declare(d, "in_proj_a", &l->a));
    TS_TRY(ts_declare(d, "norm.weight", &norm, &l->norm_w));
    TS_TRY(ts_linear_declare(d, "out_proj", &l->out));
    l->heads = ts_place_local(&heads, 0);
    l->key_heads = l->heads / shared;
    return TS_OK;
}

/* What the rule makes of the heads that are here, of the rows here with all heads. */
static ts_status rule(ts_tape *tape, const ts_delta_layer *l, const ts_run *run, int64_t layer, ts_tensor *qkv,
                      ts_tensor *a, ts_tensor *b, ts_tensor **heads)
{
    const ts_spread *s = run->spread;
    const ts_scan_kept kept = ts_scan_state_kept(run->state ? run->state[layer] : NULL, run->slot0, run->q_start,
                                                 run->q_len);
    const int64_t keys = l->key_heads, shared = l->heads / keys;
    const ts_spread_share here = ts_spread_share_of(s, keys);
    const ts_scan_parts parts = { keys, 3, { l->K, l->K, shared * l->V }, { true, true, false } };
    const ts_conv_op conv = { .w = l->conv_w, .silu = true, .first_key = ts_scan_first_key(run), .kept = kept };
    const ts_delta_op o = { .B = run->B, .S = ts_scan_rows(run), .heads = ts_spread_here_of(&here, shared),
                            .head0 = ts_spread_first_of(&here, shared), .key_heads = here.n,
                            .K = l->K, .V = l->V, .eps = 1e-6f, .A_log = l->A_log, .dt_bias = l->dt_bias,
                            .first_key = ts_scan_first_key(run), .kept = kept };
    ts_tensor *seen, *decays, *betas, *y;
    TS_TRY(ts_scan_convolve(tape, run, &conv, &parts, qkv, &seen));
    ts_tape_drop(tape, qkv);
    TS_TRY(ts_op_spread_out(tape, s, run->B, keys, a, &decays));
    TS_TRY(ts_op_spread_out(tape, s, run->B, keys, b, &betas));
    TS_TRY(ts_op_delta(tape, &o, seen, decays, betas, &y));
    ts_tape_drop(tape, seen);
    return ts_op_spread_back(tape, s, run->B, keys, y, heads);
}

static ts_status mix(ts_tape *tape, const void *module, const ts_run *run, int64_t layer, ts_tensor *x,
                     ts_tensor **y)
{
    const ts_delta_layer *l = module;
    const ts_gate_op gate = { .group = l->V, .kind = TS_GATE_SILU, .behind = true, .eps = l->eps, .w = l->norm_w };
    const ts_shown_columns inner = ts_columns_of(&l->out, TS_CUT_ROW), stream = ts_columns_whole(l->out.out);
    ts_tensor *qkv, *a, *b, *z, *heads, *normed;
    TS_TRY(ts_linear_forward(tape, &l->qkv, x, &qkv));
    TS_TRY(ts_linear_forward(tape, &l->b, x, &b));
    TS_TRY(ts_linear_forward(tape, &l->a, x, &a));
    TS_TRY(rule(tape, l, run, layer, qkv, a, b, &heads));
    TS_TRY(ts_show(tape, run, layer, "self_attention", "delta_rule", &inner, heads));
    TS_TRY(ts_linear_forward(tape, &l->z, x, &z));
    TS_TRY(ts_op_gate(tape, &gate, heads, z, &normed));
    TS_TRY(ts_linear_forward(tape, &l->out, normed, y));
    return ts_show(tape, run, layer, "self_attention", "out_proj", &stream, *y);
}

static bool trains(const ts_delta_layer *l)
{
    const ts_linear *const x[] = { &l->qkv, &l->z, &l->b, &l->a, &l->out };
    bool any = ts_param_has_grad(l->conv_w) || ts_param_has_grad(l->A_log) || ts_param_has_grad(l->dt_bias) ||
               ts_param_has_grad(l->norm_w);
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        any = any || ts_linear_trains(x[i]);
    return any;
}

static ts_status forward(const void *module, ts_tape *tape, const ts_run *run, int64_t layer, ts_tensor *x,
                         ts_tensor **y)
{
    const ts_mixer m = { mix, module, "linear attention", trains(module) };
    return ts_mixer_forward(tape, &m, run, layer, x, y);
}

static ts_status make_state(const void *module, ts_device *dev, ts_dtype dtype, int64_t slots, ts_layer_state **out)
{
    const ts_delta_layer *l = module;
    return ts_scan_state_create(dev, dtype, slots, l->width - 1, 2 * l->key_heads * l->K + l->heads * l->V,
                                l->heads * l->K * l->V, out);
}

ts_sublayer ts_delta_sublayer(const ts_delta_layer *l)
{
    return (ts_sublayer){ .forward = forward, .module = l, .make_state = make_state };
}
