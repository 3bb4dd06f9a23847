#include "ops/linear_2d.h"

#include "ops/gemm.h"
#include "ops/parts.h"

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

/* ---- products ---- */

/* Some rows of a product: forward, or of the input's gradient. */
typedef struct product {
    ts_tape *tape;
    const ts_linear_2d_op *o;
    bool is_backward;
    const ts_tensor *from; /* [T, ..] */
    ts_tensor *to;         /* [T, ..] */
} product;

static char *row_of(const ts_tensor *x, int64_t row)
{
    return (char *)ts_tensor_data(x) + (size_t)(row * x->dim[1]) * ts_dtype_size(x->dtype);
}

static ts_status multiply(const product *p, int64_t row0, int64_t n)
{
    const ts_linear_2d_op *o = p->o;
    const ts_dtype t = p->to->dtype;
    const void *from = row_of(p->from, row0);
    void *to = row_of(p->to, row0);
    if (p->is_backward)
        return ts_gemm_input_grad(p->tape, o->w, t, from, o->w->dim[0], n, to);
    return ts_gemm_forward(p->tape, o->w, o->elsewhere ? NULL : ts_param_vector(o->b), t, from, n, t, to,
                           o->w->dim[0]);
}

/* Blocks of some rows, from one array of tensors' bytes to another. */
static void swap_rows(ts_tape *tape, const void *x, void *y, int64_t a, int64_t b, size_t bytes)
{
    const ts_swap_blocks_args s = { .a = a, .b = b, .bytes = bytes / (size_t)(a * b), .x = x, .y = y };
    ts_launch_swap_blocks(tape->dev, &s, a * b, (ts_cost){ 0, 2 * (double)bytes, TS_DTYPE_F32 });
}

static ts_status places(ts_tape *tape, const ts_comm *group, int64_t **at)
{
    return ts_arena_alloc(&tape->arena, 4 * (size_t)group->size * sizeof **at, at);
}

/* ---- parts of what is read, multiplied as they come ---- */

static ts_status spread_in_parts(product *p, const ts_tensor *x, int parts, ts_tensor **y)
{
    const ts_linear_2d_op *o = p->o;
    const int size = o->all->size;
    const int64_t rows = x->dim[0], n = rows / parts, width = x->dim[1] / o->y->size;
    ts_travel t = { .group = o->all };
    ts_tensor *blocks;
    int64_t *at;
    TS_TRY(places(p->tape, o->all, &at));
    TS_TRY(swapped(p->tape, x, rows, o->y->size, o->y->size * rows, &blocks));
    TS_TRY(ts_tape_new(p->tape, x->dtype, rows * size, width, y));
    TS_TRY(p->tape->dev->sync(p->tape->dev));
    for (int i = 0; i < parts; i++) {
        for (int r = 0; r < size; r++) {
            at[r] = at[2 * size + r] = n * width;
            at[size + r] = (r / o->x->size * rows + i * n) * width;
            at[3 * size + r] = (r * rows + i * n) * width;
        }
        TS_TRY(ts_travel_start(&t, ts_all_to_all_v(ts_tensor_data(blocks), at, at + size, ts_tensor_data(*y),
                                                   at + 2 * size, at + 3 * size,
                                                   ts_group_type(x->dtype))));
    }
    p->from = *y;
    for (int i = 0; i < parts; i++) {
        TS_TRY(ts_travel_wait(&t, i));
        for (int r = 0; r < size; r++) {
            TS_TRY(multiply(p, r * rows + i * n, n));
            TS_TRY(ts_travel_move(&t));
        }
    }
    ts_tape_drop(p->tape, blocks);
    return TS_OK;
}

/* The parts come as [parts][Y][n, w]. */
static ts_status widen_in_parts(product *p, const ts_tensor *x, int parts, ts_tensor **y)
{
    const ts_linear_2d_op *o = p->o;
    const int n_y = o->y->size;
    const int64_t n = x->dim[0] / parts, width = x->dim[1];
    ts_travel t = { .group = o->y };
    ts_tensor *all;
    int64_t *at;
    TS_TRY(places(p->tape, o->y, &at));
    TS_TRY(ts_tape_new(p->tape, x->dtype, n_y * x->dim[0], width, &all));
    TS_TRY(ts_tape_new(p->tape, x->dtype, x->dim[0], n_y * width, y));
    TS_TRY(p->tape->dev->sync(p->tape->dev));
    for (int i = 0; i < parts; i++) {
        for (int q = 0; q < n_y; q++)
            at[q] = n * width, at[n_y + q] = (i * n_y + q) * n * width;
        TS_TRY(ts_travel_start(&t, ts_all_gather_v(row_of(x, i * n), n * width, ts_tensor_data(all), at,
                                                   at + n_y, ts_group_type(x->dtype))));
    }
    p->from = *y;
    for (int i = 0; i < parts; i++) {
        TS_TRY(ts_travel_wait(&t, i));
        swap_rows(p->tape, row_of(all, i * n_y * n), row_of(*y, i * n), n_y, n * o->stretches,
                  (size_t)(n_y * n * width) * ts_dtype_size(x->dtype));
        TS_TRY(multiply(p, i * n, n));
        TS_TRY(ts_travel_move(&t));
    }
    ts_tape_drop(p->tape, all);
    return TS_OK;
}

/* *all: what the product reads, all rows. */
static ts_status enter_and_multiply(product *p, bool from_stream, const ts_tensor *x, int parts,
                                    ts_tensor **all)
{
    parts = ts_parts_of(p->tape, x->dim[0], parts);
    if (parts > 1)
        return (from_stream ? spread_in_parts : widen_in_parts)(p, x, parts, all);
    TS_TRY(enter(p->tape, p->o, from_stream, x, all));
    p->from = *all;
    return multiply(p, 0, p->to->dim[0]);
}

/* ---- parts of what is made, on their way while the next are ---- */

/* Parts go as [parts][Y][n, w]. */
static ts_status narrow_in_parts(const product *p, int parts, ts_tensor **y)
{
    const ts_linear_2d_op *o = p->o;
    const int n_y = o->y->size;
    const int64_t n = p->to->dim[0] / parts, width = p->to->dim[1] / n_y;
    ts_travel t = { .group = o->y };
    ts_tensor *by_y;
    int64_t *at;
    TS_TRY(places(p->tape, o->y, &at));
    TS_TRY(ts_tape_new(p->tape, p->to->dtype, n_y * p->to->dim[0], width, &by_y));
    TS_TRY(ts_tape_new(p->tape, p->to->dtype, p->to->dim[0], width, y));
    for (int i = 0; i < parts; i++) {
        TS_TRY(multiply(p, i * n, n));
        swap_rows(p->tape, row_of(p->to, i * n), row_of(by_y, i * n_y * n), n * o->stretches, n_y,
                  (size_t)(n_y * n * width) * ts_dtype_size(by_y->dtype));
        TS_TRY(p->tape->dev->sync(p->tape->dev));
        for (int q = 0; q < n_y; q++)
            at[q] = n * width, at[n_y + q] = (i * n_y + q) * n * width;
        TS_TRY(ts_travel_start(&t, ts_reduce_scatter_v(ts_tensor_data(by_y), row_of(*y, i * n), at, at + n_y,
                                                       ts_group_type(by_y->dtype), TS_COMM_SUM)));
        TS_TRY(ts_travel_move(&t));
    }
    TS_TRY(ts_travel_wait(&t, parts - 1));
    ts_tape_drop(p->tape, by_y);
    ts_tape_drop(p->tape, p->to);
    return TS_OK;
}

/* The rows of part i: n of each process's, from [Y][X][T / XY] to [X][Y][n] of the part. */
static ts_status make_rows(const product *p, int i, int64_t n, ts_tensor *by_x, ts_travel *t)
{
    const int n_x = p->o->x->size, n_y = p->o->y->size;
    const int64_t rows = p->to->dim[0] / (n_x * n_y);
    const size_t bytes = (size_t)(n * p->to->dim[1]) * ts_dtype_size(p->to->dtype);
    for (int r = 0; r < n_x * n_y; r++) {
        const int64_t to = ((i * n_x + r % n_x) * n_y + r / n_x) * n;
        TS_TRY(multiply(p, r * rows + i * n, n));
        p->tape->dev->move(p->tape->dev, row_of(by_x, to), row_of(p->to, r * rows + i * n), bytes);
        TS_TRY(ts_travel_move(t));
    }
    return p->tape->dev->sync(p->tape->dev);
}

static ts_status back_to_rows(const product *p, ts_tensor *mine, int64_t rows, ts_tensor **y)
{
    ts_tensor *columns;
    TS_TRY(ts_tape_new(p->tape, mine->dtype, mine->dim[0], mine->dim[1], &columns));
    TS_TRY(ts_group_exchange_into(p->tape, p->o->y, mine, 1, columns));
    TS_TRY(swapped(p->tape, columns, p->o->y->size, rows, rows, y));
    ts_tape_drop(p->tape, columns);
    return TS_OK;
}

static ts_status collect_in_parts(const product *p, int parts, ts_tensor **y)
{
    const ts_linear_2d_op *o = p->o;
    const int n_x = o->x->size, n_y = o->y->size;
    const int64_t rows = p->to->dim[0] / o->all->size, n = rows / parts, width = p->to->dim[1];
    ts_travel t = { .group = o->x };
    ts_tensor *by_x, *mine, *in_order;
    int64_t *at;
    TS_TRY(places(p->tape, o->x, &at));
    TS_TRY(ts_tape_new(p->tape, p->to->dtype, p->to->dim[0], width, &by_x));
    TS_TRY(ts_tape_new(p->tape, p->to->dtype, n_y * rows, width, &mine));
    for (int i = 0; i < parts; i++) {
        TS_TRY(make_rows(p, i, n, by_x, &t));
        for (int q = 0; q < n_x; q++)
            at[q] = n_y * n * width, at[n_x + q] = (i * n_x + q) * n_y * n * width;
        TS_TRY(ts_travel_start(&t, ts_reduce_scatter_v(ts_tensor_data(by_x), row_of(mine, i * n_y * n), at,
                                                       at + n_x, ts_group_type(mine->dtype), TS_COMM_SUM)));
    }
    TS_TRY(ts_travel_wait(&t, parts - 1));
    ts_tape_drop(p->tape, by_x);
    ts_tape_drop(p->tape, p->to);
    TS_TRY(swapped(p->tape, mine, parts, n_y, n_y * rows, &in_order));
    ts_tape_drop(p->tape, mine);
    TS_TRY(back_to_rows(p, in_order, rows, y));
    ts_tape_drop(p->tape, in_order);
    return TS_OK;
}

/* The product is of what is all there. */
static ts_status multiply_and_leave(const product *p, bool to_stream, int parts, ts_tensor **y)
{
    const int64_t rows = p->to->dim[0] / (to_stream ? p->o->all->size : 1);
    parts = ts_parts_of(p->tape, rows, parts);
    if (parts > 1)
        return (to_stream ? collect_in_parts : narrow_in_parts)(p, parts, y);
    TS_TRY(multiply(p, 0, p->to->dim[0]));
    return leave(p->tape, p->o, to_stream, p->to, y);
}

/* ---- the operator ---- */

/* Rows of all processes. */
static int64_t all_rows(const ts_linear_2d_op *o, bool of_stream, const ts_tensor *x)
{
    return x->dim[0] * (of_stream ? o->all->size : 1);
}

static ts_status linear_backward(ts_tape *tape, ts_record *r)
{
    const ts_linear_2d_op *o = r->attr;
    ts_tensor *x = r->in[0], *own = r->out[0]->grad, *dy, *dx;
    product p = { .tape = tape, .o = o, .is_backward = true };
    if (x->wants_grad) {
        TS_TRY(ts_tape_new(tape, x->dtype, all_rows(o, !o->column, own), o->w->dim[1], &p.to));
        TS_TRY(enter_and_multiply(&p, !o->column, own, o->back_parts, &dy));
    } else {
        TS_TRY(enter(tape, o, !o->column, own, &dy));
    }
    r->kept = r->n_saved;
    ts_record_save(tape, r, dy);
    if (!x->wants_grad)
        return TS_OK;
    TS_TRY(leave(tape, o, o->column, p.to, &dx));
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
        TS_TRY(ts_gemm_weight_grad(tape, o->w, x->dtype, dy, o->w->dim[0], ts_tensor_data(all), rows));
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

static ts_status forward(ts_tape *tape, const ts_linear_2d_op *o, ts_tensor *x, ts_tensor **y)
{
    product p = { .tape = tape, .o = o };
    ts_tensor *all;
    if (o->leave_parts > 1) {
        TS_TRY(enter(tape, o, o->column, x, &all));
        p.from = all;
    }
    TS_TRY(ts_tape_new(tape, x->dtype, all_rows(o, o->column, x), o->w->dim[0], &p.to));
    if (o->leave_parts > 1) {
        TS_TRY(multiply_and_leave(&p, !o->column, o->leave_parts, y));
        ts_tape_drop(tape, all);
        return TS_OK;
    }
    TS_TRY(enter_and_multiply(&p, o->column, x, o->enter_parts, &all));
    ts_tape_drop(tape, all);
    return leave(tape, o, !o->column, p.to, y);
}

ts_status ts_op_linear_2d(ts_tape *tape, const ts_linear_2d_op *o, ts_tensor *x, ts_tensor **y)
{
    char text[96];
    void *data;
    TS_ASSERT(o->x->size * o->y->size == o->all->size && o->stretches >= 1 &&
                  (o->column || o->stretches == 1) &&
                  (o->column ? x->dim[1] == o->w->dim[1] * o->y->size
                             : x->dim[1] * o->y->size == o->w->dim[1]),
              "linear: %s times %s [%lld, %lld] on %d x %d", ts_tensor_text(x, text), o->w->name,
              (long long)o->w->dim[0], (long long)o->w->dim[1], o->x->size, o->y->size);
    TS_TRY(ts_tape_need(tape, x, &data));
    TS_TRY(forward(tape, o, x, y));
    return record(tape, o, x, *y);
}
