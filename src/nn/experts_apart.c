#include "nn/experts_apart.h"

#include "nn/experts_products.h"
#include "ops/dispatch.h"

/* ---- the shared expert, meanwhile ---- */

static bool is_beside(const ts_beside *b) { return b->l->has_shared && b->l->apart->beside; }

static ts_status first_half(ts_tape *tape, ts_beside *b)
{
    if (!is_beside(b) || ts_run_again(b->run, b->layer, TS_PART_SHARED))
        return TS_OK;
    ts_device_part(tape->dev, "mlp", b->layer);
    TS_TRY(ts_mlp_first(tape, &b->l->shared, b->run, b->layer, b->x, &b->half));
    ts_device_part(tape->dev, "experts", b->layer);
    return TS_OK;
}

static ts_status second_half(ts_tape *tape, ts_beside *b)
{
    if (!b->half)
        return TS_OK;
    ts_device_part(tape->dev, "mlp", b->layer);
    TS_TRY(ts_mlp_second(tape, &b->l->shared, b->run, b->layer, b->half, &b->y));
    ts_device_part(tape->dev, "experts", b->layer);
    ts_tape_drop(tape, b->half);
    return TS_OK;
}

ts_status ts_beside_finish(ts_tape *tape, ts_beside *b)
{
    const ts_sublayer mlp = ts_mlp_sublayer(&b->l->shared);
    return b->y ? TS_OK : mlp.forward(mlp.module, tape, b->run, b->layer, b->x, &b->y);
}

/* What has gone from one process to itself has stayed what it is. */
static void drop(ts_tape *tape, ts_tensor *t, const ts_tensor *now)
{
    if (t != now)
        ts_tape_drop(tape, t);
}

/* ---- all gather ---- */

/* Everyone's rows come to all, and each takes those of its experts: a part of a sum. */
static ts_status run_gathered(ts_tape *tape, ts_beside *b, ts_tensor *x, ts_tensor *weights, ts_tensor *ids,
                              ts_tensor **y)
{
    const ts_expert_group *g = b->l->apart;
    const int64_t here = b->l->experts / g->comm->size, own = x->dim[0];
    const ts_sort_op order = { .experts = here, .first = g->comm->rank * here };
    ts_comm *const all[] = { g->pieces, g->comm };
    ts_travel near, far;
    ts_under_way *u;
    ts_sorted_rows s;
    ts_tensor *rows, *out;
    TS_TRY(ts_travel_gather(tape, g->pieces, own, &near));
    TS_TRY(ts_travel_gather(tape, g->comm, near.n_there, &far));
    TS_TRY(ts_op_travel(tape, &near, false, x, near.n_there, &x));
    TS_TRY(ts_op_travel_start(tape, &far, false, x, far.n_there, &u));
    for (int i = 0; i < 2; i++) {
        TS_TRY(ts_op_group_collect(tape, all[i], weights, &weights));
        TS_TRY(ts_dispatch_gather_ids(tape, all[i], ids, &ids));
    }
    TS_TRY(ts_sort_rows(tape, &order, ids, weights, &s));
    TS_TRY(ts_dispatch_trim(tape, &s, g->pieces->size * g->comm->size, b->l->experts));
    TS_TRY(first_half(tape, b));
    TS_TRY(ts_op_travel_wait(tape, u, &x));
    TS_TRY(ts_experts_rows(tape, b->l, &s, x, weights, &rows));
    ts_tape_drop(tape, x);
    TS_TRY(ts_experts_products(tape, b->l, &s, rows, &out));
    TS_TRY(ts_experts_combine(tape, b->l, &s, out, weights, &x));
    ts_tape_drop(tape, out);
    TS_TRY(ts_op_travel_start(tape, &far, true, x, far.n_here, &u));
    TS_TRY(second_half(tape, b));
    TS_TRY(ts_op_travel_wait(tape, u, &out));
    drop(tape, x, out);
    return ts_op_travel(tape, &near, true, out, own, y);
}

/* ---- all to all ---- */

typedef struct sent_ctx {
    ts_beside *beside; /* NULL: what runs again has nothing beside it */
    const ts_experts_layer *l;
    ts_sorted_rows s;
    ts_tensor *weights;
    ts_dispatch d;
} sent_ctx;

/* x -> what experts make of its rows, where they are and in the order in which they came. */
static ts_status send(ts_tape *tape, sent_ctx *c, ts_tensor *x, ts_tensor **out)
{
    ts_dispatch *d = &c->d;
    ts_under_way *u;
    ts_tensor *rows, *there;
    TS_TRY(ts_experts_rows(tape, c->l, &c->s, x, c->weights, &rows));
    TS_TRY(ts_op_travel_start(tape, &d->way, false, rows, d->taken, &u));
    TS_TRY(ts_dispatch_order(tape, d));
    if (c->beside)
        TS_TRY(first_half(tape, c->beside));
    TS_TRY(ts_op_travel_wait(tape, u, &there));
    drop(tape, rows, there);
    TS_TRY(ts_op_travel(tape, &d->join, false, there, d->rows, &rows));
    if (!d->is_sorted) {
        there = rows;
        TS_TRY(ts_op_gather_rows(tape, &d->order, there, &rows));
        ts_tape_drop(tape, there);
    }
    TS_TRY(ts_experts_products(tape, c->l, &d->order, rows, out));
    if (d->is_sorted)
        return TS_OK;
    rows = *out;
    TS_TRY(ts_op_gather_rows(tape, &d->back, rows, out));
    ts_tape_drop(tape, rows);
    return TS_OK;
}

static ts_status send_again(ts_tape *tape, void *ctx, ts_tensor *in, ts_tensor **out)
{
    return send(tape, ctx, in, out);
}

/* Nothing of it is kept but x, and who goes where. */
static ts_status send_as_segment(ts_tape *tape, sent_ctx *c, ts_tensor *x, ts_tensor **out)
{
    const sent_ctx alone = { .l = c->l, .s = c->s, .d = c->d };
    const ts_record *last = tape->last;
    TS_TRY(ts_tape_segment(tape, send_again, &alone, sizeof alone, x, out));
    if (tape->last == last)
        return TS_OK;
    ts_record_save(tape, tape->last, c->s.from);
    ts_record_save(tape, tape->last, c->s.at);
    return TS_OK;
}

/* Rows go to where their experts are, and come back. */
static ts_status run_exchanged(ts_tape *tape, ts_beside *b, ts_tensor *x, ts_tensor *weights, ts_tensor *ids,
                               bool drops, ts_tensor **y)
{
    const ts_experts_layer *l = b->l;
    const ts_sort_op order = { .experts = l->experts };
    const ts_dispatch_op o = { .comm = l->apart->comm, .pieces = l->apart->pieces, .experts = l->experts };
    sent_ctx c = { .beside = b, .l = l, .weights = weights };
    ts_under_way *u;
    ts_tensor *out, *part;
    TS_TRY(ts_sort_rows(tape, &order, ids, weights, &c.s));
    c.s.drops = drops;
    TS_TRY(ts_dispatch_plan(tape, &o, &c.s, &c.d));
    const bool again = ts_run_again(b->run, b->layer, TS_PART_SENT) && !l->scales_input; /* weights have gradients there */
    TS_TRY((again ? send_as_segment : send)(tape, &c, x, &out));
    TS_TRY(ts_op_travel(tape, &c.d.join, true, out, c.d.taken, &part));
    TS_TRY(ts_op_travel_start(tape, &c.d.way, true, part, c.d.home, &u));
    TS_TRY(second_half(tape, b));
    TS_TRY(ts_op_travel_wait(tape, u, &out));
    drop(tape, part, out);
    TS_TRY(ts_experts_combine(tape, l, &c.s, out, weights, y));
    ts_tape_drop(tape, out);
    return TS_OK;
}

ts_status ts_experts_apart(ts_tape *tape, ts_beside *b, ts_tensor *x, ts_tensor *weights, ts_tensor *ids, bool drops,
                           ts_tensor **y)
{
    return b->l->apart->by == TS_DISPATCH_ALL_GATHER ? run_gathered(tape, b, x, weights, ids, y)
                                                     : run_exchanged(tape, b, x, weights, ids, drops, y);
}
