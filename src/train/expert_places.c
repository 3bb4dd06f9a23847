#include "train/expert_places.h"

#include "base/log.h"

#include <math.h>
#include <string.h>

enum { DECAY_TENTHS = 9 }; /* of an average: what of it stays */

/* ---- where ---- */

static int64_t here(const ts_expert_places *x) { return x->load->experts / x->comm->size; }

static int32_t *of_layer(const ts_expert_places *x, int32_t *v, int64_t i) { return v + i * x->load->experts; }

/* In layer i it is the n-th of its process. */
static int64_t number(const ts_expert_places *x, int64_t i, int64_t expert)
{
    return of_layer(x, x->base, i)[expert] % here(x);
}

static int32_t home(const ts_expert_places *x, int64_t i, int64_t expert)
{
    return (int32_t)(of_layer(x, x->base, i)[expert] / here(x));
}

static void set_places(ts_expert_places *x, int64_t i)
{
    const int32_t *owner = of_layer(x, x->owner, i);
    int32_t *place = of_layer(x, x->place, i);
    bool moved = false;
    for (int64_t e = 0; e < x->load->experts; e++) {
        place[e] = (int32_t)(owner[e] * here(x) + number(x, i, e));
        moved = moved || place[e] != e;
    }
    x->load->module[i]->place = moved ? place : NULL;
}

ts_status ts_expert_places_init(ts_expert_places *x, const ts_expert_places_options *o, const ts_expert_load *load,
                                ts_optimizer *optim, const ts_mesh *mesh)
{
    *x = (ts_expert_places){ .o = *o, .load = load, .optim = optim };
    const size_t n = (size_t)(load->n * load->experts);
    if (!o->moves || !n || !ts_mesh_parts_experts(mesh) || mesh->size[TS_MESH_EP] == 1)
        return TS_OK;
    if (optim->m_code.codes || optim->v_code.codes)
        return ts_error(TS_ERR_USER, "--enable-expert-placement moves state as it is written, and that of several elements in "
                                     "one is not: leave out what keeps moments in 8 bits");
    TS_TRY(ts_alloc(&x->mean, n, sizeof *x->mean));
    TS_TRY(ts_alloc(&x->owner, 3 * n, sizeof *x->owner));
    x->comm = mesh->comm[TS_MESH_EP];
    x->place = x->owner + n;
    x->base = x->place + n;
    x->speaks = x->comm->rank == 0 && mesh->at[TS_MESH_EXPERT_DP] == 0 && mesh->at[TS_MESH_ETP] == 0;
    for (int64_t i = 0; i < load->n; i++)
        for (int64_t e = 0; e < load->experts; e++) {
            const int32_t *place = load->module[i]->place;
            of_layer(x, x->base, i)[e] = place ? place[e] : (int32_t)e;
            of_layer(x, x->owner, i)[e] = home(x, i, e);
        }
    return TS_OK;
}

void ts_expert_places_deinit(ts_expert_places *x)
{
    for (int64_t i = 0; x->comm && i < x->load->n; i++)
        x->load->module[i]->place = NULL;
    ts_free(&x->mean);
    ts_free(&x->owner);
    *x = (ts_expert_places){ 0 };
}

/* ---- what goes from one to another ---- */

/* Bytes of an expert's share of an array that are here. */
typedef void each_fn(void *ctx, char *at, size_t bytes);

typedef enum array { VALUES, MASTERS, FIRST, SECOND, AVERAGE, ARRAYS } array;

static const ts_storage *moments(const ts_optimizer *z, array a)
{
    return a == FIRST ? z->m : a == SECOND ? z->v : z->ema;
}

static char *piece_at(const ts_optimizer *z, const ts_shard_piece *p, array a, size_t *size)
{
    const ts_dtype t = a == MASTERS ? ts_shard_piece_type(p) : a == FIRST ? z->m_dtype : a == SECOND ? z->v_dtype : TS_DTYPE_F32;
    *size = ts_dtype_size(t);
    return a == MASTERS ? ts_shard_piece_master(p)
                        : ts_optimizer_at(moments(z, a), t, p, a == FIRST ? z->m_of_rest : a == SECOND && z->v_of_rest);
}

static bool is_there(const ts_expert_places *x, const ts_param *p, array a)
{
    const ts_param_set *s = x->optim->params;
    if (a == VALUES)
        return !ts_shards_values(&s->shards) && p->value;
    return ts_param_is_trained(p) && (a == MASTERS ? s->master != NULL : moments(x->optim, a) != NULL);
}

/* Elements [from, to) of p. */
static void each(const ts_expert_places *x, ts_param *p, array a, int64_t from, int64_t to, each_fn *fn, void *ctx)
{
    size_t size = ts_dtype_size(p->dtype);
    int64_t i = 0;
    if (a == VALUES) {
        fn(ctx, (char *)p->value + (size_t)from * size, (size_t)(to - from) * size);
        return;
    }
    for (const int64_t end = ts_param_pieces(p, &i); i < end; i++) {
        const ts_shard_piece *s = &p->set->shards.piece[i];
        const int64_t begin = from > s->at ? from : s->at, stop = to < s->at + s->n ? to : s->at + s->n;
        if (begin < stop) {
            char *first = piece_at(x->optim, s, a, &size);
            fn(ctx, first + (size_t)(begin - s->at) * size, (size_t)(stop - begin) * size);
        }
    }
}

/* A layer's experts on their way. */
typedef struct move {
    const ts_expert_places *x;
    int64_t i;
    const int32_t *from, *to; /* [experts] owners before and behind it */
    ts_status st;
    char *bytes, *coming;     /* what goes, and what comes */
    int64_t *n;               /* [4 size] bytes to each, where they begin; from each, where they begin */
    size_t at;                /* in one of them */
} move;

static void add_bytes(void *ctx, char *at, size_t bytes)
{
    (void)at;
    ((move *)ctx)->at += bytes;
}

static void take(void *ctx, char *at, size_t bytes)
{
    move *m = ctx;
    if (m->st == TS_OK)
        m->st = ts_device_read(m->x->load->dev, m->bytes + m->at, at, bytes);
    m->at += bytes;
}

static void put(void *ctx, char *at, size_t bytes)
{
    move *m = ctx;
    m->x->load->dev->to_device(m->x->load->dev, at, m->coming + m->at, bytes);
    m->at += bytes;
}

/* Of p, in one array: what lies here in the places of those that go from one process to another. */
static void each_moved(const move *m, ts_param *p, array a, int from, int to, each_fn *fn, void *ctx)
{
    const int64_t size = ts_param_count(p) / here(m->x);
    for (int64_t e = 0; e < m->x->load->experts; e++)
        if (m->from[e] == from && m->to[e] == to)
            each(m->x, p, a, number(m->x, m->i, e) * size, (number(m->x, m->i, e) + 1) * size, fn, ctx);
}

static int64_t count(move *m, ts_param *p, array a, int from, int to)
{
    m->at = 0;
    each_moved(m, p, a, from, to, add_bytes, m);
    return (int64_t)m->at;
}

static ts_status send(move *m, ts_param *p, array a)
{
    ts_comm *c = m->x->comm;
    const int size = c->size, me = c->rank;
    int64_t *to = m->n, *from = m->n + 2 * size, n_to = 0, n_from = 0;
    for (int r = 0; r < size; r++) {
        to[r] = r == me ? 0 : count(m, p, a, me, r), from[r] = r == me ? 0 : count(m, p, a, r, me);
        to[size + r] = n_to, from[size + r] = n_from;
        n_to += to[r], n_from += from[r];
    }
    m->at = 0;
    m->st = ts_comm_agree(c, ts_alloc(&m->bytes, (size_t)(n_to + n_from + 1), 1));
    if (m->st != TS_OK) {
        ts_free(&m->bytes);
        return m->st;
    }
    m->coming = m->bytes + n_to;
    for (int r = 0; r < size; r++)
        if (r != me)
            each_moved(m, p, a, me, r, take, m);
    m->st = ts_comm_agree(c, m->st);
    if (m->st == TS_OK)
        m->st = ts_comm_run(c, ts_all_to_all_v(m->bytes, to, to + size, m->coming, from, from + size, TS_COMM_U8));
    m->at = 0;
    for (int r = 0; m->st == TS_OK && r < size; r++)
        if (r != me)
            each_moved(m, p, a, r, me, put, m);
    ts_status synced = m->x->load->dev->sync(m->x->load->dev);
    ts_free(&m->bytes);
    return m->st == TS_OK ? synced : m->st;
}

static ts_status move_all(move *m, const ts_experts_layer *l)
{
    ts_param *const all[] = { l->fc1, l->fc1_bias, l->fc2, l->fc2_bias };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        for (int a = VALUES; all[i] && a < ARRAYS; a++)
            if (is_there(m->x, all[i], (array)a))
                TS_TRY(send(m, all[i], (array)a));
        if (all[i])
            all[i]->version++;
    }
    return TS_OK;
}

/* Layer i's experts are where `to` says; not yet so in x. */
static ts_status move_layer(const ts_expert_places *x, int64_t i, const int32_t *to)
{
    move m = { .x = x, .i = i, .from = of_layer(x, x->owner, i), .to = to };
    if (!memcmp(m.from, to, (size_t)x->load->experts * sizeof *to))
        return TS_OK;
    TS_TRY(ts_alloc(&m.n, 4 * (size_t)x->comm->size, sizeof *m.n));
    const ts_status st = move_all(&m, x->load->module[i]);
    ts_free(&m.n);
    return st;
}

/* ---- who goes where ---- */

/* Standard deviation of processes' loads over their mean. */
static double variation(const ts_expert_places *x, const double *load, const int32_t *owner)
{
    double mean = 0, squares = 0;
    for (int64_t e = 0; e < x->load->experts; e++)
        mean += load[e] / x->comm->size;
    for (int r = 0; r < x->comm->size; r++) {
        double own = 0;
        for (int64_t e = 0; e < x->load->experts; e++)
            own += owner[e] == r ? load[e] : 0;
        squares += (own - mean) * (own - mean) / x->comm->size;
    }
    return mean > 0 ? sqrt(squares) / mean : 0;
}

/* Who has least of those that have no n-th one yet, the first; has [size] what each has. */
static int emptiest(const ts_expert_places *x, const double *has, const bool *taken)
{
    int best = -1;
    for (int r = 0; r < x->comm->size; r++)
        if (!taken[r] && (best < 0 || has[r] < has[best]))
            best = r;
    return best;
}

/* One after another, the busiest first, to who has least. */
static ts_status share_out(const ts_expert_places *x, int64_t layer, const double *load, int32_t *to)
{
    const int64_t E = x->load->experts, size = x->comm->size;
    double *has;
    bool *taken, *done;
    TS_TRY(ts_alloc(&has, (size_t)size, sizeof *has));
    ts_status st = ts_alloc(&taken, 2 * (size_t)E, sizeof *taken); /* [here][size], and whether each has been */
    for (int64_t i = 0; st == TS_OK && i < E; i++) {
        int64_t best = -1;
        done = taken + E;
        for (int64_t e = 0; e < E; e++)
            if (!done[e] && (best < 0 || load[e] > load[best]))
                best = e;
        bool *of_number = taken + number(x, layer, best) * size;
        to[best] = emptiest(x, has, of_number);
        of_number[to[best]] = done[best] = true;
        has[to[best]] += load[best];
    }
    ts_free(&taken);
    ts_free(&has);
    return st;
}

static ts_status look(ts_expert_places *x, int64_t i, int32_t *to)
{
    const double *load = x->mean + i * x->load->experts;
    int32_t *owner = of_layer(x, x->owner, i);
    int64_t moved = 0;
    TS_TRY(share_out(x, i, load, to));
    const double was = variation(x, load, owner), is = variation(x, load, to);
    if (was - is <= (x->o.fall > 0 ? x->o.fall : 1e-9))
        return TS_OK;
    TS_TRY(move_layer(x, i, to));
    for (int64_t e = 0; e < x->load->experts; e++)
        moved += owner[e] != to[e];
    memcpy(owner, to, (size_t)x->load->experts * sizeof *to);
    set_places(x, i);
    if (x->speaks)
        ts_log(TS_LOG_INFO, "layer %lld: %lld experts moved; processes' loads vary by %.4f, not %.4f",
               (long long)x->load->layer[i], (long long)moved, is, was);
    return TS_OK;
}

bool ts_expert_places_looks(const ts_expert_places *x) { return x->comm && (x->steps + 1) % x->o.every == 0; }

ts_status ts_expert_places_step(ts_expert_places *x, const ts_expert_report *r)
{
    int32_t *to;
    if (!x->comm || !x->load->dev->computes) /* no experts that move, in a network of any kind */
        return TS_OK;
    const int64_t E = x->load->experts;
    const bool looks = ts_expert_places_looks(x);
    for (int64_t i = 0; i < x->load->n; i++)
        for (int64_t e = 0; e < E; e++) {
            double *mean = &x->mean[i * E + e];
            const double now = r->load[x->load->layer[i] * E + e];
            *mean = x->steps ? (DECAY_TENTHS * *mean + (10 - DECAY_TENTHS) * now) / 10 : now;
        }
    x->steps++;
    if (!looks)
        return TS_OK;
    TS_TRY(ts_alloc(&to, (size_t)E, sizeof *to));
    ts_status st = TS_OK;
    for (int64_t i = 0; st == TS_OK && i < x->load->n; i++)
        st = look(x, i, to);
    ts_free(&to);
    return st;
}

/* ---- home, and back ---- */

/* owner stays what it was. */
static ts_status all_layers(ts_expert_places *x, bool goes_home)
{
    const int64_t E = x->load->experts;
    ts_status st = TS_OK;
    int32_t *other;
    TS_TRY(ts_alloc(&other, (size_t)E, sizeof *other));
    for (int64_t i = 0; st == TS_OK && i < x->load->n; i++) {
        int32_t *owner = of_layer(x, x->owner, i);
        for (int64_t e = 0; e < E; e++)
            other[e] = goes_home ? home(x, i, e) : owner[e];
        for (int64_t e = 0; e < E && !goes_home; e++)
            owner[e] = home(x, i, e);
        st = move_layer(x, i, other);
        if (!goes_home)
            memcpy(owner, other, (size_t)E * sizeof *other);
    }
    ts_free(&other);
    return st;
}

ts_status ts_expert_places_home(ts_expert_places *x)
{
    if (!x->comm || x->is_home)
        return TS_OK;
    x->is_home = true;
    return all_layers(x, true);
}

ts_status ts_expert_places_back(ts_expert_places *x)
{
    if (!x->is_home)
        return TS_OK;
    x->is_home = false;
    return all_layers(x, false);
}
