/* A backward pass of the tape that fails half way: all that was held is given back. */
#include "tape_rig.h"

static bool fails; /* while set, so does `faulty` */

static ts_status faulty_half(ts_tape *tape, ts_record *r)
{
    if (fails)
        return ts_error(TS_ERR_RUN, "as it should");
    return ts_tape_accumulate(tape, r->in[0], r->out[0]->grad);
}

static ts_status faulty_weight(ts_tape *tape, ts_record *r)
{
    (void)tape, (void)r;
    return ts_error(TS_ERR_RUN, "as it should");
}

static const ts_op faulty = { .name = "faulty", .backward = faulty_half };
static const ts_op faulty_later = { .name = "faulty", .backward = faulty_half,
                                    .weight = faulty_weight };

/* y = x, through a record that keeps a tensor of its own and uses a parameter. */
static ts_status leave_record(ts_tape *tape, const ts_op *op, ts_param *p, ts_tensor *x,
                              ts_tensor **y)
{
    ts_record *r;
    ts_tensor *kept;
    TS_TRY(ts_tape_alias(tape, x, y));
    if (!tape->recording)
        return TS_OK;
    TS_TRY(ts_tape_push(tape));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, T, W, &kept));
    TS_TRY(ts_tape_record(tape, op, 0, &r));
    r->in[0] = x, r->out[0] = *y;
    (*y)->wants_grad = true;
    ts_record_save(tape, r, kept);
    TS_TRY(ts_record_param(tape, r, 0, p));
    ts_tape_pop(tape, NULL);
    return TS_OK;
}

/* block, the fault, block: some records have run when it comes, some have not. */
static ts_status faulty_between(ts_tape *tape, void *ctx, ts_tensor *x, ts_tensor **y)
{
    block_ctx *c = ctx;
    ts_tensor *h, *same;
    TS_TRY(block_run(tape, c, x, &h));
    TS_TRY(leave_record(tape, &faulty, c->norm, h, &same));
    return block_run(tape, c, same, y);
}

/* x + the fault of something else: all that reads x has run when the fault comes. */
static ts_status faulty_beside(ts_tape *tape, void *ctx, ts_tensor *x, ts_tensor **y)
{
    const block_ctx *c = ctx;
    ts_tensor *other, *same;
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, T, W, &other));
    memset(ts_tensor_data(other), 0, ts_tensor_bytes(other));
    other->wants_grad = true;
    TS_TRY(leave_record(tape, &faulty, c->norm, other, &same));
    return ts_op_add(tape, x, 1, same, 1, y);
}

/* A function that fails itself when it is run again. */
static ts_status cut_off(ts_tape *tape, void *ctx, ts_tensor *x, ts_tensor **y)
{
    TS_TRY(block_run(tape, ctx, x, y));
    return tape->recording ? ts_error(TS_ERR_RUN, "as it should") : TS_OK;
}

static ts_status faulty_run(const grad_case *g, grad_env *e)
{
    block_ctx c = ctx_of(e);
    (void)g;
    return faulty_between(e->tape, &c, e->leaf[X], &e->out[0]);
}

/* What came before the fault waits elsewhere; some of it has come back. */
static ts_status faulty_waiting_run(const grad_case *g, grad_env *e)
{
    block_ctx c = ctx_of(e);
    ts_tensor *h, *same;
    (void)g;
    e->tape->waits = true;
    for (int64_t layer = 0; layer < 3; layer++) {
        ts_device_part(e->tape->dev, "block", layer);
        TS_TRY(block_run(e->tape, &c, layer ? h : e->leaf[X], &h));
        if (layer == 1) {
            TS_TRY(leave_record(e->tape, &faulty, c.norm, h, &same));
            h = same;
        }
        TS_TRY(ts_tape_send_away(e->tape));
    }
    e->tape->waits = false;
    e->out[0] = h;
    return TS_OK;
}

static ts_status in_segment(grad_env *e, ts_segment_fn *fn)
{
    block_ctx c = ctx_of(e);
    ts_tensor *h, *z;
    TS_TRY(block_run(e->tape, &c, e->leaf[X], &h));
    TS_TRY(ts_tape_segment(e->tape, fn, &c, sizeof c, h, &z));
    return block_run(e->tape, &c, z, &e->out[0]);
}

static ts_status faulty_segment_run(const grad_case *g, grad_env *e)
{
    (void)g;
    return in_segment(e, faulty_between);
}

static ts_status faulty_beside_run(const grad_case *g, grad_env *e)
{
    (void)g;
    return in_segment(e, faulty_beside);
}

static ts_status cut_off_run(const grad_case *g, grad_env *e)
{
    (void)g;
    return in_segment(e, cut_off);
}

static ts_status faulty_weight_run(const grad_case *g, grad_env *e)
{
    block_ctx c = ctx_of(e);
    ts_tensor *h, *same;
    (void)g;
    TS_TRY(block_run(e->tape, &c, e->leaf[X], &h));
    TS_TRY(leave_record(e->tape, &faulty_later, c.norm, h, &same));
    return block_run(e->tape, &c, same, &e->out[0]);
}

/* After reset and destroy the device holds what it held, and no parameter waits for a record. */
static bool all_given_back(const char *name, const ts_tape_options *o,
                           ts_status (*run)(const grad_case *, grad_env *), bool in_weights)
{
    job j;
    bool good = true;
    open_job(&j, o);
    const int64_t workspace = j.dev->mem.now[TS_MEM_OTHER];
    need(run(NULL, &j.e));
    seed(&j);
    fails = !in_weights;
    ts_status st = ts_tape_backward(j.e.tape);
    if (in_weights && o->defer_weights) {
        need(st);
        st = ts_tape_run_weights(j.e.tape);
    }
    fails = false;
    good = expect(st == TS_ERR_RUN, "the pass did not fail") && good;
    ts_tape_reset(j.e.tape);
    good = expect(j.dev->mem.now[TS_MEM_ACT] == 0, "activations are held after reset") && good;
    for (int v = NORM_W; v < VARS; v++)
        good = expect(ts_uses_left(&j.e.tape->uses, j.e.param[v]) == 0, "uses are left over") && good;
    ts_tape_destroy(&j.e.tape);
    ts_param_set_deinit(&j.params);
    for (int k = 0; k < TS_MEM_KINDS; k++)
        good = expect(j.dev->mem.now[k] == (k == TS_MEM_OTHER ? workspace : 0),
                      "memory is held after destroy") &&
               good;
    ts_device_close(&j.dev);
    printf("grad tape, failure %s: %s\n", name, good ? "all given back" : "bad");
    return good;
}

int main(void)
{
    const ts_tape_options now = { 0 }, later = { .defer_weights = true };
    bool good = all_given_back("of a record", &now, faulty_run, false);
    good = all_given_back("of a record, weight halves later", &later, faulty_run, false) && good;
    good = all_given_back("in a segment", &now, faulty_segment_run, false) && good;
    good = all_given_back("in a segment that is swapped", &(ts_tape_options){ .swap = true },
                          faulty_segment_run, false) &&
           good;
    good = all_given_back("where what records keep waits", &now, faulty_waiting_run, false) && good;
    good = all_given_back("where it waits, weight halves later", &later, faulty_waiting_run, false) && good;
    good = all_given_back("beside a segment's input", &now, faulty_beside_run, false) && good;
    good = all_given_back("of a segment's function", &now, cut_off_run, false) && good;
    good = all_given_back("of a weight half", &now, faulty_weight_run, true) && good;
    good = all_given_back("of a later weight half", &later, faulty_weight_run, true) && good;
    return good ? 0 : 1;
}

