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
#endif
