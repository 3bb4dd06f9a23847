/* Attention with online softmax (Milakov and Gimelshein, arXiv 1805.02867; Dao et al., arXiv
 * 2205.14135): scores are never held whole; backward recomputes them from the saved log-sum-exp.
 *
 *   s = scale * q.k;  softcap c > 0: s = c * tanh(s / c);  masked: -inf
 *   p = softmax(s);  dropout on p;  o = p v;  lse = log sum exp(s)
 *
 * One launch does B sequences. Query row i of sequence b has position q_start[b] + i (0 when NULL)
 * and sees keys j with j <= position (causal), position - j < window (window > 0), and j >=
 * first_key[row] (packed documents; NULL: 0). q_len / kv_len give lengths (NULL: S_q / S_kv for
 * all); rows past them are not touched, and keys past kv_len do not exist. A row that sees no key
 * gets o = 0, lse = -inf.
 *
 * Heads are addressed, not copied: query head h = g * r + j (r = n_q / n_kv, group g) stands at
 * q + row * q_row + g * q_group + j * head_dim, its key at k + key * kv_row + g * kv_group, its
 * value at v + key * kv_row + g * kv_group (units: elements). In Megatron's fused rows q_row =
 * kv_row = width, q_group = kv_group = (r + 2) * head_dim. Row 0 of sequence b is row b * S_q of q,
 * o; keys of sequence b begin at row b * kv_batch (S_kv, or more in a cache). o is [B * S_q, n_q *
 * head_dim] dense.
 *
 * Backward: delta = sum(do * o) per row and head; ds = p * (dp - delta) (through softcap and
 * dropout); dq, dk, dv stand at the same addresses of dq/dk/dv as q/k/v of theirs; all their
 * elements for rows inside the lengths are written (not added to). Order of sums is fixed. */
#ifndef TS_DEVICE_KERNELS_ATTN_H
#define TS_DEVICE_KERNELS_ATTN_H
#include "base/dtype.h"
#include "base/rng.h"
#include <stdbool.h>

typedef struct ts_attn_args {
    int64_t B, S_q, S_kv, kv_batch;
    int64_t n_q, n_kv, head_dim;
    ts_dtype dtype;                 /* q, k, v, o and their gradients: F32, BF16, F16 */
    float scale, softcap;
    bool causal;
    int64_t window;                 /* 0: none */
    int64_t q_row, q_group, kv_row, kv_group;
    const void *q, *k, *v;
    void *o;                        /* [B * S_q, n_q * head_dim] */
    float *lse;                     /* [B, n_q, S_q]; NULL: not wanted (inference) */
    const int32_t *first_key;       /* [B * S_q] or NULL */
    const int32_t *q_start, *q_len, *kv_len; /* [B] or NULL */
    const float *sinks;             /* [n_q]: a logit that joins the denominator only; or NULL */
    const float *slopes;            /* [n_q] ALiBi: s -= slope * (position - j); or NULL */
    float dropout;                  /* probability; kept values are divided by 1 - dropout */
    /* element ((sample * n_q_total + head) * S_q + i) * S_kv + j, where */
    ts_rng rng;
    int64_t sample0, head0, n_q_total; /* sample = sample0 + b, head = head0 + h */
    const void *dout;               /* gradient of o, like o */
    float *delta;                   /* [B, n_q, S_q] work space of the backward */
    void *dq, *dk, *dv;
    float *dsinks;                  /* [n_q] added to; or NULL */
} ts_attn_args;
/* attn_fwd, attn_bwd: n is ignored (the kernel shares out its own tiles). */
#endif
