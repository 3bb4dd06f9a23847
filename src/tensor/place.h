/* Where a parameter's share stands in the whole. A parameter has one global shape; a process holds,
 * of each dimension, an ordered list of spans of it, so that a checkpoint holds whole tensors and any
 * layout loads any checkpoint by reading what it owns. Spans need not be equal from process to
 * process, and there may be several:
 *
 *   rows of gate and up, cut in two     whole:  [ gate 0..f-1 | up f..2f-1 ]
 *                                       rank 0: [0, f/2) and [f, f + f/2)
 *   13 heads of 64 rows for 2 processes rank 0: [0, 7 * 64), rank 1: [7 * 64, 13 * 64)
 *
 * What hangs on an element (its random start, the random bits that round it, its place in a file)
 * hangs on its number in the whole, row-major. */
#ifndef TS_TENSOR_PLACE_H
#define TS_TENSOR_PLACE_H
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

/* The dimensions of the mesh that a tensor may be cut over. */
typedef enum ts_axis {
    TS_AXIS_NONE,
    TS_AXIS_TENSOR,
    TS_AXIS_EXPERT,
    TS_AXIS_DATA,
} ts_axis;

enum { TS_PLACE_DIMS = 5, TS_PLACE_SPANS = 3 };

typedef struct ts_place_span {
    int64_t begin, n;
} ts_place_span;

/* One dimension. */
typedef struct ts_place_dim {
    int64_t whole;
    ts_axis axis; /* NONE: all of it is here */
    int n_spans;  /* of a dimension that is cut */
    ts_place_span span[TS_PLACE_SPANS];
    /* [n_listed] what is here of it, element by element; borrowed. NULL: the spans are */
    const int32_t *listed;
    int64_t n_listed;
} ts_place_dim;

typedef struct ts_place {
    int rank;
    ts_place_dim dim[TS_PLACE_DIMS];
} ts_place;

/* All of it, [d0, d1]; d1 0: [d0]. */
static inline ts_place ts_place_whole(int64_t d0, int64_t d1)
{
    return (ts_place){ .rank = d1 ? 2 : 1, .dim = { { .whole = d0 }, { .whole = d1 } } };
}
/* n matrices [d0, d1] in one. */
static inline ts_place ts_place_stack(int64_t n, int64_t d0, int64_t d1)
{
    return (ts_place){ .rank = 3, .dim = { { .whole = n }, { .whole = d0 }, { .whole = d1 } } };
}
/* Of dimension `dim`, these spans, in this order; each lies in the whole and none twice (a
 * programmer's mistake else). */
void ts_place_cut(ts_place *p, int dim, ts_axis axis, const ts_place_span *span, int n);
/* These elements, in this order, each in the whole and none twice; `numbers` stays as long as the place. */
void ts_place_cut_list(ts_place *p, int dim, ts_axis axis, const int32_t *numbers, int64_t n);
/* Share number i of n of a dimension that consists of `stretches` equal stretches, each cut alike;
 * units of `unit` stay together, and the first shares have one more where they do not divide. */
void ts_place_cut_even(ts_place *p, int dim, ts_axis axis, int64_t n, int64_t i, int stretches,
                       int64_t unit);
/* The share's size in one dimension; elements of the share, of the whole. */
int64_t ts_place_local(const ts_place *p, int dim);
int64_t ts_place_count(const ts_place *p);
int64_t ts_place_whole_count(const ts_place *p);
bool ts_place_is_whole(const ts_place *p);
/* How many elements from the share's number `at` on follow one another in the whole, too (at least
 * one), and what number the first has there. */
int64_t ts_place_run(const ts_place *p, int64_t at, int64_t *whole);
/* Of one dimension: the whole's number of the share's number `at`, and how many follow one another there. */
int64_t ts_place_along(const ts_place_dim *d, int64_t at, int64_t *whole);
/* The other way, of one dimension: where number `whole` of it stands in the share; -1: elsewhere. */
int64_t ts_place_here(const ts_place *p, int dim, int64_t whole);
#endif
