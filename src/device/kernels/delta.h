/* The gated delta rule (Yang, Kautz and Hatamizadeh, arXiv 2412.06464). Of each head, with a state M of
 * [K, V] that is 0 where a document begins, q and k brought to length 1 and q divided by root K:
 *
 *   g = -exp(A_log) softplus(raw_g + bias)     beta = sigmoid(raw_b)
 *   M <- exp(g) M     M <- M + k (beta (v - M^T k))^T     y = M^T q
 *
 * Heads of q and k are shared by heads / key_heads heads of v each, one after another. It is computed in
 * chunks of TS_DELTA_CHUNK rows, which begin where a document does (Yang et al., arXiv 2406.06484). With s
 * the sums of g within a chunk, e = exp(s), E[i][j] = exp(s[i] - s[j]), M the state before the chunk:
 *
 *   A[i][j] = beta[i] (k[i].k[j]) E[i][j] for j < i     (I + A) X = beta (v - e M^T k), row by row
 *   y[i] = e[i] M^T q[i] + sum over j <= i of (q[i].k[j]) E[i][j] X[j]
 *   M' = e[last] M + sum over j of E[last][j] k[j] X[j]^T
 *
 * in fp32. Backward goes through the chunks from the last to the first, with the states before them made
 * again: `states` keeps every TS_DELTA_KEPT-th. What comes to q and k of each head goes to `parts`;
 * delta_join adds up those of heads that share them and takes them through the change of length.
 *
 * Kimi delta attention (Kimi Team, arXiv 2510.26692) has a decay for each channel of the keys, kda_fwd and kda_bwd:
 * raw_g, draw_g [B * S, heads K] and bias [heads K] then, g, s, e are vectors of K, exp(g) M scales rows of M, and
 * e M^T k is M^T (e k). Products of rows i and j come from blocks of TS_KDA_BLOCK rows: with r the sums of a block's
 * first row
 *
 *   sum of k[i] k[j] E[i][j] = (k[i] exp(s[i] - r)) . (k[j] exp(r - s[j]))     for j before the block of i
 *
 * of which no exponent is above 0, and channel by channel within a block. */
#ifndef TS_DEVICE_KERNELS_DELTA_H
#define TS_DEVICE_KERNELS_DELTA_H
#include "base/dtype.h"

#include <stdbool.h>

enum { TS_DELTA_CHUNK = 64, TS_DELTA_KEPT = 4, TS_DELTA_MOST_HEAD = 256, TS_KDA_BLOCK = 16, TS_KDA_MOST_HEAD = 192 };

typedef struct ts_delta_args {
    int64_t B, S, heads, key_heads, K, V;
    ts_dtype dtype;
    float eps;                /* of lengths: q / sqrt(q.q + eps) */
    const void *qkv;          /* [B * S, 2 key_heads K + heads V]: q of every head, k of every head, v */
    const void *raw_g, *raw_b; /* [B * S, heads], kda: raw_g [B * S, heads K] */
    const float *A_log, *bias; /* [heads], kda: bias [heads K] */
    const int32_t *first_key; /* [B * S] or NULL: each sequence is one document */
    const int32_t *length;    /* [B] or NULL: rows behind so many are padding, y there is 0 */
    float *state;             /* [B, heads, K, V]: before the first row, and becomes that behind the last; or NULL */
    void *y;                  /* [B * S, heads V] */
    /* backward; not with length or state */
    const void *dy;
    void *dqkv, *draw_g, *draw_b;
    float *states;            /* [B, heads, ts_delta_kept(S), K, V] work space */
    float *parts;             /* [B * S, heads, 2 K]: of q and k at length 1 */
    float *sums;              /* [B * S, 2 heads], kda: [B * S, heads + heads K]: each row's part of dA_log, dbias */
} ts_delta_args;
/* delta_fwd, delta_bwd, kda_fwd, kda_bwd: n is ignored. delta_join: n = rows. */

/* The widest head of keys or values. */
static inline int64_t ts_delta_most_head(bool by_channel) { return by_channel ? TS_KDA_MOST_HEAD : TS_DELTA_MOST_HEAD; }

/* States of a document that are kept; at least one, so that there is memory. */
static inline int64_t ts_delta_kept(int64_t S) { return (S - 1) / (TS_DELTA_CHUNK * TS_DELTA_KEPT) + 1; }
#endif
