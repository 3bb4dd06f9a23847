/* Rows of a tensor in pieces, and pieces as one: see ops/rows.h. */
#include "ops/columns.h"
#include "ops/rows.h"

static int64_t at_least_one(int64_t n) { return n ? n : 1; }

/* The same bytes, of rows [row0, row0 + n). */
static ts_status view(ts_tape *tape, const ts_tensor *x, int64_t row0, int64_t n, ts_tensor **y)
{
    TS_TRY(ts_tape_alias(tape, x, y));
    (*y)->offset += (size_t)(row0 * x->dim[1]) * ts_dtype_size(x->dtype);
    (*y)->dim[0] = n;
    (*y)->wants_grad = false; /* unless recorded */
    return TS_OK;
}

static void copy_rows(ts_tape *tape, const ts_tensor *x, int64_t x0, const ts_tensor *y, int64_t y0, int64_t n)
{
    const int64_t cols = x->dim[1];
    ts_copy_band(tape, (ts_band){ x, x0 * cols, cols }, (ts_band){ y, y0 * cols, cols }, n, cols);
}

/* ---- a piece ---- */

typedef struct piece_attr {
    int64_t row0, n;
} piece_attr;

/* The pieces' gradients come together in one tensor; rows of nobody are zeros. */
static ts_status piece_backward(ts_tape *tape, ts_record *r)
{
    const piece_attr *a = r->attr;
    ts_tensor *x = r->in[0];
    if (!x->grad) {
        ts_tensor *dx;
        TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], &dx));
        tape->dev->zero(tape->dev, ts_tensor_data(dx), ts_tensor_bytes(dx));
        TS_TRY(ts_tape_accumulate(tape, x, dx));
    }
    if (a->n)
        copy_rows(tape, r->out[0]->grad, 0, x->grad, a->row0, a->n);
    return TS_OK;
}

static ts_status piece_replay(ts_tape *tape, ts_record *r, int i)
{
    const piece_attr *a = r->attr;
    (void)i;
    copy_rows(tape, r->in[0], a->row0, r->out[0], 0, r->out[0]->dim[0]);
    return TS_OK;
}

static const ts_op piece_op = { .name = "piece_rows", .backward = piece_backward, .replay = piece_replay,
                                .replayed = TS_REPLAY_ROWS, .from_inputs = true };

ts_status ts_op_piece_rows(ts_tape *tape, ts_tensor *x, int64_t row0, int64_t n, ts_tensor **y)
{
    ts_record *r;
    TS_ASSERT(n >= 0 && row0 + n <= x->dim[0], "rows %lld and %lld more of %lld", (long long)row0, (long long)n,
              (long long)x->dim[0]);
    const int64_t begin = row0 < x->dim[0] ? row0 : x->dim[0] - 1;
    TS_TRY(view(tape, x, begin, at_least_one(n), y));
    if (!tape->recording || !x->wants_grad)
        return TS_OK;
    TS_TRY(ts_tape_record(tape, &piece_op, sizeof(piece_attr), &r));
    *(piece_attr *)r->attr = (piece_attr){ begin, n };
    r->in[0] = x;
    r->out[0] = *y;
    (*y)->wants_grad = true;
    if (!ts_tape_replays(tape, TS_REPLAY_ROWS))
        return TS_OK;
    (*y)->maker = r;
    ts_record_save(tape, r, x);
    return TS_OK;
}

/* ---- all of them ---- */

typedef struct join_attr {
    ts_tensor *const *x;
    const int64_t *n;
    int64_t pieces;
} join_attr;

/* Each piece's gradient lies in y's; a piece of nothing has zeros. */
static ts_status join_backward(ts_tape *tape, ts_record *r)
{
    const join_attr *a = r->attr;
    const ts_tensor *dy = r->out[0]->grad;
    for (int64_t i = 0, row = 0; i < a->pieces; row += a->n[i++]) {
        ts_tensor *dx, *x = a->x[i];
        if (!x->wants_grad)
            continue;
        if (a->n[i] == x->dim[0]) {
            TS_TRY(view(tape, dy, row, a->n[i], &dx));
        } else {
            TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], &dx));
            tape->dev->zero(tape->dev, ts_tensor_data(dx), ts_tensor_bytes(dx));
            if (a->n[i])
                copy_rows(tape, dy, row, dx, 0, a->n[i]);
        }
        TS_TRY(ts_tape_accumulate(tape, x, dx));
    }
    return TS_OK;
}

static const ts_op join_op = { .name = "join_rows", .backward = join_backward };

static ts_status put_together(ts_tape *tape, const join_attr *a, ts_tensor *y)
{
    int64_t row = 0;
    for (int64_t i = 0; i < a->pieces; row += a->n[i++])
        if (a->n[i])
            copy_rows(tape, a->x[i], 0, y, row, a->n[i]);
    const size_t width = (size_t)y->dim[1] * ts_dtype_size(y->dtype);
    if (row < y->dim[0])
        tape->dev->zero(tape->dev, (char *)ts_tensor_data(y) + (size_t)row * width, (size_t)(y->dim[0] - row) * width);
    return TS_OK;
}

ts_status ts_op_join_rows(ts_tape *tape, ts_tensor *const *x, const int64_t *n, int64_t pieces, int64_t rows,
                          ts_tensor **y)
{
    const join_attr a = { x, n, pieces };
    bool wants = false;
    ts_record *r;
    *y = x[0];
    if (pieces == 1 && x[0]->dim[0] == rows)
        return TS_OK;
    TS_TRY(ts_tape_new(tape, x[0]->dtype, rows, x[0]->dim[1], y));
    TS_TRY(put_together(tape, &a, *y));
    for (int64_t i = 0; i < pieces; i++)
        wants = wants || x[i]->wants_grad;
    if (!tape->recording || !wants)
        return TS_OK;
    TS_TRY(ts_tape_record(tape, &join_op, sizeof a, &r));
    *(join_attr *)r->attr = a;
    r->in[0] = x[0];
    r->out[0] = *y;
    (*y)->wants_grad = true;
    return TS_OK;
}
