/* Queries, keys and values on their way into attention: norm of q and k (optional), then rotary
 * position embedding (Su et al., arXiv 2104.09864).
 *
 * qkv rows are Megatron's: for each of n_kv groups the group's r = n_q / n_kv query heads, then its
 * key head, then its value head, each head_dim wide: [rows, n_kv * (r + 2) * head_dim]. Queries alone
 * (n_kv 0) and keys with their values alone (n_q 0) are such rows too: width (n_q + 2 n_kv) * head_dim.
 *
 *   norm (w given, or unit_norm: w + offset is 1): per head over head_dim, with one weight for all heads or each its own (own_weights), or over
 *                   all heads' values together (full_norm, OLMo 2);
 *                   h = x * rstd,  y = h * (w + offset)
 *   rotate the first rot_dim of each head by angles theta[pos][i], i < rot_dim / 2:
 *     halves:      pairs (i, i + rot_dim/2)        interleaved: pairs (2i, 2i + 1)
 *     y_a = x_a cos - x_b sin,  y_b = x_b cos + x_a sin
 * Backward is the inverse rotation, then the norm's backward. Values pass unchanged, or with norm_values are
 * normed by head without a weight: y = x * rstd. */
#ifndef TS_DEVICE_KERNELS_ROPE_H
#define TS_DEVICE_KERNELS_ROPE_H
#include "base/dtype.h"
#include <stdbool.h>

typedef struct ts_rope_args {
    int64_t n_q, n_kv, head_dim, rot_dim; /* rot_dim 0: no rotation */
    bool interleaved, full_norm, unit_norm;
    bool norm_values;          /* only beside a norm, not full_norm */
    bool own_weights;          /* of each head; full_norm has them anyway */
    ts_dtype dtype;            /* of x, y, dy, dx */
    const float *cos, *sin;    /* [positions, rot_dim / 2], scaling already in */
    const float *q_cos, *q_sin; /* the same of queries, where another factor is in theirs; NULL: those */
    const int32_t *pos;        /* [rows]: row of cos and sin */
    const float *wq, *wk;      /* norm weights: [head_dim], or [n_q*head_dim], [n_kv*head_dim] when
                                  full_norm or own_weights, in head order; both NULL: no norm; NULL
                                  for heads that there are none of */
    float eps, offset;
    /* [rows, width] before norm and rotation (backward: needed with norm) */
    const void *x;
    void *y;                   /* [rows, width]; may be x itself */
    float *rstd;               /* [rows, n_q + n_kv], or [rows, 2] when full_norm; with norm only */
    float *v_rstd;             /* [rows, n_kv]; with norm_values only */
    /* full_norm over heads of several processes: what rope_sums has made here and there, added up, and heads of
     * all, each as often as its sums were added. NULL: these heads are all */
    const float *added;        /* [rows, 2] */
    int64_t all_q, all_kv;
    float *sums;               /* [rows, 2], of queries and of keys; written by rope_sums */
    const void *dy;            /* [rows, width] */
    void *dx;                  /* [rows, width]; may be dy itself */
    float *dwq, *dwk;          /* as wq, wk; added to */
    int64_t rows;
} ts_rope_args;
/* rope_fwd, rope_bwd: n = rows. rope_dw: n = columns of wq, then those of wk (head_dim * 2, or
 * (n_q + n_kv) * head_dim where heads have their own); reads x, dy, rstd, cos, sin and sums rows in order. dy
 * is the gradient of y, so keep it apart from dx (no in-place backward) when there is a norm.
 * rope_sums: n = rows; of the heads that are here the sum of x^2, or with dy given that of dz * (w + offset) * h, dz being
 * dy rotated back, which the norm's backward takes; reads x, dy, rstd, cos, sin. */

/* rope_heads: heads that stand evenly apart, each `dim` wide and rotated as a whole; nothing beside them
 * is read or written. Row i's head h begins at element i * x_row + h * x_head of x (x_head 0: all are the
 * same one), and likewise of y, which may be x.
 *
 *   y[i][h] = x[i][h] turned by pos[i], or back by it;    sums:  y[i] = sum over h of x[i][h], in fp32,
 *                                                                turned, and rounded once
 *
 * cos NULL: nothing is turned.
 * n = rows. */
typedef struct ts_rope_heads_args {
    int64_t heads, dim;
    int64_t x_row, x_head, y_row, y_head;
    bool interleaved, back, sums;
    ts_dtype dtype;
    const float *cos, *sin; /* as ts_rope_args has them, [positions, dim / 2] */
    const int32_t *pos;
    const void *x;
    void *y;
} ts_rope_heads_args;

/* temper: queries of such rows times 1 + by * log(1 + floor((pos + 1) / every)), keys and values as they are (Nakanishi,
 * arXiv 2501.19399, as Llama 4 has it). The same call makes x's gradient of y's. n = rows; y may be x. */
typedef struct ts_temper_args {
    int64_t n_q, n_kv, head_dim;
    float by, every;
    ts_dtype dtype;
    const int32_t *pos; /* [rows] */
    const void *x;
    void *y;            /* [rows, (n_q + 2 n_kv) head_dim] */
} ts_temper_args;
#endif
