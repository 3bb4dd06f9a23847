#include "nn/block.h"

ts_status ts_attention_declare(const ts_declarer *d, ts_attention_layer *l)
{
    const bool full = l->rope.full_norm;
    const ts_param_spec q = { .place = ts_place_whole(full ? l->n_q * l->head_dim : l->head_dim, 0),
                              .start = TS_START_CONSTANT,
                              .value = 1 - l->rope.offset };
    ts_param_spec k = q;
    k.place = ts_place_whole(full ? l->n_kv * l->head_dim : l->head_dim, 0);
    TS_TRY(ts_linear_declare(d, "linear_qkv", &l->qkv));
    if (l->qk_norm) {
        TS_TRY(ts_declare(d, "q_layernorm.weight", &q, &l->rope.wq));
        TS_TRY(ts_declare(d, "k_layernorm.weight", &k, &l->rope.wk));
    }
    l->proj.start = TS_START_OUT;
    return ts_linear_declare(d, "linear_proj", &l->proj);
}

static ts_status rotate(ts_tape *tape, const ts_attention_layer *l, const ts_run *run,
                        ts_tensor *qkv, ts_tensor **y)
{
    if (!l->rope.rot_dim && !l->rope.wq) {
        *y = qkv;
        return TS_OK;
    }
    ts_rope_op o = l->rope;
    o.pos = run->pos;
    return ts_op_rope(tape, &o, qkv, y);
}

static ts_status attend(ts_tape *tape, const ts_attention_layer *l, const ts_run *run,
                        int64_t layer, ts_tensor *x, ts_tensor **y)
{
    ts_tensor *qkv, *rotated, *heads;
    TS_TRY(ts_linear_forward(tape, &l->qkv, x, &qkv));
    TS_TRY(rotate(tape, l, run, qkv, &rotated));
    const ts_attention_op o = { .B = run->B,
                                .S = run->S,
                                .n_q = l->n_q,
                                .n_kv = l->n_kv,
                                .head_dim = l->head_dim,
                                .scale = l->scale,
                                .softcap = l->softcap,
                                .mask = ts_mask_causal(l->window),
                                .first_key = run->first_key,
                                .dropout = run->attention_dropout,
                                .rng = ts_run_rng(run, TS_RNG_ATTN_DROPOUT, layer),
                                .sample0 = run->sample0,
                                .cache = run->cache ? &run->cache[layer] : NULL,
                                .q_start = run->q_start,
                                .q_len = run->q_len };
    TS_TRY(ts_op_attention(tape, &o, rotated, NULL, &heads, NULL));
    return ts_linear_forward(tape, &l->proj, heads, y);
}

static ts_status forward(const void *module, ts_tape *tape, const ts_run *run, int64_t layer,
                         ts_tensor *x, ts_tensor **y)
{
    ts_device_part(tape->dev, "attention", layer);
    TS_TRY(ts_tape_push(tape));
    const ts_status st = attend(tape, module, run, layer, x, y);
    ts_tape_pop(tape, st == TS_OK ? *y : NULL);
    return st;
}

ts_sublayer ts_attention_sublayer(const ts_attention_layer *l)
{
    return (ts_sublayer){ forward, l };
}
