#include "report/dump_diff.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- two tensors ---- */

/* Numbers in the order of the values: neighbours are one apart. */
static int64_t ordered(float x)
{
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits < 0 ? (int64_t)INT32_MIN - bits : bits;
}

/* How far two values are apart: 0 for the same bits, also of what is no number. */
static double apart(float a, float b)
{
    if (!memcmp(&a, &b, sizeof a))
        return 0;
    const double d = fabs((double)a - (double)b);
    return isfinite(a) && isfinite(b) ? d : INFINITY;
}

static void compare_values(ts_dump_difference *d, const float *a, const float *b,
                           const unsigned char *has)
{
    const int64_t n = d->a->whole[0] * d->a->whole[1], cols = d->a->whole[1];
    double largest = 0;
    d->n = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!has[i])
            continue;
        const double by = apart(a[i], b[i]);
        d->n++;
        largest = isfinite(a[i]) && fabs((double)a[i]) > largest ? fabs((double)a[i]) : largest;
        if (!memcmp(&a[i], &b[i], sizeof *a))
            continue;
        if (d->n_differ++ == 0) {
            d->first[0] = i / cols, d->first[1] = i % cols;
            d->first_a = (double)a[i], d->first_b = (double)b[i];
        }
        const int64_t ulps = isfinite(by) ? llabs(ordered(a[i]) - ordered(b[i])) : INT64_MAX;
        d->ulps = ulps > d->ulps ? ulps : d->ulps;
        d->max_abs = by > d->max_abs ? by : d->max_abs;
    }
    d->relative = d->max_abs == 0 ? 0 : d->max_abs / largest;
}

static double larger(double a, double b) { return !(a >= b) ? b : a; }

static void compare_stats(ts_dump_difference *d)
{
    const ts_dump_stats *a = &d->a->stats, *b = &d->b->stats;
    const double largest = larger(fabs(a->min), fabs(a->max)), norm = sqrt(a->squares),
                 n = (double)(a->count - a->unfinite), m = (double)(b->count - b->unfinite);
    d->by_stats = true;
    d->n = a->count;
    d->max_abs =
        larger(larger(fabs(a->min - b->min), fabs(a->max - b->max)), fabs(a->sum / n - b->sum / m));
    d->relative = larger(d->max_abs == 0 ? 0 : d->max_abs / largest,
                         norm > 0 ? fabs(norm - sqrt(b->squares)) / norm : 0);
    if (a->unfinite != b->unfinite)
        d->relative = d->max_abs = INFINITY;
}

static ts_status measure(const ts_dump_comparison *c, ts_dump_difference *d)
{
    float *a = NULL, *b = NULL;
    unsigned char *has_a = NULL, *has_b = NULL;
    if (!d->a->has_values || !d->b->has_values) {
        compare_stats(d);
        return TS_OK;
    }
    ts_status st = ts_dump_set_values(&c->a, d->a, &a, &has_a);
    if (st == TS_OK)
        st = ts_dump_set_values(&c->b, d->b, &b, &has_b);
    for (int64_t i = 0; st == TS_OK && i < d->a->whole[0] * d->a->whole[1]; i++)
        has_a[i] = has_a[i] && has_b[i];
    if (st == TS_OK)
        compare_values(d, a, b, has_a);
    ts_free(&a);
    ts_free(&b);
    ts_free(&has_a);
    ts_free(&has_b);
    return st;
}

static ts_status judge(const ts_dump_comparison *c, ts_dump_difference *d, double tolerance)
{
    const ts_dumped *a = d->a, *b = d->b;
    d->verdict = TS_DUMPS_MISSING;
    if (!a || !b)
        return TS_OK;
    const bool adds = a->adds || b->adds, have_values = a->has_values && b->has_values;
    d->verdict = TS_DUMPS_APART;
    if (a->whole[0] != b->whole[0] || a->whole[1] != b->whole[1] ||
        (adds ? !have_values : a->stats.count != b->stats.count))
        return TS_OK;
    d->verdict = TS_DUMPS_SAME;
    d->n = a->stats.count;
    if (!adds && a->stats.hash == b->stats.hash)
        return TS_OK;
    TS_TRY(measure(c, d));
    if (adds && d->n < a->whole[0] * a->whole[1])
        d->verdict = TS_DUMPS_APART;
    else if (d->by_stats || d->n_differ)
        d->verdict = d->relative <= tolerance && tolerance > 0 ? TS_DUMPS_NEAR : TS_DUMPS_DIFFER;
    return TS_OK;
}

/* ---- two dumps ---- */

ts_status ts_dumps_compare(const char *a, const char *b, double tolerance, ts_dump_comparison *c)
{
    *c = (ts_dump_comparison){ 0 };
    ts_status st = ts_dump_set_open(a, &c->a);
    if (st == TS_OK)
        st = ts_dump_set_open(b, &c->b);
    if (st == TS_OK)
        st = ts_alloc(&c->v, c->a.n + c->b.n, sizeof *c->v);
    for (size_t i = 0; st == TS_OK && i < c->a.n; i++) {
        ts_dump_difference *d = &c->v[c->n++];
        *d = (ts_dump_difference){ .a = &c->a.v[i], .b = ts_dump_set_find(&c->b, &c->a.v[i]) };
        st = judge(c, d, tolerance);
    }
    for (size_t i = 0; st == TS_OK && i < c->b.n; i++)
        if (!ts_dump_set_find(&c->a, &c->b.v[i]))
            c->v[c->n++] = (ts_dump_difference){ .b = &c->b.v[i], .verdict = TS_DUMPS_MISSING };
    for (size_t i = 0; i < c->n; i++)
        c->count[c->v[i].verdict]++;
    if (st != TS_OK)
        ts_dump_comparison_deinit(c);
    return st;
}

void ts_dump_comparison_deinit(ts_dump_comparison *c)
{
    ts_free(&c->v);
    ts_dump_set_close(&c->a);
    ts_dump_set_close(&c->b);
    *c = (ts_dump_comparison){ 0 };
}

const ts_dump_difference *ts_dumps_first(const ts_dump_comparison *c)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->v[i].verdict >= TS_DUMPS_DIFFER)
            return &c->v[i];
    return NULL;
}

/* ---- told ---- */

const char *ts_dumped_title(const ts_dumped *d, char buf[512])
{
    snprintf(buf, 512, "%s of %s in step %lld", ts_dump_kind_name(d->kind), d->name,
             (long long)d->step);
    return buf;
}

static ts_status how_apart(const ts_dump_difference *d, ts_str *out)
{
    if (!d->a || !d->b)
        return ts_str_printf(out, "is in %s alone", d->a ? "A" : "B");
    if (d->a->adds || d->b->adds)
        return ts_str_puts(
            out,
            "cannot be compared: several processes have parts of it, which are added where all of "
            "them have written all values (--dump-tensors)");
    return ts_str_printf(
        out, "cannot be compared: %lld of %lld x %lld values, and %lld of %lld x %lld",
        (long long)d->a->stats.count, (long long)d->a->whole[0], (long long)d->a->whole[1],
        (long long)d->b->stats.count, (long long)d->b->whole[0], (long long)d->b->whole[1]);
}

static ts_status tell_first(const ts_dump_difference *d, ts_str *out)
{
    char title[512];
    TS_TRY(ts_str_printf(out, "the first that differs: %s\n  ",
                         ts_dumped_title(d->a ? d->a : d->b, title)));
    if (d->verdict != TS_DUMPS_DIFFER) {
        TS_TRY(how_apart(d, out));
        return ts_str_puts(out, "\n");
    }
    if (d->by_stats)
        return ts_str_printf(
            out,
            "by its statistics: extremes and mean by %.4g at most, relative %.4g; norm %.9g and "
            "%.9g (--dump-tensors says which values)\n",
            d->max_abs, d->relative, sqrt(d->a->stats.squares), sqrt(d->b->stats.squares));
    return ts_str_printf(
        out,
        "by %.4g at most, %.4g of the largest, %lld ulps; %lld of %lld values; the first at [%lld, "
        "%lld]: %.9g and %.9g\n",
        d->max_abs, d->relative, (long long)d->ulps, (long long)d->n_differ, (long long)d->n,
        (long long)d->first[0], (long long)d->first[1], d->first_a, d->first_b);
}

static ts_status row(const ts_dump_difference *d, ts_str *out)
{
    char title[512], values[48] = "-", ulps[32] = "-";
    const char *name = ts_dumped_title(d->a ? d->a : d->b, title);
    if (d->verdict >= TS_DUMPS_APART) {
        TS_TRY(ts_str_printf(out, "%-42s ", ""));
        TS_TRY(ts_str_printf(out, "%s ", name));
        TS_TRY(how_apart(d, out));
        return ts_str_puts(out, "\n");
    }
    if (!d->by_stats) {
        snprintf(values, sizeof values, "%lld", (long long)d->n_differ);
        snprintf(ulps, sizeof ulps, "%lld", (long long)d->ulps);
    }
    return ts_str_printf(out, "%10.3g %9.2g %11s %9s %s%s\n", d->max_abs, d->relative, ulps, values,
                         name, d->verdict == TS_DUMPS_NEAR ? " (within the tolerance)" : "");
}

/* Those that differ, or else those that are near. */
static ts_status add_rows(const ts_dump_comparison *c, bool near, int64_t most, int64_t *rows,
                          ts_str *out)
{
    for (size_t i = 0; i < c->n; i++) {
        const ts_dump_verdict v = c->v[i].verdict;
        if (v == TS_DUMPS_SAME || (v == TS_DUMPS_NEAR) != near || (*rows)++ >= most)
            continue;
        if (*rows == 1)
            TS_TRY(ts_str_printf(out, "\n%10s %9s %11s %9s\n", "max abs", "relative", "ulps",
                                 "values"));
        TS_TRY(row(&c->v[i], out));
    }
    return TS_OK;
}

ts_status ts_dumps_table(const ts_dump_comparison *c, int64_t most, ts_str *out)
{
    const ts_dump_difference *first = ts_dumps_first(c);
    int64_t rows = 0;
    if (first)
        TS_TRY(tell_first(first, out));
    TS_TRY(ts_str_printf(
        out,
        "%zu tensors: %zu the same bits, %zu within the tolerance, %zu differ, %zu cannot be "
        "compared, %zu in one run alone\n",
        c->n, c->count[TS_DUMPS_SAME], c->count[TS_DUMPS_NEAR], c->count[TS_DUMPS_DIFFER],
        c->count[TS_DUMPS_APART], c->count[TS_DUMPS_MISSING]));
    TS_TRY(add_rows(c, false, most, &rows, out));
    TS_TRY(add_rows(c, true, most, &rows, out));
    return rows > most ? ts_str_printf(out, "and %lld more (--top)\n", (long long)(rows - most))
                       : TS_OK;
}
