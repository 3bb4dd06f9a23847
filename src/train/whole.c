#include "train/whole.h"

#include <math.h>
#include <string.h>

/* What a process brings: its place in the whole, and elements in the order of its share. */
static void put(const ts_place *place, const char *share, size_t size, char *whole)
{
    const int64_t n = ts_place_count(place);
    for (int64_t at = 0, first, run; at < n; at += run) {
        run = ts_place_run(place, at, &first);
        run = run < n - at ? run : n - at;
        memcpy(whole + (size_t)first * size, share + (size_t)at * size, (size_t)run * size);
    }
}

/* ---- of one kind ---- */

void ts_whole_init(ts_whole *w, const ts_param_set *params, const ts_storage *own, bool rest, ts_dtype type)
{
    *w = (ts_whole){ .params = params, .own = own ? own : params->master, .rest = own && rest,
                     .code = own ? NULL : params->code, .type = own ? type : TS_DTYPE_F32 };
}

void ts_whole_deinit(ts_whole *w)
{
    for (size_t i = 0; w->data && i < w->params->n; i++)
        ts_free(&w->data[i]);
    ts_free(&w->data);
    *w = (ts_whole){ 0 };
}

/* Whether p's are in the array of own shares. */
static bool is_own(const ts_whole *w, const ts_param *p)
{
    return w->own && ts_param_is_trained(p) && !(w->rest && p->steps_whole);
}

static char *at(const ts_whole *w, const ts_shard_piece *x)
{
    if (w->own == w->params->master)
        return ts_shard_piece_master(x);
    return (char *)w->own->data + (size_t)(w->rest ? x->rest : x->own) * ts_dtype_size(w->type);
}

/* Values whose masters are in halves. */
static bool is_parted(const ts_whole *w, const ts_param *p) { return !w->own && ts_param_is_parted(p); }

ts_dtype ts_whole_type(const ts_whole *w, const ts_param *p)
{
    const bool as_values = w->own && w->own == w->params->master && w->params->masters_are_values;
    return (is_own(w, p) && !as_values) || is_parted(w, p) ? w->type : p->dtype;
}

bool ts_whole_has(const ts_whole *w, const ts_param *p)
{
    return is_own(w, p) || !w->own || w->own == w->params->master;
}

static bool is_shared(const ts_whole *w, const ts_param *p)
{
    return (is_own(w, p) || is_parted(w, p)) && !ts_shards_alone(&w->params->shards);
}

/* Second moments whose signs say something else. */
static bool is_signed(const ts_whole *w) { return w->own && w->own == w->params->ties; }

/* Not as numbers that can be used where they are. */
static bool is_coded(const ts_whole *w, const ts_param *p)
{
    return is_parted(w, p) || (is_own(w, p) && (w->code || is_signed(w)));
}

/* In the device's memory, of one that is not shared out. */
static const void *here(const ts_whole *w, const ts_param *p)
{
    int64_t piece;
    const bool is_here = ts_param_pieces(p, &piece) > piece;
    return is_own(w, p) && is_here ? at(w, &w->params->shards.piece[piece]) : p->value;
}

const void *ts_whole_of(const ts_whole *w, const ts_param *p)
{
    if (!ts_whole_has(w, p))
        return NULL;
    if (ts_whole_is_brought(w, p))
        return w->data[p->index];
    return is_shared(w, p) || is_coded(w, p) || (w->data && !ts_place_is_whole(&p->place)) ? NULL : here(w, p);
}

/* ---- one tensor ---- */

typedef struct collector {
    const ts_whole *w;
    const ts_whole_comms *comms;
    ts_place *place;                 /* [larger group] */
    int32_t *listed;                 /* [larger group, most elements that a place lists] */
    int64_t *counts, *share_counts;  /* [2 * larger group], [2 * sharers]: bytes of each one's, where it begins */
    char *share, *all, *whole;       /* of this process of the group; all of the group's; in their order */
} collector;

/* Of all that bring tensors together with this process. */
static ts_status agree(const ts_whole_comms *c, ts_status st)
{
    st = ts_comm_agree(c->group, st);
    st = ts_comm_agree(c->sharers->share, st);
    if (c->experts)
        st = ts_comm_agree(c->experts, st);
    return c->sharers->expert_share ? ts_comm_agree(c->sharers->expert_share, st) : st;
}

/* Who has cut p. */
static ts_comm *group_of(const collector *c, const ts_param *p)
{
    return p->is_expert && c->comms->experts ? c->comms->experts : c->comms->group;
}

static ts_status open_collector(collector *c)
{
    const ts_whole_comms *k = c->comms;
    const size_t n = (size_t)(k->experts && k->experts->size > k->group->size ? k->experts : k->group)->size;
    int64_t most = 0;
    for (size_t i = 0; i < c->w->params->n; i++)
        most = c->w->params->p[i]->place.dim[0].n_listed > most ? c->w->params->p[i]->place.dim[0].n_listed : most;
    TS_TRY(ts_alloc(&c->place, n, sizeof *c->place));
    TS_TRY(ts_alloc(&c->listed, n * (size_t)most, sizeof *c->listed));
    TS_TRY(ts_alloc(&c->share_counts, 2 * (size_t)ts_shards_size(&c->w->params->shards), sizeof *c->share_counts));
    return ts_alloc(&c->counts, 2 * n, sizeof *c->counts);
}

static bool is_cut(const collector *c, const ts_param *p)
{
    return group_of(c, p)->size > 1 && !ts_place_is_whole(&p->place);
}

/* Everyone's place of p. Experts alone are listed, and everybody has as many. */
static ts_status gather_places(collector *c, ts_comm *group, const ts_param *p)
{
    const ts_place_dim *own = &p->place.dim[0];
    TS_TRY(ts_comm_run(group, ts_all_gather(&p->place, c->place, sizeof *c->place, TS_COMM_U8)));
    if (!own->listed)
        return TS_OK;
    TS_TRY(ts_comm_run(group, ts_all_gather(own->listed, c->listed, own->n_listed * (int64_t)sizeof *c->listed, TS_COMM_U8)));
    for (int r = 0; r < group->size; r++)
        c->place[r].dim[0].listed = c->listed + r * own->n_listed;
    return TS_OK;
}

/* Bytes of everyone's share of p. */
static ts_status measure(collector *c, const ts_param *p, size_t size, int64_t *total)
{
    ts_comm *group = group_of(c, p);
    const int n = group->size;
    *total = 0;
    if (!is_cut(c, p))
        return TS_OK;
    TS_TRY(gather_places(c, group, p));
    for (int r = 0; r < n; r++) {
        c->counts[r] = ts_place_count(&c->place[r]) * (int64_t)size;
        c->counts[n + r] = *total;
        *total += c->counts[r];
    }
    return TS_OK;
}

static ts_status make_room(collector *c, const ts_param *p, size_t size, int64_t total)
{
    TS_TRY(ts_alloc(&c->share, (size_t)ts_param_count(p) * size, 1));
    if (!is_cut(c, p))
        return TS_OK;
    TS_TRY(ts_alloc(&c->all, (size_t)total, 1));
    return ts_alloc(&c->whole, (size_t)ts_place_whole_count(&p->place) * size, 1);
}

/* The first n elements of a piece, to the host. */
static ts_status read_own(const collector *c, const ts_shard_piece *x, int64_t n, char *to)
{
    const ts_whole *w = c->w;
    float *v = (float *)(void *)to;
    if (is_parted(w, x->p))
        return ts_shard_piece_join(x, 0, n, v);
    if (w->code)
        return ts_state_code_read(w->code, w->own, x, 0, n, v);
    TS_TRY(ts_device_read(x->p->set->dev, to, at(w, x), (size_t)n * ts_dtype_size(ts_whole_type(w, x->p))));
    for (int64_t k = 0; k < n && is_signed(w); k++)
        v[k] = fabsf(v[k]);
    return TS_OK;
}

/* What unit u has of p, from all sharers. */
static ts_status join_unit(collector *c, const ts_param *p, int64_t u, int64_t size)
{
    const ts_shards *s = &c->w->params->shards;
    const int64_t first = p->offset, last = first + ts_param_count(p);
    const int n = ts_shard_size(s, u), me = ts_shard_rank(s, u);
    int64_t *counts = c->share_counts, *offsets = counts + n;
    for (int r = 0; r < n; r++) {
        const int64_t begin = ts_shard_begin(s, u, r), end = ts_shard_begin(s, u, r + 1),
                      from = begin > first ? begin : first, to = end < last ? end : last;
        counts[r] = from < to ? (to - from) * size : 0;
        offsets[r] = from < to ? (from - first) * size : 0;
    }
    int64_t i;
    ts_param_pieces(p, &i);
    while (counts[me] && s->piece[i].at * size != offsets[me])
        i++;
    if (counts[me])
        TS_TRY(read_own(c, &s->piece[i], counts[me] / size, c->share + offsets[me]));
    return ts_comm_run(ts_sharers_share(c->comms->sharers, s->is_expert[u]),
                       ts_all_gather_v(c->share + offsets[me], counts[me], c->share, counts,
                                                          offsets, TS_COMM_U8));
}

/* What this process of the tensor-parallel group has. */
static ts_status join(collector *c, const ts_param *p, size_t size)
{
    const ts_shards *s = &c->w->params->shards;
    int64_t piece;
    if (!is_shared(c->w, p) && (is_own(c->w, p) || is_parted(c->w, p)) && ts_param_pieces(p, &piece) > piece)
        return read_own(c, &s->piece[piece], ts_param_count(p), c->share);
    if (!is_shared(c->w, p))
        return ts_device_read(p->set->dev, c->share, here(c->w, p), (size_t)ts_param_count(p) * size);
    const int64_t last = ts_shard_unit(s, p->offset + ts_param_count(p) - 1);
    for (int64_t u = ts_shard_unit(s, p->offset); u <= last; u++)
        TS_TRY(join_unit(c, p, u, (int64_t)size));
    return TS_OK;
}

static ts_status exchange(collector *c, const ts_param *p, size_t size)
{
    ts_comm *group = group_of(c, p);
    const int n = group->size;
    if (!is_cut(c, p))
        return TS_OK;
    TS_TRY(ts_comm_run(group, ts_all_gather_v(c->share, c->counts[group->rank], c->all, c->counts,
                                              c->counts + n, TS_COMM_U8)));
    for (int r = 0; r < n; r++)
        put(&c->place[r], c->all + c->counts[n + r], size, c->whole);
    return TS_OK;
}

static ts_status collect_one(collector *c, const ts_param *p, char **out)
{
    const size_t size = ts_dtype_size(ts_whole_type(c->w, p));
    int64_t total;
    ts_status st = measure(c, p, size, &total);
    if (st == TS_OK)
        st = agree(c->comms, make_room(c, p, size, total));
    if (st == TS_OK)
        st = join(c, p, size);
    if (st == TS_OK)
        st = exchange(c, p, size);
    char **got = is_cut(c, p) ? &c->whole : &c->share;
    if (st == TS_OK && out)
        *out = *got, *got = NULL;
    ts_free(&c->share);
    ts_free(&c->all);
    ts_free(&c->whole);
    return st;
}

ts_status ts_whole_collect(ts_whole *w, const ts_whole_comms *comms, const bool *wants)
{
    const ts_param_set *params = w->params;
    collector c = { .w = w, .comms = comms };
    if (comms->group->size == 1 && !comms->experts && ts_shards_alone(&params->shards) && !w->code && !params->low)
        return TS_OK;
    ts_status st = ts_alloc(&w->data, params->n, sizeof *w->data);
    if (st == TS_OK)
        st = open_collector(&c);
    st = agree(comms, st);
    for (size_t i = 0; st == TS_OK && i < params->n; i++) {
        const ts_param *p = params->p[i];
        if (ts_whole_has(w, p) && (is_shared(w, p) || is_coded(w, p) || is_cut(&c, p)))
            st = collect_one(&c, p, !wants || wants[i] ? &w->data[i] : NULL);
    }
    ts_free(&c.place);
    ts_free(&c.listed);
    ts_free(&c.counts);
    ts_free(&c.share_counts);
    if (st != TS_OK)
        ts_whole_deinit(w);
    return st;
}
