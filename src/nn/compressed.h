/* Attention of DeepSeek-V4 (DeepSeek-AI, 2026): all heads share one key a token, which is its value too. Queries see the
 * keys of a window and, where the layer compresses, entries that stand for `rate` tokens each (device/kernels/compress.h):
 * all that end before them, or those that an indexer with entries of its own chooses.
 *
 *   queries    linear_q_up_proj of q_layernorm of linear_q_down_proj of x, each head normed without a weight
 *   keys       kv_layernorm of linear_kv_proj of x
 *   entries    compressor.norm of what compressor.{linear_kv, linear_gate, position_bias} make of x
 *   indexer    core_attention.indexer: queries linear_wq_b of the queries' latent vector, keys its own compressor's,
 *              weights of heads linear_weights_proj of x; no gradient comes to it
 *   output     heads in groups, of each linear_groups_proj [groups rank, heads / groups dim], then linear_proj
 *
 * The last values of heads are rotated in pairs: queries and keys by their positions, entries by that of their first
 * token, and what a head gives back by its query's, since keys are values. core_attention.softmax_offset: sinks.
 *
 * A group of processes shares out the heads, with their groups of the output projection; keys, entries and the indexer's
 * choice are the same on all. */
#ifndef TS_NN_COMPRESSED_H
#define TS_NN_COMPRESSED_H
#include "nn/linear.h"
#include "nn/norm.h"
#include "nn/sublayer.h"
#include "ops/compress.h"

/* Makes entries; rate 0: there is none. */
typedef struct ts_compressor {
    int64_t rate;
    ts_compress_op op;
    ts_linear kv, gate;
    ts_norm_layer norm;
} ts_compressor;

typedef struct ts_compressed_layer {
    int64_t n_heads, dim; /* n_heads 0: none; once declared, heads and groups that are here */
    int64_t window;       /* keys that a query sees, itself among them */
    float scale, eps;     /* of scores; of the norm of queries */
    int64_t rope;         /* rotated values of a head */
    bool interleaved;
    const ts_storage *cos, *sin;
    ts_linear q_down, q, kv, proj;
    ts_norm_layer q_norm, kv_norm;
    ts_param *sinks;
    int64_t groups, rank; /* of the output projection */
    const ts_tensor_group *group;
    ts_param *blocks;     /* a stack [groups, rank, heads / groups dim] */
    ts_compressor entries;
    int64_t index_heads, topk; /* index_heads 0: queries see all entries */
    ts_linear wq_b;
    ts_param *weights;
    ts_compressor index;
} ts_compressed_layer;
ts_status ts_compressed_declare(const ts_declarer *d, ts_compressed_layer *l) TS_NODISCARD;
ts_sublayer ts_compressed_sublayer(const ts_compressed_layer *l);
#endif
