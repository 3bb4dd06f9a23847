/* What heads tell of whole texts, and the directions of vectors; rows are few, all arithmetic is in double.
 *
 *   told_losses, of a row z times `scale`, cols columns wide, with what is to be told of it in t:
 *     CHOICE  -log softmax(z)[k], k = t[row]
 *     AHEAD   the mean over the other columns j of log(1 + e^(z_j - z_k)), k = t[row]  (Burges et al. 2005, RankNet)
 *     BINARY  the mean over the columns of log(1 + e^z) - t z, t [rows, cols]
 *     SQUARE  the mean over the columns of (z - t)^2, likewise
 *   hit: CHOICE, AHEAD: 1 where no column is above k; BINARY: the share of columns with z > 0 where t > 1/2; else 0.
 *   slope: of the loss by z's row as it was before `scale`.
 *
 *   direct_fwd  y = x / max(|x|, TS_DIRECT_FLOOR) of the first `cols` of x's `width` columns; without `unit` y = x
 *   direct_bwd  dx = (dy - y (y . dy)) / |x|, or dy; 0 in the columns behind */
#ifndef TS_DEVICE_KERNELS_HEADS_H
#define TS_DEVICE_KERNELS_HEADS_H
#include <stdbool.h>
#include <stdint.h>

typedef enum ts_told_form { TS_TOLD_CHOICE, TS_TOLD_AHEAD, TS_TOLD_BINARY, TS_TOLD_SQUARE } ts_told_form;

/* t is a number of a column, one a row. */
static inline bool ts_told_chooses(ts_told_form f) { return f == TS_TOLD_CHOICE || f == TS_TOLD_AHEAD; }

typedef struct ts_told_args {
    ts_told_form form;
    int64_t cols;
    double scale;
    const float *z; /* [rows, cols] */
    const float *t; /* [rows] or [rows, cols] */
    float *loss;    /* [rows] */
    float *hit;     /* [rows] */
    float *slope;   /* [rows, cols] */
} ts_told_args;
/* told_losses: n = rows. */

#define TS_DIRECT_FLOOR 1e-12

typedef struct ts_direct_args {
    int64_t cols, width;
    bool unit;
    const float *x;  /* [rows, width] */
    float *y;        /* [rows, cols] */
    const float *dy; /* [rows, cols] */
    float *dx;       /* [rows, width] */
} ts_direct_args;
/* direct_fwd, direct_bwd: n = rows. */
#endif
