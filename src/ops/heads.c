#include "ops/heads.h"

#include "ops/gemm.h"

static ts_cost cost_of(const ts_tensor *t, double flops, double passes)
{
    const double n = (double)ts_tensor_count(t);
    return (ts_cost){ flops * n, passes * n * (double)ts_dtype_size(t->dtype), t->dtype };
}

/* y: rows of x, in blocks of `ins`, by their weights; turned, of each row of x as many as weights. */
static void mix(ts_tape *tape, const ts_tensor *x, const ts_tensor *weights, int64_t n, const ts_tensor *y)
{
    const ts_mix_args a = { .cols = x->dim[1], .ins = x->dim[0] / n, .outs = y->dim[0] / n, .dtype = x->dtype,
                            .x = ts_tensor_data(x), .m = ts_tensor_data(weights), .y = ts_tensor_data(y) };
    ts_launch_mix(tape->dev, &a, n, cost_of(a.ins > a.outs ? x : y, 2, 1));
}

/* ---- pool ---- */

typedef struct pool_attr {
    int64_t n;
    float times;
} pool_attr;

/* What a process has of the rows is worth as often its weight as there are processes, each of which makes the whole
 * gradient of the vector for its share of the loss. */
static ts_status pool_backward(ts_tape *tape, ts_record *r)
{
    const pool_attr *p = r->attr;
    ts_tensor *x = r->in[0], *w = r->saved[0], *times, *dx;
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, w->dim[0], 0, &times));
    const ts_elementwise_args a = { .x_dtype = TS_DTYPE_F32, .z_dtype = TS_DTYPE_F32, .y_dtype = TS_DTYPE_F32,
                                    .x = ts_tensor_data(w), .z = ts_tensor_data(w), .y = ts_tensor_data(times),
                                    .alpha = p->times };
    ts_launch_add(tape->dev, &a, w->dim[0], cost_of(w, 1, 2));
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], &dx));
    mix(tape, r->out[0]->grad, times, p->n, dx);
    return ts_tape_accumulate(tape, x, dx);
}

static const ts_op pool_op = { .name = "pool", .backward = pool_backward };

ts_status ts_op_pool(ts_tape *tape, ts_tensor *x, const ts_tensor *weights, int64_t n, ts_comm *group, ts_tensor **y)
{
    ts_tensor *own;
    ts_record *r;
    TS_ASSERT(x->dim[0] % n == 0 && weights->dim[0] == x->dim[0], "pool: %lld rows of %lld texts, %lld weights",
              (long long)x->dim[0], (long long)n, (long long)weights->dim[0]);
    TS_TRY(ts_tape_new(tape, x->dtype, n, x->dim[1], &own));
    mix(tape, x, weights, n, own);
    if (tape->recording && x->wants_grad) {
        TS_TRY(ts_tape_record(tape, &pool_op, sizeof(pool_attr), &r));
        *(pool_attr *)r->attr = (pool_attr){ n, ts_group_shares(group) ? (float)group->size : 1 };
        r->in[0] = x, r->out[0] = own;
        own->wants_grad = true;
        ts_record_save(tape, r, (ts_tensor *)(uintptr_t)weights);
    }
    return ts_op_group_sum(tape, group, own, y);
}

/* ---- direct ---- */

typedef struct direct_attr {
    int64_t cols;
    bool unit;
} direct_attr;

static ts_direct_args direct_args(const direct_attr *d, const ts_tensor *x)
{
    return (ts_direct_args){ .cols = d->cols, .width = x->dim[1], .unit = d->unit, .x = ts_tensor_data(x) };
}

static ts_status direct_backward(ts_tape *tape, ts_record *r)
{
    ts_tensor *x = r->in[0], *dx;
    ts_direct_args a = direct_args(r->attr, x);
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, x->dim[0], x->dim[1], &dx));
    a.dy = ts_tensor_data(r->out[0]->grad);
    a.dx = ts_tensor_data(dx);
    ts_launch_direct_bwd(tape->dev, &a, x->dim[0], cost_of(x, 8, 3));
    return ts_tape_accumulate(tape, x, dx);
}

static const ts_op direct_op = { .name = "direct", .backward = direct_backward };

ts_status ts_op_direct(ts_tape *tape, ts_tensor *x, int64_t cols, bool unit, ts_tensor **y)
{
    const direct_attr d = { cols, unit };
    ts_direct_args a = direct_args(&d, x);
    ts_record *r;
    TS_ASSERT(x->dtype == TS_DTYPE_F32 && cols > 0 && cols <= x->dim[1], "direct: %lld of %lld columns", (long long)cols,
              (long long)x->dim[1]);
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, x->dim[0], cols, y));
    a.y = ts_tensor_data(*y);
    ts_launch_direct_fwd(tape->dev, &a, x->dim[0], cost_of(x, 3, 2));
    if (!tape->recording || !x->wants_grad)
        return TS_OK;
    TS_TRY(ts_tape_record(tape, &direct_op, sizeof d, &r));
    *(direct_attr *)r->attr = d;
    r->in[0] = x, r->out[0] = *y;
    (*y)->wants_grad = true;
    ts_record_save(tape, r, x);
    return TS_OK;
}

/* ---- dots ---- */

/* c [m, n], rows one behind the other. */
static void multiply(ts_tape *tape, ts_gemm_form form, int64_t m, int64_t n, int64_t k, const ts_tensor *a, const ts_tensor *b,
                     const ts_tensor *c)
{
    const ts_gemm_args g = { .form = form, .m = m, .n = n, .k = k, .dtype = TS_DTYPE_F32, .a = ts_tensor_data(a),
                             .b = ts_tensor_data(b), .lda = a->dim[1], .ldb = b->dim[1], .ldc = c->dim[1],
                             .c_dtype = TS_DTYPE_F32, .c = ts_tensor_data(c) };
    ts_launch_gemm(tape->dev, &g, m, ts_gemm_cost(m, n, k, TS_DTYPE_F32, TS_DTYPE_F32));
}

static ts_status dots_backward(ts_tape *tape, ts_record *r)
{
    ts_tensor *a = r->in[0], *b = r->in[1], *dz = r->out[0]->grad, *d;
    const int64_t A = a->dim[0], B = b->dim[0], D = a->dim[1];
    if (a->wants_grad) {
        TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, A, D, &d));
        multiply(tape, TS_GEMM_NN, A, D, B, dz, b, d);
        TS_TRY(ts_tape_accumulate(tape, a, d));
    }
    if (!b->wants_grad)
        return TS_OK;
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, B, D, &d));
    multiply(tape, TS_GEMM_TN, B, D, A, dz, a, d);
    return ts_tape_accumulate(tape, b, d);
}

static const ts_op dots_op = { .name = "dots", .backward = dots_backward };

ts_status ts_op_dots(ts_tape *tape, ts_tensor *a, ts_tensor *b, ts_tensor **z)
{
    ts_record *r;
    TS_ASSERT(a->dtype == TS_DTYPE_F32 && b->dtype == TS_DTYPE_F32 && a->dim[1] == b->dim[1], "dots: rows of %lld and of %lld",
              (long long)a->dim[1], (long long)b->dim[1]);
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, a->dim[0], b->dim[0], z));
    multiply(tape, TS_GEMM_NT, a->dim[0], b->dim[0], a->dim[1], a, b, *z);
    if (!tape->recording || !(a->wants_grad || b->wants_grad))
        return TS_OK;
    TS_TRY(ts_tape_record(tape, &dots_op, 0, &r));
    r->in[0] = a, r->in[1] = b, r->out[0] = *z;
    (*z)->wants_grad = true;
    ts_record_save(tape, r, a);
    ts_record_save(tape, r, b);
    return TS_OK;
}

/* ---- told ---- */

static ts_status told_backward(ts_tape *tape, ts_record *r)
{
    ts_tensor *z = r->in[0], *slope = r->saved[0], *dz;
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, z->dim[0], z->rank > 1 ? z->dim[1] : 0, &dz));
    const ts_mix_args a = { .cols = slope->dim[1], .ins = 1, .outs = 1, .dtype = TS_DTYPE_F32, .x = ts_tensor_data(slope),
                            .m = ts_tensor_data(r->out[0]->grad), .y = ts_tensor_data(dz) };
    ts_launch_mix(tape->dev, &a, slope->dim[0], cost_of(slope, 1, 2));
    return ts_tape_accumulate(tape, z, dz);
}

static const ts_op told_op = { .name = "told", .backward = told_backward };

ts_status ts_op_told(ts_tape *tape, ts_told_form form, double scale, ts_tensor *z, int64_t cols, const ts_tensor *t,
                     ts_tensor **loss, ts_tensor **hit)
{
    const int64_t n = ts_tensor_count(z) / cols;
    ts_tensor *slope;
    ts_record *r;
    TS_ASSERT(z->dtype == TS_DTYPE_F32 && n * cols == ts_tensor_count(z) &&
                  ts_tensor_count(t) == (ts_told_chooses(form) ? n : n * cols),
              "told: %lld numbers for %lld rows of %lld", (long long)ts_tensor_count(t), (long long)n, (long long)cols);
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, n, 0, loss));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, n, 0, hit));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, n, cols, &slope));
    const ts_told_args a = { .form = form, .cols = cols, .scale = scale, .z = ts_tensor_data(z), .t = ts_tensor_data(t),
                             .loss = ts_tensor_data(*loss), .hit = ts_tensor_data(*hit), .slope = ts_tensor_data(slope) };
    ts_launch_told_losses(tape->dev, &a, n, cost_of(z, 20, 2));
    if (!tape->recording || !z->wants_grad)
        return TS_OK;
    TS_TRY(ts_tape_record(tape, &told_op, 0, &r));
    r->in[0] = z, r->out[0] = *loss;
    (*loss)->wants_grad = true;
    ts_record_save(tape, r, slope);
    return TS_OK;
}
