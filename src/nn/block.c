#include "nn/block.h"

ts_status ts_block_declare(const ts_declarer *d, ts_block *b)
{
    const ts_declarer attention = ts_declare_in(d, "self_attention"), mlp = ts_declare_in(d, "mlp");
    TS_TRY(ts_norm_declare(d, "input_layernorm", &b->input_norm));
    TS_TRY(ts_attention_declare(&attention, &b->attention));
    TS_TRY(ts_norm_declare(d, "post_attn_norm", &b->post_attn_norm));
    TS_TRY(ts_norm_declare(d, "pre_mlp_layernorm", &b->pre_mlp_norm));
    TS_TRY(ts_mlp_declare(&mlp, &b->mlp));
    TS_TRY(ts_norm_declare(d, "post_mlp_layernorm", &b->post_mlp_norm));
    b->mixer = ts_attention_sublayer(&b->attention);
    b->feed = ts_mlp_sublayer(&b->mlp);
    return TS_OK;
}

/* What happens to a sublayer's output before it joins the residual stream. */
static ts_status finish_sublayer(ts_tape *tape, const ts_block *b, const ts_norm_layer *norm,
                                 const ts_run *run, int64_t which, ts_tensor *x, ts_tensor **y)
{
    *y = x;
    if (norm->present)
        TS_TRY(ts_op_norm(tape, &norm->op, *y, NULL, NULL, y));
    if (run->hidden_dropout > 0) {
        const ts_rng rng = ts_run_rng(run, TS_RNG_HIDDEN_DROPOUT, 2 * b->number + which + 1);
        TS_TRY(ts_op_dropout(tape, *y, run->hidden_dropout, &rng, run->sample0 * run->S * x->dim[1],
                             y));
    }
    if (b->residual_scale != 1)
        TS_TRY(ts_op_add(tape, *y, b->residual_scale, NULL, 0, y));
    return TS_OK;
}

/* s = x + res and what the sublayer reads: its norm, or s itself. */
static ts_status enter(ts_tape *tape, const ts_norm_layer *norm, ts_tensor *x, ts_tensor *res,
                       ts_tensor **s, ts_tensor **y)
{
    if (norm->present)
        return ts_op_norm(tape, &norm->op, x, res, s, y);
    if (res)
        TS_TRY(ts_op_add(tape, x, 1, res, 1, s));
    else
        *s = x;
    *y = *s;
    return TS_OK;
}

static ts_status attention_part(ts_tape *tape, const ts_block *b, const ts_run *run, ts_tensor *x,
                                ts_tensor *res, ts_tensor **s, ts_tensor **a)
{
    ts_tensor *h;
    TS_TRY(enter(tape, &b->input_norm, x, res, s, &h));
    TS_TRY(b->mixer.forward(b->mixer.module, tape, run, b->number, h, a));
    return finish_sublayer(tape, b, &b->post_attn_norm, run, 0, *a, a);
}

static ts_status mlp_part(ts_tape *tape, const ts_block *b, const ts_run *run, ts_tensor *h,
                          ts_tensor **m)
{
    TS_TRY(b->feed.forward(b->feed.module, tape, run, b->number, h, m));
    return finish_sublayer(tape, b, &b->post_mlp_norm, run, 1, *m, m);
}

static ts_status sequential(ts_tape *tape, const ts_block *b, const ts_run *run, ts_tensor *x,
                            ts_tensor *res, ts_tensor **x_out, ts_tensor **res_out)
{
    ts_tensor *s, *a, *h;
    TS_TRY(ts_tape_push(tape));
    ts_status st = attention_part(tape, b, run, x, res, &s, &a);
    ts_tape_pop2(tape, st == TS_OK ? s : NULL, st == TS_OK ? a : NULL);
    TS_TRY(st);
    TS_TRY(enter(tape, &b->pre_mlp_norm, s, a, x_out, &h));
    return mlp_part(tape, b, run, h, res_out);
}

static ts_status parallel(ts_tape *tape, const ts_block *b, const ts_run *run, ts_tensor *x,
                          ts_tensor *res, ts_tensor **x_out, ts_tensor **res_out)
{
    ts_tensor *s, *a, *h;
    TS_TRY(attention_part(tape, b, run, x, res, &s, &a));
    TS_TRY(ts_op_norm(tape, &b->pre_mlp_norm.op, s, NULL, NULL, &h));
    TS_TRY(mlp_part(tape, b, run, h, res_out));
    return ts_op_add(tape, s, 1, a, 1, x_out);
}

ts_status ts_block_forward(ts_tape *tape, const ts_block *b, const ts_run *run, ts_tensor *x,
                           ts_tensor *res, ts_tensor **x_out, ts_tensor **res_out)
{
    ts_device_part(tape->dev, "norm", b->number);
    TS_TRY(ts_tape_push(tape));
    const ts_status st = b->parallel ? parallel(tape, b, run, x, res, x_out, res_out)
                                     : sequential(tape, b, run, x, res, x_out, res_out);
    ts_tape_pop2(tape, st == TS_OK ? *x_out : NULL, st == TS_OK ? *res_out : NULL);
    return st;
}
