/* Rows of A as whole numbers, and sums into rows of C, for every instruction set by the compiler's
 * own hand. No include guard: a file that includes it gets its own copy. */
#include "device/cpu/gemm/quant.h"
#include "device/cpu/helpers.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* 64 values, largest first of all; false: not all of them are finite. */
static bool largest(const float *v, float *out)
{
    float lane[16] = { 0 }, most = 0;
    int bad[16] = { 0 }, any = 0;
    for (int i = 0; i < TS_QUANT_GROUP; i += 16)
        for (int l = 0; l < 16; l++) {
            const float x = fabsf(v[i + l]);
            lane[l] = x > lane[l] ? x : lane[l];
            bad[l] |= !(x <= FLT_MAX);
        }
    for (int l = 0; l < 16; l++) {
        most = lane[l] > most ? lane[l] : most;
        any |= bad[l];
    }
    *out = most;
    return !any;
}

static void split_group(const float *v, int8_t *a, ts_quant_side *side)
{
    enum { MOST = 32512, MAGIC = 12582912 }; /* adding 1.5 x 2^23 rounds to whole numbers */
    float most;
    if (!largest(v, &most)) {
        memset(a, 0, 2 * TS_QUANT_GROUP);
        *side = (ts_quant_side){ NAN, 0 };
        return;
    }
    const float to_whole = most > 1e-30f ? (float)MOST / most : 0;
    int32_t sum = 0;
    for (int i = 0; i < TS_QUANT_GROUP; i++) {
        const float shifted = v[i] * to_whole + (float)MAGIC;
        const int32_t whole = (int32_t)(shifted - (float)MAGIC);
        const int32_t lo = (int8_t)(whole & 255);
        a[TS_QUANT_GROUP + i] = (int8_t)lo;
        a[i] = (int8_t)((whole - lo) / 256);
        sum += whole;
    }
    *side = (ts_quant_side){ most / (float)MOST, 128 * sum };
}

static void split_row(const void *row, int64_t k, ts_dtype t, int8_t *a, ts_quant_side *side)
{
    float v[TS_QUANT_GROUP];
    for (int64_t g = 0; g < ts_quant_groups(k); g++) {
        const int64_t at = g * TS_QUANT_GROUP;
        const int64_t n = k - at < TS_QUANT_GROUP ? k - at : TS_QUANT_GROUP;
        if (t == TS_DTYPE_F32) {
            memcpy(v, (const float *)row + at, (size_t)n * sizeof *v);
        } else if (t == TS_DTYPE_BF16) {
            const uint16_t *h = (const uint16_t *)row + at;
            for (int64_t i = 0; i < n; i++) {
                const uint32_t bits = (uint32_t)h[i] << 16;
                memcpy(&v[i], &bits, 4);
            }
        } else {
            for (int64_t i = 0; i < n; i++)
                v[i] = ts_load_f32(row, at + i, t);
        }
        for (int64_t i = n; i < TS_QUANT_GROUP; i++)
            v[i] = 0;
        split_group(v, a + g * 2 * TS_QUANT_GROUP, &side[g]);
    }
}

/* With t a constant loops have no branches, which compilers then make vectors of. */
INLINE void put_as(const ts_quant_row *r, const ts_dtype t)
{
    float v[TS_QUANT_PANEL];
    memcpy(v, r->acc, sizeof v);
    if (r->bias)
        for (int64_t i = 0; i < r->n; i++)
            v[i] += r->bias[i];
    if (r->add)
        for (int64_t i = 0; i < r->n; i++)
            v[i] += ts_load_f32(r->add, i, t);
    if (t == TS_DTYPE_BF16 && r->n == TS_QUANT_PANEL) {
        for (int i = 0; i < TS_QUANT_PANEL; i++)
            ((uint16_t *)r->c)[i] = ts_f32_to_bf16(v[i]);
        return;
    }
    for (int64_t i = 0; i < r->n; i++)
        ts_store_f32(r->c, i, t, v[i]);
}

static void put_row(const ts_quant_row *r)
{
    switch (r->c_dtype) {
    case TS_DTYPE_BF16: put_as(r, TS_DTYPE_BF16); break;
    case TS_DTYPE_F16: put_as(r, TS_DTYPE_F16); break;
    default: put_as(r, TS_DTYPE_F32); break;
    }
}
