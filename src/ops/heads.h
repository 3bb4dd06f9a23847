/* From the rows of texts to one vector of each, and what heads tell of these (device/kernels/heads.h has the formulas). */
#ifndef TS_OPS_HEADS_H
#define TS_OPS_HEADS_H
#include "base/choice.h"
#include "ops/group.h"
#include "ops/ops.h"

/* Whose row a text's vector is: its last token's, the mean of all, its first one's. */
#define TS_POOLINGS(W)                                                                             \
    W(TS_POOL_LAST, "last,lasttoken")                                                              \
    W(TS_POOL_MEAN, "mean")                                                                        \
    W(TS_POOL_FIRST, "cls,first")
typedef enum ts_pooling { TS_POOLINGS(TS_CHOICE_VALUE) } ts_pooling;

/* How much row s of a text counts, whose tokens are rows first to last. */
static inline float ts_pool_weight(ts_pooling p, int64_t s, int64_t first, int64_t last)
{
    if (p == TS_POOL_MEAN)
        return s >= first && s <= last ? (float)(1 / (double)(last - first + 1)) : 0;
    return s == (p == TS_POOL_FIRST ? first : last);
}

/* y [n, width]: of each of n texts, which x [n * S, width] has one behind the other, the sum of its S rows times their
 * weights, fp32 [n * S], which stay until the backward. group: processes that have the other rows of the same texts; y is
 * the sum over all, the same on each, which is to go on with it as if it were alone (NULL: all rows are here). */
ts_status ts_op_pool(ts_tape *tape, ts_tensor *x, const ts_tensor *weights, int64_t n, ts_comm *group,
                     ts_tensor **y) TS_NODISCARD;

/* y [T, cols]: the first columns of x, fp32, with `unit` as vectors of length one. */
ts_status ts_op_direct(ts_tape *tape, ts_tensor *x, int64_t cols, bool unit, ts_tensor **y) TS_NODISCARD;

/* z [rows of a, rows of b]: inner products of rows, fp32. */
ts_status ts_op_dots(ts_tape *tape, ts_tensor *a, ts_tensor *b, ts_tensor **z) TS_NODISCARD;

/* loss, and hit (of which no gradient comes back): fp32 [n]; z fp32 counts as n rows of `cols`, t fp32 is as the form has
 * it. */
ts_status ts_op_told(ts_tape *tape, ts_told_form form, double scale, ts_tensor *z, int64_t cols, const ts_tensor *t,
                     ts_tensor **loss, ts_tensor **hit) TS_NODISCARD;
#endif
