/* Sparse attention with an indexer (formulas: device/kernels/dsa.h), between the projections. */
#ifndef TS_OPS_DSA_H
#define TS_OPS_DSA_H
#include "ops/spread.h"

typedef struct ts_dsa_op {
    int64_t B, S, heads, width;   /* heads that are here, of queries, keys and values alike */
    int64_t most;                 /* keys that a query attends to */
    float scale;
    const ts_tensor *first_key;   /* int32 [B * S] or NULL; stays until the backward */
    /* ts_dsa_select alone: what queries choose among are `keys` others of each sequence, up to last_key (likewise); keys 0:
     * those of their own rows */
    const ts_tensor *last_key;
    int64_t keys;
    int64_t row0;                 /* of ts_dsa_select: it is asked for the x->q->dim[0] rows from this one on */
    /* Who share out each sequence, without exchanging heads, or NULL. Keys are those of the whole then: kv is what
     * ts_dsa_gather makes of the fused rows, and the indexer's keys are of all rows */
    const ts_spread *spread;
    ts_tensor *kv;
    int64_t index_heads, index_dim;
} ts_dsa_op;

/* Keys and then values of everyone's fused rows, which ts_op_dsa and ts_dsa_learn read and ts_op_dsa gathers again for its
 * backward; NULL where sequences are whole. */
ts_status ts_dsa_gather(ts_tape *tape, const ts_dsa_op *o, const ts_tensor *rows, ts_tensor **kv) TS_NODISCARD;

/* The indexer's: queries [T, index_heads index_dim], keys [B keys, index_dim], weights of heads fp32 [T, index_heads]. */
typedef struct ts_dsa_index {
    ts_tensor *q, *k, *w;
} ts_dsa_index;

/* Lists of chosen keys, int32 [rows of x->q, most]; of sequences that are no longer than `most` all keys. No gradient. */
ts_status ts_dsa_select(ts_tape *tape, const ts_dsa_op *o, const ts_dsa_index *x, ts_tensor **chosen) TS_NODISCARD;

/* y [T, heads width] from fused rows [T, 3 heads width] (of each head its query, key and value), of the chosen keys.
 * lse: fp32 [T, heads]; NULL: not wanted. */
ts_status ts_op_dsa(ts_tape *tape, const ts_dsa_op *o, ts_tensor *rows, ts_tensor *chosen, ts_tensor **y,
                    ts_tensor **lse) TS_NODISCARD;

/* What the indexer learns of a pass: its gradient, which hangs on nothing behind it, comes to x->q, k and w at once, and
 * the sum of the rows' losses is added to *loss (of the device). chosen NULL: of all keys. lse of the same lists, or NULL.
 * Heads may be shared out over a group (or NULL); x is the same on all its processes. */
typedef struct ts_dsa_lesson {
    float weight; /* of a row's loss */
    ts_comm *group;
    float *loss;
} ts_dsa_lesson;
ts_status ts_dsa_learn(ts_tape *tape, const ts_dsa_op *o, const ts_dsa_lesson *lesson, const ts_tensor *rows,
                       ts_tensor *chosen, const ts_tensor *lse, const ts_dsa_index *x) TS_NODISCARD;

/* Generation, with keys that are their own values and one for all heads: [T, width] keys, kept with the indexer's
 * behind them, a token a row of width + index_dim. y [T, heads width]. *chosen: the lists of keys, int32 [T, most]; x NULL:
 * they are another layer's, and rows of width are kept. */
ts_status ts_dsa_cached(ts_tape *tape, const ts_dsa_op *o, const ts_kv_cache *cache, int64_t slot0, const int32_t *q_start,
                        const int32_t *q_len, const ts_tensor *queries, ts_tensor *keys, const ts_dsa_index *x,
                        ts_tensor **chosen, ts_tensor **y) TS_NODISCARD;

/* Keys that the queries of a sequence of S attend to, all together. */
double ts_dsa_pairs(int64_t S, int64_t most);
#endif
