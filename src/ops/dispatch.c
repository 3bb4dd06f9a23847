#include "ops/dispatch.h"

#include "ops/group.h"

#include <string.h>

/* ---- who has how many ---- */

/* Of n pairs that go to `experts` in turn. */
static int64_t in_turn(int64_t n, int64_t experts, int64_t e) { return n / experts + (e < n % experts); }

/* Pairs of each expert. */
static ts_status count_pairs(ts_tape *tape, const ts_sorted_rows *s, int64_t experts, int64_t *n)
{
    int32_t *offsets;
    if (!tape->dev->computes) {
        for (int64_t e = 0; e < experts; e++)
            n[e] = in_turn(s->T * s->k, experts, e);
        return TS_OK;
    }
    TS_TRY(ts_alloc(&offsets, (size_t)experts + 1, sizeof *offsets));
    const ts_status st = ts_device_read(tape->dev, offsets, ts_tensor_data(s->offsets),
                                        (size_t)(experts + 1) * sizeof *offsets);
    for (int64_t e = 0; st == TS_OK && e < experts; e++)
        n[e] = offsets[e + 1] - offsets[e];
    ts_free(&offsets);
    return st;
}

/* Pairs of each expert here, from each process of comm, from each of pieces: [pieces][comm][experts here]. What
 * others have is not known where nothing is computed: as many as this one. */
static ts_status exchange_counts(ts_tape *tape, const ts_dispatch_op *o, const int64_t *own, int64_t *all)
{
    const int64_t here = o->experts / o->comm->size, of_piece = o->experts;
    const int pieces = o->pieces->size, me = o->pieces->rank;
    int64_t *mine = all + me * of_piece;
    TS_TRY(ts_comm_run(o->comm, ts_all_to_all(own, mine, here, TS_COMM_I64)));
    TS_TRY(ts_comm_run(o->pieces, ts_all_gather(mine, all, of_piece, TS_COMM_I64)));
    if (tape->dev->computes)
        return TS_OK;
    for (int64_t i = 0; i < pieces * of_piece; i++)
        all[i] = own[o->comm->rank * here + i % here];
    return TS_OK;
}

/* ---- the plan ---- */

/* n[i] -> where they begin, behind them: [2 n]; returns their sum. */
static int64_t begin_each(int64_t *n, int64_t count)
{
    int64_t at = 0;
    for (int64_t i = 0; i < count; at += n[i++])
        n[count + i] = at;
    return at;
}

static void add_up(ts_dispatch *d, const int64_t *own, const int64_t *all)
{
    const ts_dispatch_op *o = &d->o;
    const int size = o->comm->size;
    const int64_t here = o->experts / size;
    for (int64_t e = 0; e < o->experts; e++) {
        d->sent[e / here] += own[e];
        d->taken[e / here] += all[o->pieces->rank * o->experts + e];
    }
    for (int64_t i = 0; i < o->pieces->size * o->experts; i++)
        d->piece[i / o->experts] += all[i];
    d->n_sent = begin_each(d->sent, size);
    d->n_taken = begin_each(d->taken, size);
    d->rows = begin_each(d->piece, o->pieces->size);
}

/* Rows come by piece, process and expert; from: in the order of experts, then of piece and process. */
static void order_rows(const ts_dispatch *d, const int64_t *all, int32_t *from, int32_t *at, int32_t *offsets)
{
    const int64_t here = d->o.experts / d->o.comm->size, blocks = d->o.pieces->size * d->o.comm->size;
    int64_t to = 0;
    for (int64_t e = 0; e < here; e++) {
        offsets[e] = (int32_t)to;
        for (int64_t b = 0, begin = 0; b < blocks; b++)
            for (int64_t k = 0; k < here; begin += all[b * here + k++])
                for (int64_t i = 0; k == e && i < all[b * here + k]; i++, to++)
                    from[to] = (int32_t)(begin + i), at[begin + i] = (int32_t)to;
    }
    offsets[here] = (int32_t)to;
}

static ts_status upload_order(ts_tape *tape, ts_dispatch *d, const int64_t *all)
{
    const int64_t here = d->o.experts / d->o.comm->size, n = d->rows ? d->rows : 1;
    int32_t *host;
    TS_TRY(ts_alloc(&host, (size_t)(2 * n + here + 1), sizeof *host));
    if (tape->dev->computes)
        order_rows(d, all, host, host + n, host + 2 * n);
    if (!d->rows)
        host[0] = host[1] = -1;
    d->rows = n;
    d->order = (ts_sorted_rows){ .T = n, .k = 1, .rows = n, .experts = here };
    ts_status st = ts_tape_upload(tape, TS_DTYPE_I32, host, n, &d->order.from);
    if (st == TS_OK)
        st = ts_tape_upload(tape, TS_DTYPE_I32, host + n, n, &d->order.at);
    if (st == TS_OK)
        st = ts_tape_upload(tape, TS_DTYPE_I32, host + 2 * n, here + 1, &d->order.offsets);
    d->back = d->order;
    d->back.from = d->order.at, d->back.at = d->order.from;
    d->is_sorted = here == 1;
    ts_free(&host);
    return st;
}

ts_status ts_dispatch_plan(ts_tape *tape, const ts_dispatch_op *o, const ts_sorted_rows *s, ts_dispatch *d)
{
    const size_t size = (size_t)o->comm->size, pieces = (size_t)o->pieces->size, n = (size_t)o->experts;
    int64_t *own;
    *d = (ts_dispatch){ .o = *o, .home = s->rows };
    TS_ASSERT(o->experts % o->comm->size == 0, "%lld experts for %d processes", (long long)o->experts, o->comm->size);
    TS_TRY(ts_arena_alloc(&tape->arena, (4 * size + 2 * pieces) * sizeof *d->sent, &d->sent));
    memset(d->sent, 0, (4 * size + 2 * pieces) * sizeof *d->sent);
    d->taken = d->sent + 2 * size, d->piece = d->taken + 2 * size;
    TS_TRY(ts_alloc(&own, (1 + pieces) * n, sizeof *own));
    int64_t *all = own + n;
    ts_status st = count_pairs(tape, s, o->experts, own);
    if (st == TS_OK)
        st = exchange_counts(tape, o, own, all);
    if (st == TS_OK) {
        add_up(d, own, all);
        st = upload_order(tape, d, all);
    }
    ts_free(&own);
    return st;
}

/* ---- there and back ---- */

/* Rows to values. */
static ts_status in_values(ts_tape *tape, const int64_t *rows, int64_t n, int64_t cols, int64_t **out)
{
    TS_TRY(ts_arena_alloc(&tape->arena, (size_t)n * sizeof **out, out));
    for (int64_t i = 0; i < n; i++)
        (*out)[i] = rows[i] * cols;
    return TS_OK;
}

/* Between the rows of this process, by the process that they go to, and those that it takes. */
static ts_status exchange(ts_tape *tape, const ts_dispatch *d, const ts_tensor *x, bool back, const ts_tensor *y)
{
    const int64_t cols = x->dim[1], size = d->o.comm->size;
    int64_t *sent, *taken;
    TS_TRY(in_values(tape, back ? d->taken : d->sent, 2 * size, cols, &sent));
    TS_TRY(in_values(tape, back ? d->sent : d->taken, 2 * size, cols, &taken));
    return ts_group_run(tape, d->o.comm,
                        ts_all_to_all_v(ts_tensor_data(x), sent, sent + size, ts_tensor_data(y), taken, taken + size,
                                        ts_group_type(x->dtype)),
                        (back ? d->n_taken : d->n_sent) * cols, (back ? d->n_sent : d->n_taken) * cols);
}

/* Between what this process has taken and what all of pieces have: everyone's, or the sum of this process's. */
static ts_status join_pieces(ts_tape *tape, const ts_dispatch *d, const ts_tensor *own, const ts_tensor *all, bool back)
{
    ts_comm *c = d->o.pieces;
    const ts_comm_type type = ts_group_type(own->dtype);
    const int64_t cols = own->dim[1], n = d->n_taken * cols;
    int64_t *part, whole = 0;
    TS_TRY(in_values(tape, d->piece, 2 * c->size, cols, &part));
    for (int r = 0; r < c->size; r++)
        whole += part[r];
    return back ? ts_group_run(tape, c,
                               ts_reduce_scatter_v(ts_tensor_data(all), ts_tensor_data(own), part, part + c->size, type,
                                                   TS_COMM_SUM),
                               whole, n)
                : ts_group_run(tape, c,
                               ts_all_gather_v(ts_tensor_data(own), n, ts_tensor_data(all), part, part + c->size, type),
                               n, whole);
}

static int64_t at_least_one(int64_t n) { return n ? n : 1; }

static ts_status go(ts_tape *tape, const ts_dispatch *d, const ts_tensor *x, ts_tensor **y)
{
    ts_tensor *own;
    TS_TRY(ts_tape_new(tape, x->dtype, d->rows, x->dim[1], y));
    if (d->o.pieces->size == 1)
        return exchange(tape, d, x, false, *y);
    TS_TRY(ts_tape_new(tape, x->dtype, at_least_one(d->n_taken), x->dim[1], &own));
    TS_TRY(exchange(tape, d, x, false, own));
    TS_TRY(join_pieces(tape, d, own, *y, false));
    ts_tape_drop(tape, own);
    return TS_OK;
}

static ts_status return_rows(ts_tape *tape, const ts_dispatch *d, int64_t rows, const ts_tensor *x, ts_tensor **y)
{
    ts_tensor *own;
    TS_TRY(ts_tape_new(tape, x->dtype, rows, x->dim[1], y));
    if (d->o.pieces->size == 1)
        return exchange(tape, d, x, true, *y);
    TS_TRY(ts_tape_new(tape, x->dtype, at_least_one(d->n_taken), x->dim[1], &own));
    TS_TRY(join_pieces(tape, d, own, x, true));
    TS_TRY(exchange(tape, d, own, true, *y));
    ts_tape_drop(tape, own);
    return TS_OK;
}

typedef struct dispatch_attr {
    ts_dispatch d;
} dispatch_attr;

static ts_status dispatch_gradient(ts_tape *tape, ts_record *r)
{
    const dispatch_attr *n = r->attr;
    ts_tensor *dx;
    TS_TRY(return_rows(tape, &n->d, r->in[0]->dim[0], r->out[0]->grad, &dx));
    return ts_tape_accumulate(tape, r->in[0], dx);
}

static ts_status back_gradient(ts_tape *tape, ts_record *r)
{
    const dispatch_attr *n = r->attr;
    ts_tensor *dx;
    TS_TRY(go(tape, &n->d, r->out[0]->grad, &dx));
    return ts_tape_accumulate(tape, r->in[0], dx);
}

static const ts_op dispatch_op = { .name = "dispatch", .backward = dispatch_gradient };
static const ts_op back_op = { .name = "dispatch_back", .backward = back_gradient };

static ts_status record(ts_tape *tape, const ts_op *op, const ts_dispatch *d, ts_tensor *x, ts_tensor *y)
{
    ts_record *r;
    if (!tape->recording || !x->wants_grad)
        return TS_OK;
    TS_TRY(ts_tape_record(tape, op, sizeof(dispatch_attr), &r));
    *(dispatch_attr *)r->attr = (dispatch_attr){ *d };
    r->in[0] = x;
    r->out[0] = y;
    y->wants_grad = true;
    return TS_OK;
}

ts_status ts_op_dispatch(ts_tape *tape, const ts_dispatch *d, ts_tensor *x, ts_tensor **y)
{
    TS_TRY(go(tape, d, x, y));
    return record(tape, &dispatch_op, d, x, *y);
}

ts_status ts_op_dispatch_back(ts_tape *tape, const ts_dispatch *d, ts_tensor *x, ts_tensor **y)
{
    TS_TRY(return_rows(tape, d, d->home, x, y));
    return record(tape, &back_op, d, x, *y);
}

/* ---- all gather ---- */

ts_status ts_dispatch_gather_ids(ts_tape *tape, ts_comm *group, const ts_tensor *ids, ts_tensor **all)
{
    const int64_t n = ts_tensor_count(ids);
    TS_TRY(ts_tape_new(tape, TS_DTYPE_I32, ids->dim[0] * group->size, ids->dim[1], all));
    return ts_group_run(tape, group, ts_all_gather(ts_tensor_data(ids), ts_tensor_data(*all), n * 4, TS_COMM_U8), n * 4,
                        n * 4 * group->size);
}

ts_status ts_dispatch_trim(ts_tape *tape, ts_sorted_rows *s, int64_t parts, int64_t experts)
{
    int64_t rows = 0;
    if (tape->dev->computes) {
        int32_t end;
        TS_TRY(ts_device_read(tape->dev, &end, (int32_t *)ts_tensor_data(s->offsets) + s->experts, sizeof end));
        rows = end;
    } else {
        for (int64_t e = 0; e < s->experts; e++)
            rows += parts * in_turn(s->T * s->k / parts, experts, e);
    }
    s->drops = !rows;
    s->rows = at_least_one(rows);
    return TS_OK;
}
