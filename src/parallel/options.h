/* How a job is laid out over processes, in Megatron-LM's words. Data parallelism is what the processes
 * leave; the sizes that have no field are understood and must be 1. */
#ifndef TS_PARALLEL_OPTIONS_H
#define TS_PARALLEL_OPTIONS_H
#include "base/option.h"
#include "parallel/schedule_table.h"

#define TS_METHODS(W) W(TS_METHOD_NONE, "none") W(TS_METHOD_DUALPIPEV, "dualpipev")
typedef enum ts_pipeline_method { TS_METHODS(TS_CHOICE_VALUE) } ts_pipeline_method;

/* How sequences are shared out (context parallelism), in MindSpeed's words; what each does: context.h. */
#define TS_CONTEXT_ALGOS(W)                                                                        \
    W(TS_CONTEXT_RING, "megatron_cp_algo,ring")                                                    \
    W(TS_CONTEXT_ULYSSES, "ulysses_cp_algo,ulysses")                                               \
    W(TS_CONTEXT_HYBRID, "hybrid_cp_algo")                                                         \
    W(TS_CONTEXT_GATHER, "kvallgather_cp_algo,kvallgather")                                        \
    W(TS_CONTEXT_ADAPTIVE, "adaptive_cp_algo")                                                     \
    W(TS_CONTEXT_HYBRID_ADAPTIVE, "hybrid_adaptive_cp_algo")
typedef enum ts_context_algo { TS_CONTEXT_ALGOS(TS_CHOICE_VALUE) } ts_context_algo;

#define TS_CONTEXT_KEEPS(W)                                                                        \
    W(TS_CONTEXT_KEEP_NONE, "none")                                                                \
    W(TS_CONTEXT_KEEP_HALF, "half")                                                                \
    W(TS_CONTEXT_KEEP_FULL, "full")
typedef enum ts_context_keep { TS_CONTEXT_KEEPS(TS_CHOICE_VALUE) } ts_context_keep;

typedef struct ts_parallel_options {
    int64_t tensor; /* processes that share out each layer's matrices */
    bool sequence;  /* and, where they do not, the rows of the stream */
    bool unaligned; /* heads and widths need not divide */
    bool pp_before_dp; /* the order of the mesh */
    int64_t pipeline; /* stages of layers */
    int64_t experts, expert_tensor; /* processes with different experts, with pieces of one; 0: as tensor */
    bool tensor_extends_experts;
    int dispatcher; /* ts_dispatcher */
    bool interweaves; /* passes, where one waits for tokens */
    bool shared_beside, exchange_beside, gather_beside; /* what goes on while tokens travel */
    bool balances, by_hosts; /* copies of the busiest experts; all to all by way of one process of each host */
    int64_t hot, hot_exchanges, expert_parts, row_parts; /* of balances; parts in which tokens travel */
    bool pipes; /* as many as a process has experts */
    int64_t slices; /* of each sequence, that go through attention and experts one after another */
    bool places, place_finely; /* experts move to other processes by their loads; only if these vary less by place_fall */
    int64_t place_every;
    const char *placement; /* who has which experts (parallel/placement.h); NULL: in order */
    double place_fall;
    /* of them (parallel/stages.h); 0: not given */
    int64_t chunk_layers, chunks, group, first_layers, last_layers;
    bool embedding_counts, loss_counts;
    ts_option_list layer_list;
    const int64_t *stage_layers; /* as layer_list, chosen; [pipeline], borrowed; or NULL */
    const char *layout, *matrix;
    int schedule, method; /* ts_schedule_kind, ts_pipeline_method */
    bool nanopipe, detaches, in_advance, in_bubble;
    bool varies;       /* shapes travel ahead of what stages hand on */
    bool two;          /* the processes of `tensor` are x times y, which cut matrices both ways */
    int64_t x, y;
    bool overlap_gather, overlap_scatter, overlap_back; /* its exchanges beside products */
    /* exchanges beside products: ts_parallel_overlap */
    bool coc, coc_fused, mc2, tp_overlap, no_overlap_gather, no_overlap_scatter;
    const char *tp_overlap_file;
    int64_t coc_parts, coc_mode;
    /* what data-parallel processes share out: see parallel/sharing.h */
    bool distributed_optimizer, overlap_param_gather;
    bool megatron_fsdp, torch_fsdp, layerzero, zero3;
    int sharding; /* TS_SHARDING_*: of megatron_fsdp */
    int64_t context; /* processes that share out each sequence */
    int context_algo, context_keep; /* ts_context_algo, ts_context_keep */
    int64_t context_window, context_heads, context_interval;
    bool context_gather_keys;
    int64_t instances, fsdp_size; /* groups of sharers that hold copies; processes of one */
    const char *fsdp2_config, *layerzero_config;
    bool dist_train; /* networks have processes of their own: parallel/dist_train.h */
    const char *dist_config;
} ts_parallel_options;
#define TS_DISPATCHERS(W)                                                                          \
    W(TS_DISPATCHER_ALL_GATHER, "allgather")                                                       \
    W(TS_DISPATCHER_ALL_TO_ALL, "alltoall,alltoall_seq,flex")
typedef enum ts_dispatcher_choice { TS_DISPATCHERS(TS_CHOICE_VALUE) } ts_dispatcher_choice;
#define TS_SHARDINGS(W)                                                                            \
    W(TS_SHARDING_NONE, "no_shard")                                                                \
    W(TS_SHARDING_STATE, "optim")                                                                  \
    W(TS_SHARDING_GRADS, "optim_grads")                                                            \
    W(TS_SHARDING_VALUES, "optim_grads_params")
typedef enum ts_sharding { TS_SHARDINGS(TS_CHOICE_VALUE) } ts_sharding;

extern const ts_option ts_parallel_option_rows[];
extern const size_t ts_parallel_option_count;
/* The same struct's, of a pipeline's stages. */
extern const ts_option ts_pipeline_option_rows[];
extern const size_t ts_pipeline_option_count;

/* Processes that share out the experts between them, and those that have pieces of the same. */
static inline int64_t ts_parallel_expert_size(const ts_parallel_options *o)
{
    return o->tensor_extends_experts ? o->experts * o->tensor : o->experts;
}
static inline int64_t ts_parallel_expert_pieces(const ts_parallel_options *o)
{
    return o->tensor_extends_experts ? 1 : o->expert_tensor ? o->expert_tensor : o->tensor;
}
/* Not all tokens go to experts of other processes at once, or some stay. */
static inline bool ts_parallel_sends_in_parts(const ts_parallel_options *o)
{
    return o->balances || o->pipes || o->expert_parts > 1;
}
ts_schedule_recompute ts_parallel_recompute(const ts_parallel_options *o);
/* Contradictions between options of a pipeline: TS_ERR_USER that names them. */
ts_status ts_pipeline_options_check(const ts_parallel_options *o,
                                    const ts_option_set *set) TS_NODISCARD;
/* Warns of those that have no effect without several stages. */
void ts_pipeline_options_warn(const ts_parallel_options *o, const ts_option_set *set);
#endif
