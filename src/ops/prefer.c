#include "ops/prefer.h"

static int64_t samples_of(const ts_prefer_op *o) { return o->form == TS_PREFER_KTO ? o->rows : o->rows / 2; }

static const void *data_of(const ts_tensor *t) { return t ? ts_tensor_data(t) : NULL; }

static ts_prefer_args args_of(const ts_prefer_op *o, const ts_tensor *x)
{
    return (ts_prefer_args){ .form = o->form, .width = x->dim[0] / o->rows, .samples = samples_of(o), .sign = o->sign,
                             .here = data_of(o->here), .count = data_of(o->count), .reference = data_of(o->reference), .tag = data_of(o->tag),
                             .averages = o->averages, .beta = o->beta, .smoothing = o->smoothing, .margin = o->margin,
                             .ftx = o->ftx, .kl = o->kl, .weight = { o->weight[0], o->weight[1] },
                             .factor = o->group ? (float)o->group->size : 1 };
}

static ts_cost cost_of(double n, double flops, double bytes) { return (ts_cost){ flops * n, bytes * n, TS_DTYPE_F32 }; }

ts_status ts_op_prefer_sums(ts_tape *tape, const ts_prefer_op *o, const ts_tensor *x, ts_tensor **sums)
{
    ts_prefer_args a = args_of(o, x);
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F64, o->rows, 0, sums));
    a.x = ts_tensor_data(x);
    a.sums = ts_tensor_data(*sums);
    ts_launch_prefer_sums(tape->dev, &a, o->rows, cost_of((double)x->dim[0], 1, 4));
    return ts_group_shares(o->group)
               ? ts_group_run(tape, o->group, ts_all_reduce(a.sums, o->rows, TS_COMM_F64, TS_COMM_SUM), o->rows, o->rows)
               : TS_OK;
}

/* The loss of a row is the same function of the sum on all processes, whose weights are the same: what each
 * token's part is worth is as often the weight as there are processes. */
static ts_status prefer_backward(ts_tape *tape, ts_record *r)
{
    const ts_prefer_op *o = r->attr;
    ts_tensor *x = r->in[0], *dx;
    ts_prefer_args a = args_of(o, x);
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, x->dim[0], x->rank > 1 ? x->dim[1] : 0, &dx));
    a.slope = ts_tensor_data(r->saved[0]);
    a.upstream = ts_tensor_data(r->out[0]->grad);
    a.dx = ts_tensor_data(dx);
    ts_launch_prefer_back(tape->dev, &a, o->rows, cost_of((double)x->dim[0], 0, 4));
    return ts_tape_accumulate(tape, x, dx);
}

static const ts_op prefer_op = { .name = "prefer", .backward = prefer_backward };

static ts_status record(ts_tape *tape, const ts_prefer_op *o, ts_tensor *x, ts_tensor *slope, ts_tensor *loss)
{
    ts_record *r;
    TS_TRY(ts_tape_record(tape, &prefer_op, sizeof *o, &r));
    *(ts_prefer_op *)r->attr = *o;
    r->in[0] = x;
    r->out[0] = loss;
    loss->wants_grad = true;
    ts_record_save(tape, r, slope);
    return TS_OK;
}

ts_status ts_op_prefer(ts_tape *tape, const ts_prefer_op *o, ts_tensor *x, ts_tensor **loss,
                       ts_tensor *told[TS_PREFER_TOLD])
{
    ts_tensor *sums, *slope, *all;
    ts_prefer_args a = args_of(o, x);
    TS_ASSERT(x->dim[0] % o->rows == 0 && (o->form == TS_PREFER_KTO || o->rows % 2 == 0), "prefer: %lld values of %lld rows",
              (long long)x->dim[0], (long long)o->rows);
    TS_ASSERT((o->form != TS_PREFER_KTO || o->tag) && (o->form != TS_PREFER_ODDS || o->averages), "prefer: form %d",
              (int)o->form);
    TS_TRY(ts_op_prefer_sums(tape, o, x, &sums));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, a.samples, 0, loss));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, o->rows, 0, &slope));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, TS_PREFER_TOLD * a.samples, 0, &all));
    a.sums = ts_tensor_data(sums);
    a.loss = ts_tensor_data(*loss);
    a.slope = ts_tensor_data(slope);
    a.told = ts_tensor_data(all);
    ts_launch_prefer_losses(tape->dev, &a, a.samples, cost_of((double)o->rows, 40, 32));
    for (int i = 0; i < TS_PREFER_TOLD; i++) {
        TS_TRY(ts_tape_alias(tape, all, &told[i]));
        told[i]->dim[0] = a.samples;
        told[i]->offset += (size_t)(i * a.samples) * sizeof(float);
    }
    return tape->recording && x->wants_grad ? record(tape, o, x, slope, *loss) : TS_OK;
}
