/* Two dumps beside each other: which tensor differs first, in the order of computation, and by how much. */
#ifndef TS_REPORT_DUMP_DIFF_H
#define TS_REPORT_DUMP_DIFF_H
#include "report/dump_set.h"

typedef enum ts_dump_verdict {
    TS_DUMPS_SAME, /* the same bits */
    TS_DUMPS_NEAR, /* within the tolerance */
    TS_DUMPS_DIFFER,
    TS_DUMPS_APART,   /* shapes or numbers of elements are not the same */
    TS_DUMPS_MISSING, /* in one alone */
} ts_dump_verdict;

typedef struct ts_dump_difference {
    const ts_dumped *a, *b; /* NULL: missing there */
    ts_dump_verdict verdict;
    double max_abs, relative; /* relative: to the largest of a; infinite where one is no number */
    /* of whole tensors; without them by_stats: max_abs is of the extremes and the mean, and relative also of
     * the norm */
    bool by_stats;
    int64_t ulps, n_differ, n; /* ulps: fp32's, the most; values that differ, of how many */
    int64_t first[2];          /* row and column of the first that does */
    double first_a, first_b;
} ts_dump_difference;

typedef struct ts_dump_comparison {
    ts_dump_set a, b;
    ts_dump_difference *v; /* [n] in the order of computation */
    size_t n, count[TS_DUMPS_MISSING + 1];
} ts_dump_comparison;

/* tolerance: of `relative`, up to which a tensor is near. TS_ERR_USER as ts_dump_set_open. */
ts_status ts_dumps_compare(const char *a, const char *b, double tolerance,
                           ts_dump_comparison *out) TS_NODISCARD;
void ts_dump_comparison_deinit(ts_dump_comparison *c);
const ts_dump_difference *
ts_dumps_first(const ts_dump_comparison *c); /* that differs; NULL: none does */
/* The same in a sentence or two, and a table of at most `most`: those that differ, then those that are near. */
ts_status ts_dumps_table(const ts_dump_comparison *c, int64_t most, ts_str *out) TS_NODISCARD;
/* "output of decoder.layers.1.mlp.linear_fc1 in step 3" into buf. */
const char *ts_dumped_title(const ts_dumped *d, char buf[512]);
#endif
