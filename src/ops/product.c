#include "ops/product.h"

#include <string.h>

/* passes: over how many tensors of this size */
static ts_cost cost_of(const ts_tensor *x, double work, double passes)
{
    const double n = (double)ts_tensor_count(x);
    return (ts_cost){ work * n, passes * n * (double)ts_dtype_size(x->dtype), x->dtype };
}

/* The result is recorded as wanted; what the backward reads again is saved by the caller. */
static ts_status record(ts_tape *tape, const ts_op *op, const void *attr, size_t size, ts_tensor *x, ts_tensor *z,
                        ts_tensor *y, ts_record **out)
{
    ts_record *r;
    TS_TRY(ts_tape_record(tape, op, size, &r));
    memcpy(r->attr, attr, size);
    r->in[0] = x;
    r->in[1] = z;
    r->out[0] = y;
    y->wants_grad = true;
    *out = r;
    return TS_OK;
}

/* ---- place by place ---- */

/* passes: over x and what is like it, over z and what is like it */
static ts_cost product_cost(const ts_tensor *x, const ts_tensor *z, double work, double passes, double z_passes)
{
    ts_cost c = cost_of(x, work, passes);
    c.bytes += cost_of(z, 0, z_passes).bytes;
    return c;
}

static ts_product_args product_args(ts_factor_kind kind, const ts_tensor *x, const ts_tensor *z)
{
    return (ts_product_args){ .dtype = x->dtype, .kind = kind, .each = x->dim[1] / z->dim[1], .x = ts_tensor_data(x),
                              .z = ts_tensor_data(z) };
}

static ts_status product_backward(ts_tape *tape, ts_record *r)
{
    ts_tensor *x = r->in[0], *z = r->in[1], *dx, *dz;
    void *unused;
    TS_TRY(ts_tape_need(tape, x, &unused));
    TS_TRY(ts_tape_need(tape, z, &unused));
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], &dx));
    TS_TRY(ts_tape_new(tape, z->dtype, z->dim[0], z->dim[1], &dz));
    ts_product_args a = product_args(*(const ts_factor_kind *)r->attr, x, z);
    a.dy = ts_tensor_data(r->out[0]->grad);
    a.dx = ts_tensor_data(dx);
    a.dz = ts_tensor_data(dz);
    ts_launch_product_bwd(tape->dev, &a, ts_tensor_count(z), product_cost(x, z, 16, 3, 2));
    TS_TRY(ts_tape_accumulate(tape, x, dx));
    return ts_tape_accumulate(tape, z, dz);
}

static ts_status product_replay(ts_tape *tape, ts_record *r, int i)
{
    (void)i;
    ts_product_args a = product_args(*(const ts_factor_kind *)r->attr, r->in[0], r->in[1]);
    a.y = ts_tensor_data(r->out[0]);
    ts_launch_product_fwd(tape->dev, &a, ts_tensor_count(r->in[1]), product_cost(r->in[0], r->in[1], 8, 2, 1));
    return TS_OK;
}

static const ts_op product_op = { .name = "product", .backward = product_backward, .replay = product_replay,
                                  .replayed = TS_REPLAY_ACT, .from_inputs = true };

ts_status ts_op_product(ts_tape *tape, ts_factor_kind kind, ts_tensor *x, ts_tensor *z, ts_tensor **y)
{
    ts_record *r;
    TS_ASSERT(x->dim[0] == z->dim[0] && x->dim[1] % z->dim[1] == 0 && x->dtype == z->dtype, "product: rows of %lld and %lld",
              (long long)x->dim[1], (long long)z->dim[1]);
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], y));
    ts_product_args a = product_args(kind, x, z);
    a.y = ts_tensor_data(*y);
    ts_launch_product_fwd(tape->dev, &a, ts_tensor_count(z), product_cost(x, z, 8, 2, 1));
    if (!tape->recording || !(x->wants_grad || z->wants_grad))
        return TS_OK;
    TS_TRY(record(tape, &product_op, &kind, sizeof kind, x, z, *y, &r));
    (*y)->maker = r;
    ts_record_save(tape, r, x);
    ts_record_save(tape, r, z);
    return TS_OK;
}

/* ---- columns times numbers ---- */

static void launch_scale(ts_tape *tape, const ts_stretch_factors *by, const ts_tensor *x, const ts_tensor *y)
{
    const ts_scale_cols_args a = { .cols = x->dim[1], .dtype = x->dtype, .by = *by, .x = ts_tensor_data(x),
                                   .y = ts_tensor_data(y) };
    ts_launch_scale_cols(tape->dev, &a, x->dim[0], cost_of(x, 1, 2));
}

static ts_status scale_backward(ts_tape *tape, ts_record *r)
{
    ts_tensor *dy = r->out[0]->grad, *dx;
    TS_TRY(ts_tape_new(tape, dy->dtype, dy->dim[0], dy->dim[1], &dx));
    launch_scale(tape, r->attr, dy, dx);
    return ts_tape_accumulate(tape, r->in[0], dx);
}

static const ts_op scale_op = { .name = "scaled columns", .backward = scale_backward };

ts_status ts_op_scale_cols(ts_tape *tape, const ts_stretch_factors *by, ts_tensor *x, ts_tensor **y)
{
    ts_record *r;
    int64_t cols = 0;
    bool any = false;
    for (int i = 0; i < by->n_stretches; i++) {
        cols += by->n[i];
        any = any || by->factor[i] != 1;
    }
    *y = x;
    if (!any)
        return TS_OK;
    TS_ASSERT(cols == x->dim[1], "scaled columns: %lld of %lld", (long long)cols, (long long)x->dim[1]);
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], y));
    launch_scale(tape, by, x, *y);
    return tape->recording && x->wants_grad ? record(tape, &scale_op, by, sizeof *by, x, NULL, *y, &r) : TS_OK;
}

/* ---- bounds ---- */

static ts_status clip_backward(ts_tape *tape, ts_record *r)
{
    ts_tensor *x = r->in[0], *dx;
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], &dx));
    const ts_clip_args a = { .dtype = x->dtype, .most = *(const float *)r->attr, .x = ts_tensor_data(x),
                             .dy = ts_tensor_data(r->out[0]->grad), .dx = ts_tensor_data(dx) };
    ts_launch_clip_bwd(tape->dev, &a, ts_tensor_count(x), cost_of(x, 2, 3));
    return ts_tape_accumulate(tape, x, dx);
}

static const ts_op clip_op = { .name = "clip", .backward = clip_backward };

ts_status ts_op_clip(ts_tape *tape, float most, ts_tensor *x, ts_tensor **y)
{
    ts_record *r;
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], y));
    const ts_clip_args a = { .dtype = x->dtype, .most = most, .x = ts_tensor_data(x), .y = ts_tensor_data(*y) };
    ts_launch_clip_fwd(tape->dev, &a, ts_tensor_count(x), cost_of(x, 2, 2));
    if (!tape->recording || !x->wants_grad)
        return TS_OK;
    TS_TRY(record(tape, &clip_op, &most, sizeof most, x, NULL, *y, &r));
    ts_record_save(tape, r, x);
    return TS_OK;
}

/* ---- heads without their mean ---- */

typedef struct centre_attr {
    int64_t groups, dim;
} centre_attr;

static void launch_centre(ts_tape *tape, const centre_attr *n, const ts_tensor *x, const ts_tensor *y)
{
    const ts_centre_args a = { .groups = n->groups, .heads = x->dim[1] / n->groups / n->dim, .dim = n->dim,
                               .dtype = x->dtype, .x = ts_tensor_data(x), .y = ts_tensor_data(y) };
    ts_launch_centre_heads(tape->dev, &a, x->dim[0], cost_of(x, 2, 2));
}

static ts_status centre_backward(ts_tape *tape, ts_record *r)
{
    ts_tensor *dy = r->out[0]->grad, *dx;
    TS_TRY(ts_tape_new(tape, dy->dtype, dy->dim[0], dy->dim[1], &dx));
    launch_centre(tape, r->attr, dy, dx);
    return ts_tape_accumulate(tape, r->in[0], dx);
}

static const ts_op centre_op = { .name = "centred heads", .backward = centre_backward };

ts_status ts_op_centre_heads(ts_tape *tape, int64_t groups, int64_t dim, ts_tensor *x, ts_tensor **y)
{
    const centre_attr n = { groups, dim };
    ts_record *r;
    TS_ASSERT(x->dim[1] % (groups * dim) == 0, "centred heads: rows of %lld", (long long)x->dim[1]);
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], y));
    launch_centre(tape, &n, x, *y);
    return tape->recording && x->wants_grad ? record(tape, &centre_op, &n, sizeof n, x, NULL, *y, &r) : TS_OK;
}
