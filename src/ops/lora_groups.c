/* Adapters of stacks of matrices: each expert's rows have a pair of matrices of their own. */
#include "ops/group.h"
#include "ops/lora.h"

typedef struct attr {
    ts_sorted_rows s;
    ts_lora_groups_op o;
} attr;

/* y = x times the matrices of w that s's experts have. */
static ts_status multiply(ts_tape *tape, const attr *n, ts_param *w, ts_gemm_form form, const ts_tensor *x, const ts_tensor *y)
{
    ts_form f;
    TS_TRY(ts_param_form(w, form, x->dtype, &f));
    f.data = (const char *)f.data + (size_t)n->o.first * f.stride;
    ts_groups_multiply(tape, &n->s, &f, NULL, form, x, y);
    return TS_OK;
}

static int64_t outer(const ts_param *w) { return w->dim[0] / w->matrices; }

/* x = x times the scale. */
static void scale_by(ts_tape *tape, float scale, const ts_tensor *x)
{
    const double n = (double)ts_tensor_count(x);
    const ts_elementwise_args a = { .x_dtype = x->dtype, .z_dtype = x->dtype, .y_dtype = x->dtype, .x = ts_tensor_data(x),
                                    .z = ts_tensor_data(x), .y = ts_tensor_data(x), .alpha = scale };
    ts_launch_add(tape->dev, &a, ts_tensor_count(x), (ts_cost){ n, 2 * n * (double)ts_dtype_size(x->dtype), x->dtype });
}

/* dh = scale dy B, of the rows of B that are here. */
static ts_status back_up(ts_tape *tape, const attr *n, const ts_tensor *dy, ts_tensor **dh)
{
    TS_TRY(ts_tape_new(tape, dy->dtype, dy->dim[0], n->o.b->dim[1], dh));
    TS_TRY(multiply(tape, n, n->o.b, TS_GEMM_NN, dy, *dh));
    scale_by(tape, n->o.scale, *dh);
    return TS_OK;
}

static ts_status backward(ts_tape *tape, ts_record *r)
{
    const attr *n = r->attr;
    ts_tensor *x = r->in[1], *dy = r->out[0]->grad, *dh, *dx;
    if (x->wants_grad) {
        TS_TRY(back_up(tape, n, dy, &dh));
        TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], &dx));
        TS_TRY(multiply(tape, n, n->o.a, TS_GEMM_NN, dh, dx));
        ts_tape_drop(tape, dh);
        TS_TRY(ts_tape_accumulate(tape, x, dx));
    }
    return ts_tape_accumulate(tape, r->in[0], dy);
}

static ts_status add_gradient(ts_tape *tape, const attr *n, ts_param *w, const ts_tensor *x, const void *data, const ts_tensor *dy)
{
    TS_TRY(ts_param_need_grad(w));
    if (n->s.experts < w->matrices) /* others write the rest */
        ts_param_grad_settle(w);
    ts_groups_weight(tape, &n->s, x, data, dy, w->grad + n->o.first * outer(w) * w->dim[1], !ts_param_grad_begin(w));
    return TS_OK;
}

/* Where the experts' columns are shared out, h (or its gradient) is the sum of what each process has of it: with the sum
 * each makes the same gradient of the matrix that all of them have. */
static ts_status sum_shares(ts_tape *tape, ts_comm *shares, const ts_tensor *x)
{
    return ts_group_shares(shares) ? ts_group_sum(tape, shares, ts_tensor_data(x), ts_tensor_count(x), x->dtype) : TS_OK;
}

static ts_status weight(ts_tape *tape, ts_record *r)
{
    const attr *n = r->attr;
    ts_tensor *x = r->in[1], *h = r->saved[0], *dy = r->out[0]->grad, *dh, *scaled;
    void *data;
    const bool trains_a = ts_param_has_grad(n->o.a), trains_b = ts_param_has_grad(n->o.b);
    if (trains_b) {
        TS_TRY(ts_tape_new(tape, h->dtype, h->dim[0], h->dim[1], &scaled));
        ts_launch_copy(tape->dev,
                       &(ts_elementwise_args){ .x_dtype = h->dtype, .y_dtype = h->dtype, .x = ts_tensor_data(h),
                                               .y = ts_tensor_data(scaled) },
                       ts_tensor_count(h), (ts_cost){ 0, 2 * (double)ts_tensor_bytes(h), h->dtype });
        scale_by(tape, n->o.scale, scaled);
        if (n->o.is_row)
            TS_TRY(sum_shares(tape, n->o.shares, scaled));
        TS_TRY(add_gradient(tape, n, n->o.b, scaled, ts_tensor_data(scaled), dy));
        ts_tape_drop(tape, scaled);
    }
    if (!trains_a)
        return TS_OK;
    TS_TRY(ts_tape_need(tape, x, &data));
    TS_TRY(back_up(tape, n, dy, &dh));
    if (!n->o.is_row)
        TS_TRY(sum_shares(tape, n->o.shares, dh));
    TS_TRY(add_gradient(tape, n, n->o.a, x, data, dh));
    ts_tape_drop(tape, dh);
    return TS_OK;
}

static const ts_op op = { .name = "lora groups", .backward = backward, .weight = weight };

static ts_status record(ts_tape *tape, const attr *n, ts_tensor *y, ts_tensor *x, ts_tensor *h, ts_tensor *out)
{
    const bool trains = ts_param_has_grad(n->o.a) || ts_param_has_grad(n->o.b);
    ts_record *r;
    if (!tape->recording || !(y->wants_grad || x->wants_grad || trains))
        return TS_OK;
    TS_TRY(ts_tape_record(tape, &op, sizeof *n, &r));
    *(attr *)r->attr = *n;
    r->in[0] = y;
    r->in[1] = x;
    r->out[0] = out;
    out->wants_grad = true;
    ts_record_save(tape, r, h);
    ts_record_save(tape, r, n->s.offsets);
    if (trains)
        ts_record_save(tape, r, x);
    TS_TRY(ts_record_param(tape, r, 0, n->o.a));
    return ts_record_param(tape, r, 1, n->o.b);
}

ts_status ts_op_lora_groups(ts_tape *tape, const ts_sorted_rows *s, const ts_lora_groups_op *o, ts_tensor *x, ts_tensor *y,
                            ts_tensor **out)
{
    const attr n = { .s = *s, .o = *o };
    const ts_dtype t = y->dtype;
    const int64_t count = ts_tensor_count(y);
    ts_tensor *h, *z;
    void *data;
    TS_ASSERT(x->dim[1] == o->a->dim[1] && y->dim[1] == outer(o->b) && outer(o->a) == o->b->dim[1] && x->dtype == t,
              "lora groups: rows of %lld and %lld for %s", (long long)x->dim[1], (long long)y->dim[1], o->a->name);
    TS_TRY(ts_param_need(o->a));
    TS_TRY(ts_param_need(o->b));
    TS_TRY(ts_tape_need(tape, x, &data));
    TS_TRY(ts_tape_new(tape, t, x->dim[0], o->b->dim[1], &h));
    TS_TRY(multiply(tape, &n, o->a, TS_GEMM_NT, x, h));
    TS_TRY(ts_tape_new(tape, t, y->dim[0], y->dim[1], &z));
    TS_TRY(multiply(tape, &n, o->b, TS_GEMM_NT, h, z));
    TS_TRY(ts_tape_alias(tape, y, out));
    (*out)->wants_grad = false;
    const ts_elementwise_args a = { .x_dtype = t, .z_dtype = t, .y_dtype = t, .x = ts_tensor_data(z), .z = ts_tensor_data(*out),
                                    .y = ts_tensor_data(*out), .alpha = o->scale, .beta = 1 };
    ts_launch_add(tape->dev, &a, count, (ts_cost){ 2 * (double)count, 3 * (double)ts_tensor_bytes(y), t });
    ts_tape_drop(tape, z);
    TS_TRY(record(tape, &n, y, x, h, *out));
    ts_tape_drop(tape, h);
    return TS_OK;
}
