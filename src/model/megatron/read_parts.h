/* What the readers of Megatron's checkpoints share (read.c, read_values.c, read_args.c). */
#ifndef TS_MODEL_MEGATRON_READ_PARTS_H
#define TS_MODEL_MEGATRON_READ_PARTS_H
#include "model/megatron/dist.h"
#include "model/megatron/layout.h"

typedef struct ts_mg_rank_file {
    ts_torch_file *file; /* NULL: of a rank that is not written */
    ts_st_tensor *kept;  /* tensors that values stand in */
    size_t n;
    ts_arena names; /* of these */
} ts_mg_rank_file;

typedef struct ts_mg_checkpoint {
    char *folder; /* of the iteration */
    int64_t iteration;
    const ts_pickle_node *args; /* a dict */
    ts_mg_split split;
    int64_t chunks, mtp_layers;
    bool proj_bias, qkv_bias, qk_norm; /* whether there are such tensors */
    int64_t *stage_layers, *noop;
    ts_mg_rank_file *file; /* [pp ep tp]; NULL: it is */
    ts_mg_dist *dist;      /* a distributed checkpoint */
} ts_mg_checkpoint;

ts_mg_rank_file *ts_mg_rank_file_of(const ts_mg_checkpoint *ck, const ts_mg_rank *r);
/* The tensors of a virtual stage by name; NULL: there are none. */
const ts_pickle_node *ts_mg_dict(const ts_mg_checkpoint *ck, const ts_mg_rank_file *f, int64_t chunk);
#endif
