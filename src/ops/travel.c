/* Rows on their way between processes: see ops/dispatch.h. */
#include "ops/dispatch.h"

#include "base/turns.h"

struct ts_under_way {
    ts_travel t;
    bool back;
    ts_group_call call;
    ts_tensor *x, *mid, *y; /* mid: y before it has come */
    ts_tensor *dx;          /* on its way back */
};

ts_status ts_travel_gather(ts_tape *tape, ts_comm *comm, int64_t rows, ts_travel *t)
{
    int64_t *n;
    TS_TRY(ts_arena_alloc(&tape->arena, 2 * (size_t)comm->size * sizeof *n, &n));
    for (int r = 0; r < comm->size; r++)
        n[r] = rows, n[comm->size + r] = r * rows;
    *t = (ts_travel){ .comm = comm, .gathers = true, .there = n, .n_here = rows, .n_there = rows * comm->size };
    return TS_OK;
}

/* Rows to values. */
static ts_status in_values(ts_tape *tape, const int64_t *rows, int64_t n, int64_t cols, int64_t **out)
{
    *out = NULL;
    if (!rows)
        return TS_OK;
    TS_TRY(ts_arena_alloc(&tape->arena, (size_t)n * sizeof **out, out));
    for (int64_t i = 0; i < n; i++)
        (*out)[i] = rows[i] * cols;
    return TS_OK;
}

/* From x to y, here to there or back. */
static ts_status start(ts_tape *tape, const ts_travel *t, bool back, const ts_tensor *x, const ts_tensor *y,
                       ts_group_call *call)
{
    const int size = t->comm->size;
    const ts_comm_type type = ts_group_type(x->dtype);
    const int64_t cols = x->dim[1], n = (back ? t->n_there : t->n_here) * cols, n_to = (back ? t->n_here : t->n_there) * cols;
    void *from = ts_tensor_data(x), *to = ts_tensor_data(y);
    int64_t *here, *there;
    TS_TRY(in_values(tape, t->here, 2 * size, cols, &here));
    TS_TRY(in_values(tape, t->there, 2 * size, cols, &there));
    const ts_comm_call c = t->gathers && back ? ts_reduce_scatter_v(from, to, there, there + size, type, TS_COMM_SUM)
                           : t->gathers       ? ts_all_gather_v(from, n, to, there, there + size, type)
                           : back             ? ts_all_to_all_v(from, there, there + size, to, here, here + size, type)
                                              : ts_all_to_all_v(from, here, here + size, to, there, there + size, type);
    return ts_group_start(tape->dev, t->comm, c, n, n_to, call);
}

/* Meanwhile another pass may go on, if there is one. */
static ts_status arrive(ts_tape *tape, ts_under_way *u)
{
    ts_turns_give_way();
    return ts_group_wait(tape->dev, u->t.comm, &u->call);
}

/* What has come is no part of the sum any more: what was handed on is on its way back. */
static ts_status wait_gradient(ts_tape *tape, ts_record *r)
{
    ts_under_way *u = *(ts_under_way **)r->attr;
    TS_TRY(ts_tape_accumulate(tape, u->mid, r->out[0]->grad));
    TS_TRY(ts_tape_new(tape, u->x->dtype, u->x->dim[0], u->x->dim[1], &u->dx));
    ts_tensor_pin(u->dx);
    TS_TRY(start(tape, &u->t, !u->back, u->mid->grad, u->dx, &u->call));
    return ts_tape_run_late(tape);
}

static ts_status start_gradient(ts_tape *tape, ts_record *r)
{
    ts_under_way *u = *(ts_under_way **)r->attr;
    TS_TRY(arrive(tape, u));
    const ts_status st = ts_tape_accumulate(tape, u->x, u->dx);
    ts_tensor_unpin(u->dx);
    return st;
}

/* It travels once more. */
static ts_status wait_replay(ts_tape *tape, ts_record *r, int i)
{
    ts_under_way *u = *(ts_under_way **)r->attr;
    ts_group_call call;
    void *data;
    (void)i;
    TS_TRY(ts_tape_need(tape, u->x, &data));
    TS_TRY(start(tape, &u->t, u->back, u->x, u->y, &call));
    return ts_group_wait(tape->dev, u->t.comm, &call);
}

static const ts_op start_op = { .name = "travel_start", .backward = start_gradient };
static const ts_op wait_op = { .name = "travel_wait", .backward = wait_gradient, .replay = wait_replay,
                               .replayed = TS_REPLAY_TRAVEL };

static ts_status record(ts_tape *tape, const ts_op *op, ts_under_way *u, ts_tensor *x, ts_tensor *y, ts_record **r)
{
    TS_TRY(ts_tape_record(tape, op, sizeof u, r));
    *(ts_under_way **)(*r)->attr = u;
    (*r)->in[0] = x;
    (*r)->out[0] = y;
    y->wants_grad = true;
    return TS_OK;
}

ts_status ts_op_travel_start(ts_tape *tape, const ts_travel *t, bool back, ts_tensor *x, int64_t rows,
                             ts_under_way **out)
{
    ts_under_way *u;
    ts_record *r;
    TS_TRY(ts_arena_alloc(&tape->arena, sizeof *u, &u));
    *u = (ts_under_way){ .t = *t, .back = back, .x = x, .mid = x };
    *out = u;
    if (t->comm->size == 1 && rows == x->dim[0])
        return TS_OK;
    TS_TRY(ts_tape_new(tape, x->dtype, rows, x->dim[1], &u->mid));
    TS_TRY(start(tape, t, back, x, u->mid, &u->call));
    return tape->recording && x->wants_grad ? record(tape, &start_op, u, x, u->mid, &r) : TS_OK;
}

ts_status ts_op_travel_wait(ts_tape *tape, ts_under_way *u, ts_tensor **y)
{
    ts_record *r;
    *y = u->mid;
    if (u->mid == u->x)
        return TS_OK;
    TS_TRY(arrive(tape, u));
    TS_TRY(ts_tape_alias(tape, u->mid, y));
    ts_tape_drop(tape, u->mid);
    (*y)->wants_grad = false; /* unless recorded */
    u->y = *y;
    if (!tape->recording || !u->x->wants_grad)
        return TS_OK;
    TS_TRY(record(tape, &wait_op, u, u->mid, *y, &r));
    if (u->back || !ts_tape_replays(tape, TS_REPLAY_TRAVEL))
        return TS_OK;
    (*y)->maker = r;
    ts_record_save(tape, r, u->x);
    return TS_OK;
}

ts_status ts_op_travel(ts_tape *tape, const ts_travel *t, bool back, ts_tensor *x, int64_t rows, ts_tensor **y)
{
    ts_under_way *u;
    TS_TRY(ts_op_travel_start(tape, t, back, x, rows, &u));
    return ts_op_travel_wait(tape, u, y);
}
