/* Rows of several streams side by side (device/kernels/altup.h has the formulas). */
#ifndef TS_OPS_ALTUP_H
#define TS_OPS_ALTUP_H
#include "ops/group.h"
#include "ops/ops.h"

/* y [T, outs * width]: stream j of it is that of b, or nothing where b is NULL, and the sum over the streams i of x
 * [T, ins * width] of (m[j][i] + plus) times them. m: fp32 [T, outs * ins], of each row its own. */
ts_status ts_op_mix(ts_tape *tape, ts_tensor *x, ts_tensor *b, ts_tensor *m, int64_t ins, int64_t outs, float plus,
                    ts_tensor **y) TS_NODISCARD;

/* y = p with the root of the mean of squares that x has; p's own counts as at least the root of `least`. */
ts_status ts_op_magnitude(ts_tape *tape, ts_tensor *x, ts_tensor *p, float least, ts_tensor **y) TS_NODISCARD;

/* y: of the first `cols` columns of x what is above the mean of these and `times` their deviation, less that; the
 * other columns as they are. group shares these columns out, `all` of them (NULL: they are all here); only the sums
 * that are of all columns travel. */
ts_status ts_op_sparse(ts_tape *tape, ts_comm *group, ts_tensor *x, int64_t cols, int64_t all, float times,
                       ts_tensor **y) TS_NODISCARD;

/* y = x * w by columns. */
ts_status ts_op_weigh_cols(ts_tape *tape, ts_tensor *x, ts_param *w, ts_tensor **y) TS_NODISCARD;

/* y = x, and `more` is added to its streams from number `first` on, each as wide as `more`. */
ts_status ts_op_add_streams(ts_tape *tape, ts_tensor *x, ts_tensor *more, int64_t first, ts_tensor **y) TS_NODISCARD;
#endif
