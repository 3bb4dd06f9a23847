/* QK-clip (Kimi team, arXiv 2507.20534): where an attention score of a step has grown beyond a threshold, the
 * weights of queries and keys are made smaller behind the optimizer's step. Of heads that share keys the largest
 * score s of all counts:
 *
 *   eta = min(1, threshold / s);  W_q = eta^alpha W_q;  W_k = eta^(1-alpha) W_k
 *
 * biases likewise, so that scores become eta times themselves. */
#ifndef TS_TRAIN_QK_CLIP_H
#define TS_TRAIN_QK_CLIP_H
#include "dist/mesh.h"
#include "train/optimizer.h"

/* Before a step's passes: forgets the largest scores. Nothing where none are kept, as the next. */
void ts_qk_clip_begin(ts_param_set *params);
/* Behind the backward pass, collective over all processes of the mesh: every process that has a head learns its
 * largest score of the global batch (in the set's tops); *most of all heads of the model. */
ts_status ts_qk_clip_share(ts_param_set *params, const ts_mesh *mesh, double *most) TS_NODISCARD;
/* Behind the optimizer's step, before values are gathered: changes masters here. */
ts_status ts_qk_clip_apply(ts_param_set *params, const ts_train_options *o) TS_NODISCARD;
#endif
