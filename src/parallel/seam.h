/* The border between two networks of a pipeline that stand on different processes (dist/line.h): whoever
 * hands on a tensor there has its rows in other pieces than whoever takes it. This says which rows go from
 * whom to whom, each of them once to everyone who has it on the other side.
 *
 * The rows are those of samples, one sample after another, each of `length` positions; a process has some of
 * them, in that order. On a side where several have the same rows each of these serves others of the other
 * side. Nothing is added up: what comes back, a gradient, is the whole one on whoever has a row. */
#ifndef TS_PARALLEL_SEAM_H
#define TS_PARALLEL_SEAM_H
#include "ops/spread.h"

/* How a tensor lies on the processes of a stage, of which rank r stands at r % tp and r / tp. */
typedef struct ts_seam_side {
    int tp, cp;
    const ts_spread *spread; /* which positions each of cp has (its comm only tells how many they are); NULL: all */
    bool by_tp;              /* tp share the rows of these out evenly, one after another; else each has them all */
} ts_seam_side;
static inline int ts_seam_size(const ts_seam_side *s) { return s->tp * s->cp; }

/* Rows [here, here + n) of those that this process has. */
typedef struct ts_seam_run {
    int peer; /* rank in its side */
    int64_t here, n;
} ts_seam_run;
typedef struct ts_seam_runs {
    ts_seam_run *v;
    int64_t n;
    size_t cap;
} ts_seam_runs;

/* What process `rank` of `from` sends to those of `to`, peer after peer, and what process `rank` of `to` gets
 * from those of `from`; rows between the same two are in the same order in both. The caller's (ts_free v). */
ts_status ts_seam_sends(const ts_seam_side *from, const ts_seam_side *to, int64_t samples, int64_t length, int rank,
                        ts_seam_runs *out) TS_NODISCARD;
ts_status ts_seam_receives(const ts_seam_side *from, const ts_seam_side *to, int64_t samples, int64_t length,
                           int rank, ts_seam_runs *out) TS_NODISCARD;
/* Rows that a process has. */
int64_t ts_seam_rows(const ts_seam_side *s, int64_t samples, int64_t length, int rank);
#endif
