/* Numbers of a run over its steps: kept, cut where the run was set back, thinned for a picture. */
#ifndef TS_REPORT_SERIES_H
#define TS_REPORT_SERIES_H
#include "base/mem.h"

typedef struct ts_point {
    int64_t x; /* the step */
    double y;  /* may be no finite number */
} ts_point;

typedef struct ts_series {
    char *name;  /* as the metrics have it: "lm_loss"; of an object in them "traffic.dp.bytes" */
    ts_point *v; /* [n] by step, each once */
    size_t n, cap;
} ts_series;

/* Zero-initialise. In the order in which names were first seen. */
typedef struct ts_series_list {
    ts_series *v;
    size_t n, cap;
} ts_series_list;

/* Adds a point behind the others of its name; one of the same step replaces. x is not before them. */
ts_status ts_series_add(ts_series_list *l, const char *name, int64_t x, double y) TS_NODISCARD;
/* Forgets what all of them hold of step x and later ones. */
void ts_series_cut(ts_series_list *l, int64_t x);
const ts_series *ts_series_find(const ts_series_list *l, const char *name); /* NULL: not there */
void ts_series_list_deinit(ts_series_list *l);

/* The finite points, fewer where they lie too close to be seen: of each of n_columns equal parts of
 * [x0, x1] the first, the lowest, the highest and the last, so that no extreme is lost. *out [n] is
 * the caller's (ts_free). */
ts_status ts_series_thin(const ts_series *s, int64_t x0, int64_t x1, int n_columns, ts_point **out,
                         size_t *n) TS_NODISCARD;
/* Each finite point with the mean of the finite points around it, `half` on either side: the geometric mean
 * with is_log, all being above 0. At the beginning, where a loss falls steeply, there are as many behind as
 * before it, at the end those that there are. *out: zero-initialised, deinit by
 * ts_series_deinit. */
ts_status ts_series_smooth(const ts_series *s, size_t half, bool is_log,
                           ts_series *out) TS_NODISCARD;
void ts_series_deinit(ts_series *s);

/* Of the finite points; none: NaN. */
double ts_series_median(const ts_series *s, ts_status *st);
double ts_series_least(const ts_series *s);
double ts_series_most(const ts_series *s);
double ts_series_last(const ts_series *s);
#endif
