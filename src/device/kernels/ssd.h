/* The scan of a state-space layer (Mamba 2: Dao and Gu, arXiv 2405.21060). Of each head, with a state h
 * of [N, P] that is 0 where a document begins:
 *
 *   dt = clamp(softplus(raw + bias), lo, hi)     a = -exp(A_log) dt
 *   h[t] = exp(a) h[t-1] + dt B[t] x[t]^T        y[t] = h[t]^T C[t] + D x[t]
 *
 * Heads of a group share B and C. It is computed in chunks of TS_SSD_CHUNK rows, which begin where a
 * document does, so that a document has the same bits wherever it stands. With s the sums of a within a
 * chunk, w[j] = exp(s[last] - s[j]) dt[j]:
 *
 *   y[i]  = sum over j <= i of (C[i].B[j]) exp(s[i] - s[j]) dt[j] x[j] + exp(s[i]) h^T C[i] + D x[i]
 *   h'    = exp(s[last]) h + sum over j of w[j] B[j] x[j]^T
 *
 * in fp32. With `steps` (Mamba 3) a, what a row counts with in later ones (dt above), and what it counts with in its own y are
 * three numbers of each row and head. Backward goes through the chunks from the last to the first, with the states before them made
 * again: `states` keeps every TS_SSD_KEPT-th, those between are made from it.
 *
 * Sums over heads of dB and dC: blocks of ts_ssd_block heads each into a part of their own (`parts`), and
 * ssd_join adds these in order. What belongs to parameters comes by rows, for who sums them. */
#ifndef TS_DEVICE_KERNELS_SSD_H
#define TS_DEVICE_KERNELS_SSD_H
#include "base/dtype.h"

enum { TS_SSD_CHUNK = 64, TS_SSD_KEPT = 4, TS_SSD_BLOCK = 4, TS_SSD_MOST_STATE = 256, TS_SSD_MOST_HEAD = 256 };

typedef struct ts_ssd_args {
    int64_t B, S, heads, groups, P, N;
    ts_dtype dtype;
    float lo, hi;             /* of dt */
    const void *xbc;          /* [B * S, heads P + 2 groups N]: x of every head, B of every group, C */
    const void *raw;          /* [B * S, heads] */
    const float *A_log, *D, *bias; /* [heads] */
    const float *steps;       /* [B * S, heads, 3], instead of raw, A_log and bias; NULL: made of these */
    const int32_t *first_key; /* [B * S] or NULL: each sequence is one document */
    const int32_t *length;    /* [B] or NULL: rows behind so many are padding, y there is 0 */
    float *state;             /* [B, heads, N, P]: before the first row, and becomes that behind the last; or NULL */
    void *y;                  /* [B * S, heads P] */
    /* backward; not with length or state */
    const void *dy;
    void *dxbc, *draw;
    float *states;            /* [B, heads, ts_ssd_kept(S), N, P] work space */
    float *parts;             /* [groups, ts_ssd_blocks, B * S, 2 N] of dB and dC */
    float *dsteps;            /* like steps, instead of draw and of all of sums but dD */
    float *sums;              /* [B * S, 3 heads]: each row's part of dA_log, dD, dbias */
} ts_ssd_args;
/* ssd_fwd, ssd_bwd: n is ignored. ssd_join: n = rows. */

/* Heads of a block: so many states fit into a thread's scratch. */
static inline int64_t ts_ssd_block(int64_t N, int64_t P)
{
    int64_t n = TS_SSD_BLOCK;
    while (n > 1 && n * (TS_SSD_KEPT + 1) * N * P > 400 << 10)
        n /= 2;
    return n;
}
/* Blocks of a group. */
static inline int64_t ts_ssd_blocks(int64_t heads, int64_t groups, int64_t N, int64_t P)
{
    const int64_t n = ts_ssd_block(N, P);
    return (heads / groups + n - 1) / n;
}
/* States of a document that are kept; at least one, so that there is memory. */
static inline int64_t ts_ssd_kept(int64_t S) { return (S - 1) / (TS_SSD_CHUNK * TS_SSD_KEPT) + 1; }
#endif
