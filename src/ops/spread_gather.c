/* Keys and values of all processes, gathered; then one attention of the queries here, with all keys in the
 * order of the sequence. The backward pass gathers again, and everyone gets the sum of the gradients of
 * its own. */
#include "ops/spread_inside.h"

typedef struct gather_attr {
    ts_attention_op o;
    const ts_spread *s;
    ts_tensor *lse;
} gather_attr;

/* A tensor of keys and values of so many rows each. */
static ts_status new_keys(ts_tape *tape, const ts_attention_op *o, ts_dtype dtype, int64_t rows,
                          ts_tensor **kv)
{
    return ts_tape_new(tape, dtype, 2 * rows, o->n_kv * o->head_dim, kv);
}

/* Between what each process sends, [process][keys, values][sequence][rows of one], and whole sequences
 * one after another, first all keys, then all values. */
static void order(ts_tape *tape, const ts_attention_op *o, const ts_spread *s, const ts_tensor *by_rank,
                  const ts_tensor *by_row, bool back)
{
    const size_t row = (size_t)by_row->dim[1] * ts_dtype_size(by_row->dtype);
    char *part = ts_tensor_data(by_rank), *whole = ts_tensor_data(by_row);
    for (int r = 0; r < s->comm->size; r++) {
        const ts_stretches p = ts_spread_rows(s, s->length, r);
        for (int64_t b = 0; b < 2 * o->B; b++)
            for (int i = 0; i < p.n; i++) {
                char *x = whole + (size_t)(b * s->length + p.piece[i].begin) * row;
                const size_t bytes = (size_t)p.piece[i].n * row;
                tape->dev->move(tape->dev, back ? part : x, back ? x : part, bytes);
                part += bytes;
            }
    }
}

/* Between `mine` of this process and `all` of everyone: gathered, or the sums of everyone's scattered. */
static ts_status exchange(ts_tape *tape, const ts_attention_op *o, const ts_spread *s, const ts_tensor *mine,
                          const ts_tensor *all, bool back)
{
    const int n = s->comm->size;
    const ts_comm_type type = ts_group_type(mine->dtype);
    int64_t *counts, at = 0;
    TS_TRY(ts_alloc(&counts, 2 * (size_t)n, sizeof *counts));
    for (int r = 0; r < n; r++) {
        const ts_stretches p = ts_spread_rows(s, s->length, r);
        counts[n + r] = at;
        at += counts[r] = 2 * o->B * ts_stretches_count(&p) * mine->dim[1];
    }
    void *part = ts_tensor_data(mine), *whole = ts_tensor_data(all);
    const int64_t n_mine = counts[s->comm->rank];
    const ts_status st =
        back ? ts_group_run(tape, s->comm,
                            ts_reduce_scatter_v(whole, part, counts, counts + n, type, TS_COMM_SUM), at, n_mine)
             : ts_group_run(tape, s->comm, ts_all_gather_v(part, n_mine, whole, counts, counts + n, type), n_mine,
                            at);
    ts_free(&counts);
    return st;
}

ts_status ts_spread_gather_keys(ts_tape *tape, const ts_attention_op *o, const ts_spread *s, const ts_tensor *q,
                                ts_tensor **kv)
{
    ts_tensor *mine, *all;
    TS_TRY(new_keys(tape, o, q->dtype, o->B * o->S, &mine));
    ts_spread_take_keys(tape, o, q, ts_tensor_data(mine));
    TS_TRY(new_keys(tape, o, q->dtype, o->B * s->length, &all));
    TS_TRY(exchange(tape, o, s, mine, all, false));
    ts_tape_drop(tape, mine);
    TS_TRY(new_keys(tape, o, q->dtype, o->B * s->length, kv));
    order(tape, o, s, all, *kv, false);
    ts_tape_drop(tape, all);
    return TS_OK;
}

/* Where values begin. */
static char *values_of(const ts_tensor *kv)
{
    return (char *)ts_tensor_data(kv) + ts_tensor_bytes(kv) / 2;
}

static ts_attn_args args_of(const ts_attention_op *o, const ts_spread *s, const ts_tensor *q,
                            const ts_tensor *kv)
{
    ts_attn_args a = ts_attention_args(o, q, NULL);
    a.k = ts_tensor_data(kv), a.v = values_of(kv);
    a.kv_row = kv->dim[1], a.kv_group = o->head_dim;
    a.S_kv = a.kv_batch = a.S_q_all = a.S_kv_all = s->length;
    a.q_at = ts_spread_here(s, s->length);
    return a;
}

static ts_cost cost_of(const ts_attention_op *o, const ts_spread *s, const ts_tensor *q,
                       const ts_tensor *kv, double products)
{
    const ts_stretches at = ts_spread_here(s, s->length);
    const double pairs = (double)(o->B * o->n_q) * ts_spread_pairs(&o->mask, &at, 0, s->length);
    return (ts_cost){ 2 * products * pairs * (double)o->head_dim,
                      2 * (double)(ts_tensor_bytes(q) + ts_tensor_bytes(kv)), q->dtype };
}

ts_status ts_spread_scatter_keys(ts_tape *tape, const ts_attention_op *o, const ts_spread *s, const ts_tensor *dkv,
                                 const ts_tensor *dx)
{
    ts_tensor *all, *mine;
    TS_TRY(new_keys(tape, o, dkv->dtype, o->B * s->length, &all));
    order(tape, o, s, all, dkv, true);
    TS_TRY(new_keys(tape, o, dkv->dtype, o->B * o->S, &mine));
    TS_TRY(exchange(tape, o, s, mine, all, true));
    ts_tape_drop(tape, all);
    ts_spread_put_keys(tape, o, ts_tensor_data(mine), dx);
    ts_tape_drop(tape, mine);
    return TS_OK;
}

static ts_status gather_backward(ts_tape *tape, ts_record *r)
{
    const gather_attr *n = r->attr;
    ts_tensor *q = r->in[0], *dx, *kv, *dkv, *delta;
    TS_TRY(ts_spread_gather_keys(tape, &n->o, n->s, q, &kv));
    TS_TRY(new_keys(tape, &n->o, q->dtype, n->o.B * n->s->length, &dkv));
    TS_TRY(ts_tape_new(tape, q->dtype, q->dim[0], q->dim[1], &dx));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, n->lse->dim[0], n->lse->dim[1], &delta));
    ts_attn_args a = args_of(&n->o, n->s, q, kv);
    a.o = ts_tensor_data(r->out[0]);
    a.lse = ts_tensor_data(n->lse);
    a.dout = ts_tensor_data(r->out[0]->grad);
    a.delta = ts_tensor_data(delta);
    a.dq = ts_tensor_data(dx), a.dk = ts_tensor_data(dkv), a.dv = values_of(dkv);
    TS_TRY(ts_attention_add_sinks(&n->o, &a));
    ts_launch_attn_bwd(tape->dev, &a, 0, cost_of(&n->o, n->s, q, kv, 5));
    ts_tape_drop(tape, kv);
    TS_TRY(ts_spread_scatter_keys(tape, &n->o, n->s, dkv, dx));
    return ts_tape_accumulate(tape, q, dx);
}

static const ts_op gather_op = { .name = "gather_attention", .backward = gather_backward };

ts_status ts_op_gather_attention(ts_tape *tape, const ts_attention_op *o, const ts_spread *s,
                                 ts_tensor *q, ts_tensor **y)
{
    gather_attr n = { .o = *o, .s = s };
    const bool record = tape->recording && q->wants_grad;
    ts_tensor *kv;
    TS_ASSERT(s->heads == 1, "keys and values are gathered with heads exchanged");
    TS_TRY(ts_spread_gather_keys(tape, o, s, q, &kv));
    TS_TRY(ts_tape_new(tape, q->dtype, q->dim[0], o->n_q * o->head_dim, y));
    if (record)
        TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, q->dim[0], o->n_q, &n.lse));
    ts_tensor *top;
    TS_TRY(ts_attention_top_begin(tape, o, q->dim[0], &top));
    ts_attn_args a = args_of(o, s, q, kv);
    a.top = ts_attention_top(top);
    a.o = ts_tensor_data(*y);
    a.lse = record ? ts_tensor_data(n.lse) : NULL;
    ts_launch_attn_fwd(tape->dev, &a, 0, cost_of(o, s, q, kv, 2));
    ts_attention_top_join(tape, o, top, q->dim[0]);
    ts_tape_drop(tape, top);
    ts_tape_drop(tape, kv);
    if (!record)
        return TS_OK;
    ts_record *r;
    TS_TRY(ts_tape_record(tape, &gather_op, sizeof n, &r));
    *(gather_attr *)r->attr = n;
    r->in[0] = q;
    r->out[0] = *y;
    (*y)->wants_grad = true;
    ts_record_save(tape, r, q);
    ts_record_save(tape, r, *y);
    ts_record_save(tape, r, n.lse);
    return ts_record_param(tape, r, 0, o->sinks);
}
