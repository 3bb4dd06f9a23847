/* Columns put together in other ways; only bytes move, gradients go back the same way. */
#ifndef TS_OPS_COLUMNS_H
#define TS_OPS_COLUMNS_H
#include "ops/ops.h"

/* y = [a | b], of as many rows and one type. */
ts_status ts_op_beside(ts_tape *tape, ts_tensor *a, ts_tensor *b, ts_tensor **y) TS_NODISCARD;

/* y: x's values in rows of another width, one after another; the same bytes. */
ts_status ts_op_reshape(ts_tape *tape, ts_tensor *x, int64_t cols, ts_tensor **y) TS_NODISCARD;

/* x [T, groups width]: each group's last `last` columns stand twice in y [T, groups (width + last)]. */
ts_status ts_op_repeat_last(ts_tape *tape, ts_tensor *x, int64_t groups, int64_t last,
                            ts_tensor **y) TS_NODISCARD;
#endif
