/* Rows go to where their experts are, and come back (all to all): see nn/experts_apart.h. They may go in parts, so that
 * one part is computed while others travel; and those of the busiest experts may stay, and get these experts' weights
 * instead.
 *
 *   part 0   go | compute | back
 *   part 1        go      | compute | back
 *   part 2                  go      | compute | back
 *
 * Rows stand in the order of parts, in a part by process, and behind them those that stay. */
#include "nn/experts_apart.h"
#include "nn/experts_products.h"
#include "ops/dispatch.h"
#include "ops/rows.h"

#include <string.h>

typedef struct part {
    ts_dispatch d;
    ts_under_way *going, *coming;
    ts_tensor *rows, *out; /* sent; what comes back, before and when it has come */
} part;

typedef struct ts_exchange {
    ts_beside *beside; /* NULL: what runs again has nothing beside it */
    const ts_experts_layer *l;
    ts_comm *comm;     /* over which rows go */
    int64_t experts;   /* of its processes */
    int64_t groups, n; /* parts of these; of rows too */
    ts_sorted_rows s;
    ts_tensor *weights;
    ts_places places;
    bool is_sorted;    /* places are the experts themselves */
    int64_t *own;      /* [places.n] pairs */
    int64_t *rows;     /* [n + 1] of each part, and those that stay */
    part *part;        /* [n] */
    const ts_lending *lending; /* the busiest; NULL: none */
    ts_experts_set lent;
    bool again;        /* rows travel when they are computed, and once more in the backward pass */
    ts_tensor *x, *stay; /* what comes; rows that stay, or NULL */
    ts_tensor **all;   /* [n + 1] of each part, and of those that stay */
    ts_travel far;     /* by way of other hosts */
    int64_t home;      /* rows of this process */
} ts_exchange;

/* ---- who is where ---- */

static int64_t here(const ts_exchange *c) { return c->experts / c->comm->size; }

/* Of an expert that stands `expert`-th among those of all processes: where it stands in a slice of rows. */
static int64_t place_of(const ts_exchange *c, int64_t expert)
{
    const int64_t process = expert / here(c), at = expert % here(c), in_group = here(c) / c->groups;
    return at / in_group * (c->experts / c->groups) + process * in_group + at % in_group;
}

static int64_t stands(const ts_exchange *c, int64_t expert) { return c->l->place ? c->l->place[expert] : expert; }

static ts_status find_places(ts_tape *tape, ts_exchange *c, int64_t slices)
{
    const ts_expert_group *g = c->l->apart;
    const int64_t E = c->l->experts, first = g->far ? g->far->rank * c->experts : 0, hot = c->lending ? c->lending->n : 0;
    int32_t *place;
    TS_TRY(ts_arena_alloc(&tape->arena, (size_t)E * sizeof *place, &place));
    for (int64_t e = 0; e < E; e++) {
        const int64_t at = stands(c, e) - first;
        place[e] = at >= 0 && at < c->experts ? (int32_t)place_of(c, at) : -1;
    }
    for (int64_t e = 0; e < E; e++)
        for (int64_t i = 0; i < hot; i++)
            if (c->lending->expert[i] == stands(c, e))
                place[e] = (int32_t)(slices * c->experts + i);
    c->places = (ts_places){ .n = slices * c->experts + hot, .slices = slices, .stride = c->experts, .experts = E,
                             .shares = g->far ? g->far->size : 1, .place = place };
    c->is_sorted = slices == 1 && c->groups == 1 && !hot && c->experts == E && !c->l->place;
    return TS_OK;
}

/* load [experts] by where they stand, in the room behind it. */
static void by_place(const ts_exchange *c, int64_t *load, int64_t *room)
{
    const int64_t E = c->l->experts;
    for (int64_t e = 0; e < E; e++)
        room[stands(c, e)] = load[e];
    memcpy(load, room, (size_t)E * sizeof *load);
}

/* Of equally busy ones those of other processes in turn, the last one first: what is planned for is the first, which then
 * keeps most. */
static void busiest(int64_t *load, int64_t experts, int64_t here, int64_t *out, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t best = -1;
        for (int64_t at = 0; at < here; at++)
            for (int64_t e = experts - here + at; e >= 0; e -= here)
                if (best < 0 || load[e] > load[best])
                    best = e;
        out[i] = best;
        load[best] = -1;
    }
}

/* The experts that most rows of all processes go to are on their way to everybody. */
static ts_status lend(ts_tape *tape, ts_exchange *c, const ts_tensor *ids, ts_dtype dtype)
{
    const ts_experts_layer *l = c->l;
    const ts_expert_group *g = l->apart;
    ts_lending *lending;
    int64_t *load;
    if (!g->hot)
        return TS_OK;
    TS_TRY(ts_arena_alloc(&tape->arena, (size_t)(2 * l->experts + g->hot) * sizeof *load, &load));
    TS_TRY(ts_pairs_count(tape, ids, l->experts, load));
    TS_TRY(ts_comm_run(c->comm, ts_all_reduce(load, l->experts, TS_COMM_I64, TS_COMM_SUM)));
    by_place(c, load, load + l->experts);
    busiest(load, l->experts, here(c), load + l->experts, g->hot);
    TS_TRY(ts_lending_make(tape, c->comm, here(c), g->hot_exchanges, load + l->experts, g->hot, &lending));
    c->lending = lending;
    TS_TRY(ts_lent_start(tape, lending, l->fc1, dtype, &c->lent.fc1));
    TS_TRY(ts_lent_start(tape, lending, l->fc1_bias, dtype, &c->lent.fc1_bias));
    TS_TRY(ts_lent_start(tape, lending, l->fc2, dtype, &c->lent.fc2));
    return ts_lent_start(tape, lending, l->fc2_bias, dtype, &c->lent.fc2_bias);
}

/* Rows of each part, and which of them go where. */
static ts_status plan_parts(ts_tape *tape, ts_exchange *c)
{
    const int64_t of_part = c->experts / c->groups;
    const ts_dispatch_op o = { .comm = c->comm, .pieces = c->l->apart->pieces, .experts = of_part };
    TS_TRY(ts_arena_alloc(&tape->arena, (size_t)c->n * sizeof *c->part, &c->part));
    TS_TRY(ts_arena_alloc(&tape->arena, (size_t)(c->n + 1) * sizeof *c->rows, &c->rows));
    memset(c->part, 0, (size_t)c->n * sizeof *c->part);
    memset(c->rows, 0, (size_t)(c->n + 1) * sizeof *c->rows);
    for (int64_t i = 0; i < c->places.n; i++)
        c->rows[i / of_part < c->n ? i / of_part : c->n] += c->own[i];
    for (int64_t i = 0; i < c->n; i++)
        TS_TRY(ts_dispatch_plan(tape, &o, c->own + i * of_part, c->is_sorted ? c->s.rows : c->rows[i], &c->part[i].d));
    return TS_OK;
}

static ts_status begin(ts_tape *tape, ts_exchange *c, ts_tensor *ids, ts_tensor *weights, bool drops, ts_dtype dtype)
{
    const ts_expert_group *g = c->l->apart;
    const int64_t slices = g->slices > 1 ? g->slices : 1;
    c->groups = g->parts > 1 ? g->parts : 1;
    c->n = slices * c->groups;
    TS_TRY(lend(tape, c, ids, dtype));
    TS_TRY(find_places(tape, c, slices));
    const ts_sort_op order = { .experts = c->places.n };
    if (!c->is_sorted)
        TS_TRY(ts_places_of(tape, &c->places, ids, &ids));
    TS_TRY(ts_sort_rows(tape, &order, ids, weights, &c->s));
    c->s.drops = drops;
    TS_TRY(ts_arena_alloc(&tape->arena, (size_t)c->places.n * sizeof *c->own, &c->own));
    TS_TRY(ts_places_count(tape, &c->places, &c->s, c->own));
    if (g->far)
        ts_sorted_rows_trim(&c->s, c->own, c->places.n);
    return plan_parts(tape, c);
}

/* ---- a part ---- */

static ts_status go(ts_tape *tape, part *p)
{
    return ts_op_travel_start(tape, &p->d.way, false, p->rows, p->d.taken, &p->going);
}

/* Of an expert in a part: as many come from everybody. */
static double even_rows(const ts_exchange *c)
{
    const int64_t slices = c->n / c->groups;
    return (double)(c->s.T * c->s.k * c->comm->size * c->l->apart->pieces->size) / (double)(c->l->experts * slices);
}

/* Its rows, when they have come -> what experts make of them, in the order in which they came. */
static ts_status compute(ts_tape *tape, ts_exchange *c, int64_t i, ts_tensor **out)
{
    part *p = &c->part[i];
    ts_dispatch *d = &p->d;
    const ts_experts_set which = { .first = i % c->groups * (here(c) / c->groups), .even = even_rows(c) };
    ts_tensor *rows, *there;
    TS_TRY(ts_dispatch_order(tape, d));
    if (i == 0 && c->beside)
        TS_TRY(ts_beside_first(tape, c->beside));
    TS_TRY(ts_op_travel_wait(tape, p->going, &there));
    ts_apart_drop(tape, p->rows, there);
    TS_TRY(ts_op_travel(tape, &d->join, false, there, d->rows, &rows));
    if (!d->is_sorted) {
        there = rows;
        TS_TRY(ts_op_gather_rows(tape, &d->order, there, &rows));
        ts_tape_drop(tape, there);
    }
    TS_TRY(ts_experts_products(tape, c->l, &which, &d->order, rows, out));
    if (d->is_sorted)
        return TS_OK;
    rows = *out;
    TS_TRY(ts_op_gather_rows(tape, &d->back, rows, out));
    ts_tape_drop(tape, rows);
    return TS_OK;
}

static ts_status come(ts_tape *tape, part *p, ts_tensor *out)
{
    TS_TRY(ts_op_travel(tape, &p->d.join, true, out, p->d.taken, &p->out));
    return ts_op_travel_start(tape, &p->d.way, true, p->out, p->d.home, &p->coming);
}

static ts_status arrive(ts_tape *tape, part *p)
{
    ts_tensor *sent = p->out;
    TS_TRY(ts_op_travel_wait(tape, p->coming, &p->out));
    ts_apart_drop(tape, sent, p->out);
    return TS_OK;
}

/* ---- all of them ---- */

/* The rows of parts, and those that stay. */
static ts_status cut(ts_tape *tape, ts_exchange *c, ts_tensor *rows, ts_tensor **stay)
{
    int64_t row = 0;
    for (int64_t i = 0; i < c->n; row += c->rows[i++])
        TS_TRY(ts_op_piece_rows(tape, rows, row, c->rows[i], &c->part[i].rows));
    if (c->lending)
        TS_TRY(ts_op_piece_rows(tape, rows, row, c->rows[c->n], stay));
    ts_tape_drop(tape, rows);
    return TS_OK;
}

/* What the busiest experts make of rows that stay. */
static ts_status compute_lent(ts_tape *tape, ts_exchange *c, ts_tensor *rows, ts_tensor **out)
{
    const int64_t n = c->lending->n;
    ts_sorted_rows s = { .T = rows->dim[0], .k = 1, .rows = rows->dim[0], .experts = n };
    int32_t *offsets;
    TS_TRY(ts_lent_wait(tape, c->lent.fc1));
    TS_TRY(ts_lent_wait(tape, c->lent.fc1_bias));
    TS_TRY(ts_lent_wait(tape, c->lent.fc2));
    TS_TRY(ts_lent_wait(tape, c->lent.fc2_bias));
    TS_TRY(ts_alloc(&offsets, (size_t)n + 1, sizeof *offsets));
    for (int64_t i = 0; i < n; i++)
        offsets[i + 1] = offsets[i] + (int32_t)c->own[c->places.n - n + i];
    const ts_status st = ts_tape_upload(tape, TS_DTYPE_I32, offsets, n + 1, &s.offsets);
    ts_free(&offsets);
    TS_TRY(st);
    return ts_experts_products(tape, c->l, &c->lent, &s, rows, out);
}

/* The first part is on its way. */
static ts_status start_parts(ts_tape *tape, ts_exchange *c, ts_tensor *rows)
{
    TS_TRY(ts_arena_alloc(&tape->arena, (size_t)(c->n + 1) * sizeof(ts_tensor *), &c->all));
    c->part[0].rows = rows;
    if (c->n > 1 || c->lending)
        TS_TRY(cut(tape, c, rows, &c->stay));
    return go(tape, &c->part[0]);
}

/* One computed while the next ones travel. */
static ts_status compute_parts(ts_tape *tape, ts_exchange *c)
{
    ts_tensor *made;
    if (c->stay)
        TS_TRY(compute_lent(tape, c, c->stay, &c->all[c->n]));
    for (int64_t i = 0; i < c->n; i++) {
        if (i + 1 < c->n)
            TS_TRY(go(tape, &c->part[i + 1]));
        TS_TRY(compute(tape, c, i, &made));
        TS_TRY(come(tape, &c->part[i], made));
        ts_apart_drop(tape, made, c->part[i].out);
    }
    return TS_OK;
}

/* Results lie as rows did. */
static ts_status finish_parts(ts_tape *tape, ts_exchange *c, ts_tensor **out)
{
    const int64_t n = c->n + (c->lending != NULL);
    for (int64_t i = 0; i < c->n; i++) {
        TS_TRY(arrive(tape, &c->part[i]));
        c->all[i] = c->part[i].out;
    }
    if (n == 1) {
        *out = c->all[0];
        return TS_OK;
    }
    TS_TRY(ts_op_join_rows(tape, c->all, c->rows, n, c->s.rows, out));
    for (int64_t i = 0; i < n; i++)
        ts_tape_drop(tape, c->all[i]);
    return TS_OK;
}

/* ---- where nothing of it is kept but x, and who goes where ---- */

static ts_status send_again(ts_tape *tape, void *ctx, ts_tensor *x, ts_tensor **out)
{
    ts_exchange *c = ctx;
    TS_TRY(ts_experts_rows(tape, c->l, &c->s, x, c->weights, &c->part[0].rows));
    TS_TRY(go(tape, &c->part[0]));
    return compute(tape, c, 0, out);
}

static ts_status run_segment(ts_tape *tape, ts_exchange *c)
{
    ts_exchange alone = *c;
    const ts_record *last = tape->last;
    ts_tensor *there;
    alone.beside = NULL;
    alone.weights = NULL;
    TS_TRY(ts_tape_segment(tape, send_again, &alone, sizeof alone, c->x, &there));
    if (tape->last != last) {
        ts_record_save(tape, tape->last, c->s.from);
        ts_record_save(tape, tape->last, c->s.at);
    }
    return come(tape, &c->part[0], there);
}

/* ---- in three steps ---- */

/* By way of those that stand alike elsewhere: rows come to one process of each host, as many as there are, and go from
 * there to the experts of that host alone. What these make of them is a part of a sum. */
static ts_status come_from_far(ts_tape *tape, ts_exchange *c, ts_tensor **x, ts_tensor **weights, ts_tensor **ids)
{
    ts_comm *far = c->l->apart->far;
    TS_TRY(ts_travel_gather(tape, far, c->home, &c->far));
    TS_TRY(ts_op_travel(tape, &c->far, false, *x, c->far.n_there, x));
    TS_TRY(ts_op_group_collect(tape, far, *weights, weights));
    return ts_dispatch_gather_ids(tape, far, *ids, ids);
}

ts_status ts_exchange_begin(ts_tape *tape, ts_beside *b, ts_tensor *x, ts_tensor *weights, ts_tensor *ids, bool drops,
                            ts_exchange **out)
{
    const ts_expert_group *g = b->l->apart;
    ts_exchange *c;
    ts_tensor *rows;
    TS_TRY(ts_arena_alloc(&tape->arena, sizeof *c, &c));
    *c = (ts_exchange){ .beside = b, .l = b->l, .comm = g->far ? g->near : g->comm,
                        .experts = b->l->experts / (g->far ? g->far->size : 1), .home = x->dim[0] };
    *out = c;
    if (g->far)
        TS_TRY(come_from_far(tape, c, &x, &weights, &ids));
    c->x = x;
    c->weights = weights;
    TS_TRY(begin(tape, c, ids, weights, drops, x->dtype));
    c->again = ts_run_again(b->run, b->layer, TS_PART_SENT) && !c->l->scales_input; /* weights have gradients there */
    if (c->again)
        return TS_OK;
    TS_TRY(ts_experts_rows(tape, c->l, &c->s, x, weights, &rows));
    return start_parts(tape, c, rows);
}

ts_status ts_exchange_compute(ts_tape *tape, ts_exchange *c)
{
    TS_TRY((c->again ? run_segment : compute_parts)(tape, c));
    return ts_beside_second(tape, c->beside);
}

ts_status ts_exchange_finish(ts_tape *tape, ts_exchange *c, ts_tensor **y)
{
    ts_tensor *out, *sum;
    if (c->again) {
        TS_TRY(arrive(tape, &c->part[0]));
        out = c->part[0].out;
    } else {
        TS_TRY(finish_parts(tape, c, &out));
    }
    TS_TRY(ts_experts_combine(tape, c->l, &c->s, out, c->weights, y));
    ts_tape_drop(tape, out);
    if (!c->l->apart->far)
        return TS_OK;
    sum = *y;
    TS_TRY(ts_op_travel(tape, &c->far, true, sum, c->home, y));
    ts_apart_drop(tape, sum, *y);
    return TS_OK;
}
