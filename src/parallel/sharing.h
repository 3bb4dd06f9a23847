/* What processes that train the same parameters share out: what the options of Megatron-LM, MindSpeed and
 * PyTorch say of it, read and checked, as one description. */
#ifndef TS_PARALLEL_SHARING_H
#define TS_PARALLEL_SHARING_H
#include "parallel/options.h"
#include "tensor/shards.h"

typedef struct ts_sharing {
    ts_shard_level level;
    const char *option; /* that asks for it; NULL: none does */
    int64_t group;      /* processes that share out among them; the groups hold copies of each other */
    int64_t near;       /* LayerZeRO: processes that keep values for each other between two steps; 0: none */
    bool by_unit;       /* gradients are here while they are made: see ts_shard_options. The caller's to set */
    bool coded;         /* values are made of masters in 8 bits: likewise */
    bool in_bf16;       /* gradients travel in bf16 */
    char values[8];     /* "fp32", "bf16", "fp16": the type of values that a file asks for; "": none does */
} ts_sharing;

/* processes: that train the same parameters. Reads the files that the options name; what cannot be is
 * TS_ERR_USER and names what can. */
ts_status ts_sharing_read(const ts_parallel_options *o, int64_t processes, ts_sharing *out) TS_NODISCARD;
#endif
