#include "ops/groups.h"

#include "ops/gemm.h"

static ts_gemm_groups_args groups_of(const ts_sorted_rows *s)
{
    return (ts_gemm_groups_args){ .groups = s->experts, .rows = s->rows, .offsets = ts_tensor_data(s->offsets) };
}

/* Of all rows, with all matrices read once. */
static ts_cost product_cost(const ts_sorted_rows *s, int64_t out, int64_t in, ts_dtype dtype, ts_dtype c_dtype)
{
    ts_cost c = ts_gemm_cost(s->rows, out, in, dtype, c_dtype);
    c.bytes += (double)(s->experts - 1) * (double)out * (double)in * (double)ts_dtype_size(dtype);
    return c;
}

void ts_groups_multiply(ts_tape *tape, const ts_sorted_rows *s, const ts_form *w, const float *bias, ts_gemm_form form,
                        const ts_tensor *x, const ts_tensor *y)
{
    ts_gemm_groups_args g = groups_of(s);
    g.one = (ts_gemm_args){ .form = form, .n = y->dim[1], .k = x->dim[1], .dtype = x->dtype,
                            .a = ts_tensor_data(x), .b = w->data, .lda = x->dim[1], .ldb = w->ld,
                            .ldc = y->dim[1], .b_packed = w->packed, .b_wide = w->wide,
                            .c_dtype = y->dtype, .c = ts_tensor_data(y), .bias = bias };
    g.b_stride = w->stride;
    ts_cost cost = product_cost(s, y->dim[1], x->dim[1], x->dtype, y->dtype);
    if (w->wide)
        cost.bytes += (double)(s->experts * y->dim[1] * x->dim[1]) * (double)(sizeof(float) - ts_dtype_size(x->dtype));
    ts_launch_gemm_groups(tape->dev, &g, 0, cost);
}

void ts_groups_weight(ts_tape *tape, const ts_sorted_rows *s, const ts_tensor *x, const void *data, const ts_tensor *dy,
                      float *grad, bool adds)
{
    ts_gemm_groups_args g = groups_of(s);
    g.one = (ts_gemm_args){ .form = TS_GEMM_TN, .m = dy->dim[1], .n = x->dim[1], .dtype = x->dtype,
                            .a = ts_tensor_data(dy), .b = data, .lda = dy->dim[1], .ldb = x->dim[1],
                            .ldc = x->dim[1], .c_dtype = TS_DTYPE_F32, .c = grad, .accumulate = adds };
    g.c_stride = (size_t)(dy->dim[1] * x->dim[1]) * sizeof(float);
    ts_cost c = product_cost(s, dy->dim[1], x->dim[1], x->dtype, x->dtype);
    c.bytes += (double)s->experts * (double)g.c_stride;
    ts_launch_gemm_groups(tape->dev, &g, 0, c);
}

void ts_groups_bias(ts_tape *tape, const ts_sorted_rows *s, const ts_tensor *dy, float *grad)
{
    const ts_col_sum_args a = { .cols = dy->dim[1], .ld = dy->dim[1], .dtype = dy->dtype, .dy = ts_tensor_data(dy),
                                .db = grad, .groups = s->experts, .offsets = ts_tensor_data(s->offsets) };
    const double v = (double)s->rows * (double)a.cols, b = (double)(s->experts * a.cols);
    ts_launch_col_sum(tape->dev, &a, a.cols, (ts_cost){ v, v * (double)ts_dtype_size(dy->dtype) + 8 * b, dy->dtype });
}
