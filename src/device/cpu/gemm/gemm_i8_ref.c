/* Products in 8-bit integers in plain C: one lane. */
#include "base/dtype.h"

#include <math.h>
#include <string.h>

typedef float vf;
typedef int32_t vi;
typedef uint32_t vb;
enum { V = 1, ROWS = 4, VECS = 16 };
static inline vf v_zero(void) { return 0; }
static inline vf v_add(vf a, vf b) { return a + b; }
static inline vf v_mul(vf a, vf b) { return a * b; }
static inline vf v_fma(vf a, vf b, vf c) { return fmaf(a, b, c); }
static inline vf v_set(float f) { return f; }
static inline vf v_get(const float *p) { return *p; }
static inline vf v_getu(const float *p) { return *p; }
static inline void v_put(float *p, vf v) { *p = v; }
static inline vf v_load(const void *p, int64_t i, ts_dtype t, int64_t n)
{
    return n > 0 ? ts_load_f32(p, i, t) : 0;
}
static inline void v_store(void *p, int64_t i, ts_dtype t, int64_t n, vf v)
{
    (void)n;
    ts_store_f32(p, i, t, v);
}
static inline vi v_ints(const void *p)
{
    vi v;
    memcpy(&v, p, 4);
    return v;
}
static inline vi v_units(const void *p) { return v_ints(p); }
static inline vi v_unit(const void *p) { return v_ints(p); }
static inline vi v_dot(vi acc, vi a, vi b)
{
    for (int i = 0; i < 4; i++)
        acc += (int32_t)((uint32_t)a >> 8 * i & 0xFF) * (int8_t)((uint32_t)b >> 8 * i & 0xFF);
    return acc;
}
static inline vf v_float(vi v) { return (float)v; }
static inline vb vb_none(void) { return 0; }
static inline vb vb_more(vb b, vf v)
{
    uint32_t u;
    memcpy(&u, &v, 4);
    u &= 0x7FFFFFFF;
    return u > b ? u : b;
}
static inline uint32_t vb_max(vb b) { return b; }
static inline void vb_put(vb b, uint32_t *p) { *p = b; }
static inline vi vi_quant(vf v, vf by)
{
    const float q = v * by; /* NaN has no integer: what it becomes is multiplied by a NaN later */
    return q > -128 && q < 128 ? (vi)lrintf(q) : 0;
}
static inline vi vi_none(void) { return 0; }
static inline vi v_ints_of(int i) { return i; }
static inline vi vi_add(vi a, vi b) { return a + b; }
static inline vi vi_times(vi a, int by) { return a * by; }
static inline void vi_put(void *p, vi v) { memcpy(p, &v, 4); }
static inline int32_t vi_sum(vi v) { return v; }
static inline vi vi_low(vi v, int i, vi u)
{
    return (vi)((uint32_t)u | ((uint32_t)v & 0xFF) << 8 * i);
}
static inline void v_bytes(uint8_t *p, int64_t n, vi v)
{
    (void)n;
    *p = (uint8_t)v;
}

#include "device/cpu/gemm/gemm_i8_body.h"

static void tile(const ts_i8_tile *t)
{
    for (int i = 0; i < t->out.rows; i++) {
        ts_i8_tile row = *t;
        const int64_t at = i * t->out.ldc * (int64_t)ts_dtype_size(t->out.c_dtype);
        row.a += i * t->a_row, row.a_scale += i * t->blocks;
        row.out.rows = 1, row.out.c = (char *)t->out.c + at;
        row.out.add = t->out.add ? (const char *)t->out.add + at : NULL;
        tile_of(&row, 1, VECS);
    }
}

_Static_assert((int)WIDTH == (int)TS_PACKING_I8, "what memory is foreseen with");
void ts_i8_kernels_init_ref(ts_i8_kernels *k)
{
    *k = (ts_i8_kernels){ .rows = ROWS, .width = WIDTH, .variant = "ref", .quantise = quantise,
                          .pack = pack, .tile = tile };
}
