#include "nn/per_layer.h"

#include "ops/columns.h"
#include "ops/group.h"

#include <math.h>

ts_status ts_per_layer_inputs_declare(const ts_declarer *d, ts_per_layer_inputs *l)
{
    ts_param_spec table = { .place = ts_place_whole(l->rows, l->layers * l->width), .decoupled = true, .is_table = true };
    l->group = d->group;
    if (d->group)
        ts_place_cut_even(&table.place, 0, TS_AXIS_TENSOR, d->group->comm->size, d->group->comm->rank, 1, 1);
    l->projection.parts.slots = ts_shares_rows(d->group);
    TS_TRY(ts_declare(d, "per_layer_embeddings.weight", &table, &l->table));
    TS_TRY(ts_linear_declare(d, "per_layer_projection", &l->projection));
    return ts_norm_declare(d, "per_layer_norm", &l->norm);
}

ts_status ts_per_layer_inputs_forward(ts_tape *tape, const ts_per_layer_inputs *l, const ts_tensor *ids, ts_tensor *x,
                                      ts_tensor **y)
{
    ts_comm *group = l->group ? l->group->comm : NULL;
    const ts_embed_op o = { .table = l->table, .group = group, .first = group ? l->table->place.dim[0].span[0].begin : 0,
                            .ids = ids, .known = (int32_t)l->rows, .scale = l->scale, .dtype = l->dtype,
                            .freezes = l->freezes, .frozen = l->frozen };
    ts_tensor *own, *of_token;
    TS_TRY(ts_op_embed(tape, &o, &of_token));
    if (ts_shares_rows(l->group))
        TS_TRY(ts_op_group_keep(tape, group, of_token, &of_token));
    TS_TRY(ts_op_reshape(tape, of_token, l->width, &of_token));
    TS_TRY(ts_linear_forward(tape, &l->projection, x, &own));
    TS_TRY(ts_op_reshape(tape, own, l->width, &own));
    TS_TRY(ts_op_norm(tape, &l->norm.op, own, NULL, NULL, &own));
    TS_TRY(ts_op_add(tape, own, (float)sqrt(0.5), of_token, (float)sqrt(0.5), y));
    return ts_op_reshape(tape, *y, l->layers * l->width, y);
}

ts_status ts_per_layer_declare(const ts_declarer *d, ts_per_layer *l)
{
    l->gate.parts.slots = l->proj.parts.slots = ts_shares_rows(d->group);
    TS_TRY(ts_linear_declare(d, "linear_gate", &l->gate));
    l->proj.start = TS_START_OUT;
    return ts_linear_declare(d, "linear_proj", &l->proj);
}

static ts_status run_layer(ts_tape *tape, const ts_per_layer *l, const ts_run *run, int64_t layer, ts_tensor *x,
                           ts_tensor **y)
{
    ts_tensor *gate, *input;
    TS_ASSERT(run->per_layer, "layer %lld has no per-layer input", (long long)layer);
    TS_TRY(ts_linear_forward(tape, &l->gate, x, &gate));
    TS_TRY(ts_op_take_cols(tape, run->per_layer, 1, (layer - run->per_layer_from) * l->width, l->width, &input));
    TS_TRY(ts_op_join_cols(tape, gate, input, &gate));
    TS_TRY(ts_op_act(tape, l->act, true, gate, &gate));
    return ts_linear_forward(tape, &l->proj, gate, y);
}

static ts_status forward(const void *module, ts_tape *tape, const ts_run *run, int64_t layer, ts_tensor *x,
                         ts_tensor **y)
{
    ts_device_part(tape->dev, "per-layer input", layer);
    TS_TRY(ts_tape_push(tape));
    const ts_status st = run_layer(tape, module, run, layer, x, y);
    ts_tape_pop(tape, st == TS_OK ? *y : NULL);
    return st;
}

ts_sublayer ts_per_layer_sublayer(const ts_per_layer *l)
{
    return (ts_sublayer){ .forward = forward, .module = l };
}
