/* What happened in runs: where they began again, what they saved, what they warned of. */
#include "report/page.h"

#include <inttypes.h>

enum { MOST_ROWS = 100 };

static ts_status item(ts_str *out, const char *text)
{
    TS_TRY(ts_str_puts(out, "<li>"));
    TS_TRY(ts_str_xml(out, text));
    return ts_str_puts(out, "</li>\n");
}

static ts_status seams(const ts_report_run *r, ts_str *out)
{
    for (size_t i = 0; i < r->n_seams && i < MOST_ROWS; i++) {
        TS_TRY(ts_str_printf(out, "<li>began again with step %" PRId64, r->seams[i].at));
        if (r->seams[i].back)
            TS_TRY(ts_str_printf(out, "; %" PRId64 " steps that were done before are left out",
                                 r->seams[i].back));
        TS_TRY(ts_str_puts(out, "</li>\n"));
    }
    return TS_OK;
}

static ts_status skipped(const ts_report_run *r, ts_str *out)
{
    const ts_series *s = ts_series_find(&r->series, "skipped");
    if (!s || !s->n)
        return TS_OK;
    TS_TRY(ts_str_printf(out, "<li>%zu skipped steps:", s->n));
    for (size_t i = 0; i < s->n && i < MOST_ROWS; i++)
        TS_TRY(ts_str_printf(out, " %" PRId64, s->v[i].x));
    return ts_str_puts(out, s->n > MOST_ROWS ? " ...</li>\n" : "</li>\n");
}

static ts_status checkpoints(const ts_report_run *r, ts_str *out)
{
    char size[48];
    if (!r->n_checkpoints)
        return TS_OK;
    const ts_run_checkpoint *last = &r->checkpoints[r->n_checkpoints - 1];
    TS_TRY(ts_str_puts(out, "<li>checkpoints of steps"));
    for (size_t i = r->n_checkpoints > MOST_ROWS ? r->n_checkpoints - MOST_ROWS : 0;
         i < r->n_checkpoints; i++)
        TS_TRY(ts_str_printf(out, " %" PRId64, r->checkpoints[i].iteration));
    TS_TRY(ts_str_printf(out, "; the last: %s, saved at ",
                         ts_report_number(TS_NUMBER_BYTES, last->bytes, 0, size)));
    TS_TRY(ts_str_xml(out, last->saved_at));
    return ts_str_printf(out, ", of %" PRId64 " process%s</li>\n", last->world_size,
                         last->world_size == 1 ? "" : "es");
}

static ts_status happened(const ts_report_run *r, ts_str *out)
{
    const size_t before = out->len;
    TS_TRY(seams(r, out));
    TS_TRY(skipped(r, out));
    TS_TRY(checkpoints(r, out));
    for (size_t i = 0; i < r->n_notes; i++)
        TS_TRY(item(out, r->notes[i]));
    if (r->n_more)
        TS_TRY(ts_str_printf(out, "<li>and %" PRId64 " more like these</li>\n", r->n_more));
    return out->len > before
               ? TS_OK
               : ts_str_puts(out, "<li class=\"pale\">nothing out of the ordinary</li>\n");
}

ts_status ts_report_events(const ts_report *r, ts_str *out)
{
    TS_TRY(ts_str_puts(out, "<section id=\"events\"><h2>What happened</h2>\n"));
    for (size_t i = 0; i < r->n; i++) {
        TS_TRY(ts_str_puts(out, "<h3>"));
        TS_TRY(ts_str_xml(out, r->runs[i].name));
        TS_TRY(ts_str_puts(out, "</h3>\n<ul>\n"));
        TS_TRY(happened(&r->runs[i], out));
        TS_TRY(ts_str_puts(out, "</ul>\n"));
    }
    return ts_str_puts(out, "</section>\n");
}
