#include "ops/ops.h"

typedef struct add_attr {
    float alpha, beta;
} add_attr;

static ts_cost cost_of(const ts_tensor *t, double passes)
{
    const double n = (double)ts_tensor_count(t);
    return (ts_cost){ 2 * n, passes * n * (double)ts_dtype_size(t->dtype), t->dtype };
}

static void launch_add(ts_tape *tape, const ts_tensor *a, float alpha, const ts_tensor *b,
                       float beta, const ts_tensor *y)
{
    /* Without b the sum is a with itself times nothing. */
    const ts_elementwise_args e = { .x_dtype = a->dtype, .z_dtype = (b ? b : a)->dtype,
                                    .y_dtype = y->dtype, .x = ts_tensor_data(a),
                                    .z = ts_tensor_data(b ? b : a), .y = ts_tensor_data(y),
                                    .alpha = alpha, .beta = b ? beta : 0 };
    ts_launch_add(tape->dev, &e, ts_tensor_count(y), cost_of(y, b ? 3 : 2));
}

static ts_status scaled_grad(ts_tape *tape, ts_tensor *x, ts_tensor *dy, float alpha)
{
    ts_tensor *dx = dy;
    if (!x || !x->wants_grad)
        return TS_OK;
    if (alpha != 1) {
        TS_TRY(ts_tape_new(tape, dy->dtype, dy->dim[0], dy->dim[1], &dx));
        launch_add(tape, dy, alpha, NULL, 0, dx);
    }
    return ts_tape_accumulate(tape, x, dx);
}

static ts_status add_backward(ts_tape *tape, ts_record *r)
{
    const add_attr *n = r->attr;
    TS_TRY(scaled_grad(tape, r->in[0], r->out[0]->grad, n->alpha));
    return scaled_grad(tape, r->in[1], r->out[0]->grad, n->beta);
}

static const ts_op add_op = { .name = "add", .backward = add_backward };

ts_status ts_op_add(ts_tape *tape, ts_tensor *a, float alpha, ts_tensor *b, float beta,
                    ts_tensor **y)
{
    TS_ASSERT(!b || (a->dim[0] == b->dim[0] && a->dim[1] == b->dim[1]), "add: shapes differ");
    TS_TRY(ts_tape_new(tape, a->dtype, a->dim[0], a->dim[1], y));
    launch_add(tape, a, alpha, b, beta, *y);
    if (tape->recording && (a->wants_grad || (b && b->wants_grad))) {
        ts_record *r;
        TS_TRY(ts_tape_record(tape, &add_op, sizeof(add_attr), &r));
        *(add_attr *)r->attr = (add_attr){ alpha, beta };
        r->in[0] = a;
        r->in[1] = b;
        r->out[0] = *y;
        (*y)->wants_grad = true;
    }
    return TS_OK;
}

typedef struct dropout_attr {
    float p;
    ts_rng rng;
    ts_row_places rows;
} dropout_attr;

/* Row number `row` of the whole, and how many follow it there and in the tensor alike. */
static int64_t stretch_from(const ts_row_places *p, int64_t row, int64_t *whole)
{
    const int64_t here = ts_stretches_count(&p->at), number = p->row0 + row, i = number % here;
    int64_t end = 0;
    for (int k = 0; k < p->at.n && end <= i; k++)
        end += p->at.piece[k].n;
    *whole = (p->sample0 + number / here) * p->length + ts_stretches_at(&p->at, i);
    return here == p->length ? INT64_MAX : end - i;
}

/* What is x, or what noise is added to. */
static void launch_dropout(ts_tape *tape, const dropout_attr *n, bool noise, const ts_tensor *x, const ts_tensor *y)
{
    const size_t row = (size_t)x->dim[1] * ts_dtype_size(x->dtype);
    for (int64_t at = 0, rows, whole; at < x->dim[0]; at += rows) {
        rows = stretch_from(&n->rows, at, &whole);
        rows = rows < x->dim[0] - at ? rows : x->dim[0] - at;
        const void *from = (const char *)ts_tensor_data(x) + (size_t)at * row;
        const ts_dropout_args a = { .dtype = x->dtype,
                                    .x = noise ? NULL : from, .res = noise ? from : NULL,
                                    .y = (char *)ts_tensor_data(y) + (size_t)at * row,
                                    .p = n->p,
                                    .rng = n->rng,
                                    .first = whole * x->dim[1] };
        const double count = (double)(rows * x->dim[1]);
        ts_launch_dropout(tape->dev, &a, rows * x->dim[1],
                          (ts_cost){ 2 * count, 2 * (double)rows * (double)row, x->dtype });
    }
}

static ts_status dropout_backward(ts_tape *tape, ts_record *r)
{
    ts_tensor *dy = r->out[0]->grad, *dx;
    TS_TRY(ts_tape_new(tape, dy->dtype, dy->dim[0], dy->dim[1], &dx));
    launch_dropout(tape, r->attr, false, dy, dx);
    return ts_tape_accumulate(tape, r->in[0], dx);
}

static const ts_op dropout_op = { .name = "dropout", .backward = dropout_backward };

/* The same stretches, fp32. x NULL: numbers around 1. */
static void launch_jitter(ts_tape *tape, const dropout_attr *n, bool gumbel, const ts_tensor *x, const ts_tensor *y)
{
    const int64_t cols = y->dim[1];
    for (int64_t at = 0, rows, whole; at < y->dim[0]; at += rows) {
        rows = stretch_from(&n->rows, at, &whole);
        rows = rows < y->dim[0] - at ? rows : y->dim[0] - at;
        const ts_jitter_args a = { .x = x ? (const float *)ts_tensor_data(x) + at * cols : NULL,
                                   .y = (float *)ts_tensor_data(y) + at * cols,
                                   .eps = n->p, .gumbel = gumbel, .rng = n->rng, .first = whole * cols };
        const double count = (double)(rows * cols);
        ts_launch_jitter(tape->dev, &a, rows * cols, (ts_cost){ 4 * count, 8 * count, TS_DTYPE_F32 });
    }
}

static ts_status jitter_backward(ts_tape *tape, ts_record *r)
{
    ts_tensor *dy = r->out[0]->grad, *dx;
    TS_TRY(ts_tape_new(tape, dy->dtype, dy->dim[0], dy->dim[1], &dx));
    launch_jitter(tape, r->attr, false, dy, dx);
    return ts_tape_accumulate(tape, r->in[0], dx);
}

static const ts_op jitter_op = { .name = "jitter", .backward = jitter_backward };

ts_status ts_op_jitter(ts_tape *tape, ts_tensor *x, float eps, const ts_rng *rng, const ts_row_places *rows,
                       ts_tensor **y)
{
    const dropout_attr n = { eps, *rng, *rows };
    TS_ASSERT(x->dtype == TS_DTYPE_F32, "jitter: values of another type than fp32");
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], y));
    launch_jitter(tape, &n, false, x, *y);
    if (tape->recording && x->wants_grad) {
        ts_record *r;
        TS_TRY(ts_tape_record(tape, &jitter_op, sizeof n, &r));
        *(dropout_attr *)r->attr = n;
        r->in[0] = x;
        r->out[0] = *y;
        (*y)->wants_grad = true;
    }
    return TS_OK;
}

ts_status ts_op_draw(ts_tape *tape, int64_t n, const ts_rng *rng, const ts_row_places *rows, ts_tensor **y)
{
    const dropout_attr whole = { 1, *rng, *rows };
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, n, 1, y));
    launch_jitter(tape, &whole, false, NULL, *y);
    return TS_OK;
}

ts_status ts_op_ones(ts_tape *tape, int64_t n, ts_tensor **y)
{
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, n, 1, y));
    const ts_jitter_args a = { .y = ts_tensor_data(*y) };
    ts_launch_jitter(tape->dev, &a, n, (ts_cost){ 0, 4 * (double)n, TS_DTYPE_F32 });
    return TS_OK;
}

ts_status ts_op_gumbel(ts_tape *tape, const ts_tensor *x, const ts_rng *rng, const ts_row_places *rows, ts_tensor **y)
{
    const dropout_attr n = { 0, *rng, *rows };
    TS_ASSERT(x->dtype == TS_DTYPE_F32, "Gumbel's noise: values of another type than fp32");
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], y));
    launch_jitter(tape, &n, true, x, *y);
    return TS_OK;
}

/* ---- another type ---- */

static ts_status cast_to(ts_tape *tape, const ts_tensor *x, ts_dtype dtype, ts_tensor **y)
{
    TS_TRY(ts_tape_new(tape, dtype, x->dim[0], x->rank > 1 ? x->dim[1] : 0, y));
    const ts_elementwise_args a = { .x_dtype = x->dtype, .y_dtype = dtype, .x = ts_tensor_data(x),
                                    .y = ts_tensor_data(*y) };
    const double n = (double)ts_tensor_count(x);
    ts_launch_copy(tape->dev, &a, ts_tensor_count(x),
                   (ts_cost){ 0, n * (double)(ts_dtype_size(x->dtype) + ts_dtype_size(dtype)), dtype });
    return TS_OK;
}

static ts_status cast_backward(ts_tape *tape, ts_record *r)
{
    ts_tensor *dx;
    TS_TRY(cast_to(tape, r->out[0]->grad, r->in[0]->dtype, &dx));
    return ts_tape_accumulate(tape, r->in[0], dx);
}

static const ts_op cast_op = { .name = "cast", .backward = cast_backward };

ts_status ts_op_cast(ts_tape *tape, ts_tensor *x, ts_dtype dtype, ts_tensor **y)
{
    void *data;
    *y = x;
    if (x->dtype == dtype)
        return TS_OK;
    TS_TRY(ts_tape_need(tape, x, &data));
    TS_TRY(cast_to(tape, x, dtype, y));
    if (tape->recording && x->wants_grad) {
        ts_record *r;
        TS_TRY(ts_tape_record(tape, &cast_op, 1, &r));
        r->in[0] = x;
        r->out[0] = *y;
        (*y)->wants_grad = true;
    }
    return TS_OK;
}

ts_status ts_op_dropout(ts_tape *tape, ts_tensor *x, float p, const ts_rng *rng,
                        const ts_row_places *rows, ts_tensor **y)
{
    const dropout_attr n = { p, *rng, *rows };
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], y));
    launch_dropout(tape, &n, false, x, *y);
    if (tape->recording && x->wants_grad) {
        ts_record *r;
        TS_TRY(ts_tape_record(tape, &dropout_op, sizeof n, &r));
        *(dropout_attr *)r->attr = n;
        r->in[0] = x;
        r->out[0] = *y;
        (*y)->wants_grad = true;
    }
    return TS_OK;
}

typedef struct cols_attr {
    dropout_attr of;
    int64_t whole;
    ts_place_span span[TS_PLACE_SPANS];
    int n_spans;
} cols_attr;

/* Columns between rows as x has them and whole ones. */
static void move_cols(ts_tape *tape, const cols_attr *n, int64_t rows, int64_t cols, char *few, char *all, ts_dtype t, bool back)
{
    int64_t at = 0;
    for (int i = 0; i < n->n_spans; at += n->span[i++].n) {
        char *here = few + (size_t)at * ts_dtype_size(t), *there = all + (size_t)n->span[i].begin * ts_dtype_size(t);
        const double count = (double)(rows * n->span[i].n);
        const ts_copy_cols_args a = { .cols = n->span[i].n, .x_row = back ? n->whole : cols, .y_row = back ? cols : n->whole,
                                      .dtype = t, .x = back ? there : here, .y = back ? here : there };
        ts_launch_copy_cols(tape->dev, &a, rows, (ts_cost){ 0, 2 * count * (double)ts_dtype_size(t), t });
    }
}

/* Rows become whole ones for a while, some at a time: their other columns are not read. */
static ts_status drop_cols(ts_tape *tape, const cols_attr *n, const ts_tensor *x, const ts_tensor *y)
{
    enum { AT_ONCE = 1 << 18 };
    const int64_t T = x->dim[0], cols = x->dim[1], most = AT_ONCE / n->whole > 0 ? AT_ONCE / n->whole : 1, step = most < T ? most : T;
    dropout_attr some = n->of;
    ts_tensor *all;
    TS_TRY(ts_tape_new(tape, x->dtype, step, n->whole, &all));
    for (int64_t at = 0; at < T; at += step) {
        const int64_t rows = step < T - at ? step : T - at;
        const size_t before = (size_t)(at * cols) * ts_dtype_size(x->dtype);
        const ts_tensor part = { .dtype = all->dtype, .rank = 2, .dim = { rows, n->whole }, .storage = all->storage, .offset = all->offset };
        move_cols(tape, n, rows, cols, (char *)ts_tensor_data(x) + before, ts_tensor_data(all), x->dtype, false);
        some.rows.row0 = n->of.rows.row0 + at;
        launch_dropout(tape, &some, false, &part, &part);
        move_cols(tape, n, rows, cols, (char *)ts_tensor_data(y) + before, ts_tensor_data(all), x->dtype, true);
    }
    ts_tape_drop(tape, all);
    return TS_OK;
}

static ts_status cols_backward(ts_tape *tape, ts_record *r)
{
    ts_tensor *dy = r->out[0]->grad, *dx;
    TS_TRY(ts_tape_new(tape, dy->dtype, dy->dim[0], dy->dim[1], &dx));
    TS_TRY(drop_cols(tape, r->attr, dy, dx));
    return ts_tape_accumulate(tape, r->in[0], dx);
}

static const ts_op cols_op = { .name = "dropout_cols", .backward = cols_backward };

ts_status ts_op_dropout_cols(ts_tape *tape, ts_tensor *x, float p, const ts_rng *rng, const ts_row_places *rows, int64_t whole,
                             const ts_place_span *span, int n_spans, ts_tensor **y)
{
    cols_attr n = { .of = { p, *rng, *rows }, .whole = whole, .n_spans = n_spans };
    ts_record *r;
    for (int i = 0; i < n_spans; i++)
        n.span[i] = span[i];
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], y));
    TS_TRY(drop_cols(tape, &n, x, *y));
    if (!tape->recording || !x->wants_grad)
        return TS_OK;
    TS_TRY(ts_tape_record(tape, &cols_op, sizeof n, &r));
    *(cols_attr *)r->attr = n;
    r->in[0] = x;
    r->out[0] = *y;
    (*y)->wants_grad = true;
    return TS_OK;
}

static ts_status noise_backward(ts_tape *tape, ts_record *r)
{
    return ts_tape_accumulate(tape, r->in[0], r->out[0]->grad);
}

static const ts_op noise_op = { .name = "noise", .backward = noise_backward };

ts_status ts_op_noise(ts_tape *tape, ts_tensor *x, float amount, const ts_rng *rng, const ts_row_places *rows, ts_tensor **y)
{
    const dropout_attr n = { amount, *rng, *rows };
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], y));
    launch_dropout(tape, &n, true, x, *y);
    if (tape->recording && x->wants_grad) {
        ts_record *r;
        TS_TRY(ts_tape_record(tape, &noise_op, 1, &r));
        r->in[0] = x;
        r->out[0] = *y;
        (*y)->wants_grad = true;
    }
    return TS_OK;
}
