/* Attention of sequences that are shared out: heads exchanged, then across. */
#include "ops/spread_inside.h"

double ts_spread_pairs(const ts_attention_mask *m, const ts_stretches *q_at, int64_t key0, int64_t keys)
{
    double pairs = 0;
    for (int i = 0; i < q_at->n; i++) {
        ts_attention_mask shifted = *m;
        shifted.offset += q_at->piece[i].begin - key0;
        shifted.chunk_at -= key0;
        pairs += ts_mask_pairs(&shifted, q_at->piece[i].n, keys);
    }
    return pairs;
}

/* In fused rows the keys of all groups lie evenly apart, row after row. */
static void move_keys(ts_tape *tape, const ts_attention_op *o, const ts_tensor *q, char *kv, bool back)
{
    const int64_t d = o->head_dim, r = o->n_q / o->n_kv, n = o->B * o->S * o->n_kv;
    const int64_t size = (int64_t)ts_dtype_size(q->dtype);
    for (int i = 0; i < 2; i++) {
        char *fused = (char *)ts_tensor_data(q) + (r + i) * d * size, *apart = kv + i * n * d * size;
        const ts_copy_cols_args a = { .cols = d,
                                      .x_row = back ? d : (r + 2) * d,
                                      .y_row = back ? (r + 2) * d : d,
                                      .dtype = q->dtype,
                                      .x = back ? apart : fused,
                                      .y = back ? fused : apart };
        ts_launch_copy_cols(tape->dev, &a, n, (ts_cost){ 0, 2.0 * (double)(n * d * size), q->dtype });
    }
}

void ts_spread_take_keys(ts_tape *tape, const ts_attention_op *o, const ts_tensor *q, void *kv)
{
    move_keys(tape, o, q, kv, false);
}

void ts_spread_put_keys(ts_tape *tape, const ts_attention_op *o, const void *kv, const ts_tensor *q)
{
    move_keys(tape, o, q, (char *)(uintptr_t)kv, true);
}

static bool keeps(const ts_spread *s, int64_t layer)
{
    return s->keep != TS_SPREAD_KEEP_NONE && layer % s->keep_every == 0;
}

static ts_status across(ts_tape *tape, const ts_attention_op *o, const ts_spread *s, int64_t layer,
                        ts_tensor *q, ts_tensor **y)
{
    if (ts_spread_across(s) == 1)
        return ts_op_attention(tape, o, q, NULL, y, NULL);
    if (s->way == TS_SPREAD_GATHER)
        return ts_op_gather_attention(tape, o, s, q, y);
    return ts_op_ring_attention(tape, o, s, keeps(s, layer), q, y);
}

ts_status ts_op_spread_attention(ts_tape *tape, const ts_attention_op *o, const ts_spread *s,
                                 int64_t layer, ts_tensor *q, ts_tensor **y)
{
    const ts_stretches here = ts_spread_here(s, s->length),
                    queries = ts_spread_queries(s, s->length, s->comm->rank);
    TS_TRY(ts_param_need(o->sinks));
    TS_ASSERT(o->S == ts_stretches_count(&here) && !o->cache, "%lld rows of a sequence, %lld are here",
              (long long)o->S, (long long)ts_stretches_count(&here));
    if (s->heads == 1)
        return across(tape, o, s, layer, q, y);
    const ts_head_form f = ts_head_form_of(o, s->heads);
    const ts_head_form out = { f.groups * f.copies, f.queries / f.copies, 0, f.dim, 1, false };
    const int i = s->comm->rank % s->heads;
    const int64_t begin = ts_head_form_begin(&f, s->heads, i), end = ts_head_form_begin(&f, s->heads, i + 1);
    ts_attention_op some = *o;
    ts_tensor *x, *z;
    some.S = ts_stretches_count(&queries);
    some.n_kv = end - begin, some.n_q = some.n_kv * out.queries;
    some.head0 += begin * out.queries;
    some.head_at += begin * out.queries;
    some.tops = o->tops ? o->tops + begin * out.queries : NULL;
    some.all_q = o->all_q ? o->all_q : o->n_q;
    if (ts_spread_across(s) == 1 && keeps(s, layer))
        return ts_op_heads_attention(tape, &some, s, &f, &out, q, y);
    TS_TRY(ts_op_heads_out(tape, s, &f, o->B, q, &x));
    ts_tape_drop(tape, q);
    TS_TRY(across(tape, &some, s, layer, x, &z));
    return ts_op_heads_back(tape, s, &out, o->B, z, y);
}
