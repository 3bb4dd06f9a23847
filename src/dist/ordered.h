/* Sums of gradients that do not depend on the number of processes. Micro-batch m * size + r is rank
 * r's; every element is summed in the order of micro-batches, with plain fp32 additions, by the
 * rank that owns it: ((acc + g_0) + g_1) + ... is the same sequence for 1, 2 or 4 ranks. */
#ifndef TS_DIST_ORDERED_H
#define TS_DIST_ORDERED_H
#include "dist/comm.h"

/* The part of [0, total) that a rank owns: whole blocks of 64 but at the end, nearly equal parts, of which
 * none is longer than the first rank's. */
static inline int64_t ts_ordered_begin(int64_t total, int size, int rank)
{
    const int64_t blocks = (total + 63) / 64, more = blocks % size,
                  begin = (blocks / size * rank + (rank < more ? rank : more)) * 64;
    return begin < total ? begin : total;
}

/* Adds one micro-batch of every rank: g [total] is this rank's gradient, only read; acc [total]
 * changes in the own part only, which must hold the sum so far (zero at first). staging
 * [staging_elements] is scratch of the same size on all ranks: what is received from all ranks in
 * one go, at least 64 * size. acc NULL (comm_sim): counts only. */
ts_status ts_ordered_add(ts_comm *comm, const float *g, float *acc, int64_t total, float *staging,
                         int64_t staging_elements) TS_NODISCARD;
/* The same where acc is the own part alone. border [size + 1]: where the parts begin and the last ends;
 * NULL: as ts_ordered_begin says. */
ts_status ts_ordered_add_own(ts_comm *comm, const float *g, float *own, int64_t total,
                             const int64_t *border, float *staging,
                             int64_t staging_elements) TS_NODISCARD;
/* Gives every rank the whole acc. */
ts_status ts_ordered_finish(ts_comm *comm, float *acc, int64_t total) TS_NODISCARD;
#endif
