#include "ops/compress.h"

#include "ops/attention.h"
#include "ops/columns.h"

/* ---- entries ---- */

static ts_status upload(ts_tape *tape, const int32_t *host, int64_t n, const int32_t **out)
{
    ts_tensor *t;
    *out = NULL;
    if (!host)
        return TS_OK;
    TS_TRY(ts_tape_upload(tape, TS_DTYPE_I32, host, n, &t));
    *out = ts_tensor_data(t);
    return TS_OK;
}

ts_status ts_compress_plan_make(ts_tape *tape, const ts_compress_rows *rows, ts_compress_plan *out)
{
    const int64_t slots = (rows->S + rows->rate - 1) / rows->rate, n = rows->B * slots, T = rows->B * rows->S;
    ts_compress_plan p = { .rows = *rows, .slots = slots };
    ts_tensor **const of_entries[] = { &p.row, &p.opens, &p.place }, **const of_rows[] = { &p.first, &p.last };
    ts_compress_plan_args a = { .S = rows->S, .before = rows->before, .rate = rows->rate, .slots = slots,
                                .pos = ts_tensor_data(rows->pos),
                                .first_key = rows->first_key ? ts_tensor_data(rows->first_key) : NULL };
    for (int i = 0; i < 3; i++)
        TS_TRY(ts_tape_new(tape, TS_DTYPE_I32, n, 0, of_entries[i]));
    for (int i = 0; i < 2; i++)
        TS_TRY(ts_tape_new(tape, TS_DTYPE_I32, T, 0, of_rows[i]));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_I32, rows->B, 0, &p.count));
    TS_TRY(upload(tape, rows->start, rows->B, &a.start));
    TS_TRY(upload(tape, rows->length, rows->B, &a.length));
    a.row = ts_tensor_data(p.row), a.opens = ts_tensor_data(p.opens), a.place = ts_tensor_data(p.place);
    a.first = ts_tensor_data(p.first), a.last = ts_tensor_data(p.last);
    a.count = ts_tensor_data(p.count);
    ts_launch_compress_plan(tape->dev, &a, rows->B, (ts_cost){ 8 * (double)T, 16 * (double)T, TS_DTYPE_F32 });
    *out = p;
    return TS_OK;
}

typedef struct compress_attr {
    ts_compress_op o;
    int64_t rate;
} compress_attr;

static ts_compress_args compress_args(const compress_attr *n, const ts_tensor *kv, const ts_tensor *gate,
                                      const ts_tensor *row, const ts_tensor *opens)
{
    return (ts_compress_args){ .entries = row->dim[0], .rate = n->rate, .dim = n->o.dim, .overlaps = n->o.overlaps,
                               .dtype = kv->dtype, .kv_row = kv->dim[1], .gate_row = gate->dim[1],
                               .kv = ts_tensor_data(kv), .gate = ts_tensor_data(gate),
                               .bias = ts_param_vector(n->o.bias), .row = ts_tensor_data(row),
                               .opens = ts_tensor_data(opens) };
}

static ts_cost compress_cost(const ts_tensor *kv, double work)
{
    const double n = (double)ts_tensor_count(kv);
    return (ts_cost){ work * n, 3 * n * (double)ts_dtype_size(kv->dtype), kv->dtype };
}

enum { ROW, OPENS, KV, GATE }; /* saved */

/* What no entry is made of has no gradient. */
static ts_status new_zeros(ts_tape *tape, const ts_tensor *like, ts_tensor **out)
{
    TS_TRY(ts_tape_new(tape, like->dtype, like->dim[0], like->dim[1], out));
    tape->dev->zero(tape->dev, ts_tensor_data(*out), ts_tensor_bytes(*out));
    return TS_OK;
}

static ts_status gradients(ts_tape *tape, const ts_record *r, ts_tensor **dkv, ts_tensor **dgate)
{
    const ts_tensor *kv = r->in[0], *gate = r->in[1];
    ts_compress_args a = compress_args(r->attr, kv, gate, r->saved[ROW], r->saved[OPENS]);
    TS_TRY(new_zeros(tape, kv, dkv));
    TS_TRY(new_zeros(tape, gate, dgate));
    a.dy = ts_tensor_data(r->out[0]->grad);
    a.dkv = ts_tensor_data(*dkv), a.dgate = ts_tensor_data(*dgate);
    ts_launch_compress_bwd(tape->dev, &a, a.entries, compress_cost(kv, 60));
    return TS_OK;
}

static ts_status compress_backward(ts_tape *tape, ts_record *r)
{
    ts_tensor *dkv, *dgate;
    TS_TRY(gradients(tape, r, &dkv, &dgate));
    TS_TRY(ts_tape_accumulate(tape, r->in[0], dkv));
    return ts_tape_accumulate(tape, r->in[1], dgate);
}

/* The gate's gradients are made once more: they may be far away by now. */
static ts_status compress_weight(ts_tape *tape, ts_record *r)
{
    const compress_attr *n = r->attr;
    ts_tensor *dkv, *dgate;
    if (!ts_param_has_grad(n->o.bias))
        return TS_OK;
    TS_TRY(gradients(tape, r, &dkv, &dgate));
    ts_param_grad_settle(n->o.bias);
    ts_compress_args a = compress_args(n, r->in[0], r->in[1], r->saved[ROW], r->saved[OPENS]);
    a.dgate = ts_tensor_data(dgate);
    a.dbias = n->o.bias->grad;
    ts_launch_compress_dw(tape->dev, &a, a.rate * ts_compress_width(&a), compress_cost(r->in[0], 1));
    ts_tape_drop(tape, dkv);
    ts_tape_drop(tape, dgate);
    return TS_OK;
}

static const ts_op compress_op = { .name = "compress", .backward = compress_backward, .weight = compress_weight };

ts_status ts_op_compress(ts_tape *tape, const ts_compress_op *o, const ts_compress_plan *plan, ts_tensor *kv, ts_tensor *gate,
                         ts_tensor **y)
{
    const compress_attr n = { *o, plan->rows.rate };
    const int64_t width = (o->overlaps ? 2 : 1) * o->dim, rows = plan->rows.B * (plan->rows.before + plan->rows.S);
    TS_ASSERT(kv->dim[0] == rows && gate->dim[0] == rows && kv->dim[1] == width && gate->dim[1] == width &&
                  ts_param_count(o->bias) == plan->rows.rate * width,
              "compress: [%lld, %lld] for %lld rows of %lld", (long long)kv->dim[0], (long long)kv->dim[1], (long long)rows,
              (long long)width);
    TS_TRY(ts_tape_new(tape, kv->dtype, plan->row->dim[0], o->dim, y));
    TS_TRY(ts_param_need(o->bias));
    ts_compress_args a = compress_args(&n, kv, gate, plan->row, plan->opens);
    a.y = ts_tensor_data(*y);
    ts_launch_compress_fwd(tape->dev, &a, a.entries, compress_cost(kv, 40));
    if (!tape->recording || !(kv->wants_grad || gate->wants_grad || ts_param_has_grad(o->bias)))
        return TS_OK;
    ts_record *r;
    TS_TRY(ts_tape_record(tape, &compress_op, sizeof n, &r));
    *(compress_attr *)r->attr = n;
    r->in[0] = kv, r->in[1] = gate, r->out[0] = *y;
    (*y)->wants_grad = true;
    ts_record_save(tape, r, plan->row);
    ts_record_save(tape, r, plan->opens);
    ts_record_save(tape, r, kv);
    ts_record_save(tape, r, gate);
    return ts_record_param(tape, r, 0, o->bias);
}

/* ---- attention ---- */

/* The window's keys, as attention has them. */
static ts_attention_op window_of(const ts_shared_keys_op *o)
{
    return (ts_attention_op){ .B = o->B, .S = o->S, .n_q = o->heads, .n_kv = 1, .head_dim = o->dim, .scale = o->scale,
                              .mask = o->mask, .first_key = o->first_key, .sinks = o->sinks, .head_at = o->head_at,
                              .keys_alone = true };
}

/* All entries that rows see. */
static ts_attn_args entries_args(const ts_shared_keys_op *o, const ts_tensor *q, const ts_tensor *entries)
{
    ts_attention_op of = window_of(o);
    of.sinks = NULL;
    of.mask = (ts_attention_mask){ .kind = TS_MASK_BIDIRECTIONAL };
    of.first_key = o->first, of.last_key = o->last;
    ts_attn_args a = ts_attention_args(&of, q, entries);
    a.kv_len = ts_tensor_data(o->count);
    return a;
}

static ts_dsa_args chosen_args(const ts_shared_keys_op *o, const ts_tensor *q, const ts_tensor *entries)
{
    return (ts_dsa_args){ .rows = o->B * o->S, .S = o->S, .keys = entries->dim[0] / o->B,
                          .first_key = ts_tensor_data(o->first), .last_key = ts_tensor_data(o->last),
                          .most = o->chosen->dim[1], .chosen = ts_tensor_data(o->chosen), .dtype = q->dtype,
                          .heads = o->heads, .dim = o->dim, .value = o->dim, .scale = o->scale, .q_row = q->dim[1],
                          .q_head = o->dim, .k_row = o->dim, .v_row = o->dim, .q = ts_tensor_data(q),
                          .k = ts_tensor_data(entries), .v = ts_tensor_data(entries) };
}

static double window_pairs(const ts_shared_keys_op *o, const ts_tensor *kv)
{
    return (double)o->B * ts_mask_pairs(&o->mask, o->S, kv->dim[0] / o->B);
}

/* Half of them are seen. */
static double entry_pairs(const ts_shared_keys_op *o, const ts_tensor *entries)
{
    const double seen = (double)(entries->dim[0] / o->B) / 2, most = o->chosen ? (double)o->chosen->dim[1] : seen;
    return (double)(o->B * o->S) * (most < seen ? most : seen);
}

static ts_cost cost_of(const ts_shared_keys_op *o, const ts_tensor *q, double pairs, double products)
{
    return (ts_cost){ 2 * products * pairs * (double)(o->heads * o->dim), 2 * (double)ts_tensor_bytes(q), q->dtype };
}

static void cast(ts_tape *tape, const ts_tensor *x, const ts_tensor *y)
{
    const ts_elementwise_args a = { .x_dtype = x->dtype, .y_dtype = y->dtype, .x = ts_tensor_data(x), .y = ts_tensor_data(y) };
    const double n = (double)ts_tensor_count(x);
    ts_launch_copy(tape->dev, &a, ts_tensor_count(x), (ts_cost){ 0, 6 * n, y->dtype });
}

/* Entries join what the window has given: y and lse become those of both. */
static ts_status join_entries(ts_tape *tape, const ts_shared_keys_op *o, const ts_tensor *q, const ts_tensor *entries,
                              ts_tensor *y, const ts_tensor *lse)
{
    ts_tensor *part, *part_lse, *acc = y;
    TS_TRY(ts_tape_new(tape, q->dtype, y->dim[0], y->dim[1], &part));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, lse->dim[0], lse->dim[1], &part_lse));
    const ts_cost cost = cost_of(o, q, entry_pairs(o, entries), 2);
    if (o->chosen) {
        ts_dsa_args a = chosen_args(o, q, entries);
        a.o = ts_tensor_data(part), a.lse = ts_tensor_data(part_lse);
        ts_launch_dsa_fwd(tape->dev, &a, a.rows * o->heads, cost);
    } else {
        ts_attn_args a = entries_args(o, q, entries);
        a.o = ts_tensor_data(part), a.lse = ts_tensor_data(part_lse);
        ts_launch_attn_fwd(tape->dev, &a, 0, cost);
    }
    if (y->dtype != TS_DTYPE_F32) {
        TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, y->dim[0], y->dim[1], &acc));
        cast(tape, y, acc);
    }
    const ts_attn_join_args j = { .n_q = o->heads, .head_dim = o->dim, .dtype = q->dtype, .o = ts_tensor_data(part),
                                  .lse = ts_tensor_data(part_lse), .acc = ts_tensor_data(acc), .acc_lse = ts_tensor_data(lse) };
    const double n = (double)ts_tensor_count(y);
    ts_launch_attn_join(tape->dev, &j, y->dim[0], (ts_cost){ 3 * n, 12 * n, TS_DTYPE_F32 });
    if (acc != y) {
        cast(tape, acc, y);
        ts_tape_drop(tape, acc);
    }
    ts_tape_drop(tape, part);
    ts_tape_drop(tape, part_lse);
    return TS_OK;
}

/* Each part's own gradients, by the log-sum-exp of both. keys: of k, then of v. */
typedef struct part_grads {
    ts_tensor *q, *keys[2];
} part_grads;

static ts_status new_grads(ts_tape *tape, const ts_tensor *q, const ts_tensor *keys, part_grads *d)
{
    TS_TRY(ts_tape_new(tape, q->dtype, q->dim[0], q->dim[1], &d->q));
    for (int i = 0; i < 2; i++)
        TS_TRY(ts_tape_new(tape, keys->dtype, keys->dim[0], keys->dim[1], &d->keys[i]));
    return TS_OK;
}

/* A key is a value too. */
static ts_status add_grads(ts_tape *tape, ts_tensor *q, ts_tensor *keys, const part_grads *d)
{
    TS_TRY(ts_tape_accumulate(tape, q, d->q));
    ts_tape_drop(tape, d->q);
    for (int i = 0; i < 2; i++) {
        TS_TRY(ts_tape_accumulate(tape, keys, d->keys[i]));
        ts_tape_drop(tape, d->keys[i]);
    }
    return TS_OK;
}

typedef struct keys_attr {
    ts_shared_keys_op o;
    ts_tensor *lse;
} keys_attr;

static ts_status back_attention(ts_tape *tape, const ts_record *r, const ts_tensor *delta, ts_attn_args a, double pairs,
                                const part_grads *d)
{
    const keys_attr *n = r->attr;
    a.o = ts_tensor_data(r->out[0]), a.lse = ts_tensor_data(n->lse);
    a.dout = ts_tensor_data(r->out[0]->grad), a.delta = ts_tensor_data(delta);
    a.dq = ts_tensor_data(d->q), a.dk = ts_tensor_data(d->keys[0]), a.dv = ts_tensor_data(d->keys[1]);
    ts_launch_attn_bwd(tape->dev, &a, 0, cost_of(&n->o, r->in[0], pairs, 5));
    return TS_OK;
}

static void back_chosen(ts_tape *tape, const ts_record *r, const ts_tensor *delta, const part_grads *d)
{
    const keys_attr *n = r->attr;
    const double pairs = entry_pairs(&n->o, r->in[2]);
    ts_dsa_args a = chosen_args(&n->o, r->in[0], r->in[2]);
    a.o = ts_tensor_data(r->out[0]), a.lse = ts_tensor_data(n->lse);
    a.dout = ts_tensor_data(r->out[0]->grad), a.delta = ts_tensor_data(delta);
    a.dq = ts_tensor_data(d->q), a.dk = ts_tensor_data(d->keys[0]), a.dv = ts_tensor_data(d->keys[1]);
    ts_launch_dsa_dq(tape->dev, &a, a.rows * n->o.heads, cost_of(&n->o, r->in[0], pairs, 3));
    ts_launch_dsa_dkv(tape->dev, &a, r->in[2]->dim[0], cost_of(&n->o, r->in[0], pairs, 4));
}

static ts_status keys_backward(ts_tape *tape, ts_record *r)
{
    const keys_attr *n = r->attr;
    const ts_shared_keys_op *o = &n->o;
    ts_tensor *q = r->in[0], *kv = r->in[1], *entries = r->in[2], *delta;
    const ts_attention_op window = window_of(o);
    part_grads d;
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, n->lse->dim[0], n->lse->dim[1], &delta));
    TS_TRY(new_grads(tape, q, kv, &d));
    ts_attn_args a = ts_attention_args(&window, q, kv);
    TS_TRY(ts_attention_add_sinks(&window, &a));
    TS_TRY(back_attention(tape, r, delta, a, window_pairs(o, kv), &d));
    TS_TRY(add_grads(tape, q, kv, &d));
    if (!entries)
        return TS_OK;
    TS_TRY(new_grads(tape, q, entries, &d));
    if (o->chosen)
        back_chosen(tape, r, delta, &d);
    else
        TS_TRY(back_attention(tape, r, delta, entries_args(o, q, entries), entry_pairs(o, entries), &d));
    return add_grads(tape, q, entries, &d);
}

static const ts_op keys_op = { .name = "shared_keys", .backward = keys_backward };

static ts_status record(ts_tape *tape, const keys_attr *n, ts_tensor *q, ts_tensor *kv, ts_tensor *entries, ts_tensor *y)
{
    ts_tensor *const saved[] = { q, kv, entries, y, n->lse, n->o.first, n->o.last, n->o.count, n->o.chosen };
    ts_record *r;
    TS_TRY(ts_tape_record(tape, &keys_op, sizeof *n, &r));
    *(keys_attr *)r->attr = *n;
    r->in[0] = q, r->in[1] = kv, r->in[2] = entries, r->out[0] = y;
    y->wants_grad = true;
    for (size_t i = 0; i < sizeof saved / sizeof *saved; i++)
        if (saved[i])
            ts_record_save(tape, r, saved[i]);
    return ts_record_param(tape, r, 0, n->o.sinks);
}

ts_status ts_op_shared_keys(ts_tape *tape, const ts_shared_keys_op *o, ts_tensor *q, ts_tensor *kv, ts_tensor *entries,
                            ts_tensor **y)
{
    const ts_attention_op window = window_of(o);
    keys_attr n = { .o = *o };
    TS_ASSERT(q->dim[0] == o->B * o->S && q->dim[1] == o->heads * o->dim && kv->dim[0] % o->B == 0 && kv->dim[1] == o->dim &&
                  (!entries || (entries->dim[0] % o->B == 0 && entries->dim[1] == o->dim && o->first && o->last)),
              "shared keys: queries [%lld, %lld], keys [%lld, %lld] of %lld heads of %lld", (long long)q->dim[0],
              (long long)q->dim[1], (long long)kv->dim[0], (long long)kv->dim[1], (long long)o->heads, (long long)o->dim);
    TS_TRY(ts_param_need(o->sinks));
    TS_TRY(ts_tape_new(tape, q->dtype, q->dim[0], q->dim[1], y));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, q->dim[0], o->heads, &n.lse));
    ts_attn_args a = ts_attention_args(&window, q, kv);
    a.o = ts_tensor_data(*y), a.lse = ts_tensor_data(n.lse);
    ts_launch_attn_fwd(tape->dev, &a, 0, cost_of(o, q, window_pairs(o, kv), 2));
    if (entries)
        TS_TRY(join_entries(tape, o, q, entries, *y, n.lse));
    const bool records = tape->recording && (q->wants_grad || kv->wants_grad || (entries && entries->wants_grad) ||
                                             ts_param_has_grad(o->sinks));
    return records ? record(tape, &n, q, kv, entries, *y) : TS_OK;
}
