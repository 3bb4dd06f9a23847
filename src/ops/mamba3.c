#include "ops/scan.h"

/* What is made for the scan of ssd.h, and is not kept: the backward pass makes it again. */
typedef struct made {
    ts_tensor *turns, *xbc, *steps, *waves;
    ts_mamba3_args args;
    ts_ssd_args scan;
} made;

static ts_cost cost_of(const ts_mamba3_op *o, double each)
{
    const double n = (double)(o->B * o->S) * (double)o->heads * (double)(2 * o->N + o->P);
    return (ts_cost){ each * n, 8 * n, TS_DTYPE_F32 };
}

/* Of one product of a row with a head's state, and of a row with half a chunk, over states and over the head. */
static ts_cost scan_cost(const ts_mamba3_op *o, const ts_tensor *xbc, double states, double shared, double own)
{
    const double N = (double)o->N, P = (double)o->P, half = TS_SSD_CHUNK / 2.0;
    return (ts_cost){ 2 * (double)(o->B * o->S * o->heads) * (states * N * P + own * half * P + shared * half * N),
                      2 * (double)ts_tensor_bytes(xbc), TS_DTYPE_F32 };
}

/* goes_back: for the backward pass. */
static ts_status make(ts_tape *tape, const ts_mamba3_op *o, bool goes_back, ts_tensor *const in[3], made *m)
{
    const int64_t rows = o->B * o->S, H = o->heads;
    m->waves = NULL;
    if (goes_back)
        TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, H * rows, 2 * o->angles, &m->waves));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, rows, o->angles, &m->turns));
    TS_TRY(ts_tape_new(tape, in[0]->dtype, rows, H * (o->P + 2 * o->N), &m->xbc));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, rows, 3 * H, &m->steps));
    m->args = (ts_mamba3_args){ .B = o->B, .S = o->S, .heads = H, .groups = o->groups, .P = o->P, .N = o->N,
                                .angles = o->angles, .dtype = in[0]->dtype, .floor = o->floor, .x = ts_tensor_data(in[0]),
                                .bc = ts_tensor_data(in[1]), .raw = ts_tensor_data(in[2]),
                                .dt_bias = ts_param_vector(o->dt_bias) + o->head0,
                                .b_bias = ts_param_vector(o->b_bias) + o->head0 * o->N,
                                .c_bias = ts_param_vector(o->c_bias) + o->head0 * o->N,
                                .first_key = o->first_key ? ts_tensor_data(o->first_key) : NULL,
                                .turns = ts_tensor_data(m->turns), .xbc = ts_tensor_data(m->xbc),
                                .steps = ts_tensor_data(m->steps),
                                .waves = goes_back ? ts_tensor_data(m->waves) : NULL };
    m->scan = (ts_ssd_args){ .B = o->B, .S = o->S, .heads = H, .groups = H, .P = o->P, .N = o->N, .dtype = in[0]->dtype,
                             .xbc = m->args.xbc, .D = ts_param_vector(o->D) + o->head0, .steps = m->args.steps,
                             .first_key = m->args.first_key };
    if (o->kept.states) {
        ts_tensor *lengths;
        TS_TRY(ts_scan_lengths(tape, &o->kept, o->B, &lengths));
        m->args.length = m->scan.length = ts_tensor_data(lengths);
        m->args.state = m->scan.state = ts_scan_states(tape, &o->kept, o->B, H * o->N * o->P);
        m->args.before = ts_scan_rows_before(tape, &o->kept, o->B, (size_t)(H * (o->N + o->P)) * ts_dtype_size(in[0]->dtype));
        m->args.angle = ts_scan_rows_before(tape, &o->kept_angles, o->B, (size_t)(H * o->angles) * sizeof(float));
    }
    ts_launch_mamba3_turns(tape->dev, &m->args, rows, (ts_cost){ 20 * (double)(rows * o->angles), 8 * (double)(rows * o->angles),
                                                                 TS_DTYPE_F32 });
    ts_launch_mamba3_fwd(tape->dev, &m->args, 0, cost_of(o, 12));
    return TS_OK;
}

static void drop(ts_tape *tape, made *m)
{
    ts_tape_drop(tape, m->turns);
    ts_tape_drop(tape, m->xbc);
    ts_tape_drop(tape, m->steps);
}

/* The gradients of B and C stay in the scan's parts, one a head. *dxbc: of x, in its first columns. */
static ts_status scan_back(ts_tape *tape, const ts_mamba3_op *o, ts_tensor *dy, made *m, ts_tensor **dxbc)
{
    const int64_t rows = o->B * o->S, H = o->heads;
    ts_tensor *states, *parts, *sums, *dsteps;
    TS_TRY(ts_tape_new(tape, dy->dtype, rows, H * (o->P + 2 * o->N), dxbc));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, o->B * H * ts_ssd_kept(o->S), o->N * o->P, &states));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, H * rows, 2 * o->N, &parts));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, rows, 3 * H, &sums));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, rows, 3 * H, &dsteps));
    m->scan.dy = ts_tensor_data(dy), m->scan.dxbc = ts_tensor_data(*dxbc), m->scan.states = ts_tensor_data(states);
    m->scan.parts = m->args.parts = ts_tensor_data(parts), m->scan.sums = ts_tensor_data(sums);
    m->scan.dsteps = ts_tensor_data(dsteps), m->args.dsteps = m->scan.dsteps;
    ts_launch_ssd_bwd(tape->dev, &m->scan, 0, scan_cost(o, m->xbc, 6.75, 3, 2));
    return ts_scan_give(tape, o->D, o->head0, sums, H, H);
}

static ts_status mamba3_backward(ts_tape *tape, ts_record *r)
{
    const ts_mamba3_op *o = r->attr;
    const int64_t rows = o->B * o->S, H = o->heads, N = o->N;
    ts_tensor *dxbc, *d[3], *dturns, *sums;
    made m;
    void *data;
    for (int i = 0; i < 3; i++) {
        TS_TRY(ts_tape_need(tape, r->in[i], &data));
        TS_TRY(ts_tape_new(tape, r->in[i]->dtype, rows, r->in[i]->dim[1], &d[i]));
    }
    TS_TRY(make(tape, o, true, r->in, &m));
    TS_TRY(scan_back(tape, o, r->out[0]->grad, &m, &dxbc));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, H * rows, o->angles, &dturns));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, o->B, H * (2 * N + 1), &sums));
    m.args.dturns = ts_tensor_data(dturns), m.args.sums = ts_tensor_data(sums);
    m.args.dbc = ts_tensor_data(d[1]), m.args.draw = ts_tensor_data(d[2]);
    ts_launch_mamba3_bwd(tape->dev, &m.args, 0, cost_of(o, 20));
    ts_launch_mamba3_join(tape->dev, &m.args, rows, cost_of(o, 1));
    const ts_copy_cols_args x = { .cols = H * o->P, .x_row = dxbc->dim[1], .y_row = H * o->P, .dtype = dxbc->dtype,
                                  .x = ts_tensor_data(dxbc), .y = ts_tensor_data(d[0]) };
    ts_launch_copy_cols(tape->dev, &x, rows, (ts_cost){ 0, 2 * (double)ts_tensor_bytes(d[0]), dxbc->dtype });
    TS_TRY(ts_scan_give(tape, o->b_bias, o->head0 * N, sums, 0, H * N));
    TS_TRY(ts_scan_give(tape, o->c_bias, o->head0 * N, sums, H * N, H * N));
    TS_TRY(ts_scan_give(tape, o->dt_bias, o->head0, sums, 2 * H * N, H));
    for (int i = 0; i < 3; i++)
        TS_TRY(ts_tape_accumulate(tape, r->in[i], d[i]));
    return TS_OK;
}

static const ts_op mamba3_op = { .name = "scan of Mamba 3", .backward = mamba3_backward };

static ts_status record_mamba3(ts_tape *tape, const ts_mamba3_op *o, ts_tensor *const in[3], ts_tensor *y)
{
    ts_param *const p[] = { o->D, o->dt_bias, o->b_bias, o->c_bias };
    ts_record *r;
    TS_TRY(ts_tape_record(tape, &mamba3_op, sizeof *o, &r));
    *(ts_mamba3_op *)r->attr = *o;
    for (int i = 0; i < 3; i++) {
        r->in[i] = in[i];
        ts_record_save(tape, r, in[i]);
    }
    r->out[0] = y;
    y->wants_grad = true;
    for (int i = 0; i < 4; i++)
        TS_TRY(ts_record_param(tape, r, i, p[i]));
    return TS_OK;
}

ts_status ts_op_mamba3(ts_tape *tape, const ts_mamba3_op *o, ts_tensor *x, ts_tensor *bc, ts_tensor *raw, ts_tensor **y)
{
    ts_tensor *const in[3] = { x, bc, raw };
    ts_param *const p[] = { o->D, o->dt_bias, o->b_bias, o->c_bias };
    bool trains = x->wants_grad || bc->wants_grad || raw->wants_grad;
    made m;
    TS_ASSERT(x->dim[0] == o->B * o->S && x->dim[1] == o->heads * o->P && bc->dim[1] == 2 * o->groups * o->N &&
                  raw->dim[1] == 3 * o->heads + o->angles && o->heads % o->groups == 0 && o->N <= TS_SSD_MOST_STATE &&
                  o->P <= TS_SSD_MOST_HEAD && o->angles >= 1 && 2 * o->angles <= o->N,
              "scan of Mamba 3: rows of %lld, %lld and %lld for %lld heads of %lld, %lld groups of %lld, %lld angles",
              (long long)x->dim[1], (long long)bc->dim[1], (long long)raw->dim[1], (long long)o->heads, (long long)o->P,
              (long long)o->groups, (long long)o->N, (long long)o->angles);
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], o->heads * o->P, y));
    for (int i = 0; i < 4; i++) {
        TS_TRY(ts_param_need(p[i]));
        trains = trains || ts_param_has_grad(p[i]);
    }
    TS_TRY(make(tape, o, false, in, &m));
    m.scan.y = ts_tensor_data(*y);
    ts_launch_ssd_fwd(tape->dev, &m.scan, 0, scan_cost(o, m.xbc, 2, 1, 1));
    drop(tape, &m);
    return tape->recording && trains ? record_mamba3(tape, o, in, *y) : TS_OK;
}
