/* Who writes what: a checkpoint's tensors cut into shards, and the shards dealt to the ranks. Private
 * to this folder. */
#ifndef TS_CKPT_PLAN_H
#define TS_CKPT_PLAN_H
#include "ckpt/checkpoint.h"
#include "ckpt/names.h"

typedef struct ckpt_shard {
    ts_ckpt_part part;
    char name[CKPT_NAME];
    int64_t first, n; /* range of the plan's tensors, in the order of the file */
    size_t bytes;
    int writer;     /* rank */
    bool is_staged; /* its tensors' data lie in the staging buffer */
} ckpt_shard;

typedef struct ckpt_plan {
    ts_ckpt_tensor *tensors; /* own copies of the names */
    size_t *sizes;           /* bytes of each */
    int64_t n;
    ckpt_shard *shards;
    size_t n_shards, cap_shards;
    double disk_bytes; /* what all files will take, a little more rather than less */
    int64_t digest;    /* of names, types and shapes; equal on all ranks */
} ckpt_plan;

/* The same on every rank. group_of: as in the options, or NULL. A name given twice or a tensor held in part
 * is a programmer's mistake. */
ts_status ckpt_plan_make(const ts_ckpt_tensor *tensors, int64_t n, size_t max_shard_bytes,
                         int world_size, const int *group_of, ckpt_plan *out) TS_NODISCARD;
void ckpt_plan_deinit(ckpt_plan *p);
#endif
