#include "ops/latent.h"

#include "ops/columns.h"
#include "ops/gemm.h"

static char *at(const ts_tensor *t, int64_t element)
{
    return (char *)ts_tensor_data(t) + (size_t)element * ts_dtype_size(t->dtype);
}

/* From heads of x (head 0: one for all) to heads of y, or to one that is their sum. */
static void rotate(ts_tape *tape, const ts_latent_op *o, ts_band x, ts_band y, bool back, bool sums)
{
    const int64_t rows = x.t->dim[0];
    const ts_rope_heads_args a = { .heads = o->heads, .dim = o->rope, .x_row = x.t->dim[1],
                                   .x_head = x.row, .y_row = y.t->dim[1], .y_head = y.row,
                                   .interleaved = o->interleaved, .back = back, .sums = sums,
                                   .dtype = x.t->dtype, .cos = o->cos ? o->cos->data : NULL,
                                   .sin = o->sin ? o->sin->data : NULL,
                                   .pos = o->cos ? ts_tensor_data(o->pos) : NULL,
                                   .x = at(x.t, x.at), .y = at(y.t, y.at) };
    const double n = (double)(rows * o->heads * o->rope);
    ts_launch_rope_heads(tape->dev, &a, rows,
                         (ts_cost){ 6 * n, 2 * n * (double)ts_dtype_size(a.dtype), a.dtype });
}

/* ---- fused rows ---- */

/* Where a head's query, key and value begin in fused rows, and how far the next head is. */
typedef struct fused {
    ts_band q, k, v;
} fused;

static fused fused_of(const ts_latent_op *o, const ts_tensor *y, int64_t column)
{
    const int64_t w = ts_latent_width(o);
    return (fused){ { y, column, 3 * w }, { y, w + column, 3 * w }, { y, 2 * w + column, 3 * w } };
}

static ts_status rows_backward(ts_tape *tape, ts_record *r)
{
    const ts_latent_op *o = r->attr;
    const int64_t n = r->in[0]->dim[0] * o->heads, key = o->nope + o->rope, pair = o->nope + o->value;
    const fused dy = fused_of(o, r->out[0]->grad, 0), turned = fused_of(o, r->out[0]->grad, o->nope);
    ts_tensor *d[3];
    for (int i = 0; i < 3; i++)
        TS_TRY(ts_tape_new(tape, r->in[i]->dtype, r->in[i]->dim[0], r->in[i]->dim[1], &d[i]));
    ts_copy_band(tape, dy.q, (ts_band){ d[0], 0, key }, n, o->nope);
    rotate(tape, o, turned.q, (ts_band){ d[0], o->nope, key }, true, false);
    ts_copy_band(tape, dy.k, (ts_band){ d[1], 0, pair }, n, o->nope);
    ts_copy_band(tape, dy.v, (ts_band){ d[1], o->nope, pair }, n, o->value);
    rotate(tape, o, turned.k, (ts_band){ d[2], 0, 0 }, true, true);
    for (int i = 0; i < 3; i++)
        TS_TRY(ts_tape_accumulate(tape, r->in[i], d[i]));
    return TS_OK;
}

static const ts_op rows_op = { .name = "latent_rows", .backward = rows_backward };

static void check(const ts_latent_op *o, const ts_tensor *q, const ts_tensor *kv, const ts_tensor *k_rope)
{
    TS_ASSERT(q->dim[1] == o->heads * (o->nope + o->rope) && k_rope->dim[1] == o->rope &&
                  kv->dim[1] == o->heads * (o->nope + o->value) && kv->dim[0] == q->dim[0] &&
                  k_rope->dim[0] == q->dim[0],
              "latent rows: q [%lld, %lld], kv [%lld, %lld], rotated keys [%lld, %lld] of %lld heads",
              (long long)q->dim[0], (long long)q->dim[1], (long long)kv->dim[0], (long long)kv->dim[1],
              (long long)k_rope->dim[0], (long long)k_rope->dim[1], (long long)o->heads);
}

ts_status ts_op_latent_rows(ts_tape *tape, const ts_latent_op *o, ts_tensor *q, ts_tensor *kv,
                            ts_tensor *k_rope, ts_tensor **y)
{
    const int64_t n = q->dim[0] * o->heads, key = o->nope + o->rope, pair = o->nope + o->value;
    ts_tensor *const in[3] = { q, kv, k_rope };
    ts_record *r;
    check(o, q, kv, k_rope);
    TS_TRY(ts_tape_new(tape, q->dtype, q->dim[0], 3 * o->heads * ts_latent_width(o), y));
    if (o->value != key)
        tape->dev->zero(tape->dev, ts_tensor_data(*y), ts_tensor_bytes(*y));
    const fused to = fused_of(o, *y, 0), turned = fused_of(o, *y, o->nope);
    ts_copy_band(tape, (ts_band){ q, 0, key }, to.q, n, o->nope);
    rotate(tape, o, (ts_band){ q, o->nope, key }, turned.q, false, false);
    ts_copy_band(tape, (ts_band){ kv, 0, pair }, to.k, n, o->nope);
    rotate(tape, o, (ts_band){ k_rope, 0, 0 }, turned.k, false, false);
    ts_copy_band(tape, (ts_band){ kv, o->nope, pair }, to.v, n, o->value);
    if (!tape->recording || !(q->wants_grad || kv->wants_grad || k_rope->wants_grad))
        return TS_OK;
    TS_TRY(ts_tape_record(tape, &rows_op, sizeof *o, &r));
    *(ts_latent_op *)r->attr = *o;
    for (int i = 0; i < 3; i++)
        r->in[i] = in[i];
    r->out[0] = *y;
    (*y)->wants_grad = true;
    return TS_OK;
}

/* ---- one wide head of keys ---- */

/* A product of each head's columns of a with a matrix of its own of b, all heads in one launch. */
static void multiply(ts_tape *tape, const ts_latent_op *o, const ts_tensor *a, int64_t a_head, const void *b,
                     const ts_tensor *c, int64_t c_head, int64_t n, int64_t k)
{
    const size_t size = ts_dtype_size(a->dtype);
    const ts_gemm_groups_args g = {
        .one = { .form = TS_GEMM_NT, .n = n, .k = k, .dtype = a->dtype, .a = at(a, 0), .b = b, .lda = a->dim[1],
                 .ldb = k, .ldc = c->dim[1], .c_dtype = c->dtype, .c = at(c, 0) },
        .groups = o->heads, .rows = a->dim[0], .a_stride = (size_t)a_head * size,
        .b_stride = (size_t)(n * k) * size, .c_stride = (size_t)c_head * size
    };
    ts_cost cost = ts_gemm_cost(g.rows, n, k, a->dtype, c->dtype);
    cost.flops *= (double)o->heads, cost.bytes *= (double)o->heads;
    ts_launch_gemm_groups(tape->dev, &g, 0, cost);
}

/* Where in `up` the matrices for values begin, behind those for keys. */
static int64_t up_values(const ts_latent_op *o, int64_t rank) { return o->heads * o->nope * rank; }

ts_status ts_latent_queries(ts_tape *tape, const ts_latent_op *o, const ts_tensor *up, const ts_tensor *q,
                            const ts_tensor *c, const ts_tensor *k_rope, ts_tensor **queries,
                            ts_tensor **keys)
{
    const int64_t rows = q->dim[0], key = o->nope + o->rope, rank = up->dim[0], wide = rank + o->rope;
    const ts_latent_op one = { .heads = 1, .rope = o->rope, .interleaved = o->interleaved, .cos = o->cos,
                               .sin = o->sin, .pos = o->pos };
    TS_TRY(ts_tape_new(tape, q->dtype, rows, o->heads * wide, queries));
    TS_TRY(ts_tape_new(tape, q->dtype, rows, wide, keys));
    multiply(tape, o, q, key, at(up, 0), *queries, wide, rank, o->nope);
    rotate(tape, o, (ts_band){ q, o->nope, key }, (ts_band){ *queries, rank, wide }, false, false);
    ts_copy_band(tape, (ts_band){ c, 0, rank }, (ts_band){ *keys, 0, wide }, rows, rank);
    rotate(tape, &one, (ts_band){ k_rope, 0, 0 }, (ts_band){ *keys, rank, 0 }, false, false);
    return TS_OK;
}

ts_status ts_latent_values(ts_tape *tape, const ts_latent_op *o, const ts_tensor *up, const ts_tensor *y,
                           ts_tensor **values)
{
    const int64_t rank = up->dim[0];
    TS_TRY(ts_tape_new(tape, y->dtype, y->dim[0], o->heads * o->value, values));
    multiply(tape, o, y, y->dim[1] / o->heads, at(up, up_values(o, rank)), *values, o->value, o->value, rank);
    return TS_OK;
}

/* The weight, transposed [rank, heads (nope + value)], in x: the product with the unit matrix, exact, whatever
 * form it is held in. */
static ts_status transposed(ts_tape *tape, ts_param *w, int64_t rank, ts_dtype type, ts_tensor **x)
{
    const ts_elementwise_args a = { .y_dtype = type, .alpha = 1 };
    ts_tensor *unit;
    TS_TRY(ts_tape_new(tape, type, rank, w->dim[0], x));
    TS_TRY(ts_tape_new(tape, type, rank, rank, &unit));
    tape->dev->zero(tape->dev, ts_tensor_data(unit), ts_tensor_bytes(unit));
    for (int64_t i = 0; i < rank; i++) {
        ts_elementwise_args one = a;
        one.y = at(unit, i * rank + i);
        ts_launch_fill(tape->dev, &one, 1, (ts_cost){ 0, 0, type });
    }
    TS_TRY(ts_gemm_forward(tape, w, NULL, type, ts_tensor_data(unit), rank, type, ts_tensor_data(*x), w->dim[0]));
    ts_tape_drop(tape, unit);
    return TS_OK;
}

ts_status ts_latent_up(ts_tape *tape, const ts_latent_op *o, ts_param *w, const ts_tensor *up)
{
    const int64_t rank = up->dim[0], all = w->dim[0], pair = o->nope + o->value;
    ts_tensor *x;
    TS_TRY(transposed(tape, w, rank, up->dtype, &x));
    for (int64_t h = 0; h < o->heads; h++) {
        const int64_t values = up_values(o, rank) + h * o->value * rank;
        ts_copy_band(tape, (ts_band){ x, h * pair, all }, (ts_band){ up, h * o->nope * rank, o->nope }, rank, o->nope);
        for (int64_t v = 0; v < o->value; v++)
            ts_copy_band(tape, (ts_band){ x, h * pair + o->nope + v, all }, (ts_band){ up, values + v * rank, 1 }, rank, 1);
    }
    ts_tape_drop(tape, x);
    return TS_OK;
}
