#include "ops/columns.h"

static char *at(const ts_band *x) { return (char *)ts_tensor_data(x->t) + (size_t)x->at * ts_dtype_size(x->t->dtype); }

static void copy_or_add(ts_tape *tape, ts_band x, ts_band y, int64_t rows, int64_t cols, bool adds)
{
    const ts_copy_cols_args a = { .cols = cols, .x_row = x.row, .y_row = y.row, .dtype = x.t->dtype, .adds = adds,
                                  .x = at(&x), .y = at(&y) };
    const double bytes = (double)(rows * cols) * (double)ts_dtype_size(a.dtype);
    if (cols)
        ts_launch_copy_cols(tape->dev, &a, rows, (ts_cost){ 0, (adds ? 3 : 2) * bytes, a.dtype });
}

void ts_copy_band(ts_tape *tape, ts_band x, ts_band y, int64_t rows, int64_t cols)
{
    copy_or_add(tape, x, y, rows, cols, false);
}

void ts_add_band(ts_tape *tape, ts_band x, ts_band y, int64_t rows, int64_t cols)
{
    copy_or_add(tape, x, y, rows, cols, true);
}

/* ---- columns of heads ---- */

typedef struct take_attr {
    int64_t heads, begin, cols;
} take_attr;

static ts_status take_backward(ts_tape *tape, ts_record *r)
{
    const take_attr *n = r->attr;
    const ts_tensor *x = r->in[0];
    const int64_t head = x->dim[1] / n->heads;
    const ts_band dy = { r->out[0]->grad, 0, n->cols };
    ts_tensor *dx = x->grad;
    if (!x->wants_grad)
        return TS_OK;
    if (dx && dx->pins == 1 && dx->storage->refs == 1) { /* others took columns before: it joins them */
        ts_add_band(tape, dy, (ts_band){ dx, n->begin, head }, x->dim[0] * n->heads, n->cols);
        return TS_OK;
    }
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], &dx));
    tape->dev->zero(tape->dev, ts_tensor_data(dx), ts_tensor_bytes(dx));
    ts_copy_band(tape, dy, (ts_band){ dx, n->begin, head }, x->dim[0] * n->heads, n->cols);
    return ts_tape_accumulate(tape, r->in[0], dx);
}

static const ts_op take_op = { .name = "take_cols", .backward = take_backward };

ts_status ts_op_take_cols(ts_tape *tape, ts_tensor *x, int64_t heads, int64_t begin, int64_t cols,
                          ts_tensor **y)
{
    const int64_t head = x->dim[1] / heads;
    ts_record *r;
    TS_ASSERT(begin + cols <= head && x->dim[1] % heads == 0, "columns of %lld heads of %lld",
              (long long)heads, (long long)head);
    *y = x;
    if (cols == head)
        return TS_OK;
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], heads * cols, y));
    ts_copy_band(tape, (ts_band){ x, begin, head }, (ts_band){ *y, 0, cols }, x->dim[0] * heads, cols);
    if (!tape->recording || !x->wants_grad)
        return TS_OK;
    TS_TRY(ts_tape_record(tape, &take_op, sizeof(take_attr), &r));
    *(take_attr *)r->attr = (take_attr){ heads, begin, cols };
    r->in[0] = x;
    r->out[0] = *y;
    (*y)->wants_grad = true;
    return TS_OK;
}

/* ---- columns side by side ---- */

static ts_status join_backward(ts_tape *tape, ts_record *r)
{
    const ts_tensor *dy = r->out[0]->grad;
    for (int64_t i = 0, begin = 0; i < 2; begin += r->in[i++]->dim[1]) {
        const int64_t cols = r->in[i]->dim[1];
        ts_tensor *dx;
        if (!r->in[i]->wants_grad)
            continue;
        TS_TRY(ts_tape_new(tape, dy->dtype, dy->dim[0], cols, &dx));
        ts_copy_band(tape, (ts_band){ dy, begin, dy->dim[1] }, (ts_band){ dx, 0, cols }, dy->dim[0], cols);
        TS_TRY(ts_tape_accumulate(tape, r->in[i], dx));
    }
    return TS_OK;
}

static const ts_op join_op = { .name = "join_cols", .backward = join_backward };

ts_status ts_op_join_cols(ts_tape *tape, ts_tensor *a, ts_tensor *b, ts_tensor **y)
{
    const int64_t T = a->dim[0], cols = a->dim[1] + b->dim[1];
    ts_record *r;
    TS_ASSERT(b->dim[0] == T && a->dtype == b->dtype, "columns beside %lld rows of %lld", (long long)T,
              (long long)b->dim[0]);
    TS_TRY(ts_tape_new(tape, a->dtype, T, cols, y));
    ts_copy_band(tape, (ts_band){ a, 0, a->dim[1] }, (ts_band){ *y, 0, cols }, T, a->dim[1]);
    ts_copy_band(tape, (ts_band){ b, 0, b->dim[1] }, (ts_band){ *y, a->dim[1], cols }, T, b->dim[1]);
    if (!tape->recording || !(a->wants_grad || b->wants_grad))
        return TS_OK;
    TS_TRY(ts_tape_record(tape, &join_op, 0, &r));
    r->in[0] = a, r->in[1] = b;
    r->out[0] = *y;
    (*y)->wants_grad = true;
    return TS_OK;
}

/* ---- columns of heads and those beside them ---- */

/* What stands in x, and in part and rest, in one direction or the other. */
static void copy_split(ts_tape *tape, const take_attr *n, const ts_tensor *x, const ts_tensor *part,
                       const ts_tensor *rest, bool joins)
{
    const int64_t rows = x->dim[0] * n->heads, head = x->dim[1] / n->heads, end = n->begin + n->cols,
                  others = head - n->cols;
    const struct {
        ts_band whole, piece;
        int64_t cols;
    } c[] = { { { x, n->begin, head }, { part, 0, n->cols }, n->cols },
              { { x, 0, head }, { rest, 0, others }, n->begin },
              { { x, end, head }, { rest, n->begin, others }, head - end } };
    for (size_t i = 0; i < sizeof c / sizeof *c; i++)
        ts_copy_band(tape, joins ? c[i].piece : c[i].whole, joins ? c[i].whole : c[i].piece, rows, c[i].cols);
}

static ts_status split_backward(ts_tape *tape, ts_record *r)
{
    const ts_tensor *x = r->in[0];
    ts_tensor *dx;
    TS_ASSERT(r->out[0]->grad && r->out[1]->grad, "columns of which nothing came of a part");
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], &dx));
    copy_split(tape, r->attr, dx, r->out[0]->grad, r->out[1]->grad, true);
    return ts_tape_accumulate(tape, r->in[0], dx);
}

static const ts_op split_op = { .name = "split_cols", .backward = split_backward };

ts_status ts_op_split_cols(ts_tape *tape, ts_tensor *x, int64_t heads, int64_t begin, int64_t cols,
                           ts_tensor **part, ts_tensor **rest)
{
    const take_attr n = { heads, begin, cols };
    const int64_t head = x->dim[1] / heads;
    ts_record *r;
    TS_ASSERT(begin + cols <= head && cols < head && x->dim[1] % heads == 0, "columns of %lld heads of %lld",
              (long long)heads, (long long)head);
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], heads * cols, part));
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], heads * (head - cols), rest));
    copy_split(tape, &n, x, *part, *rest, false);
    if (!tape->recording || !x->wants_grad)
        return TS_OK;
    TS_TRY(ts_tape_record(tape, &split_op, sizeof n, &r));
    *(take_attr *)r->attr = n;
    r->in[0] = x;
    r->out[0] = *part, r->out[1] = *rest;
    (*part)->wants_grad = (*rest)->wants_grad = true;
    return TS_OK;
}

/* ---- rows of another width ---- */

static ts_status as_rows(ts_tape *tape, const ts_tensor *x, int64_t rows, int64_t cols, ts_tensor **y)
{
    TS_TRY(ts_tape_alias(tape, x, y));
    (*y)->rank = 2, (*y)->dim[0] = rows, (*y)->dim[1] = cols;
    (*y)->wants_grad = false;
    return TS_OK;
}

static ts_status reshape_backward(ts_tape *tape, ts_record *r)
{
    ts_tensor *dx;
    TS_TRY(as_rows(tape, r->out[0]->grad, r->in[0]->dim[0], r->in[0]->dim[1], &dx));
    return ts_tape_accumulate(tape, r->in[0], dx);
}

static const ts_op reshape_op = { .name = "reshape", .backward = reshape_backward };

ts_status ts_op_reshape(ts_tape *tape, ts_tensor *x, int64_t cols, ts_tensor **y)
{
    const int64_t n = ts_tensor_count(x);
    ts_record *r;
    void *bytes;
    TS_ASSERT(cols > 0 && n % cols == 0, "reshape: %lld values in rows of %lld", (long long)n, (long long)cols);
    TS_TRY(ts_tape_need(tape, x, &bytes));
    TS_TRY(as_rows(tape, x, n / cols, cols, y));
    if (!tape->recording || !x->wants_grad)
        return TS_OK;
    TS_TRY(ts_tape_record(tape, &reshape_op, 0, &r));
    r->in[0] = x, r->out[0] = *y;
    (*y)->wants_grad = true;
    return TS_OK;
}

ts_status ts_op_repeat_cols(ts_tape *tape, ts_tensor *x, int64_t times, ts_tensor **y)
{
    ts_tensor *all = x;
    ts_status st = TS_OK;
    TS_TRY(ts_tape_push(tape));
    for (int64_t i = 1; st == TS_OK && i < times; i++)
        st = ts_op_join_cols(tape, all, x, &all);
    ts_tape_pop(tape, st == TS_OK ? all : NULL);
    if (st == TS_OK)
        *y = all;
    return st;
}

/* ---- a group's last columns twice ---- */

typedef struct repeat_attr {
    int64_t groups, last;
} repeat_attr;

static ts_status repeat_backward(ts_tape *tape, ts_record *r)
{
    const repeat_attr *n = r->attr;
    const ts_tensor *x = r->in[0], *dy = r->out[0]->grad;
    const int64_t width = x->dim[1] / n->groups, wide = width + n->last, rows = x->dim[0] * n->groups;
    ts_tensor *dx;
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], &dx));
    ts_copy_band(tape, (ts_band){ dy, 0, wide }, (ts_band){ dx, 0, width }, rows, width);
    ts_add_band(tape, (ts_band){ dy, width, wide }, (ts_band){ dx, width - n->last, width }, rows, n->last);
    return ts_tape_accumulate(tape, r->in[0], dx);
}

static const ts_op repeat_op = { .name = "repeat_last", .backward = repeat_backward };

ts_status ts_op_repeat_last(ts_tape *tape, ts_tensor *x, int64_t groups, int64_t last, ts_tensor **y)
{
    const int64_t width = x->dim[1] / groups, wide = width + last, rows = x->dim[0] * groups;
    ts_record *r;
    TS_ASSERT(x->dim[1] % groups == 0 && last <= width, "repeat: %lld columns of %lld", (long long)last,
              (long long)width);
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], groups * wide, y));
    ts_copy_band(tape, (ts_band){ x, 0, width }, (ts_band){ *y, 0, wide }, rows, width);
    ts_copy_band(tape, (ts_band){ x, width - last, width }, (ts_band){ *y, width, wide }, rows, last);
    if (!tape->recording || !x->wants_grad)
        return TS_OK;
    TS_TRY(ts_tape_record(tape, &repeat_op, sizeof(repeat_attr), &r));
    *(repeat_attr *)r->attr = (repeat_attr){ groups, last };
    r->in[0] = x, r->out[0] = *y;
    (*y)->wants_grad = true;
    return TS_OK;
}
