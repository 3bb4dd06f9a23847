/* What the attention operators share: how their tensors become a kernel's arguments. */
#ifndef TS_OPS_ATTENTION_H
#define TS_OPS_ATTENTION_H
#include "ops/ops.h"

/* Without o, lse and gradients. q and kv as ts_op_attention has them. */
ts_attn_args ts_attention_args(const ts_attention_op *o, const ts_tensor *q, const ts_tensor *kv);
/* A backward launch adds to the gradient of the sinks, where there is one. */
ts_status ts_attention_add_sinks(const ts_attention_op *o, ts_attn_args *a) TS_NODISCARD;
/* Where the operator keeps its heads' largest scores: room for those of a launch's rows, and behind the launch what
 * they say of the first so many. Otherwise nothing: *top NULL. */
ts_status ts_attention_top_begin(ts_tape *tape, const ts_attention_op *o, int64_t rows, ts_tensor **top) TS_NODISCARD;
void ts_attention_top_join(ts_tape *tape, const ts_attention_op *o, const ts_tensor *top, int64_t rows);
static inline float *ts_attention_top(const ts_tensor *top) { return top ? ts_tensor_data(top) : NULL; }
#endif
