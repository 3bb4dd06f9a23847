/* A state-space layer beside a block of attention and MLP that several layers share. */
#include "nn/block.h"
#include "ops/columns.h"

/* ---- what a use adds of its own ---- */

/* Heads of the results stand side by side: as rows of a head they are joined, and are rows of a token again. */
static ts_status add_own(const ts_adapter *adapter, ts_tape *tape, ts_tensor *x, ts_tensor **y)
{
    const ts_own_adapter *a = (const void *)adapter;
    ts_tensor *all = NULL, *one;
    for (int64_t i = 0; i < a->results; i++) {
        TS_TRY(ts_linear_forward(tape, &a->down[i], x, &one));
        TS_TRY(ts_linear_forward(tape, &a->up[i], one, &one));
        if (a->results > 1)
            TS_TRY(ts_op_reshape(tape, one, a->head_dim, &one));
        if (all)
            TS_TRY(ts_op_join_cols(tape, all, one, &all));
        else
            all = one;
    }
    if (a->results > 1)
        TS_TRY(ts_op_reshape(tape, all, (*y)->dim[1], &all));
    return ts_op_add(tape, *y, 1, all, 1, y);
}

/* NAMES[i]_down and _up. With a group all have the narrow matrices, and of a result what they have of the layer's:
 * `stretches` of it, by units of `unit`. */
static ts_status declare_own(const ts_declarer *d, const char *const *names, int stretches, int64_t unit, ts_own_adapter *a,
                             ts_linear *of)
{
    if (!a->rank)
        return TS_OK;
    for (int64_t i = 0; i < a->results; i++) {
        const ts_declarer in = ts_declare_in(d, names[i]);
        a->down[i].parts.slots = ts_shares_rows(d->group);
        ts_linear_share(d, &a->up[i], TS_CUT_COLUMN, stretches, unit);
        TS_TRY(ts_linear_declare(&in, "down", &a->down[i]));
        TS_TRY(ts_linear_declare(&in, "up", &a->up[i]));
    }
    if (of->adapter)
        return ts_error(TS_ERR_USER, "%s is of a block that several layers share, which has no adapters here: leave it out", of->w->name);
    a->adapter.add = add_own;
    of->adapter = &a->adapter;
    return TS_OK;
}

/* ---- declaration ---- */

static void tie(ts_linear *l, const ts_linear *to)
{
    l->tied = true;
    l->w = to->w;
}

/* The weights of the block are the first layer's. */
static void tie_block(ts_block *b)
{
    const ts_block *first = b->hybrid.first;
    tie(&b->attention.qkv, &first->attention.qkv);
    tie(&b->attention.proj, &first->attention.proj);
    tie(&b->mlp.fc1, &first->mlp.fc1);
    tie(&b->mlp.fc2, &first->mlp.fc2);
    b->hybrid.wide_norm = first->hybrid.wide_norm;
    b->hybrid.mlp_norm = first->hybrid.mlp_norm;
}

ts_status ts_hybrid_declare(const ts_declarer *d, const ts_declarer *of_block, ts_block *b)
{
    static const char *const qkv[] = { "adapter_q", "adapter_k", "adapter_v" }, *const fc1[] = { "adapter" };
    ts_hybrid_layer *l = &b->hybrid;
    const ts_declarer attention = ts_declare_in(d, "self_attention"), mlp = ts_declare_in(d, "mlp"),
                      of_attention = ts_declare_in(of_block, "self_attention"), of_mlp = ts_declare_in(of_block, "mlp"),
                      scan = ts_declare_in(d, "mamba_decoder"), mixer = ts_declare_in(&scan, "mixer");
    if (l->first)
        tie_block(b);
    else
        TS_TRY(ts_norm_declare(&of_attention, "input_layernorm", &l->wide_norm));
    TS_TRY(ts_attention_declare(&of_attention, &b->attention));
    TS_TRY(declare_own(&attention, qkv, 1, b->attention.head_dim, &l->qkv_adapter, &b->attention.qkv));
    if (!l->first)
        TS_TRY(ts_norm_declare(of_block, "pre_mlp_layernorm", &l->mlp_norm));
    TS_TRY(ts_mlp_declare(&of_mlp, &b->mlp));
    TS_TRY(declare_own(&mlp, fc1, 2, 1, &l->fc1_adapter, &b->mlp.fc1));
    l->back.parts.slots = ts_shares_rows(d->group);
    TS_TRY(ts_linear_declare(d, "linear", &l->back));
    TS_TRY(ts_norm_declare(&scan, "input_layernorm", &l->scan_norm));
    TS_TRY(ts_mamba_declare(&mixer, &b->mamba));
    l->attention = ts_attention_sublayer(&b->attention);
    l->mlp = ts_mlp_sublayer(&b->mlp);
    l->scan = ts_mamba_sublayer(&b->mamba);
    b->mixer = ts_hybrid_sublayer(l);
    return TS_OK;
}

/* ---- a pass ---- */

ts_status ts_hybrid_expect(ts_tape *tape, const ts_block *b)
{
    static const ts_op shared = { .name = "shared block" };
    ts_param *const all[] = { b->hybrid.wide_norm.op.w, b->attention.qkv.w, b->attention.proj.w, b->hybrid.mlp_norm.op.w,
                              b->mlp.fc1.w, b->mlp.fc2.w };
    ts_record *r = NULL;
    for (int i = 0; i < (int)(sizeof all / sizeof *all) && tape->recording && b->hybrid.uses > 1; i++) {
        if (i % TS_RECORD_PARAMS == 0)
            TS_TRY(ts_tape_record(tape, &shared, 0, &r));
        TS_TRY(ts_record_param(tape, r, i % TS_RECORD_PARAMS, all[i]));
    }
    return TS_OK;
}

static ts_status run_hybrid(ts_tape *tape, const ts_hybrid_layer *l, const ts_run *run, int64_t layer, ts_tensor *x,
                            ts_tensor **y)
{
    ts_tensor *wide, *h;
    TS_ASSERT(run->embedding, "layer %lld reads the embedding, and there is none", (long long)layer);
    TS_TRY(ts_op_join_cols(tape, x, run->embedding, &wide));
    TS_TRY(ts_op_norm(tape, &l->wide_norm.op, wide, NULL, NULL, &h));
    TS_TRY(l->attention.forward(l->attention.module, tape, run, layer, h, &h));
    TS_TRY(ts_op_norm(tape, &l->mlp_norm.op, h, NULL, NULL, &h));
    TS_TRY(l->mlp.forward(l->mlp.module, tape, run, layer, h, &h));
    TS_TRY(ts_linear_forward(tape, &l->back, h, &h));
    TS_TRY(ts_op_add(tape, x, 1, h, 1, &h));
    TS_TRY(ts_op_norm(tape, &l->scan_norm.op, h, NULL, NULL, &h));
    return l->scan.forward(l->scan.module, tape, run, layer, h, y);
}

static ts_status forward(const void *module, ts_tape *tape, const ts_run *run, int64_t layer, ts_tensor *x,
                         ts_tensor **y)
{
    TS_TRY(ts_tape_push(tape));
    const ts_status st = run_hybrid(tape, module, run, layer, x, y);
    ts_tape_pop(tape, st == TS_OK ? *y : NULL);
    return st;
}

static ts_status make_state(const void *module, ts_device *dev, ts_dtype dtype, int64_t slots, ts_layer_state **out)
{
    const ts_hybrid_layer *l = module;
    ts_layer_state *scan, *keys;
    TS_TRY(l->scan.make_state(l->scan.module, dev, dtype, slots, &scan));
    const ts_status st = l->attention.make_state(l->attention.module, dev, dtype, slots, &keys);
    if (st != TS_OK) {
        ts_layer_state_destroy(&scan);
        return st;
    }
    return ts_pair_state_create(scan, keys, out);
}

ts_sublayer ts_hybrid_sublayer(const ts_hybrid_layer *l)
{
    return (ts_sublayer){ .forward = forward, .module = l, .make_state = make_state, .codes = l->attention.codes };
}
