/* Packing of weights in NF4: unpacked a part at a time, which then is packed as any other. */
#ifndef TS_DEVICE_CPU_GEMM_NF4_H
#define TS_DEVICE_CPU_GEMM_NF4_H
#include "device/cpu/gemm/gemm_kernels.h"

/* Bytes at the end of a thread's scratch for what is unpacked: 96 rows of 512 steps, or 32 steps of 1152 columns. */
enum { TS_NF4_UNPACKED = 192 << 10 };
static inline char *ts_nf4_room(char *thread_scratch) { return thread_scratch + TS_CPU_THREAD_SCRATCH - TS_NF4_UNPACKED; }
/* As pack (ts_gemm_pack_fn) with x in [x0, x1) and steps [s0, s1). */
void ts_nf4_pack(const ts_gemm_kernels *kern, ts_gemm_pack_fn *pack, const ts_gemm_panels *p, int64_t x0, int64_t x1,
                 int64_t s0, int64_t s1, char *unpacked);
#endif
