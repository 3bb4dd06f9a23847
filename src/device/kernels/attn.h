/* Attention with online softmax (Milakov and Gimelshein, arXiv 1805.02867; Dao et al., arXiv
 * 2205.14135): scores are never held whole; backward recomputes them from the saved log-sum-exp.
 *
 *   s = scale * q.k;  softcap c > 0: s = c * tanh(s / c);  masked: -inf
 *   p = softmax(s);  dropout on p;  o = p v;  lse = log sum exp(s)
 *
 * One launch does B sequences of S_q queries and S_kv keys. Query i of sequence b stands at key
 * pos = offset + q_start[b] + i (q_start NULL: 0). Which keys it sees, the mask says and, row by
 * row, first_key and last_key (documents, padding); q_len / kv_len give lengths (NULL: S_q /
 * S_kv for all): rows past them are not touched, and keys past kv_len do not exist. A row that sees
 * no key gets o = 0, lse = -inf, and gives no gradient.
 *
 * Queries and keys may be parts of longer sequences. Then query i stands at position q_at of i
 * instead, key j at key0 + j, and mask, first_key and last_key are said in positions. q_at.n 0: they
 * are all there.
 *
 * Heads are addressed, not copied: query head h = g * r + j (r = n_q / n_kv, group g) stands at
 * q + row * q_row + g * q_group + j * head_dim, its key at k + key * kv_row + g * kv_group, its
 * value at v + key * kv_row + g * kv_group (units: elements). q, k, v may be tensors of their own,
 * or columns of one: in Megatron's fused rows q_row = kv_row = width, q_group = kv_group =
 * (r + 2) * head_dim. Sequence b begins at row b * q_batch of q, b * kv_batch of k and v: S_q and
 * S_kv, or more where there is room between. o is [B * S_q, n_q * head_dim] dense.
 *
 * Keys may lie in pages of 2^page_bits rows (forward only): key j of sequence b is then row j % 2^page_bits of page
 * pages[b, j / 2^page_bits], and kv_batch means nothing.
 *
 * Keys and values may be codes of eight bits (forward only, kernels/kv_code.h): kv_row and kv_group are in bytes then, and what
 * is computed with are the numbers that the codes mean, in fp32 or, where products are of bf16, rounded to that.
 *
 * Backward: delta = sum(do * o) per row and head; ds = p * (dp - delta) (through softcap and
 * dropout); dq, dk, dv stand at the same addresses of dq/dk/dv as q/k/v of theirs; all their
 * elements for rows inside the lengths are written (not added to). Order of sums is fixed. */
#ifndef TS_DEVICE_KERNELS_ATTN_H
#define TS_DEVICE_KERNELS_ATTN_H
#include "base/dtype.h"
#include "base/stretches.h"
#include "base/rng.h"
#include "device/kernels/kv_code.h"

#include <stdbool.h>

typedef enum ts_mask_kind {
    TS_MASK_CAUSAL,        /* keys j <= pos */
    TS_MASK_BIDIRECTIONAL, /* all */
    TS_MASK_WINDOW,        /* pos - left <= j <= pos + right */
    TS_MASK_CHUNK,         /* j <= pos, of the same chunk: keys stand in chunks, one after another */
} ts_mask_kind;

/* Which keys a query sees by where it stands. All zeros is the causal mask of one sequence. */
typedef struct ts_attention_mask {
    ts_mask_kind kind;
    int64_t left, right; /* TS_MASK_WINDOW: keys beside pos, Transformer Engine's count; -1: all */
    int64_t offset;      /* of pos: queries that begin later than keys do, or at S_kv - S_q */
    int64_t chunk, chunk_at; /* TS_MASK_CHUNK: keys of a chunk; where one begins, counted as keys are */
} ts_attention_mask;

/* Causal; a query sees `keys` keys, itself among them. 0: all that are before it. */
static inline ts_attention_mask ts_mask_causal(int64_t keys)
{
    return keys > 0 ? (ts_attention_mask){ .kind = TS_MASK_WINDOW, .left = keys - 1 }
                    : (ts_attention_mask){ .kind = TS_MASK_CAUSAL };
}

/* Causal, of the keys of a query's own chunk alone. */
static inline ts_attention_mask ts_mask_chunk(int64_t keys)
{
    return (ts_attention_mask){ .kind = TS_MASK_CHUNK, .chunk = keys };
}

/* The limits that a mask of any kind comes to; -1: none. A chunk's is the widest. */
static inline int64_t ts_mask_left(const ts_attention_mask *m)
{
    return m->kind == TS_MASK_WINDOW ? m->left : m->kind == TS_MASK_CHUNK ? m->chunk - 1 : -1;
}
static inline int64_t ts_mask_right(const ts_attention_mask *m)
{
    return m->kind == TS_MASK_WINDOW ? m->right : m->kind == TS_MASK_BIDIRECTIONAL ? -1 : 0;
}
/* The first key that a query at pos may see; below 0 where there is no limit on this side. */
static inline int64_t ts_mask_first(const ts_attention_mask *m, int64_t pos)
{
    const int64_t left = ts_mask_left(m);
    if (m->kind != TS_MASK_CHUNK)
        return left < 0 ? INT64_MIN : pos - left;
    const int64_t in = (pos - m->chunk_at) % m->chunk;
    return pos - (in < 0 ? in + m->chunk : in);
}

typedef struct ts_attn_args {
    int64_t B, S_q, S_kv, q_batch, kv_batch;
    int64_t n_q, n_kv, head_dim;
    ts_dtype dtype;                 /* q, k, v, o and their gradients: F32, BF16, F16 */
    float scale, softcap;
    ts_attention_mask mask;
    int64_t q_row, q_group, kv_row, kv_group;
    const void *q, *k, *v;
    void *o;                        /* [B * S_q, n_q * head_dim] */
    float *lse;                     /* [B * S_q, n_q]; NULL: not wanted (inference) */
    float *top;                     /* [B * S_q, n_q]: forward's largest s of each row, without the sink; -inf
                                       where it sees no key. NULL: not wanted */
    const int32_t *first_key, *last_key; /* [B * S_q]: of the keys that a row may see; or NULL */
    int64_t limit_batch;            /* their rows from a sequence's first to the next one's; 0: S_q */
    const int32_t *q_start, *q_len, *kv_len; /* [B] or NULL */
    const int32_t *pages;           /* [B, pages_each]: see above; NULL: keys of a sequence follow each other */
    int64_t pages_each;
    int page_bits;                  /* 4 or more */
    ts_kv_code code;                /* of k and v */
    bool any_cut;                   /* forward: rows come to the same bits however queries are cut into launches */
    const float *sinks;             /* [n_q]: a logit that joins the denominator only; or NULL */
    const float *slopes;            /* [n_q] ALiBi: s -= slope * (position - j); or NULL */
    float dropout;                  /* probability; kept values are divided by 1 - dropout */
    ts_stretches q_at;                 /* of parts of sequences: where queries stand */
    int64_t key0, S_q_all, S_kv_all; /* the first key's position; how long the wholes are */
    /* element ((sample * n_q_total + head) * S_q + i) * S_kv + j, in positions of the wholes, where */
    ts_rng rng;
    int64_t sample0, head0, n_q_total; /* sample = sample0 + b, head = head0 + h */
    const void *dout;               /* gradient of o, like o */
    float *delta;                   /* [B * S_q, n_q] work space of the backward */
    void *dq, *dk, *dv;
    float *dsinks;                  /* [n_q] added to; or NULL */
} ts_attn_args;
/* attn_fwd, attn_bwd: n is ignored (the kernel shares out its own tiles). */

/* Attention to keys in parts: each part has its own softmax, and o and lse of two together are
 *
 *   lse = log(exp(lse_1) + exp(lse_2)),   o = exp(lse_1 - lse) o_1 + exp(lse_2 - lse) o_2
 *
 * attn_join: acc and acc_lse become those of them and of o and lse, in fp32; a part of which a row sees
 * no key has lse -inf and counts for nothing, and its o is not read. n = rows. */
typedef struct ts_attn_join_args {
    int64_t n_q, head_dim;
    ts_dtype dtype;   /* of o */
    const void *o;    /* [rows, n_q * head_dim] */
    const float *lse; /* [rows, n_q] */
    float *acc, *acc_lse;
} ts_attn_join_args;
#endif
