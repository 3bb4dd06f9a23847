#include "ops/dispatch.h"

#include <string.h>

/* ---- who has how many ---- */

/* Of n pairs that go to `experts` in turn. */
static int64_t in_turn(int64_t n, int64_t experts, int64_t e) { return n / experts + (e < n % experts); }

static int64_t at_least_one(int64_t n) { return n ? n : 1; }

static int64_t at(const ts_places *p, int64_t e, int64_t slice)
{
    const int64_t place = p->place[e];
    return place >= 0 && place < p->slices * p->stride ? place + slice * p->stride : place;
}

/* The first row of a slice. */
static int64_t first_of(const ts_places *p, int64_t rows, int64_t slice) { return rows * slice / p->slices; }

static void number(const ts_places *p, int32_t *ids, int64_t rows, int64_t k)
{
    for (int64_t i = 0; i < p->slices; i++)
        for (int64_t j = first_of(p, rows, i) * k; j < first_of(p, rows, i + 1) * k; j++)
            ids[j] = ids[j] < 0 ? -1 : (int32_t)at(p, ids[j], i);
}

static ts_status read_ids(ts_tape *tape, const ts_tensor *ids, int32_t **host)
{
    const size_t n = (size_t)ts_tensor_count(ids);
    TS_TRY(ts_alloc(host, n, sizeof **host));
    const ts_status st = ts_device_read(tape->dev, *host, ts_tensor_data(ids), n * sizeof **host);
    if (st != TS_OK)
        ts_free(host);
    return st;
}

ts_status ts_places_of(ts_tape *tape, const ts_places *p, const ts_tensor *ids, ts_tensor **out)
{
    const int64_t rows = ids->dim[0], k = ids->dim[1];
    int32_t *host;
    TS_TRY(ts_tape_new(tape, TS_DTYPE_I32, rows, k, out));
    if (!tape->dev->computes)
        return TS_OK;
    TS_TRY(read_ids(tape, ids, &host));
    number(p, host, rows, k);
    tape->dev->to_device(tape->dev, ts_tensor_data(*out), host, (size_t)(rows * k) * sizeof *host);
    ts_free(&host);
    return TS_OK;
}

/* Where nothing is computed: pair j of each process goes to expert j modulo their number. */
static void count_in_turn(const ts_places *p, const ts_sorted_rows *s, int64_t *own)
{
    const int64_t T = s->T / p->shares;
    for (int64_t i = 0; i < p->slices; i++)
        for (int64_t e = 0; e < p->experts; e++)
            if (p->place[e] >= 0)
                own[at(p, e, i)] += p->shares * (in_turn(first_of(p, T, i + 1) * s->k, p->experts, e) -
                                                 in_turn(first_of(p, T, i) * s->k, p->experts, e));
}

ts_status ts_places_count(ts_tape *tape, const ts_places *p, const ts_sorted_rows *s, int64_t *own)
{
    int32_t *offsets;
    memset(own, 0, (size_t)p->n * sizeof *own);
    if (!tape->dev->computes) {
        count_in_turn(p, s, own);
        return TS_OK;
    }
    TS_TRY(ts_alloc(&offsets, (size_t)p->n + 1, sizeof *offsets));
    const ts_status st = ts_device_read(tape->dev, offsets, ts_tensor_data(s->offsets),
                                        (size_t)(p->n + 1) * sizeof *offsets);
    for (int64_t e = 0; st == TS_OK && e < p->n; e++)
        own[e] = offsets[e + 1] - offsets[e];
    ts_free(&offsets);
    return st;
}

ts_status ts_pairs_count(ts_tape *tape, const ts_tensor *ids, int64_t experts, int64_t *own)
{
    const int64_t n = ts_tensor_count(ids);
    int32_t *host;
    for (int64_t e = 0; e < experts; e++)
        own[e] = tape->dev->computes ? 0 : in_turn(n, experts, e);
    if (!tape->dev->computes)
        return TS_OK;
    TS_TRY(read_ids(tape, ids, &host));
    for (int64_t i = 0; i < n; i++)
        if (host[i] >= 0)
            own[host[i]]++;
    ts_free(&host);
    return TS_OK;
}

void ts_sorted_rows_trim(ts_sorted_rows *s, const int64_t *own, int64_t n)
{
    int64_t rows = 0;
    for (int64_t i = 0; i < n; i++)
        rows += own[i];
    s->drops = !rows;
    s->rows = at_least_one(rows);
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

/* n: [2 size] sent, [2 size] taken, [2 pieces] rows of each of them. */
static void add_up(ts_dispatch *d, const int64_t *own, int64_t *n)
{
    const ts_dispatch_op *o = &d->o;
    const int size = o->comm->size, pieces = o->pieces->size;
    const int64_t here = o->experts / size;
    int64_t *sent = n, *taken = sent + 2 * size, *piece = taken + 2 * size;
    for (int64_t e = 0; e < o->experts; e++) {
        sent[e / here] += own[e];
        taken[e / here] += d->counts[o->pieces->rank * o->experts + e];
    }
    for (int64_t i = 0; i < pieces * o->experts; i++)
        piece[i / o->experts] += d->counts[i];
    const int64_t n_sent = begin_each(sent, size), n_taken = begin_each(taken, size), rows = begin_each(piece, pieces);
    d->way = (ts_travel){ .comm = o->comm, .here = sent, .there = taken, .n_here = n_sent, .n_there = n_taken };
    d->join = (ts_travel){ .comm = o->pieces, .gathers = true, .there = piece, .n_here = n_taken, .n_there = rows };
    d->taken = at_least_one(n_taken), d->rows = at_least_one(rows);
}

ts_status ts_dispatch_plan(ts_tape *tape, const ts_dispatch_op *o, const int64_t *own, int64_t home, ts_dispatch *d)
{
    const size_t sums = 4 * (size_t)o->comm->size + 2 * (size_t)o->pieces->size,
                 counts = (size_t)o->pieces->size * (size_t)o->experts;
    int64_t *n;
    *d = (ts_dispatch){ .o = *o, .home = at_least_one(home) };
    TS_ASSERT(o->experts % o->comm->size == 0, "%lld experts for %d processes", (long long)o->experts, o->comm->size);
    TS_TRY(ts_arena_alloc(&tape->arena, (sums + counts) * sizeof *n, &n));
    memset(n, 0, sums * sizeof *n);
    d->counts = n + sums;
    TS_TRY(exchange_counts(tape, o, own, d->counts));
    add_up(d, own, n);
    return TS_OK;
}

/* Rows come by piece, process and expert; from: in the order of experts, then of piece and process. */
static void order_rows(const ts_dispatch *d, int32_t *from, int32_t *at, int32_t *offsets)
{
    const int64_t here = d->order.experts, blocks = d->o.pieces->size * d->o.comm->size;
    int32_t *next = offsets + 1, begin = 0, row = 0; /* next: where an expert's next row goes, at last its end */
    offsets[0] = 0;
    for (int64_t e = 0; e < here; e++) {
        next[e] = begin;
        for (int64_t b = 0; b < blocks; b++)
            begin += (int32_t)d->counts[b * here + e];
    }
    for (int64_t i = 0; i < blocks * here; i++)
        for (int64_t n = 0; n < d->counts[i]; n++, row++) {
            at[row] = next[i % here]++;
            from[at[row]] = row;
        }
}

ts_status ts_dispatch_order(ts_tape *tape, ts_dispatch *d)
{
    const int64_t here = d->o.experts / d->o.comm->size, n = d->rows;
    int32_t *host;
    TS_TRY(ts_alloc(&host, (size_t)(2 * n + here + 1), sizeof *host));
    d->order = (ts_sorted_rows){ .T = n, .k = 1, .rows = n, .experts = here };
    host[0] = host[n] = -1; /* where no row comes */
    if (tape->dev->computes)
        order_rows(d, host, host + n, host + 2 * n);
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
    ts_sorted_rows_trim(s, &rows, 1);
    return TS_OK;
}
