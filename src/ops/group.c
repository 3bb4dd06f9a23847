#include "ops/group.h"

ts_comm_type ts_group_type(ts_dtype t)
{
    TS_ASSERT(t == TS_DTYPE_F32 || t == TS_DTYPE_BF16 || t == TS_DTYPE_F16, "a group's tensor of %s",
              ts_dtype_name(t));
    return t == TS_DTYPE_F32 ? TS_COMM_F32 : t == TS_DTYPE_BF16 ? TS_COMM_BF16 : TS_COMM_F16;
}

static ts_group_call call_of(const ts_comm_call *call, int64_t n, int64_t n_to)
{
    const size_t size = ts_comm_type_size(call->type);
    return (ts_group_call){ .in = (size_t)n * size, .out = (size_t)n_to * size };
}

static void leave_host(ts_device *dev, ts_group_call *c)
{
    if (c->host)
        dev->free_host(dev, c->host, c->in);
    if (c->host_to)
        dev->free_host(dev, c->host_to, c->out);
    *c = (ts_group_call){ 0 };
}

/* By way of memory of the host, which is where communicators work. One that works in place has one
 * array, recv. */
static ts_status enter_host(ts_device *dev, ts_comm_call *call, int64_t n, int64_t n_to, ts_group_call *c)
{
    const void *const from = call->send ? call->send : call->recv;
    ts_status st = TS_OK;
    *c = call_of(call, n, n_to);
    c->to = call->recv;
    if (call->send)
        st = dev->alloc_host(dev, c->in, &c->host);
    if (st == TS_OK && call->recv)
        st = dev->alloc_host(dev, c->out, &c->host_to);
    if (st == TS_OK)
        st = ts_device_read(dev, call->send ? c->host : c->host_to, from, c->in);
    call->send = c->host;
    call->recv = c->host_to;
    if (st != TS_OK)
        leave_host(dev, c);
    return st;
}

/* What has come goes to the device. */
static ts_status finish_host(ts_device *dev, ts_group_call *c, ts_status st)
{
    if (st == TS_OK && c->to) {
        dev->to_device(dev, c->to, c->host_to, c->out);
        st = dev->sync(dev);
    }
    leave_host(dev, c);
    return st;
}

static bool is_far(const ts_device *dev) { return dev->computes && !dev->on_host; }

ts_status ts_group_run_on(ts_device *dev, ts_comm *group, ts_comm_call call, int64_t n, int64_t n_to)
{
    ts_group_call c;
    if (!is_far(dev)) {
        TS_TRY(dev->sync(dev));
        return ts_comm_run(group, call);
    }
    TS_TRY(enter_host(dev, &call, n, n_to, &c));
    return finish_host(dev, &c, ts_comm_run(group, call));
}

ts_status ts_group_start(ts_device *dev, ts_comm *group, ts_comm_call call, int64_t n, int64_t n_to,
                         ts_group_call *c)
{
    if (!is_far(dev)) {
        *c = call_of(&call, n, n_to);
        TS_TRY(dev->sync(dev));
        return ts_comm_start(group, call, &c->request);
    }
    TS_TRY(enter_host(dev, &call, n, n_to, c));
    const ts_status st = ts_comm_start(group, call, &c->request);
    if (st != TS_OK)
        leave_host(dev, c);
    return st;
}

ts_status ts_group_wait(ts_device *dev, ts_comm *group, ts_group_call *c)
{
    const ts_status st = ts_comm_wait(group, &c->request);
    if (c->host || c->host_to)
        return finish_host(dev, c, st);
    *c = (ts_group_call){ 0 };
    return st;
}

/* A tensor like x, of so many rows. */
static ts_status with_rows(ts_tape *tape, const ts_tensor *x, int64_t rows, ts_tensor **y)
{
    return ts_tape_new(tape, x->dtype, rows, x->rank > 1 ? x->dim[1] : 0, y);
}

int64_t ts_group_share(const ts_comm *c, const ts_tensor *x)
{
    TS_ASSERT(x->dim[0] % c->size == 0, "%lld rows for %d processes", (long long)x->dim[0], c->size);
    return x->dim[0] / c->size;
}

ts_status ts_group_sum(ts_tape *tape, ts_comm *group, void *data, int64_t n, ts_dtype dtype)
{
    return ts_group_run(tape, group, ts_all_reduce(data, n, ts_group_type(dtype), TS_COMM_SUM), n, n);
}

ts_status ts_group_gather_into(ts_tape *tape, ts_comm *group, const ts_tensor *x, ts_tensor *all)
{
    const int64_t n = ts_tensor_count(x);
    return ts_group_run(tape, group,
                        ts_all_gather(ts_tensor_data(x), ts_tensor_data(all), n, ts_group_type(x->dtype)),
                        n, n * group->size);
}

ts_status ts_group_scatter_into(ts_tape *tape, ts_comm *group, const ts_tensor *all, ts_tensor *y)
{
    const int64_t n = ts_tensor_count(y);
    return ts_group_run(tape, group,
                        ts_reduce_scatter(ts_tensor_data(all), ts_tensor_data(y), n,
                                          ts_group_type(all->dtype), TS_COMM_SUM),
                        n * group->size, n);
}

ts_status ts_group_exchange_into(ts_tape *tape, ts_comm *group, const ts_tensor *x, int stride,
                                 ts_tensor *y)
{
    const int size = group->size;
    const int64_t all = ts_tensor_count(x), n = ts_tensor_count(y) / size;
    int64_t *at; /* counts and offsets of what is sent and received */
    TS_ASSERT(n * ((size - 1) / stride + 1) == all, "%lld values to %d processes", (long long)all, size);
    TS_TRY(ts_arena_alloc(&tape->arena, 4 * (size_t)size * sizeof *at, &at));
    for (int r = 0; r < size; r++) {
        at[r] = at[2 * size + r] = n;
        at[size + r] = r / stride * n;
        at[3 * size + r] = r * n;
    }
    return ts_group_run(tape, group,
                        ts_all_to_all_v(ts_tensor_data(x), at, at + size, ts_tensor_data(y),
                                        at + 2 * size, at + 3 * size, ts_group_type(x->dtype)),
                        all, n * size);
}

ts_status ts_group_gather(ts_tape *tape, ts_comm *group, const ts_tensor *x, ts_tensor **y)
{
    TS_TRY(with_rows(tape, x, x->dim[0] * group->size, y));
    return ts_group_gather_into(tape, group, x, *y);
}

ts_status ts_group_scatter(ts_tape *tape, ts_comm *group, const ts_tensor *x, ts_tensor **y)
{
    TS_TRY(with_rows(tape, x, ts_group_share(group, x), y));
    return ts_group_scatter_into(tape, group, x, *y);
}

static ts_status keep(ts_tape *tape, ts_comm *group, const ts_tensor *x, ts_tensor **y)
{
    TS_TRY(with_rows(tape, x, ts_group_share(group, x), y));
    const size_t bytes = ts_tensor_bytes(*y);
    tape->dev->move(tape->dev, ts_tensor_data(*y),
                    (const char *)ts_tensor_data(x) + (size_t)group->rank * bytes, bytes);
    return TS_OK;
}

/* ---- operators ---- */

typedef struct group_attr {
    ts_comm *group;
} group_attr;

static ts_comm *group_of(const ts_record *r) { return ((const group_attr *)r->attr)->group; }

static ts_status pass_gradient(ts_tape *tape, ts_record *r)
{
    return ts_tape_accumulate(tape, r->in[0], r->out[0]->grad);
}

static ts_status gather_gradient(ts_tape *tape, ts_record *r)
{
    ts_tensor *dx;
    TS_TRY(ts_group_gather(tape, group_of(r), r->out[0]->grad, &dx));
    return ts_tape_accumulate(tape, r->in[0], dx);
}

static ts_status keep_gradient(ts_tape *tape, ts_record *r)
{
    ts_tensor *dx;
    TS_TRY(keep(tape, group_of(r), r->out[0]->grad, &dx));
    return ts_tape_accumulate(tape, r->in[0], dx);
}

static ts_status sum_gradient(ts_tape *tape, ts_record *r)
{
    const ts_tensor *dy = r->out[0]->grad;
    ts_tensor *dx;
    TS_TRY(with_rows(tape, dy, dy->dim[0], &dx));
    tape->dev->move(tape->dev, ts_tensor_data(dx), ts_tensor_data(dy), ts_tensor_bytes(dy));
    TS_TRY(ts_group_sum(tape, group_of(r), ts_tensor_data(dx), ts_tensor_count(dx), dx->dtype));
    return ts_tape_accumulate(tape, r->in[0], dx);
}

static ts_status scatter_gradient(ts_tape *tape, ts_record *r)
{
    ts_tensor *dx;
    TS_TRY(ts_group_scatter(tape, group_of(r), r->out[0]->grad, &dx));
    return ts_tape_accumulate(tape, r->in[0], dx);
}

static const ts_op copy_op = { .name = "group_copy", .backward = sum_gradient };
static const ts_op collect_op = { .name = "group_collect", .backward = scatter_gradient };
static const ts_op sum_op = { .name = "group_sum", .backward = pass_gradient };
static const ts_op scatter_op = { .name = "group_scatter", .backward = gather_gradient };
static const ts_op gather_op = { .name = "group_gather", .backward = keep_gradient };
static const ts_op keep_op = { .name = "group_keep", .backward = gather_gradient };

static ts_status record(ts_tape *tape, const ts_op *op, ts_comm *group, ts_tensor *x, ts_tensor *y)
{
    ts_record *r;
    if (!tape->recording || !x->wants_grad)
        return TS_OK;
    TS_TRY(ts_tape_record(tape, op, sizeof(group_attr), &r));
    *(group_attr *)r->attr = (group_attr){ group };
    r->in[0] = x;
    r->out[0] = y;
    y->wants_grad = true;
    return TS_OK;
}

static bool is_alone(const ts_comm *group, ts_tensor *x, ts_tensor **y)
{
    *y = x;
    return !ts_group_shares(group);
}

ts_status ts_op_group_sum(ts_tape *tape, ts_comm *group, ts_tensor *x, ts_tensor **y)
{
    if (is_alone(group, x, y))
        return TS_OK;
    TS_TRY(ts_tape_alias(tape, x, y));
    (*y)->wants_grad = false; /* unless recorded */
    TS_TRY(ts_group_sum(tape, group, ts_tensor_data(*y), ts_tensor_count(*y), x->dtype));
    return record(tape, &sum_op, group, x, *y);
}

typedef ts_status make_fn(ts_tape *tape, ts_comm *group, const ts_tensor *x, ts_tensor **y);

static ts_status apply(ts_tape *tape, make_fn *make, const ts_op *op, ts_comm *group, ts_tensor *x,
                       ts_tensor **y)
{
    if (is_alone(group, x, y))
        return TS_OK;
    TS_TRY(make(tape, group, x, y));
    return record(tape, op, group, x, *y);
}

ts_status ts_op_group_scatter(ts_tape *tape, ts_comm *group, ts_tensor *x, ts_tensor **y)
{
    return apply(tape, ts_group_scatter, &scatter_op, group, x, y);
}

ts_status ts_op_group_gather(ts_tape *tape, ts_comm *group, ts_tensor *x, ts_tensor **y)
{
    return apply(tape, ts_group_gather, &gather_op, group, x, y);
}

ts_status ts_op_group_keep(ts_tape *tape, ts_comm *group, ts_tensor *x, ts_tensor **y)
{
    return apply(tape, keep, &keep_op, group, x, y);
}

ts_status ts_op_group_copy(ts_tape *tape, ts_comm *group, ts_tensor *x, ts_tensor **y)
{
    if (is_alone(group, x, y))
        return TS_OK;
    TS_TRY(ts_tape_alias(tape, x, y));
    (*y)->wants_grad = false; /* unless recorded */
    return record(tape, &copy_op, group, x, *y);
}

ts_status ts_op_group_collect(ts_tape *tape, ts_comm *group, ts_tensor *x, ts_tensor **y)
{
    return apply(tape, ts_group_gather, &collect_op, group, x, y);
}
