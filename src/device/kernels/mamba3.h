/* What a layer of Mamba 3 (arXiv 2603.15569; one input and one output a head) makes of its projections for the scan of
 * ssd.h. Of each row and head, with the pairs (2 k, 2 k + 1) of B and C turned by angles, of which there are `angles`; B and C
 * are of groups of heads, their biases and angles of each head:
 *
 *   dt = softplus(raw dt + bias)    a = -max(softplus(raw A), floor) dt    lambda = sigmoid(raw trap)
 *   angle[k] += pi tanh(raw angle[k]) dt    B, C: (u + bias) turned by the angles
 *   h[t] = e^a h[t-1] + e^a dt (1 - lambda) B[t-1] x[t-1]^T + dt lambda B[t] x[t]^T    (the trapezoidal rule)
 *
 * A row's B x^T counts in its own y with g = dt lambda, in later ones with w, the same and the next row's dt (1 - lambda): these
 * are the scan's steps a, w, g. Angles and what came before are 0 where a document begins.
 *
 * Backward reads the angles' waves as a forward pass left them, takes the scan's gradients of B and C from `parts` and leaves there, head by head, those of what was not turned yet;
 * mamba3_join sums over heads, in order. fp32. */
#ifndef TS_DEVICE_KERNELS_MAMBA3_H
#define TS_DEVICE_KERNELS_MAMBA3_H
#include "device/kernels/ssd.h"

enum { TS_MAMBA3_MOST_ANGLES = TS_SSD_MOST_STATE / 2 };

typedef struct ts_mamba3_args {
    int64_t B, S, heads, groups, P, N, angles; /* 2 angles <= N */
    ts_dtype dtype;
    float floor;
    const void *x, *bc;       /* [B * S, heads P], [B * S, 2 groups N]: B of every group, then C */
    const void *raw;          /* [B * S, 3 heads + angles]: dt, A, trap, angles */
    const float *dt_bias, *b_bias, *c_bias; /* [heads], [heads, N] */
    const int32_t *first_key; /* [B * S] or NULL */
    const int32_t *length;    /* [B] or NULL: rows behind so many are padding */
    float *turns;             /* [B * S, angles]: pi tanh(raw), which mamba3_turns makes */
    /* What came before, and what is behind; all NULL: nothing */
    float *state;             /* [B, heads, N, P]: what B and x of before add to it is added */
    float *angle;             /* [B, heads, angles] */
    void *before;             /* [B, heads, N + P]: B and x of the last row */
    void *xbc;                /* [B * S, heads P + 2 heads N]: x, B of every head, C */
    float *steps;             /* [B * S, heads, 3] */
    float *waves;             /* [heads, B * S, 2 angles]: cosines, then sines; NULL: not wanted. Forward writes them */
    /* backward; not with length or state */
    const float *dsteps;
    float *parts;             /* [heads, B * S, 2 N] */
    float *dturns;            /* [heads, B * S, angles] */
    float *sums;              /* [B, heads (2 N + 1)]: of a sequence those of b_bias and c_bias [heads, N], of dt_bias */
    void *dbc, *draw;
} ts_mamba3_args;
/* mamba3_turns, mamba3_join: n = rows. mamba3_fwd, mamba3_bwd: n is ignored. */
#endif
