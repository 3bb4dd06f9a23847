#include "ops/parts.h"

int ts_parts_of(const ts_tape *tape, int64_t rows, int wanted)
{
    const bool far = tape->dev->computes && !tape->dev->on_host;
    TS_ASSERT(wanted <= TS_PARTS_MOST, "%d parts", wanted);
    return wanted < 2 || far || rows % wanted ? 1 : wanted;
}

ts_status ts_travel_start(ts_travel *t, ts_comm_call call)
{
    TS_ASSERT(t->n < TS_PARTS_MOST, "more than %d parts", TS_PARTS_MOST);
    t->part[t->n] = NULL;
    return ts_comm_start(t->group, call, &t->part[t->n++]);
}

ts_status ts_travel_move(ts_travel *t)
{
    bool done;
    for (int i = 0; i < t->n; i++)
        TS_TRY(ts_comm_test(t->group, &t->part[i], &done));
    return TS_OK;
}

ts_status ts_travel_wait(ts_travel *t, int last)
{
    for (int i = 0; i <= last; i++)
        TS_TRY(ts_comm_wait(t->group, &t->part[i]));
    return TS_OK;
}

/* An exchange of a tensor of rows, and where a part's stretches lie in it. */
typedef struct travel {
    ts_travel t;
    int64_t *at; /* [2 * size]: counts and offsets */
} travel;

/* Stretch r of part i: rows [i, i + 1) * n of rank r's share, of `width` values each. */
static void stretches(const travel *t, int i, int64_t share, int64_t n, int64_t width)
{
    const int size = t->t.group->size;
    for (int r = 0; r < size; r++) {
        t->at[r] = n * width;
        t->at[size + r] = (r * share + i * n) * width;
    }
}

static ts_status open_travel(ts_tape *tape, ts_comm *group, travel *t)
{
    *t = (travel){ .t.group = group };
    return ts_arena_alloc(&tape->arena, 2 * (size_t)group->size * sizeof *t->at, &t->at);
}

static const char *row_of(const ts_tensor *x, int64_t row)
{
    return (const char *)ts_tensor_data(x) +
           (size_t)(row * x->dim[1]) * ts_dtype_size(x->dtype);
}

/* ---- gather ---- */

static ts_status start_gathers(travel *t, int parts, const ts_tensor *x, ts_tensor *all)
{
    const int64_t share = x->dim[0], n = share / parts, width = x->dim[1];
    for (int i = 0; i < parts; i++) {
        stretches(t, i, share, n, width);
        const ts_comm_call call = ts_all_gather_v(row_of(x, i * n), n * width, ts_tensor_data(all),
                                                  t->at, t->at + t->t.group->size,
                                                  ts_group_type(x->dtype));
        TS_TRY(ts_travel_start(&t->t, call));
    }
    return TS_OK;
}

/* This process's own rows of a part need not wait for it. */
static ts_status use_part(travel *t, int i, int64_t n, const ts_tensor *x, const ts_tensor *all,
                          ts_rows_fn *use, void *ctx)
{
    const ts_comm *g = t->t.group;
    const int64_t share = x->dim[0];
    TS_TRY(use(ctx, row_of(x, i * n), g->rank * share + i * n, n));
    TS_TRY(ts_travel_wait(&t->t, i));
    for (int k = 1; k < g->size; k++) {
        const int64_t row0 = (g->rank + k) % g->size * share + i * n;
        TS_TRY(use(ctx, row_of(all, row0), row0, n));
        TS_TRY(ts_travel_move(&t->t));
    }
    return TS_OK;
}

ts_status ts_parts_gather(ts_tape *tape, ts_comm *group, int parts, const ts_tensor *x, ts_tensor *all,
                          ts_rows_fn *use, void *ctx)
{
    travel t;
    parts = ts_parts_of(tape, x->dim[0], parts);
    if (parts == 1) {
        TS_TRY(ts_group_gather_into(tape, group, x, all));
        return use(ctx, ts_tensor_data(all), 0, all->dim[0]);
    }
    TS_TRY(open_travel(tape, group, &t));
    TS_TRY(tape->dev->sync(tape->dev));
    TS_TRY(start_gathers(&t, parts, x, all));
    for (int i = 0; i < parts; i++)
        TS_TRY(use_part(&t, i, x->dim[0] / parts, x, all, use, ctx));
    return TS_OK;
}

/* ---- scatter ---- */

static ts_status make_part(travel *t, int i, int64_t share, int64_t n, ts_rows_fn *make, void *ctx)
{
    for (int r = 0; r < t->t.group->size; r++) {
        TS_TRY(make(ctx, NULL, r * share + i * n, n));
        TS_TRY(ts_travel_move(&t->t));
    }
    return TS_OK;
}

ts_status ts_parts_scatter(ts_tape *tape, ts_comm *group, int parts, ts_tensor *all, ts_tensor *y,
                           ts_rows_fn *make, void *ctx)
{
    const int64_t share = y->dim[0], width = y->dim[1];
    travel t;
    parts = ts_parts_of(tape, share, parts);
    if (parts == 1) {
        TS_TRY(make(ctx, NULL, 0, all->dim[0]));
        return ts_group_scatter_into(tape, group, all, y);
    }
    const int64_t n = share / parts;
    TS_TRY(open_travel(tape, group, &t));
    for (int i = 0; i < parts; i++) {
        TS_TRY(make_part(&t, i, share, n, make, ctx));
        TS_TRY(tape->dev->sync(tape->dev));
        stretches(&t, i, share, n, width);
        const ts_comm_call call =
            ts_reduce_scatter_v(ts_tensor_data(all), (char *)row_of(y, i * n), t.at,
                                t.at + group->size, ts_group_type(y->dtype), TS_COMM_SUM);
        TS_TRY(ts_travel_start(&t.t, call));
    }
    return ts_travel_wait(&t.t, parts - 1);
}

/* ---- sum ---- */

ts_status ts_parts_sum(ts_tape *tape, ts_comm *group, int parts, ts_tensor *x, ts_rows_fn *make,
                       void *ctx)
{
    ts_travel t = { .group = group };
    parts = ts_parts_of(tape, x->dim[0], parts);
    const int64_t n = x->dim[0] / parts;
    if (parts == 1) {
        TS_TRY(make(ctx, NULL, 0, n));
        return ts_group_sum(tape, group, ts_tensor_data(x), ts_tensor_count(x), x->dtype);
    }
    for (int i = 0; i < parts; i++) {
        TS_TRY(make(ctx, NULL, i * n, n));
        TS_TRY(tape->dev->sync(tape->dev));
        TS_TRY(ts_travel_start(&t, ts_all_reduce((char *)row_of(x, i * n), n * x->dim[1],
                                                 ts_group_type(x->dtype), TS_COMM_SUM)));
        TS_TRY(ts_travel_move(&t));
    }
    return ts_travel_wait(&t, parts - 1);
}
