#include "ops/linear_2d.h"

#include "ops/gemm.h"

/* ---- the four ways ---- */

/* x is [a][b] blocks; *y, of so many rows, has them as [b][a]. */
static ts_status swapped(ts_tape *tape, const ts_tensor *x, int64_t a, int64_t b, int64_t rows,
                         ts_tensor **y)
{
    const size_t bytes = ts_tensor_bytes(x);
    TS_TRY(ts_tape_new(tape, x->dtype, rows, ts_tensor_count(x) / rows, y));
    const ts_swap_blocks_args s = { .a = a, .b = b, .bytes = bytes / (size_t)(a * b),
                                    .x = ts_tensor_data(x), .y = ts_tensor_data(*y) };
    ts_launch_swap_blocks(tape->dev, &s, a * b, (ts_cost){ 0, 2 * (double)bytes, x->dtype });
    return TS_OK;
}

/* [T / XY, H] to [T, H / Y]: my rows' columns for each y go to all processes there. */
static ts_status spread(ts_tape *tape, const ts_linear_2d_op *o, const ts_tensor *x, ts_tensor **y)
{
    const int64_t rows = x->dim[0], n_y = o->y->size;
    ts_tensor *blocks;
    TS_TRY(swapped(tape, x, rows, n_y, n_y * rows, &blocks));
    TS_TRY(ts_tape_new(tape, x->dtype, rows * o->all->size, x->dim[1] / n_y, y));
    TS_TRY(ts_group_exchange_into(tape, o->all, blocks, o->x->size, *y));
    ts_tape_drop(tape, blocks);
    return TS_OK;
}

/* [T, H / Y], parts of a sum over x, to [T / XY, H]. Rows lie as [Y][X][T / XY]. */
static ts_status collect(ts_tape *tape, const ts_linear_2d_op *o, ts_tensor *x, ts_tensor **y)
{
    const int64_t n_x = o->x->size, n_y = o->y->size, rows = x->dim[0] / (n_x * n_y);
    ts_tensor *by_x, *mine, *columns;
    TS_TRY(swapped(tape, x, n_y, n_x, x->dim[0], &by_x));
    ts_tape_drop(tape, x);
    TS_TRY(ts_group_scatter(tape, o->x, by_x, &mine));
    ts_tape_drop(tape, by_x);
    TS_TRY(ts_tape_new(tape, x->dtype, n_y * rows, x->dim[1], &columns));
    TS_TRY(ts_group_exchange_into(tape, o->y, mine, 1, columns));
    ts_tape_drop(tape, mine);
    TS_TRY(swapped(tape, columns, n_y, rows, rows, y));
    ts_tape_drop(tape, columns);
    return TS_OK;
}

/* [T, w / XY] to [T, w / X]; `stretches` of them side by side. */
static ts_status widen(ts_tape *tape, const ts_linear_2d_op *o, int stretches, const ts_tensor *x,
                       ts_tensor **y)
{
    ts_tensor *all;
    TS_TRY(ts_group_gather(tape, o->y, x, &all));
    TS_TRY(swapped(tape, all, o->y->size, x->dim[0] * stretches, x->dim[0], y));
    ts_tape_drop(tape, all);
    return TS_OK;
}

/* [T, w / X], parts of a sum over y, to [T, w / XY]. */
static ts_status narrow(ts_tape *tape, const ts_linear_2d_op *o, int stretches, ts_tensor *x,
                        ts_tensor **y)
{
    const int64_t n_y = o->y->size;
    ts_tensor *by_y;
    TS_TRY(swapped(tape, x, x->dim[0] * stretches, n_y, n_y * x->dim[0], &by_y));
    ts_tape_drop(tape, x);
    TS_TRY(ts_group_scatter(tape, o->y, by_y, y));
    ts_tape_drop(tape, by_y);
    return TS_OK;
}

/* ---- what a product reads, and what becomes of its result; the gradients the other way ---- */

static ts_status enter(ts_tape *tape, const ts_linear_2d_op *o, bool from_stream, const ts_tensor *x,
                       ts_tensor **y)
{
    return from_stream ? spread(tape, o, x, y) : widen(tape, o, o->stretches, x, y);
}

static ts_status leave(ts_tape *tape, const ts_linear_2d_op *o, bool to_stream, ts_tensor *x,
                       ts_tensor **y)
{
    return to_stream ? collect(tape, o, x, y) : narrow(tape, o, o->stretches, x, y);
}

/* ---- the operator ---- */

static ts_status linear_backward(ts_tape *tape, ts_record *r)
{
    const ts_linear_2d_op *o = r->attr;
    ts_tensor *x = r->in[0], *dy, *part, *dx;
    TS_TRY(enter(tape, o, !o->column, r->out[0]->grad, &dy));
    r->kept = r->n_saved;
    ts_record_save(tape, r, dy);
    if (!x->wants_grad)
        return TS_OK;
    TS_TRY(ts_tape_new(tape, x->dtype, dy->dim[0], o->w->dim[1], &part));
    TS_TRY(ts_gemm_input_grad(tape, o->w, x->dtype, ts_tensor_data(dy), o->w->dim[0], dy->dim[0],
                              ts_tensor_data(part)));
    TS_TRY(leave(tape, o, o->column, part, &dx));
    return ts_tape_accumulate(tape, x, dx);
}

static ts_status linear_weight(ts_tape *tape, ts_record *r)
{
    const ts_linear_2d_op *o = r->attr;
    const void *dy = ts_tensor_data(r->saved[r->kept]);
    ts_tensor *x = r->in[0], *all;
    const int64_t rows = r->saved[r->kept]->dim[0];
    void *data;
    if (o->w->grad) {
        TS_TRY(ts_tape_need(tape, x, &data));
        TS_TRY(enter(tape, o, o->column, x, &all));
        ts_gemm_weight_grad(tape, o->w, x->dtype, dy, o->w->dim[0], ts_tensor_data(all), rows);
    }
    if (o->b && o->b->grad)
        ts_bias_grad(tape, o->b, x->dtype, dy, o->b->dim[0], rows);
    return TS_OK;
}

static const ts_op linear_2d_op = { .name = "linear_2d", .backward = linear_backward,
                                    .weight = linear_weight };

static ts_status record(ts_tape *tape, const ts_linear_2d_op *o, ts_tensor *x, ts_tensor *y)
{
    const bool trains = o->w->grad || (o->b && o->b->grad);
    ts_record *r;
    if (!tape->recording || !(x->wants_grad || trains))
        return TS_OK;
    TS_TRY(ts_tape_record(tape, &linear_2d_op, sizeof *o, &r));
    *(ts_linear_2d_op *)r->attr = *o;
    r->in[0] = x;
    r->out[0] = y;
    y->wants_grad = true;
    if (o->w->grad)
        ts_record_save(tape, r, x);
    TS_TRY(ts_record_param(tape, r, 0, o->w));
    return ts_record_param(tape, r, 1, o->b);
}

ts_status ts_op_linear_2d(ts_tape *tape, const ts_linear_2d_op *o, ts_tensor *x, ts_tensor **y)
{
    char text[96];
    ts_tensor *all, *part;
    void *data;
    TS_ASSERT(o->x->size * o->y->size == o->all->size && o->stretches >= 1 &&
                  (o->column || o->stretches == 1) &&
                  (o->column ? x->dim[1] == o->w->dim[1] * o->y->size
                             : x->dim[1] * o->y->size == o->w->dim[1]),
              "linear: %s times %s [%lld, %lld] on %d x %d", ts_tensor_text(x, text), o->w->name,
              (long long)o->w->dim[0], (long long)o->w->dim[1], o->x->size, o->y->size);
    TS_TRY(ts_tape_need(tape, x, &data));
    TS_TRY(enter(tape, o, o->column, x, &all));
    TS_TRY(ts_tape_new(tape, x->dtype, all->dim[0], o->w->dim[0], &part));
    TS_TRY(ts_gemm_forward(tape, o->w, o->elsewhere ? NULL : ts_param_vector(o->b), x->dtype,
                           ts_tensor_data(all), all->dim[0], x->dtype, ts_tensor_data(part),
                           o->w->dim[0]));
    ts_tape_drop(tape, all);
    TS_TRY(leave(tape, o, !o->column, part, y));
    return record(tape, o, x, *y);
}
