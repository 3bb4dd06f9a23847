/* The vocabulary at width one, in double: slow, and right. The other f32_<isa>.h say what the words
 * mean; here they mean the same for a vector of one. */
#ifndef TS_DEVICE_CPU_SIMD_F32_REF_H
#define TS_DEVICE_CPU_SIMD_F32_REF_H
#include "device/cpu/simd/isa_name.h"

typedef double vf, vs, vd;
typedef bool vm;
enum { V = 1, V_STRIP = 8 };

INLINE vf v_set(vs s) { return s; }
INLINE vf v_load_as(const void *p, int64_t i, int64_t n, ts_dtype t)
{
    return n > 0 ? (double)ts_load_f32(p, i, t) : 0;
}
INLINE void v_store_as(void *p, int64_t i, int64_t n, ts_dtype t, vf v)
{
    if (n > 0)
        ts_store_f32(p, i, t, (float)v);
}
INLINE vf v_round_as(vf v, ts_dtype t)
{
    float f;
    ts_store_f32(&f, 0, t, (float)v);
    return (double)ts_load_f32(&f, 0, t);
}
INLINE vf v_add(vf a, vf b) { return a + b; }
INLINE vf v_sub(vf a, vf b) { return a - b; }
INLINE vf v_mul(vf a, vf b) { return a * b; }
INLINE vf v_div(vf a, vf b) { return a / b; }
INLINE vf v_fma(vf a, vf b, vf c) { return a * b + c; }
INLINE vf v_fnma(vf a, vf b, vf c) { return c - a * b; }
INLINE vf v_max(vf a, vf b) { return a > b ? a : b; }
INLINE vf v_min(vf a, vf b) { return a < b ? a : b; }
INLINE vf v_sqrt(vf a) { return sqrt(a); }
INLINE vm v_ge(vf a, vf b) { return a >= b; }
INLINE vm v_eq(vf a, vf b) { return a == b; }
INLINE vf v_sel(vm m, vf a, vf b) { return m ? a : b; }
INLINE vf v_keep(int64_t n, vf a, vf other) { return n > 0 ? a : other; }
INLINE int v_first(vm m, int64_t n) { return m && n > 0 ? 0 : -1; }
INLINE int v_count(vm m, int64_t n) { return m && n > 0; }
INLINE vs v_sum(vf v) { return v; }
INLINE vs v_hmax(vf v) { return v; }

INLINE void v_unzip(vf lo, vf hi, vf *even, vf *odd) { *even = lo, *odd = hi; }
INLINE void v_zip(vf even, vf odd, vf *lo, vf *hi) { *lo = even, *hi = odd; }

INLINE vd vd_zero(void) { return 0; }
INLINE vd vd_add_square(vd sum, vf v) { return sum + v * v; }
INLINE double vd_sum(vd v) { return v; }

INLINE vf v_exp(vf x) { return exp(x); }
INLINE vf v_tanh(vf x) { return tanh(x); }
INLINE vf v_sigmoid(vf x) { return 1 / (1 + exp(-x)); }
INLINE vf v_phi(vf x, vf *density)
{
    *density = 0.39894228040143267794 * exp(-0.5 * x * x);
    return 0.5 * erfc(-0.70710678118654752440 * x);
}

INLINE void v_philox(const ts_rng *r, uint64_t block, uint32_t out[4 * V])
{
    ts_rng_block(r, block, out);
}
typedef uint32_t vu;
INLINE vu v_halves(const uint32_t *u, int64_t at, int64_t n)
{
    return n > 0 ? u[at / 2] >> at % 2 * 16 & 0xFFFF : 0;
}
INLINE vu v_times16(vu r, int factor) { return r * (uint32_t)factor & 0xFFFF; }
INLINE void v_store_random(uint16_t *p, int64_t n, vf v, vu r)
{
    if (n > 0)
        *p = ts_f32_to_bf16_random((float)v, r);
}
INLINE vf v_uniform(const uint32_t *u, int64_t n) { return n > 0 ? (double)ts_rng_uniform(*u) : 0; }
#endif
