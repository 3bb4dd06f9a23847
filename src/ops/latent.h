/* What multi-head latent attention (DeepSeek-AI, arXiv 2405.04434, 2.1) does between its projections.
 * A head's query and key have a part without positions and a rotated part behind it; the key's rotated
 * part is one for all heads. Keys without positions and values are made from a latent vector of `rank`
 * values, of each head its key and then its value.
 *
 * Attention takes heads of one width, so values that are narrower than keys have zeros behind them and
 * keys that are narrower than values likewise; what they give is cut off again. */
#ifndef TS_OPS_LATENT_H
#define TS_OPS_LATENT_H
#include "ops/ops.h"

typedef struct ts_latent_op {
    int64_t heads;             /* that are here */
    int64_t nope, rope, value; /* widths: of a key without positions, of its rotated part, of a value */
    bool interleaved;
    const ts_storage *cos, *sin; /* fp32 [positions, rope / 2]; NULL: nothing is rotated */
    const ts_tensor *pos;        /* int32 [T] */
} ts_latent_op;

/* A head's width in attention. */
static inline int64_t ts_latent_width(const ts_latent_op *o)
{
    return o->nope + o->rope > o->value ? o->nope + o->rope : o->value;
}

/* y: fused rows of heads that have a key each, [T, 3 heads width], from q [T, heads (nope + rope)], kv
 * [T, heads (nope + value)] and the keys' rotated part before its rotation, k_rope [T, rope]. */
ts_status ts_op_latent_rows(ts_tape *tape, const ts_latent_op *o, ts_tensor *q, ts_tensor *kv,
                            ts_tensor *k_rope, ts_tensor **y) TS_NODISCARD;

/* The same attention as of one wide head of keys that all heads of queries share, which are the latent
 * vectors with the rotated part behind them: what makes keys from latent vectors goes to the queries
 * instead (q.(W c) = (W^T q).c), and what makes values to what attention gives. Nothing is kept for a
 * backward pass.
 *
 *   up      the weight that makes keys and values, as products of single rows like it: of each head the keys'
 *           part, transposed [rank, nope]; behind all of these of each head the values' part [value, rank]
 *   q       [T, heads (nope + rope)];  c: [T, rank];  k_rope: [T, rope]
 *   queries [T, heads (rank + rope)];  keys: [T, rank + rope]
 *   values  [T, heads value] from what attention gave with the keys as its values */
ts_status ts_latent_queries(ts_tape *tape, const ts_latent_op *o, const ts_tensor *up, const ts_tensor *q,
                            const ts_tensor *c, const ts_tensor *k_rope, ts_tensor **queries,
                            ts_tensor **keys) TS_NODISCARD;
ts_status ts_latent_values(ts_tape *tape, const ts_latent_op *o, const ts_tensor *up, const ts_tensor *y,
                           ts_tensor **values) TS_NODISCARD;
/* up, in the activations' type, from the weight in whatever form it is held. */
ts_status ts_latent_up(ts_tape *tape, const ts_latent_op *o, ts_param *w, const ts_tensor *up) TS_NODISCARD;
#endif
