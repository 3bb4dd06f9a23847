/* The page of a report: HTML that needs nothing but itself, well formed as XML too. */
#ifndef TS_REPORT_PAGE_H
#define TS_REPORT_PAGE_H
#include "report/chart.h"

typedef struct ts_report {
    const char *title;
    ts_report_run *runs; /* [n] */
    size_t n;
} ts_report;

/* Appends the whole page. */
ts_status ts_report_page(const ts_report *r, ts_str *out) TS_NODISCARD;

/* Its parts, each a section with a heading, or nothing where there is nothing to say: a table of the
 * facts; what differs in layout and options, and all of them; plans beside what was measured; restarts,
 * checkpoints and notes. */
ts_status ts_report_summary(const ts_report *r, ts_str *out) TS_NODISCARD;
ts_status ts_report_options(const ts_report *r, ts_str *out) TS_NODISCARD;
ts_status ts_report_plans(const ts_report *r, ts_str *out) TS_NODISCARD;
ts_status ts_report_events(const ts_report *r, ts_str *out) TS_NODISCARD;

/* A cell of a table: <td>text</td>, escaped; with class "num" where is_number. */
ts_status ts_report_cell(ts_str *out, const char *text, bool is_number) TS_NODISCARD;
/* The first row of a table: `first`, then a column for each run. */
ts_status ts_report_head(const ts_report *r, const char *first, ts_str *out) TS_NODISCARD;

extern const char ts_report_style[], ts_report_script[];
#endif
