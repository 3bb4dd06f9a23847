/* Keys and values in eight bits, as a cache may hold them.
 *
 * A vector of n numbers x is cut in groups of TS_KV_GROUP, of which the last may be shorter. Each has a scale
 * s = max |x| / m, in fp32, with m = 127 (int8) or 448 (fp8, e4m3), and codes c:  int8: x ~ s c, c = x / s rounded to the
 * nearest of -127 .. 127, so that |x - s c| <= s / 2;  fp8: x ~ s value(c), c the nearest to x / s, so that
 * |x - s value(c)| <= max(|x| / 16, s / 1024). A group of zeros has scale 0; one with a number that is not finite a scale
 * that is not a number, and all of it is none then. A vector stands as its scales, then its codes, up to a multiple of 4 bytes.
 *
 *   kv_put  vectors of B S tokens into a cache; n = B S */
#ifndef TS_DEVICE_KERNELS_KV_CODE_H
#define TS_DEVICE_KERNELS_KV_CODE_H
#include "base/choice.h"
#include "base/dtype.h"
#include "base/fp8.h"

/* The words are llama.cpp's, vLLM's and Hugging Face's. */
#define TS_KV_CODES(W) W(TS_KV_PLAIN, "auto") W(TS_KV_INT8, "int8,q8_0") W(TS_KV_FP8, "fp8,fp8_e4m3")
typedef enum ts_kv_code { TS_KV_CODES(TS_CHOICE_VALUE) } ts_kv_code;
enum { TS_KV_GROUP = 64 };

static inline int64_t ts_kv_groups(int64_t n) { return (n + TS_KV_GROUP - 1) / TS_KV_GROUP; }
/* Bytes of a vector of n codes with its scales. */
static inline int64_t ts_kv_bytes(int64_t n) { return 4 * ts_kv_groups(n) + (n + 3) / 4 * 4; }

/* Group g of a vector of n: its scale and its codes. */
static inline float ts_kv_scale(const void *vector, int64_t g)
{
    float s;
    memcpy(&s, (const char *)vector + 4 * g, 4);
    return s;
}
static inline const uint8_t *ts_kv_group_codes(const void *vector, int64_t n, int64_t g)
{
    return (const uint8_t *)vector + 4 * ts_kv_groups(n) + g * TS_KV_GROUP;
}
static inline float ts_kv_value(ts_kv_code code, uint8_t c, float scale)
{
    return scale * (code == TS_KV_INT8 ? (float)(int8_t)c : ts_fp8_to_f32(TS_FP8_E4M3, c));
}

typedef struct ts_kv_put_args {
    ts_kv_code code;
    ts_dtype dtype;
    int64_t heads, vectors, n;     /* of a token: heads, of each so many vectors of n side by side */
    int64_t src_row, src_head;     /* elements from a token's to the next one's, from a head's to the next one's */
    const void *src;
    const int32_t *row;            /* [B S]: the cache's row of each token; below 0: it has none */
    void *dst;                     /* [rows, heads, vectors, ts_kv_bytes(n)] */
} ts_kv_put_args;
#endif
