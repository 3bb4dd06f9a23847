#include "ops/scan.h"

float *ts_scan_states(ts_tape *tape, const ts_scan_kept *k, int64_t B, int64_t floats)
{
    float *states = (float *)k->states->data + k->slot0 * floats;
    for (int64_t b = 0; b < B; b++)
        if (k->start[b] == 0)
            tape->dev->zero(tape->dev, states + b * floats, (size_t)floats * sizeof *states);
    return states;
}

ts_status ts_scan_lengths(ts_tape *tape, const ts_scan_kept *k, int64_t B, ts_tensor **out)
{
    TS_TRY(ts_tape_new(tape, TS_DTYPE_I32, B, 0, out));
    tape->dev->to_device(tape->dev, ts_tensor_data(*out), k->length, (size_t)B * sizeof *k->length);
    return TS_OK;
}

static ts_ssd_args args_of(const ts_ssd_op *o, const ts_tensor *xbc, const ts_tensor *raw)
{
    return (ts_ssd_args){ .B = o->B, .S = o->S, .heads = o->heads, .groups = o->groups, .P = o->P, .N = o->N,
                          .dtype = xbc->dtype, .lo = o->lo, .hi = o->hi, .xbc = ts_tensor_data(xbc),
                          .raw = ts_tensor_data(raw), .A_log = ts_param_vector(o->A_log) + o->head0,
                          .D = ts_param_vector(o->D) + o->head0, .bias = ts_param_vector(o->dt_bias) + o->head0,
                          .first_key = o->first_key ? ts_tensor_data(o->first_key) : NULL };
}

/* Of one product of a row with a head's state, and of a row with half a chunk: `states` of the one,
 * `shared` and `own` of the other, over states and over the head. */
static ts_cost cost_of(const ts_ssd_op *o, const ts_tensor *xbc, double states, double shared, double own)
{
    const double N = (double)o->N, P = (double)o->P, half = TS_SSD_CHUNK / 2.0;
    const double head = states * N * P + own * half * P + shared * half * N;
    return (ts_cost){ 2 * (double)(o->B * o->S * o->heads) * head, 2 * (double)ts_tensor_bytes(xbc), TS_DTYPE_F32 };
}

ts_status ts_scan_give(ts_tape *tape, ts_param *p, int64_t at, const ts_tensor *sums, int64_t begin, int64_t cols)
{
    if (!ts_param_has_grad(p))
        return TS_OK;
    TS_TRY(ts_param_need_grad(p));
    ts_param_grad_settle(p);
    const ts_col_sum_args a = { .rows = sums->dim[0], .cols = cols, .ld = sums->dim[1], .dtype = TS_DTYPE_F32,
                                .dy = (const float *)ts_tensor_data(sums) + begin, .db = p->grad + at };
    const double n = (double)(a.rows * cols);
    ts_launch_col_sum(tape->dev, &a, cols, (ts_cost){ n, 4 * n, TS_DTYPE_F32 });
    return TS_OK;
}

static ts_status ssd_backward(ts_tape *tape, ts_record *r)
{
    const ts_ssd_op *o = r->attr;
    ts_tensor *xbc = r->in[0], *raw = r->in[1], *dxbc, *draw, *states, *parts, *sums;
    const int64_t rows = xbc->dim[0], blocks = o->groups * ts_ssd_blocks(o->heads, o->groups, o->N, o->P);
    void *data;
    TS_TRY(ts_tape_need(tape, xbc, &data));
    TS_TRY(ts_tape_new(tape, xbc->dtype, rows, xbc->dim[1], &dxbc));
    TS_TRY(ts_tape_new(tape, raw->dtype, rows, o->heads, &draw));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, o->B * o->heads * ts_ssd_kept(o->S), o->N * o->P, &states));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, blocks * rows, 2 * o->N, &parts));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, rows, 3 * o->heads, &sums));
    ts_ssd_args a = args_of(o, xbc, raw);
    a.dy = ts_tensor_data(r->out[0]->grad);
    a.dxbc = ts_tensor_data(dxbc), a.draw = ts_tensor_data(draw);
    a.states = ts_tensor_data(states), a.parts = ts_tensor_data(parts), a.sums = ts_tensor_data(sums);
    ts_launch_ssd_bwd(tape->dev, &a, 0, cost_of(o, xbc, 6.75, 3, 2));
    const double n = (double)ts_tensor_count(parts);
    ts_launch_ssd_join(tape->dev, &a, rows, (ts_cost){ n, 4 * n, TS_DTYPE_F32 });
    TS_TRY(ts_scan_give(tape, o->A_log, o->head0, sums, 0, o->heads));
    TS_TRY(ts_scan_give(tape, o->D, o->head0, sums, o->heads, o->heads));
    TS_TRY(ts_scan_give(tape, o->dt_bias, o->head0, sums, 2 * o->heads, o->heads));
    TS_TRY(ts_tape_accumulate(tape, xbc, dxbc));
    return ts_tape_accumulate(tape, raw, draw);
}

static const ts_op ssd_op = { .name = "state-space scan", .backward = ssd_backward };

static ts_status record_ssd(ts_tape *tape, const ts_ssd_op *o, ts_tensor *xbc, ts_tensor *raw, ts_tensor *y)
{
    ts_record *r;
    TS_TRY(ts_tape_record(tape, &ssd_op, sizeof *o, &r));
    *(ts_ssd_op *)r->attr = *o;
    r->in[0] = xbc;
    r->in[1] = raw;
    r->out[0] = y;
    y->wants_grad = true;
    ts_record_save(tape, r, xbc);
    ts_record_save(tape, r, raw);
    TS_TRY(ts_record_param(tape, r, 0, o->A_log));
    TS_TRY(ts_record_param(tape, r, 1, o->D));
    return ts_record_param(tape, r, 2, o->dt_bias);
}

ts_status ts_op_ssd(ts_tape *tape, const ts_ssd_op *o, ts_tensor *xbc, ts_tensor *raw, ts_tensor **y)
{
    TS_ASSERT(xbc->dim[0] == o->B * o->S && xbc->dim[1] == o->heads * o->P + 2 * o->groups * o->N &&
                  raw->dim[1] == o->heads && o->heads % o->groups == 0 && o->N <= TS_SSD_MOST_STATE &&
                  o->P <= TS_SSD_MOST_HEAD,
              "state-space scan: rows of %lld for %lld heads of %lld, %lld groups of %lld", (long long)xbc->dim[1],
              (long long)o->heads, (long long)o->P, (long long)o->groups, (long long)o->N);
    TS_TRY(ts_tape_new(tape, xbc->dtype, xbc->dim[0], o->heads * o->P, y));
    TS_TRY(ts_param_need(o->A_log));
    TS_TRY(ts_param_need(o->D));
    TS_TRY(ts_param_need(o->dt_bias));
    ts_ssd_args a = args_of(o, xbc, raw);
    a.y = ts_tensor_data(*y);
    if (o->kept.states) {
        ts_tensor *lengths;
        TS_TRY(ts_scan_lengths(tape, &o->kept, o->B, &lengths));
        a.length = ts_tensor_data(lengths);
        a.state = ts_scan_states(tape, &o->kept, o->B, o->heads * o->N * o->P);
    }
    ts_launch_ssd_fwd(tape->dev, &a, 0, cost_of(o, xbc, 2, 1, 1));
    const bool trains = ts_param_has_grad(o->A_log) || ts_param_has_grad(o->D) || ts_param_has_grad(o->dt_bias);
    return tape->recording && (xbc->wants_grad || raw->wants_grad || trains) ? record_ssd(tape, o, xbc, raw, *y)
                                                                             : TS_OK;
}
