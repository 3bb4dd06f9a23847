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

static ts_status linear_backward(ts_tape *tape, ts_record *r)
{
    ts_tensor *x = r->in[0], *dx;
    if (!x->wants_grad)
        return TS_OK;
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], &dx));
    TS_TRY(ts_gemm_input_grad(tape, r->param[0], x->dtype, ts_tensor_data(r->out[0]->grad),
                              r->param[0]->dim[0], x->dim[0], ts_tensor_data(dx)));
    return ts_tape_accumulate(tape, x, dx);
}

static ts_status linear_weight(ts_tape *tape, ts_record *r)
{
    ts_tensor *x = r->in[0];
    const void *dy = ts_tensor_data(r->out[0]->grad);
    if (r->param[0]->grad) {
        void *data;
        TS_TRY(ts_tape_need(tape, x, &data));
        ts_gemm_weight_grad(tape, r->param[0], x->dtype, dy, r->param[0]->dim[0], data, x->dim[0]);
    }
    if (r->param[1] && r->param[1]->grad)
        ts_bias_grad(tape, r->param[1], x->dtype, dy, r->param[1]->dim[0], x->dim[0]);
    return TS_OK;
}

static const ts_op linear_op = { .name = "linear", .backward = linear_backward,
                                 .weight = linear_weight };

ts_status ts_op_linear(ts_tape *tape, ts_tensor *x, ts_param *w, ts_param *b, ts_tensor **y)
{
    char text[96];
    TS_ASSERT(x->dim[1] == w->dim[1], "linear: %s times %s [%lld, %lld]", ts_tensor_text(x, text),
              w->name, (long long)w->dim[0], (long long)w->dim[1]);
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], w->dim[0], y));
    TS_TRY(ts_gemm_forward(tape, w, ts_param_vector(b), x->dtype, ts_tensor_data(x), x->dim[0],
                           x->dtype, ts_tensor_data(*y), w->dim[0]));
    const bool trains = w->grad || (b && b->grad);
    if (tape->recording && (x->wants_grad || trains)) {
        ts_record *r;
        TS_TRY(ts_tape_record(tape, &linear_op, 0, &r));
        r->in[0] = x;
        r->out[0] = *y;
        (*y)->wants_grad = true;
        if (w->grad)
            ts_record_save(tape, r, x);
        TS_TRY(ts_record_param(tape, r, 0, w));
        TS_TRY(ts_record_param(tape, r, 1, b));
    }
    return TS_OK;
}
