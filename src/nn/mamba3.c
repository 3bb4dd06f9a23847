#include "nn/mamba3.h"
#include "nn/show.h"
#include "ops/columns.h"
#include "ops/product.h"

ts_status ts_mamba3_declare(const ts_declarer *d, ts_mamba3_layer *l)
{
    const int64_t inner = l->heads * l->P;
    const ts_place heads = ts_place_whole(l->heads, 0), states = ts_place_whole(l->heads, l->N);
    const ts_param_spec skip = { .place = heads, .start = TS_START_CONSTANT, .value = 1 },
                        step = { .place = heads, .start = TS_START_STEP },
                        bias = { .place = states, .start = TS_START_CONSTANT, .value = 1, .is_vectors = true },
                        norm = { .place = ts_place_whole(inner, 0), .start = TS_START_CONSTANT, .value = 1 };
    l->z = l->x = (ts_linear){ .in = l->hidden, .out = inner };
    l->bc = (ts_linear){ .in = l->hidden, .out = 2 * l->groups * l->N };
    l->steps = (ts_linear){ .in = l->hidden, .out = 3 * l->heads + l->angles };
    l->out = (ts_linear){ .in = inner, .out = l->hidden, .start = TS_START_OUT };
    TS_TRY(ts_declare(d, "dt_bias", &step, &l->dt_bias));
    TS_TRY(ts_declare(d, "B_bias", &bias, &l->b_bias));
    TS_TRY(ts_declare(d, "C_bias", &bias, &l->c_bias));
    TS_TRY(ts_declare(d, "D", &skip, &l->D));
    TS_TRY(ts_linear_declare(d, "in_proj_z", &l->z));
    TS_TRY(ts_linear_declare(d, "in_proj_x", &l->x));
    TS_TRY(ts_linear_declare(d, "in_proj_bc", &l->bc));
    TS_TRY(ts_linear_declare(d, "in_proj_steps", &l->steps));
    TS_TRY(ts_norm_declare(d, "B_norm", &l->b_norm));
    TS_TRY(ts_norm_declare(d, "C_norm", &l->c_norm));
    if (l->normed)
        TS_TRY(ts_declare(d, "norm.weight", &norm, &l->norm_w));
    return ts_linear_declare(d, "out_proj", &l->out);
}

/* B or C, from column `at` on, normed group by group. */
static ts_status normed(ts_tape *tape, const ts_mamba3_layer *l, const ts_norm_layer *norm, ts_tensor *bc, int64_t at,
                        ts_tensor **y)
{
    TS_TRY(ts_op_take_cols(tape, bc, 1, at, l->groups * l->N, y));
    TS_TRY(ts_op_reshape(tape, *y, l->N, y));
    TS_TRY(ts_op_norm(tape, &norm->op, *y, NULL, NULL, y));
    return ts_op_reshape(tape, *y, l->groups * l->N, y);
}

static ts_status scan(ts_tape *tape, const ts_mamba3_layer *l, const ts_run *run, int64_t layer, ts_tensor *x, ts_tensor **y)
{
    ts_layer_state *state = run->state ? run->state[layer] : NULL;
    const ts_mamba3_op o = {
        .B = run->B, .S = run->S, .heads = l->heads, .groups = l->groups, .P = l->P, .N = l->N, .angles = l->angles,
        .floor = l->floor, .D = l->D, .dt_bias = l->dt_bias, .b_bias = l->b_bias, .c_bias = l->c_bias,
        .first_key = run->first_key,
        .kept = ts_scan_state_kept(state ? state->part[0] : NULL, run->slot0, run->q_start, run->q_len),
        .kept_angles = ts_scan_state_kept(state ? state->part[1] : NULL, run->slot0, run->q_start, run->q_len) };
    ts_tensor *in, *bc, *b, *c, *steps;
    TS_ASSERT(!run->spread, "layer %lld carries a state: its sequences are not shared out", (long long)layer);
    TS_TRY(ts_linear_forward(tape, &l->x, x, &in));
    TS_TRY(ts_linear_forward(tape, &l->bc, x, &bc));
    TS_TRY(normed(tape, l, &l->b_norm, bc, 0, &b));
    TS_TRY(normed(tape, l, &l->c_norm, bc, l->groups * l->N, &c));
    TS_TRY(ts_op_join_cols(tape, b, c, &bc));
    TS_TRY(ts_linear_forward(tape, &l->steps, x, &steps));
    return ts_op_mamba3(tape, &o, in, bc, steps, y);
}

static ts_status mix(ts_tape *tape, const void *module, const ts_run *run, int64_t layer, ts_tensor *x, ts_tensor **y)
{
    const ts_mamba3_layer *l = module;
    const ts_gate_op gate = { .group = l->P, .kind = TS_GATE_SILU, .behind = true, .eps = l->eps, .w = l->norm_w };
    const ts_shown_columns inner = ts_columns_whole(l->out.in), stream = ts_columns_whole(l->out.out);
    ts_tensor *heads, *z, *gated;
    TS_TRY(scan(tape, l, run, layer, x, &heads));
    TS_TRY(ts_show(tape, run, layer, "mixer", "scan", &inner, heads));
    TS_TRY(ts_linear_forward(tape, &l->z, x, &z));
    TS_TRY(l->normed ? ts_op_gate(tape, &gate, heads, z, &gated) : ts_op_product(tape, TS_FACTOR_SILU, heads, z, &gated));
    TS_TRY(ts_linear_forward(tape, &l->out, gated, y));
    return ts_show(tape, run, layer, "mixer", "out_proj", &stream, *y);
}

static bool trains(const ts_mamba3_layer *l)
{
    const ts_param *const p[] = { l->D, l->dt_bias, l->b_bias, l->c_bias, l->norm_w, l->b_norm.op.w, l->c_norm.op.w };
    const ts_linear *const x[] = { &l->z, &l->x, &l->bc, &l->steps, &l->out };
    bool any = false;
    for (size_t i = 0; i < sizeof p / sizeof *p; i++)
        any = any || ts_param_has_grad(p[i]);
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        any = any || ts_linear_trains(x[i]);
    return any;
}

static ts_status forward(const void *module, ts_tape *tape, const ts_run *run, int64_t layer, ts_tensor *x, ts_tensor **y)
{
    const ts_mixer m = { mix, module, "mixer", trains(module) };
    return ts_mixer_forward(tape, &m, run, layer, x, y);
}

/* A row of B and x and the scan's state; the angles. */
static ts_status make_state(const void *module, ts_device *dev, ts_dtype dtype, int64_t slots, ts_layer_state **out)
{
    const ts_mamba3_layer *l = module;
    ts_layer_state *scan, *angles;
    TS_TRY(ts_scan_state_create(dev, dtype, slots, 1, l->heads * (l->N + l->P), l->heads * l->N * l->P, &scan));
    const ts_status st = ts_scan_state_create(dev, TS_DTYPE_F32, slots, 1, l->heads * l->angles, 0, &angles);
    if (st != TS_OK)
        ts_layer_state_destroy(&scan);
    return st == TS_OK ? ts_pair_state_create(scan, angles, out) : st;
}

ts_sublayer ts_mamba3_sublayer(const ts_mamba3_layer *l)
{
    return (ts_sublayer){ .forward = forward, .module = l, .make_state = make_state };
}
