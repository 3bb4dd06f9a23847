/* APOLLO (Zhu et al., arXiv 2412.05270): AdamW's moments of a gradient that a random matrix has projected to few
 * dimensions, which say only how much each channel of the gradient is scaled. With G [rows, cols], the longer side
 * kept, and P [rank, shorter side] of numbers from N(0, 1 / rank), made anew every so many steps:
 *
 *   R = G P^T or P G;  M, V = AdamW's moments of R;  X = M / (sqrt(V) + eps)
 *   channel c of G is scaled by |X_c| / |R_c|, or all of it by |X| / |R|, and by sqrt(scale)
 *   no step's norm grows beyond 1.01 times the last one's
 *   W = W (1 - lr wd) - lr sqrt(1 - b2^t) / (1 - b1^t) G_scaled
 *
 * P hangs on seed, parameter, element and how often it was made, and is never kept. */
#ifndef TS_TRAIN_APOLLO_H
#define TS_TRAIN_APOLLO_H
#include "train/lowrank.h"

/* Bytes of room that p's step takes. */
size_t ts_apollo_bytes(const ts_lowrank *a, const ts_param *p);
/* Collective over sharers and group, parameters in the same order. Room is there. */
ts_status ts_apollo_step(const ts_lowrank *a, const ts_lowrank_step_args *x) TS_NODISCARD;
#endif
