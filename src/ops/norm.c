#include "ops/ops.h"

typedef struct norm_attr {
    ts_norm_op o;
    ts_tensor *s, *rstd, *mean; /* s: what is normalised */
} norm_attr;

static ts_norm_args args_of(const ts_norm_op *o, const ts_tensor *t)
{
    return (ts_norm_args){ .cols = t->dim[1], .rows = t->dim[0], .dtype = t->dtype, .eps = o->eps,
                           .offset = o->offset, .w = ts_param_vector(o->w),
                           .b = ts_param_vector(o->b) };
}

static ts_cost cost_of(const ts_tensor *t, double passes)
{
    const double n = (double)ts_tensor_count(t);
    return (ts_cost){ 6 * n, passes * n * (double)ts_dtype_size(t->dtype), t->dtype };
}

static bool trains(const ts_norm_op *o) { return ts_param_has_grad(o->w) || ts_param_has_grad(o->b); }

static ts_status norm_backward(ts_tape *tape, ts_record *r)
{
    const norm_attr *n = r->attr;
    /* What reaches s by other ways joins in one rounding: also when s is the input itself, whose
     * gradient so far is then replaced by the whole. */
    ts_tensor *dx, *dsum = n->s->grad;
    const bool is_input = n->s == r->in[0];
    if (!n->s->wants_grad || (is_input && !r->out[1]->grad))
        return TS_OK;
    TS_TRY(ts_tape_new(tape, n->s->dtype, n->s->dim[0], n->s->dim[1], &dx));
    ts_norm_args a = args_of(&n->o, n->s);
    a.x = ts_tensor_data(n->s);
    a.rstd = ts_tensor_data(n->rstd);
    a.mean = n->mean ? ts_tensor_data(n->mean) : NULL;
    a.dsum = dsum ? ts_tensor_data(dsum) : NULL;
    a.dx = ts_tensor_data(dx);
    if (r->out[1]->grad) {
        a.dy = ts_tensor_data(r->out[1]->grad);
        if (n->o.layer)
            ts_launch_ln_bwd(tape->dev, &a, a.rows, cost_of(n->s, 4));
        else
            ts_launch_rms_bwd(tape->dev, &a, a.rows, cost_of(n->s, 4));
    } else {
        dx = dsum; /* the normed value went nowhere */
    }
    if (is_input && dsum) {
        ts_tensor_unpin(dsum);
        n->s->grad = NULL;
    }
    TS_TRY(ts_tape_accumulate(tape, r->in[0], dx));
    return ts_tape_accumulate(tape, r->in[1], dx);
}

static ts_status norm_weight(ts_tape *tape, ts_record *r)
{
    const norm_attr *n = r->attr;
    if (!r->out[1]->grad || !trains(&n->o))
        return TS_OK;
    ts_norm_args a = args_of(&n->o, n->s);
    a.x = ts_tensor_data(n->s);
    a.rstd = ts_tensor_data(n->rstd);
    a.mean = n->mean ? ts_tensor_data(n->mean) : NULL;
    a.dy = ts_tensor_data(r->out[1]->grad);
    a.dw = n->o.w->grad;
    a.db = n->o.b ? n->o.b->grad : NULL;
    if (n->o.layer)
        ts_launch_ln_dw(tape->dev, &a, a.cols, cost_of(n->s, 2));
    else
        ts_launch_rms_dw(tape->dev, &a, a.cols, cost_of(n->s, 2));
    return TS_OK;
}

static void launch_forward(ts_tape *tape, const norm_attr *n, ts_norm_args *a)
{
    const ts_cost c = cost_of(n->s, a->res ? 4 : 2);
    if (n->o.layer)
        ts_launch_ln_fwd(tape->dev, a, a->rows, c);
    else
        ts_launch_rms_fwd(tape->dev, a, a->rows, c);
}

/* The same statistics come out again; they are written over themselves. */
static ts_status norm_replay(ts_tape *tape, ts_record *r, int i)
{
    const norm_attr *n = r->attr;
    (void)i;
    ts_norm_args a = args_of(&n->o, n->s);
    a.x = ts_tensor_data(n->s);
    a.y = ts_tensor_data(r->out[1]);
    a.rstd = ts_tensor_data(n->rstd);
    a.mean = n->mean ? ts_tensor_data(n->mean) : NULL;
    launch_forward(tape, n, &a);
    return TS_OK;
}

static const ts_op norm_op = { .name = "norm", .backward = norm_backward, .weight = norm_weight,
                               .replay = norm_replay, .replayed = TS_REPLAY_NORM };

static ts_status record_norm(ts_tape *tape, const norm_attr *n, ts_tensor *x, ts_tensor *res,
                             ts_tensor *y)
{
    ts_record *r;
    TS_TRY(ts_tape_record(tape, &norm_op, sizeof *n, &r));
    *(norm_attr *)r->attr = *n;
    r->in[0] = x;
    r->in[1] = res;
    r->out[0] = res ? n->s : NULL;
    r->out[1] = y;
    n->s->wants_grad = x->wants_grad || (res && res->wants_grad);
    y->wants_grad = true;
    y->maker = n->o.is_kept ? NULL : r;
    ts_record_save(tape, r, n->s);
    ts_record_save(tape, r, n->rstd);
    if (n->mean)
        ts_record_save(tape, r, n->mean);
    TS_TRY(ts_record_param(tape, r, 0, n->o.w));
    TS_TRY(ts_record_param(tape, r, 1, n->o.b));
    return TS_OK;
}

ts_status ts_op_norm(ts_tape *tape, const ts_norm_op *o, ts_tensor *x, ts_tensor *res,
                     ts_tensor **sum, ts_tensor **y)
{
    norm_attr n = { .o = *o, .s = x };
    TS_ASSERT(!o->w || o->w->dim[0] == x->dim[1], "norm: %s for rows of %lld", o->w->name,
              (long long)x->dim[1]);
    TS_ASSERT(!res ||
                  (res->dim[0] == x->dim[0] && res->dim[1] == x->dim[1] && res->dtype == x->dtype),
              "norm: the residual has another shape");
    if (res)
        TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], &n.s));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, x->dim[0], 0, &n.rstd));
    if (o->layer)
        TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, x->dim[0], 0, &n.mean));
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], y));
    TS_TRY(ts_param_need(o->w));
    TS_TRY(ts_param_need(o->b));
    ts_norm_args a = args_of(o, x);
    a.x = ts_tensor_data(x);
    a.res = res ? ts_tensor_data(res) : NULL;
    a.sum = res ? ts_tensor_data(n.s) : NULL;
    a.rstd = ts_tensor_data(n.rstd);
    a.mean = n.mean ? ts_tensor_data(n.mean) : NULL;
    a.y = ts_tensor_data(*y);
    launch_forward(tape, &n, &a);
    if (sum)
        *sum = n.s;
    if (tape->recording && (x->wants_grad || (res && res->wants_grad) || trains(o)))
        return record_norm(tape, &n, x, res, *y);
    return TS_OK;
}
