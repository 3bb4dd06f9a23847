/* Rows taken out of a tensor and put back, for operators that work on some of them. */
#ifndef TS_OPS_ROWS_H
#define TS_OPS_ROWS_H
#include "ops/tape.h"

/* to[r] = row ids[r] of `from`, r < n; ids on the device, NULL: row r. */
void ts_rows_move(ts_tape *tape, const ts_tensor *from, const int32_t *ids, int64_t n, void *to);
/* A tensor [1 + n, cols] (cols 0: [1 + n]) of which the first row is zero, for rows that have no other.
 * The others are undefined. */
ts_status ts_rows_below_zero(ts_tape *tape, ts_dtype dtype, int64_t n, int64_t cols,
                             ts_tensor **out) TS_NODISCARD;

/* Rows [row0, row0 + n) of x, as they lie there: the same bytes. n 0: one row, which nobody reads. All rows of x are to be
 * taken by such pieces, each once; x wants no other gradient then. */
ts_status ts_op_piece_rows(ts_tape *tape, ts_tensor *x, int64_t row0, int64_t n, ts_tensor **y) TS_NODISCARD;
/* y [rows, width]: rows [0, rows[0]) of x[0], behind them those of the next, and so on; rows that are left over are
 * zeros. Of one that has all it is that one. x lasts as long as the tape's records. */
ts_status ts_op_join_rows(ts_tape *tape, ts_tensor *const *x, const int64_t *n, int64_t pieces, int64_t rows,
                          ts_tensor **y) TS_NODISCARD;
#endif
