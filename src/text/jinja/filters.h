/* Filters of sequences, for the table of filters. */
#ifndef TS_TEXT_JINJA_FILTERS_H
#define TS_TEXT_JINJA_FILTERS_H
#include "text/jinja/interp.h"

ts_status ts_jfilter_batch(ts_jx *x, ts_jv v, const ts_jv *a, const ts_jcall *c, ts_jv *out);
ts_status ts_jfilter_dictsort(ts_jx *x, ts_jv v, const ts_jv *a, const ts_jcall *c, ts_jv *out);
ts_status ts_jfilter_first(ts_jx *x, ts_jv v, const ts_jv *a, const ts_jcall *c, ts_jv *out);
ts_status ts_jfilter_groupby(ts_jx *x, ts_jv v, const ts_jv *a, const ts_jcall *c, ts_jv *out);
ts_status ts_jfilter_items(ts_jx *x, ts_jv v, const ts_jv *a, const ts_jcall *c, ts_jv *out);
ts_status ts_jfilter_join(ts_jx *x, ts_jv v, const ts_jv *a, const ts_jcall *c, ts_jv *out);
ts_status ts_jfilter_last(ts_jx *x, ts_jv v, const ts_jv *a, const ts_jcall *c, ts_jv *out);
ts_status ts_jfilter_length(ts_jx *x, ts_jv v, const ts_jv *a, const ts_jcall *c, ts_jv *out);
ts_status ts_jfilter_list(ts_jx *x, ts_jv v, const ts_jv *a, const ts_jcall *c, ts_jv *out);
ts_status ts_jfilter_map(ts_jx *x, ts_jv v, const ts_jv *a, const ts_jcall *c, ts_jv *out);
ts_status ts_jfilter_max(ts_jx *x, ts_jv v, const ts_jv *a, const ts_jcall *c, ts_jv *out);
ts_status ts_jfilter_min(ts_jx *x, ts_jv v, const ts_jv *a, const ts_jcall *c, ts_jv *out);
ts_status ts_jfilter_reject(ts_jx *x, ts_jv v, const ts_jv *a, const ts_jcall *c, ts_jv *out);
ts_status ts_jfilter_rejectattr(ts_jx *x, ts_jv v, const ts_jv *a, const ts_jcall *c, ts_jv *out);
ts_status ts_jfilter_reverse(ts_jx *x, ts_jv v, const ts_jv *a, const ts_jcall *c, ts_jv *out);
ts_status ts_jfilter_select(ts_jx *x, ts_jv v, const ts_jv *a, const ts_jcall *c, ts_jv *out);
ts_status ts_jfilter_selectattr(ts_jx *x, ts_jv v, const ts_jv *a, const ts_jcall *c, ts_jv *out);
ts_status ts_jfilter_slice(ts_jx *x, ts_jv v, const ts_jv *a, const ts_jcall *c, ts_jv *out);
ts_status ts_jfilter_sort(ts_jx *x, ts_jv v, const ts_jv *a, const ts_jcall *c, ts_jv *out);
ts_status ts_jfilter_sum(ts_jx *x, ts_jv v, const ts_jv *a, const ts_jcall *c, ts_jv *out);
ts_status ts_jfilter_unique(ts_jx *x, ts_jv v, const ts_jv *a, const ts_jcall *c, ts_jv *out);
#endif
