#include "parallel/options.h"

#define SIZES                                                                                      \
    "expert parallelism; give 1 or leave it out: processes (mpirun -n N) share the batch"
#define LAYOUT(name_, words, help_) TS_NOTE(name_, words, "layout", help_)
#define ROW(type, field, name, def, lo, hi, choices, help)                                         \
    TS_ROW(type, ts_parallel_options, field, name, def, lo, hi, choices, "layout", help)
#define KEPT "where something is kept, not what it is"
#define TRAVELS "when something travels, not what it is"

const ts_option ts_parallel_option_rows[] = {
    ROW(INT, tensor, "tensor-model-parallel-size", "1", 1, 1 << 20, NULL,
        "processes that share out each layer's matrices; the others share the batch"),
    ROW(FLAG, sequence, "sequence-parallel", NULL, 0, 0, NULL,
        "the processes of a layer also share out the rows between its products: less memory"),
    ROW(FLAG, unaligned, "unaligned-linear", NULL, 0, 0, NULL,
        "heads and widths that --tensor-model-parallel-size does not divide: some processes have one more"),
    ROW(FLAG, two, "tp-2d", NULL, 0, 0, NULL,
        "matrices are cut both ways, over --tp-x times --tp-y processes, and the rows of the stream over all of "
        "them"),
    ROW(INT, x, "tp-x", "1", 1, 1 << 20, NULL,
        "of --tp-2d: processes that share out a layer's width within (neighbours)"),
    ROW(INT, y, "tp-y", "1", 1, 1 << 20, NULL,
        "of --tp-2d: processes that share out the width of the stream"),
    ROW(FLAG, overlap_gather, "enable-overlap-ag-with-matmul", NULL, 0, 0, NULL,
        "of --tp-2d: what a product reads travels in parts, while others are multiplied"),
    ROW(FLAG, overlap_scatter, "enable-overlap-matmul-with-rs", NULL, 0, 0, NULL,
        "of --tp-2d: its sums travel in parts, while others are multiplied"),
    ROW(FLAG, overlap_back, "enable-backward-overlap-ag-with-matmul", NULL, 0, 0, NULL,
        "of --tp-2d: as --enable-overlap-ag-with-matmul, in the backward pass"),
    ROW(FLAG, coc, "use-ascend-coc", NULL, 0, 0, NULL,
        "what a product's rows are gathered for or summed up travels in --coc-parallel-num parts, while others "
        "are multiplied"),
    ROW(INT, coc_parts, "coc-parallel-num", "1", 1, 8, NULL,
        "parts of --use-ascend-coc: 1 (nothing is overlapped), 2, 4 or 8"),
    ROW(INT, coc_mode, "coc-mode", "-1", -1, 2, NULL,
        "of --use-ascend-coc: 0 and 1 multiply in one piece, 2 and -1 in parts"),
    ROW(FLAG, coc_fused, "coc-fused-kernel", NULL, 0, 0, NULL,
        "with --use-ascend-coc: the number of parts is chosen"),
    ROW(FLAG, mc2, "use-ascend-mc2", NULL, 0, 0, NULL,
        "as --use-ascend-coc, the number of parts is chosen; with --sequence-parallel"),
    ROW(FLAG, mc2, "use-mc2", NULL, 0, 0, NULL, "as --use-ascend-mc2"),
    ROW(FLAG, tp_overlap, "tp-comm-overlap", NULL, 0, 0, NULL,
        "as --use-ascend-mc2"),
    ROW(FLAG, no_overlap_gather, "disable-tp-comm-overlap-ag", NULL, 0, 0, NULL,
        "of --tp-comm-overlap: rows are gathered before the product"),
    ROW(FLAG, no_overlap_scatter, "disable-tp-comm-overlap-rs", NULL, 0, 0, NULL,
        "of --tp-comm-overlap: rows are summed behind the product"),
    ROW(FLAG, pp_before_dp, "use-tp-pp-dp-mapping", NULL, 0, 0, NULL,
        "the order of processes is tp-cp-ep-pp-dp instead of tp-cp-ep-dp-pp"),
    ROW(FLAG, distributed_optimizer, "use-distributed-optimizer", NULL, 0, 0, NULL,
        "processes that train the same weights share out masters and moments (ZeRO-1)"),
    ROW(FLAG, megatron_fsdp, "use-megatron-fsdp", NULL, 0, 0, NULL,
        "they share out what --data-parallel-sharding-strategy says"),
    ROW(FLAG, megatron_fsdp, "use-custom-fsdp", NULL, 0, 0, NULL,
        "as --use-megatron-fsdp"),
    ROW(CHOICE, sharding, "data-parallel-sharding-strategy", "optim_grads_params", 0, 0,
        TS_CHOICES(TS_SHARDINGS),
        "of --use-megatron-fsdp: nothing, the optimizer's state, gradients too (ZeRO-2), values too (ZeRO-3)"),
    ROW(FLAG, torch_fsdp, "use-torch-fsdp2", NULL, 0, 0, NULL,
        "they share out values, gradients and the optimizer's state, layer by layer (ZeRO-3)"),
    ROW(TEXT, fsdp2_config, "fsdp2-config-path", NULL, 0, 0, NULL,
        "YAML file for --use-torch-fsdp2: sharding_size, reshard_after_forward, reduce_dtype"),
    ROW(INT, fsdp_size, "fsdp-size", "1", 1, 1 << 20, NULL,
        "processes that share out values, gradients and state (ZeRO-3); groups of them hold copies"),
    ROW(FLAG, zero3, "enable-zero3", NULL, 0, 0, NULL,
        "as --use-megatron-fsdp with optim_grads_params"),
    ROW(FLAG, layerzero, "layerzero", NULL, 0, 0, NULL,
        "the state is shared out among all, values among few neighbours between two steps"),
    ROW(TEXT, layerzero_config, "layerzero-config", NULL, 0, 0, NULL,
        "YAML file for --layerzero: zero3_size, reduce_dtype"),
    ROW(INT, instances, "num-distributed-optimizer-instances", "1", 1, 1 << 20, NULL,
        "groups that hold copies of each other's shares: less traffic between groups, more memory"),
    ROW(FLAG, overlap_param_gather, "overlap-param-gather", NULL, 0, 0, NULL,
        "what is shared out is gathered when the next forward pass comes to it, not behind the step"),
    ROW(INT, context, "context-parallel-size", "1", 1, 1 << 20, NULL,
        "processes that share out each sequence, in attention too"),
    ROW(INT, context, "cp-size", "1", 1, 1 << 20, NULL, "the same"),
    ROW(CHOICE, context_algo, "context-parallel-algo", "megatron_cp_algo", 0, 0, TS_CHOICES(TS_CONTEXT_ALGOS),
        "how: keys and values in a ring, heads exchanged (ulysses), both, gathered, or sent where they are seen"),
    ROW(CHOICE, context_algo, "cp-type", "megatron_cp_algo", 0, 0, TS_CHOICES(TS_CONTEXT_ALGOS), "the same"),
    ROW(INT, context_heads, "ulysses-degree-in-cp", "1", 1, 1 << 20, NULL,
        "of the hybrid ways: neighbours that exchange heads"),
    ROW(INT, context_window, "cp-window-size", "1", 1, 1 << 20, NULL,
        "of the ring: neighbours with a ring of their own, within the ring of these windows"),
    ROW(CHOICE, context_keep, "context-parallel-kv-cache-policy", "none", 0, 0, TS_CHOICES(TS_CONTEXT_KEEPS),
        "others' keys (half), and values (full), that the ring brings are kept for the backward pass; with ulysses "
        "(full) what is exchanged is not kept but exchanged again"),
    ROW(INT, context_interval, "context-parallel-cache-interval", "0", 0, 1 << 20, NULL,
        "layers between two that do so"),
    TS_LATER("expert-model-parallel-size", 1, "1", SIZES),
    TS_LATER("moe-expert-parallel-size", 1, "1", SIZES),
    TS_LATER("expert-tensor-parallel-size", 1, "1", SIZES),
    TS_LATER("hierarchical-context-parallel-sizes", TS_OPTION_MANY, "1", SIZES),
    TS_LATER("tp-size", 1, "1", SIZES),
    TS_LATER("ep-size", 1, "1", SIZES),
    TS_LATER("moe-tp-extend-ep", 0, NULL, SIZES),
    LAYOUT("ep-fsdp-size", 1, KEPT),
    LAYOUT("fsdp-modules", TS_OPTION_ANY, KEPT),
    LAYOUT("ep-modules", TS_OPTION_ANY, KEPT),
    LAYOUT("ep-fsdp-modules", TS_OPTION_ANY, KEPT),
    LAYOUT("ignored-modules", TS_OPTION_ANY, KEPT),
    LAYOUT("hook-modules", TS_OPTION_ANY, KEPT),
    LAYOUT("efsdp-shard-placement-fn", 1, KEPT),
    LAYOUT("fsdp-implementation", 1, KEPT),
    LAYOUT("reshard-after-forward", TS_OPTION_ANY, KEPT),
    LAYOUT("num-to-forward-prefetch", 1, TRAVELS),
    LAYOUT("reduce-dtype", 1, "gradients are summed in fp32"),
    LAYOUT("chunk-mbs", 1, KEPT),
    LAYOUT("chunk-mbs-arg-indexs", TS_OPTION_ANY, KEPT),
    LAYOUT("chunk-mbs-batch-dim", 1, KEPT),
    LAYOUT("chunk-mbs-kwarg-names", TS_OPTION_ANY, KEPT),
    LAYOUT("chunk-mbs-modules", TS_OPTION_ANY, KEPT),
    LAYOUT("enable-chunk-batch", TS_OPTION_ANY, KEPT),
    LAYOUT("overlap-param-gather-with-optimizer-step", 0, TRAVELS),
    LAYOUT("delay-param-gather", 0, TRAVELS),
    LAYOUT("no-delay-grad-reduce", 0, TRAVELS),
    LAYOUT("delay-grad-reduce", 0, TRAVELS),
    LAYOUT("tp-comm-overlap-cfg", 1, TRAVELS),
    LAYOUT("no-async-tensor-model-parallel-allreduce", 0, TRAVELS),
    LAYOUT("align-param-gather", 0, TRAVELS),
    LAYOUT("defer-embedding-wgrad-compute", 0, TRAVELS),
    LAYOUT("cp-comm-type", TS_OPTION_MANY, TRAVELS),
    LAYOUT("use-cp-send-recv-overlap", 0, TRAVELS),
    LAYOUT("use-fused-ring-attention-update", 0, TRAVELS),
    LAYOUT("megatron-cp-in-bnsd", 0, TRAVELS),
    LAYOUT("use-ulysses-allgather-kv", 0, TRAVELS),
    LAYOUT("kv-head-repeat-before-uly-alltoall", 0, TRAVELS),
    LAYOUT("attention-mask-on-cpu", 0, "masks are two numbers a row"),
    LAYOUT("adaptive-cp-without-coarse", 0, TRAVELS),
    LAYOUT("adaptive-cp-dynamic-attn-mask", 0, TRAVELS),
    LAYOUT("adaptive-cp-manually-set-mask-list", 0, TRAVELS),
    LAYOUT("adaptive-cp-only-reschedule", 0, TRAVELS),
    LAYOUT("mla-up-proj-tp-overlap", 0, TRAVELS),
    LAYOUT("moe-token-dispatcher-type", 1, TRAVELS),
    LAYOUT("ep-dispatcher", 1, TRAVELS),
    LAYOUT("moe-enable-deepep", 0, TRAVELS),
    LAYOUT("moe-permutation-async-comm", 0, TRAVELS),
    LAYOUT("moe-alltoall-overlap-comm", 0, TRAVELS),
    LAYOUT("moe-allgather-overlap-comm", 0, TRAVELS),
    LAYOUT("moe-fb-overlap", 0, TRAVELS),
    LAYOUT("moe-shared-expert-overlap", 0, TRAVELS),
    LAYOUT("moe-zerc", 0, TRAVELS),
};
const size_t ts_parallel_option_count =
    sizeof ts_parallel_option_rows / sizeof *ts_parallel_option_rows;

/* A quarter of an exchange is not hidden then; each part more is one more start, and products of fewer rows. */
enum { CHOSEN = 4 };

static int64_t coc_parts(const ts_parallel_options *o)
{
    return o->coc_mode == 0 || o->coc_mode == 1 ? 1 : o->coc_fused ? CHOSEN : o->coc_parts;
}

ts_parallel_parts ts_parallel_overlap(const ts_parallel_options *o)
{
    const bool in_rows = o->sequence && (o->mc2 || o->tp_overlap);
    ts_parallel_parts p = { 1, 1, 1 };
    if (o->two)
        return (ts_parallel_parts){ o->overlap_gather ? CHOSEN : 1, o->overlap_scatter ? CHOSEN : 1,
                                    o->overlap_back ? CHOSEN : 1 };
    if (o->coc)
        p.gather = p.sum = (int)coc_parts(o);
    if (in_rows && (o->mc2 || !o->no_overlap_gather))
        p.gather = CHOSEN;
    if (in_rows && (o->mc2 || !o->no_overlap_scatter))
        p.sum = CHOSEN;
    return p;
}
