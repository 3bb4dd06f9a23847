#include "ops/scan.h"

/* Of the steps' bias: where that of the first head begins. */
static int64_t bias_at(const ts_delta_op *o) { return o->by_channel ? o->head0 * o->K : o->head0; }

static ts_delta_args args_of(const ts_delta_op *o, const ts_tensor *qkv, const ts_tensor *g, const ts_tensor *b)
{
    return (ts_delta_args){ .B = o->B, .S = o->S, .heads = o->heads, .key_heads = o->key_heads, .K = o->K, .V = o->V,
                            .dtype = qkv->dtype, .eps = o->eps, .qkv = ts_tensor_data(qkv),
                            .raw_g = ts_tensor_data(g), .raw_b = ts_tensor_data(b), .A_log = ts_param_vector(o->A_log) + o->head0,
                            .bias = ts_param_vector(o->dt_bias) + bias_at(o),
                            .first_key = o->first_key ? ts_tensor_data(o->first_key) : NULL };
}

/* Decays of a row. */
static int64_t decays_of(const ts_delta_op *o) { return o->by_channel ? o->heads * o->K : o->heads; }

/* Of a row and a head: so many products over its state, over half a chunk and the width of keys, of values. */
static ts_cost cost_of(const ts_delta_op *o, const ts_tensor *qkv, double states, double keys, double values)
{
    const double K = (double)o->K, V = (double)o->V, half = TS_DELTA_CHUNK / 2.0;
    return (ts_cost){ 2 * (double)(o->B * o->S * o->heads) * (states * K * V + half * (keys * K + values * V)),
                      2 * (double)ts_tensor_bytes(qkv), TS_DTYPE_F32 };
}

static ts_status delta_backward(ts_tape *tape, ts_record *r)
{
    const ts_delta_op *o = r->attr;
    ts_tensor *qkv = r->in[0], *g = r->in[1], *b = r->in[2], *dqkv, *dg, *db, *states, *parts, *sums;
    const int64_t rows = qkv->dim[0];
    void *data;
    TS_TRY(ts_tape_need(tape, qkv, &data));
    TS_TRY(ts_tape_new(tape, qkv->dtype, rows, qkv->dim[1], &dqkv));
    TS_TRY(ts_tape_new(tape, g->dtype, rows, decays_of(o), &dg));
    TS_TRY(ts_tape_new(tape, b->dtype, rows, o->heads, &db));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, o->B * o->heads * ts_delta_kept(o->S), o->K * o->V, &states));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, rows * o->heads, 2 * o->K, &parts));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, rows, o->heads + decays_of(o), &sums));
    ts_delta_args a = args_of(o, qkv, g, b);
    a.dy = ts_tensor_data(r->out[0]->grad);
    a.dqkv = ts_tensor_data(dqkv), a.draw_g = ts_tensor_data(dg), a.draw_b = ts_tensor_data(db);
    a.states = ts_tensor_data(states), a.parts = ts_tensor_data(parts), a.sums = ts_tensor_data(sums);
    const ts_cost cost = cost_of(o, qkv, 10.5, 11.5, 6.5);
    if (o->by_channel)
        ts_launch_kda_bwd(tape->dev, &a, 0, cost);
    else
        ts_launch_delta_bwd(tape->dev, &a, 0, cost);
    const double n = (double)ts_tensor_count(parts);
    ts_launch_delta_join(tape->dev, &a, rows, (ts_cost){ 4 * n, 4 * n, TS_DTYPE_F32 });
    TS_TRY(ts_scan_give(tape, o->A_log, o->head0, sums, 0, o->heads));
    TS_TRY(ts_scan_give(tape, o->dt_bias, bias_at(o), sums, o->heads, decays_of(o)));
    TS_TRY(ts_tape_accumulate(tape, qkv, dqkv));
    TS_TRY(ts_tape_accumulate(tape, g, dg));
    return ts_tape_accumulate(tape, b, db);
}

static const ts_op delta_op = { .name = "gated delta rule", .backward = delta_backward };

static ts_status record_delta(ts_tape *tape, const ts_delta_op *o, ts_tensor *const in[3], ts_tensor *y)
{
    ts_record *r;
    TS_TRY(ts_tape_record(tape, &delta_op, sizeof *o, &r));
    *(ts_delta_op *)r->attr = *o;
    for (int i = 0; i < 3; i++) {
        r->in[i] = in[i];
        ts_record_save(tape, r, in[i]);
    }
    r->out[0] = y;
    y->wants_grad = true;
    TS_TRY(ts_record_param(tape, r, 0, o->A_log));
    return ts_record_param(tape, r, 1, o->dt_bias);
}

ts_status ts_op_delta(ts_tape *tape, const ts_delta_op *o, ts_tensor *qkv, ts_tensor *g, ts_tensor *b, ts_tensor **y)
{
    ts_tensor *const in[3] = { qkv, g, b };
    TS_ASSERT(qkv->dim[0] == o->B * o->S && qkv->dim[1] == 2 * o->key_heads * o->K + o->heads * o->V &&
                  g->dim[1] == decays_of(o) && b->dim[1] == o->heads && o->heads % o->key_heads == 0 &&
                  o->K <= ts_delta_most_head(o->by_channel) && o->V <= ts_delta_most_head(o->by_channel),
              "gated delta rule: rows of %lld for %lld heads of %lld, %lld of %lld", (long long)qkv->dim[1],
              (long long)o->key_heads, (long long)o->K, (long long)o->heads, (long long)o->V);
    TS_TRY(ts_tape_new(tape, qkv->dtype, qkv->dim[0], o->heads * o->V, y));
    TS_TRY(ts_param_need(o->A_log));
    TS_TRY(ts_param_need(o->dt_bias));
    ts_delta_args a = args_of(o, qkv, g, b);
    a.y = ts_tensor_data(*y);
    if (o->kept.states) {
        ts_tensor *lengths;
        TS_TRY(ts_scan_lengths(tape, &o->kept, o->B, &lengths));
        a.length = ts_tensor_data(lengths);
        a.state = ts_scan_states(tape, &o->kept, o->B, o->heads * o->K * o->V);
    }
    const ts_cost cost = cost_of(o, qkv, 3, 2, 2);
    if (o->by_channel)
        ts_launch_kda_fwd(tape->dev, &a, 0, cost);
    else
        ts_launch_delta_fwd(tape->dev, &a, 0, cost);
    const bool trains = ts_param_has_grad(o->A_log) || ts_param_has_grad(o->dt_bias);
    return tape->recording && (qkv->wants_grad || g->wants_grad || b->wants_grad || trains)
               ? record_delta(tape, o, in, *y)
               : TS_OK;
}
