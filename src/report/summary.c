#include "report/page.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* What of a run, or of one of its series, a line of the table tells. */
typedef enum what { STEPS, END, LAST, LEAST, MEDIAN, MOST, TOTAL, HOW_MANY, UNFINITE, RESTARTS } what;

typedef struct fact {
    const char *text, *series;
    what what;
    ts_number_kind kind;
    double step; /* how fine the number is written, as ts_report_number takes it */
} fact;

static const fact facts[] = {
    { "steps", NULL, STEPS, TS_NUMBER_PLAIN, 0 },
    { "loss at the end", "lm_loss", END, TS_NUMBER_PLAIN, 1e-4 },
    { "validation loss at the end", "valid_lm_loss", LAST, TS_NUMBER_PLAIN, 1e-4 },
    { "lowest validation loss", "valid_lm_loss", LEAST, TS_NUMBER_PLAIN, 1e-4 },
    { "tokens per second (median)", "tokens_per_second", MEDIAN, TS_NUMBER_COUNT, 0 },
    { "time of a step (median)", "iteration_seconds", MEDIAN, TS_NUMBER_SECONDS, 0 },
    { "time of all steps", "iteration_seconds", TOTAL, TS_NUMBER_SECONDS, 0 },
    { "memory, by the account (most)", "memory_peak_bytes", MOST, TS_NUMBER_BYTES, 0 },
    { "memory, as the system sees it (most)", "rss_peak_bytes", MOST, TS_NUMBER_BYTES, 0 },
    { "use of the peak, MFU (median)", "mfu", MEDIAN, TS_NUMBER_SHARE, 0 },
    { "skipped steps", "skipped", HOW_MANY, TS_NUMBER_PLAIN, 0 },
    { "losses that are no number", "lm_loss", UNFINITE, TS_NUMBER_PLAIN, 0 },
    { "begun again", NULL, RESTARTS, TS_NUMBER_PLAIN, 0 },
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
        snprintf(text, 48, "%lld:%02lld:%02lld", (long long)s / 3600, (long long)s / 60 % 60,
                 (long long)s % 60);
}

static ts_status text_of(const ts_report_run *r, const fact *f, char text[48])
{
    const ts_series *s = f->series ? ts_series_find(&r->series, f->series) : NULL;
    ts_status st = TS_OK;
    double v = NAN;
    switch (f->what) {
    case STEPS: snprintf(text, 48, "%lld to %lld", (long long)r->first, (long long)r->last); return TS_OK;
    case HOW_MANY: snprintf(text, 48, "%zu", s ? s->n : 0); return TS_OK;
    case UNFINITE: snprintf(text, 48, "%lld", (long long)unfinite(s)); return TS_OK;
    case RESTARTS: snprintf(text, 48, "%zu", r->n_seams); return TS_OK;
    case TOTAL: duration(total(s), text); return TS_OK;
    case END: v = end_of(s); break;
    case LAST: v = ts_series_last(s); break;
    case LEAST: v = ts_series_least(s); break;
    case MOST: v = ts_series_most(s); break;
    case MEDIAN: v = ts_series_median(s, &st); break;
    }
    ts_report_number(f->kind, v, f->step, text);
    return st;
}

/* Lines that say nothing of any run are left out. */
static ts_status line(const ts_report *r, const fact *f, ts_str *out)
{
    char text[48];
    bool says = false;
    for (size_t i = 0; i < r->n; i++) {
        TS_TRY(text_of(&r->runs[i], f, text));
        says = says || strcmp(text, "-");
    }
    if (!says)
        return TS_OK;
    TS_TRY(ts_str_printf(out, "<tr><td>%s</td>", f->text));
    for (size_t i = 0; i < r->n; i++) {
        TS_TRY(text_of(&r->runs[i], f, text));
        TS_TRY(ts_report_cell(out, text, true));
    }
    return ts_str_puts(out, "</tr>\n");
}

ts_status ts_report_summary(const ts_report *r, ts_str *out)
{
    TS_TRY(ts_str_puts(out,
                       "<section id=\"summary\"><h2>Summary</h2>\n<div class=\"wide\"><table>\n"));
    TS_TRY(ts_report_head(r, "", out));
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
        TS_TRY(line(r, &facts[i], out));
    return ts_str_puts(out, "</table></div></section>\n");
}
