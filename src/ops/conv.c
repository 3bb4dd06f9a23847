#include "ops/scan.h"

static ts_conv_args args_of(const ts_conv_op *o, const ts_tensor *x)
{
    const char *w = (const char *)o->w->value + (size_t)(o->first * o->w->dim[1]) * ts_dtype_size(o->w->dtype);
    return (ts_conv_args){ .B = o->B, .S = o->S, .cols = x->dim[1], .width = o->w->dim[1], .dtype = x->dtype,
                           .w_dtype = o->w->dtype, .silu = o->silu, .x = ts_tensor_data(x), .w = w,
                           .bias = o->b ? ts_param_vector(o->b) + o->first : NULL,
                           .first_key = o->first_key ? ts_tensor_data(o->first_key) : NULL };
}

static ts_cost cost_of(const ts_conv_op *o, const ts_tensor *x, double work, double passes)
{
    const double n = (double)ts_tensor_count(x);
    return (ts_cost){ work * n * (2 * (double)o->w->dim[1] + (o->silu ? 8 : 0)),
                      passes * n * (double)ts_dtype_size(x->dtype), x->dtype };
}

/* The weights' gradients come with the input's, from the same pass. */
static ts_status conv_backward(ts_tape *tape, ts_record *r)
{
    const ts_conv_op *o = r->attr;
    ts_tensor *x = r->in[0], *dx;
    void *unused;
    TS_TRY(ts_tape_need(tape, x, &unused));
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], &dx));
    TS_TRY(ts_param_need_grad(o->w));
    TS_TRY(ts_param_need_grad(o->b));
    ts_conv_args a = args_of(o, x);
    a.dy = ts_tensor_data(r->out[0]->grad);
    a.dx = ts_tensor_data(dx);
    if (ts_param_has_grad(o->w)) {
        ts_param_grad_settle(o->w);
        a.dw = o->w->grad + o->first * o->w->dim[1];
    }
    a.db = ts_param_has_grad(o->b) ? o->b->grad + o->first : NULL;
    ts_launch_conv_bwd(tape->dev, &a, a.cols, cost_of(o, x, 3, 3));
    return ts_tape_accumulate(tape, x, dx);
}

static ts_status conv_replay(ts_tape *tape, ts_record *r, int i)
{
    const ts_conv_op *o = r->attr;
    (void)i;
    ts_conv_args a = args_of(o, r->in[0]);
    a.y = ts_tensor_data(r->out[0]);
    ts_launch_conv_fwd(tape->dev, &a, a.B * a.S, cost_of(o, r->in[0], 1, 2));
    return TS_OK;
}

static const ts_op conv_op = { .name = "convolution", .backward = conv_backward, .replay = conv_replay,
                               .replayed = TS_REPLAY_ACT, .from_inputs = true };

/* Nothing is before sequences that begin anew. */
void *ts_scan_rows_before(ts_tape *tape, const ts_scan_kept *k, int64_t B, size_t bytes)
{
    if (!k->rows)
        return NULL;
    char *rows = (char *)k->rows->data + (size_t)k->slot0 * bytes;
    for (int64_t b = 0; b < B; b++)
        if (k->start[b] == 0)
            tape->dev->zero(tape->dev, rows + (size_t)b * bytes, bytes);
    return rows;
}

static size_t row_bytes(const ts_tensor *x) { return ts_tensor_bytes(x) / (size_t)x->dim[0]; }
static char *row_at(const void *rows, const ts_tensor *x, int64_t row) { return (char *)rows + (size_t)row * row_bytes(x); }

/* One row at a time: they move within themselves. */
void ts_scan_keep_rows(ts_tape *tape, const ts_scan_kept *k, int64_t B, int64_t back, const ts_tensor *x, void *rows)
{
    const int64_t S = x->dim[0] / B;
    for (int64_t b = 0; rows && b < B; b++)
        for (int64_t i = 0; k->length[b] > 0 && i < back; i++) {
            const int64_t from = i + k->length[b]; /* of the old rows and the new ones */
            tape->dev->move(tape->dev, row_at(rows, x, b * back + i),
                            from < back ? row_at(rows, x, b * back + from)
                                        : row_at(ts_tensor_data(x), x, b * S + from - back),
                            row_bytes(x));
        }
}

ts_status ts_op_conv(ts_tape *tape, const ts_conv_op *o, ts_tensor *x, ts_tensor **y)
{
    TS_ASSERT(x->dim[0] == o->B * o->S && o->first + x->dim[1] <= o->w->dim[0] && o->w->dim[1] <= TS_CONV_MOST,
              "convolution: %s for rows of %lld", o->w->name, (long long)x->dim[1]);
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], y));
    TS_TRY(ts_param_need(o->w));
    TS_TRY(ts_param_need(o->b));
    ts_conv_args a = args_of(o, x);
    void *rows = ts_scan_rows_before(tape, &o->kept, o->B, (size_t)(a.width - 1) * row_bytes(x));
    a.before = rows;
    a.y = ts_tensor_data(*y);
    ts_launch_conv_fwd(tape->dev, &a, x->dim[0], cost_of(o, x, 1, 2));
    ts_scan_keep_rows(tape, &o->kept, o->B, a.width - 1, x, rows);
    if (!tape->recording || !(x->wants_grad || ts_param_has_grad(o->w) || ts_param_has_grad(o->b)))
        return TS_OK;
    ts_record *r;
    TS_TRY(ts_tape_record(tape, &conv_op, sizeof *o, &r));
    *(ts_conv_op *)r->attr = *o;
    r->in[0] = x;
    r->out[0] = *y;
    (*y)->wants_grad = true;
    (*y)->maker = r;
    ts_record_save(tape, r, x);
    TS_TRY(ts_record_param(tape, r, 0, o->w));
    return ts_record_param(tape, r, 1, o->b);
}
