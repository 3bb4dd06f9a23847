#include "ops/lora.h"

#include "ops/gemm.h"
#include "ops/group.h"

int64_t ts_lora_rank(const ts_lora_op *o)
{
    int64_t n = 0;
    for (int i = 0; i < o->n; i++)
        n += o->part[i].a->dim[0];
    return n;
}

static char *element(const void *data, int64_t i, ts_dtype t) { return (char *)data + (size_t)i * ts_dtype_size(t); }

static ts_cost pass_over(int64_t n, ts_dtype x, ts_dtype y)
{
    return (ts_cost){ (double)n, (double)n * (double)(ts_dtype_size(x) + ts_dtype_size(y)), y };
}

static void multiply(ts_tape *tape, const ts_gemm_args *a)
{
    ts_launch_gemm(tape->dev, a, 0, ts_gemm_cost(a->m, a->n, a->k, a->dtype, a->c_dtype));
}

/* y = alpha x + beta y. */
static void add_to(ts_tape *tape, float alpha, const void *x, ts_dtype x_dtype, int64_t n, float beta, void *y, ts_dtype y_dtype)
{
    const ts_elementwise_args a = { .x_dtype = x_dtype, .z_dtype = beta != 0 ? y_dtype : x_dtype, .y_dtype = y_dtype, .x = x,
                                    .z = beta != 0 ? y : x, .y = y, .alpha = alpha, .beta = beta };
    ts_launch_add(tape->dev, &a, n, pass_over(n, x_dtype, y_dtype));
}

/* ---- the first product ---- */

/* The parts' matrices one below the other, scaled. */
static ts_status stack_down(ts_tape *tape, const ts_lora_op *o, ts_dtype dtype, ts_tensor **stack)
{
    int64_t row = 0;
    TS_TRY(ts_tape_new(tape, dtype, ts_lora_rank(o), o->part[0].a->dim[1], stack));
    for (int i = 0; i < o->n; i++) {
        const ts_param *a = o->part[i].a;
        TS_TRY(ts_param_need(a));
        add_to(tape, o->part[i].scale, a->value, a->dtype, ts_param_count(a), 0,
               element(ts_tensor_data(*stack), row * a->dim[1], dtype), dtype);
        row += a->dim[0];
    }
    return TS_OK;
}

static ts_status down_backward(ts_tape *tape, ts_record *r)
{
    const ts_lora_op *o = r->attr;
    const ts_tensor *dh = r->out[0]->grad;
    ts_tensor *x = r->in[0], *stack, *dx;
    if (!x->wants_grad)
        return TS_OK;
    TS_TRY(stack_down(tape, o, x->dtype, &stack));
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], &dx));
    multiply(tape, &(ts_gemm_args){ .form = TS_GEMM_NN, .m = x->dim[0], .n = x->dim[1], .k = dh->dim[1], .dtype = x->dtype,
                                    .a = ts_tensor_data(dh), .lda = dh->dim[1], .b = ts_tensor_data(stack),
                                    .ldb = x->dim[1], .c = ts_tensor_data(dx), .ldc = x->dim[1], .c_dtype = x->dtype });
    ts_tape_drop(tape, stack);
    return ts_tape_accumulate(tape, x, dx);
}

static bool trains_down(const ts_lora_op *o)
{
    for (int i = 0; i < o->n; i++)
        if (ts_param_has_grad(o->part[i].a))
            return true;
    return false;
}

static ts_status down_weight(ts_tape *tape, ts_record *r)
{
    const ts_lora_op *o = r->attr;
    const ts_tensor *dh = r->out[0]->grad;
    ts_tensor *x = r->in[0], *all;
    void *data;
    if (!trains_down(o))
        return TS_OK;
    TS_TRY(ts_tape_need(tape, x, &data));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, dh->dim[1], x->dim[1], &all));
    multiply(tape, &(ts_gemm_args){ .form = TS_GEMM_TN, .m = dh->dim[1], .n = x->dim[1], .k = x->dim[0], .dtype = x->dtype,
                                    .a = ts_tensor_data(dh), .lda = dh->dim[1], .b = data, .ldb = x->dim[1],
                                    .c = ts_tensor_data(all), .ldc = x->dim[1], .c_dtype = TS_DTYPE_F32 });
    int64_t row = 0;
    for (int i = 0; i < o->n; i++) {
        ts_param *a = o->part[i].a;
        const float *from = (const float *)ts_tensor_data(all) + row * a->dim[1];
        row += a->dim[0];
        if (!ts_param_has_grad(a))
            continue;
        TS_TRY(ts_param_need_grad(a));
        add_to(tape, o->part[i].scale, from, TS_DTYPE_F32, ts_param_count(a), ts_param_grad_begin(a) ? 0 : 1, a->grad,
               TS_DTYPE_F32);
    }
    ts_tape_drop(tape, all);
    return TS_OK;
}

static const ts_op down_op = { .name = "lora down", .backward = down_backward, .weight = down_weight };

ts_status ts_op_lora_down(ts_tape *tape, const ts_lora_op *o, ts_tensor *x, ts_tensor **h)
{
    ts_record *r;
    ts_tensor *stack;
    void *data;
    char text[96];
    TS_ASSERT(x->dim[1] == o->part[0].a->dim[1], "lora: %s times %s [%lld, %lld]", ts_tensor_text(x, text),
              o->part[0].a->name, (long long)o->part[0].a->dim[0], (long long)o->part[0].a->dim[1]);
    TS_TRY(ts_tape_need(tape, x, &data));
    TS_TRY(stack_down(tape, o, x->dtype, &stack));
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], stack->dim[0], h));
    multiply(tape, &(ts_gemm_args){ .form = TS_GEMM_NT, .m = x->dim[0], .n = stack->dim[0], .k = x->dim[1], .dtype = x->dtype,
                                    .a = data, .lda = x->dim[1], .b = ts_tensor_data(stack), .ldb = x->dim[1],
                                    .c = ts_tensor_data(*h), .ldc = stack->dim[0], .c_dtype = x->dtype });
    ts_tape_drop(tape, stack);
    if (!tape->recording || !(x->wants_grad || trains_down(o)))
        return TS_OK;
    TS_TRY(ts_tape_record(tape, &down_op, sizeof *o, &r));
    *(ts_lora_op *)r->attr = *o;
    r->in[0] = x;
    r->out[0] = *h;
    (*h)->wants_grad = true;
    if (trains_down(o))
        ts_record_save(tape, r, x);
    for (int i = 0; i < o->n; i++)
        TS_TRY(ts_record_param(tape, r, i, o->part[i].a));
    return TS_OK;
}

/* ---- the second product ---- */

/* Whether B is multiplied as it is. */
static bool is_plain(const ts_lora_op *o, int64_t out)
{
    return o->n == 1 && o->part[0].n_runs == 1 && o->part[0].run->n == out;
}

/* Between rows of the stack [out, rank] and of a part's matrix: into it, or from it, added. */
static void copy_runs(ts_tape *tape, const ts_lora_part *p, int64_t column, int64_t rank, ts_dtype dtype, void *stack,
                      void *part, bool gathers, bool adds)
{
    for (int64_t k = 0; k < p->n_runs; k++) {
        const ts_lora_run *run = &p->run[k];
        const int64_t r = p->b->dim[1];
        char *in_stack = element(stack, run->to * rank + column, dtype), *in_part = element(part, run->from * r, dtype);
        const ts_copy_cols_args a = { .cols = r, .x_row = gathers ? rank : r, .y_row = gathers ? r : rank, .dtype = dtype,
                                      .adds = adds, .x = gathers ? in_stack : in_part, .y = gathers ? in_part : in_stack };
        ts_launch_copy_cols(tape->dev, &a, run->n, pass_over(run->n * r, dtype, dtype));
    }
}

/* [out, rank] in the type that is multiplied in. */
static ts_status stack_up(ts_tape *tape, const ts_lora_op *o, int64_t out, ts_dtype dtype, ts_tensor **stack)
{
    const int64_t rank = ts_lora_rank(o);
    int64_t column = 0;
    const bool plain = is_plain(o, out);
    TS_TRY(ts_tape_new(tape, dtype, out, rank, stack));
    if (!plain)
        ts_launch_fill(tape->dev, &(ts_elementwise_args){ .y_dtype = dtype, .y = ts_tensor_data(*stack) }, out * rank,
                       pass_over(out * rank, dtype, dtype));
    for (int i = 0; i < o->n; i++) {
        const ts_param *b = o->part[i].b;
        ts_tensor *part = *stack;
        TS_TRY(ts_param_need(b));
        if (!plain)
            TS_TRY(ts_tape_new(tape, dtype, b->dim[0], b->dim[1], &part));
        ts_launch_copy(tape->dev,
                       &(ts_elementwise_args){ .x_dtype = b->dtype, .y_dtype = dtype, .x = b->value, .y = ts_tensor_data(part) },
                       ts_param_count(b), pass_over(ts_param_count(b), b->dtype, dtype));
        if (plain)
            break;
        copy_runs(tape, &o->part[i], column, rank, dtype, ts_tensor_data(*stack), ts_tensor_data(part), false, false);
        ts_tape_drop(tape, part);
        column += b->dim[1];
    }
    return TS_OK;
}

static ts_status up_backward(ts_tape *tape, ts_record *r)
{
    const ts_lora_op *o = r->attr;
    ts_tensor *y = r->in[0], *h = r->in[1], *dy = r->out[0]->grad, *stack, *dh;
    if (h->wants_grad) {
        TS_TRY(stack_up(tape, o, dy->dim[1], dy->dtype, &stack));
        TS_TRY(ts_tape_new(tape, dy->dtype, dy->dim[0], stack->dim[1], &dh));
        multiply(tape, &(ts_gemm_args){ .form = TS_GEMM_NN, .m = dy->dim[0], .n = stack->dim[1], .k = dy->dim[1],
                                        .dtype = dy->dtype, .a = ts_tensor_data(dy), .lda = dy->dim[1],
                                        .b = ts_tensor_data(stack), .ldb = stack->dim[1], .c = ts_tensor_data(dh),
                                        .ldc = stack->dim[1], .c_dtype = dy->dtype });
        ts_tape_drop(tape, stack);
        TS_TRY(ts_tape_accumulate(tape, h, dh));
    }
    return ts_tape_accumulate(tape, y, dy);
}

static bool trains_up(const ts_lora_op *o)
{
    for (int i = 0; i < o->n; i++)
        if (ts_param_has_grad(o->part[i].b))
            return true;
    return false;
}

/* The gradient of all that the stack holds, or of B where it is that. */
static void multiply_up(ts_tape *tape, const ts_tensor *dy, const ts_tensor *h, float *to, bool adds)
{
    multiply(tape, &(ts_gemm_args){ .form = TS_GEMM_TN, .m = dy->dim[1], .n = h->dim[1], .k = dy->dim[0], .dtype = h->dtype,
                                    .a = ts_tensor_data(dy), .lda = dy->dim[1], .b = ts_tensor_data(h), .ldb = h->dim[1],
                                    .c = to, .ldc = h->dim[1], .c_dtype = TS_DTYPE_F32, .accumulate = adds });
}

static ts_status up_weight(ts_tape *tape, ts_record *r)
{
    const ts_lora_op *o = r->attr;
    const ts_tensor *dy = r->out[0]->grad;
    ts_tensor *h = r->in[1], *all;
    int64_t column = 0;
    void *data;
    if (!trains_up(o))
        return TS_OK;
    TS_TRY(ts_tape_need(tape, h, &data));
    for (int i = 0; i < o->n; i++)
        if (ts_param_has_grad(o->part[i].b))
            TS_TRY(ts_param_need_grad(o->part[i].b));
    if (is_plain(o, dy->dim[1])) {
        multiply_up(tape, dy, h, o->part[0].b->grad, !ts_param_grad_begin(o->part[0].b));
        return TS_OK;
    }
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, dy->dim[1], h->dim[1], &all));
    multiply_up(tape, dy, h, ts_tensor_data(all), false);
    for (int i = 0; i < o->n; i++) {
        ts_param *b = o->part[i].b;
        if (ts_param_has_grad(b))
            copy_runs(tape, &o->part[i], column, h->dim[1], TS_DTYPE_F32, ts_tensor_data(all), b->grad, true,
                      !ts_param_grad_begin(b));
        column += b->dim[1];
    }
    ts_tape_drop(tape, all);
    return TS_OK;
}

static const ts_op up_op = { .name = "lora up", .backward = up_backward, .weight = up_weight };

ts_status ts_op_lora_up(ts_tape *tape, const ts_lora_op *o, ts_tensor *h, ts_tensor *y, ts_tensor **out)
{
    ts_record *r;
    ts_tensor *stack;
    void *data;
    TS_ASSERT(h->dim[0] == y->dim[0] && h->dim[1] == ts_lora_rank(o) && h->dtype == y->dtype,
              "lora: [%lld, %lld] for %lld rows and ranks of %lld", (long long)h->dim[0], (long long)h->dim[1],
              (long long)y->dim[0], (long long)ts_lora_rank(o));
    TS_TRY(ts_tape_need(tape, h, &data));
    TS_TRY(stack_up(tape, o, y->dim[1], y->dtype, &stack));
    TS_TRY(ts_tape_alias(tape, y, out));
    (*out)->wants_grad = false;
    multiply(tape, &(ts_gemm_args){ .form = TS_GEMM_NT, .m = y->dim[0], .n = y->dim[1], .k = h->dim[1], .dtype = y->dtype,
                                    .a = data, .lda = h->dim[1], .b = ts_tensor_data(stack), .ldb = h->dim[1],
                                    .c = ts_tensor_data(*out), .ldc = y->dim[1], .c_dtype = y->dtype,
                                    .add = ts_tensor_data(*out) });
    ts_tape_drop(tape, stack);
    if (!tape->recording || !(y->wants_grad || h->wants_grad || trains_up(o)))
        return TS_OK;
    TS_TRY(ts_tape_record(tape, &up_op, sizeof *o, &r));
    *(ts_lora_op *)r->attr = *o;
    r->in[0] = y;
    r->in[1] = h;
    r->out[0] = *out;
    (*out)->wants_grad = true;
    if (trains_up(o))
        ts_record_save(tape, r, h);
    for (int i = 0; i < o->n; i++)
        TS_TRY(ts_record_param(tape, r, i, o->part[i].b));
    return TS_OK;
}

/* ---- lengths ---- */

typedef struct lengthen_attr {
    ts_lora_op o;
    ts_tensor *scale, *factor; /* [out] 1 / |W_i + scale B_i A|, and f */
} lengthen_attr;

enum { AT_ONCE = 1 << 20 };

/* scale [rows] = 1 / |row| of w [rows, cols]. */
static void unit_scales(ts_tape *tape, const void *w, ts_dtype dtype, int64_t rows, int64_t cols, float *scale)
{
    const ts_unit_args a = { .rows = rows, .cols = cols, .w_dtype = dtype, .w = w, .scale = scale };
    ts_launch_unit_scales(tape->dev, &a, rows, pass_over(rows * cols, dtype, dtype));
}

/* Of one stretch of rows, some at a time: a is scale A, b is B. */
static ts_status scale_run(ts_tape *tape, const ts_param *w, const ts_lora_run *run, const ts_tensor *b, const void *a, float *scale)
{
    const int64_t in = w->dim[1], r = b->dim[1], step = AT_ONCE / in > 0 ? AT_ONCE / in : 1;
    const ts_dtype t = w->dtype;
    ts_tensor *sum;
    TS_TRY(ts_tape_new(tape, t, step < run->n ? step : run->n, in, &sum));
    for (int64_t i = 0; i < run->n; i += step) {
        const int64_t n = run->n - i < step ? run->n - i : step;
        void *rows = ts_tensor_data(sum);
        ts_launch_copy(tape->dev,
                       &(ts_elementwise_args){ .x_dtype = t, .y_dtype = t, .x = element(w->value, (run->to + i) * in, t), .y = rows },
                       n * in, pass_over(n * in, t, t));
        multiply(tape, &(ts_gemm_args){ .form = TS_GEMM_NN, .m = n, .n = in, .k = r, .dtype = t,
                                        .a = element(ts_tensor_data(b), (run->from + i) * r, t), .lda = r, .b = a, .ldb = in,
                                        .c = rows, .ldc = in, .c_dtype = t, .add = rows });
        unit_scales(tape, rows, t, n, in, scale + run->to + i);
    }
    ts_tape_drop(tape, sum);
    return TS_OK;
}

/* Each process has 1 / (the length of its columns of a row): with everyone's lengths as a row the length of all. */
static ts_status join_scales(ts_tape *tape, ts_comm *group, const ts_tensor *scale)
{
    const int64_t out = scale->dim[0];
    ts_tensor *own, *all, *rows;
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, 1, out, &own));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, group->size, out, &all));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, out, group->size, &rows));
    unit_scales(tape, ts_tensor_data(scale), TS_DTYPE_F32, out, 1, ts_tensor_data(own));
    TS_TRY(ts_group_gather_into(tape, group, own, all));
    ts_launch_swap_blocks(tape->dev,
                          &(ts_swap_blocks_args){ .a = group->size, .b = out, .bytes = sizeof(float), .x = ts_tensor_data(all),
                                                  .y = ts_tensor_data(rows) },
                          out * group->size, pass_over(out * group->size, TS_DTYPE_F32, TS_DTYPE_F32));
    unit_scales(tape, ts_tensor_data(rows), TS_DTYPE_F32, out, group->size, ts_tensor_data(scale));
    ts_tape_drop(tape, own);
    ts_tape_drop(tape, all);
    ts_tape_drop(tape, rows);
    return TS_OK;
}

static void fill(ts_tape *tape, const ts_tensor *x, float with)
{
    ts_launch_fill(tape->dev, &(ts_elementwise_args){ .y_dtype = x->dtype, .y = ts_tensor_data(x), .alpha = with },
                   ts_tensor_count(x), pass_over(ts_tensor_count(x), x->dtype, x->dtype));
}

static ts_status make_scales(ts_tape *tape, const ts_lora_op *o, const ts_param *w, ts_comm *sums, const ts_tensor *scale)
{
    ts_tensor *stack, *b;
    int64_t row = 0;
    fill(tape, scale, 1);
    TS_TRY(stack_down(tape, o, w->dtype, &stack));
    for (int i = 0; i < o->n; i++) {
        const ts_param *p = o->part[i].b;
        TS_TRY(ts_tape_new(tape, w->dtype, p->dim[0], p->dim[1], &b));
        ts_launch_copy(tape->dev,
                       &(ts_elementwise_args){ .x_dtype = p->dtype, .y_dtype = w->dtype, .x = p->value, .y = ts_tensor_data(b) },
                       ts_param_count(p), pass_over(ts_param_count(p), p->dtype, w->dtype));
        for (int64_t k = 0; k < o->part[i].n_runs; k++)
            TS_TRY(scale_run(tape, w, &o->part[i].run[k], b, element(ts_tensor_data(stack), row * w->dim[1], w->dtype),
                             ts_tensor_data(scale)));
        ts_tape_drop(tape, b);
        row += p->dim[1];
    }
    ts_tape_drop(tape, stack);
    return ts_group_shares(sums) ? join_scales(tape, sums, scale) : TS_OK;
}

/* y = x w by columns. */
static void weigh(ts_tape *tape, const void *x, ts_dtype dtype, int64_t rows, int64_t cols, const float *w, void *y)
{
    const ts_weigh_cols_args a = { .cols = cols, .rows = rows, .dtype = dtype, .x = x, .w = w, .y = y };
    ts_launch_weigh_cols(tape->dev, &a, rows, pass_over(rows * cols, dtype, dtype));
}

/* Columns without an adapter stay as they are. */
static ts_status make_factors(ts_tape *tape, const ts_lora_op *o, const lengthen_attr *n)
{
    float *factor = ts_tensor_data(n->factor);
    const float *scale = ts_tensor_data(n->scale);
    fill(tape, n->factor, 1);
    for (int i = 0; i < o->n; i++) {
        TS_TRY(ts_param_need(o->part[i].m));
        for (int64_t k = 0; k < o->part[i].n_runs; k++) {
            const ts_lora_run *run = &o->part[i].run[k];
            weigh(tape, ts_param_vector(o->part[i].m) + run->from, TS_DTYPE_F32, 1, run->n, scale + run->to, factor + run->to);
        }
    }
    return TS_OK;
}

static ts_status add_bias(ts_tape *tape, const ts_param *bias, const ts_tensor *y)
{
    const int64_t n = y->dim[1];
    ts_tensor *row;
    if (!bias)
        return TS_OK;
    TS_TRY(ts_tape_new(tape, y->dtype, n, 0, &row));
    ts_launch_copy(tape->dev, &(ts_elementwise_args){ .y_dtype = y->dtype, .x = ts_param_vector(bias), .y = ts_tensor_data(row) }, n,
                   pass_over(n, TS_DTYPE_F32, y->dtype));
    ts_launch_copy_cols(tape->dev,
                        &(ts_copy_cols_args){ .cols = n, .y_row = n, .dtype = y->dtype, .adds = true, .x = ts_tensor_data(row),
                                              .y = ts_tensor_data(y) },
                        y->dim[0], pass_over(ts_tensor_count(y), y->dtype, y->dtype));
    ts_tape_drop(tape, row);
    return TS_OK;
}

static ts_status lengthen_backward(ts_tape *tape, ts_record *r)
{
    const lengthen_attr *n = r->attr;
    const ts_tensor *dy = r->out[0]->grad;
    ts_tensor *dx;
    if (!r->in[0]->wants_grad)
        return TS_OK;
    TS_TRY(ts_tape_new(tape, dy->dtype, dy->dim[0], dy->dim[1], &dx));
    weigh(tape, ts_tensor_data(dy), dy->dtype, dy->dim[0], dy->dim[1], ts_tensor_data(n->factor), ts_tensor_data(dx));
    return ts_tape_accumulate(tape, r->in[0], dx);
}

static bool trains_lengths(const ts_lora_op *o)
{
    for (int i = 0; i < o->n; i++)
        if (ts_param_has_grad(o->part[i].m))
            return true;
    return false;
}

/* dw += dy x by columns, summed over rows. */
static void add_dots(ts_tape *tape, const void *x, const void *dy, ts_dtype dtype, int64_t rows, int64_t cols, float *dw)
{
    const ts_weigh_cols_args a = { .cols = cols, .rows = rows, .dtype = dtype, .x = x, .dy = dy, .dw = dw };
    ts_launch_weigh_cols_dw(tape->dev, &a, cols, pass_over(rows * cols, dtype, dtype));
}

static ts_status lengthen_weight(ts_tape *tape, ts_record *r)
{
    const lengthen_attr *n = r->attr;
    const ts_tensor *dy = r->out[0]->grad;
    ts_tensor *dots;
    void *x;
    if (!trains_lengths(&n->o))
        return TS_OK;
    TS_TRY(ts_tape_need(tape, r->in[0], &x));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, dy->dim[1], 0, &dots));
    fill(tape, dots, 0);
    float *dot = ts_tensor_data(dots);
    const float *scale = ts_tensor_data(n->scale);
    add_dots(tape, x, ts_tensor_data(dy), dy->dtype, dy->dim[0], dy->dim[1], dot);
    for (int i = 0; i < n->o.n; i++) {
        ts_param *m = n->o.part[i].m;
        if (!ts_param_has_grad(m))
            continue;
        TS_TRY(ts_param_need_grad(m));
        ts_param_grad_settle(m);
        for (int64_t k = 0; k < n->o.part[i].n_runs; k++) {
            const ts_lora_run *run = &n->o.part[i].run[k];
            add_dots(tape, scale + run->to, dot + run->to, TS_DTYPE_F32, 1, run->n, m->grad + run->from);
        }
    }
    ts_tape_drop(tape, dots);
    return TS_OK;
}

static const ts_op lengthen_op = { .name = "lora lengthen", .backward = lengthen_backward, .weight = lengthen_weight };

ts_status ts_op_lora_lengthen(ts_tape *tape, const ts_lora_op *o, const ts_param *w, const ts_param *bias, ts_comm *sums,
                              ts_tensor *y, ts_tensor **out)
{
    lengthen_attr n = { .o = *o };
    ts_record *r;
    TS_TRY(ts_param_need(w));
    TS_TRY(ts_param_need(bias));
    TS_ASSERT(w->held != TS_HELD_ONE && w->dtype == y->dtype, "lora: rows of %s are not there", w->name);
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, y->dim[1], 0, &n.scale));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, y->dim[1], 0, &n.factor));
    TS_TRY(make_scales(tape, o, w, sums, n.scale));
    TS_TRY(make_factors(tape, o, &n));
    TS_TRY(ts_tape_new(tape, y->dtype, y->dim[0], y->dim[1], out));
    weigh(tape, ts_tensor_data(y), y->dtype, y->dim[0], y->dim[1], ts_tensor_data(n.factor), ts_tensor_data(*out));
    TS_TRY(add_bias(tape, bias, *out));
    if (!tape->recording || !(y->wants_grad || trains_lengths(o)))
        return TS_OK;
    TS_TRY(ts_tape_record(tape, &lengthen_op, sizeof n, &r));
    *(lengthen_attr *)r->attr = n;
    r->in[0] = y;
    r->out[0] = *out;
    (*out)->wants_grad = true;
    ts_record_save(tape, r, n.scale);
    ts_record_save(tape, r, n.factor);
    if (trains_lengths(o))
        ts_record_save(tape, r, y);
    for (int i = 0; i < o->n; i++)
        TS_TRY(ts_record_param(tape, r, i, o->part[i].m));
    return TS_OK;
}
