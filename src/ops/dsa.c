#include "ops/dsa.h"

#include "ops/columns.h"
#include "ops/spread_inside.h"

#include <math.h>

double ts_dsa_pairs(int64_t S, int64_t most)
{
    const double n = (double)S, k = (double)(most < S ? most : S);
    return k * (k + 1) / 2 + (n - k) * k;
}

static char *at(const ts_tensor *t, int64_t element)
{
    return (char *)ts_tensor_data(t) + (size_t)element * ts_dtype_size(t->dtype);
}

/* Two operations for each of so many values of a pair of query and key. */
static ts_cost cost_of(const ts_dsa_op *o, ts_dtype t, double pairs, double values)
{
    const double n = (double)o->B * pairs * values;
    return (ts_cost){ 2 * n, n * (double)ts_dtype_size(t), t };
}

/* Keys of a sequence that its queries here attend to, at most so many each. */
static double pairs_here(const ts_dsa_op *o, int64_t most)
{
    const ts_stretches at = ts_spread_here(o->spread, o->S);
    double n = 0;
    for (int i = 0; i < at.n; i++)
        n += ts_dsa_pairs(at.piece[i].begin + at.piece[i].n, most) - ts_dsa_pairs(at.piece[i].begin, most);
    return n;
}

static int64_t keys_of(const ts_dsa_op *o) { return o->spread ? o->spread->length : o->keys ? o->keys : o->S; }
static double all_pairs(const ts_dsa_op *o) { return pairs_here(o, o->spread ? o->spread->length : o->S); }
static double pairs_of(const ts_dsa_op *o, const ts_tensor *chosen)
{
    return chosen ? pairs_here(o, o->most) : all_pairs(o);
}

static ts_dsa_args args_of(const ts_dsa_op *o, ts_dtype dtype, ts_tensor *chosen)
{
    return (ts_dsa_args){ .rows = o->B * o->S, .S = o->S, .keys = keys_of(o),
                          .q_at = o->spread ? ts_spread_here(o->spread, o->S) : (ts_stretches){ 0 },
                          .first_key = o->first_key ? ts_tensor_data(o->first_key) : NULL,
                          .last_key = o->last_key ? ts_tensor_data(o->last_key) : NULL, .most = o->most,
                          .chosen = chosen ? ts_tensor_data(chosen) : NULL, .dtype = dtype, .heads = o->heads,
                          .dim = o->width, .value = o->width, .scale = o->scale, .index_heads = o->index_heads,
                          .index_dim = o->index_dim, .ik_row = o->index_dim };
}

/* Of fused rows, or with everyone's keys and values. */
static ts_dsa_args fused_args(const ts_dsa_op *o, const ts_tensor *rows, ts_tensor *chosen)
{
    ts_dsa_args a = args_of(o, rows->dtype, chosen);
    const ts_tensor *kv = o->kv;
    a.q_row = rows->dim[1], a.q_head = 3 * o->width, a.q = at(rows, 0);
    a.k_row = a.v_row = kv ? kv->dim[1] : a.q_row;
    a.k_head = a.v_head = kv ? o->width : a.q_head;
    a.k = kv ? at(kv, 0) : at(rows, o->width), a.v = kv ? at(kv, ts_tensor_count(kv) / 2) : at(rows, 2 * o->width);
    return a;
}

/* As attention knows them: the rows here with all heads. */
static ts_attention_op attention_of(const ts_dsa_op *o)
{
    return (ts_attention_op){ .B = o->B, .S = o->S, .n_q = o->heads, .n_kv = o->heads, .head_dim = o->width };
}

ts_status ts_dsa_gather(ts_tape *tape, const ts_dsa_op *o, const ts_tensor *rows, ts_tensor **kv)
{
    const ts_attention_op as = attention_of(o);
    *kv = NULL;
    return o->spread ? ts_spread_gather_keys(tape, &as, o->spread, rows, kv) : TS_OK;
}

static void put_index(ts_dsa_args *a, const ts_dsa_index *x)
{
    a->iq = ts_tensor_data(x->q), a->ik = ts_tensor_data(x->k), a->iw = ts_tensor_data(x->w);
    a->index_scale = (float)(1 / sqrt((double)a->index_heads * (double)a->index_dim));
}

static double index_values(const ts_dsa_op *o) { return (double)(o->index_heads * o->index_dim); }
static double head_values(const ts_dsa_op *o) { return (double)(o->heads * o->width); }

/* ---- choosing ---- */

static ts_status choose(ts_tape *tape, const ts_dsa_op *o, ts_dsa_args *a, double pairs, ts_tensor **chosen)
{
    ts_tensor *best;
    TS_TRY(ts_tape_new(tape, TS_DTYPE_I32, a->rows, o->most, chosen));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, a->rows, o->most, &best));
    a->chosen = ts_tensor_data(*chosen);
    a->best = ts_tensor_data(best);
    ts_launch_dsa_select(tape->dev, a, a->rows, cost_of(o, a->dtype, pairs, index_values(o)));
    ts_tape_drop(tape, best);
    return TS_OK;
}

ts_status ts_dsa_select(ts_tape *tape, const ts_dsa_op *o, const ts_dsa_index *x, ts_tensor **chosen)
{
    ts_dsa_args a = args_of(o, x->q->dtype, NULL);
    put_index(&a, x);
    const double part = (double)x->q->dim[0] / (double)a.rows, wide = (double)(o->keys ? a.keys : o->S) / (double)o->S;
    a.rows = x->q->dim[0], a.row0 = o->row0;
    return choose(tape, o, &a, a.keys > o->most ? all_pairs(o) * wide * part : 0, chosen);
}

/* ---- attention ---- */

typedef struct dsa_attr {
    ts_dsa_op o;
    ts_tensor *chosen, *lse;
} dsa_attr;

static ts_status dsa_backward(ts_tape *tape, ts_record *r)
{
    dsa_attr *n = r->attr;
    ts_dsa_op *o = &n->o;
    const ts_attention_op as = attention_of(o);
    ts_tensor *rows = r->in[0], *d, *delta, *dkv = NULL;
    TS_TRY(ts_dsa_gather(tape, o, rows, &o->kv));
    TS_TRY(ts_tape_new(tape, rows->dtype, rows->dim[0], rows->dim[1], &d));
    if (o->kv)
        TS_TRY(ts_tape_new(tape, rows->dtype, o->kv->dim[0], o->kv->dim[1], &dkv));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, n->lse->dim[0], n->lse->dim[1], &delta));
    ts_dsa_args a = fused_args(o, rows, n->chosen);
    a.o = ts_tensor_data(r->out[0]);
    a.lse = ts_tensor_data(n->lse);
    a.dout = ts_tensor_data(r->out[0]->grad);
    a.delta = ts_tensor_data(delta);
    a.dq = at(d, 0);
    a.dk = dkv ? at(dkv, 0) : at(d, o->width), a.dv = dkv ? at(dkv, ts_tensor_count(dkv) / 2) : at(d, 2 * o->width);
    const double pairs = pairs_of(o, n->chosen);
    ts_launch_dsa_dq(tape->dev, &a, a.rows * o->heads, cost_of(o, a.dtype, pairs, 3 * head_values(o)));
    ts_launch_dsa_dkv(tape->dev, &a, o->B * a.keys * o->heads, cost_of(o, a.dtype, pairs, 4 * head_values(o)));
    ts_tape_drop(tape, o->kv);
    if (dkv)
        TS_TRY(ts_spread_scatter_keys(tape, &as, o->spread, dkv, d));
    ts_tape_drop(tape, dkv);
    return ts_tape_accumulate(tape, rows, d);
}

static const ts_op dsa_op = { .name = "dsa", .backward = dsa_backward };

ts_status ts_op_dsa(ts_tape *tape, const ts_dsa_op *o, ts_tensor *rows, ts_tensor *chosen, ts_tensor **y, ts_tensor **lse)
{
    const bool records = tape->recording && rows->wants_grad;
    dsa_attr n = { .o = *o, .chosen = chosen };
    TS_ASSERT(rows->dim[0] == o->B * o->S && rows->dim[1] == 3 * o->heads * o->width && o->width <= TS_DSA_MOST_DIM &&
                  o->index_dim <= TS_DSA_MOST_INDEX,
              "dsa: rows [%lld, %lld] of %lld heads of %lld", (long long)rows->dim[0], (long long)rows->dim[1],
              (long long)o->heads, (long long)o->width);
    TS_TRY(ts_tape_new(tape, rows->dtype, rows->dim[0], o->heads * o->width, y));
    if (records || lse)
        TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, rows->dim[0], o->heads, &n.lse));
    ts_dsa_args a = fused_args(o, rows, chosen);
    a.o = ts_tensor_data(*y);
    a.lse = n.lse ? ts_tensor_data(n.lse) : NULL;
    ts_launch_dsa_fwd(tape->dev, &a, a.rows * o->heads, cost_of(o, a.dtype, pairs_of(o, chosen), 2 * head_values(o)));
    if (lse)
        *lse = n.lse;
    if (!records)
        return TS_OK;
    ts_record *r;
    TS_TRY(ts_tape_record(tape, &dsa_op, sizeof n, &r));
    n.o.kv = NULL;
    *(dsa_attr *)r->attr = n;
    r->in[0] = rows;
    r->out[0] = *y;
    (*y)->wants_grad = true;
    ts_record_save(tape, r, rows);
    ts_record_save(tape, r, chosen);
    ts_record_save(tape, r, *y);
    ts_record_save(tape, r, n.lse);
    return TS_OK;
}

/* ---- what the indexer learns ---- */

/* What attention looks at, of all heads: fp32 [T, width]. */
static ts_status find_target(ts_tape *tape, const ts_dsa_op *o, const ts_dsa_lesson *lesson, ts_dsa_args *a,
                             double pairs, const ts_tensor *lse, ts_tensor **target)
{
    ts_tensor *own;
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, a->rows, a->width, target));
    if (!lse) {
        TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, a->rows, o->heads, &own));
        a->lse = ts_tensor_data(own);
        ts_launch_dsa_fwd(tape->dev, a, a->rows * o->heads, cost_of(o, a->dtype, pairs, head_values(o)));
    } else {
        a->lse = ts_tensor_data(lse);
    }
    a->target = ts_tensor_data(*target);
    ts_launch_dsa_target(tape->dev, a, a->rows, cost_of(o, a->dtype, pairs, head_values(o)));
    return ts_group_shares(lesson->group)
               ? ts_group_sum(tape, lesson->group, a->target, ts_tensor_count(*target), TS_DTYPE_F32)
               : TS_OK;
}

static ts_status learn(ts_tape *tape, const ts_dsa_op *o, const ts_dsa_lesson *lesson, const ts_tensor *rows,
                       ts_tensor *chosen, const ts_tensor *lse, const ts_dsa_index *x, ts_tensor *d[3])
{
    const double pairs = pairs_of(o, chosen);
    ts_tensor *target, *scores, *loss;
    ts_dsa_args a = fused_args(o, rows, chosen);
    a.width = chosen ? o->most : a.keys;
    a.weight = lesson->weight;
    put_index(&a, x);
    TS_TRY(find_target(tape, o, lesson, &a, pairs, lse, &target));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, a.rows, a.width, &scores));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, a.rows, 0, &loss));
    a.scores = ts_tensor_data(scores);
    a.loss = ts_tensor_data(loss);
    a.diq = ts_tensor_data(d[0]), a.dik = ts_tensor_data(d[1]), a.diw = ts_tensor_data(d[2]);
    ts_launch_dsa_loss(tape->dev, &a, a.rows, cost_of(o, a.dtype, pairs, 3 * index_values(o)));
    ts_launch_dsa_dik(tape->dev, &a, o->B * a.keys, cost_of(o, a.dtype, pairs, 2 * index_values(o)));
    const ts_col_sum_args sum = { .rows = a.rows, .cols = 1, .ld = 1, .dtype = TS_DTYPE_F32, .dy = a.loss, .db = lesson->loss };
    ts_launch_col_sum(tape->dev, &sum, 1, (ts_cost){ (double)a.rows, 4 * (double)a.rows, TS_DTYPE_F32 });
    return TS_OK;
}

ts_status ts_dsa_learn(ts_tape *tape, const ts_dsa_op *o, const ts_dsa_lesson *lesson, const ts_tensor *rows,
                       ts_tensor *chosen, const ts_tensor *lse, const ts_dsa_index *x)
{
    ts_tensor *const in[3] = { x->q, x->k, x->w };
    ts_tensor *d[3];
    for (int i = 0; i < 3; i++)
        TS_TRY(ts_tape_new(tape, in[i]->dtype, in[i]->dim[0], in[i]->dim[1], &d[i]));
    TS_TRY(ts_tape_push(tape));
    const ts_status st = learn(tape, o, lesson, rows, chosen, lse, x, d);
    ts_tape_pop(tape, NULL);
    TS_TRY(st);
    for (int i = 0; i < 3; i++) {
        TS_TRY(ts_tape_accumulate(tape, in[i], d[i]));
        ts_tape_drop(tape, d[i]);
    }
    return TS_OK;
}

/* ---- generation ---- */

/* New tokens' rows behind the old ones. */
static void append(ts_tape *tape, const ts_dsa_op *o, const ts_kv_cache *c, int64_t slot0, const int32_t *q_start,
                   const int32_t *q_len, const ts_tensor *kept)
{
    const size_t row = (size_t)kept->dim[1] * ts_dtype_size(kept->dtype);
    for (int64_t b = 0; b < o->B; b++)
        if (q_len[b] > 0)
            tape->dev->move(tape->dev, (char *)c->kv->data + (size_t)((slot0 + b) * c->capacity + q_start[b]) * row,
                            at(kept, b * o->S * kept->dim[1]), (size_t)q_len[b] * row);
}

static ts_status attend_to_kept(ts_tape *tape, const ts_dsa_op *o, const ts_kv_cache *c, int64_t slot0, const ts_tensor *starts,
                                double pairs, const ts_tensor *queries, const ts_dsa_index *x, ts_tensor **chosen,
                                ts_tensor *y)
{
    const int64_t row = o->width + (x ? o->index_dim : 0);
    ts_dsa_args a = args_of(o, queries->dtype, x ? NULL : *chosen);
    if (x)
        put_index(&a, x);
    a.keys = c->capacity;
    a.q_start = ts_tensor_data(starts), a.q_len = a.q_start + o->B;
    a.q_row = queries->dim[1], a.q_head = o->width;
    a.k_row = a.v_row = a.ik_row = row;
    a.q = ts_tensor_data(queries);
    a.k = a.v = (const char *)c->kv->data + (size_t)(slot0 * c->capacity * row) * ts_dtype_size(a.dtype);
    a.ik = (const char *)a.k + (size_t)o->width * ts_dtype_size(a.dtype);
    a.o = ts_tensor_data(y);
    if (x)
        TS_TRY(choose(tape, o, &a, pairs / (double)o->B, chosen));
    ts_launch_dsa_fwd(tape->dev, &a, a.rows * o->heads, cost_of(o, a.dtype, pairs / (double)o->B, 2 * head_values(o)));
    return TS_OK;
}

ts_status ts_dsa_cached(ts_tape *tape, const ts_dsa_op *o, const ts_kv_cache *cache, int64_t slot0, const int32_t *q_start,
                        const int32_t *q_len, const ts_tensor *queries, ts_tensor *keys, const ts_dsa_index *x,
                        ts_tensor **chosen, ts_tensor **y)
{
    ts_tensor *kept = keys, *starts; /* q_start, then q_len */
    double pairs = 0;
    if (x)
        TS_TRY(ts_op_join_cols(tape, keys, x->k, &kept));
    append(tape, o, cache, slot0, q_start, q_len, kept);
    TS_TRY(ts_tape_new(tape, TS_DTYPE_I32, 2 * o->B, 0, &starts));
    int32_t *dev = ts_tensor_data(starts);
    tape->dev->to_device(tape->dev, dev, q_start, (size_t)o->B * sizeof *q_start);
    tape->dev->to_device(tape->dev, dev + o->B, q_len, (size_t)o->B * sizeof *q_len);
    for (int64_t b = 0; b < o->B; b++)
        pairs += (double)q_len[b] * (double)(q_start[b] + q_len[b]);
    TS_TRY(ts_tape_new(tape, queries->dtype, queries->dim[0], queries->dim[1], y));
    return attend_to_kept(tape, o, cache, slot0, starts, pairs, queries, x, chosen, *y);
}
