#include "io/crc32.h"

#include <string.h>
#include <zlib.h>

#if defined(__x86_64__)
#include <immintrin.h>

/* After Gopal and others, Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction (Intel, 2009): 64 bytes are folded
 * onto the next 64, then to 16, whose checksum is that of all before them. k: powers of x modulo the polynomial, bits turned. */
__attribute__((target("pclmul,sse4.1"))) static __m128i fold(__m128i x, __m128i k, __m128i next)
{
    return _mm_xor_si128(_mm_xor_si128(_mm_clmulepi64_si128(x, k, 0x00), _mm_clmulepi64_si128(x, k, 0x11)), next);
}

/* n: at least 64. *rest: bytes that are not in it. */
__attribute__((target("pclmul,sse4.1"))) static uint32_t crc_clmul(uint32_t crc, const unsigned char *p, size_t n, size_t *rest)
{
    const __m128i by_64 = _mm_set_epi64x(0x01c6e41596, 0x0154442bd4), by_16 = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
    unsigned char last[16];
    __m128i x[4];
    for (int i = 0; i < 4; i++)
        x[i] = _mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i));
    x[0] = _mm_xor_si128(x[0], _mm_cvtsi32_si128((int)~crc));
    for (p += 64, n -= 64; n >= 64; p += 64, n -= 64)
        for (int i = 0; i < 4; i++)
            x[i] = fold(x[i], by_64, _mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i)));
    for (int i = 1; i < 4; i++)
        x[i] = fold(x[i - 1], by_16, x[i]);
    _mm_storeu_si128((__m128i *)(void *)last, x[3]);
    *rest = n;
    return (uint32_t)crc32_z(UINT32_MAX, last, sizeof last);
}

uint32_t ts_crc32(uint32_t crc, const void *data, size_t n)
{
    const unsigned char *p = data;
    size_t rest = n;
    if (n >= 64 && __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1"))
        crc = crc_clmul(crc, p, n, &rest);
    return rest ? (uint32_t)crc32_z(crc, p + (n - rest), rest) : crc;
}
#else
uint32_t ts_crc32(uint32_t crc, const void *data, size_t n) { return n ? (uint32_t)crc32_z(crc, data, n) : crc; }
#endif
