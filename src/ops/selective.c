#include "ops/scan.h"

static ts_selective_args args_of(const ts_selective_op *o, ts_tensor *const in[3])
{
    return (ts_selective_args){ .B = o->B, .S = o->S, .channels = o->channels, .N = o->N, .dtype = in[0]->dtype,
                                .x = ts_tensor_data(in[0]), .raw = ts_tensor_data(in[1]), .bc = ts_tensor_data(in[2]),
                                .A_log = ts_param_vector(o->A_log), .D = ts_param_vector(o->D),
                                .bias = ts_param_vector(o->dt_bias),
                                .first_key = o->first_key ? ts_tensor_data(o->first_key) : NULL };
}

/* Operations of each number of a state, for each row; an exponential function counts as TS_SELECTIVE_EXP. */
enum { TS_SELECTIVE_EXP = 10, FORWARD = TS_SELECTIVE_EXP + 6, BACKWARD = 2 * FORWARD + 14 };

static ts_cost cost_of(const ts_selective_op *o, const ts_tensor *x, double each, double tensors)
{
    return (ts_cost){ each * (double)(o->B * o->S) * (double)(o->channels * o->N), tensors * (double)ts_tensor_bytes(x),
                      TS_DTYPE_F32 };
}

static ts_status selective_backward(ts_tape *tape, ts_record *r)
{
    const ts_selective_op *o = r->attr;
    ts_tensor *d[3], *states, *parts, *sums;
    const int64_t rows = r->in[0]->dim[0], channels = o->channels, N = o->N;
    void *data;
    for (int i = 0; i < 3; i++) {
        TS_TRY(ts_tape_need(tape, r->in[i], &data));
        TS_TRY(ts_tape_new(tape, r->in[i]->dtype, rows, r->in[i]->dim[1], &d[i]));
    }
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, o->B * ts_selective_kept(o->S), N * channels, &states));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, ts_selective_blocks(channels) * rows, 2 * N, &parts));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, o->B, channels * (N + 2), &sums));
    ts_selective_args a = args_of(o, r->in);
    a.dy = ts_tensor_data(r->out[0]->grad);
    a.dx = ts_tensor_data(d[0]), a.draw = ts_tensor_data(d[1]), a.dbc = ts_tensor_data(d[2]);
    a.states = ts_tensor_data(states), a.parts = ts_tensor_data(parts), a.sums = ts_tensor_data(sums);
    ts_launch_selective_bwd(tape->dev, &a, 0, cost_of(o, r->in[0], BACKWARD, 8));
    const double n = (double)ts_tensor_count(parts);
    ts_launch_selective_join(tape->dev, &a, rows, (ts_cost){ n, 4 * n, TS_DTYPE_F32 });
    TS_TRY(ts_scan_give(tape, o->A_log, 0, sums, 0, channels * N));
    TS_TRY(ts_scan_give(tape, o->D, 0, sums, channels * N, channels));
    TS_TRY(ts_scan_give(tape, o->dt_bias, 0, sums, channels * (N + 1), channels));
    for (int i = 0; i < 3; i++)
        TS_TRY(ts_tape_accumulate(tape, r->in[i], d[i]));
    return TS_OK;
}

static const ts_op selective_op = { .name = "selective scan", .backward = selective_backward };

static ts_status record_selective(ts_tape *tape, const ts_selective_op *o, ts_tensor *const in[3], ts_tensor *y)
{
    ts_record *r;
    TS_TRY(ts_tape_record(tape, &selective_op, sizeof *o, &r));
    *(ts_selective_op *)r->attr = *o;
    for (int i = 0; i < 3; i++) {
        r->in[i] = in[i];
        ts_record_save(tape, r, in[i]);
    }
    r->out[0] = y;
    y->wants_grad = true;
    TS_TRY(ts_record_param(tape, r, 0, o->A_log));
    TS_TRY(ts_record_param(tape, r, 1, o->D));
    return ts_record_param(tape, r, 2, o->dt_bias);
}

ts_status ts_op_selective(ts_tape *tape, const ts_selective_op *o, ts_tensor *x, ts_tensor *raw, ts_tensor *bc,
                          ts_tensor **y)
{
    ts_tensor *const in[3] = { x, raw, bc };
    TS_ASSERT(x->dim[0] == o->B * o->S && x->dim[1] == o->channels && raw->dim[1] == o->channels &&
                  bc->dim[1] == 2 * o->N && o->N <= TS_SELECTIVE_MOST_STATE,
              "selective scan: rows of %lld, steps of %lld, %lld of B and C for %lld channels with a state of %lld",
              (long long)x->dim[1], (long long)raw->dim[1], (long long)bc->dim[1], (long long)o->channels,
              (long long)o->N);
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], o->channels, y));
    TS_TRY(ts_param_need(o->A_log));
    TS_TRY(ts_param_need(o->D));
    TS_TRY(ts_param_need(o->dt_bias));
    ts_selective_args a = args_of(o, in);
    a.y = ts_tensor_data(*y);
    if (o->kept.states) {
        ts_tensor *lengths;
        TS_TRY(ts_scan_lengths(tape, &o->kept, o->B, &lengths));
        a.length = ts_tensor_data(lengths);
        a.state = ts_scan_states(tape, &o->kept, o->B, o->channels * o->N);
    }
    ts_launch_selective_fwd(tape->dev, &a, 0, cost_of(o, x, FORWARD, 3));
    const bool trains = ts_param_has_grad(o->A_log) || ts_param_has_grad(o->D) || ts_param_has_grad(o->dt_bias);
    return tape->recording && (x->wants_grad || raw->wants_grad || bc->wants_grad || trains)
               ? record_selective(tape, o, in, *y)
               : TS_OK;
}
