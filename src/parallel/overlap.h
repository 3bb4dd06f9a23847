/* Exchanges of a tensor-parallel group beside products (ops/parts.h), as a run's options ask for them, and as the
 * file of --tp-comm-overlap-cfg does product by product. It is Transformer Engine's of user buffers (2.x,
 * initialize_ub): a mapping from names to mappings,
 *
 *   qkv_fprop: { method: ring_exchange, num_splits: 8 }
 *   fc1_dgrad: { method: bulk }
 *
 * where a name is a product (qkv, proj, fc1, fc2) and a pass:
 *
 *   pass   qkv, fc1                              proj, fc2
 *   fprop  its input is gathered                 its result is summed
 *   dgrad  the input's gradient is summed        the result's gradient is gathered
 *   wgrad  the input is gathered, in one piece   nothing
 *
 * num_splits are the parts, 4 if it says none; bulk is one piece. What else it may say is about how buffers of GPUs
 * are driven, and acts on nothing here. */
#ifndef TS_PARALLEL_OVERLAP_H
#define TS_PARALLEL_OVERLAP_H
#include "nn/declare.h"
#include "parallel/options.h"

/* Parts of a product's rows that travel beside it: of what is gathered, of what is summed, and where matrices
 * are cut both ways of what is gathered for the gradient. 1: one after the other. */
typedef struct ts_parallel_parts {
    int gather, sum, back;
    ts_product_parts product[TS_PRODUCTS]; /* those that have others */
    int n_products;
} ts_parallel_parts;

/* What a file says that is wrong is TS_ERR_USER with what would do. */
ts_status ts_parallel_overlap(const ts_parallel_options *o, ts_parallel_parts *out) TS_NODISCARD;
/* Of the file: once, what acts on nothing. */
void ts_parallel_overlap_warn(const ts_parallel_options *o);
#endif
