/* What was planned beside what was measured. */
#include "report/page.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static ts_status compare(const char *what, ts_number_kind kind, double planned, double measured,
                         ts_str *out)
{
    char text[48];
    TS_TRY(ts_str_puts(out, "<tr>"));
    TS_TRY(ts_report_cell(out, what, false));
    TS_TRY(ts_report_cell(out, ts_report_number(kind, planned, 0, text), true));
    TS_TRY(ts_report_cell(out, ts_report_number(kind, measured, 0, text), true));
    if (isfinite(measured) && planned == measured)
        snprintf(text, sizeof text, "the same");
    else if (isfinite(measured) && planned > 0)
        snprintf(text, sizeof text, "%.4g", measured / planned);
    else
        snprintf(text, sizeof text, "-");
    TS_TRY(ts_report_cell(out, text, true));
    return ts_str_puts(out, "</tr>\n");
}

static double number_of(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

/* Of the process that takes most, as the metrics have it. */
static double largest_peak(const json_t *plan)
{
    const json_t *ranks = json_object_get(plan, "ranks");
    double most = NAN;
    for (size_t i = 0; i < json_array_size(ranks); i++) {
        const double peak =
            number_of(json_object_get(json_array_get(ranks, i), "memory"), "peak_bytes");
        most = isnan(most) || peak > most ? peak : most;
    }
    return most;
}

/* Of rank 0, whose traffic the metrics have; NULL: the plan has none. */
static const json_t *rank_0(const json_t *plan)
{
    const json_t *ranks = json_object_get(plan, "ranks");
    for (size_t i = 0; i < json_array_size(ranks); i++)
        if (json_integer_value(json_object_get(json_array_get(ranks, i), "rank")) == 0)
            return json_array_get(ranks, i);
    return NULL;
}

static ts_status traffic(const ts_report_run *r, const json_t *planned, ts_str *out)
{
    const char *group;
    json_t *v;
    char name[256], what[256];
    ts_status st = TS_OK;
    json_object_foreach((json_t *)(uintptr_t)planned, group, v)
    {
        snprintf(name, sizeof name, "traffic.%s.bytes", group);
        snprintf(what, sizeof what, "bytes sent in a step, group %s", group);
        const double measured = ts_series_median(ts_series_find(&r->series, name), &st),
                     n = number_of(v, "bytes");
        TS_TRY(st);
        if (n > 0 || measured > 0)
            TS_TRY(compare(what, TS_NUMBER_BYTES, n, measured, out));
    }
    return TS_OK;
}

static ts_status table(const ts_report_run *r, ts_str *out)
{
    const ts_series_list *l = &r->series;
    const json_t *rank = rank_0(r->plan);
    ts_status st, other;
    const double seconds = ts_series_median(ts_series_find(l, "iteration_seconds"), &st);
    const double tokens = ts_series_median(ts_series_find(l, "tokens_per_second"), &other);
    TS_TRY(st);
    TS_TRY(other);
    const double mfu = ts_series_median(ts_series_find(l, "mfu"), &st),
                 use = number_of(r->plan, "utilisation");
    TS_TRY(st);
    TS_TRY(ts_str_puts(out, "<h3>"));
    TS_TRY(ts_str_xml(out, r->name));
    TS_TRY(ts_str_puts(
        out, "</h3>\n<div class=\"wide\"><table>\n<tr><th></th><th>planned</th><th>measured</th>"
             "<th>measured / planned</th></tr>\n"));
    TS_TRY(compare("memory of the largest process, by the account", TS_NUMBER_BYTES,
                   largest_peak(r->plan), ts_series_most(ts_series_find(l, "memory_peak_bytes")),
                   out));
    TS_TRY(traffic(r, json_object_get(rank, "traffic"), out));
    TS_TRY(compare("time of a step (median)", TS_NUMBER_SECONDS, number_of(r->plan, "step_seconds"),
                   seconds, out));
    TS_TRY(compare("tokens per second (median)", TS_NUMBER_COUNT,
                   number_of(r->plan, "tokens_per_second"), tokens, out));
    if (use > 0)
        TS_TRY(compare("use of the peak, MFU (median)", TS_NUMBER_SHARE, use, mfu, out));
    return ts_str_puts(out, "</table></div>\n");
}

ts_status ts_report_plans(const ts_report *r, ts_str *out)
{
    bool has_any = false;
    for (size_t i = 0; i < r->n; i++)
        has_any = has_any || r->runs[i].plan;
    if (!has_any)
        return TS_OK;
    TS_TRY(ts_str_puts(out, "<section id=\"plans\"><h2>Planned and measured</h2>\n"));
    for (size_t i = 0; i < r->n; i++)
        if (r->runs[i].plan)
            TS_TRY(table(&r->runs[i], out));
    return ts_str_puts(out, "</section>\n");
}
