#include "ops/rows.h"

#include "ops/ops.h"

static int64_t width(const ts_tensor *t) { return t->rank > 1 ? t->dim[1] : 1; }

void ts_rows_move(ts_tape *tape, const ts_tensor *from, const int32_t *ids, int64_t n, void *to)
{
    const ts_embed_args a = { .rows = n,
                              .cols = width(from),
                              .table_dtype = from->dtype,
                              .dtype = from->dtype,
                              .table = ts_tensor_data(from),
                              .ids = ids,
                              .scale = 1,
                              .y = to };
    const double count = (double)(n * a.cols);
    ts_launch_embed_fwd(tape->dev, &a, n,
                        (ts_cost){ count, 2 * count * (double)ts_dtype_size(a.dtype), a.dtype });
}

ts_status ts_rows_below_zero(ts_tape *tape, ts_dtype dtype, int64_t n, int64_t cols,
                             ts_tensor **out)
{
    TS_TRY(ts_tape_new(tape, dtype, 1 + n, cols, out));
    tape->dev->zero(tape->dev, ts_tensor_data(*out),
                    (size_t)(cols ? cols : 1) * ts_dtype_size(dtype));
    return TS_OK;
}

/* ---- added to some rows ---- */

static ts_status add_rows_backward(ts_tape *tape, ts_record *r)
{
    const ts_chosen_rows *rows = r->attr;
    ts_tensor *dy = r->out[0]->grad, *dmore;
    if (r->in[0]->wants_grad)
        TS_TRY(ts_tape_accumulate(tape, r->in[0], dy));
    if (!r->in[1]->wants_grad)
        return TS_OK;
    TS_TRY(ts_tape_new(tape, dy->dtype, rows->n, dy->dim[1], &dmore));
    ts_rows_move(tape, dy, ts_tensor_data(rows->at), rows->n, ts_tensor_data(dmore));
    return ts_tape_accumulate(tape, r->in[1], dmore);
}

static const ts_op add_rows_op = { .name = "add_rows", .backward = add_rows_backward };

/* Every row of `more` where it belongs, zeros elsewhere: [T, cols]. */
static ts_status spread(ts_tape *tape, const ts_chosen_rows *rows, const ts_tensor *more, int64_t T,
                        ts_tensor **out)
{
    const size_t row = (size_t)more->dim[1] * ts_dtype_size(more->dtype);
    ts_tensor *below;
    TS_TRY(ts_rows_below_zero(tape, more->dtype, rows->n, more->dim[1], &below));
    ts_rows_move(tape, more, NULL, rows->n, (char *)ts_tensor_data(below) + row);
    TS_TRY(ts_tape_new(tape, more->dtype, T, more->dim[1], out));
    ts_rows_move(tape, below, ts_tensor_data(rows->back), T, ts_tensor_data(*out));
    ts_tape_drop(tape, below);
    return TS_OK;
}

ts_status ts_op_add_rows(ts_tape *tape, ts_tensor *x, const ts_chosen_rows *rows, ts_tensor *more,
                         ts_tensor **y)
{
    ts_tensor *wide;
    TS_ASSERT(more->dim[0] == rows->n && more->dim[1] == x->dim[1] && more->dtype == x->dtype &&
                  rows->back->dim[0] == x->dim[0],
              "add_rows: %lld rows of %lld for %lld of %lld", (long long)more->dim[0],
              (long long)more->dim[1], (long long)rows->n, (long long)x->dim[1]);
    const bool recording = tape->recording;
    TS_TRY(spread(tape, rows, more, x->dim[0], &wide));
    tape->recording = false; /* one record of our own */
    const ts_status st = ts_op_add(tape, x, 1, wide, 1, y);
    tape->recording = recording;
    TS_TRY(st);
    ts_tape_drop(tape, wide);
    if (recording && (x->wants_grad || more->wants_grad)) {
        ts_record *r;
        TS_TRY(ts_tape_record(tape, &add_rows_op, sizeof *rows, &r));
        *(ts_chosen_rows *)r->attr = *rows;
        r->in[0] = x;
        r->in[1] = more;
        r->out[0] = *y;
        (*y)->wants_grad = true;
    }
    return TS_OK;
}

/* ---- taken alone ---- */

static ts_status pick_rows_backward(ts_tape *tape, ts_record *r)
{
    ts_tensor *x = r->in[0], *dx;
    TS_TRY(spread(tape, r->attr, r->out[0]->grad, x->dim[0], &dx));
    return ts_tape_accumulate(tape, x, dx);
}

static const ts_op pick_rows_op = { .name = "pick_rows", .backward = pick_rows_backward };

ts_status ts_op_pick_rows(ts_tape *tape, ts_tensor *x, const ts_chosen_rows *rows, ts_tensor **y)
{
    ts_record *r;
    TS_ASSERT(rows->at->dim[0] == rows->n, "pick_rows: %lld rows by %lld numbers", (long long)rows->n,
              (long long)rows->at->dim[0]);
    TS_TRY(ts_tape_new(tape, x->dtype, rows->n, x->dim[1], y));
    ts_rows_move(tape, x, ts_tensor_data(rows->at), rows->n, ts_tensor_data(*y));
    if (!tape->recording || !x->wants_grad)
        return TS_OK;
    TS_ASSERT(rows->back->dim[0] == x->dim[0], "pick_rows: %lld numbers for %lld rows", (long long)rows->back->dim[0],
              (long long)x->dim[0]);
    TS_TRY(ts_tape_record(tape, &pick_rows_op, sizeof *rows, &r));
    *(ts_chosen_rows *)r->attr = *rows;
    r->in[0] = x, r->out[0] = *y;
    (*y)->wants_grad = true;
    return TS_OK;
}
