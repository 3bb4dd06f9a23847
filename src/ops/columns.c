#include "ops/columns.h"

/* Rows of columns: the first begins at element `at`, each `row` elements behind the one before. */
typedef struct band {
    const ts_tensor *t;
    int64_t at, row;
} band;

static void move(ts_tape *tape, band x, band y, int64_t rows, int64_t cols, bool adds)
{
    const size_t size = ts_dtype_size(x.t->dtype);
    const ts_copy_cols_args a = { .cols = cols, .x_row = x.row, .y_row = y.row, .dtype = x.t->dtype, .adds = adds,
                                  .x = (const char *)ts_tensor_data(x.t) + (size_t)x.at * size,
                                  .y = (char *)ts_tensor_data(y.t) + (size_t)y.at * size };
    const double bytes = (double)(rows * cols) * (double)size;
    ts_launch_copy_cols(tape->dev, &a, rows, (ts_cost){ 0, (adds ? 3 : 2) * bytes, x.t->dtype });
}

/* ---- side by side ---- */

static ts_status beside_backward(ts_tape *tape, ts_record *r)
{
    const ts_tensor *dy = r->out[0]->grad;
    int64_t at = 0;
    for (int i = 0; i < 2; i++) {
        ts_tensor *x = r->in[i], *dx;
        const int64_t cols = x->dim[1];
        if (x->wants_grad) {
            TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], cols, &dx));
            move(tape, (band){ dy, at, dy->dim[1] }, (band){ dx, 0, cols }, x->dim[0], cols, false);
            TS_TRY(ts_tape_accumulate(tape, x, dx));
        }
        at += cols;
    }
    return TS_OK;
}

static const ts_op beside_op = { .name = "beside", .backward = beside_backward };

ts_status ts_op_beside(ts_tape *tape, ts_tensor *a, ts_tensor *b, ts_tensor **y)
{
    const int64_t rows = a->dim[0], first = a->dim[1], cols = first + b->dim[1];
    ts_record *r;
    TS_ASSERT(b->dim[0] == rows && a->dtype == b->dtype, "beside: %lld rows and %lld", (long long)rows,
              (long long)b->dim[0]);
    TS_TRY(ts_tape_new(tape, a->dtype, rows, cols, y));
    move(tape, (band){ a, 0, first }, (band){ *y, 0, cols }, rows, first, false);
    move(tape, (band){ b, 0, b->dim[1] }, (band){ *y, first, cols }, rows, b->dim[1], false);
    if (!tape->recording || !(a->wants_grad || b->wants_grad))
        return TS_OK;
    TS_TRY(ts_tape_record(tape, &beside_op, 0, &r));
    r->in[0] = a, r->in[1] = b, r->out[0] = *y;
    (*y)->wants_grad = true;
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
    move(tape, (band){ dy, 0, wide }, (band){ dx, 0, width }, rows, width, false);
    move(tape, (band){ dy, width, wide }, (band){ dx, width - n->last, width }, rows, n->last, true);
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
    move(tape, (band){ x, 0, width }, (band){ *y, 0, wide }, rows, width, false);
    move(tape, (band){ x, width - last, width }, (band){ *y, width, wide }, rows, last, false);
    if (!tape->recording || !x->wants_grad)
        return TS_OK;
    TS_TRY(ts_tape_record(tape, &repeat_op, sizeof(repeat_attr), &r));
    *(repeat_attr *)r->attr = (repeat_attr){ groups, last };
    r->in[0] = x, r->out[0] = *y;
    (*y)->wants_grad = true;
    return TS_OK;
}
