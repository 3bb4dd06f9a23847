#include "model/param_read.h"

#include <stdio.h>
#include <string.h>

int64_t ts_param_row_here(const ts_param *p, int64_t r)
{
    if (p->place.rank < (p->rank > 1 ? 3 : 2))
        return ts_place_here(&p->place, 0, r);
    const int64_t each = p->place.dim[1].whole, matrix = ts_place_here(&p->place, 0, r / each),
                  row = ts_place_here(&p->place, 1, r % each);
    return matrix < 0 || row < 0 ? -1 : matrix * ts_place_local(&p->place, 1) + row;
}

static void add_dim(char *to, size_t size, int i, int64_t dim)
{
    const size_t n = strlen(to);
    snprintf(to + n, size - n, "%s%lld", i ? ", " : "", (long long)dim);
}

static ts_status check_shape(const ts_param *p, const ts_st_tensor *t)
{
    const ts_place *place = &p->place;
    char have[160] = "", want[160] = "";
    bool same = t->rank == place->rank;
    for (int i = 0; same && i < t->rank; i++)
        same = t->shape[i] == place->dim[i].whole;
    if (same)
        return TS_OK;
    for (int i = 0; i < t->rank; i++)
        add_dim(have, sizeof have, i, t->shape[i]);
    for (int i = 0; i < place->rank; i++)
        add_dim(want, sizeof want, i, place->dim[i].whole);
    return ts_error(TS_ERR_USER, "%s: tensor %s has shape [%s], the model's options say [%s]",
                    t->path, t->name, have, want);
}

/* Elements [at, at + n) of the share from the file, run by run of the whole. */
static ts_status read_share(const ts_param *p, const ts_st_tensor *t, int64_t at, int64_t n,
                            float *v)
{
    while (n > 0) {
        int64_t first, run = ts_place_run(&p->place, at, &first);
        run = run < n ? run : n;
        TS_TRY(ts_st_read_f32(t, first, run, v));
        at += run, v += run, n -= run;
    }
    return TS_OK;
}

/* Where elements [at, at + n) of the share go. */
typedef struct sink {
    char *to; /* the first one's place; NULL: the parameter's values */
    ts_dtype type;
    int64_t at, n;
} sink;

static ts_status put(ts_param *p, const sink *s, int64_t at, int64_t n, float *v)
{
    ts_device *dev = p->set->dev;
    const size_t size = ts_dtype_size(s->type);
    if (!s->to)
        return ts_param_put(p, at, n, v);
    if (s->type != TS_DTYPE_F32) /* in place: narrower, front to back */
        for (int64_t i = 0; i < n; i++)
            ts_store_f32(v, i, s->type, v[i]);
    dev->to_device(dev, s->to + (size_t)(at - s->at) * size, v, (size_t)n * size);
    return TS_OK;
}

static ts_status read_by_buffer(ts_param *p, const ts_st_tensor *t, const sink *s)
{
    enum { AT_A_TIME = 1 << 20 };
    const int64_t end = s->at + s->n;
    float *v;
    TS_TRY(ts_alloc(&v, (size_t)(s->n < AT_A_TIME ? s->n : AT_A_TIME), sizeof *v));
    ts_status st = TS_OK;
    for (int64_t at = s->at; st == TS_OK && at < end; at += AT_A_TIME) {
        const int64_t n = end - at < AT_A_TIME ? end - at : AT_A_TIME;
        st = read_share(p, t, at, n, v);
        if (st == TS_OK)
            st = put(p, s, at, n, v);
    }
    ts_free(&v);
    return st;
}

/* Straight to its place where the host may write there, when all that may still be under way is done. */
static ts_status read_to(ts_param *p, const ts_st_tensor *t, const sink *s)
{
    ts_device *dev = p->set->dev;
    if (!s->to || s->type != TS_DTYPE_F32 || !dev->on_host)
        return read_by_buffer(p, t, s);
    TS_TRY(dev->sync(dev));
    return read_share(p, t, s->at, s->n, (float *)(void *)s->to);
}

ts_status ts_param_read_values(ts_param *p, const ts_st_tensor *t)
{
    sink s = { NULL, p->dtype, 0, ts_param_count(p) };
    TS_TRY(check_shape(p, t));
    if (p->dtype == TS_DTYPE_F32 && !p->set->master)
        s.to = p->value;
    return read_to(p, t, &s);
}

ts_status ts_param_read(ts_param *p, const ts_st_tensor *t, void *own, bool rest, ts_dtype type)
{
    int64_t i, end = ts_param_pieces(p, &i);
    TS_TRY(check_shape(p, t));
    for (; i < end; i++) {
        const ts_shard_piece *x = &p->set->shards.piece[i];
        char *to = (char *)own + (size_t)(rest ? x->rest : x->own) * ts_dtype_size(type);
        TS_TRY(read_to(p, t, &(sink){ to, type, x->at, x->n }));
    }
    return TS_OK;
}

ts_status ts_param_read_pieces(ts_param *p, const ts_st_tensor *t,
                               ts_status (*put_piece)(void *ctx, const ts_shard_piece *x, const float *v), void *ctx)
{
    int64_t i, end = ts_param_pieces(p, &i);
    TS_TRY(check_shape(p, t));
    for (; i < end; i++) {
        const ts_shard_piece *x = &p->set->shards.piece[i];
        float *v;
        TS_TRY(ts_alloc(&v, (size_t)x->n, sizeof *v));
        ts_status st = read_share(p, t, x->at, x->n, v);
        if (st == TS_OK)
            st = put_piece(ctx, x, v);
        ts_free(&v);
        TS_TRY(st);
    }
    return TS_OK;
}
