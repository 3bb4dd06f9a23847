#include "ops/scan.h"

typedef struct gate_attr {
    ts_gate_op o;
    ts_tensor *rstd;
} gate_attr;

static ts_gate_args args_of(const gate_attr *n, const ts_tensor *x, const ts_tensor *z)
{
    const ts_gate_op *o = &n->o;
    return (ts_gate_args){ .cols = x->dim[1], .rows = x->dim[0], .group = o->group, .w_cols = o->w->dim[0],
                           .dtype = x->dtype, .kind = o->kind, .behind = o->behind, .eps = o->eps,
                           .offset = o->offset, .x = ts_tensor_data(x), .z = z ? ts_tensor_data(z) : NULL,
                           .w = ts_param_vector(o->w), .rstd = ts_tensor_data(n->rstd) };
}

static ts_cost cost_of(const ts_tensor *x, double work, double passes)
{
    const double n = (double)ts_tensor_count(x);
    return (ts_cost){ work * n, passes * n * (double)ts_dtype_size(x->dtype), x->dtype };
}

static ts_status gate_backward(ts_tape *tape, ts_record *r)
{
    const gate_attr *n = r->attr;
    ts_tensor *x = r->in[0], *z = r->in[1], *dx, *dz = NULL;
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], &dx));
    if (z)
        TS_TRY(ts_tape_new(tape, z->dtype, z->dim[0], z->dim[1], &dz));
    ts_gate_args a = args_of(n, x, z);
    a.dy = ts_tensor_data(r->out[0]->grad);
    a.dx = ts_tensor_data(dx);
    a.dz = dz ? ts_tensor_data(dz) : NULL;
    ts_launch_gate_bwd(tape->dev, &a, a.rows, cost_of(x, 40, 5));
    TS_TRY(ts_tape_accumulate(tape, x, dx));
    return ts_tape_accumulate(tape, z, dz);
}

static ts_status gate_weight(ts_tape *tape, ts_record *r)
{
    const gate_attr *n = r->attr;
    if (!ts_param_has_grad(n->o.w))
        return TS_OK;
    ts_gate_args a = args_of(n, r->in[0], r->in[1]);
    a.dy = ts_tensor_data(r->out[0]->grad);
    a.dw = n->o.w->grad;
    ts_launch_gate_dw(tape->dev, &a, a.w_cols, cost_of(r->in[0], 16, 3));
    return TS_OK;
}

/* The same statistics come out again; they are written over themselves. */
static ts_status gate_replay(ts_tape *tape, ts_record *r, int i)
{
    (void)i;
    ts_gate_args a = args_of(r->attr, r->in[0], r->in[1]);
    a.y = ts_tensor_data(r->out[0]);
    ts_launch_gate_fwd(tape->dev, &a, a.rows, cost_of(r->in[0], 24, 3));
    return TS_OK;
}

static const ts_op gate_op = { .name = "gated norm", .backward = gate_backward, .weight = gate_weight,
                               .replay = gate_replay, .replayed = TS_REPLAY_NORM };

ts_status ts_op_gate(ts_tape *tape, const ts_gate_op *o, ts_tensor *x, ts_tensor *z, ts_tensor **y)
{
    gate_attr n = { .o = *o };
    const int64_t cols = x->dim[1], w = o->w->dim[0];
    TS_ASSERT(cols % o->group == 0 && (w == cols || w == o->group) &&
                  (!z || (z->dim[0] == x->dim[0] && z->dim[1] == cols && z->dtype == x->dtype)),
              "gated norm: %s for groups of %lld of rows of %lld", o->w->name, (long long)o->group,
              (long long)cols);
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, x->dim[0], cols / o->group, &n.rstd));
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], cols, y));
    TS_TRY(ts_param_need(o->w));
    ts_gate_args a = args_of(&n, x, z);
    a.y = ts_tensor_data(*y);
    ts_launch_gate_fwd(tape->dev, &a, a.rows, cost_of(x, 24, 3));
    if (!tape->recording || !(x->wants_grad || (z && z->wants_grad) || ts_param_has_grad(o->w)))
        return TS_OK;
    ts_record *r;
    TS_TRY(ts_tape_record(tape, &gate_op, sizeof n, &r));
    *(gate_attr *)r->attr = n;
    r->in[0] = x;
    r->in[1] = z;
    r->out[0] = *y;
    (*y)->wants_grad = true;
    (*y)->maker = r;
    ts_record_save(tape, r, x);
    if (z)
        ts_record_save(tape, r, z);
    ts_record_save(tape, r, n.rstd);
    return ts_record_param(tape, r, 0, o->w);
}
