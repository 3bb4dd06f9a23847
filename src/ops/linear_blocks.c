#include "ops/gemm.h"
#include "ops/ops.h"

static char *at(const ts_tensor *t, int64_t column)
{
    return (char *)ts_tensor_data(t) + (size_t)column * ts_dtype_size(t->dtype);
}

/* The costs of all groups' products. */
static ts_cost cost_of(const ts_param *w, int64_t rows, int64_t n, int64_t k, ts_dtype dtype, ts_dtype c_dtype)
{
    ts_cost c = ts_gemm_cost(rows, n, k, dtype, c_dtype);
    c.flops *= (double)w->matrices, c.bytes *= (double)w->matrices;
    return c;
}

/* y = x W^T (NT), or x W (NN), group by group. */
static ts_status multiply(ts_tape *tape, ts_param *w, ts_gemm_form form, const ts_tensor *x, const ts_tensor *y)
{
    const int64_t groups = w->matrices, n = y->dim[1] / groups, k = x->dim[1] / groups;
    ts_form f;
    TS_TRY(ts_param_form(w, form, x->dtype, &f));
    const ts_gemm_groups_args g = {
        .one = { .form = form, .n = n, .k = k, .dtype = x->dtype, .a = at(x, 0), .b = f.data, .lda = x->dim[1], .ldb = f.ld,
                 .ldc = y->dim[1], .b_packed = f.packed, .b_wide = f.wide, .c_dtype = y->dtype, .c = at(y, 0) },
        .groups = groups, .rows = x->dim[0], .a_stride = (size_t)k * ts_dtype_size(x->dtype), .b_stride = f.stride,
        .c_stride = (size_t)n * ts_dtype_size(y->dtype)
    };
    ts_launch_gemm_groups(tape->dev, &g, 0, cost_of(w, g.rows, n, k, x->dtype, y->dtype));
    return TS_OK;
}

static ts_status blocks_backward(ts_tape *tape, ts_record *r)
{
    ts_tensor *x = r->in[0], *dx;
    if (!x->wants_grad)
        return TS_OK;
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], &dx));
    TS_TRY(multiply(tape, r->param[0], TS_GEMM_NN, r->out[0]->grad, dx));
    return ts_tape_accumulate(tape, x, dx);
}

static ts_status blocks_weight(ts_tape *tape, ts_record *r)
{
    ts_param *w = r->param[0];
    const ts_tensor *x = r->in[0], *dy = r->out[0]->grad;
    const int64_t groups = w->matrices, out = dy->dim[1] / groups, in = x->dim[1] / groups;
    if (!ts_param_has_grad(w))
        return TS_OK;
    const bool adds = !ts_param_grad_begin(w);
    for (int64_t g = 0; g < groups; g++) {
        const ts_gemm_args a = { .form = TS_GEMM_TN, .m = out, .n = in, .k = x->dim[0], .dtype = x->dtype,
                                 .a = at(dy, g * out), .b = at(x, g * in), .lda = dy->dim[1], .ldb = x->dim[1], .ldc = in,
                                 .c_dtype = TS_DTYPE_F32, .c = w->grad + g * out * in, .accumulate = adds };
        ts_launch_gemm(tape->dev, &a, 0, ts_gemm_cost(out, in, x->dim[0], x->dtype, TS_DTYPE_F32));
    }
    return TS_OK;
}

static const ts_op blocks_op = { .name = "linear_blocks", .backward = blocks_backward, .weight = blocks_weight };

ts_status ts_op_linear_blocks(ts_tape *tape, ts_tensor *x, ts_param *w, ts_tensor **y)
{
    ts_record *r;
    TS_ASSERT(x->dim[1] == w->matrices * w->dim[1], "linear blocks: rows of %lld for %s", (long long)x->dim[1], w->name);
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], w->dim[0], y));
    TS_TRY(multiply(tape, w, TS_GEMM_NT, x, *y));
    if (!tape->recording || !(x->wants_grad || ts_param_has_grad(w)))
        return TS_OK;
    TS_TRY(ts_tape_record(tape, &blocks_op, 1, &r));
    r->in[0] = x, r->out[0] = *y;
    (*y)->wants_grad = true;
    if (ts_param_has_grad(w))
        ts_record_save(tape, r, x);
    return ts_record_param(tape, r, 0, w);
}
