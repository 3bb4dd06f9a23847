/* The selective scan of Mamba 1 (Gu and Dao, arXiv 2312.00752). Of each channel c, with a state h of N numbers that is
 * 0 where a document begins, and B and C of a row, which all channels share:
 *
 *   dt = softplus(raw + bias)
 *   h[n] = exp(-exp(A_log[c][n]) dt) h[n] + dt B[n] x        y = sum over n of C[n] h[n] + D x
 *
 * Every number of a state decays at a rate of its own: a chunk is no product of matrices, as it is where a head has one
 * rate (ssd.h). So rows are walked one after another, channels side by side, TS_SELECTIVE_BLOCK of one sequence in a
 * task; a row's result does not depend on what stands before its document. fp32.
 *
 * Backward walks once to keep the state before every TS_SELECTIVE_CHUNK-th row, then takes these chunks from the last
 * to the first, the states within made again. Sums over channels of dB and dC: of each block into a part of its own
 * (`parts`), which selective_join adds in order. */
#ifndef TS_DEVICE_KERNELS_SELECTIVE_H
#define TS_DEVICE_KERNELS_SELECTIVE_H
#include "base/dtype.h"

enum { TS_SELECTIVE_BLOCK = 64, TS_SELECTIVE_CHUNK = 32, TS_SELECTIVE_MOST_STATE = 128 };

typedef struct ts_selective_args {
    int64_t B, S, channels, N;
    ts_dtype dtype;
    const void *x, *raw;      /* [B * S, channels] */
    const void *bc;           /* [B * S, 2 N]: B, then C */
    const float *A_log;       /* [channels, N] */
    const float *D, *bias;    /* [channels] */
    const int32_t *first_key; /* [B * S] or NULL: each sequence is one document */
    const int32_t *length;    /* [B] or NULL: rows behind so many are padding, y there is 0 */
    float *state;             /* [B, N, channels]: before the first row, and becomes that behind the last; or NULL */
    void *y;                  /* [B * S, channels] */
    /* backward; not with length or state */
    const void *dy;
    void *dx, *draw, *dbc;
    float *states; /* [B, ts_selective_kept(S), N, channels] work space */
    float *parts;  /* [ts_selective_blocks(channels), B * S, 2 N] of dB and dC */
    float *sums;   /* [B, channels (N + 2)]: of a sequence dA_log [channels, N], dD, dbias */
} ts_selective_args;
/* selective_fwd, selective_bwd: n is ignored. selective_join: n = rows. */

static inline int64_t ts_selective_blocks(int64_t channels) { return (channels + TS_SELECTIVE_BLOCK - 1) / TS_SELECTIVE_BLOCK; }
static inline int64_t ts_selective_kept(int64_t S) { return (S + TS_SELECTIVE_CHUNK - 1) / TS_SELECTIVE_CHUNK; }
#endif
