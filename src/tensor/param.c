#include "tensor/param.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "base/str.h"

ts_status ts_param_set_init(ts_param_set *s, ts_device *dev)
{
    *s = (ts_param_set){ .dev = dev };
    return ts_names_create(0, &s->names);
}

void ts_param_set_deinit(ts_param_set *s)
{
    for (size_t i = 0; i < s->n; i++) {
        if (!s->p[i]) /* of another set by now */
            continue;
        ts_storage_release(&s->p[i]->nt.storage);
        ts_storage_release(&s->p[i]->nn.storage);
        ts_storage_release(&s->p[i]->own);
        ts_free(&s->p[i]->name);
        ts_free(&s->p[i]);
    }
    ts_free(&s->p);
    ts_names_destroy(&s->names);
    ts_storage_release(&s->nt.storage);
    ts_storage_release(&s->nn.storage);
    ts_storage_release(&s->values);
    ts_storage_release(&s->grads);
    ts_storage_release(&s->master);
    ts_storage_release(&s->tops);
    ts_storage_release(&s->low);
    ts_free(&s->tie);
    ts_param_set_deinit_code(s);
    ts_shards_deinit(&s->shards);
    ts_narrow_set_destroy(&s->narrow);
    *s = (ts_param_set){ 0 };
}

ts_status ts_param_declare(ts_param_set *s, const char *name, const ts_place *place, bool decays,
                           ts_param **out)
{
    ts_param *p;
    TS_ASSERT(!ts_param_find(s, name), "two parameters are called %s", name);
    TS_TRY(ts_grow(&s->p, &s->cap, s->n + 1, sizeof *s->p));
    TS_TRY(ts_alloc(&p, 1, sizeof *p));
    ts_status st = ts_strdup(name, &p->name);
    if (st == TS_OK)
        st = ts_names_add(s->names, name);
    if (st != TS_OK) {
        ts_free(&p->name);
        ts_free(&p);
        return st;
    }
    const int64_t count = ts_place_count(place),
                  cols = place->rank > 1 ? ts_place_local(place, place->rank - 1) : 1;
    *p = (ts_param){ .name = p->name,
                     .place = *place,
                     .id = s->next_id++,
                     .decays = decays,
                     .set = s,
                     .index = (int64_t)s->n,
                     .unit = s->units,
                     .rank = place->rank > 1 ? 2 : 1,
                     .dim = { cols ? count / cols : 0, cols },
                     .matrices = place->rank > 2 ? ts_place_local(place, 0) : 1,
                     .counted = count,
                     .offset = -1,
                     .version = 1 };
    s->p[s->n++] = p;
    *out = p;
    return TS_OK;
}

ts_status ts_param_add(ts_param_set *s, const char *name, int64_t dim0, int64_t dim1, bool decays,
                       ts_param **out)
{
    const ts_place whole = ts_place_whole(dim0, dim1);
    return ts_param_declare(s, name, &whole, decays, out);
}

static ts_status join_one(ts_param_set *s, const char *prefix, ts_param *p)
{
    ts_str name = { 0 };
    ts_status st = ts_str_printf(&name, "%s%s", prefix, p->name);
    if (st == TS_OK)
        st = ts_names_add(s->names, ts_str_text(&name));
    if (st != TS_OK) {
        ts_str_deinit(&name);
        return st;
    }
    ts_free(&p->name);
    p->name = name.s;
    p->id += s->next_id;
    p->unit += s->units;
    p->index = (int64_t)s->n;
    p->set = s;
    s->p[s->n++] = p;
    return TS_OK;
}

ts_status ts_param_set_join(ts_param_set *s, const char *prefix, ts_param_set *from)
{
    TS_ASSERT(!s->values && !from->values, "a set that is allocated joins no other");
    TS_TRY(ts_grow(&s->p, &s->cap, s->n + from->n, sizeof *s->p));
    s->units += s->n > 0; /* what stands before its first unit is used with none of s */
    for (size_t i = 0; i < from->n; i++) {
        TS_TRY(join_one(s, prefix, from->p[i]));
        from->p[i] = NULL;
    }
    s->next_id += from->next_id;
    s->units += from->units;
    from->n = 0;
    return TS_OK;
}

ts_param *ts_param_find(const ts_param_set *s, const char *name)
{
    const int64_t i = ts_names_find(s->names, name);
    return i < 0 ? NULL : s->p[i];
}

/* ---- holding ---- */

void ts_param_freeze(ts_param *p)
{
    TS_ASSERT(!p->set->values, "%s has been allocated", p->name);
    p->held = TS_HELD_FROZEN;
}

void ts_param_hold(ts_param *p, ts_held held, ts_dtype dtype, ts_quant quant)
{
    TS_ASSERT(!p->set->values, "%s has been allocated", p->name);
    TS_ASSERT(held == TS_HELD_ONE || held == TS_HELD_NF4 ? p->rank > 1 : !quant,
              "%s: one form is a matrix's, and few bits are one form's", p->name);
    p->held = held;
    p->dtype = dtype;
    p->quant = quant;
    p->has_type = true;
}

ts_param_bands ts_param_bands_here(const ts_param *p)
{
    ts_param_bands b = p->bands;
    const int64_t rows = p->dim[0];
    int64_t group = 0;
    for (int i = 0; i < b.n; i++)
        group += b.rows[i];
    if (!b.n || rows % group == 0)
        return b;
    /* A share of a group: an even one of bands without heads, else of the first band alone, or of queries and
     * their gates. */
    for (int i = 0; i < b.n && !b.head; i++)
        b.rows[i] = b.rows[i] * rows / group;
    const int64_t gone = b.head ? group - rows : 0, gates = b.n == 4 ? gone / 2 : 0;
    b.rows[0] -= gone - gates;
    b.rows[1] -= gates;
    return b;
}

int64_t ts_param_queries(const ts_param *p)
{
    const ts_param_bands b = ts_param_bands_here(p);
    return b.n >= 3 && b.head ? p->dim[0] / (b.rows[0] + b.rows[1] + b.rows[2] + b.rows[3]) * b.rows[0] / b.head : 0;
}

ts_status ts_param_set_keep_tops(ts_param_set *s)
{
    int64_t at = 0;
    for (size_t i = 0; i < s->n; i++)
        s->n_tops += s->p[i]->rank > 1 ? ts_param_queries(s->p[i]) : 0;
    TS_TRY(ts_storage_create(s->dev, TS_MEM_OTHER, (size_t)s->n_tops * sizeof(float), &s->tops));
    for (size_t i = 0; i < s->n; i++) {
        ts_param *p = s->p[i];
        if (p->rank == 1 && ts_param_queries(p) && i > 0) { /* a bias stands behind its weight */
            p->tops = s->p[i - 1]->tops;
        } else if (ts_param_queries(p)) {
            p->tops = (float *)s->tops->data + at;
            at += ts_param_queries(p);
        }
    }
    return TS_OK;
}

static bool has_word(const ts_param *p, const char *const *words, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (strstr(p->name, words[i]))
            return true;
    return n == 0;
}

void ts_param_set_step_whole(ts_param_set *s, const char *const *words, int64_t n)
{
    for (size_t i = 0; i < s->n; i++) {
        ts_param *p = s->p[i];
        TS_ASSERT(!s->values, "%s has been allocated", p->name);
        p->steps_whole = p->rank > 1 && p->place.rank < 3 && ts_param_is_trained(p) && !p->is_table && !p->is_filter && !p->decoupled &&
                         has_word(p, words, n);
    }
}

/* Whether what is trained lies together, each in its own type: what is shared out, and what is here unit by unit. */
static bool lies_together(const ts_param_set *s) { return !ts_shards_alone(&s->shards) || s->shards.o.coded; }

/* In the storage of a set of that type; all in fp32 stand as in the flat arrays, and so do, each in its
 * own type, those that are shared out. */
static size_t value_bytes(const ts_param_set *s, const ts_param *p, ts_dtype dtype)
{
    const bool trained = ts_param_is_trained(p);
    if (!ts_param_has_room(p))
        return 0;
    return (dtype == TS_DTYPE_F32 && p->dtype == TS_DTYPE_F32) || (trained && lies_together(s))
               ? (size_t)ts_param_room(p) * ts_dtype_size(p->dtype)
               : ts_device_round((size_t)ts_param_count(p) * ts_dtype_size(p->dtype));
}

/* Places of those that are trained, or of the others, from `at` on; without a storage only counts. Values
 * that are shared out have none. */
static size_t place_values(ts_param_set *s, ts_dtype dtype, bool trained, size_t at)
{
    for (size_t i = 0; i < s->n; i++) {
        ts_param *p = s->p[i];
        if (lies_together(s) && ts_param_is_trained(p) != trained)
            continue;
        p->byte = (int64_t)at;
        if (s->values && ts_param_has_room(p) && !(trained && ts_shards_values(&s->shards)))
            p->value = (char *)s->values->data + at;
        at += value_bytes(s, p, dtype);
    }
    return at;
}

/* Trained ones first where they are shared out: they travel together. */
static size_t place_all(ts_param_set *s, ts_dtype dtype)
{
    const size_t at = place_values(s, dtype, true, 0);
    return lies_together(s) ? place_values(s, dtype, false, ts_shards_values(&s->shards) ? 0 : at) : at;
}

/* Where own masters lie, and the bytes of the process with most, for which all make room. */
static size_t place_masters(ts_param_set *s)
{
    ts_shards *h = &s->shards;
    int64_t most = 0;
    for (int64_t i = 0; i < h->n_pieces && !s->masters_are_values; i++)
        h->piece[i].byte = h->piece[i].own * (int64_t)sizeof(float);
    if (!s->masters_are_values)
        return (size_t)h->most * sizeof(float);
    for (int r = 0; r < h->o.size; r++) {
        int64_t bytes = 0;
        for (int64_t u = 0; u < h->n_units; u++) {
            const int by = ts_shard_rank_of(h, u, r);
            const int64_t begin = ts_param_set_byte(s, ts_shard_begin(h, u, by));
            for (int64_t i = h->first[u]; r == h->o.rank && i < h->first[u + 1]; i++)
                h->piece[i].byte = bytes - begin + h->piece[i].p->byte +
                                   h->piece[i].at * (int64_t)ts_dtype_size(h->piece[i].p->dtype);
            bytes += ts_param_set_byte(s, ts_shard_begin(h, u, by + 1)) - begin;
        }
        most = bytes > most ? bytes : most;
    }
    return (size_t)most;
}

static ts_status allocate_master(ts_param_set *s, ts_dtype dtype)
{
    if (s->parts_masters)
        return ts_storage_create(s->dev, TS_MEM_WEIGHT, (size_t)s->shards.most * sizeof(uint16_t), &s->low);
    if (s->shards.o.coded)
        return ts_param_set_init_code(s);
    if (ts_shards_alone(&s->shards) ||
        (s->shards.o.values == dtype && s->shards.o.level < TS_SHARD_VALUES))
        return TS_OK;
    s->masters_are_values = dtype != TS_DTYPE_F32;
    TS_ASSERT(!s->masters_are_values || dtype == s->shards.o.values, "values are more exact than masters");
    return ts_storage_create(s->dev, TS_MEM_WEIGHT, place_masters(s), &s->master);
}

ts_status ts_param_set_allocate(ts_param_set *s, ts_dtype dtype)
{
    const ts_dtype matrices = s->parts_masters ? TS_DTYPE_BF16 : lies_together(s) ? s->shards.o.values : dtype;
    s->total = 0;
    for (size_t i = 0; i < s->n; i++) {
        ts_param *p = s->p[i];
        if (!p->has_type)
            p->dtype = p->rank == 1 ? TS_DTYPE_F32 : ts_param_is_trained(p) ? matrices : dtype;
        p->offset = ts_param_is_trained(p) ? s->total : -1;
        s->total += ts_param_is_trained(p) ? ts_param_room(p) : 0;
    }
    TS_TRY(ts_param_set_cut(s));
    TS_TRY(ts_storage_create(s->dev, TS_MEM_WEIGHT, place_all(s, dtype), &s->values));
    place_all(s, dtype);
    for (size_t i = 0; i < s->n; i++)
        if (s->p[i]->held == TS_HELD_NF4)
            TS_TRY(ts_param_nf4_allocate(s->p[i]));
    return allocate_master(s, dtype);
}

/* All elements are there: the form is made, and the rows go. */
static ts_status seal(ts_param *p)
{
    ts_form f;
    TS_TRY(ts_param_form(p, TS_GEMM_NT, p->dtype, &f));
    if (f.data == p->value)
        return TS_OK;
    ts_storage_release(&p->own);
    p->value = NULL;
    p->sealed = true;
    return TS_OK;
}

ts_status ts_param_put(ts_param *p, int64_t at, int64_t n, float *v)
{
    ts_device *dev = p->set->dev;
    const size_t size = ts_dtype_size(p->dtype);
    if (p->set->code && ts_param_is_trained(p) && p->steps_whole)
        return ts_param_put_coded(p, at, n, v);
    if (p->set->master && ts_param_is_trained(p))
        ts_param_put_master(p, at, n, v);
    if (ts_param_is_parted(p))
        TS_TRY(ts_param_put_low(p, at, n, v));
    if (!p->value && p->set->master)
        return TS_OK; /* a keeper has it */
    if (!p->value) {
        TS_ASSERT(p->held == TS_HELD_ONE && !p->sealed, "%s has its values already", p->name);
        TS_TRY(ts_storage_create(dev, TS_MEM_WEIGHT, (size_t)ts_param_count(p) * size, &p->own));
        p->value = p->own->data;
    }
    if (p->dtype != TS_DTYPE_F32) /* in place: narrower, front to back */
        for (int64_t i = 0; i < n; i++)
            ts_store_f32(v, i, p->dtype, v[i]);
    dev->to_device(dev, (char *)p->value + (size_t)at * size, v, (size_t)n * size);
    p->filled += n;
    return p->own && p->filled == ts_param_count(p) ? seal(p) : TS_OK;
}

ts_status ts_param_set_book(ts_param_set *s)
{
    TS_ASSERT(!s->dev->computes, "values are to be put");
    for (size_t i = 0; i < s->n; i++) {
        ts_param *p = s->p[i];
        if (p->held != TS_HELD_ONE || p->value || p->sealed)
            continue;
        TS_TRY(ts_storage_create(s->dev, TS_MEM_WEIGHT, (size_t)ts_param_count(p) * ts_dtype_size(p->dtype), &p->own));
        p->value = p->own->data;
        TS_TRY(seal(p));
    }
    return TS_OK;
}

enum { PIECE = 1 << 16 }; /* elements that are made on the host at a time */

static uint64_t common_factor(uint64_t a, uint64_t b)
{
    for (uint64_t rest; b; a = b, b = rest)
        rest = a % b;
    return a;
}

/* Of each row a first number, and the others by one step, which meets every number before it comes back. */
static float choice(const ts_param *p, const ts_rng *rng, uint64_t i)
{
    const uint64_t cols = (uint64_t)p->place.dim[p->place.rank - 1].whole, n = (uint64_t)p->start_value;
    uint32_t u[4];
    ts_rng_block(rng, i / cols, u);
    uint64_t step = 1 + u[1] % n;
    while (common_factor(step, n) > 1)
        step++;
    return (float)((u[0] % n + i % cols * step) % n);
}

/* Of element i of the whole, where it is not normal. */
static float start_value(const ts_param *p, const ts_rng *rng, uint64_t i)
{
    uint32_t u[4];
    if (p->start == TS_START_CHOICES)
        return choice(p, rng, i);
    ts_rng_block(rng, i / 4, u);
    const double x = (double)ts_rng_uniform(u[i % 4]);
    switch (p->start) {
    case TS_START_UNIFORM:
        return (float)((2 * x - 1) * (double)p->start_value);
    case TS_START_LOG_UNIFORM:
        return (float)log(1 + x * ((double)p->start_value - 1));
    case TS_START_LOG_COLUMN:
        return (float)log((double)(1 + i % (uint64_t)p->place.dim[p->place.rank - 1].whole));
    case TS_START_STEP: {
        const double step = exp(log(0.001) + x * (log(0.1) - log(0.001)));
        return (float)(step + log(-expm1(-step))); /* the inverse of softplus */
    }
    default:
        return p->start_value;
    }
}

ts_status ts_param_begin(ts_param *p, uint64_t seed, float std)
{
    const ts_rng rng = ts_rng_stream(seed, TS_RNG_INIT, 0, (uint32_t)p->id);
    const int64_t count = ts_param_count(p);
    float *v;
    TS_TRY(ts_alloc(&v, (size_t)(count < PIECE ? count : PIECE), sizeof *v));
    ts_status st = TS_OK;
    for (int64_t at = 0, n, whole; st == TS_OK && at < count; at += n) {
        n = ts_place_run(&p->place, at, &whole);
        n = n < PIECE ? n : PIECE;
        if (p->start == TS_START_NORMAL || p->start == TS_START_OUT)
            ts_rng_normal(&rng, (uint64_t)whole, n, std, v);
        else
            for (int64_t i = 0; i < n; i++)
                v[i] = start_value(p, &rng, (uint64_t)(whole + i));
        st = ts_param_put(p, at, n, v);
    }
    ts_free(&v);
    return st;
}

/* ---- gradients ---- */

ts_status ts_param_set_allocate_grads(ts_param_set *s)
{
    if (ts_shards_grads(&s->shards))
        return TS_OK;
    TS_TRY(ts_storage_create(s->dev, TS_MEM_GRAD, (size_t)s->total * sizeof(float), &s->grads));
    s->dev->zero(s->dev, s->grads->data, s->grads->bytes);
    for (size_t i = 0; i < s->n; i++)
        if (ts_param_is_trained(s->p[i]))
            s->p[i]->grad = (float *)s->grads->data + s->p[i]->offset;
    return TS_OK;
}

static void zero_grad(ts_param *p)
{
    ts_device *dev = p->set->dev;
    dev->zero(dev, p->grad, (size_t)ts_param_count(p) * sizeof(float));
    p->grad_empty = false;
}

void ts_param_grad_clear(ts_param *p)
{
    p->grad_empty = p->grad && p->rank > 1;
    if (p->grad && !p->grad_empty)
        zero_grad(p);
}

void ts_param_set_clear_grads(ts_param_set *s)
{
    for (size_t i = 0; i < s->n; i++)
        ts_param_grad_clear(s->p[i]);
}

void ts_param_grad_settle(ts_param *p)
{
    if (p->grad_empty)
        zero_grad(p);
}

void ts_param_set_settle_grads(ts_param_set *s)
{
    for (size_t i = 0; i < s->n; i++)
        ts_param_grad_settle(s->p[i]);
}
