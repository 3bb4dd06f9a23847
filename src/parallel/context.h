/* Context parallelism as a run's options ask for it (ops/spread.h is what it does), of any length:
 *
 *   megatron_cp_algo         zigzag; keys and values in a ring, or in rings within rings (--cp-window-size)
 *   ulysses_cp_algo          one after another; heads are exchanged (keys and values may be gathered:
 *                            --use-ulysses-allgather-kv)
 *   hybrid_cp_algo           zigzag; neighbours (--ulysses-degree-in-cp) exchange heads, the ring is of them
 *   kvallgather_cp_algo      zigzag; all are gathered
 *   adaptive_cp_algo         as the last, but each gets what some query of its own sees by the mask
 *   hybrid_adaptive_cp_algo  the same between neighbours that exchange heads */
#ifndef TS_PARALLEL_CONTEXT_H
#define TS_PARALLEL_CONTEXT_H
#include "ops/spread.h"
#include "parallel/options.h"

/* For sequences of this length on the processes of comm, which is borrowed. What they cannot be is
 * TS_ERR_USER that says what would do. */
ts_status ts_context_spread(const ts_parallel_options *o, ts_comm *comm, int64_t length,
                            ts_spread *out) TS_NODISCARD;
/* Whether the heads of a layer (those of this tensor-parallel rank) can be exchanged. */
ts_status ts_context_check_heads(const ts_spread *s, int64_t n_q, int64_t n_kv) TS_NODISCARD;
#endif
