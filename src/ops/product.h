/* Products place by place, columns times numbers, values held within bounds. */
#ifndef TS_OPS_PRODUCT_H
#define TS_OPS_PRODUCT_H
#include "ops/ops.h"

/* y = x * f(z), see ts_product_args; both of one type and as many rows. Columns of x are those of z times what one z counts
 * for. */
ts_status ts_op_product(ts_tape *tape, ts_factor_kind kind, ts_tensor *x, ts_tensor *z, ts_tensor **y) TS_NODISCARD;

/* y = x, of which each stretch of columns is multiplied with its factor; all factors 1: *y is x. */
ts_status ts_op_scale_cols(ts_tape *tape, const ts_stretch_factors *by, ts_tensor *x, ts_tensor **y) TS_NODISCARD;

/* y = x held to [-most, most]; values beyond have no gradient. */
ts_status ts_op_clip(ts_tape *tape, float most, ts_tensor *x, ts_tensor **y) TS_NODISCARD;

/* Of rows of groups of heads each but a group's last one loses its mean: see ts_centre_args. */
ts_status ts_op_centre_heads(ts_tape *tape, int64_t groups, int64_t dim, ts_tensor *x, ts_tensor **y) TS_NODISCARD;
#endif
