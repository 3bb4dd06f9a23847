#include "ops/gemm.h"
#include "ops/ops.h"

ts_cost ts_gemm_cost(int64_t m, int64_t n, int64_t k, ts_dtype dtype, ts_dtype c_dtype)
{
    const double M = (double)m, N = (double)n, K = (double)k;
    return (ts_cost){ 2 * M * N * K, (M * K + N * K) * (double)ts_dtype_size(dtype) +
                      M * N * (double)ts_dtype_size(c_dtype), dtype };
}

/* A product with a packed or plain weight, in the integers of gemm_i8 where the weight says so. */
static ts_status multiply(ts_tape *tape, ts_param *w, ts_gemm_args *a)
{
    ts_form f;
    TS_TRY(ts_param_form(w, a->form, w->int8 ? TS_DTYPE_I8 : a->dtype, &f));
    ts_cost cost = ts_gemm_cost(a->m, a->n, a->k, a->dtype, a->c_dtype);
    const double weights = (double)ts_param_count(w), size = (double)ts_dtype_size(a->dtype);
    if (f.quant) {
        const ts_gemm_quant_args q = { .quant = f.quant, .m = a->m, .n = a->n, .k = a->k,
                                       .a_dtype = a->dtype, .c_dtype = a->c_dtype, .a = a->a,
                                       .b = f.data, .lda = a->lda, .ldc = a->ldc, .c = a->c,
                                       .bias = a->bias };
        cost.bytes += (double)ts_quant_bytes(f.quant, q.n, q.k) - weights * size;
        ts_launch_gemm_quant(tape->dev, &q, 0, cost);
        return TS_OK;
    }
    a->b = f.data, a->ldb = f.ld, a->b_packed = f.packed;
    if (w->int8) {
        cost.bytes -= weights * (size - 1), cost.dtype = TS_DTYPE_I8;
        ts_launch_gemm_i8(tape->dev, a, 0, cost);
    } else {
        ts_launch_gemm(tape->dev, a, 0, cost);
    }
    return TS_OK;
}

ts_status ts_gemm_forward(ts_tape *tape, ts_param *w, const float *bias, ts_dtype dtype,
                          const void *x, int64_t rows, ts_dtype c_dtype, void *c, int64_t ldc)
{
    ts_gemm_args a = { .form = TS_GEMM_NT, .m = rows, .n = w->dim[0], .k = w->dim[1],
                       .dtype = dtype, .a = x, .lda = w->dim[1], .c = c, .ldc = ldc,
                       .c_dtype = c_dtype, .bias = bias };
    return multiply(tape, w, &a);
}

ts_status ts_gemm_input_grad(ts_tape *tape, ts_param *w, ts_dtype dtype, const void *dy,
                             int64_t ld, int64_t rows, void *dx)
{
    ts_gemm_args a = { .form = TS_GEMM_NN, .m = rows, .n = w->dim[1], .k = w->dim[0],
                       .dtype = dtype, .a = dy, .lda = ld, .c = dx, .ldc = w->dim[1],
                       .c_dtype = dtype };
    return multiply(tape, w, &a);
}

void ts_gemm_weight_grad(ts_tape *tape, ts_param *w, ts_dtype dtype, const void *dy, int64_t ld,
                         const void *x, int64_t rows)
{
    const ts_gemm_args a = { .form = TS_GEMM_TN, .m = w->dim[0], .n = w->dim[1], .k = rows,
                             .dtype = dtype, .a = dy, .lda = ld, .b = x, .ldb = w->dim[1],
                             .c = w->grad, .ldc = w->dim[1], .c_dtype = TS_DTYPE_F32,
                             .accumulate = !ts_param_grad_begin(w) };
    ts_launch_gemm(tape->dev, &a, 0, ts_gemm_cost(a.m, a.n, a.k, dtype, TS_DTYPE_F32));
}

void ts_bias_grad(ts_tape *tape, const ts_param *b, ts_dtype dtype, const void *dy, int64_t ld,
                  int64_t rows)
{
    const ts_col_sum_args a = { .rows = rows, .cols = b->dim[0], .ld = ld, .dtype = dtype,
                                .dy = dy, .db = b->grad };
    const double n = (double)rows * (double)b->dim[0];
    ts_launch_col_sum(tape->dev, &a, a.cols,
                      (ts_cost){ n, n * (double)ts_dtype_size(dtype), dtype });
}

/* ---- the operator ---- */

/* All rows that are multiplied: x, or the group's rows together. */
static ts_status all_rows(ts_tape *tape, const ts_linear_op *o, ts_tensor *x, ts_tensor **all)
{
    void *data;
    TS_TRY(ts_tape_need(tape, x, &data));
    *all = x;
    return o->gathers ? ts_group_gather(tape, o->group, x, all) : TS_OK;
}

static ts_status linear_backward(ts_tape *tape, ts_record *r)
{
    const ts_linear_op *o = r->attr;
    const ts_tensor *dy = r->out[0]->grad;
    ts_tensor *x = r->in[0], *dx;
    if (!x->wants_grad)
        return TS_OK;
    TS_TRY(ts_tape_new(tape, x->dtype, dy->dim[0], x->dim[1], &dx));
    TS_TRY(ts_gemm_input_grad(tape, o->w, x->dtype, ts_tensor_data(dy), o->w->dim[0], dy->dim[0],
                              ts_tensor_data(dx)));
    if (o->gathers)
        TS_TRY(ts_group_scatter(tape, o->group, dx, &dx));
    else if (o->group)
        TS_TRY(ts_group_sum(tape, o->group, ts_tensor_data(dx), ts_tensor_count(dx), dx->dtype));
    return ts_tape_accumulate(tape, x, dx);
}

static ts_status linear_weight(ts_tape *tape, ts_record *r)
{
    const ts_linear_op *o = r->attr;
    ts_tensor *x = r->in[0], *all;
    const void *dy = ts_tensor_data(r->out[0]->grad);
    const int64_t n = r->out[0]->dim[0];
    if (o->w->grad) {
        TS_TRY(all_rows(tape, o, x, &all));
        ts_gemm_weight_grad(tape, o->w, x->dtype, dy, o->w->dim[0], ts_tensor_data(all), n);
    }
    if (o->b && o->b->grad)
        ts_bias_grad(tape, o->b, x->dtype, dy, o->b->dim[0], n);
    return TS_OK;
}

static const ts_op linear_op = { .name = "linear", .backward = linear_backward,
                                 .weight = linear_weight };

static ts_status record(ts_tape *tape, const ts_linear_op *o, ts_tensor *x, ts_tensor *y)
{
    const bool trains = o->w->grad || (o->b && o->b->grad);
    ts_record *r;
    if (!tape->recording || !(x->wants_grad || trains))
        return TS_OK;
    TS_TRY(ts_tape_record(tape, &linear_op, sizeof *o, &r));
    *(ts_linear_op *)r->attr = *o;
    r->in[0] = x;
    r->out[0] = y;
    y->wants_grad = true;
    if (o->w->grad)
        ts_record_save(tape, r, x);
    TS_TRY(ts_record_param(tape, r, 0, o->w));
    return ts_record_param(tape, r, 1, o->b);
}

ts_status ts_op_linear_of(ts_tape *tape, const ts_linear_op *o, ts_tensor *x, ts_tensor **y)
{
    char text[96];
    ts_tensor *all;
    TS_ASSERT(x->dim[1] == o->w->dim[1], "linear: %s times %s [%lld, %lld]", ts_tensor_text(x, text),
              o->w->name, (long long)o->w->dim[0], (long long)o->w->dim[1]);
    TS_TRY(all_rows(tape, o, x, &all));
    TS_TRY(ts_tape_new(tape, x->dtype, all->dim[0], o->w->dim[0], y));
    TS_TRY(ts_gemm_forward(tape, o->w, o->elsewhere ? NULL : ts_param_vector(o->b), x->dtype,
                           ts_tensor_data(all), all->dim[0], x->dtype, ts_tensor_data(*y),
                           o->w->dim[0]));
    if (all != x)
        ts_tape_drop(tape, all);
    return record(tape, o, x, *y);
}

ts_status ts_op_linear(ts_tape *tape, ts_tensor *x, ts_param *w, ts_param *b, ts_tensor **y)
{
    return ts_op_linear_of(tape, &(ts_linear_op){ .w = w, .b = b }, x, y);
}
