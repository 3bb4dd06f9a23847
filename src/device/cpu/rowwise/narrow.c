/* Numbers of few bits: plain C, which the compiler makes vectors of where it can. */
#include "device/cpu/rowwise/rowwise.h"

#include <float.h>
#include <math.h>

enum { STRIP = 128 }; /* columns that are looked at together, a multiple of every block */

static void load(const void *x, int64_t at, int64_t n, ts_dtype t, float *v)
{
    if (t == TS_DTYPE_F32)
        memcpy(v, (const float *)x + at, (size_t)n * sizeof *v);
    else if (t == TS_DTYPE_BF16)
        for (int64_t i = 0; i < n; i++)
            v[i] = ts_bf16_to_f32(((const uint16_t *)x)[at + i]);
    else
        for (int64_t i = 0; i < n; i++)
            v[i] = ts_load_f32(x, at + i, t);
}

/* Sizes as bits: they have the order of the numbers, and NaN is the largest. */
static uint32_t larger(const float *v, int64_t n, uint32_t most)
{
    for (int64_t i = 0; i < n; i++) {
        const uint32_t u = ts_fp8_bits(v[i]) & 0x7FFFFFFFu;
        most = u > most ? u : most;
    }
    return most;
}

static float number(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static void amax(const void *args, int64_t begin, int64_t end)
{
    const ts_amax_args *a = args;
    uint32_t most = 0, *const out = (uint32_t *)(void *)a->amax;
    float v[STRIP];
    for (int64_t r = begin; r < end; r++)
        for (int64_t c = 0; c < a->cols; c += STRIP) {
            const int64_t n = a->cols - c < STRIP ? a->cols - c : STRIP;
            load(a->x, r * a->ld + c, n, a->dtype, v);
            most = larger(v, n, most);
        }
    /* the largest is the same in whatever order the threads come */
    uint32_t there = __atomic_load_n(out, __ATOMIC_RELAXED);
    while (there < most && !__atomic_compare_exchange_n(out, &there, most, true, __ATOMIC_RELAXED,
                                                        __ATOMIC_RELAXED))
        ;
}

/* ---- factors ---- */

/* The exponent of the power of two that is a block's factor; 128: it is none. */
static int power_of(const ts_narrow_args *a, float most)
{
    enum { LEAST = -127, NONE = 128 };
    int e, of_largest;
    if (!isfinite(most))
        return NONE;
    if (most == 0)
        return LEAST;
    if (a->kind == TS_SCALE_POWER_DOWN) {
        frexpf(most, &e);
        frexpf(a->largest, &of_largest);
        e -= of_largest;
    } else {
        const float f = frexpf(most, &e), limit = frexpf(a->largest, &of_largest);
        e = e - of_largest + (f > limit);
    }
    return e < LEAST ? LEAST : e;
}

/* What a block whose largest element is `most` is multiplied with. */
static float scale_of(const ts_narrow_args *a, float most)
{
    return most == 0 ? 1 : isfinite(most) ? fminf(a->largest / most, FLT_MAX) : NAN;
}

/* Notes a block's factor; what its elements are multiplied with to be rounded. */
static float scale_block(const ts_narrow_args *a, int64_t block, uint32_t bits)
{
    const float most = number(bits);
    if (a->kind != TS_SCALE_F32) {
        const int e = power_of(a, most);
        ((uint8_t *)a->factors)[block] = (uint8_t)(e + 127);
        return e == 128 ? NAN : ldexpf(1, -e);
    }
    const float scale = scale_of(a, most);
    ((float *)a->factors)[block] = 1 / scale;
    return scale;
}

static float factor_of(const ts_narrow_args *a, int64_t block)
{
    return a->kind == TS_SCALE_F32 ? ((const float *)a->factors)[block]
                                   : ts_fp8_to_f32(TS_FP8_E8M0, ((const uint8_t *)a->factors)[block]);
}

/* Infinities become NaN: what overflowed is not to look like a large number. */
static float to_round(float v, float scale) { return (v - v == 0 ? v : NAN) * scale; }

static void encode(ts_fp8 f, const float *v, int64_t n, uint8_t *codes)
{
    if (f == TS_FP8_E4M3)
        for (int64_t i = 0; i < n; i++)
            codes[i] = ts_f32_to_e4m3(v[i]);
    else if (f == TS_FP8_E5M2)
        for (int64_t i = 0; i < n; i++)
            codes[i] = ts_f32_to_e5m2(v[i]);
    else
        for (int64_t i = 0; i < n; i++)
            codes[i] = ts_f32_to_fp8(f, v[i]);
}

/* ---- blocks ---- */

/* Columns [c, c + n) of rows [r, r + rows): of one block, or each column is one. */
typedef struct strip {
    int64_t r, rows, c, n, block;
    bool apart;
} strip;

static void narrow_strip(const ts_narrow_args *a, const strip *s)
{
    float v[STRIP], scale[STRIP];
    uint32_t most[STRIP] = { 0 };
    for (int64_t r = s->r; r < s->r + s->rows; r++) {
        load(a->x, r * a->ld + s->c, s->n, a->dtype, v);
        if (s->apart)
            for (int64_t i = 0; i < s->n; i++)
                most[i] = larger(&v[i], 1, most[i]);
        else
            most[0] = larger(v, s->n, most[0]);
    }
    for (int64_t i = 0; i < s->n; i++)
        scale[i] = s->apart || i == 0 ? scale_block(a, s->block + i, most[i]) : scale[0];
    for (int64_t r = s->r; r < s->r + s->rows; r++) {
        load(a->x, r * a->ld + s->c, s->n, a->dtype, v);
        for (int64_t i = 0; i < s->n; i++)
            v[i] = to_round(v[i], scale[i]);
        encode(a->format, v, s->n, a->codes + r * a->cols + s->c);
    }
}

static void widen_strip(const ts_narrow_args *a, const strip *s)
{
    const float *const value = ts_fp8_values[a->format];
    float factor[STRIP];
    for (int64_t i = 0; i < s->n; i++)
        factor[i] = s->apart || i == 0 ? factor_of(a, s->block + i) : factor[0];
    for (int64_t r = s->r; r < s->r + s->rows; r++) {
        const uint8_t *code = a->codes + r * a->cols + s->c;
        for (int64_t i = 0; i < s->n; i++)
            ts_store_f32(a->y, r * a->ld + s->c + i, a->dtype, value[code[i]] * factor[i]);
    }
}

typedef void strip_fn(const ts_narrow_args *a, const strip *s);

static void each_strip(const ts_narrow_args *a, int64_t begin, int64_t end, strip_fn *fn)
{
    const bool apart = a->block_cols == 1;
    const int64_t step = apart ? STRIP : a->block_cols,
                  across = (a->cols + a->block_cols - 1) / a->block_cols;
    for (int64_t b = begin; b < end; b++) {
        const int64_t r = b * a->block_rows, left = a->rows - r;
        for (int64_t c = 0; c < a->cols; c += step) {
            const strip s = { .r = r, .rows = left < a->block_rows ? left : a->block_rows, .c = c,
                              .n = a->cols - c < step ? a->cols - c : step,
                              .block = b * across + c / a->block_cols, .apart = apart };
            fn(a, &s);
        }
    }
}

/* ---- one block ---- */

static float whole_scale(const ts_narrow_args *a)
{
    return a->amax ? scale_of(a, *a->amax) : *a->scale;
}

static void narrow_whole(const ts_narrow_args *a, int64_t begin, int64_t end)
{
    const float scale = whole_scale(a);
    float v[STRIP];
    if (begin == 0)
        *(float *)a->factors = 1 / scale;
    for (int64_t r = begin; r < end; r++)
        for (int64_t c = 0; c < a->cols; c += STRIP) {
            const int64_t n = a->cols - c < STRIP ? a->cols - c : STRIP;
            load(a->x, r * a->ld + c, n, a->dtype, v);
            for (int64_t i = 0; i < n; i++)
                v[i] = to_round(v[i], scale);
            encode(a->format, v, n, a->codes + r * a->cols + c);
        }
}

static void widen_whole(const ts_narrow_args *a, int64_t begin, int64_t end)
{
    const float *const value = ts_fp8_values[a->format], factor = *(const float *)a->factors;
    for (int64_t r = begin; r < end; r++)
        for (int64_t c = 0; c < a->cols; c++)
            ts_store_f32(a->y, r * a->ld + c, a->dtype, value[a->codes[r * a->cols + c]] * factor);
}

static void narrow(const void *args, int64_t begin, int64_t end)
{
    const ts_narrow_args *a = args;
    if (a->block_rows)
        each_strip(a, begin, end, narrow_strip);
    else
        narrow_whole(a, begin, end);
}

static void widen(const void *args, int64_t begin, int64_t end)
{
    const ts_narrow_args *a = args;
    if (a->block_rows)
        each_strip(a, begin, end, widen_strip);
    else
        widen_whole(a, begin, end);
}

#define TS_ISA ref
void ts_cpu_init_narrow(ts_cpu *c)
{
    c->kernel[TS_KERNEL_amax] = TS_ROWWISE_ROW(amax, 0);
    c->kernel[TS_KERNEL_narrow] = TS_ROWWISE_ROW(narrow, 0);
    c->kernel[TS_KERNEL_widen] = TS_ROWWISE_ROW(widen, 0);
}
