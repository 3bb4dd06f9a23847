#include "train/blocks.h"

#include "base/mem.h"

static bool uses(const ts_arch *a, const ts_layer_range *part, int64_t block)
{
    for (int64_t i = part->first; i < part->last; i++)
        if (a->layer[i].shared == block)
            return true;
    return false;
}

/* stage: those that have layers which use the block. */
static int find_stages(const ts_stages *s, const ts_arch *a, int64_t block, int *stage)
{
    int n = 0;
    for (int64_t i = 0; i < s->n_stages; i++) {
        bool any = false;
        for (int64_t c = 0; c < s->n_chunks; c++)
            any = any || uses(a, &s->part[ts_stages_part(s, i, c)], block);
        if (any)
            stage[n++] = (int)i;
    }
    return n;
}

ts_status ts_blocks_join(const ts_stages *s, const ts_arch *a, ts_mesh *m)
{
    int64_t blocks = 0;
    int *stage = NULL;
    for (int64_t i = 0; i < a->n_layers; i++)
        blocks = a->layer[i].shared > blocks ? a->layer[i].shared : blocks;
    if (!blocks || s->n_stages == 1)
        return TS_OK;
    ts_status st = ts_comm_agree(m->world, ts_alloc(&stage, (size_t)s->n_stages, sizeof *stage));
    for (int64_t b = 1; st == TS_OK && b <= blocks; b++)
        st = ts_mesh_join_stages(m, stage, find_stages(s, a, b, stage));
    ts_free(&stage);
    return st;
}
