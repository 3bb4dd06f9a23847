#include "report/page.h"

#include <math.h>
#include <stdio.h>

typedef enum fact {
    STEPS, LOSS, VALID, VALID_BEST, SPEED, TIME, HOURS, MEMORY, RSS, MFU, SKIPPED, UNFINITE, RESTARTS, FACTS,
} fact;

static const char *const fact_names[FACTS] = {
    [STEPS] = "steps",
    [LOSS] = "loss at the end",
    [VALID] = "validation loss at the end",
    [VALID_BEST] = "lowest validation loss",
    [SPEED] = "tokens per second (median)",
    [TIME] = "time of a step (median)",
    [HOURS] = "time of all steps",
    [MEMORY] = "memory, by the account (most)",
    [RSS] = "memory, as the system sees it (most)",
    [MFU] = "use of the peak, MFU (median)",
    [SKIPPED] = "skipped steps",
    [UNFINITE] = "losses that are no number",
    [RESTARTS] = "begun again",
};

/* The mean of the last points, a twentieth of all and at most 100: of one alone, noise is most. */
static double end_of(const ts_series *s)
{
    double sum = 0;
    int64_t n = 0;
    const int64_t want = !s ? 0 : s->n < 40 ? 1 : s->n > 2000 ? 100 : (int64_t)s->n / 20;
    for (size_t i = s ? s->n : 0; i-- > 0 && n < want;)
        if (isfinite(s->v[i].y)) {
            sum += s->v[i].y;
            n++;
        }
    return n ? sum / (double)n : NAN;
}

static double total(const ts_series *s)
{
    double sum = s && s->n ? 0 : NAN;
    for (size_t i = 0; s && i < s->n; i++)
        sum += isfinite(s->v[i].y) ? s->v[i].y : 0;
    return sum;
}

static int64_t unfinite(const ts_series *s)
{
    int64_t n = 0;
    for (size_t i = 0; s && i < s->n; i++)
        n += !isfinite(s->v[i].y);
    return n;
}

static void duration(double s, char text[48])
{
    if (!isfinite(s))
        snprintf(text, 48, "-");
    else if (s < 120)
        ts_report_number(TS_NUMBER_SECONDS, s, 0, text);
    else
        snprintf(text, 48, "%lld:%02lld:%02lld", (long long)s / 3600, (long long)s / 60 % 60, (long long)s % 60);
}

static ts_status text_of(const ts_report_run *r, fact what, char text[48])
{
    const ts_series_list *l = &r->series;
    const ts_series *skipped = ts_series_find(l, "skipped");
    ts_status st = TS_OK;
    switch (what) {
    case STEPS: snprintf(text, 48, "%lld to %lld", (long long)r->first, (long long)r->last); break;
    case LOSS: ts_report_number(TS_NUMBER_PLAIN, end_of(ts_series_find(l, "lm_loss")), 1e-4, text); break;
    case VALID: ts_report_number(TS_NUMBER_PLAIN, ts_series_last(ts_series_find(l, "valid_lm_loss")), 1e-4, text); break;
    case VALID_BEST: ts_report_number(TS_NUMBER_PLAIN, ts_series_least(ts_series_find(l, "valid_lm_loss")), 1e-4, text); break;
    case SPEED: ts_report_number(TS_NUMBER_COUNT, ts_series_median(ts_series_find(l, "tokens_per_second"), &st), 0, text); break;
    case TIME: ts_report_number(TS_NUMBER_SECONDS, ts_series_median(ts_series_find(l, "iteration_seconds"), &st), 0, text); break;
    case HOURS: duration(total(ts_series_find(l, "iteration_seconds")), text); break;
    case MEMORY: ts_report_number(TS_NUMBER_BYTES, ts_series_most(ts_series_find(l, "memory_peak_bytes")), 0, text); break;
    case RSS: ts_report_number(TS_NUMBER_BYTES, ts_series_most(ts_series_find(l, "rss_peak_bytes")), 0, text); break;
    case MFU: ts_report_number(TS_NUMBER_SHARE, ts_series_median(ts_series_find(l, "mfu"), &st), 0, text); break;
    case SKIPPED: snprintf(text, 48, "%zu", skipped ? skipped->n : 0); break;
    case UNFINITE: snprintf(text, 48, "%lld", (long long)unfinite(ts_series_find(l, "lm_loss"))); break;
    case RESTARTS: snprintf(text, 48, "%zu", r->n_seams); break;
    case FACTS: break;
    }
    return st;
}

/* Lines that say nothing of any run are left out. */
static ts_status line(const ts_report *r, fact what, ts_str *out)
{
    char text[48];
    bool says = false;
    for (size_t i = 0; i < r->n; i++) {
        TS_TRY(text_of(&r->runs[i], what, text));
        says = says || text[0] != '-';
    }
    if (!says)
        return TS_OK;
    TS_TRY(ts_str_printf(out, "<tr><td>%s</td>", fact_names[what]));
    for (size_t i = 0; i < r->n; i++) {
        TS_TRY(text_of(&r->runs[i], what, text));
        TS_TRY(ts_report_cell(out, text, true));
    }
    return ts_str_puts(out, "</tr>\n");
}

ts_status ts_report_summary(const ts_report *r, ts_str *out)
{
    TS_TRY(ts_str_puts(out, "<section id=\"summary\"><h2>Summary</h2>\n<div class=\"wide\"><table>\n"));
    TS_TRY(ts_report_head(r, "", out));
    for (int i = 0; i < FACTS; i++)
        TS_TRY(line(r, (fact)i, out));
    return ts_str_puts(out, "</table></div></section>\n");
}
