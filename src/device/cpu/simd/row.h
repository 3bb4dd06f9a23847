/* Small things over any vocabulary: fp32 arrays, and sums in four vectors at a time (an FMA takes
 * four cycles, so one sum alone would wait for itself). */
#ifndef TS_DEVICE_CPU_SIMD_ROW_H
#define TS_DEVICE_CPU_SIMD_ROW_H

INLINE vf v_load(const float *p, int64_t n) { return v_load_as(p, 0, n, TS_DTYPE_F32); }
INLINE void v_store(float *p, int64_t n, vf v) { v_store_as(p, 0, n, TS_DTYPE_F32, v); }

enum { V4 = 4 * V };
typedef struct v4 {
    vf k[4];
} v4;
INLINE v4 v4_set(vs s) { return (v4){ { v_set(s), v_set(s), v_set(s), v_set(s) } }; }
INLINE vs v4_sum(v4 a) { return v_sum(v_add(v_add(a.k[0], a.k[1]), v_add(a.k[2], a.k[3]))); }
INLINE vs v4_hmax(v4 a) { return v_hmax(v_max(v_max(a.k[0], a.k[1]), v_max(a.k[2], a.k[3]))); }
#endif
