#include "nn/indexer.h"

#include "ops/experts.h"

ts_status ts_indexer_declare(const ts_declarer *d, ts_indexer *x)
{
    const ts_declarer core = ts_declare_in(d, "core_attention"), in = ts_declare_in(&core, "indexer"),
                      weights = ts_declare_in(&in, "linear_weights_proj");
    const ts_param_spec w = { .place = ts_place_whole(x->heads, x->wk.in), .is_router = true };
    TS_TRY(ts_linear_declare(&in, "linear_wq_b", &x->wq_b));
    TS_TRY(ts_linear_declare(&in, "linear_wk", &x->wk));
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

static ts_status make(ts_tape *tape, const ts_indexer *x, const ts_tensor *pos, const ts_tensor *in,
                      const ts_tensor *latent, ts_dsa_index *out)
{
    ts_tensor *own, *own_latent; /* the same values, to which no gradient comes */
    TS_TRY(ts_tape_alias(tape, in, &own));
    TS_TRY(ts_tape_alias(tape, latent, &own_latent));
    own->wants_grad = own_latent->wants_grad = false;
    TS_TRY(ts_linear_forward(tape, &x->wq_b, own_latent, &out->q));
    TS_TRY(rotate(tape, x, pos, x->heads, &out->q));
    TS_TRY(ts_linear_forward(tape, &x->wk, own, &out->k));
    TS_TRY(ts_op_norm(tape, &x->k_norm.op, out->k, NULL, NULL, &out->k));
    TS_TRY(rotate(tape, x, pos, 1, &out->k));
    TS_TRY(ts_op_router(tape, own, x->weights, NULL, &out->w));
    ts_tape_drop(tape, own);
    ts_tape_drop(tape, own_latent);
    return TS_OK;
}

ts_status ts_indexer_forward(ts_tape *tape, const ts_indexer *x, const ts_tensor *pos, bool records, const ts_tensor *in,
                             const ts_tensor *latent, ts_dsa_index *out)
{
    const bool recording = tape->recording;
    tape->recording = recording && records;
    const ts_status st = make(tape, x, pos, in, latent, out);
    tape->recording = recording;
    return st;
}
