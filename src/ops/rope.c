#include "ops/group.h"
#include "ops/ops.h"

typedef struct rope_attr {
    ts_rope_op o;
    ts_tensor *rstd, *v_rstd; /* with a norm; of values */
} rope_attr;

static ts_rope_args args_of(const ts_rope_op *o, const ts_tensor *t)
{
    return (ts_rope_args){ .n_q = o->n_q, .n_kv = o->n_kv, .head_dim = o->head_dim,
                           .rot_dim = o->rot_dim, .interleaved = o->interleaved,
                           .full_norm = o->full_norm, .unit_norm = o->unit_norm, .norm_values = o->norm_values, .own_weights = o->own_weights, .dtype = t->dtype,
                           .cos = o->cos ? o->cos->data : NULL, .sin = o->sin ? o->sin->data : NULL,
                           .q_cos = o->q_cos ? o->q_cos->data : NULL, .q_sin = o->q_sin ? o->q_sin->data : NULL,
                           .pos = o->pos ? ts_tensor_data(o->pos) : NULL,
                           .wq = ts_param_vector(o->wq), .wk = ts_param_vector(o->wk),
                           .eps = o->eps, .offset = o->offset, .rows = t->dim[0],
                           .all_q = o->all_q, .all_kv = o->all_kv };
}

static ts_cost cost_of(const ts_tensor *t)
{
    const double n = (double)ts_tensor_count(t);
    return (ts_cost){ 6 * n, 2 * n * (double)ts_dtype_size(t->dtype), t->dtype };
}

static ts_cost sums_cost(const ts_rope_args *a, const ts_tensor *x)
{
    const double n = (double)ts_tensor_count(x), read = a->dy ? 2 : 1;
    return (ts_cost){ (a->dy ? 6 : 2) * n, read * n * (double)ts_dtype_size(x->dtype), x->dtype };
}

static bool has_norm(const ts_rope_op *o) { return o->wq || o->wk || o->unit_norm; }

static float *grad_of(const ts_param *w) { return w ? w->grad : NULL; }

static bool trains(const ts_rope_op *o) { return ts_param_has_grad(o->wq) || ts_param_has_grad(o->wk); }

/* A gradient that may be overwritten: nobody else holds it. */
static bool is_ours(const ts_tensor *dy) { return dy->pins <= 1 && dy->storage->refs <= 1; }

/* Where several processes have the heads of a norm: the sums of `a`, with dy or without, over these. */
static ts_status add_up(ts_tape *tape, const ts_rope_op *o, const ts_tensor *x, ts_rope_args *a)
{
    ts_tensor *sums;
    if (!o->full_norm || !has_norm(o) || !ts_group_shares(o->group))
        return TS_OK;
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, a->rows, 2, &sums));
    a->sums = ts_tensor_data(sums);
    ts_launch_rope_sums(tape->dev, a, a->rows, sums_cost(a, x));
    a->added = a->sums;
    return ts_group_sum(tape, o->group, a->sums, ts_tensor_count(sums), TS_DTYPE_F32);
}

static ts_status rope_backward(ts_tape *tape, ts_record *r)
{
    const rope_attr *n = r->attr;
    ts_tensor *dy = r->out[0]->grad, *dx = dy;
    if (!r->in[0]->wants_grad)
        return TS_OK;
    if (has_norm(&n->o) || !is_ours(dy))
        TS_TRY(ts_tape_new(tape, dy->dtype, dy->dim[0], dy->dim[1], &dx));
    ts_rope_args a = args_of(&n->o, dy);
    a.dy = ts_tensor_data(dy);
    a.dx = ts_tensor_data(dx);
    if (has_norm(&n->o)) {
        a.x = ts_tensor_data(r->in[0]);
        a.rstd = ts_tensor_data(n->rstd);
        a.v_rstd = n->v_rstd ? ts_tensor_data(n->v_rstd) : NULL;
    }
    TS_TRY(add_up(tape, &n->o, r->in[0], &a));
    ts_launch_rope_bwd(tape->dev, &a, a.rows, cost_of(dy));
    return ts_tape_accumulate(tape, r->in[0], dx);
}

static ts_status rope_weight(ts_tape *tape, ts_record *r)
{
    const rope_attr *n = r->attr;
    if (!trains(&n->o))
        return TS_OK;
    ts_rope_args a = args_of(&n->o, r->in[0]);
    a.x = ts_tensor_data(r->in[0]);
    a.rstd = ts_tensor_data(n->rstd);
    a.dy = ts_tensor_data(r->out[0]->grad);
    a.dwq = grad_of(n->o.wq);
    a.dwk = grad_of(n->o.wk);
    const int64_t columns =
        n->o.full_norm || n->o.own_weights ? (n->o.n_q + n->o.n_kv) * n->o.head_dim : 2 * n->o.head_dim;
    ts_launch_rope_dw(tape->dev, &a, columns, cost_of(r->in[0]));
    return TS_OK;
}

static const ts_op rope_op = { .name = "rope", .backward = rope_backward, .weight = rope_weight };

ts_status ts_op_rope(ts_tape *tape, const ts_rope_op *o, ts_tensor *x, ts_tensor **y)
{
    rope_attr n = { .o = *o };
    TS_ASSERT(x->dim[1] == (o->n_q + 2 * o->n_kv) * o->head_dim,
              "rope: rows of %lld for %lld + 2 x %lld heads", (long long)x->dim[1],
              (long long)o->n_q, (long long)o->n_kv);
    TS_ASSERT(!has_norm(o) || o->unit_norm || (!o->wq == !o->n_q && !o->wk == !o->n_kv),
              "rope: a norm for one of queries and keys");
    TS_ASSERT(!o->norm_values || (o->wk && !o->full_norm), "rope: a norm of values beside none of keys");
    if (has_norm(o)) {
        TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], y));
        TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, x->dim[0], o->full_norm ? 2 : o->n_q + o->n_kv,
                           &n.rstd));
        if (o->norm_values)
            TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, x->dim[0], o->n_kv, &n.v_rstd));
    } else {
        TS_TRY(ts_tape_alias(tape, x, y));
        (*y)->wants_grad = false;
    }
    TS_TRY(ts_param_need(o->wq));
    TS_TRY(ts_param_need(o->wk));
    ts_rope_args a = args_of(o, x);
    a.x = ts_tensor_data(x);
    a.y = ts_tensor_data(*y);
    a.rstd = n.rstd ? ts_tensor_data(n.rstd) : NULL;
    a.v_rstd = n.v_rstd ? ts_tensor_data(n.v_rstd) : NULL;
    TS_TRY(add_up(tape, o, x, &a));
    ts_launch_rope_fwd(tape->dev, &a, a.rows, cost_of(x));
    if (tape->recording && (x->wants_grad || trains(o))) {
        ts_record *r;
        TS_TRY(ts_tape_record(tape, &rope_op, sizeof n, &r));
        *(rope_attr *)r->attr = n;
        r->in[0] = x;
        r->out[0] = *y;
        (*y)->wants_grad = true;
        if (has_norm(o)) {
            ts_record_save(tape, r, x);
            ts_record_save(tape, r, n.rstd);
            if (n.v_rstd)
                ts_record_save(tape, r, n.v_rstd);
        }
        TS_TRY(ts_record_param(tape, r, 0, o->wq));
        TS_TRY(ts_record_param(tape, r, 1, o->wk));
    }
    return TS_OK;
}

/* ---- queries by their positions ---- */

static void temper(ts_tape *tape, const ts_temper_op *o, const ts_tensor *x, const ts_tensor *y)
{
    const ts_temper_args a = { .n_q = o->n_q, .n_kv = o->n_kv, .head_dim = o->head_dim, .by = o->by, .every = o->every,
                               .dtype = x->dtype, .pos = ts_tensor_data(o->pos), .x = ts_tensor_data(x),
                               .y = ts_tensor_data(y) };
    ts_launch_temper(tape->dev, &a, x->dim[0], cost_of(x));
}

static ts_status temper_backward(ts_tape *tape, ts_record *r)
{
    const ts_temper_op *o = r->attr;
    ts_tensor *dy = r->out[0]->grad, *dx = dy;
    if (!is_ours(dy))
        TS_TRY(ts_tape_new(tape, dy->dtype, dy->dim[0], dy->dim[1], &dx));
    temper(tape, o, dy, dx);
    return ts_tape_accumulate(tape, r->in[0], dx);
}

static const ts_op temper_op = { .name = "temper", .backward = temper_backward };

ts_status ts_op_temper(ts_tape *tape, const ts_temper_op *o, ts_tensor *x, ts_tensor **y)
{
    TS_ASSERT(x->dim[1] == (o->n_q + 2 * o->n_kv) * o->head_dim, "temper: rows of %lld for %lld + 2 x %lld heads",
              (long long)x->dim[1], (long long)o->n_q, (long long)o->n_kv);
    TS_TRY(ts_tape_alias(tape, x, y));
    (*y)->wants_grad = false;
    temper(tape, o, x, *y);
    if (tape->recording && x->wants_grad) {
        ts_record *r;
        TS_TRY(ts_tape_record(tape, &temper_op, sizeof *o, &r));
        *(ts_temper_op *)r->attr = *o;
        r->in[0] = x;
        r->out[0] = *y;
        (*y)->wants_grad = true;
    }
    return TS_OK;
}

/* ---- the ends of heads ---- */

/* In place where x is y. */
static void turn_tails(ts_tape *tape, const ts_rope_tail_op *o, const ts_tensor *x, const ts_tensor *y, bool back)
{
    const size_t skip = (size_t)(o->dim - o->rope) * ts_dtype_size(x->dtype);
    const ts_rope_heads_args a = { .heads = o->heads, .dim = o->rope, .x_row = x->dim[1], .x_head = o->dim,
                                   .y_row = y->dim[1], .y_head = o->dim, .interleaved = o->interleaved, .back = back,
                                   .dtype = x->dtype, .cos = o->cos->data, .sin = o->sin->data,
                                   .pos = ts_tensor_data(o->pos), .x = (const char *)ts_tensor_data(x) + skip,
                                   .y = (char *)ts_tensor_data(y) + skip };
    const double n = (double)(x->dim[0] * o->heads * o->rope);
    ts_launch_rope_heads(tape->dev, &a, x->dim[0], (ts_cost){ 6 * n, 2 * n * (double)ts_dtype_size(a.dtype), a.dtype });
}

static ts_status copy_of(ts_tape *tape, const ts_tensor *x, ts_tensor **y)
{
    ts_elementwise_args a = { .x_dtype = x->dtype, .y_dtype = x->dtype, .x = ts_tensor_data(x) };
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], y));
    a.y = ts_tensor_data(*y);
    ts_launch_copy(tape->dev, &a, ts_tensor_count(x), (ts_cost){ 0, 2 * (double)ts_tensor_bytes(x), x->dtype });
    return TS_OK;
}

static ts_status tail_backward(ts_tape *tape, ts_record *r)
{
    const ts_rope_tail_op *o = r->attr;
    ts_tensor *dx = r->out[0]->grad;
    if (!is_ours(dx))
        TS_TRY(copy_of(tape, dx, &dx));
    turn_tails(tape, o, dx, dx, !o->back);
    return ts_tape_accumulate(tape, r->in[0], dx);
}

static const ts_op tail_op = { .name = "rope_tail", .backward = tail_backward };

ts_status ts_op_rope_tail(ts_tape *tape, const ts_rope_tail_op *o, ts_tensor *x, ts_tensor **y)
{
    ts_record *r;
    TS_ASSERT(x->dim[1] == o->heads * o->dim && o->rope <= o->dim, "rope tail: rows of %lld for %lld heads of %lld",
              (long long)x->dim[1], (long long)o->heads, (long long)o->dim);
    if (!o->cos) {
        *y = x;
        return TS_OK;
    }
    if (o->copies)
        TS_TRY(copy_of(tape, x, y));
    else
        TS_TRY(ts_tape_alias(tape, x, y));
    (*y)->wants_grad = false;
    turn_tails(tape, o, *y, *y, o->back);
    if (!tape->recording || !x->wants_grad)
        return TS_OK;
    TS_TRY(ts_tape_record(tape, &tail_op, sizeof *o, &r));
    *(ts_rope_tail_op *)r->attr = *o;
    r->in[0] = x, r->out[0] = *y;
    (*y)->wants_grad = true;
    return TS_OK;
}
