#include "plan/choose.h"

#include <stdlib.h>

enum { MOST_POINTS = 2048 };

static int cheaper_first(const void *a, const void *b)
{
    const ts_front_point *x = a, *y = b;
    if (x->cost != y->cost)
        return x->cost < y->cost ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

/* What nothing beats stays, in its order. */
static int64_t keep_best(ts_front_point *p, int64_t n)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < n; i++)
        if (!kept || p[i].bytes < p[kept - 1].bytes)
            p[kept++] = p[i];
    return kept;
}

/* Neighbours that hold almost the same go, but for the first and the last. */
static int64_t thin_out(ts_front_point *p, int64_t n)
{
    if (n <= MOST_POINTS)
        return n;
    const int64_t step = (p[0].bytes - p[n - 1].bytes) / MOST_POINTS;
    int64_t kept = 1;
    for (int64_t i = 1; i < n; i++)
        if (i == n - 1 || p[kept - 1].bytes - p[i].bytes > step)
            p[kept++] = p[i];
    return kept;
}

static ts_status add_layer(const ts_layer_ways *layer, ts_front *f, int64_t l)
{
    static const ts_front_point nothing = { 0 };
    const ts_front_point *before = l ? f->at[l - 1] : &nothing;
    const int64_t n = l ? f->n[l - 1] : 1;
    ts_front_point *p;
    TS_TRY(ts_alloc(&p, (size_t)(n * layer->n), sizeof *p));
    for (int64_t i = 0; i < n; i++)
        for (int w = 0; w < layer->n; w++)
            p[i * layer->n + w] = (ts_front_point){ before[i].bytes + layer->way[w].bytes,
                                                    before[i].cost + layer->way[w].cost, i, w };
    qsort(p, (size_t)(n * layer->n), sizeof *p, cheaper_first);
    f->at[l] = p;
    f->n[l] = thin_out(p, keep_best(p, n * layer->n));
    return TS_OK;
}

ts_status ts_front_make(const ts_layer_ways *layer, int64_t n_layers, ts_front *out)
{
    *out = (ts_front){ .layers = n_layers };
    TS_TRY(ts_alloc(&out->at, (size_t)n_layers, sizeof *out->at));
    TS_TRY(ts_alloc(&out->n, (size_t)n_layers, sizeof *out->n));
    for (int64_t l = 0; l < n_layers; l++)
        TS_TRY(add_layer(&layer[l], out, l));
    return TS_OK;
}

void ts_front_deinit(ts_front *f)
{
    for (int64_t l = 0; f->at && l < f->layers; l++)
        ts_free(&f->at[l]);
    ts_free(&f->at);
    ts_free(&f->n);
}

void ts_front_take(const ts_front *f, int64_t point, int *way)
{
    for (int64_t l = f->layers; l-- > 0;) {
        way[l] = f->at[l][point].way;
        point = f->at[l][point].before;
    }
}
