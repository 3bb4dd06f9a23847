/* Rows of an output layer that count as of length one (ts_xent_op.unit_rows; device/kernels/unit.h has the formulas):
 * logits are multiplied with one over the lengths of their rows, their gradients likewise, and the gradient of the
 * weight has no part along its rows. */
#ifndef TS_OPS_UNIT_ROWS_H
#define TS_OPS_UNIT_ROWS_H
#include "ops/ops.h"

/* While a call goes on; the tape's. */
typedef struct ts_unit_rows {
    ts_tape *tape;
    ts_param *w;
    ts_tensor *scales; /* [rows of w]; NULL: they count as they are */
    ts_tensor *along;  /* what of the gradient was along them before this call; NULL: there was none */
    bool grads;
} ts_unit_rows;

/* grads: the weight's gradient is added to until ts_unit_rows_end. */
ts_status ts_unit_rows_begin(ts_tape *tape, const ts_xent_op *o, bool grads, ts_unit_rows *u) TS_NODISCARD;
/* Logits or their gradients in place: x [n_rows, rows of w], of which one begins ld elements behind the other. */
void ts_unit_rows_times(const ts_unit_rows *u, ts_dtype dtype, void *x, int64_t n_rows, int64_t ld);
/* What this call has added along the rows is taken away. */
void ts_unit_rows_end(const ts_unit_rows *u);
#endif
