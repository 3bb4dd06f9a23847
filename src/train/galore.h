/* GaLore (Zhao et al., arXiv 2403.03507): AdamW in the space of a gradient's largest singular vectors. With
 * G [rows, cols] = U S V^T, of which every so many steps the first `rank` singular vectors are taken for P:
 *
 *   right  P = V^T [rank, cols],  R = G P^T,      step = X P
 *   left   P = U^T [rank, rows],  R = P G,        step = P^T X
 *   full   both,                  R = U^T G V,    step = U X V^T
 *   std: right where rows >= cols, else left; reverse_std: the other one
 *
 *   M, V = AdamW's moments of R;  X = M / (sqrt(V) + eps)
 *   W = W (1 - lr wd) - lr scale sqrt(1 - b2^t) / (1 - b1^t) step
 *
 * Singular vectors come from a subspace iteration (train/subspace.h). P is kept, with the moments. */
#ifndef TS_TRAIN_GALORE_H
#define TS_TRAIN_GALORE_H
#include "train/lowrank.h"

/* Bytes of room that p's step takes. */
size_t ts_galore_bytes(const ts_lowrank *a, const ts_param *p);
/* Collective over sharers and group, parameters in the same order. Room is there. */
ts_status ts_galore_step(const ts_lowrank *a, const ts_lowrank_step_args *x) TS_NODISCARD;
#endif
