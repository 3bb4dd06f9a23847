#include "nn/linear.h"

#include "ops/linear_2d.h"

#include <string.h>

#include <math.h>

void ts_linear_share(const ts_declarer *d, ts_linear *l, ts_cut cut, int stretches, int64_t unit)
{
    if (!d->group)
        return;
    const ts_comm *c = d->group->x ? d->group->x : d->group->comm;
    ts_place p = ts_place_whole(cut == TS_CUT_COLUMN ? l->out : l->in, 0);
    ts_place_cut_even(&p, 0, TS_AXIS_TENSOR, c->size, c->rank, stretches, unit);
    l->cut = cut;
    l->n_spans = p.dim[0].n_spans;
    for (int i = 0; i < l->n_spans; i++)
        l->span[i] = p.dim[0].span[i];
}

void ts_linear_share_as(const ts_declarer *d, ts_linear *l, const ts_place *share)
{
    l->out = share->dim[0].whole;
    if (!d->group)
        return;
    l->cut = TS_CUT_COLUMN;
    l->n_spans = share->dim[0].n_spans;
    for (int i = 0; i < l->n_spans; i++)
        l->span[i] = share->dim[0].span[i];
}

ts_place ts_share_of(const ts_declarer *d, int64_t units, int64_t unit)
{
    ts_place p = ts_place_whole(units * unit, 0);
    if (d->group)
        ts_place_cut_even(&p, 0, TS_AXIS_TENSOR, d->group->comm->size, d->group->comm->rank, 1, unit);
    return p;
}

ts_place ts_shares_behind(const ts_declarer *d, const ts_place *share, int n)
{
    ts_place_span span[TS_PLACE_SPANS];
    int64_t at = 0;
    TS_ASSERT(n <= TS_PLACE_SPANS, "%d shares", n);
    for (int i = 0; i < n; i++) {
        if (d->group)
            span[i] = (ts_place_span){ at + share[i].dim[0].span[0].begin, share[i].dim[0].span[0].n };
        at += share[i].dim[0].whole;
    }
    ts_place p = ts_place_whole(at, 0);
    if (d->group)
        ts_place_cut(&p, 0, TS_AXIS_TENSOR, span, n);
    return p;
}

ts_param_spec ts_filter_spec(const ts_place *columns, int64_t taps)
{
    ts_param_spec s = { .place = *columns, .is_filter = true, .start = TS_START_UNIFORM,
                        .value = 1 / sqrtf((float)taps) };
    s.place.rank = 2;
    s.place.dim[1] = (ts_place_dim){ .whole = taps };
    return s;
}

/* The side of the weight that x does not share out, and who has a copy of the bias. */
static void cut_by_y(const ts_tensor_group *g, const ts_linear *l, ts_param_spec *w, ts_param_spec *b)
{
    const bool row = l->cut == TS_CUT_ROW;
    ts_place_cut_even(&w->place, row ? 0 : 1, TS_AXIS_TENSOR, g->y->size, g->y->rank, 1, 1);
    if (row)
        ts_place_cut_even(&b->place, 0, TS_AXIS_TENSOR, g->y->size, g->y->rank, 1, 1);
    b->is_copy = (row ? g->x : g->y)->rank > 0;
}

static ts_product_parts parts_of(const ts_tensor_group *g, const char *name)
{
    for (int i = 0; i < g->n_products; i++)
        if (!strcmp(g->product[i].name, name))
            return g->product[i];
    return (ts_product_parts){ NULL, g->gather_parts, g->sum_parts };
}

ts_status ts_linear_declare(const ts_declarer *d, const char *name, ts_linear *l)
{
    const ts_declarer in = ts_declare_in(d, name);
    ts_param_spec w = { .place = ts_place_whole(l->out, l->in), .start = l->start,
                        .decoupled = l->decoupled, .is_linear = true };
    ts_param_spec b = { .place = ts_place_whole(l->out, 0), .start = TS_START_CONSTANT };
    w.bands = b.bands = l->bands;
    w.parts = b.parts = l->parts, w.is_copy = b.is_copy = l->is_copy;
    l->group = l->cut ? d->group : NULL;
    if (l->group)
        l->in_parts = parts_of(l->group, name);
    if (l->cut)
        ts_place_cut(&w.place, l->cut == TS_CUT_ROW, TS_AXIS_TENSOR, l->span, l->n_spans);
    if (l->cut == TS_CUT_COLUMN)
        ts_place_cut(&b.place, 0, TS_AXIS_TENSOR, l->span, l->n_spans);
    if (l->cut && d->group->x)
        cut_by_y(d->group, l, &w, &b);
    if (!l->tied)
        TS_TRY(ts_declare(&in, "weight", &w, &l->w));
    if (l->has_bias)
        TS_TRY(ts_declare(&in, "bias", &b, &l->b));
    return d->adapting ? d->adapting->meet(d->adapting, &in, l) : TS_OK;
}

/* The bias that a product adds. */
static ts_param *bias_of(const ts_linear *l) { return ts_linear_is_adapted(l) && l->adapter->adds_bias ? NULL : l->b; }

/* What the group does with a product: its columns stay apart, or its parts are summed. */
static ts_status shared(ts_tape *tape, const ts_linear *l, ts_param *b, ts_tensor *x, ts_tensor **y)
{
    const ts_tensor_group *g = l->group;
    const bool column = l->cut == TS_CUT_COLUMN, in_parts = l->in_parts.gather > 1 || l->in_parts.sum > 1;
    ts_linear_op o = { .w = l->w, .b = b, .elsewhere = !column && g->comm->rank > 0,
                       .gather_parts = l->in_parts.gather, .sum_parts = l->in_parts.sum };
    if (column)
        o.group = g->comm, o.gathers = g->sequence;
    else if (in_parts)
        o.sums = g->comm, o.scatters = g->sequence;
    TS_TRY(ts_op_linear_of(tape, &o, x, y));
    if (column || in_parts)
        return TS_OK;
    return (g->sequence ? ts_op_group_scatter : ts_op_group_sum)(tape, g->comm, *y, y);
}

/* The same on a mesh. */
static ts_status shared_both_ways(ts_tape *tape, const ts_linear *l, ts_tensor *x, ts_tensor **y)
{
    const ts_tensor_group *g = l->group;
    const bool column = l->cut == TS_CUT_COLUMN;
    const ts_linear_2d_op o = { .w = l->w, .b = bias_of(l), .all = g->comm, .x = g->x, .y = g->y,
                                .column = column, .stretches = column ? l->n_spans : 1,
                                .elsewhere = (column ? g->y : g->x)->rank > 0,
                                .enter_parts = g->gather_parts, .leave_parts = g->sum_parts,
                                .back_parts = g->back_parts };
    return ts_op_linear_2d(tape, &o, x, y);
}

ts_status ts_linear_product(ts_tape *tape, const ts_linear *l, ts_tensor *x, ts_tensor **y)
{
    TS_ASSERT(!l->group || !l->group->x, "%s is cut both ways", l->w->name);
    return l->group ? shared(tape, l, NULL, x, y) : ts_op_linear(tape, x, l->w, NULL, y);
}

ts_status ts_linear_forward(ts_tape *tape, const ts_linear *l, ts_tensor *x, ts_tensor **y)
{
    TS_TRY(!l->group     ? ts_op_linear(tape, x, l->w, bias_of(l), y)
           : l->group->x ? shared_both_ways(tape, l, x, y)
                         : shared(tape, l, bias_of(l), x, y));
    return ts_linear_is_adapted(l) ? l->adapter->add(l->adapter, tape, x, y) : TS_OK;
}
