#include "ops/ops.h"

typedef struct attention_attr {
    ts_attention_op o;
    ts_tensor *lse;
} attention_attr;

static char *at(const ts_tensor *t, int64_t element)
{
    return (char *)ts_tensor_data(t) + (size_t)element * ts_dtype_size(t->dtype);
}

/* Addresses in fused rows: a group's queries, its key, its value. */
static ts_attn_args args_of(const ts_attention_op *o, const ts_tensor *qkv)
{
    const int64_t r = o->n_q / o->n_kv, group = (r + 2) * o->head_dim, width = o->n_kv * group;
    return (ts_attn_args){ .B = o->B, .S_q = o->S, .S_kv = o->S, .kv_batch = o->S, .n_q = o->n_q,
                           .n_kv = o->n_kv, .head_dim = o->head_dim, .dtype = qkv->dtype,
                           .scale = o->scale, .softcap = o->softcap, .causal = true,
                           .window = o->window, .q_row = width, .q_group = group, .kv_row = width,
                           .kv_group = group, .q = ts_tensor_data(qkv),
                           .k = at(qkv, r * o->head_dim), .v = at(qkv, (r + 1) * o->head_dim),
                           .first_key = o->first_key ? ts_tensor_data(o->first_key) : NULL,
                           .dropout = o->dropout, .rng = o->rng, .sample0 = o->sample0,
                           .n_q_total = o->n_q };
}

/* Pairs of query and key that are seen, for the cost: a triangle, cut by the window. */
static double seen_pairs(const ts_attention_op *o)
{
    const double S = (double)o->S, w = o->window > 0 && o->window < o->S ? (double)o->window : S;
    return (double)o->B * (double)o->n_q * (w * (w + 1) / 2 + (S - w) * w);
}

static ts_cost cost_of(const ts_attention_op *o, const ts_tensor *qkv, double products)
{
    return (ts_cost){ 2 * products * seen_pairs(o) * (double)o->head_dim,
                      2 * (double)ts_tensor_bytes(qkv), qkv->dtype };
}

static ts_status attention_backward(ts_tape *tape, ts_record *r)
{
    const attention_attr *n = r->attr;
    ts_tensor *qkv = r->in[0], *dqkv, *delta;
    TS_TRY(ts_tape_new(tape, qkv->dtype, qkv->dim[0], qkv->dim[1], &dqkv));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, ts_tensor_count(n->lse), 0, &delta));
    ts_attn_args a = args_of(&n->o, qkv);
    a.o = ts_tensor_data(r->out[0]);
    a.lse = ts_tensor_data(n->lse);
    a.dout = ts_tensor_data(r->out[0]->grad);
    a.delta = ts_tensor_data(delta);
    const int64_t heads = n->o.n_q / n->o.n_kv;
    a.dq = ts_tensor_data(dqkv);
    a.dk = at(dqkv, heads * n->o.head_dim);
    a.dv = at(dqkv, (heads + 1) * n->o.head_dim);
    ts_launch_attn_bwd(tape->dev, &a, 0, cost_of(&n->o, qkv, 5));
    return ts_tape_accumulate(tape, qkv, dqkv);
}

static const ts_op attention_op = { .name = "attention", .backward = attention_backward };

/* New keys and values behind the old ones. */
static void append(ts_tape *tape, const ts_attention_op *o, const ts_tensor *qkv)
{
    const int64_t r = o->n_q / o->n_kv, pair = 2 * o->head_dim, row = o->n_kv * pair;
    const size_t size = ts_dtype_size(qkv->dtype);
    for (int64_t b = 0; b < o->B; b++) {
        for (int64_t i = 0; i < o->q_len[b]; i++) {
            char *to = (char *)o->cache->kv->data +
                       (size_t)((b * o->cache->capacity + o->q_start[b] + i) * row) * size;
            for (int64_t g = 0; g < o->n_kv; g++)
                tape->dev->move(tape->dev, to + (size_t)(g * pair) * size,
                                at(qkv, (b * o->S + i) * qkv->dim[1] + g * (r + 2) * o->head_dim +
                                            r * o->head_dim),
                                (size_t)pair * size);
        }
    }
}

/* The kernel leaves rows behind a sequence's queries as they are, and what follows reads all
 * rows: no row's result depends on another, but rubbish may be slow to compute with. */
static void clear_padding(ts_tape *tape, const ts_attention_op *o, int64_t b, ts_tensor *y)
{
    const size_t row = (size_t)y->dim[1] * ts_dtype_size(y->dtype);
    const int64_t n = o->S - o->q_len[b];
    if (n)
        tape->dev->zero(tape->dev, at(y, (b * o->S + o->q_len[b]) * y->dim[1]), (size_t)n * row);
}

static ts_status with_cache(ts_tape *tape, const ts_attention_op *o, ts_tensor *qkv, ts_tensor *y)
{
    ts_tensor *lengths; /* q_start, q_len, kv_len for the kernel */
    int32_t host[3][256];
    TS_ASSERT(o->B <= 256, "attention: %lld sequences with a cache, at most 256", (long long)o->B);
    append(tape, o, qkv);
    TS_TRY(ts_tape_new(tape, TS_DTYPE_I32, 3 * o->B, 0, &lengths));
    double pairs = 0;
    for (int64_t b = 0; b < o->B; b++) {
        host[0][b] = o->q_start[b];
        host[1][b] = o->q_len[b];
        host[2][b] = o->q_start[b] + o->q_len[b];
        pairs += (double)o->q_len[b] * (double)host[2][b];
        clear_padding(tape, o, b, y);
    }
    int32_t *dev = ts_tensor_data(lengths);
    for (int i = 0; i < 3; i++)
        tape->dev->to_device(tape->dev, dev + i * o->B, host[i], (size_t)o->B * sizeof **host);
    ts_attn_args a = args_of(o, qkv);
    const int64_t pair = 2 * o->head_dim;
    a.q_start = dev, a.q_len = dev + o->B, a.kv_len = dev + 2 * o->B;
    a.S_kv = a.kv_batch = o->cache->capacity;
    a.kv_row = o->n_kv * pair, a.kv_group = pair;
    a.k = o->cache->kv->data;
    a.v = (const char *)a.k + (size_t)o->head_dim * ts_dtype_size(qkv->dtype);
    a.o = ts_tensor_data(y);
    ts_launch_attn_fwd(tape->dev, &a, 0, (ts_cost){ 4 * pairs * (double)(o->n_q * o->head_dim),
                                                    pairs * (double)(o->n_kv * pair), qkv->dtype });
    return TS_OK;
}

ts_status ts_op_attention(ts_tape *tape, const ts_attention_op *o, ts_tensor *qkv, ts_tensor **y)
{
    TS_ASSERT(qkv->dim[0] == o->B * o->S && o->n_q % o->n_kv == 0,
              "attention: %lld rows for %lld x %lld", (long long)qkv->dim[0], (long long)o->B,
              (long long)o->S);
    TS_TRY(ts_tape_new(tape, qkv->dtype, qkv->dim[0], o->n_q * o->head_dim, y));
    if (o->cache)
        return with_cache(tape, o, qkv, *y);
    const bool record = tape->recording && qkv->wants_grad;
    attention_attr n = { .o = *o };
    if (record)
        TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, o->B * o->n_q * o->S, 0, &n.lse));
    ts_attn_args a = args_of(o, qkv);
    a.o = ts_tensor_data(*y);
    a.lse = n.lse ? ts_tensor_data(n.lse) : NULL;
    ts_launch_attn_fwd(tape->dev, &a, 0, cost_of(o, qkv, 2));
    if (record) {
        ts_record *r;
        TS_TRY(ts_tape_record(tape, &attention_op, sizeof n, &r));
        *(attention_attr *)r->attr = n;
        r->in[0] = qkv;
        r->out[0] = *y;
        (*y)->wants_grad = true;
        ts_record_save(tape, r, qkv);
        ts_record_save(tape, r, *y);
        ts_record_save(tape, r, n.lse);
    }
    return TS_OK;
}
