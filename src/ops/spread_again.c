/* Exchanged heads that are not kept: those that one key serves have it once before the exchange, and several
 * processes have a copy of it behind. */
#include "ops/spread_inside.h"

typedef struct again_attr {
    ts_attention_op o;
    const ts_spread *s;
    ts_head_form in, out;
    ts_tensor *z, *lse; /* attention's own output */
} again_attr;

static ts_cost cost_of(const ts_attention_op *o, const ts_tensor *x, double products)
{
    const double pairs = (double)(o->B * o->n_q) * ts_mask_pairs(&o->mask, o->S, o->S);
    return (ts_cost){ 2 * products * pairs * (double)o->head_dim, 2 * (double)ts_tensor_bytes(x), x->dtype };
}

static ts_status again_backward(ts_tape *tape, ts_record *r)
{
    const again_attr *n = r->attr;
    ts_tensor *x, *dx, *dz, *delta, *dq;
    TS_TRY(ts_heads_out(tape, n->s, &n->in, n->o.B, r->in[0], &x));
    TS_TRY(ts_heads_out(tape, n->s, &n->out, n->o.B, r->out[0]->grad, &dz));
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], &dx));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, n->lse->dim[0], n->lse->dim[1], &delta));
    ts_attn_args a = ts_attention_args(&n->o, x, NULL);
    const ts_attn_args d = ts_attention_args(&n->o, dx, NULL);
    a.o = ts_tensor_data(n->z);
    a.lse = ts_tensor_data(n->lse);
    a.dout = ts_tensor_data(dz);
    a.delta = ts_tensor_data(delta);
    a.dq = (void *)(uintptr_t)d.q, a.dk = (void *)(uintptr_t)d.k, a.dv = (void *)(uintptr_t)d.v;
    TS_TRY(ts_attention_add_sinks(&n->o, &a));
    ts_launch_attn_bwd(tape->dev, &a, 0, cost_of(&n->o, x, 5));
    ts_tape_drop(tape, x);
    ts_tape_drop(tape, dz);
    TS_TRY(ts_heads_back(tape, n->s, &n->in, n->o.B, dx, &dq));
    return ts_tape_accumulate(tape, r->in[0], dq);
}

static const ts_op again_op = { .name = "heads_attention", .backward = again_backward };

static ts_status forward(ts_tape *tape, again_attr *n, ts_tensor *q, ts_tensor **y)
{
    const ts_attention_op *o = &n->o;
    ts_tensor *x;
    ts_record *r;
    TS_TRY(ts_heads_out(tape, n->s, &n->in, o->B, q, &x));
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], o->n_q * o->head_dim, &n->z));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, x->dim[0], o->n_q, &n->lse));
    ts_tensor *top;
    TS_TRY(ts_attention_top_begin(tape, o, x->dim[0], &top));
    ts_attn_args a = ts_attention_args(o, x, NULL);
    a.top = ts_attention_top(top);
    a.o = ts_tensor_data(n->z);
    a.lse = ts_tensor_data(n->lse);
    ts_launch_attn_fwd(tape->dev, &a, 0, cost_of(o, x, 2));
    ts_attention_top_join(tape, o, top, x->dim[0]);
    ts_tape_drop(tape, top);
    ts_tape_drop(tape, x);
    TS_TRY(ts_heads_back(tape, n->s, &n->out, o->B, n->z, y));
    if (!tape->recording || !q->wants_grad)
        return TS_OK;
    TS_TRY(ts_tape_record(tape, &again_op, sizeof *n, &r));
    *(again_attr *)r->attr = *n;
    r->in[0] = q;
    r->out[0] = *y;
    (*y)->wants_grad = true;
    ts_record_save(tape, r, q);
    ts_record_save(tape, r, n->z);
    ts_record_save(tape, r, n->lse);
    return ts_record_param(tape, r, 0, o->sinks);
}

ts_status ts_op_heads_attention(ts_tape *tape, const ts_attention_op *o, const ts_spread *s,
                                const ts_head_form *in, const ts_head_form *out, ts_tensor *q,
                                ts_tensor **y)
{
    again_attr n = { .o = *o, .s = s, .in = *in, .out = *out };
    TS_TRY(ts_tape_push(tape));
    const ts_status st = forward(tape, &n, q, y);
    ts_tape_pop(tape, st == TS_OK ? *y : NULL);
    return st;
}
