#include "tensor/place.h"

static bool meet(const ts_place_span *a, const ts_place_span *b)
{
    return a->begin < b->begin + b->n && b->begin < a->begin + a->n;
}

void ts_place_cut(ts_place *p, int dim, ts_axis axis, const ts_place_span *span, int n)
{
    ts_place_dim *d = &p->dim[dim];
    TS_ASSERT(dim < p->rank && axis != TS_AXIS_NONE && n >= 1 && n <= TS_PLACE_SPANS,
              "dimension %d in %d spans", dim, n);
    d->axis = axis;
    d->n_spans = n;
    for (int i = 0; i < n; i++) {
        TS_ASSERT(span[i].begin >= 0 && span[i].n >= 0 && span[i].begin + span[i].n <= d->whole,
                  "span %d of dimension %d", i, dim);
        for (int k = 0; k < i; k++)
            TS_ASSERT(!meet(&span[i], &span[k]), "spans %d and %d of dimension %d", k, i, dim);
        d->span[i] = span[i];
    }
}

void ts_place_cut_list(ts_place *p, int dim, ts_axis axis, const int32_t *numbers, int64_t n)
{
    ts_place_dim *d = &p->dim[dim];
    TS_ASSERT(dim < p->rank && axis != TS_AXIS_NONE && n >= 1 && n <= d->whole, "%lld elements of dimension %d",
              (long long)n, dim);
    d->axis = axis;
    d->n_spans = 0;
    d->listed = numbers;
    d->n_listed = n;
}

void ts_place_cut_even(ts_place *p, int dim, ts_axis axis, int64_t n, int64_t i, int stretches,
                       int64_t unit)
{
    const int64_t stretch = p->dim[dim].whole / stretches, units = stretch / unit;
    const int64_t each = units / n, more = units % n, before = i * each + (i < more ? i : more);
    ts_place_span span[TS_PLACE_SPANS];
    TS_ASSERT(stretches <= TS_PLACE_SPANS && stretch * stretches == p->dim[dim].whole &&
                  units * unit == stretch && i < n,
              "dimension %d of %lld in %d stretches of units of %lld", dim,
              (long long)p->dim[dim].whole, stretches, (long long)unit);
    for (int k = 0; k < stretches; k++)
        span[k] = (ts_place_span){ k * stretch + before * unit, (each + (i < more)) * unit };
    ts_place_cut(p, dim, axis, span, stretches);
}

int64_t ts_place_local(const ts_place *p, int dim)
{
    const ts_place_dim *d = &p->dim[dim];
    int64_t n = 0;
    if (d->axis == TS_AXIS_NONE)
        return d->whole;
    if (d->listed)
        return d->n_listed;
    for (int i = 0; i < d->n_spans; i++)
        n += d->span[i].n;
    return n;
}

int64_t ts_place_count(const ts_place *p)
{
    int64_t n = 1;
    for (int i = 0; i < p->rank; i++)
        n *= ts_place_local(p, i);
    return n;
}

int64_t ts_place_whole_count(const ts_place *p)
{
    int64_t n = 1;
    for (int i = 0; i < p->rank; i++)
        n *= p->dim[i].whole;
    return n;
}

bool ts_place_is_whole(const ts_place *p)
{
    for (int i = 0; i < p->rank; i++)
        if (p->dim[i].axis != TS_AXIS_NONE)
            return false;
    return true;
}

int64_t ts_place_along(const ts_place_dim *d, int64_t at, int64_t *whole)
{
    if (d->axis == TS_AXIS_NONE) {
        *whole = at;
        return d->whole - at;
    }
    if (d->listed) {
        *whole = d->listed[at];
        return 1;
    }
    int i = 0;
    for (; at >= d->span[i].n; i++)
        at -= d->span[i].n;
    *whole = d->span[i].begin + at;
    return d->span[i].n - at;
}

/* From the last dimension up. Behind what is left of a row the next row follows when rows are here
 * whole, and so on: a cut dimension is the last that a run goes along. */
int64_t ts_place_run(const ts_place *p, int64_t at, int64_t *whole)
{
    int64_t run = 1, below = 1;
    bool grows = true;
    *whole = 0;
    for (int i = p->rank - 1; i >= 0; i--) {
        const int64_t local = ts_place_local(p, i);
        int64_t here, n = ts_place_along(&p->dim[i], at % local, &here);
        *whole += here * below;
        if (grows)
            run += (n - 1) * below;
        grows = grows && p->dim[i].axis == TS_AXIS_NONE;
        below *= p->dim[i].whole;
        at /= local;
    }
    return run;
}

int64_t ts_place_here(const ts_place *p, int dim, int64_t whole)
{
    const ts_place_dim *d = &p->dim[dim];
    int64_t before = 0;
    if (d->axis == TS_AXIS_NONE)
        return whole;
    for (int64_t i = 0; i < (d->listed ? d->n_listed : 0); i++)
        if (d->listed[i] == whole)
            return i;
    for (int i = 0; i < d->n_spans; i++) {
        if (whole >= d->span[i].begin && whole < d->span[i].begin + d->span[i].n)
            return before + whole - d->span[i].begin;
        before += d->span[i].n;
    }
    return -1;
}
