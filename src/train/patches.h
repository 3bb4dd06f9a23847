/* The elements of a matrix that this process owns, as rectangles of the whole: of its pieces (tensor/shards.h) of
 * the share that a tensor-parallel group has left it (tensor/place.h). Who projects a gradient does so patch by
 * patch, and adds up over the processes. */
#ifndef TS_TRAIN_PATCHES_H
#define TS_TRAIN_PATCHES_H
#include "tensor/param.h"

typedef struct ts_patch {
    const ts_shard_piece *piece;
    int64_t at;             /* its first element's number in the piece */
    int64_t rows, cols, ld; /* ld: elements from row to row here */
    int64_t row, col;       /* where it begins in the whole, which has `width` columns */
    int64_t width;
    bool counts;            /* this process brings it into sums over the group (ts_param.counted) */
} ts_patch;

typedef struct ts_patches {
    const ts_param *p;
    int64_t most;
    int64_t piece, last;              /* of the set's */
    int64_t at, rows, from, cols, col; /* rows that are gone through: from column `from` on */
} ts_patches;

/* All of p, in the order of the pieces; most: elements of a patch's rows, but for a single row. */
ts_patches ts_patches_of(const ts_param *p, int64_t most);
bool ts_patches_next(ts_patches *it, ts_patch *out);
#endif
