/* What a step tells of the indexers of sparse attention. */
#ifndef TS_TRAIN_INDEXER_H
#define TS_TRAIN_INDEXER_H
#include "dist/mesh.h"
#include "nn/indexer.h"

/* Whether they are trained at all. */
static inline bool ts_index_trains(const ts_index_training *x) { return x && x->loss && x->rules.coeff > 0; }
/* A step begins: nothing is added up yet. */
void ts_index_begin(ts_device *dev, const ts_index_training *x);
/* *mean: the loss of a row and layer, of a step of so many rows of all processes. Collective. */
ts_status ts_index_finish(ts_device *dev, const ts_index_training *x, const ts_mesh *mesh, double rows,
                          double *mean) TS_NODISCARD;
#endif
