/* Stages of a pipeline that use the same weights: those of blocks that layers share. */
#ifndef TS_TRAIN_BLOCKS_H
#define TS_TRAIN_BLOCKS_H
#include "dist/mesh.h"
#include "model/arch.h"
#include "parallel/stages.h"

/* Collective: makes the mesh's groups of stages, one for each shared block of the model, in their order. */
ts_status ts_blocks_join(const ts_stages *s, const ts_arch *a, ts_mesh *m) TS_NODISCARD;
#endif
