#include "report/chart.h"

#include "io/svg.h"

#include <math.h>
#include <stdio.h>

/* In pixels of the picture's own. */
enum { WIDTH = 640, HEIGHT = 280, LEFT = 66, RIGHT = 616, TOP = 12, BOTTOM = 248 };
enum {
    DOTS = 60,        /* up to so many points each is marked */
    SMOOTH_FROM = 40, /* points from which on means are worth drawing */
    MOST_Y_MARKS = 7,
    MOST_MARKS = 100, /* seams, and steps without a number, of one curve */
};

typedef struct axes {
    double y0, y1; /* with is_log: powers of ten */
    bool is_log;
    const ts_chart *c;
} axes;

/* ---- numbers ---- */

static int decimals_of(double step)
{
    const double d = step > 0 ? ceil(-log10(step) - 1e-9) : 0;
    return d < 0 ? 0 : d > 12 ? 12 : (int)d;
}

static const char *scaled(double v, double by, const char *unit, double step, char buf[48])
{
    if (step > 0)
        snprintf(buf, 48, "%.*f%s", decimals_of(step / by), v / by, unit);
    else
        snprintf(buf, 48, "%.4g%s", v / by, unit);
    return buf;
}

const char *ts_report_number(ts_number_kind kind, double v, double step, char buf[48])
{
    static const char *const bytes[] = { " B", " kB", " MB", " GB", " TB", " PB" };
    static const char *const counts[] = { "", "k", "M", "G", "T", "P" };
    const double a = fabs(v);
    const int k = a < 1e3 || !isfinite(v) ? 0 : a >= 1e15 ? 5 : (int)(log10(a) / 3 + 1e-9);
    if (!isfinite(v) || v == 0)
        snprintf(buf, 48, v == 0 ? "0" : "-");
    else if (kind == TS_NUMBER_BYTES || kind == TS_NUMBER_COUNT)
        scaled(v, pow(1000, k), kind == TS_NUMBER_BYTES ? bytes[k] : counts[k], step, buf);
    else if (kind == TS_NUMBER_SECONDS)
        a<1e-3 && a> 0 ? scaled(v, 1e-6, " us", step, buf)
        : a<1 && a> 0  ? scaled(v, 1e-3, " ms", step, buf)
                       : scaled(v, 1, " s", step, buf);
    else if (kind == TS_NUMBER_SHARE)
        scaled(v, 0.01, " %", step, buf);
    else if (step > 0 && step >= 1e-5 && a < 1e7)
        scaled(v, 1, "", step, buf);
    else
        snprintf(buf, 48, "%.4g", v);
    return buf;
}

/* ---- axes ---- */

static const ts_series *series_of(const ts_chart *c, size_t run)
{
    return ts_series_find(&c->runs[run].series, c->name);
}

static void range(const ts_chart *c, double *low, double *high)
{
    *low = *high = NAN;
    for (size_t i = 0; i < c->n_runs; i++) {
        const ts_series *s = series_of(c, i);
        const double a = ts_series_least(s), b = ts_series_most(s);
        *low = a < *low || isnan(*low) ? a : *low;
        *high = b > *high || isnan(*high) ? b : *high;
    }
}

bool ts_chart_has_points(const ts_chart *c, bool *is_flat)
{
    double low, high;
    range(c, &low, &high);
    *is_flat = low == high;
    return isfinite(low);
}

/* Logarithms where values are all above 0 and two powers of ten apart. */
static axes axes_of(const ts_chart *c)
{
    axes a = { .c = c };
    range(c, &a.y0, &a.y1);
    a.is_log = !c->is_linear && a.y0 > 0 && a.y1 / a.y0 >= 100;
    if (a.is_log) {
        a.y0 = log10(a.y0);
        a.y1 = log10(a.y1);
    } else if (c->from_zero && a.y0 > 0) {
        a.y0 = 0;
    }
    double room = 0.04 * (a.y1 - a.y0);
    if (!(room > 0))
        room = a.y1 != 0 ? 0.1 * fabs(a.y1) : 1;
    a.y0 -= a.y0 == 0 && c->from_zero ? 0 : room;
    a.y1 += room;
    return a;
}

static double at_x(const axes *a, double x)
{
    const double span = (double)(a->c->last - a->c->first);
    return LEFT + (RIGHT - LEFT) * (span > 0 ? (x - (double)a->c->first) / span : 0.5);
}

static double at_y(const axes *a, double y)
{
    return BOTTOM - (BOTTOM - TOP) * ((a->is_log ? log10(y) : y) - a->y0) / (a->y1 - a->y0);
}

static ts_status y_mark(const axes *a, double v, double step, ts_str *out)
{
    char text[48];
    const double y = at_y(a, v);
    if (y < TOP - 0.5 || y > BOTTOM + 0.5)
        return TS_OK;
    TS_TRY(ts_str_printf(out, "<path class=\"grid\" d=\"M%d %.1fH%d\"/>\n", LEFT, y, RIGHT));
    return ts_svg_text(out, "axis e", LEFT - 6, y + 4, ts_report_number(a->c->kind, v, step, text));
}

static ts_status y_marks(const axes *a, ts_str *out)
{
    if (!a->is_log) {
        const double step = ts_svg_step(a->y1 - a->y0, MOST_Y_MARKS - 1),
                     first = ceil(a->y0 / step);
        for (int k = 0; k < MOST_Y_MARKS && (first + k) * step <= a->y1; k++)
            TS_TRY(y_mark(a, (first + k) * step, step, out));
        return TS_OK;
    }
    /* powers of ten, every other or rarer where there are many; 2 and 5 between few */
    const double step = ceil((a->y1 - a->y0) / 7);
    for (double e = floor(a->y0 / step) * step; e <= a->y1; e += step)
        for (int k = 0; k < (a->y1 - a->y0 < 3 ? 3 : 1); k++)
            TS_TRY(y_mark(a, pow(10, e) * (k == 0 ? 1 : k == 1 ? 2 : 5), 0, out));
    return TS_OK;
}

static ts_status x_marks(const axes *a, ts_str *out)
{
    const int64_t first = a->c->first, span = a->c->last - first;
    const double exact = span > 0 ? ts_svg_step((double)span, 8) : 1;
    const int64_t step = exact < 1 ? 1 : (int64_t)exact;
    char text[48];
    for (int64_t x = (first + step - 1) / step * step; x <= a->c->last; x += step) {
        TS_TRY(ts_str_printf(out, "<path class=\"grid\" d=\"M%.1f %dV%d\"/>\n", at_x(a, (double)x),
                             TOP, BOTTOM));
        snprintf(text, sizeof text, "%lld", (long long)x);
        TS_TRY(ts_svg_text(out, "axis n", at_x(a, (double)x), BOTTOM + 16, text));
    }
    return ts_svg_text(out, "axis e", RIGHT, BOTTOM + 30,
                       a->is_log ? "step; upwards logarithmic" : "step");
}

static ts_status plot(const axes *a, ts_str *out)
{
    return ts_str_printf(
        out,
        "<rect class=\"plot\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" data-x0=\"%lld\" "
        "data-x1=\"%lld\" data-y0=\"%.9g\" data-y1=\"%.9g\" data-left=\"%d\" "
        "data-right=\"%d\" data-top=\"%d\" data-bottom=\"%d\" data-log=\"%d\" "
        "data-kind=\"%d\"/>\n",
        LEFT, TOP, RIGHT - LEFT, BOTTOM - TOP, (long long)a->c->first, (long long)a->c->last, a->y0,
        a->y1, LEFT, RIGHT, TOP, BOTTOM, a->is_log, (int)a->c->kind);
}

/* ---- curves ---- */

static ts_status class_of(size_t run, const char *what, ts_str *out)
{
    return ts_str_printf(out, "class=\"%s c%zu%s\"", what, run % 8, run >= 8 ? " more" : "");
}

/* What a reader without a script sees who points at it. */
static ts_status titled(const char *run, ts_str *out)
{
    TS_TRY(ts_str_puts(out, "<title>"));
    TS_TRY(ts_str_xml(out, run));
    return ts_str_puts(out, "</title>");
}

static ts_status raw(const axes *a, size_t run, const ts_point *v, size_t n, ts_str *out)
{
    TS_TRY(ts_str_puts(out, "<polyline "));
    TS_TRY(class_of(run, "raw", out));
    TS_TRY(ts_str_puts(out, " points=\""));
    for (size_t i = 0; i < n; i++)
        TS_TRY(ts_str_printf(out, "%s%.1f,%.1f", i ? " " : "", at_x(a, (double)v[i].x),
                             at_y(a, v[i].y)));
    TS_TRY(ts_str_puts(out, "\">"));
    TS_TRY(titled(a->c->runs[run].name, out));
    TS_TRY(ts_str_puts(out, "</polyline>\n"));
    for (size_t i = 0; n <= DOTS && i < n; i++) {
        TS_TRY(ts_str_puts(out, "<circle "));
        TS_TRY(class_of(run, "dot", out));
        TS_TRY(ts_str_printf(out, " cx=\"%.1f\" cy=\"%.1f\" r=\"1.8\"/>\n", at_x(a, (double)v[i].x),
                             at_y(a, v[i].y)));
    }
    return TS_OK;
}

static ts_status smooth(const axes *a, size_t run, const ts_point *v, size_t n, ts_str *out)
{
    TS_TRY(ts_str_puts(out, "<path "));
    TS_TRY(class_of(run, "smooth", out));
    TS_TRY(ts_str_puts(out, " d=\""));
    for (size_t i = 0; i < n; i++)
        TS_TRY(ts_str_printf(out, "%s%.1f %.1f", i ? "L" : "M", at_x(a, (double)v[i].x),
                             at_y(a, v[i].y)));
    return ts_str_puts(out, "\"/>\n");
}

static bool is_smoothed(const ts_chart *c, const ts_series *s)
{
    return c->is_noisy && s->n >= SMOOTH_FROM;
}

static ts_status lines(const axes *a, size_t run, const ts_series *s, ts_str *out)
{
    const ts_chart *c = a->c;
    ts_series mean = { 0 };
    ts_point *v = NULL;
    size_t n;
    ts_status st = ts_series_thin(s, c->first, c->last, RIGHT - LEFT, &v, &n);
    if (st == TS_OK && n)
        st = raw(a, run, v, n, out);
    ts_free(&v);
    if (st == TS_OK && is_smoothed(c, s)) {
        st = ts_series_smooth(s, s->n / SMOOTH_FROM, a->is_log, &mean);
        if (st == TS_OK)
            st = ts_series_thin(&mean, c->first, c->last, RIGHT - LEFT, &v, &n);
        if (st == TS_OK && n)
            st = smooth(a, run, v, n, out);
        ts_free(&v);
        ts_series_deinit(&mean);
    }
    return st;
}

static ts_status marks(const axes *a, size_t run, const ts_series *s, ts_str *out)
{
    const ts_report_run *r = &a->c->runs[run];
    int n = 0;
    for (size_t i = 0; i < r->n_seams && i < MOST_MARKS; i++) {
        const double x = at_x(a, (double)r->seams[i].at - 0.5);
        TS_TRY(ts_str_puts(out, "<path "));
        TS_TRY(class_of(run, "seam", out));
        TS_TRY(ts_str_printf(out, " d=\"M%.1f %dV%d\"><title>", x < LEFT ? LEFT : x, TOP, BOTTOM));
        TS_TRY(ts_str_xml(out, r->name));
        TS_TRY(ts_str_printf(out, ": began again with step %lld</title></path>\n",
                             (long long)r->seams[i].at));
    }
    for (size_t i = 0; i < s->n && n < MOST_MARKS; i++) {
        if (isfinite(s->v[i].y))
            continue;
        n++;
        TS_TRY(ts_str_puts(out, "<path "));
        TS_TRY(class_of(run, "bad", out));
        TS_TRY(ts_str_printf(
            out, " d=\"M%.1f %dl6 6m-6 0l6-6\"><title>no number in step %lld</title></path>\n",
            at_x(a, (double)s->v[i].x) - 3, TOP + 2, (long long)s->v[i].x));
    }
    return TS_OK;
}

ts_status ts_chart_svg(const ts_chart *c, ts_str *out)
{
    const axes a = axes_of(c);
    TS_TRY(ts_svg_begin_inside(out, WIDTH, HEIGHT));
    TS_TRY(plot(&a, out));
    TS_TRY(y_marks(&a, out));
    TS_TRY(x_marks(&a, out));
    for (size_t i = 0; i < c->n_runs; i++) {
        const ts_series *s = series_of(c, i);
        if (!s)
            continue;
        TS_TRY(ts_str_printf(out, "<g class=\"run%s\" data-run=\"%zu\">\n",
                             is_smoothed(c, s) ? " noisy" : "", i));
        TS_TRY(lines(&a, i, s, out));
        TS_TRY(marks(&a, i, s, out));
        TS_TRY(ts_str_puts(out, "</g>\n"));
    }
    return ts_svg_end(out);
}
