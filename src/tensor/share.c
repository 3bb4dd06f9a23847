/* What of a parameter is this process's own, where processes share out: see param.h and shards.h. */
#include "tensor/param.h"

/* ---- the cut ---- */

/* Whether the group of those that hold the same experts shares it out. */
static bool is_of_experts(const ts_shards *s, const ts_param *p)
{
    return s->o.expert_size && p->is_expert;
}

/* Whether a unit of the set's own begins with parameter i. */
static bool begins_unit(const ts_shards *s, const ts_param_set *set, size_t i)
{
    return i == 0 || set->p[i]->unit != set->p[i - 1]->unit ||
           is_of_experts(s, set->p[i]) != is_of_experts(s, set->p[i - 1]);
}

static bool steps_some_whole(const ts_param_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        if (set->p[i]->steps_whole)
            return true;
    return false;
}

/* Whether some stay whole where others are cut. */
static bool keeps_some_whole(const ts_shards *s, const ts_param_set *set)
{
    return s->o.level == TS_SHARD_STATE && !s->o.cuts_whole && steps_some_whole(set);
}

/* Those of a tensor-parallel group must agree on whose a matrix is, and have shares of different sizes:
 * what is cut so goes by the sizes of the whole. A unit ends behind the parameter that fills it. */
static int64_t cut_at_parameters(ts_shards *s, const ts_param_set *set)
{
    int64_t n = 0, filled = s->o.unit;
    bool is_expert = false;
    for (size_t i = 0; i < set->n; i++) {
        const ts_param *p = set->p[i];
        if (!ts_param_is_trained(p))
            continue;
        if (filled >= s->o.unit || is_of_experts(s, p) != is_expert) {
            if (s->begin)
                s->begin[n] = p->offset, s->is_expert[n] = is_of_experts(s, p);
            n++, filled = 0;
        }
        is_expert = is_of_experts(s, p);
        filled += ts_place_whole_count(&p->place);
    }
    return n ? n : 1;
}

static int64_t whole_of_unit(const ts_shards *s, const ts_param_set *set, int64_t u)
{
    int64_t n = 0;
    for (size_t i = 0; i < set->n; i++)
        if (set->p[i]->offset >= s->begin[u] && set->p[i]->offset < s->begin[u + 1])
            n += ts_place_whole_count(&set->p[i]->place);
    return n;
}

/* Where element `at` of a unit's wholes stands in the flat arrays; at the nearer end of one that stays
 * whole. */
static int64_t border_near(const ts_shards *s, const ts_param_set *set, int64_t u, int64_t at)
{
    for (size_t i = 0; i < set->n; i++) {
        const ts_param *p = set->p[i];
        const int64_t n = ts_place_whole_count(&p->place), room = ts_param_room(p);
        if (p->offset < s->begin[u] || p->offset >= s->begin[u + 1])
            continue;
        if (at < n && p->steps_whole)
            return p->offset + (at < n - at ? 0 : room);
        if (at < n)
            return p->offset + (int64_t)((double)at / (double)n * (double)(room / 64)) * 64;
        at -= n;
    }
    return s->begin[u + 1];
}

static void place_borders(ts_shards *s, const ts_param_set *set)
{
    for (int64_t u = 0; u < s->n_units; u++) {
        const int size = ts_shard_size(s, u);
        int64_t *border = s->border + u * (ts_shards_size(s) + 1);
        const int64_t whole = whole_of_unit(s, set, u);
        for (int r = 1; r < size; r++)
            border[r] = border_near(s, set, u, whole / size * r + whole % size * r / size);
        border[0] = s->begin[u], border[size] = s->begin[u + 1];
    }
}

/* Whether units are the set's own, not so many elements. */
static bool has_own_units(const ts_shards *s)
{
    return s->o.by_unit || s->o.coded || (s->o.level > TS_SHARD_STATE && !ts_shards_alone(s));
}

/* Units of so many elements, from `at` to `end`: the next is number n; returns the one behind them. */
static int64_t cut_stretch(ts_shards *s, int64_t n, int64_t at, int64_t end, bool is_expert)
{
    for (; at < end; at += s->o.unit, n++)
        if (s->begin)
            s->begin[n] = at, s->is_expert[n] = is_expert;
    return n;
}

/* Of each stretch that one group shares out the last is shorter. */
static int64_t cut_evenly(ts_shards *s, const ts_param_set *set)
{
    int64_t n = 0, from = 0;
    bool is_expert = false;
    for (size_t i = 0; i < set->n; i++) {
        const ts_param *p = set->p[i];
        if (!ts_param_is_trained(p) || is_of_experts(s, p) == is_expert)
            continue;
        n = cut_stretch(s, n, from, p->offset, is_expert);
        from = p->offset, is_expert = !is_expert;
    }
    n = cut_stretch(s, n, from, set->total, is_expert);
    return n ? n : 1;
}

static int64_t count_units(ts_shards *s, const ts_param_set *set)
{
    int64_t n = 0;
    if (!ts_shards_alone(s) && keeps_some_whole(s, set))
        return cut_at_parameters(s, set);
    if (!has_own_units(s))
        return cut_evenly(s, set);
    for (size_t i = 0; i < set->n; i++)
        n += begins_unit(s, set, i);
    return n;
}

/* A unit of the set's own begins where its first trained parameter does. */
static void place_units(ts_shards *s, const ts_param_set *set)
{
    int64_t unit = 0, at = 0;
    s->begin[s->n_units] = set->total;
    s->param[s->n_units] = (int64_t)set->n;
    if (s->border) {
        s->begin[0] = 0;
        cut_at_parameters(s, set);
        place_borders(s, set);
        return;
    }
    if (!has_own_units(s)) {
        s->begin[0] = 0;
        cut_evenly(s, set);
        return;
    }
    for (size_t i = 0; i < set->n; i++) {
        if (begins_unit(s, set, i))
            s->is_expert[unit] = is_of_experts(s, set->p[i]), s->begin[unit] = at, s->param[unit++] = (int64_t)i;
        at += ts_param_is_trained(set->p[i]) ? ts_param_room(set->p[i]) : 0;
    }
}

static void add_piece(ts_shards *s, ts_param *p, int64_t begin, int64_t end, int64_t own)
{
    const int64_t from = begin > p->offset ? begin : p->offset, last = p->offset + ts_param_count(p),
                  to = end < last ? end : last;
    if (from >= to)
        return;
    if (s->piece)
        s->piece[s->n_pieces] = (ts_shard_piece){ p, from - p->offset, to - from, own + from - begin,
                                                  p->steps_whole ? -1 : s->rest, 0 };
    s->rest += p->steps_whole ? 0 : (to - from + 63) / 64 * 64;
    s->n_pieces++;
}

/* The pieces of all own shares; only counts them while there is no room. */
static void cut_pieces(ts_shards *s, const ts_param_set *set)
{
    size_t i = 0;
    s->n_pieces = s->rest = 0;
    for (int64_t u = 0; u < s->n_units; u++) {
        const int64_t begin = ts_shard_own_begin(s, u), end = ts_shard_begin(s, u, ts_shard_rank(s, u) + 1);
        s->first[u] = s->n_pieces;
        s->own[u + 1] = s->own[u] + end - begin;
        for (; i < set->n && begin < end; i++) {
            ts_param *p = set->p[i];
            if (!ts_param_is_trained(p))
                continue;
            add_piece(s, p, begin, end, s->own[u]);
            if (p->offset + ts_param_room(p) > end)
                break;
        }
    }
    s->first[s->n_units] = s->n_pieces;
}

static void find_most(ts_shards *s, const ts_param_set *set)
{
    const int rank = s->o.rank, expert_rank = s->o.expert_rank;
    const bool uneven = s->border || steps_some_whole(set);
    for (int r = 0; r < (uneven ? s->o.size : 1); r++) {
        if (uneven)
            s->o.rank = r, s->o.expert_rank = 0; /* experts are cut evenly: the first has most */
        cut_pieces(s, set);
        s->most = ts_shards_own(s) > s->most ? ts_shards_own(s) : s->most;
        s->most_rest = s->rest > s->most_rest ? s->rest : s->most_rest;
    }
    s->o.rank = rank, s->o.expert_rank = expert_rank;
}

ts_status ts_param_set_cut(ts_param_set *set)
{
    ts_shards *s = &set->shards;
    if (ts_shards_alone(s))
        s->o = (ts_shard_options){ .size = 1, .values = s->o.values, .by_unit = s->o.by_unit,
                                     .coded = s->o.coded,
                                     .cuts_whole = s->o.cuts_whole };
    if (ts_shards_alone(s) || s->o.unit < 64)
        s->o.unit = set->total > 64 ? set->total : 64;
    s->o.unit = (s->o.unit + 63) / 64 * 64;
    s->n_units = count_units(s, set);
    const size_t n = (size_t)s->n_units + 1;
    TS_TRY(ts_alloc(&s->begin, n, sizeof *s->begin));
    TS_TRY(ts_alloc(&s->param, n, sizeof *s->param));
    TS_TRY(ts_alloc(&s->own, n, sizeof *s->own));
    TS_TRY(ts_alloc(&s->first, n, sizeof *s->first));
    TS_TRY(ts_alloc(&s->is_expert, n, sizeof *s->is_expert));
    if (!ts_shards_alone(s) && keeps_some_whole(s, set))
        TS_TRY(ts_alloc(&s->border, (size_t)(s->n_units * (ts_shards_size(s) + 1)), sizeof *s->border));
    place_units(s, set);
    find_most(s, set);
    cut_pieces(s, set);
    TS_TRY(ts_alloc(&s->piece, (size_t)s->n_pieces, sizeof *s->piece));
    cut_pieces(s, set);
    return TS_OK;
}

/* ---- what is whose ---- */

int64_t ts_param_pieces(const ts_param *p, int64_t *first)
{
    const ts_shards *s = &p->set->shards;
    int64_t low = 0, high = s->n_pieces;
    while (low < high) {
        const int64_t middle = (low + high) / 2;
        if (s->piece[middle].p->offset < p->offset)
            low = middle + 1;
        else
            high = middle;
    }
    *first = low;
    while (low < s->n_pieces && s->piece[low].p == p)
        low++;
    return low;
}

/* The last trained one from i down. */
static const ts_param *trained_from(const ts_param_set *s, size_t i)
{
    while (i > 0 && !ts_param_is_trained(s->p[i]))
        i--;
    return s->p[i];
}

int64_t ts_param_set_byte(const ts_param_set *s, int64_t flat)
{
    size_t low = 0, high = s->n;
    while (high - low > 1) {
        const size_t middle = (low + high) / 2;
        if (trained_from(s, middle)->offset <= flat)
            low = middle;
        else
            high = middle;
    }
    const ts_param *p = trained_from(s, low);
    return p->byte + (flat - p->offset) * (int64_t)ts_dtype_size(p->dtype);
}

/* n from fp32 on the host, into a type on the device. */
static void put_as(ts_device *dev, ts_dtype t, void *to, const float *v, int64_t n)
{
    uint16_t part[1024];
    const int64_t most = (int64_t)(sizeof part / sizeof *part);
    if (t == TS_DTYPE_F32)
        dev->to_device(dev, to, v, (size_t)n * sizeof *v);
    for (int64_t at = 0; t != TS_DTYPE_F32 && at < n; at += most) {
        const int64_t k = n - at < most ? n - at : most;
        for (int64_t i = 0; i < k; i++)
            ts_store_f32(part, i, t, v[at + i]);
        dev->to_device(dev, (uint16_t *)to + at, part, (size_t)k * sizeof *part);
    }
}

void ts_param_put_master(const ts_param *p, int64_t at, int64_t n, const float *v)
{
    ts_device *dev = p->set->dev;
    int64_t i, end = ts_param_pieces(p, &i);
    for (; i < end; i++) {
        const ts_shard_piece *x = &p->set->shards.piece[i];
        const ts_dtype t = ts_shard_piece_type(x);
        const int64_t from = at > x->at ? at : x->at,
                      to = at + n < x->at + x->n ? at + n : x->at + x->n;
        if (from < to)
            put_as(dev, t, (char *)ts_shard_piece_master(x) + (size_t)(from - x->at) * ts_dtype_size(t),
                   v + (from - at), to - from);
    }
}

int64_t ts_param_set_unit_bytes(const ts_param_set *s, int64_t unit, int64_t *counts, int64_t *offsets)
{
    const ts_shards *h = &s->shards;
    const int64_t begin = ts_param_set_byte(s, h->begin[unit]);
    const int size = ts_shard_size(h, unit);
    for (int r = 0; r < size; r++)
        offsets[r] = ts_param_set_byte(s, ts_shard_begin(h, unit, r)) - begin;
    for (int r = 0; r + 1 < size; r++)
        counts[r] = offsets[r + 1] - offsets[r];
    counts[size - 1] = ts_param_set_byte(s, h->begin[unit + 1]) - begin - offsets[size - 1];
    return offsets[ts_shard_rank(h, unit)];
}

void ts_param_set_fill_own(ts_param_set *s, int64_t unit)
{
    const ts_shards *h = &s->shards;
    for (int64_t i = h->first[unit]; s->master && !s->is_filled && i < h->first[unit + 1]; i++) {
        const ts_shard_piece *x = &h->piece[i];
        const size_t size = ts_dtype_size(x->p->dtype);
        if (ts_shard_piece_codes(x)) {
            ts_shard_piece_decode(x, 0, x->n, x->p->dtype, (char *)x->p->value + (size_t)x->at * size);
            continue;
        }
        const ts_dtype t = ts_shard_piece_type(x);
        const ts_elementwise_args a = { .x_dtype = t,
                                        .y_dtype = x->p->dtype,
                                        .x = ts_shard_piece_master(x),
                                        .y = (char *)x->p->value + (size_t)x->at * size };
        ts_launch_copy(s->dev, &a, x->n,
                       (ts_cost){ 0, (double)x->n * (double)(ts_dtype_size(t) + size), x->p->dtype });
    }
}
