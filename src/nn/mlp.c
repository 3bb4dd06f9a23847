#include "nn/mlp.h"

#include "nn/show.h"
#include "ops/altup.h"
#include "ops/product.h"

ts_status ts_mlp_declare(const ts_declarer *d, ts_mlp_layer *l)
{
    if (l->gated)
        l->fc1.bands = (ts_param_bands){ 2, { l->fc1.out / 2, l->fc1.out / 2 }, 0 };
    ts_linear_share(d, &l->fc1, TS_CUT_COLUMN, l->gated ? 2 : 1, 1);
    ts_linear_share(d, &l->fc2, TS_CUT_ROW, 1, 1);
    TS_TRY(ts_linear_declare(d, "linear_fc1", &l->fc1));
    l->fc2.start = TS_START_OUT;
    return ts_linear_declare(d, "linear_fc2", &l->fc2);
}

/* The gate, which is the first half of what fc1 makes, times its factor. */
static ts_status scale_gate(ts_tape *tape, const ts_mlp_layer *l, ts_tensor *h, ts_tensor **out)
{
    const int64_t half = h->dim[1] / 2;
    const ts_stretch_factors by = { 2, { half, half }, { l->gate_scale, 1 } };
    *out = h;
    return l->gated ? ts_op_scale_cols(tape, &by, h, out) : TS_OK;
}

static const char *name_of(const ts_mlp_layer *l) { return l->is_shared ? "mlp.shared_experts" : "mlp"; }

ts_status ts_mlp_first(ts_tape *tape, const ts_mlp_layer *l, const ts_run *run, int64_t layer, ts_tensor *x,
                       ts_tensor **a)
{
    const ts_shown_columns first = ts_columns_of(&l->fc1, TS_CUT_COLUMN), inner = ts_columns_of(&l->fc2, TS_CUT_ROW);
    ts_tensor *h, *gated;
    TS_TRY(ts_linear_forward(tape, &l->fc1, x, &h));
    TS_TRY(ts_show(tape, run, layer, name_of(l), "linear_fc1", &first, h));
    if (l->is_sparse)
        TS_TRY(ts_op_sparse(tape, l->fc1.group ? l->fc1.group->comm : NULL, h, h->dim[1] / 2, l->fc1.out / 2, l->times, &h));
    TS_TRY(scale_gate(tape, l, h, &gated));
    TS_TRY(ts_op_act_of(tape, &(ts_act_op){ l->act, l->gated, l->clamp, l->offset, l->clamps_value }, gated, a));
    TS_TRY(ts_show(tape, run, layer, name_of(l), "activation", &inner, *a));
    ts_tape_drop(tape, h);
    if (gated != h)
        ts_tape_drop(tape, gated);
    return TS_OK;
}

ts_status ts_mlp_second(ts_tape *tape, const ts_mlp_layer *l, const ts_run *run, int64_t layer, ts_tensor *a,
                        ts_tensor **y)
{
    const ts_shown_columns last = ts_columns_whole(l->fc2.out);
    TS_TRY(ts_linear_forward(tape, &l->fc2, a, y));
    if (l->out_scale != 1)
        TS_TRY(ts_op_add(tape, *y, l->out_scale, NULL, 0, y));
    return ts_show(tape, run, layer, name_of(l), "linear_fc2", &last, *y);
}

static ts_status run_mlp(ts_tape *tape, const ts_mlp_layer *l, const ts_run *run, int64_t layer,
                         ts_tensor *x, ts_tensor **y)
{
    ts_tensor *a;
    TS_TRY(ts_mlp_first(tape, l, run, layer, x, &a));
    return ts_mlp_second(tape, l, run, layer, a, y);
}

typedef struct again_ctx {
    const ts_mlp_layer *l;
    const ts_run *run;
    int64_t layer;
} again_ctx;

static ts_status again(ts_tape *tape, void *ctx, ts_tensor *in, ts_tensor **out)
{
    const again_ctx *c = ctx;
    ts_device_part(tape->dev, "mlp", c->layer);
    return run_mlp(tape, c->l, c->run, c->layer, in, out);
}

static ts_status forward(const void *module, ts_tape *tape, const ts_run *run, int64_t layer,
                         ts_tensor *x, ts_tensor **y)
{
    ts_device_part(tape->dev, "mlp", layer);
    TS_TRY(ts_tape_push(tape));
    const ts_mlp_layer *l = module;
    const again_ctx c = { l, run, layer };
    const bool trains = ts_linear_trains(&l->fc1) || ts_linear_trains(&l->fc2);
    const bool runs_again = l->is_shared ? ts_run_again(run, layer, TS_PART_SHARED)
                                         : ts_run_again(run, layer, TS_PART_MLP) ||
                                               ts_run_again(run, layer, TS_PART_DENSE);
    const ts_status st = runs_again ? ts_run_segment(tape, again, &c, sizeof c, trains, x, y)
                                    : run_mlp(tape, l, run, layer, x, y);
    ts_tape_pop(tape, st == TS_OK ? *y : NULL);
    return st;
}

ts_sublayer ts_mlp_sublayer(const ts_mlp_layer *l) { return (ts_sublayer){ .forward = forward, .module = l }; }
