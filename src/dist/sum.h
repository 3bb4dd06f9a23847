/* Elementwise reductions on the host. Plain additions in the element's type: any SIMD width has the
 * same bits. The caller's threads are not used; one core fills the memory bus. */
#ifndef TS_DIST_SUM_H
#define TS_DIST_SUM_H
#include "dist/comm.h"

/* a[i] += b[i] */
void ts_sum_f32(float *a, const float *b, int64_t n);
/* out[i] = a[i] op b[i]; out may be a or b. Not for 16-bit types. */
void ts_combine(void *out, const void *a, const void *b, int64_t n, ts_comm_type t, ts_comm_op op);
/* Of the 16-bit types, which are reduced in fp32: acc [n] becomes x; acc op x; out becomes acc,
 * rounded. A tile is as much as a caller keeps on its stack. */
enum { TS_SUM_TILE = 512 };
void ts_widen(float *acc, const void *x, int64_t n, ts_comm_type t);
void ts_fold(float *acc, const void *x, int64_t n, ts_comm_type t, ts_comm_op op);
void ts_narrow(void *out, const float *acc, int64_t n, ts_comm_type t);
/* memcpy. past_caches, for what is larger than they are: the target's old bytes are not fetched. */
void ts_copy_fast(void *to, const void *from, size_t bytes, bool past_caches);
#endif
