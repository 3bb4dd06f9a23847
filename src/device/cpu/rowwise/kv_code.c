#include "device/cpu/helpers.h"
#include "device/cpu/rowwise/rowwise.h"

#include <math.h>

static float largest(const float *x, int64_t n)
{
    float most = 0;
    for (int64_t i = 0; i < n; i++)
        most = fabsf(x[i]) > most || isnan(x[i]) ? fabsf(x[i]) : most; /* what is not a number stays */
    return most;
}

static void put_group(const ts_kv_put_args *a, const float *x, int64_t n, char *scale, uint8_t *codes)
{
    const float most = largest(x, n);
    const float s = !isfinite(most) ? NAN : most / (a->code == TS_KV_INT8 ? 127.0F : ts_fp8_max(TS_FP8_E4M3));
    memcpy(scale, &s, sizeof s);
    for (int64_t i = 0; i < n; i++) {
        const float y = s > 0 ? x[i] / s : 0;
        const float held = y > 127 ? 127 : y < -127 ? -127 : y;
        codes[i] = a->code == TS_KV_INT8 ? (uint8_t)(int8_t)lrintf(held) : ts_f32_to_e4m3(y);
    }
}

static void put_vector(const ts_kv_put_args *a, int64_t from, char *to)
{
    uint8_t *codes = (uint8_t *)to + 4 * ts_kv_groups(a->n);
    float x[TS_KV_GROUP];
    for (int64_t g = 0; g < ts_kv_groups(a->n); g++) {
        const int64_t begin = g * TS_KV_GROUP, n = min64(a->n - begin, TS_KV_GROUP);
        for (int64_t i = 0; i < n; i++)
            x[i] = ts_load_f32(a->src, from + begin + i, a->dtype);
        put_group(a, x, n, to + 4 * g, codes + begin);
    }
}

static void put(const void *args, int64_t begin, int64_t end)
{
    const ts_kv_put_args *a = args;
    const int64_t bytes = ts_kv_bytes(a->n);
    for (int64_t t = begin; t < end; t++)
        for (int64_t h = 0; a->row[t] >= 0 && h < a->heads; h++)
            for (int64_t v = 0; v < a->vectors; v++)
                put_vector(a, t * a->src_row + h * a->src_head + v * a->n,
                           (char *)a->dst + ((a->row[t] * a->heads + h) * a->vectors + v) * bytes);
}

#define TS_ISA ref
void ts_cpu_init_kv_code(ts_cpu *c) { c->kernel[TS_KERNEL_kv_put] = TS_ROWWISE_ROW(put, 0); }
