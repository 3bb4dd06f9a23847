#include "report/series.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static ts_status series_of(ts_series_list *l, const char *name, ts_series **out)
{
    for (size_t i = 0; i < l->n; i++)
        if (!strcmp(l->v[i].name, name)) {
            *out = &l->v[i];
            return TS_OK;
        }
    TS_TRY(ts_grow(&l->v, &l->cap, l->n + 1, sizeof *l->v));
    TS_TRY(ts_strdup(name, &l->v[l->n].name));
    *out = &l->v[l->n++];
    return TS_OK;
}

static ts_status add_point(ts_series *s, int64_t x, double y)
{
    if (s->n && s->v[s->n - 1].x == x)
        s->n--;
    TS_TRY(ts_grow(&s->v, &s->cap, s->n + 1, sizeof *s->v));
    s->v[s->n++] = (ts_point){ x, y };
    return TS_OK;
}

ts_status ts_series_add(ts_series_list *l, const char *name, int64_t x, double y)
{
    ts_series *s;
    TS_TRY(series_of(l, name, &s));
    return add_point(s, x, y);
}

void ts_series_cut(ts_series_list *l, int64_t x)
{
    for (size_t i = 0; i < l->n; i++)
        while (l->v[i].n && l->v[i].v[l->v[i].n - 1].x >= x)
            l->v[i].n--;
}

const ts_series *ts_series_find(const ts_series_list *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (!strcmp(l->v[i].name, name))
            return &l->v[i];
    return NULL;
}

void ts_series_deinit(ts_series *s)
{
    ts_free(&s->name);
    ts_free(&s->v);
    *s = (ts_series){ 0 };
}

void ts_series_list_deinit(ts_series_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        ts_series_deinit(&l->v[i]);
    ts_free(&l->v);
    *l = (ts_series_list){ 0 };
}

/* ---- for a picture ---- */

/* Adds the four points of [from, to) that matter, in their order. */
static size_t keep(const ts_series *s, size_t from, size_t to, ts_point *out)
{
    size_t first = to, last = to, low = to, high = to, n = 0;
    for (size_t i = from; i < to; i++) {
        if (!isfinite(s->v[i].y))
            continue;
        first = first == to ? i : first;
        low = low == to || s->v[i].y < s->v[low].y ? i : low;
        high = high == to || s->v[i].y > s->v[high].y ? i : high;
        last = i;
    }
    const size_t a = low < high ? low : high, b = low < high ? high : low;
    const size_t at[4] = { first, a, b, last };
    for (int k = 0; k < 4 && first < to; k++)
        if (k == 0 || at[k] != at[k - 1])
            out[n++] = s->v[at[k]];
    return n;
}

ts_status ts_series_thin(const ts_series *s, int64_t x0, int64_t x1, int n_columns, ts_point **out,
                         size_t *n)
{
    const double width = (double)(x1 - x0 + 1) / n_columns;
    ts_point *v;
    size_t from = 0;
    TS_TRY(ts_alloc(&v, s->n + 4, sizeof *v));
    *n = 0;
    while (from < s->n) {
        const double column = floor((double)(s->v[from].x - x0) / width);
        size_t to = from + 1;
        while (to < s->n && floor((double)(s->v[to].x - x0) / width) <= column)
            to++;
        *n += keep(s, from, to, v + *n);
        from = to;
    }
    *out = v;
    return TS_OK;
}

ts_status ts_series_smooth(const ts_series *s, size_t half, bool is_log, ts_series *out)
{
    double *sum;
    ts_status st = TS_OK;
    size_t n = 0;
    TS_TRY(ts_alloc(&sum, s->n + 1, sizeof *sum));
    for (size_t i = 0; i < s->n && st == TS_OK; i++) {
        const double y = s->v[i].y;
        if (!isfinite(y))
            continue;
        st = add_point(out, s->v[i].x, y);
        sum[n + 1] = sum[n] + (is_log ? log(y) : y);
        n++;
    }
    for (size_t i = 0; i < n && st == TS_OK; i++) {
        const size_t k = half < i ? half : i, after = k < n - 1 - i ? k : n - 1 - i;
        const double mean = (sum[i + after + 1] - sum[i - k]) / (double)(k + after + 1);
        out->v[i].y = is_log ? exp(mean) : mean;
    }
    ts_free(&sum);
    return st;
}

/* ---- in a word ---- */

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double ts_series_median(const ts_series *s, ts_status *st)
{
    double *v, median = NAN;
    size_t n = 0;
    *st = ts_alloc(&v, s ? s->n : 0, sizeof *v);
    if (*st != TS_OK)
        return NAN;
    for (size_t i = 0; s && i < s->n; i++)
        if (isfinite(s->v[i].y))
            v[n++] = s->v[i].y;
    qsort(v, n, sizeof *v, by_value);
    if (n)
        median = (v[(n - 1) / 2] + v[n / 2]) / 2;
    ts_free(&v);
    return median;
}

double ts_series_least(const ts_series *s)
{
    double least = NAN;
    for (size_t i = 0; s && i < s->n; i++)
        if (isfinite(s->v[i].y) && !(s->v[i].y >= least))
            least = s->v[i].y;
    return least;
}

double ts_series_most(const ts_series *s)
{
    double most = NAN;
    for (size_t i = 0; s && i < s->n; i++)
        if (isfinite(s->v[i].y) && !(s->v[i].y <= most))
            most = s->v[i].y;
    return most;
}

double ts_series_last(const ts_series *s)
{
    for (size_t i = s ? s->n : 0; i-- > 0;)
        if (isfinite(s->v[i].y))
            return s->v[i].y;
    return NAN;
}
