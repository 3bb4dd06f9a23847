/* Where a parameter's part stands in the whole. Every parameter carries its global shape and how it
 * is cut over the mesh, so that a checkpoint holds whole tensors and any layout loads any
 * checkpoint by reading the rows and columns it owns. */
#ifndef TS_TENSOR_PLACE_H
#define TS_TENSOR_PLACE_H
#include <stdint.h>

typedef enum ts_axis {
    TS_AXIS_TENSOR,
    TS_AXIS_EXPERT,
    TS_AXIS_PIPELINE,
    TS_AXIS_DATA,
    TS_AXES,
} ts_axis;

/* A cut of dimension `dim` into n equal shares, of which this is number i. A dimension made of
 * `parts` equal stretches (gate and up rows) is cut in each of them: the share is its slice of
 * every stretch. */
typedef struct ts_cut {
    int dim;
    int64_t n, i; /* n <= 1: not cut */
    int64_t parts; /* 0 and 1: one stretch */
} ts_cut;

typedef struct ts_place {
    int rank;
    int64_t dim[4];      /* of the whole */
    ts_cut cut[TS_AXES]; /* by axis */
} ts_place;

static inline ts_place ts_place_whole(int rank, int64_t d0, int64_t d1)
{
    return (ts_place){ .rank = rank, .dim = { d0, rank > 1 ? d1 : 1, 1, 1 } };
}

/* Shape of the share. */
static inline int64_t ts_place_local(const ts_place *p, int dim)
{
    int64_t n = p->dim[dim];
    for (int a = 0; a < TS_AXES; a++)
        if (p->cut[a].n > 1 && p->cut[a].dim == dim)
            n /= p->cut[a].n;
    return n;
}
#endif
