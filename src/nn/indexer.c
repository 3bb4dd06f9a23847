#include "nn/indexer.h"

#include "ops/experts.h"
#include "ops/group.h"

ts_status ts_indexer_declare(const ts_declarer *d, ts_indexer *x)
{
    const ts_declarer core = ts_declare_in(d, "core_attention"), in = ts_declare_in(&core, "indexer"),
                      weights = ts_declare_in(&in, "linear_weights_proj");
    const ts_param_spec w = { .place = ts_place_whole(x->heads, x->wk.in), .is_router = true };
    TS_TRY(ts_linear_declare(&in, "linear_wq_b", &x->wq_b));
    TS_TRY(ts_linear_declare(&in, "linear_wk", &x->wk));
    x->k_norm.sees_all = true;
    TS_TRY(ts_norm_declare(&in, "k_norm", &x->k_norm));
    return ts_declare(&weights, "weight", &w, &x->weights);
}

/* Heads that are rotated. */
static ts_status rotate(ts_tape *tape, const ts_indexer *x, const ts_tensor *pos, int64_t heads, ts_tensor **t)
{
    ts_rope_op o = x->rope;
    o.n_q = heads, o.n_kv = 0, o.head_dim = x->dim, o.pos = pos;
    return ts_op_rope(tape, &o, *t, t);
}

/* The same values of all rows, to which no gradient comes. */
static ts_status all_rows(ts_tape *tape, ts_comm *rows, const ts_tensor *x, ts_tensor **own)
{
    TS_TRY(ts_tape_alias(tape, x, own));
    (*own)->wants_grad = false;
    if (!rows)
        return TS_OK;
    ts_tensor *some = *own;
    TS_TRY(ts_op_group_collect(tape, rows, some, own));
    ts_tape_drop(tape, some);
    return TS_OK;
}

static ts_status make(ts_tape *tape, const ts_indexer *x, const ts_indexed *from, ts_dsa_index *out)
{
    const ts_tensor *pos = from->pos;
    ts_tensor *own, *own_latent;
    TS_TRY(all_rows(tape, from->rows, from->x, &own));
    TS_TRY(all_rows(tape, from->rows, from->latent, &own_latent));
    TS_TRY(ts_linear_forward(tape, &x->wq_b, own_latent, &out->q));
    TS_TRY(rotate(tape, x, pos, x->heads, &out->q));
    TS_TRY(ts_linear_forward(tape, &x->wk, own, &out->k));
    TS_TRY(ts_op_norm(tape, &x->k_norm.op, out->k, NULL, NULL, &out->k));
    TS_TRY(rotate(tape, x, pos, 1, &out->k));
    TS_TRY(ts_op_spread_copy(tape, from->spread, from->B, 1, out->k, &out->k));
    TS_TRY(ts_op_router(tape, own, x->weights, NULL, &out->w));
    ts_tape_drop(tape, own);
    ts_tape_drop(tape, own_latent);
    return TS_OK;
}

ts_status ts_indexer_forward(ts_tape *tape, const ts_indexer *x, const ts_indexed *from, bool records, ts_dsa_index *out)
{
    const bool recording = tape->recording;
    tape->recording = recording && records;
    const ts_status st = make(tape, x, from, out);
    tape->recording = recording;
    return st;
}
