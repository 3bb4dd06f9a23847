#include "ops/distill.h"

#include "ops/gemm.h"
#include "ops/unit_rows.h"

/* Rows of a tensor as one: of these bytes, held by whoever holds it. */
static ts_tensor rows_of(const ts_tensor *x, int64_t row, int64_t n)
{
    ts_tensor v = *x;
    const int64_t width = x->rank > 1 ? x->dim[1] : 1;
    v.offset += (size_t)(row * width) * ts_dtype_size(x->dtype);
    v.dim[0] = n;
    return v;
}

/* Two logits of a chunk take what one takes in ts_op_linear_xent. */
static int64_t chunk_of(const ts_distill_op *o, int64_t T)
{
    const ts_comm *group = o->student.group;
    const int64_t size = ts_group_shares(group) ? group->size : 1;
    const int64_t vocab = size > 1 ? (o->student.vocab + size - 1) / size : o->student.w->dim[0];
    return ts_xent_chunk(T, 2 * vocab);
}

/* Numbers of all columns from those of the columns here. */
static ts_status join(ts_tape *tape, ts_comm *group, void *x, int64_t n, ts_comm_type type, ts_comm_op op)
{
    return ts_group_shares(group) ? ts_group_run(tape, group, ts_all_reduce(x, n, type, op), n, n) : TS_OK;
}

static ts_cost cost_of(const ts_distill_args *a, double flops, double bytes)
{
    const double n = (double)a->rows * (double)a->cols;
    return (ts_cost){ flops * n, bytes * n, TS_DTYPE_F32 };
}

static ts_status losses(ts_tape *tape, ts_comm *group, ts_distill_args *a)
{
    ts_tensor *most, *sums;
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, 2 * a->rows, 0, &most));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F64, TS_DISTILL_SUMS * a->rows, 0, &sums));
    a->most = ts_tensor_data(most);
    a->sums = ts_tensor_data(sums);
    ts_launch_distill_most(tape->dev, a, a->rows, cost_of(a, 2, 8));
    TS_TRY(join(tape, group, a->most, 2 * a->rows, TS_COMM_F32, TS_COMM_MAX));
    ts_launch_distill_sums(tape->dev, a, a->rows, cost_of(a, 12, 8));
    TS_TRY(join(tape, group, a->sums, TS_DISTILL_SUMS * a->rows, TS_COMM_F64, TS_COMM_SUM));
    ts_launch_distill_finish(tape->dev, a, a->rows, cost_of(a, a->d ? 12 : 0, a->d ? 12 : 0));
    return TS_OK;
}

/* What of a call is of a chunk's rows; hard where it is asked for, weight and dx with gradients alone. */
typedef struct chunk {
    ts_tensor x, taught, labels, loss, hard, weight, dx;
    bool grads, has_hard, has_dx;
} chunk;

static ts_status gradients(ts_tape *tape, const ts_xent_op *o, const ts_unit_rows *unit, const chunk *c,
                           const ts_distill_args *a)
{
    const ts_dtype t = c->x.dtype;
    ts_unit_rows_times(unit, t, a->d, a->rows, a->ld_d);
    if (c->has_dx)
        TS_TRY(ts_gemm_input_grad(tape, o->w, t, a->d, a->ld_d, a->rows, ts_tensor_data(&c->dx)));
    TS_TRY(ts_param_need_grad(o->w));
    TS_TRY(ts_param_need_grad(o->b));
    if (o->w->grad)
        TS_TRY(ts_gemm_weight_grad(tape, o->w, t, a->d, a->ld_d, ts_tensor_data(&c->x), a->rows));
    if (o->b && o->b->grad)
        ts_bias_grad(tape, o->b, t, a->d, a->ld_d, a->rows);
    return TS_OK;
}

static ts_status run_chunk(ts_tape *tape, const ts_distill_op *o, const ts_unit_rows *unit, chunk *c)
{
    ts_tensor *s, *t;
    TS_TRY(ts_op_logits(tape, &o->student, &c->x, &s));
    TS_TRY(ts_op_logits(tape, &o->teacher, &c->taught, &t));
    ts_distill_args a = { .rows = c->x.dim[0], .cols = s->dim[1], .first = o->student.first,
                          .student = ts_tensor_data(s), .teacher = ts_tensor_data(t),
                          .labels = ts_tensor_data(&c->labels), .temperature = o->temperature, .kl = o->kl,
                          .ce = o->ce, .softcap = o->student.softcap, .logit_scale = o->student.logit_scale,
                          .loss = ts_tensor_data(&c->loss),
                          .hard = c->has_hard ? ts_tensor_data(&c->hard) : NULL, .d_dtype = c->x.dtype };
    if (c->grads) {
        a.weight = ts_tensor_data(&c->weight);
        a.d = ts_tensor_data(s);
        a.ld_d = a.cols * (int64_t)(sizeof(float) / ts_dtype_size(a.d_dtype));
    }
    TS_TRY(losses(tape, o->student.group, &a));
    return c->grads ? gradients(tape, &o->student, unit, c, &a) : TS_OK;
}

/* out: the losses, and what they are of the tokens alone or NULL. dx, weight: with gradients. */
static ts_status run_chunks(ts_tape *tape, const ts_distill_op *o, const ts_unit_rows *unit, const ts_tensor *x,
                            const ts_tensor *taught, ts_tensor *const out[2], const ts_tensor *weight, const ts_tensor *dx)
{
    const int64_t T = x->dim[0], most = chunk_of(o, T);
    for (int64_t row = 0; row < T; row += most) {
        const int64_t n = T - row < most ? T - row : most;
        chunk c = { .x = rows_of(x, row, n), .taught = rows_of(taught, row, n),
                    .labels = rows_of(o->student.labels, row, n), .loss = rows_of(out[0], row, n),
                    .grads = weight, .has_hard = out[1], .has_dx = dx };
        if (out[1])
            c.hard = rows_of(out[1], row, n);
        if (weight)
            c.weight = rows_of(weight, row, n);
        if (dx)
            c.dx = rows_of(dx, row, n);
        TS_TRY(ts_tape_push(tape));
        const ts_status st = run_chunk(tape, o, unit, &c);
        ts_tape_pop(tape, NULL);
        TS_TRY(st);
    }
    if (!dx || !ts_group_shares(o->student.group))
        return TS_OK;
    return ts_group_sum(tape, o->student.group, ts_tensor_data(dx), T * x->dim[1], x->dtype);
}

static ts_status run(ts_tape *tape, const ts_distill_op *o, const ts_tensor *x, const ts_tensor *taught,
                     ts_tensor *const out[2], const ts_tensor *weight, const ts_tensor *dx)
{
    ts_unit_rows unit;
    TS_TRY(ts_tape_push(tape));
    ts_status st = ts_unit_rows_begin(tape, &o->student, weight, &unit);
    if (st == TS_OK)
        st = run_chunks(tape, o, &unit, x, taught, out, weight, dx);
    if (st == TS_OK)
        ts_unit_rows_end(&unit);
    ts_tape_pop(tape, NULL);
    return st;
}

static ts_status distill_backward(ts_tape *tape, ts_record *r)
{
    const ts_distill_op *o = r->attr;
    ts_tensor *x = r->in[0], *dx = NULL;
    void *data;
    TS_TRY(ts_tape_need(tape, x, &data));
    if (x->wants_grad)
        TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], &dx));
    TS_TRY(run(tape, o, x, r->in[1], r->out, r->out[0]->grad, dx));
    return dx ? ts_tape_accumulate(tape, x, dx) : TS_OK;
}

static const ts_op distill_op = { .name = "linear_distill", .backward = distill_backward };

ts_status ts_op_linear_distill(ts_tape *tape, const ts_distill_op *o, ts_tensor *x, ts_tensor *taught,
                               ts_tensor **loss, ts_tensor **hard)
{
    const ts_param *w = o->student.w;
    ts_record *r;
    TS_ASSERT(x->dim[1] == w->dim[1] && x->dim[0] == taught->dim[0] && o->teacher.w->dim[0] == w->dim[0],
              "linear_distill: %lld rows for %lld, %s", (long long)taught->dim[0], (long long)x->dim[0], w->name);
    ts_tensor *out[2] = { 0 };
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, x->dim[0], 0, &out[0]));
    if (hard)
        TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, x->dim[0], 0, &out[1]));
    *loss = out[0];
    if (hard)
        *hard = out[1];
    if (!tape->recording || !(x->wants_grad || ts_param_has_grad(w)))
        return run(tape, o, x, taught, out, NULL, NULL);
    TS_TRY(ts_tape_record(tape, &distill_op, sizeof *o, &r));
    *(ts_distill_op *)r->attr = *o;
    r->in[0] = x;
    r->in[1] = taught;
    r->out[0] = out[0], r->out[1] = out[1];
    out[0]->wants_grad = true;
    ts_record_save(tape, r, x);
    ts_record_save(tape, r, taught);
    ts_record_save(tape, r, out[0]);
    if (hard)
        ts_record_save(tape, r, out[1]);
    TS_TRY(ts_record_param(tape, r, 0, o->student.w));
    return ts_record_param(tape, r, 1, o->student.b);
}
