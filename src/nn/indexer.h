/* The lightning indexer of sparse attention (DeepSeek-AI, DeepSeek-V3.2, arXiv 2512.02556), in fp32 or bf16 without the
 * Hadamard rotation, which changes no product. It reads what attention reads, and no gradient goes back from it:
 *
 *   queries  linear_wq_b of the latent vector of queries, [heads, dim];   keys  k_norm (layer norm) of linear_wk of x, [dim]
 *   of both the first `rope` values are rotated, in halves;   weights of heads  linear_weights_proj of x, in fp32
 *
 * Names are Megatron core's, under core_attention.indexer. Every process of a group has all of it. */
#ifndef TS_NN_INDEXER_H
#define TS_NN_INDEXER_H
#include "nn/linear.h"
#include "nn/norm.h"
#include "nn/run.h"
#include "ops/dsa.h"

/* How indexers are trained. Of zeros: they are not. */
typedef struct ts_index_rules {
    float coeff;  /* of the loss */
    bool is_sparse; /* over the chosen keys; else over all */
    float *loss;  /* the device's: losses of rows are added to it */
} ts_index_rules;

/* What a step's losses of all layers are added to. */
typedef struct ts_index_training {
    ts_index_rules rules;
    ts_storage *loss; /* fp32 [1]; NULL: there are no indexers */
    int64_t layers;   /* of the whole model that have one */
} ts_index_training;

typedef struct ts_indexer {
    int64_t heads, dim, topk; /* heads 0: there is none */
    int64_t of;               /* 1 + the layer whose choice counts here, where this one has none of its own (heads 0); 0: none */
    bool lends;               /* a later layer goes by its choice (ts_run.lent): it never runs again */
    ts_linear wq_b, wk;
    ts_norm_layer k_norm;
    ts_param *weights;
    ts_rope_op rope;          /* of queries: rot_dim, tables */
    const ts_index_rules *rules; /* borrowed; NULL: none */
} ts_indexer;

ts_status ts_indexer_declare(const ts_declarer *d, ts_indexer *x) TS_NODISCARD;
/* What it reads: positions [T], x [T, hidden], the latent vectors of queries; B sequences, and who share out each (or
 * NULL): what it makes are queries and weights of the rows here, and keys of all. */
typedef struct ts_indexed {
    const ts_tensor *pos, *x, *latent;
    int64_t B;
    const ts_spread *spread;
    ts_comm *rows; /* who share out the rows of x and latent (sequence parallelism), which are gathered; NULL: nobody */
} ts_indexed;
/* What it makes of them; records: for what it learns. */
ts_status ts_indexer_forward(ts_tape *tape, const ts_indexer *x, const ts_indexed *from, bool records,
                             ts_dsa_index *out) TS_NODISCARD;
/* Attention is to chosen keys alone. */
static inline bool ts_indexer_is_there(const ts_indexer *x) { return x->heads || x->of; }
/* Whether this pass trains it. */
static inline bool ts_indexer_learns(const ts_tape *tape, const ts_indexer *x, const ts_run *run)
{
    return tape->recording && run->balance != 0 && x->rules && x->rules->coeff > 0 && ts_linear_trains(&x->wq_b);
}
#endif
