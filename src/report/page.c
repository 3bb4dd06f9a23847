#include "report/page.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- what is drawn ---- */

typedef struct known {
    const char *name, *title;
    ts_number_kind kind;
    bool is_noisy, from_zero;
    bool is_dull; /* not drawn where it never changes */
    bool is_linear;
} known;

/* In the order of the page. */
static const known all_known[] = {
    { "lm_loss", "training loss", TS_NUMBER_PLAIN, true, false, false, false },
    { "valid_lm_loss", "validation loss", TS_NUMBER_PLAIN, false, false, false, false },
    { "grad_norm", "norm of the gradient", TS_NUMBER_PLAIN, true, false, false, false },
    { "learning_rate", "learning rate", TS_NUMBER_PLAIN, false, true, false, true },
    { "decoupled_learning_rate", "learning rate of embedding and output layer", TS_NUMBER_PLAIN,
      false, true, false, true },
    { "tokens_per_second", "tokens per second", TS_NUMBER_COUNT, true, true, false, false },
    { "iteration_seconds", "time of a step", TS_NUMBER_SECONDS, true, true, false, false },
    { "tflops", "TFLOP/s of each process", TS_NUMBER_PLAIN, true, true, false, false },
    { "mfu", "use of the peak (MFU)", TS_NUMBER_SHARE, true, true, false, false },
    { "memory_peak_bytes", "memory, by the account", TS_NUMBER_BYTES, false, true, false, false },
    { "rss_peak_bytes", "memory, as the system sees it", TS_NUMBER_BYTES, false, true, false,
      false },
    { "loss_scale", "loss scale", TS_NUMBER_COUNT, false, false, true, false },
    { "params_norm", "norm of the parameters", TS_NUMBER_PLAIN, false, false, false, false },
    { "num_zeros", "zeros in the gradient", TS_NUMBER_COUNT, true, true, true, false },
};
enum { KNOWN = sizeof all_known / sizeof *all_known, MOST_CHARTS = 200 };

static int known_at(const char *name)
{
    for (int i = 0; i < KNOWN; i++)
        if (!strcmp(all_known[i].name, name))
            return i;
    return -1;
}

typedef struct drawing {
    const ts_report *r;
    ts_chart base; /* what all charts have */
    ts_str *out;
    int64_t n, left_out;
} drawing;

static ts_status draw(drawing *d, const known *k)
{
    bool is_flat;
    ts_chart c = d->base;
    c.name = k->name;
    c.title = k->title;
    c.kind = k->kind;
    c.is_noisy = k->is_noisy;
    c.from_zero = k->from_zero;
    c.is_linear = k->is_linear;
    if (!ts_chart_has_points(&c, &is_flat) || (is_flat && k->is_dull))
        return TS_OK;
    if (d->n == MOST_CHARTS) {
        d->left_out++;
        return TS_OK;
    }
    d->n++;
    TS_TRY(ts_str_puts(d->out, "<figure data-curve=\""));
    TS_TRY(ts_str_xml(d->out, c.name));
    TS_TRY(ts_str_puts(d->out, "\"><h3>"));
    TS_TRY(ts_str_xml(d->out, c.title));
    TS_TRY(ts_str_puts(d->out, "</h3>\n"));
    TS_TRY(ts_chart_svg(&c, d->out));
    return ts_str_puts(d->out, "</figure>\n");
}

/* Bytes of a group, or a number that the metrics have and this page knows nothing of. */
static ts_status draw_other(drawing *d, const char *name)
{
    char title[320];
    known k = { name, name, TS_NUMBER_PLAIN, true, false, true, false };
    const size_t n = strlen(name);
    if (!strncmp(name, "traffic.", 8) && n > 14) {
        snprintf(title, sizeof title, "bytes that rank 0 sends in a step, group %.*s",
                 (int)(n - 14), name + 8);
        k = (known){ name, title, TS_NUMBER_BYTES, false, true, false, false };
    }
    return draw(d, &k);
}

static bool is_of_run_before(const ts_report *r, size_t run, const char *name)
{
    for (size_t i = 0; i < run; i++)
        if (ts_series_find(&r->runs[i].series, name))
            return true;
    return false;
}

static ts_status draw_all(drawing *d)
{
    const ts_report *r = d->r;
    for (int i = 0; i < KNOWN; i++)
        TS_TRY(draw(d, &all_known[i]));
    for (size_t i = 0; i < r->n; i++)
        for (size_t k = 0; k < r->runs[i].series.n; k++) {
            const char *name = r->runs[i].series.v[k].name;
            if (known_at(name) < 0 && strcmp(name, "consumed_samples") &&
                !is_of_run_before(r, i, name))
                TS_TRY(draw_other(d, name));
        }
    return TS_OK;
}

static ts_status charts(const ts_report *r, ts_str *out)
{
    drawing d = { .r = r, .out = out, .base = { .runs = r->runs, .n_runs = r->n } };
    for (size_t i = 0; i < r->n; i++) {
        const ts_report_run *run = &r->runs[i];
        if (run->last && (!d.base.first || run->first < d.base.first))
            d.base.first = run->first;
        d.base.last = run->last > d.base.last ? run->last : d.base.last;
    }
    TS_TRY(ts_str_puts(
        out,
        "<section id=\"curves\"><h2>Curves</h2>\n<p class=\"pale\">Pale: each step. Strong: the "
        "mean of the steps around. Dashed upright lines: where a run began again. Crosses: steps "
        "without a number.</p>\n<div class=\"charts\">\n"));
    TS_TRY(draw_all(&d));
    TS_TRY(ts_str_puts(out, "</div>\n"));
    if (d.left_out)
        TS_TRY(ts_str_printf(out, "<p>%lld more are not drawn.</p>\n", (long long)d.left_out));
    return ts_str_puts(out, "</section>\n");
}

/* ---- the frame ---- */

ts_status ts_report_cell(ts_str *out, const char *text, bool is_number)
{
    TS_TRY(ts_str_puts(out, is_number ? "<td class=\"num\">" : "<td>"));
    TS_TRY(ts_str_xml(out, text));
    return ts_str_puts(out, "</td>");
}

static ts_status key(size_t run, ts_str *out)
{
    return ts_str_printf(
        out, "<svg viewBox=\"0 0 26 10\"><path class=\"key c%zu%s\" d=\"M0 5H26\"/></svg> ",
        run % 8, run >= 8 ? " more" : "");
}

ts_status ts_report_head(const ts_report *r, const char *first, ts_str *out)
{
    TS_TRY(ts_str_printf(out, "<tr><th>%s</th>", first));
    for (size_t i = 0; i < r->n; i++) {
        TS_TRY(ts_str_puts(out, "<th>"));
        TS_TRY(key(i, out));
        TS_TRY(ts_str_xml(out, r->runs[i].name));
        TS_TRY(ts_str_puts(out, "</th>"));
    }
    return ts_str_puts(out, "</tr>\n");
}

static ts_status legend(const ts_report *r, ts_str *out)
{
    TS_TRY(ts_str_puts(out, "<ul class=\"runs\">\n"));
    for (size_t i = 0; i < r->n; i++) {
        TS_TRY(ts_str_puts(out, "<li data-name=\""));
        TS_TRY(ts_str_xml(out, r->runs[i].name));
        TS_TRY(ts_str_puts(out, "\">"));
        TS_TRY(key(i, out));
        TS_TRY(ts_str_xml(out, r->runs[i].name));
        TS_TRY(ts_str_puts(out, " <span class=\"path pale\">"));
        TS_TRY(ts_str_xml(out, r->runs[i].path));
        TS_TRY(ts_str_puts(out, "</span></li>\n"));
    }
    return ts_str_puts(out, "</ul>\n");
}

ts_status ts_report_page(const ts_report *r, ts_str *out)
{
    TS_TRY(ts_str_puts(
        out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\n<title>"));
    TS_TRY(ts_str_xml(out, r->title));
    TS_TRY(ts_str_puts(
        out, "</title>\n<meta name=\"viewport\" content=\"width=device-width\"/>\n<style>\n"));
    TS_TRY(ts_str_puts(out, ts_report_style));
    TS_TRY(ts_str_puts(out, "</style></head>\n<body>\n<h1>"));
    TS_TRY(ts_str_xml(out, r->title));
    TS_TRY(ts_str_puts(out, "</h1>\n"));
    TS_TRY(legend(r, out));
    TS_TRY(ts_report_summary(r, out));
    TS_TRY(charts(r, out));
    TS_TRY(ts_report_options(r, out));
    TS_TRY(ts_report_plans(r, out));
    TS_TRY(ts_report_events(r, out));
    TS_TRY(ts_str_puts(out, "<script>\n"));
    TS_TRY(ts_str_puts(out, ts_report_script));
    return ts_str_puts(out, "</script>\n</body></html>\n");
}
