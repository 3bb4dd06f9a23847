/* Columns of rows, or of heads in them, put together in other ways; only bytes move, gradients go back the same
 * way. */
#ifndef TS_OPS_COLUMNS_H
#define TS_OPS_COLUMNS_H
#include "ops/ops.h"

/* Rows of columns: the first begins at element `at`, each `row` elements behind the one before. */
typedef struct ts_band {
    const ts_tensor *t;
    int64_t at, row;
} ts_band;

/* y = x, and y = y + x, of `rows` rows of `cols` columns; of one type. */
void ts_copy_band(ts_tape *tape, ts_band x, ts_band y, int64_t rows, int64_t cols);
void ts_add_band(ts_tape *tape, ts_band x, ts_band y, int64_t rows, int64_t cols);

/* Of heads that stand evenly apart in x [T, heads stride] the columns [begin, begin + cols) each:
 * y [T, heads cols]. All columns: y is x. */
ts_status ts_op_take_cols(ts_tape *tape, ts_tensor *x, int64_t heads, int64_t begin, int64_t cols,
                          ts_tensor **y) TS_NODISCARD;

/* y = [a | b]: columns of a, then those of b; [T, cols of both]. */
ts_status ts_op_join_cols(ts_tape *tape, ts_tensor *a, ts_tensor *b, ts_tensor **y) TS_NODISCARD;

/* y = [x | x | ...], so many times; 1: y is x. */
ts_status ts_op_repeat_cols(ts_tape *tape, ts_tensor *x, int64_t times, ts_tensor **y) TS_NODISCARD;

/* Of such heads these columns, part [T, heads cols], and all others in their order, rest. */
ts_status ts_op_split_cols(ts_tape *tape, ts_tensor *x, int64_t heads, int64_t begin, int64_t cols,
                           ts_tensor **part, ts_tensor **rest) TS_NODISCARD;

/* y: x's values in rows of another width, one after another; the same bytes. */
ts_status ts_op_reshape(ts_tape *tape, ts_tensor *x, int64_t cols, ts_tensor **y) TS_NODISCARD;

/* x [T, groups width]: each group's last `last` columns stand twice in y [T, groups (width + last)]. */
ts_status ts_op_repeat_last(ts_tape *tape, ts_tensor *x, int64_t groups, int64_t last,
                            ts_tensor **y) TS_NODISCARD;
#endif
