#include "ops/attention.h"

typedef struct attention_attr {
    ts_attention_op o;
    ts_tensor *lse;
} attention_attr;

static char *at(const ts_tensor *t, int64_t element)
{
    return (char *)ts_tensor_data(t) + (size_t)element * ts_dtype_size(t->dtype);
}

/* Of the rows from `skip` on. */
static const int32_t *keys_of(const ts_tensor *rows, int64_t skip)
{
    return rows ? (const int32_t *)ts_tensor_data(rows) + skip : NULL;
}

/* Where queries, keys and values stand in q and kv, or in tensors like them; kv NULL: fused. */
typedef struct columns {
    void *q, *k, *v;
    int64_t q_group, kv_group; /* elements from one group to the next */
} columns;

/* Of a group: its key and its value. */
static int64_t pair_of(const ts_attention_op *o) { return (o->keys_alone ? 1 : 2) * o->head_dim; }

static columns columns_of(const ts_attention_op *o, const ts_tensor *q, const ts_tensor *kv)
{
    const int64_t r = o->n_q / o->n_kv, d = o->head_dim;
    if (o->are_there)
        return (columns){ .q = at(q, 0), .q_group = r * d };
    if (kv)
        return (columns){ at(q, 0), at(kv, 0), o->keys_alone ? at(kv, 0) : at(kv, d), r * d, pair_of(o) };
    return (columns){ at(q, 0), at(q, r * d), at(q, (r + 1) * d), (r + 2) * d, (r + 2) * d };
}

/* Queries of a sequence that attend. */
static int64_t queries_of(const ts_attention_op *o) { return o->queries.n ? o->queries.n : o->S; }

ts_attn_args ts_attention_args(const ts_attention_op *o, const ts_tensor *q, const ts_tensor *kv)
{
    const columns c = columns_of(o, q, kv);
    const ts_tensor *keys = kv ? kv : q;
    const int64_t S_kv = keys->dim[0] / o->B, skip = o->queries.begin;
    return (ts_attn_args){ .B = o->B, .S_q = queries_of(o), .S_kv = S_kv, .q_batch = o->S, .kv_batch = S_kv,
                           .n_q = o->n_q, .n_kv = o->n_kv, .head_dim = o->head_dim,
                           .dtype = q->dtype, .scale = o->scale, .softcap = o->softcap,
                           .mask = o->mask, .q_row = q->dim[1], .q_group = c.q_group,
                           .kv_row = keys->dim[1], .kv_group = c.kv_group, .k = c.k, .v = c.v,
                           .q = (char *)c.q + (size_t)(skip * q->dim[1]) * ts_dtype_size(q->dtype),
                           .first_key = keys_of(o->first_key, skip), .last_key = keys_of(o->last_key, skip),
                           .limit_batch = o->S, .S_q_all = o->S, .S_kv_all = S_kv,
                           .q_at = o->queries.n ? ts_stretches_one(skip, o->queries.n) : (ts_stretches){ 0 },
                           .sinks = o->sinks ? ts_param_vector(o->sinks) + o->head_at : NULL,
                           .slopes = o->slopes ? (const float *)o->slopes->data + o->head_at : NULL, .dropout = o->dropout, .rng = o->rng,
                           .sample0 = o->sample0, .head0 = o->head0, .n_q_total = o->all_q ? o->all_q : o->n_q };
}

ts_status ts_attention_add_sinks(const ts_attention_op *o, ts_attn_args *a)
{
    if (!ts_param_has_grad(o->sinks))
        return TS_OK;
    TS_TRY(ts_param_need_grad(o->sinks));
    ts_param_grad_settle(o->sinks);
    a->dsinks = o->sinks->grad + o->head_at;
    return TS_OK;
}

/* sum over v < y of v, held to 0 .. most */
static double sum_below(double y, double most)
{
    if (y <= 0)
        return 0;
    return y <= most ? y * (y - 1) / 2 : most * (most + 1) / 2 + (y - 1 - most) * most;
}

/* Query i sees the keys from pos - left to pos + right that there are: the end of this range and
 * its beginning, held to 0 .. S_kv, differ by their number. */
/* Chunk by chunk. */
static double chunk_pairs(const ts_attention_mask *m, int64_t S_q, double keys)
{
    double pairs = 0;
    for (int64_t pos = m->offset, end = pos + S_q, next; pos < end; pos = next) {
        const int64_t first = ts_mask_first(m, pos);
        const double begin = (double)first < 0 ? 0 : (double)first < keys ? (double)first : keys;
        next = first + m->chunk < end ? first + m->chunk : end;
        pairs += sum_below((double)(next + 1), keys) - sum_below((double)(pos + 1), keys) - (double)(next - pos) * begin;
    }
    return pairs;
}

double ts_mask_pairs(const ts_attention_mask *m, int64_t S_q, int64_t S_kv)
{
    if (m->kind == TS_MASK_CHUNK)
        return chunk_pairs(m, S_q, (double)S_kv);
    const int64_t left = ts_mask_left(m), right = ts_mask_right(m);
    const double keys = (double)S_kv, queries = (double)S_q;
    const double end = (double)(m->offset + right + 1), begin = (double)(m->offset - left);
    const double ends =
        right < 0 ? queries * keys : sum_below(end + queries, keys) - sum_below(end, keys);
    return left < 0 ? ends : ends - (sum_below(begin + queries, keys) - sum_below(begin, keys));
}

static ts_cost cost_of(const ts_attention_op *o, const ts_tensor *q, const ts_tensor *kv,
                       double products)
{
    const double bytes = (double)(ts_tensor_bytes(q) + (kv ? ts_tensor_bytes(kv) : 0));
    const int64_t S_kv = (kv ? kv : q)->dim[0] / o->B;
    ts_attention_mask m = o->mask;
    m.offset += o->queries.begin;
    const double pairs = (double)o->B * (double)o->n_q * ts_mask_pairs(&m, queries_of(o), S_kv);
    return (ts_cost){ 2 * products * pairs * (double)o->head_dim, 2 * bytes, q->dtype };
}

static ts_status attention_backward(ts_tape *tape, ts_record *r)
{
    const attention_attr *n = r->attr;
    ts_tensor *q = r->in[0], *kv = r->in[1], *dq, *dkv = NULL, *delta;
    TS_TRY(ts_tape_new(tape, q->dtype, q->dim[0], q->dim[1], &dq));
    if (kv)
        TS_TRY(ts_tape_new(tape, kv->dtype, kv->dim[0], kv->dim[1], &dkv));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, n->lse->dim[0], n->lse->dim[1], &delta));
    if (n->o.queries.n)
        tape->dev->zero(tape->dev, ts_tensor_data(dq), ts_tensor_bytes(dq));
    const ts_attn_args d = ts_attention_args(&n->o, dq, dkv);
    ts_attn_args a = ts_attention_args(&n->o, q, kv);
    a.o = ts_tensor_data(r->out[0]);
    a.lse = ts_tensor_data(n->lse);
    a.dout = ts_tensor_data(r->out[0]->grad);
    a.delta = ts_tensor_data(delta);
    a.dq = (void *)(uintptr_t)d.q, a.dk = (void *)(uintptr_t)d.k, a.dv = (void *)(uintptr_t)d.v;
    TS_TRY(ts_attention_add_sinks(&n->o, &a));
    ts_launch_attn_bwd(tape->dev, &a, 0, cost_of(&n->o, q, kv, 5));
    TS_TRY(ts_tape_accumulate(tape, q, dq));
    return ts_tape_accumulate(tape, kv, dkv);
}

static const ts_op attention_op = { .name = "attention", .backward = attention_backward };

/* Where token t of sequence b has its row. */
static int64_t row_in_cache(const ts_attention_op *o, int64_t b, int64_t t)
{
    const ts_kv_pages *p = o->pages;
    if (!p)
        return (o->slot0 + b) * o->cache->capacity + t;
    return ((int64_t)p->table[b * p->each + (t >> p->bits)] << p->bits) + (t & (((int64_t)1 << p->bits) - 1));
}

/* New keys and values behind the old ones. */
static void append(ts_tape *tape, const ts_attention_op *o, const ts_tensor *q, const ts_tensor *kv)
{
    const columns c = columns_of(o, q, kv);
    const int64_t pair = pair_of(o), row = o->n_kv * pair, from = (kv ? kv : q)->dim[1];
    const size_t size = ts_dtype_size(q->dtype);
    for (int64_t b = 0; b < o->B; b++) {
        for (int64_t i = 0; i < o->q_len[b]; i++) {
            char *to = (char *)o->cache->kv->data + (size_t)(row_in_cache(o, b, o->q_start[b] + i) * row) * size;
            const char *keys = (const char *)c.k + (size_t)((b * o->S + i) * from) * size;
            for (int64_t g = 0; g < o->n_kv; g++)
                tape->dev->move(tape->dev, to + (size_t)(g * pair) * size,
                                keys + (size_t)(g * c.kv_group) * size, (size_t)pair * size);
        }
    }
}

/* The same as codes. */
static ts_status append_codes(ts_tape *tape, const ts_attention_op *o, const ts_tensor *q, const ts_tensor *kv)
{
    const columns c = columns_of(o, q, kv);
    const int64_t rows = o->B * o->S;
    ts_tensor *on_device;
    int32_t *row;
    TS_TRY(ts_alloc(&row, (size_t)rows, sizeof *row));
    for (int64_t t = 0; t < rows; t++) {
        const int64_t b = t / o->S, i = t % o->S, at_row = i < o->q_len[b] ? row_in_cache(o, b, o->q_start[b] + i) : -1;
        TS_ASSERT(at_row <= INT32_MAX, "row %lld of a cache in eight bits", (long long)at_row);
        row[t] = (int32_t)at_row;
    }
    const ts_status st = ts_tape_upload(tape, TS_DTYPE_I32, row, rows, &on_device);
    ts_free(&row);
    TS_TRY(st);
    const ts_kv_put_args a = { .code = o->cache->code, .dtype = q->dtype, .heads = o->n_kv, .vectors = o->keys_alone ? 1 : 2,
                               .n = o->head_dim, .src_row = (kv ? kv : q)->dim[1], .src_head = c.kv_group, .src = c.k,
                               .row = ts_tensor_data(on_device), .dst = o->cache->kv->data };
    const double n = (double)(rows * o->n_kv * pair_of(o));
    ts_launch_kv_put(tape->dev, &a, rows, (ts_cost){ 4 * n, n * (1 + (double)ts_dtype_size(q->dtype)), q->dtype });
    return TS_OK;
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

static ts_status with_cache(ts_tape *tape, const ts_attention_op *o, const ts_tensor *q,
                            const ts_tensor *kv, ts_tensor *y)
{
    ts_tensor *lengths; /* q_start, q_len, kv_len for the kernel */
    int32_t host[3][256];
    TS_ASSERT(o->B <= 256, "attention: %lld sequences with a cache, at most 256", (long long)o->B);
    const ts_kv_code code = o->cache->code;
    if (!o->are_there && code == TS_KV_PLAIN)
        append(tape, o, q, kv);
    else if (!o->are_there)
        TS_TRY(append_codes(tape, o, q, kv));
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
    ts_attn_args a = ts_attention_args(o, q, kv);
    /* of a key with its value, and of a value: elements, or bytes of codes */
    const int64_t value = code == TS_KV_PLAIN ? o->head_dim : ts_kv_bytes(o->head_dim), pair = (o->keys_alone ? 1 : 2) * value;
    const size_t unit = code == TS_KV_PLAIN ? ts_dtype_size(q->dtype) : 1;
    a.code = code;
    a.q_start = dev, a.q_len = dev + o->B, a.kv_len = dev + 2 * o->B;
    a.S_kv = a.kv_batch = o->pages ? o->pages->each << o->pages->bits : o->cache->capacity;
    a.kv_row = o->n_kv * pair, a.kv_group = pair;
    a.any_cut = o->any_cut;
    if (o->pages)
        a.pages = ts_tensor_data(o->pages->on_device), a.pages_each = o->pages->each, a.page_bits = o->pages->bits;
    a.k = (const char *)o->cache->kv->data +
          (size_t)(o->pages ? 0 : o->slot0 * a.kv_batch * a.kv_row) * unit;
    a.v = (const char *)a.k + (size_t)(pair - value) * unit;
    a.o = ts_tensor_data(y);
    ts_launch_attn_fwd(tape->dev, &a, 0, (ts_cost){ 4 * pairs * (double)(o->n_q * o->head_dim),
                                                    pairs * (double)(o->n_kv * pair) * (double)unit / (double)ts_dtype_size(q->dtype), q->dtype });
    return TS_OK;
}

static void check_shapes(const ts_attention_op *o, const ts_tensor *q, const ts_tensor *kv)
{
    const int64_t heads = kv || o->are_there ? o->n_q : o->n_q + 2 * o->n_kv;
    TS_ASSERT(q->dim[0] == o->B * o->S && o->n_q % o->n_kv == 0,
              "attention: %lld rows for %lld x %lld", (long long)q->dim[0], (long long)o->B,
              (long long)o->S);
    TS_ASSERT(q->dim[1] == heads * o->head_dim, "attention: rows of %lld for %lld heads of %lld",
              (long long)q->dim[1], (long long)heads, (long long)o->head_dim);
    TS_ASSERT(!kv || (kv->dim[0] % o->B == 0 && kv->dim[1] == o->n_kv * pair_of(o) &&
                      kv->dtype == q->dtype),
              "attention: keys and values [%lld, %lld] for %lld sequences, %lld heads of %lld",
              (long long)kv->dim[0], (long long)kv->dim[1], (long long)o->B, (long long)o->n_kv,
              (long long)o->head_dim);
    TS_ASSERT(!o->are_there || (o->cache && !kv), "attention: keys that are there without a cache");
    TS_ASSERT(!o->keys_alone || (o->cache && kv), "attention: keys are values without a cache");
    TS_ASSERT(!o->queries.n || (!o->cache && !kv && o->queries.begin >= 0 && o->queries.begin + o->queries.n <= o->S),
              "attention of queries %lld to %lld of %lld", (long long)o->queries.begin,
              (long long)(o->queries.begin + o->queries.n), (long long)o->S);
    const ts_tensor *const rows[] = { o->first_key, o->last_key };
    for (int i = 0; i < 2; i++)
        TS_ASSERT(!rows[i] || (rows[i]->dtype == TS_DTYPE_I32 && rows[i]->dim[0] == q->dim[0]),
                  "attention: limits of keys for %lld of %lld rows", (long long)rows[i]->dim[0],
                  (long long)q->dim[0]);
}

ts_status ts_attention_top_begin(ts_tape *tape, const ts_attention_op *o, int64_t rows, ts_tensor **top)
{
    *top = NULL;
    return o->tops ? ts_tape_new(tape, TS_DTYPE_F32, rows, o->n_q, top) : TS_OK;
}

/* The largest of each head of all rows joins what is there. */
void ts_attention_top_join(ts_tape *tape, const ts_attention_op *o, const ts_tensor *top, int64_t rows)
{
    if (!top)
        return;
    const ts_col_sum_args a = { .rows = rows, .cols = o->n_q, .ld = o->n_q, .dtype = TS_DTYPE_F32,
                                .dy = ts_tensor_data(top), .db = o->tops };
    const double n = (double)(rows * o->n_q);
    ts_launch_col_max(tape->dev, &a, o->n_q, (ts_cost){ n, 4 * n, TS_DTYPE_F32 });
}

ts_status ts_op_attention(ts_tape *tape, const ts_attention_op *o, ts_tensor *q, ts_tensor *kv,
                          ts_tensor **y, ts_tensor **lse)
{
    const int64_t rows = o->B * queries_of(o);
    check_shapes(o, q, kv);
    TS_TRY(ts_param_need(o->sinks));
    TS_TRY(ts_tape_new(tape, q->dtype, rows, o->n_q * o->head_dim, y));
    if (o->cache) {
        TS_ASSERT(!lse && (!kv || kv->dim[0] == q->dim[0]),
                  "attention: a cache with a log-sum-exp, or with keys of another sequence");
        return with_cache(tape, o, q, kv, *y);
    }
    const bool record = tape->recording && (q->wants_grad || (kv && kv->wants_grad) || ts_param_has_grad(o->sinks));
    attention_attr n = { .o = *o };
    if (record || lse)
        TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, rows, o->n_q, &n.lse));
    ts_tensor *top;
    TS_TRY(ts_attention_top_begin(tape, o, rows, &top));
    ts_attn_args a = ts_attention_args(o, q, kv);
    a.o = ts_tensor_data(*y);
    a.lse = n.lse ? ts_tensor_data(n.lse) : NULL;
    a.top = ts_attention_top(top);
    ts_launch_attn_fwd(tape->dev, &a, 0, cost_of(o, q, kv, 2));
    ts_attention_top_join(tape, o, top, rows);
    ts_tape_drop(tape, top);
    if (lse)
        *lse = n.lse;
    if (record) {
        ts_record *r;
        TS_TRY(ts_tape_record(tape, &attention_op, sizeof n, &r));
        *(attention_attr *)r->attr = n;
        r->in[0] = q;
        r->in[1] = kv;
        r->out[0] = *y;
        (*y)->wants_grad = true;
        ts_record_save(tape, r, q);
        if (kv)
            ts_record_save(tape, r, kv);
        ts_record_save(tape, r, *y);
        ts_record_save(tape, r, n.lse);
        TS_TRY(ts_record_param(tape, r, 0, o->sinks));
    }
    return TS_OK;
}
