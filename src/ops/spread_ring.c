/* Attention across in blocks: the keys and values of one process at a time. While a block is computed with,
 * the next one travels. Each step's part of the softmax joins the others by their log-sum-exp; the backward
 * pass walks the same way, and the gradients of a block's keys and values travel behind it:
 *
 *   step         0          1              2                  3           of 4 processes
 *   block        own        at - 1         at - 2             at - 3
 *   gradient     stays      begins here,   the sum so far     goes home,
 *                           goes on        comes, goes on     where the own part waits
 *
 * Sent directly, a block comes from whose it is, and each part of its gradient goes there at once. */
#include "ops/spread_walk.h"

#include <math.h>

/* What a kernel does at once: some of the queries, some keys of a block. */
typedef struct launch {
    int64_t row0, rows; /* queries of a sequence */
    ts_stretches q_at;
    int64_t key_row0, keys, key0; /* keys of a sequence, and the first one's position */
    int64_t key_rows;             /* that the block has of a sequence */
    bool sees_all;                /* and there is nothing to mask */
} launch;

/* Where several sequences are here their rows lie apart, and all queries take part. */
static launch launch_of(const ts_ring *r, const ts_stretch *k, int64_t key_row0)
{
    launch x = { .q_at = { 0 }, .key_row0 = key_row0, .keys = k->n, .key0 = k->begin, .sees_all = true };
    int64_t row = 0;
    for (int i = 0; i < r->queries.n; i++) {
        const ts_stretch *q = &r->queries.piece[i];
        if (r->o->B > 1 || ts_stretch_sees(&r->o->mask, q, k)) {
            x.row0 = x.q_at.n ? x.row0 : row;
            x.rows += q->n;
            x.q_at.piece[x.q_at.n++] = *q;
            x.sees_all = x.sees_all && ts_stretch_sees_all(&r->o->mask, q, k);
        }
        row += q->n;
    }
    return x;
}

/* Both pieces of a block at once, where the same queries see all of both: then it does not matter which
 * key stands where, unless something hangs on it. */
static bool are_one(const ts_ring *r, const launch *a, const launch *b)
{
    return a->sees_all && b->sees_all && a->row0 == b->row0 && a->rows == b->rows && !r->o->first_key &&
           !r->o->last_key && !r->o->slopes && r->o->dropout <= 0;
}

static int launches_of(const ts_ring *r, int block, launch out[TS_STRETCHES])
{
    const ts_stretches k = ts_ring_pieces(r, block);
    int n = 0;
    int64_t row = 0;
    for (int i = 0; i < k.n && ts_ring_needs(r, r->at, block); i++) {
        bool seen = false;
        for (int j = 0; j < r->queries.n; j++)
            seen = seen || ts_stretch_sees(&r->o->mask, &r->queries.piece[j], &k.piece[i]);
        if (seen) {
            out[n] = launch_of(r, &k.piece[i], row);
            out[n++].key_rows = ts_stretches_count(&k);
        }
        row += k.piece[i].n;
    }
    if (n == 2 && are_one(r, &out[0], &out[1])) {
        out[0].keys += out[1].keys;
        n = 1;
    }
    return n;
}

/* ---- one launch ---- */

static char *row_of(const ts_tensor *t, int64_t row)
{
    return (char *)ts_tensor_data(t) + (size_t)(row * t->dim[1]) * ts_dtype_size(t->dtype);
}

/* q: fused rows, or queries alone. */
static ts_attn_args args_of(const ts_ring *r, const launch *x, const ts_tensor *q, ts_key_pair p)
{
    const ts_attention_op *o = r->o;
    const int64_t skip = x->key_row0 * r->row * (int64_t)ts_dtype_size(r->dtype);
    ts_attn_args a = ts_attention_args(o, q, NULL);
    if (q->dim[1] == o->n_q * o->head_dim)
        a.q_group = o->n_q / o->n_kv * o->head_dim;
    a.q = row_of(q, x->row0);
    a.S_q = a.q_batch = x->rows;
    a.q_at = x->q_at;
    a.k = p.k + skip, a.v = p.v + skip;
    a.kv_row = r->row, a.kv_group = o->head_dim;
    a.S_kv = x->keys, a.kv_batch = x->key_rows, a.key0 = x->key0;
    a.S_q_all = a.S_kv_all = r->s->length;
    a.sinks = NULL; /* they join all parts once: begin_sums */
    if (x->sees_all)
        a.mask = (ts_attention_mask){ .kind = TS_MASK_BIDIRECTIONAL };
    if (a.first_key)
        a.first_key += x->row0;
    if (a.last_key)
        a.last_key += x->row0;
    return a;
}

static ts_cost cost_of(const ts_ring *r, const launch *x, double products)
{
    const ts_attention_op *o = r->o;
    const ts_attention_mask all = { .kind = TS_MASK_BIDIRECTIONAL };
    const double pairs = (double)(o->B * o->n_q) *
                         ts_spread_pairs(x->sees_all ? &all : &o->mask, &x->q_at, x->key0, x->keys);
    const double values = (double)(o->B * o->head_dim) *
                          (double)(x->rows * o->n_q + 2 * x->keys * o->n_kv);
    return (ts_cost){ 2 * products * pairs * (double)o->head_dim,
                      2 * values * (double)ts_dtype_size(r->dtype), r->dtype };
}

/* ---- forward ---- */

typedef struct ring_attr {
    ts_attention_op o;
    const ts_spread *s;
    ts_tensor *lse, *kept;
} ring_attr;

/* acc, acc_lse: fp32, of what was seen so far; part, part_lse, top: of one launch. */
typedef struct sums {
    ts_tensor *acc, *acc_lse, *part, *part_lse, *top;
} sums;

static ts_status begin_sums(const ts_ring *r, ts_tensor *y, sums *s)
{
    ts_device *dev = r->tape->dev;
    const ts_attention_op *o = r->o;
    s->acc = y;
    if (y->dtype != TS_DTYPE_F32)
        TS_TRY(ts_tape_new(r->tape, TS_DTYPE_F32, y->dim[0], y->dim[1], &s->acc));
    TS_TRY(ts_tape_new(r->tape, r->dtype, y->dim[0], y->dim[1], &s->part));
    TS_TRY(ts_tape_new(r->tape, TS_DTYPE_F32, y->dim[0], o->n_q, &s->acc_lse));
    TS_TRY(ts_tape_new(r->tape, TS_DTYPE_F32, y->dim[0], o->n_q, &s->part_lse));
    TS_TRY(ts_attention_top_begin(r->tape, o, y->dim[0], &s->top));
    dev->zero(dev, ts_tensor_data(s->acc), ts_tensor_bytes(s->acc));
    const int64_t n = ts_tensor_count(s->acc_lse);
    const ts_elementwise_args none = { .y_dtype = TS_DTYPE_F32, .y = ts_tensor_data(s->acc_lse),
                                       .alpha = -INFINITY };
    const ts_copy_cols_args sinks = { .cols = o->n_q, .y_row = o->n_q, .dtype = TS_DTYPE_F32,
                                      .x = o->sinks ? ts_param_vector(o->sinks) + o->head_at : NULL,
                                      .y = none.y };
    if (o->sinks) /* a logit without a value is a part whose o is 0 */
        ts_launch_copy_cols(dev, &sinks, y->dim[0], (ts_cost){ 0, 4 * (double)n, TS_DTYPE_F32 });
    else
        ts_launch_fill(dev, &none, n, (ts_cost){ 0, 4 * (double)n, TS_DTYPE_F32 });
    return TS_OK;
}

static void attend(const ts_ring *r, const launch *x, const ts_tensor *q, ts_key_pair p, const sums *s)
{
    const ts_attention_op *o = r->o;
    const int64_t rows = o->B * x->rows;
    ts_attn_args a = args_of(r, x, q, p);
    a.o = ts_tensor_data(s->part);
    a.lse = ts_tensor_data(s->part_lse);
    a.top = ts_attention_top(s->top);
    ts_launch_attn_fwd(r->tape->dev, &a, 0, cost_of(r, x, 2));
    ts_attention_top_join(r->tape, o, s->top, rows);
    const ts_attn_join_args j = { .n_q = o->n_q, .head_dim = o->head_dim, .dtype = r->dtype, .o = a.o,
                                  .lse = a.lse, .acc = (float *)(void *)row_of(s->acc, x->row0),
                                  .acc_lse = (float *)(void *)row_of(s->acc_lse, x->row0) };
    const double n = (double)(rows * o->n_q * o->head_dim);
    ts_launch_attn_join(r->tape->dev, &j, rows,
                        (ts_cost){ 3 * n, n * (8 + (double)ts_dtype_size(r->dtype)), TS_DTYPE_F32 });
}

static ts_status forward_steps(ts_walk *w, const ts_tensor *q, const sums *s)
{
    ts_ring *r = w->r;
    for (int t = 0; t < r->n; t++) {
        launch x[TS_STRETCHES];
        ts_key_pair p;
        TS_TRY(ts_walk_set_out(w, t));
        TS_TRY(ts_walk_place(w, t, &p));
        const int n = launches_of(r, ts_ring_here(r, t), x);
        for (int i = 0; i < n; i++)
            attend(r, &x[i], q, p, s);
        TS_TRY(ts_walk_arrive(w, t));
    }
    return TS_OK;
}

static ts_status make_kept(ts_walk *w, bool keeps)
{
    ts_ring *r = w->r;
    w->keeps_keys = keeps;
    w->keeps_values = keeps && r->s->keep == TS_SPREAD_KEEP_FULL;
    return keeps ? ts_tape_new(r->tape, r->dtype, (w->keeps_values ? 2 : 1) * (r->n - 1) * r->most, r->row,
                               &w->kept)
                 : TS_OK;
}

/* ---- backward ---- */

/* What the gradients of queries and keys are made of; flow: keys' and values' of the block at hand, and
 * of the one before, which is on its way. */
typedef struct gradients {
    const ts_tensor *q, *y, *dout;
    ts_tensor *lse, *delta, *part, *dq; /* dq: fp32, all launches' so far */
    ts_tensor *own, *flow[2], *coming;
    ts_message out[2], in;
} gradients;

static void add(const ts_ring *r, const void *x, ts_dtype from, void *y, ts_dtype to, int64_t n)
{
    const ts_elementwise_args a = { .x_dtype = from, .z_dtype = to, .y_dtype = to, .x = x, .z = y, .y = y,
                                    .alpha = 1, .beta = 1 };
    ts_launch_add(r->tape->dev, &a, n, (ts_cost){ (double)n, 12 * (double)n, to });
}

static void attend_back(const ts_ring *r, const launch *x, ts_key_pair p, ts_key_pair d, const gradients *g)
{
    const ts_attention_op *o = r->o;
    const int64_t skip = x->key_row0 * r->row * (int64_t)ts_dtype_size(r->dtype);
    ts_attn_args a = args_of(r, x, g->q, p);
    a.o = row_of(g->y, x->row0);
    a.lse = (float *)(void *)row_of(g->lse, x->row0);
    a.dout = row_of(g->dout, x->row0);
    a.delta = ts_tensor_data(g->delta);
    a.dq = ts_tensor_data(g->part), a.dk = d.k + skip, a.dv = d.v + skip;
    ts_launch_attn_bwd(r->tape->dev, &a, 0, cost_of(r, x, 5));
    add(r, a.dq, r->dtype, row_of(g->dq, x->row0), TS_DTYPE_F32,
        o->B * x->rows * o->n_q * o->head_dim);
}

/* The gradients of a block's keys and values by the queries here; what no query sees has none. */
static void step_back(const ts_ring *r, int block, ts_key_pair p, const ts_tensor *to, const gradients *g)
{
    ts_device *dev = r->tape->dev;
    launch x[TS_STRETCHES];
    const int n = launches_of(r, block, x);
    const int64_t rows = ts_ring_rows(r, block);
    int64_t keys = 0;
    for (int i = 0; i < n; i++)
        keys += x[i].keys;
    if (r->o->B * keys < rows)
        dev->zero(dev, ts_tensor_data(to), (size_t)(2 * rows * r->row) * ts_dtype_size(r->dtype));
    for (int i = 0; i < n; i++)
        attend_back(r, &x[i], p, ts_ring_pair(r, to, 0, block), g);
}

static ts_status new_flow(const ts_ring *r, ts_tensor **t)
{
    return *t ? TS_OK : ts_tape_new(r->tape, r->dtype, 2 * r->most, r->row, t);
}

/* Gradients of a block's keys and values. */
static int64_t flow_count(const ts_ring *r, int block) { return 2 * ts_ring_rows(r, block) * r->row; }

/* The block whose gradient comes in step t. */
static int coming_block(const ts_ring *r, int t)
{
    return r->s->way == TS_SPREAD_DIRECT || t == r->n ? r->at : ts_ring_here(r, t);
}

/* Behind step t - 1, another process has sent the gradient of what is computed with in step t, or (directly,
 * or behind the last step) of this one's own block. */
static ts_status expect(const ts_ring *r, gradients *g, int t)
{
    const int block = coming_block(r, t), from = ts_ring_who(r, block, t - 1);
    if (t < 2 || (r->s->way == TS_SPREAD_DIRECT && !ts_ring_needs(r, from, r->at)))
        return TS_OK;
    TS_TRY(new_flow(r, &g->coming));
    return ts_ring_post(r, ts_tensor_data(g->coming), flow_count(r, block), from, false, &g->in);
}

static ts_status take(const ts_ring *r, gradients *g, int t, const ts_tensor *to)
{
    const bool any = g->in.out > 0;
    TS_TRY(ts_message_wait(r->tape, r->s->comm, &g->in));
    if (any)
        add(r, ts_tensor_data(g->coming), r->dtype, ts_tensor_data(to), r->dtype,
            flow_count(r, coming_block(r, t)));
    return TS_OK;
}

/* Of step t >= 1: on to whoever has the block next, and at last home. */
static ts_status send_on(const ts_ring *r, gradients *g, int t)
{
    const int block = ts_ring_here(r, t);
    const bool home = r->s->way == TS_SPREAD_DIRECT || t + 1 == r->n;
    if (r->s->way == TS_SPREAD_DIRECT && !ts_ring_needs(r, r->at, block))
        return TS_OK;
    const ts_tensor *flow = g->flow[t % 2];
    return ts_ring_post(r, ts_tensor_data(flow), flow_count(r, block), home ? block : ts_ring_who(r, block, t + 1),
                        true, &g->out[t % 2]);
}

static ts_status backward_steps(ts_walk *w, gradients *g)
{
    ts_ring *r = w->r;
    for (int t = 0; t < r->n; t++) {
        ts_key_pair p;
        ts_tensor **to = t ? &g->flow[t % 2] : &g->own;
        TS_TRY(expect(r, g, t));
        TS_TRY(ts_walk_set_out(w, t));
        TS_TRY(ts_walk_place(w, t, &p));
        TS_TRY(ts_message_wait(r->tape, r->s->comm, &g->out[t % 2]));
        TS_TRY(new_flow(r, to));
        step_back(r, ts_ring_here(r, t), p, *to, g);
        TS_TRY(take(r, g, t, r->s->way == TS_SPREAD_DIRECT ? g->own : *to));
        TS_TRY(ts_walk_arrive(w, t));
        if (t)
            TS_TRY(send_on(r, g, t));
    }
    TS_TRY(expect(r, g, r->n));
    TS_TRY(take(r, g, r->n, g->own));
    for (int i = 0; i < 2; i++)
        TS_TRY(ts_message_wait(r->tape, r->s->comm, &g->out[i]));
    return TS_OK;
}

/* Queries between fused rows and rows of their own. */
static void move_queries(const ts_ring *r, const ts_tensor *fused, const ts_tensor *apart, bool back)
{
    const ts_attention_op *o = r->o;
    const int64_t d = o->head_dim, q = o->n_q / o->n_kv, n = o->B * o->S * o->n_kv;
    const ts_copy_cols_args a = { .cols = q * d,
                                  .x_row = back ? q * d : (q + 2) * d,
                                  .y_row = back ? (q + 2) * d : q * d,
                                  .dtype = r->dtype,
                                  .x = ts_tensor_data(back ? apart : fused),
                                  .y = ts_tensor_data(back ? fused : apart) };
    ts_launch_copy_cols(r->tape->dev, &a, n, (ts_cost){ 0, 2 * (double)ts_tensor_bytes(apart), r->dtype });
}

/* The gradient of the sinks is of all rows and of no key. */
static ts_status sinks_back(const ts_ring *r, const gradients *g)
{
    const ts_attention_op *o = r->o;
    const launch none = { .rows = o->S, .q_at = r->queries, .sees_all = true };
    if (!ts_param_has_grad(o->sinks))
        return TS_OK;
    ts_attn_args a = args_of(r, &none, g->q, (ts_key_pair){ ts_tensor_data(g->part), ts_tensor_data(g->part) });
    a.sinks = ts_param_vector(o->sinks) + o->head_at;
    a.o = ts_tensor_data(g->y), a.lse = ts_tensor_data(g->lse), a.dout = ts_tensor_data(g->dout);
    a.delta = ts_tensor_data(g->delta);
    a.dq = a.dk = a.dv = ts_tensor_data(g->part);
    TS_TRY(ts_attention_add_sinks(o, &a));
    ts_launch_attn_bwd(r->tape->dev, &a, 0, (ts_cost){ 0, (double)ts_tensor_bytes(g->part), r->dtype });
    return TS_OK;
}

static ts_status begin_gradients(const ts_ring *r, const ring_attr *n, const ts_record *rec, gradients *g)
{
    const ts_tensor *y = rec->out[0];
    ts_tensor *q;
    *g = (gradients){ .y = y, .dout = y->grad, .lse = n->lse };
    TS_TRY(ts_tape_new(r->tape, r->dtype, y->dim[0], y->dim[1], &q));
    move_queries(r, rec->in[0], q, false);
    g->q = q;
    TS_TRY(ts_tape_new(r->tape, TS_DTYPE_F32, y->dim[0], r->o->n_q, &g->delta));
    TS_TRY(ts_tape_new(r->tape, r->dtype, y->dim[0], y->dim[1], &g->part));
    TS_TRY(ts_tape_new(r->tape, TS_DTYPE_F32, y->dim[0], y->dim[1], &g->dq));
    r->tape->dev->zero(r->tape->dev, ts_tensor_data(g->dq), ts_tensor_bytes(g->dq));
    return TS_OK;
}

/* Into fused rows like x, of the activations' type. */
static ts_status finish_gradients(const ts_ring *r, const gradients *g, ts_tensor *x)
{
    const int64_t n = ts_tensor_count(g->dq);
    ts_tensor *dx, *dq = g->dq;
    if (r->dtype != TS_DTYPE_F32) {
        const ts_elementwise_args a = { .x_dtype = TS_DTYPE_F32, .y_dtype = r->dtype,
                                        .x = ts_tensor_data(g->dq), .y = ts_tensor_data(g->part) };
        ts_launch_copy(r->tape->dev, &a, n, (ts_cost){ 0, 6 * (double)n, r->dtype });
        dq = g->part;
    }
    TS_TRY(ts_tape_new(r->tape, x->dtype, x->dim[0], x->dim[1], &dx));
    move_queries(r, dx, dq, true);
    ts_spread_put_keys(r->tape, r->o, ts_tensor_data(g->own), dx);
    return ts_tape_accumulate(r->tape, x, dx);
}

static ts_status ring_backward(ts_tape *tape, ts_record *rec)
{
    const ring_attr *n = rec->attr;
    ts_ring r = ts_ring_of(tape, &n->o, n->s, rec->in[0]->dtype);
    ts_walk w = { .r = &r, .keeps_keys = n->kept != NULL, .are_here = n->kept != NULL, .kept = n->kept,
               .keeps_values = n->kept && n->s->keep == TS_SPREAD_KEEP_FULL };
    gradients g;
    TS_TRY(begin_gradients(&r, n, rec, &g));
    TS_TRY(ts_walk_begin(&w, rec->in[0]));
    TS_TRY(sinks_back(&r, &g));
    TS_TRY(backward_steps(&w, &g));
    return finish_gradients(&r, &g, rec->in[0]);
}

static const ts_op ring_op = { .name = "ring_attention", .backward = ring_backward };

static ts_status make_record(const ts_ring *r, ts_tensor *q, ts_tensor *y, ts_tensor *lse, ts_tensor *kept)
{
    ts_record *rec;
    TS_TRY(ts_tape_record(r->tape, &ring_op, sizeof(ring_attr), &rec));
    *(ring_attr *)rec->attr = (ring_attr){ *r->o, r->s, lse, kept };
    rec->in[0] = q;
    rec->out[0] = y;
    y->wants_grad = true;
    ts_record_save(r->tape, rec, q);
    ts_record_save(r->tape, rec, y);
    ts_record_save(r->tape, rec, lse);
    if (kept)
        ts_record_save(r->tape, rec, kept);
    return ts_record_param(r->tape, rec, 0, r->o->sinks);
}

static ts_status forward(ts_ring *r, ts_tensor *q, ts_tensor *y, bool records, bool keeps)
{
    ts_walk w = { .r = r };
    sums s;
    TS_TRY(make_kept(&w, keeps && records));
    TS_TRY(ts_walk_begin(&w, q));
    TS_TRY(begin_sums(r, y, &s));
    TS_TRY(forward_steps(&w, q, &s));
    if (s.acc != y) {
        const ts_elementwise_args a = { .x_dtype = TS_DTYPE_F32, .y_dtype = y->dtype,
                                        .x = ts_tensor_data(s.acc), .y = ts_tensor_data(y) };
        const int64_t n = ts_tensor_count(y);
        ts_launch_copy(r->tape->dev, &a, n, (ts_cost){ 0, 6 * (double)n, y->dtype });
    }
    return records ? make_record(r, q, y, s.acc_lse, w.kept) : TS_OK;
}

ts_status ts_op_ring_attention(ts_tape *tape, const ts_attention_op *o, const ts_spread *s, bool keeps,
                               ts_tensor *q, ts_tensor **y)
{
    ts_ring r = ts_ring_of(tape, o, s, q->dtype);
    TS_ASSERT(q->dim[0] == o->B * ts_stretches_count(&r.queries), "%lld rows for %lld sequences",
              (long long)q->dim[0], (long long)o->B);
    TS_TRY(ts_tape_new(tape, q->dtype, q->dim[0], o->n_q * o->head_dim, y));
    TS_TRY(ts_tape_push(tape));
    const ts_status st = forward(&r, q, *y, tape->recording && q->wants_grad, keeps);
    ts_tape_pop(tape, NULL);
    return st;
}
