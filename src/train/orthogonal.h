/* Nearly the orthogonal factor of a matrix: of X = U S V^T about U V^T, as all singular values come near 1.
 *
 *   X_0 = X / |X|,  X_(i+1) = a_i X_i + (b_i A + c_i A^2) X_i  with A = X_i X_i^T
 *
 * in products alone (Newton and Schulz; Jordan et al. 2024, kellerjordan.github.io/posts/muon; the
 * coefficients of Amsel et al., arXiv 2505.16932, and of emerging_optimizers). Singular values far below
 * the largest stay below 1. A is made of the shorter side, X^T X where that is the columns'. */
#ifndef TS_TRAIN_ORTHOGONAL_H
#define TS_TRAIN_ORTHOGONAL_H
#include "dist/comm.h"
#include "device/device.h"
#include "train/matrix_options.h"

typedef struct ts_orthogonal {
    ts_device *dev;
    ts_muon_set set;
    int64_t steps;
    ts_dtype type; /* what is multiplied: BF16, with sums in fp32, or F32 */
} ts_orthogonal;

typedef struct ts_orthogonal_call {
    int64_t rows, cols; /* of what is here */
    float *x;           /* [rows, cols], overwritten */
    void *room;         /* ts_orthogonal_bytes, at a multiple of 64 */
    double scale;       /* the result is multiplied by it */
    /* A group that shares out one side of x: A, of the other side, is summed over it. NULL: all is here. */
    ts_comm *group;
    bool by_columns; /* with a group: A is the columns' */
    bool is_copy;    /* with a group: another process has the same rows, and adds them */
} ts_orthogonal_call;

size_t ts_orthogonal_bytes(const ts_orthogonal *o, const ts_orthogonal_call *c);
/* *out: where the result is, in x or in room. The same bits whatever the threads; with a group,
 * collective, but for the order of its sums. Zeros stay zeros. */
ts_status ts_orthogonalize(const ts_orthogonal *o, const ts_orthogonal_call *c, float **out) TS_NODISCARD;
#endif
