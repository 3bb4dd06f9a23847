#include "nn/block.h"

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
    TS_TRY(ts_op_linear(tape, x, l->qkv, l->qkv_bias, &qkv));
    TS_TRY(rotate(tape, l, run, qkv, &rotated));
    const ts_attention_op o = { .B = run->B, .S = run->S, .n_q = l->n_q, .n_kv = l->n_kv,
                                .head_dim = l->head_dim, .scale = l->scale, .softcap = l->softcap,
                                .window = l->window, .first_key = run->first_key,
                                .dropout = run->attention_dropout,
                                .rng = ts_run_rng(run, TS_RNG_ATTN_DROPOUT, layer),
                                .sample0 = run->sample0,
                                .cache = run->cache ? &run->cache[layer] : NULL,
                                .q_start = run->q_start, .q_len = run->q_len };
    TS_TRY(ts_op_attention(tape, &o, rotated, &heads));
    return ts_op_linear(tape, heads, l->proj, l->proj_bias, y);
}

ts_status ts_attention_forward(ts_tape *tape, const ts_attention_layer *l, const ts_run *run,
                               int64_t layer, ts_tensor *x, ts_tensor **y)
{
    ts_device_part(tape->dev, "attention", layer);
    TS_TRY(ts_tape_push(tape));
    const ts_status st = attend(tape, l, run, layer, x, y);
    ts_tape_pop(tape, st == TS_OK ? *y : NULL);
    return st;
}
