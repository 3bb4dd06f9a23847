#include "nn/mamba3.h"
#include "nn/scan_parts.h"
#include "nn/show.h"
#include "ops/columns.h"
#include "ops/group.h"
#include "ops/product.h"

/* Numbers and vectors of heads. */
static ts_status declare_heads(const ts_declarer *d, ts_mamba3_layer *l, const ts_place *heads)
{
    ts_place states = *heads;
    states.rank = 2, states.dim[1] = (ts_place_dim){ .whole = l->N };
    const ts_param_spec skip = { .place = *heads, .start = TS_START_CONSTANT, .value = 1 },
                        step = { .place = *heads, .start = TS_START_STEP },
                        bias = { .place = states, .start = TS_START_CONSTANT, .value = 1, .is_vectors = true };
    TS_TRY(ts_declare(d, "dt_bias", &step, &l->dt_bias));
    TS_TRY(ts_declare(d, "B_bias", &bias, &l->b_bias));
    TS_TRY(ts_declare(d, "C_bias", &bias, &l->c_bias));
    return ts_declare(d, "D", &skip, &l->D);
}

/* Which heads and groups are here. */
static void share(const ts_declarer *d, ts_mamba3_layer *l, const ts_place *heads)
{
    const int64_t all = l->heads, here = ts_place_local(heads, 0), rank = d->group ? d->group->comm->rank : 0;
    l->comm = d->group ? d->group->comm : NULL;
    l->shares_rows = ts_shares_rows(d->group);
    l->all_groups = l->groups;
    l->group0 = rank * here / (all / l->groups);
    l->groups = here < all / l->groups ? 1 : l->groups * here / all;
    l->heads = here;
}

ts_status ts_mamba3_declare(const ts_declarer *d, ts_mamba3_layer *l)
{
    const ts_param_parts of_rows = { .slots = ts_shares_rows(d->group) };
    const ts_place heads = ts_share_of(d, l->heads, 1), inner = ts_share_of(d, l->heads, l->P),
                   steps = ts_shares_behind(d, (const ts_place[]){ heads, heads, heads }, 3);
    const ts_param_spec norm = { .place = inner, .start = TS_START_CONSTANT, .value = 1 };
    l->z = l->x = l->steps = (ts_linear){ .in = l->hidden };
    ts_linear_share_as(d, &l->z, &inner);
    ts_linear_share_as(d, &l->x, &inner);
    ts_linear_share_as(d, &l->steps, &steps);
    l->bc = (ts_linear){ .in = l->hidden, .out = 2 * l->groups * l->N, .parts = of_rows };
    l->turns = (ts_linear){ .in = l->hidden, .out = l->angles, .parts = of_rows };
    l->out = (ts_linear){ .in = l->heads * l->P, .out = l->hidden, .start = TS_START_OUT };
    ts_linear_share(d, &l->out, TS_CUT_ROW, 1, l->P);
    TS_TRY(declare_heads(d, l, &heads));
    TS_TRY(ts_linear_declare(d, "in_proj_z", &l->z));
    TS_TRY(ts_linear_declare(d, "in_proj_x", &l->x));
    TS_TRY(ts_linear_declare(d, "in_proj_bc", &l->bc));
    TS_TRY(ts_linear_declare(d, "in_proj_steps", &l->steps));
    TS_TRY(ts_linear_declare(d, "in_proj_angles", &l->turns));
    TS_TRY(ts_norm_declare(d, "B_norm", &l->b_norm));
    TS_TRY(ts_norm_declare(d, "C_norm", &l->c_norm));
    if (l->normed)
        TS_TRY(ts_declare(d, "norm.weight", &norm, &l->norm_w));
    TS_TRY(ts_linear_declare(d, "out_proj", &l->out));
    share(d, l, &heads);
    return TS_OK;
}

/* B or C of all groups, from column `at` on, normed group by group. */
static ts_status normed(ts_tape *tape, const ts_mamba3_layer *l, const ts_norm_layer *norm, ts_tensor *bc, int64_t at,
                        ts_tensor **y)
{
    const int64_t cols = l->all_groups * l->N;
    TS_TRY(ts_op_take_cols(tape, bc, 1, at, cols, y));
    TS_TRY(ts_op_reshape(tape, *y, l->N, y));
    TS_TRY(ts_op_norm(tape, &norm->op, *y, NULL, NULL, y));
    return ts_op_reshape(tape, *y, cols, y);
}

/* What every process made of its rows, for the heads of each: gradients are summed over their processes. */
static ts_status in_common(ts_tape *tape, const ts_mamba3_layer *l, ts_tensor *x, ts_tensor **y)
{
    return l->shares_rows ? ts_op_group_collect(tape, l->comm, x, y) : ts_op_group_copy(tape, l->comm, x, y);
}

/* [B | C] of the groups here. */
static ts_status make_shared(ts_tape *tape, const ts_mamba3_layer *l, ts_tensor *x, ts_tensor **bc)
{
    ts_tensor *b, *c;
    TS_TRY(ts_linear_forward(tape, &l->bc, x, bc));
    TS_TRY(normed(tape, l, &l->b_norm, *bc, 0, &b));
    TS_TRY(normed(tape, l, &l->c_norm, *bc, l->all_groups * l->N, &c));
    TS_TRY(ts_op_join_cols(tape, b, c, bc));
    TS_TRY(in_common(tape, l, *bc, bc));
    return ts_op_take_cols(tape, *bc, 2, l->group0 * l->N, l->groups * l->N, bc);
}

/* x, [B | C] and [dt | A | trap | angles] of whole sequences, of the heads here. */
static ts_status project(ts_tape *tape, const ts_mamba3_layer *l, const ts_run *run, ts_tensor *x, ts_tensor *of[3])
{
    const int64_t each = l->heads / l->groups;
    const ts_scan_parts inner = { l->groups, 1, { each * l->P }, { false } },
                        shared = { l->groups, 2, { l->N, l->N }, { true, true } },
                        steps = { l->groups, 3, { each, each, each }, { false } },
                        angles = { 1, 1, { l->angles }, { true } };
    ts_tensor *turns;
    TS_TRY(ts_linear_forward(tape, &l->x, x, &of[0]));
    TS_TRY(ts_scan_exchange(tape, run, &inner, of[0], &of[0]));
    TS_TRY(make_shared(tape, l, x, &of[1]));
    TS_TRY(ts_scan_exchange(tape, run, &shared, of[1], &of[1]));
    TS_TRY(ts_linear_forward(tape, &l->steps, x, &of[2]));
    TS_TRY(ts_scan_exchange(tape, run, &steps, of[2], &of[2]));
    TS_TRY(ts_linear_forward(tape, &l->turns, x, &turns));
    TS_TRY(in_common(tape, l, turns, &turns));
    TS_TRY(ts_scan_exchange(tape, run, &angles, turns, &turns));
    return ts_op_join_cols(tape, of[2], turns, &of[2]);
}

static ts_status scan(ts_tape *tape, const ts_mamba3_layer *l, const ts_run *run, int64_t layer, ts_tensor *x, ts_tensor **y)
{
    ts_layer_state *state = run->state ? run->state[layer] : NULL;
    const int64_t each = l->heads / l->groups;
    const ts_spread_share here = ts_spread_share_of(run->spread, l->groups);
    const ts_mamba3_op o = {
        .B = run->B, .S = ts_scan_rows(run), .heads = ts_spread_here_of(&here, each), .head0 = ts_spread_first_of(&here, each),
        .groups = here.n, .P = l->P, .N = l->N, .angles = l->angles,
        .floor = l->floor, .D = l->D, .dt_bias = l->dt_bias, .b_bias = l->b_bias, .c_bias = l->c_bias,
        .first_key = ts_scan_first_key(run),
        .kept = ts_scan_state_kept(state ? state->part[0] : NULL, run->slot0, run->q_start, run->q_len),
        .kept_angles = ts_scan_state_kept(state ? state->part[1] : NULL, run->slot0, run->q_start, run->q_len) };
    ts_tensor *of[3];
    TS_TRY(project(tape, l, run, x, of));
    TS_TRY(ts_op_mamba3(tape, &o, of[0], of[1], of[2], y));
    return ts_op_spread_back(tape, run->spread, run->B, l->groups, *y, y);
}

static ts_status mix(ts_tape *tape, const void *module, const ts_run *run, int64_t layer, ts_tensor *x, ts_tensor **y)
{
    const ts_mamba3_layer *l = module;
    const ts_gate_op gate = { .group = l->P, .kind = TS_GATE_SILU, .behind = true, .eps = l->eps, .w = l->norm_w };
    const ts_shown_columns inner = ts_columns_of(&l->out, TS_CUT_ROW), stream = ts_columns_whole(l->out.out);
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
    const ts_linear *const x[] = { &l->z, &l->x, &l->bc, &l->steps, &l->turns, &l->out };
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
