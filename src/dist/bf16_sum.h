/* A sum over all ranks of which only bf16 travels: half the bytes of an all-reduce in fp32.
 *
 * Each rank's values are rounded to bf16 (nearest, ties to even), added in fp32 in the order of the
 * ranks, and the sum is rounded to bf16 once: two roundings a value, whatever the number of ranks.
 * All ranks get the same bits. A share of the values is added by each rank: what is exchanged is the
 * ranks' parts of it, and then the sums. */
#ifndef TS_DIST_BF16_SUM_H
#define TS_DIST_BF16_SUM_H
#include "dist/comm.h"

/* Values that recv must have room for, when `piece` values go at a time. */
int64_t ts_bf16_sum_room(const ts_comm *c, int64_t piece);
/* x [n] becomes the sum, piece by piece; send [piece], recv [room]. All three are NULL where nothing
 * is computed (a simulated comm). */
ts_status ts_bf16_sum(ts_comm *c, float *x, int64_t n, int64_t piece, uint16_t *send,
                      uint16_t *recv) TS_NODISCARD;
#endif
