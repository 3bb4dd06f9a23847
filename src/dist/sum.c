#include "dist/sum.h"

#include "base/dtype.h"

#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* out is a, or b, or neither: no element depends on an earlier one, which the compiler cannot
 * see. */
#if defined(__clang__)
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define INDEPENDENT _Pragma("GCC ivdep")
#endif
#define EACH(expression)                                                                           \
    INDEPENDENT                                                                                    \
    for (int64_t i = 0; i < n; i++)                                                                \
        o[i] = (expression)

/* A NaN in either operand survives MAX and MIN: x != x lets the one in a stay, b's is taken. */
#define COMBINE(name, T)                                                                           \
    static inline __attribute__((always_inline)) void name(T *o, const T *x, const T *y,           \
                                                           int64_t n, ts_comm_op op)               \
    {                                                                                              \
        if (op == TS_COMM_SUM)                                                                     \
            EACH((T)(x[i] + y[i]));                                                                \
        else if (op == TS_COMM_MAX)                                                                \
            EACH(x[i] >= y[i] || x[i] != x[i] ? x[i] : y[i]);                                      \
        else                                                                                       \
            EACH(x[i] <= y[i] || x[i] != x[i] ? x[i] : y[i]);                                      \
    }
COMBINE(combine_f32, float)
COMBINE(combine_f64, double)
COMBINE(combine_i64, int64_t)
COMBINE(combine_u8, unsigned char)

static inline __attribute__((always_inline)) void combine(void *out, const void *a, const void *b,
                                                          int64_t n, ts_comm_type t, ts_comm_op op)
{
    switch (t) {
    case TS_COMM_F32:
        combine_f32(out, a, b, n, op);
        break;
    case TS_COMM_F64:
        combine_f64(out, a, b, n, op);
        break;
    case TS_COMM_I64:
        combine_i64(out, a, b, n, op);
        break;
    default:
        combine_u8(out, a, b, n, op);
    }
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void combine_avx2(void *out, const void *a, const void *b,
                                                         int64_t n, ts_comm_type t, ts_comm_op op)
{
    combine(out, a, b, n, t, op);
}
#endif

void ts_combine(void *out, const void *a, const void *b, int64_t n, ts_comm_type t, ts_comm_op op)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
        combine_avx2(out, a, b, n, t, op);
        return;
    }
#endif
    combine(out, a, b, n, t, op);
}

static ts_dtype dtype_of(ts_comm_type t)
{
    return t == TS_COMM_BF16 ? TS_DTYPE_BF16 : TS_DTYPE_F16;
}

void ts_widen(float *acc, const void *x, int64_t n, ts_comm_type t)
{
    const ts_dtype d = dtype_of(t);
    for (int64_t i = 0; i < n; i++)
        acc[i] = ts_load_f32(x, i, d);
}

void ts_fold(float *acc, const void *x, int64_t n, ts_comm_type t, ts_comm_op op)
{
    float wide[TS_SUM_TILE];
    for (int64_t b = 0; b < n; b += TS_SUM_TILE) {
        const int64_t m = n - b < TS_SUM_TILE ? n - b : TS_SUM_TILE;
        ts_widen(wide, (const uint16_t *)x + b, m, t);
        ts_combine(acc + b, acc + b, wide, m, TS_COMM_F32, op);
    }
}

void ts_narrow(void *out, const float *acc, int64_t n, ts_comm_type t)
{
    const ts_dtype d = dtype_of(t);
    for (int64_t i = 0; i < n; i++)
        ts_store_f32(out, i, d, acc[i]);
}

void ts_sum_f32(float *a, const float *b, int64_t n)
{
    ts_combine(a, a, b, n, TS_COMM_F32, TS_COMM_SUM);
}

#if defined(__x86_64__)
/* Whole lines of the target; returns bytes done. */
static inline __attribute__((always_inline)) size_t copy_lines(char *d, const char *s, size_t bytes,
                                                               bool past)
{
    size_t i = 0;
    for (; i + 64 <= bytes; i += 64)
        for (size_t k = 0; k < 64; k += 16) {
            __m128i *to = (__m128i *)(void *)(d + i + k);
            const __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(s + i + k));
            if (past)
                _mm_stream_si128(to, x);
            else
                _mm_store_si128(to, x);
        }
    return i;
}

/* memcpy of large blocks is one string instruction, a quarter as fast as vectors where the source
 * comes from memory and the target's lines are another core's (AMD Zen 4). */
void ts_copy_fast(void *to, const void *from, size_t bytes, bool past_caches)
{
    char *d = to;
    const char *s = from;
    const size_t head = (64 - (uintptr_t)d % 64) % 64;
    if (bytes < 1024) {
        if (bytes)
            memcpy(d, s, bytes);
        return;
    }
    memcpy(d, s, head);
    d += head, s += head, bytes -= head;
    const size_t done = past_caches ? copy_lines(d, s, bytes, true) : copy_lines(d, s, bytes, false);
    if (past_caches)
        _mm_sfence(); /* before anybody is told */
    memcpy(d + done, s + done, bytes - done);
}
#else
void ts_copy_fast(void *to, const void *from, size_t bytes, bool past_caches)
{
    (void)past_caches;
    if (bytes)
        memcpy(to, from, bytes);
}
#endif
