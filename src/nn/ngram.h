/* Embeddings of n-grams (LongCat-Flash-Lite, arXiv 2601.21204): what layers read is the mean of a token's embedding and
 * of what `splits` tables have for each of the 2-grams, 3-grams, ... up to `order` that end with it,
 *
 *   y = (x + sum over tables i of P_i table_i[row of the (2 + i / splits)-gram]) / (1 + tables)
 *
 * where table i has rows + 2 i + 1 rows of hidden / tables values, and a row is found by a hash (device/kernels/ngram.h). */
#ifndef TS_NN_NGRAM_H
#define TS_NN_NGRAM_H
#include "nn/linear.h"
#include "nn/run.h"
#include "ops/ngram.h"

typedef struct ts_ngram_table {
    int64_t rows;
    ts_param *table;  /* [rows, hidden / tables], of which each of a group has some rows */
    ts_linear proj;
} ts_ngram_table;

typedef struct ts_ngram_layer {
    int64_t order, splits; /* order 0: there are none */
    int64_t hidden, vocab, rows;
    ts_dtype dtype;        /* of activations */
    bool freezes;          /* as ts_embed_op */
    int32_t frozen;
    ts_comm *group;        /* who share out the rows of tables; NULL: nobody */
    ts_ngram_table *table; /* [ts_ngram_tables], whoever makes the layer gives the room */
} ts_ngram_layer;

static inline int64_t ts_ngram_tables(const ts_ngram_layer *l) { return l->order ? (l->order - 1) * l->splits : 0; }
/* "ngram.0.table.weight", "ngram.0.proj.weight", ... */
ts_status ts_ngram_declare(const ts_declarer *d, ts_ngram_layer *l) TS_NODISCARD;
/* *x [B * S, hidden], the embedding of tokens ids (of sequences that are spread: run->ids_whole are all), becomes y.
 * ends: [n_ends] tokens that end texts. state: what was kept of the tokens before, NULL in training. */
ts_status ts_ngram_forward(ts_tape *tape, const ts_ngram_layer *l, const ts_run *run, ts_layer_state *state,
                           const ts_tensor *ids, const int64_t *ends, int n_ends, ts_tensor **x) TS_NODISCARD;
/* The last order - 1 tokens of each slot. */
ts_status ts_ngram_state(const ts_ngram_layer *l, ts_device *dev, int64_t slots, ts_layer_state **out) TS_NODISCARD;
#endif
