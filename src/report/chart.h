/* A picture of one number of several runs over their steps. */
#ifndef TS_REPORT_CHART_H
#define TS_REPORT_CHART_H
#include "base/str.h"
#include "report/run.h"

/* What a number is, which says how it is written. */
typedef enum ts_number_kind {
    TS_NUMBER_PLAIN,
    TS_NUMBER_COUNT, /* 12.5k */
    TS_NUMBER_BYTES,
    TS_NUMBER_SECONDS,
    TS_NUMBER_SHARE, /* of 1: written in percent */
} ts_number_kind;

/* step: how far apart marks are that the number stands beside, so that they differ; 0: four digits. Not
 * finite: a dash. Returns buf. */
const char *ts_report_number(ts_number_kind kind, double v, double step, char buf[48]);

typedef struct ts_chart {
    const char *name; /* of the series */
    const char *title;
    ts_number_kind kind;
    bool is_noisy;  /* a mean of near steps is drawn over the raw line */
    bool from_zero; /* the axis begins at 0 */
    bool is_linear; /* never logarithmic */
    const ts_report_run *runs;
    size_t n_runs;
    int64_t first, last; /* steps of the axis */
} ts_chart;

/* Whether any run has a finite point of it; with is_flat whether all of them are the same. */
bool ts_chart_has_points(const ts_chart *c, bool *is_flat);

/* Appends an SVG for a page, whose style knows the classes:
 *   grid, axis             lines behind the curves, texts of the axes
 *   run, noisy             what is drawn of a run (data-run: its number), one whose means are drawn
 *   raw cN, smooth cN      a run's polyline, and the path of its means where there is one; N: run modulo 8,
 *                          from the ninth run on with the class "more"
 *   dot cN                 single points of short series
 *   seam cN, bad cN        where a run began again; where the number is none
 * One polyline a run that has points. The element plot has the axes as data-: x0 x1 y0 y1 (values at
 * its edges), left right top bottom (pixels), log, kind. */
ts_status ts_chart_svg(const ts_chart *c, ts_str *out) TS_NODISCARD;
#endif
