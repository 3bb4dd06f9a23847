#include "ops/conv3d.h"

#include "ops/message.h"

#define LL(n) ((long long)(n))

/* ---- sizes ---- */

/* What an output reaches over in a dimension. */
static int64_t extent(const ts_conv3d_op *o, int dim) { return (o->kernel[dim] - 1) * o->dilation[dim] + 1; }

int64_t ts_conv3d_out(const ts_conv3d_op *o, int dim)
{
    const int64_t left = o->size[dim] - extent(o, dim);
    return left < 0 ? 0 : left / o->stride[dim] + 1;
}

static int processes(const ts_conv3d_op *o) { return ts_group_shares(o->group) ? o->group->size : 1; }
static int rank_of(const ts_conv3d_op *o) { return ts_group_shares(o->group) ? o->group->rank : 0; }

/* Frames of y on each process. */
static int64_t out_frames(const ts_conv3d_op *o) { return ts_conv3d_out(o, 0) / processes(o); }

ts_stretch ts_conv3d_frames(const ts_conv3d_op *o, int rank)
{
    const int64_t n = out_frames(o) * o->stride[0], begin = rank * n;
    return (ts_stretch){ begin, rank + 1 < processes(o) ? n : o->size[0] - begin };
}

/* Frames that a process needs of the one behind it. */
static int64_t halo(const ts_conv3d_op *o)
{
    const int64_t n = extent(o, 0) - o->stride[0];
    return processes(o) > 1 && n > 0 ? n : 0;
}

static int64_t frame_rows(const ts_conv3d_op *o) { return o->samples * o->size[1] * o->size[2]; }

ts_status ts_conv3d_check(const ts_conv3d_op *o)
{
    for (int i = 0; i < TS_CONV_DIMS; i++)
        if (ts_conv3d_out(o, i) < 1)
            return ts_error(TS_ERR_USER, "a convolution over %lld of %lld %s: there is nothing left",
                            LL(extent(o, i)), LL(o->size[i]), i == 0 ? "frames" : i == 1 ? "rows" : "columns");
    if (ts_conv3d_out(o, 0) % processes(o))
        return ts_error(TS_ERR_USER, "a convolution leaves %lld frames, which %d processes cannot share out evenly",
                        LL(ts_conv3d_out(o, 0)), processes(o));
    if (halo(o) > out_frames(o) * o->stride[0])
        return ts_error(TS_ERR_USER, "a convolution over %lld frames: each of %d processes has %lld, and would need "
                                     "more than its neighbour's", LL(extent(o, 0)), processes(o),
                        LL(out_frames(o) * o->stride[0]));
    return TS_OK;
}

/* ---- frames of another process ---- */

typedef struct conv_attr {
    ts_conv3d_op o;
    ts_tensor *ids; /* of unfold */
} conv_attr;

static char *row_at(const ts_tensor *t, int64_t row)
{
    return (char *)ts_tensor_data(t) + (size_t)(row * t->dim[1]) * ts_dtype_size(t->dtype);
}

/* n rows go to one neighbour and as many come from the other; either may be NULL: there is none. */
static ts_status swap_rows(ts_tape *tape, ts_comm *g, ts_dtype t, int64_t n, const void *out, int to, void *in, int from)
{
    ts_message coming = { 0 }, going = { 0 };
    if (in)
        TS_TRY(ts_message_receive(tape, g, in, n, t, from, &coming));
    if (out)
        TS_TRY(ts_message_send(tape, g, out, n, t, to, &going));
    TS_TRY(ts_message_wait(tape, g, &coming));
    return ts_message_wait(tape, g, &going);
}

static void add_rows(ts_tape *tape, const ts_tensor *more, const ts_tensor *to)
{
    const int64_t n = ts_tensor_count(more);
    const ts_elementwise_args a = { .x_dtype = to->dtype, .z_dtype = more->dtype, .y_dtype = to->dtype,
                                    .x = ts_tensor_data(to), .z = ts_tensor_data(more), .y = ts_tensor_data(to),
                                    .alpha = 1, .beta = 1 };
    ts_launch_add(tape->dev, &a, n, (ts_cost){ 2 * (double)n, 3 * (double)n * (double)ts_dtype_size(to->dtype), to->dtype });
}

/* The gradient of the halo goes to whose frames they are; what comes is of the first of the own. */
static ts_status halo_backward(ts_tape *tape, ts_record *r)
{
    const ts_conv3d_op *o = &((const conv_attr *)r->attr)->o;
    ts_tensor *x = r->in[0], *dy = r->out[0]->grad, *dx, *more = NULL;
    const int64_t rows = halo(o) * frame_rows(o);
    const bool gets = rank_of(o) > 0, gives = rank_of(o) + 1 < processes(o);
    TS_TRY(ts_tape_new(tape, dy->dtype, x->dim[0], x->dim[1], &dx));
    tape->dev->move(tape->dev, ts_tensor_data(dx), ts_tensor_data(dy), ts_tensor_bytes(dx));
    if (gets)
        TS_TRY(ts_tape_new(tape, dy->dtype, rows, x->dim[1], &more));
    TS_TRY(swap_rows(tape, o->group, dy->dtype, rows * x->dim[1], gives ? row_at(dy, x->dim[0]) : NULL,
                     rank_of(o) + 1, more ? ts_tensor_data(more) : NULL, rank_of(o) - 1));
    if (more)
        add_rows(tape, more, dx);
    return ts_tape_accumulate(tape, x, dx);
}

static const ts_op halo_op = { .name = "conv_halo", .backward = halo_backward };

static ts_status record(ts_tape *tape, const ts_op *op, const ts_conv3d_op *o, ts_tensor *ids, ts_tensor *x, ts_tensor *y)
{
    ts_record *r;
    if (!tape->recording || !x->wants_grad)
        return TS_OK;
    TS_TRY(ts_tape_record(tape, op, sizeof(conv_attr), &r));
    *(conv_attr *)r->attr = (conv_attr){ *o, ids };
    r->in[0] = x;
    r->out[0] = y;
    if (ids)
        ts_record_save(tape, r, ids);
    y->wants_grad = true;
    return TS_OK;
}

/* y: the own frames, and behind them those of the halo. */
static ts_status add_halo(ts_tape *tape, const ts_conv3d_op *o, ts_tensor *x, ts_tensor **y)
{
    const int64_t rows = halo(o) * frame_rows(o);
    const bool gets = rank_of(o) + 1 < processes(o), gives = rank_of(o) > 0;
    *y = x;
    if (!rows)
        return TS_OK;
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0] + (gets ? rows : 0), x->dim[1], y));
    tape->dev->move(tape->dev, ts_tensor_data(*y), ts_tensor_data(x), ts_tensor_bytes(x));
    TS_TRY(swap_rows(tape, o->group, x->dtype, rows * x->dim[1], gives ? ts_tensor_data(x) : NULL, rank_of(o) - 1,
                     gets ? row_at(*y, x->dim[0]) : NULL, rank_of(o) + 1));
    return record(tape, &halo_op, o, NULL, x, *y);
}

/* ---- the own frames of all ---- */

/* Everyone's own frames, of which all that is whole is made. */
static ts_status slice_backward(ts_tape *tape, ts_record *r)
{
    const ts_conv3d_op *o = &((const conv_attr *)r->attr)->o;
    ts_tensor *x = r->in[0], *dy = r->out[0]->grad, *dx;
    const int n = processes(o);
    const int64_t frame = frame_rows(o) * x->dim[1], all = ts_tensor_count(x);
    int64_t *at;
    TS_TRY(ts_arena_alloc(&tape->arena, 2 * (size_t)n * sizeof *at, &at));
    for (int k = 0; k < n; k++) {
        const ts_stretch own = ts_conv3d_frames(o, k);
        at[k] = own.n * frame, at[n + k] = own.begin * frame;
    }
    TS_TRY(ts_tape_new(tape, dy->dtype, x->dim[0], x->dim[1], &dx));
    TS_TRY(ts_group_run(tape, o->group,
                        ts_all_gather_v(ts_tensor_data(dy), at[rank_of(o)], ts_tensor_data(dx), at, at + n,
                                        ts_group_type(dy->dtype)),
                        at[rank_of(o)], all));
    return ts_tape_accumulate(tape, x, dx);
}

static const ts_op slice_op = { .name = "conv_slice", .backward = slice_backward };

static ts_status slice(ts_tape *tape, const ts_conv3d_op *o, ts_tensor *x, ts_tensor **y)
{
    const ts_stretch own = ts_conv3d_frames(o, rank_of(o));
    TS_TRY(ts_tape_new(tape, x->dtype, own.n * frame_rows(o), x->dim[1], y));
    tape->dev->move(tape->dev, ts_tensor_data(*y), row_at(x, own.begin * frame_rows(o)), ts_tensor_bytes(*y));
    return record(tape, &slice_op, o, NULL, x, *y);
}

/* ---- unfolding ---- */

static int64_t positions(const ts_conv3d_op *o) { return o->kernel[0] * o->kernel[1] * o->kernel[2]; }
static int64_t out_rows(const ts_conv3d_op *o)
{
    return out_frames(o) * o->samples * ts_conv3d_out(o, 1) * ts_conv3d_out(o, 2);
}

/* The row of x at position p of the kernel for row `out` of y. */
static int64_t row_of(const ts_conv3d_op *o, int64_t out, int64_t p)
{
    const int64_t columns = ts_conv3d_out(o, 2), rows = ts_conv3d_out(o, 1);
    const int64_t c = out % columns, r = out / columns % rows, b = out / columns / rows % o->samples,
                  f = out / columns / rows / o->samples;
    const int64_t k = p % o->kernel[2], j = p / o->kernel[2] % o->kernel[1], i = p / o->kernel[2] / o->kernel[1];
    return (((f * o->stride[0] + i * o->dilation[0]) * o->samples + b) * o->size[1] + r * o->stride[1] +
            j * o->dilation[1]) * o->size[2] + c * o->stride[2] + k * o->dilation[2];
}

static ts_status make_ids(ts_tape *tape, const ts_conv3d_op *o, ts_tensor **ids)
{
    const int64_t K = positions(o), n = out_rows(o) * K;
    int32_t *host = NULL;
    if (tape->dev->computes)
        TS_TRY(ts_alloc(&host, (size_t)n, sizeof *host));
    for (int64_t i = 0; host && i < n; i++)
        host[i] = (int32_t)row_of(o, i / K, i % K);
    const ts_status st = ts_tape_upload(tape, TS_DTYPE_I32, host, n, ids);
    ts_free(&host);
    return st;
}

/* Rows that several outputs have read get the sum of all of them, in their order, in fp32. */
static ts_status unfold_backward(ts_tape *tape, ts_record *r)
{
    ts_device *dev = tape->dev;
    const ts_tensor *ids = r->saved[0], *dy = r->out[0]->grad;
    ts_tensor *x = r->in[0], *sum, *dx;
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, x->dim[0], x->dim[1], &sum));
    dev->zero(dev, ts_tensor_data(sum), ts_tensor_bytes(sum));
    const ts_embed_args a = { .rows = ts_tensor_count(ids), .cols = x->dim[1], .table_dtype = TS_DTYPE_F32,
                              .dtype = dy->dtype, .ids = ts_tensor_data(ids), .scale = 1, .dy = ts_tensor_data(dy),
                              .dtable = ts_tensor_data(sum) };
    const double n = (double)ts_tensor_count(dy);
    ts_launch_embed_bwd(dev, &a, a.cols, (ts_cost){ n, n * (8 + (double)ts_dtype_size(dy->dtype)), TS_DTYPE_F32 });
    if (x->dtype == TS_DTYPE_F32)
        return ts_tape_accumulate(tape, x, sum);
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], &dx));
    const ts_elementwise_args e = { .x_dtype = TS_DTYPE_F32, .z_dtype = TS_DTYPE_F32, .y_dtype = x->dtype,
                                    .x = ts_tensor_data(sum), .z = ts_tensor_data(sum), .y = ts_tensor_data(dx),
                                    .alpha = 1 };
    const double m = (double)ts_tensor_count(dx);
    ts_launch_add(dev, &e, ts_tensor_count(dx), (ts_cost){ m, m * (4 + (double)ts_dtype_size(x->dtype)), TS_DTYPE_F32 });
    ts_tape_drop(tape, sum);
    return ts_tape_accumulate(tape, x, dx);
}

static const ts_op unfold_op = { .name = "unfold", .backward = unfold_backward };

/* What each row of y is made of, side by side: [y's rows, positions * in]. */
static ts_status unfold(ts_tape *tape, const ts_conv3d_op *o, ts_tensor *x, ts_tensor **y)
{
    ts_tensor *ids;
    TS_TRY(make_ids(tape, o, &ids));
    TS_TRY(ts_tape_new(tape, x->dtype, out_rows(o), positions(o) * x->dim[1], y));
    const ts_embed_args a = { .rows = ts_tensor_count(ids), .cols = x->dim[1], .table_dtype = x->dtype,
                              .dtype = x->dtype, .table = ts_tensor_data(x), .ids = ts_tensor_data(ids), .scale = 1,
                              .y = ts_tensor_data(*y) };
    const double n = (double)ts_tensor_count(*y);
    ts_launch_embed_fwd(tape->dev, &a, a.rows, (ts_cost){ n, 2 * n * (double)ts_dtype_size(x->dtype), x->dtype });
    return record(tape, &unfold_op, o, ids, x, *y);
}

/* ---- all of it ---- */

static ts_status convolve(ts_tape *tape, const ts_conv3d_op *o, ts_tensor *x, ts_tensor **y)
{
    ts_tensor *col;
    const bool shares = processes(o) > 1, slices = shares && o->whole;
    if (slices)
        TS_TRY(slice(tape, o, x, &x));
    TS_ASSERT(x->dim[0] == ts_conv3d_frames(o, rank_of(o)).n * frame_rows(o), "%lld rows of a convolution",
              LL(x->dim[0]));
    TS_TRY(add_halo(tape, o, x, &x));
    TS_TRY(unfold(tape, o, x, &col));
    TS_TRY(ts_op_linear(tape, col, o->w, o->b, y));
    ts_tape_drop(tape, col);
    return slices ? ts_op_group_gather(tape, o->group, *y, y) : TS_OK;
}

ts_status ts_op_conv3d(ts_tape *tape, const ts_conv3d_op *o, ts_tensor *x, ts_tensor **y)
{
    TS_TRY(ts_tape_push(tape));
    const ts_status st = convolve(tape, o, x, y);
    ts_tape_pop(tape, st == TS_OK ? *y : NULL);
    return st;
}
