#include "ops/gemm.h"
#include "ops/narrow.h"
#include "ops/ops.h"
#include "ops/parts.h"

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
    a->b = f.data, a->ldb = f.ld, a->b_packed = f.packed, a->b_wide = f.wide, a->b_nf4 = f.nf4;
    if (f.nf4) /* half a byte, and one for each 64 */
        cost.bytes += weights * (0.5 + 1.0 / 64 - size);
    if (f.wide)
        cost.bytes += weights * ((double)sizeof(float) - size);
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
    return w->narrow ? ts_narrow_forward(tape, w, &a) : multiply(tape, w, &a);
}

ts_status ts_gemm_input_grad(ts_tape *tape, ts_param *w, ts_dtype dtype, const void *dy,
                             int64_t ld, int64_t rows, void *dx)
{
    ts_gemm_args a = { .form = TS_GEMM_NN, .m = rows, .n = w->dim[1], .k = w->dim[0],
                       .dtype = dtype, .a = dy, .lda = ld, .c = dx, .ldc = w->dim[1],
                       .c_dtype = dtype };
    return w->narrow ? ts_narrow_input_grad(tape, w, &a) : multiply(tape, w, &a);
}

ts_status ts_gemm_weight_grad(ts_tape *tape, ts_param *w, ts_dtype dtype, const void *dy, int64_t ld,
                              const void *x, int64_t rows)
{
    ts_gemm_args a = { .form = TS_GEMM_TN, .m = w->dim[0], .n = w->dim[1], .k = rows,
                             .dtype = dtype, .a = dy, .lda = ld, .b = x, .ldb = w->dim[1],
                             .c = w->grad, .ldc = w->dim[1], .c_dtype = TS_DTYPE_F32,
                             .accumulate = !ts_param_grad_begin(w) };
    if (w->narrow && w->narrow->weight_grad)
        return ts_narrow_weight_grad(tape, w, &a);
    ts_launch_gemm(tape->dev, &a, 0, ts_gemm_cost(a.m, a.n, a.k, dtype, TS_DTYPE_F32));
    return TS_OK;
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

/* Some rows of a product: forward, or of the input's gradient. */
typedef struct product {
    ts_tape *tape;
    const ts_linear_op *o;
    bool is_backward;
    const ts_tensor *from; /* [T, ..]: what is multiplied, where it is all here */
    ts_tensor *to;         /* [T, ..] */
} product;

static char *row_of(const ts_tensor *x, int64_t row)
{
    return (char *)ts_tensor_data(x) + (size_t)(row * x->dim[1]) * ts_dtype_size(x->dtype);
}

static ts_status multiply_rows(void *ctx, const void *rows, int64_t row0, int64_t n)
{
    const product *p = ctx;
    const ts_linear_op *o = p->o;
    const void *from = rows ? rows : row_of(p->from, row0);
    const ts_dtype t = p->to->dtype;
    if (p->is_backward)
        return ts_gemm_input_grad(p->tape, o->w, t, from, o->w->dim[0], n, row_of(p->to, row0));
    return ts_gemm_forward(p->tape, o->w, o->elsewhere ? NULL : ts_param_vector(o->b), t, from, n, t,
                           row_of(p->to, row0), o->w->dim[0]);
}

/* A product of all rows of x, of which each process has its share: the group's rows together are *all. */
static ts_status multiply_gathered(const product *p, ts_comm *group, const ts_tensor *x,
                                   ts_tensor **all)
{
    product q = *p;
    TS_TRY(ts_tape_new(p->tape, x->dtype, x->dim[0] * group->size, x->dim[1], all));
    return ts_parts_gather(p->tape, group, p->o->gather_parts, x, *all, multiply_rows, &q);
}

/* *y: the sum over the group of a product of what is all here, or this process's rows of it. */
static ts_status multiply_summed(const product *p, ts_comm *group, bool scatters, ts_tensor **y)
{
    product q = *p;
    *y = p->to;
    if (!scatters)
        return ts_parts_sum(p->tape, group, p->o->sum_parts, p->to, multiply_rows, &q);
    TS_TRY(ts_tape_new(p->tape, p->to->dtype, ts_group_share(group, p->to), p->to->dim[1], y));
    TS_TRY(ts_parts_scatter(p->tape, group, p->o->sum_parts, p->to, *y, multiply_rows, &q));
    ts_tape_drop(p->tape, p->to);
    return TS_OK;
}

static ts_status multiply_all(const product *p)
{
    product q = *p;
    return multiply_rows(&q, NULL, 0, p->to->dim[0]);
}

/* Gradients of the rows that are multiplied: kept for the weight's half where they had to be gathered. */
static ts_status backward_of_sum(const product *p, ts_record *r, const ts_tensor *dy)
{
    ts_tensor *all;
    if (!p->o->scatters)
        return multiply_all(p);
    TS_TRY(multiply_gathered(p, p->o->sums, dy, &all));
    r->kept = r->n_saved;
    ts_record_save(p->tape, r, all);
    return TS_OK;
}

static ts_status linear_backward(ts_tape *tape, ts_record *r)
{
    const ts_linear_op *o = r->attr;
    const ts_tensor *dy = r->out[0]->grad;
    const int64_t rows = dy->dim[0] * (o->scatters ? o->sums->size : 1);
    ts_tensor *x = r->in[0], *dx;
    product p = { .tape = tape, .o = o, .is_backward = true, .from = dy };
    if (!x->wants_grad)
        return TS_OK;
    TS_TRY(ts_tape_new(tape, x->dtype, rows, x->dim[1], &dx));
    p.to = dx;
    TS_TRY(o->group ? multiply_summed(&p, o->group, o->gathers, &dx) : backward_of_sum(&p, r, dy));
    return ts_tape_accumulate(tape, x, dx);
}

static ts_status all_gradients(ts_tape *tape, const ts_record *r, ts_tensor **dy)
{
    const ts_linear_op *o = r->attr;
    *dy = r->out[0]->grad;
    if (!o->scatters)
        return TS_OK;
    if (!r->in[0]->wants_grad)
        return ts_group_gather(tape, o->sums, *dy, dy);
    *dy = r->saved[r->kept];
    return TS_OK;
}

static ts_status linear_weight(ts_tape *tape, ts_record *r)
{
    const ts_linear_op *o = r->attr;
    ts_tensor *x = r->in[0], *all, *dy;
    void *data;
    TS_TRY(all_gradients(tape, r, &dy));
    if (ts_param_has_grad(o->w)) {
        TS_TRY(ts_tape_need(tape, x, &data));
        all = x;
        if (o->gathers)
            TS_TRY(ts_group_gather(tape, o->group, x, &all));
        TS_TRY(ts_gemm_weight_grad(tape, o->w, x->dtype, ts_tensor_data(dy), o->w->dim[0],
                                   ts_tensor_data(all), dy->dim[0]));
    }
    if (ts_param_has_grad(o->b))
        ts_bias_grad(tape, o->b, x->dtype, ts_tensor_data(dy), o->b->dim[0], dy->dim[0]);
    return TS_OK;
}

static const ts_op linear_op = { .name = "linear", .backward = linear_backward,
                                 .weight = linear_weight };

static ts_status record(ts_tape *tape, const ts_linear_op *o, ts_tensor *x, ts_tensor *y)
{
    const bool trains = ts_param_has_grad(o->w) || ts_param_has_grad(o->b);
    ts_record *r;
    if (!tape->recording || !(x->wants_grad || trains))
        return TS_OK;
    TS_TRY(ts_tape_record(tape, &linear_op, sizeof *o, &r));
    *(ts_linear_op *)r->attr = *o;
    r->in[0] = x;
    r->out[0] = y;
    y->wants_grad = true;
    if (ts_param_has_grad(o->w))
        ts_record_save(tape, r, x);
    TS_TRY(ts_record_param(tape, r, 0, o->w));
    return ts_record_param(tape, r, 1, o->b);
}

static ts_status forward(ts_tape *tape, const ts_linear_op *o, ts_tensor *x, ts_tensor **y)
{
    const int64_t rows = x->dim[0] * (o->gathers ? o->group->size : 1);
    product p = { .tape = tape, .o = o, .from = x };
    ts_tensor *all;
    TS_TRY(ts_tape_new(tape, x->dtype, rows, o->w->dim[0], y));
    p.to = *y;
    if (o->sums)
        return multiply_summed(&p, o->sums, o->scatters, y);
    if (!o->gathers)
        return multiply_all(&p);
    TS_TRY(multiply_gathered(&p, o->group, x, &all));
    ts_tape_drop(tape, all);
    return TS_OK;
}

ts_status ts_op_linear_of(ts_tape *tape, const ts_linear_op *o, ts_tensor *x, ts_tensor **y)
{
    char text[96];
    void *data;
    TS_ASSERT(x->dim[1] == o->w->dim[1], "linear: %s times %s [%lld, %lld]", ts_tensor_text(x, text),
              o->w->name, (long long)o->w->dim[0], (long long)o->w->dim[1]);
    TS_ASSERT(!o->sums || !o->group, "linear: %s is cut both ways", o->w->name);
    TS_TRY(ts_tape_need(tape, x, &data));
    TS_TRY(ts_param_need(o->b));
    TS_TRY(forward(tape, o, x, y));
    return record(tape, o, x, *y);
}

ts_status ts_op_linear(ts_tape *tape, ts_tensor *x, ts_param *w, ts_param *b, ts_tensor **y)
{
    return ts_op_linear_of(tape, &(ts_linear_op){ .w = w, .b = b }, x, y);
}
