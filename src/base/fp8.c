#include "base/fp8.h"

#include <math.h>
#include <stdlib.h>

/* The tables are made by the compiler: each code's value as a constant expression. */
#define POWER(n) ((n) < 0 ? 1.0 / (double)(1ull << (-(n) & 63)) : (double)(1ull << ((n) & 63)))
#define SIGNED(c, x) (float)((c) & 0x80 ? -(x) : (x))
#define E4M3_SIZE(e, m) ((e) ? (8 + (m)) * POWER((e) - 10) : (m) * POWER(-9))
#define E4M3(c) (((c) & 0x7F) == 0x7F ? NAN : SIGNED(c, E4M3_SIZE((c) >> 3 & 15, (c) & 7)))
#define E5M2_SIZE(e, m) ((e) ? (4 + (m)) * POWER((e) - 17) : (m) * POWER(-16))
#define E5M2(c)                                                                                    \
    (((c) & 0x7C) != 0x7C ? SIGNED(c, E5M2_SIZE((c) >> 2 & 31, (c) & 3))                           \
     : (c) & 3            ? NAN                                                                    \
                          : SIGNED(c, INFINITY))
/* The bit behind the prefix is the exponent's sign, what follows its size behind a leading one. */
#define HIF8_NUMBER(minus, e, m, bits) (((m) + POWER(bits)) * POWER((minus) ? -(e) - (bits) : (e) - (bits)))
#define HIF8_FAR(c)                                                                                \
    ((c) & 0x20 ? HIF8_NUMBER((c) & 0x10, 8 + ((c) >> 1 & 7), (c) & 1, 1)                          \
                : HIF8_NUMBER((c) & 0x10, 4 + ((c) >> 2 & 3), (c) & 3, 2))
#define HIF8_NEAR(c)                                                                               \
    ((c) & 0x20   ? HIF8_NUMBER((c) & 0x10, 2 + ((c) >> 3 & 1), (c) & 7, 3)                        \
     : (c) & 0x10 ? HIF8_NUMBER((c) & 8, 1, (c) & 7, 3)                                            \
     : (c) & 8    ? HIF8_NUMBER(0, 0, (c) & 7, 3)                                                  \
                  : POWER(((c) & 7) - 23))
#define HIF8_SIZE(c) ((c) & 0x40 ? HIF8_FAR(c) : HIF8_NEAR(c))
#define HIF8(c)                                                                                    \
    ((c) == 0              ? 0.0F                                                                  \
     : (c) == 0x80         ? NAN                                                                   \
     : ((c) & 0x7F) == 111 ? SIGNED(c, INFINITY)                                                   \
                           : SIGNED(c, HIF8_SIZE(c)))
#define E8M0(c)                                                                                    \
    ((c) == 255   ? NAN                                                                            \
     : (c) < 64   ? (float)(POWER(-63) * POWER((c) - 63) * 0.5)                                    \
     : (c) <= 190 ? (float)POWER((c) - 127)                                                        \
                  : (float)(POWER(63) * POWER((c) - 191) * 2))

#define FOUR(F, c) F((c)), F((c) + 1), F((c) + 2), F((c) + 3)
#define SIXTEEN(F, c) FOUR(F, c), FOUR(F, (c) + 4), FOUR(F, (c) + 8), FOUR(F, (c) + 12)
#define SIXTY_FOUR(F, c) SIXTEEN(F, c), SIXTEEN(F, (c) + 16), SIXTEEN(F, (c) + 32), SIXTEEN(F, (c) + 48)
#define ALL(F) SIXTY_FOUR(F, 0), SIXTY_FOUR(F, 64), SIXTY_FOUR(F, 128), SIXTY_FOUR(F, 192)

/* Codes behind the sixteenth say the same again. */
#define E2M1_SIZE(c) ((c) & 6 ? (2 + ((c) & 1)) * POWER(((c) >> 1 & 3) - 2) : ((c) & 1) * 0.5)
#define E2M1(c) (float)((c) & 8 ? -E2M1_SIZE(c) : E2M1_SIZE(c))

const float ts_fp8_values[TS_FP_FORMATS][256] = { { ALL(E4M3) }, { ALL(E5M2) }, { ALL(HIF8) }, { ALL(E8M0) },
                                                  { ALL(E2M1) } };

/* Rounded as if fractions had no end, a number may come to the next power of two, which every range of
 * exponents has. */
uint8_t ts_f32_to_hif8(float x)
{
    const uint32_t u = ts_fp8_bits(x), a = u & 0x7FFFFFFFu, sign = u >> 24 & 0x80;
    if (a > 0x7F800000u)
        return 0x80;
    if (a <= 0x34000000u) /* half of the smallest: to zero, which is even */
        return 0;
    if (a < 0x34800000u)
        return (uint8_t)(sign | 1);
    if (a >= 0x47000000u) /* 2^15 */
        return (uint8_t)(sign | 0x6E);
    const int size = abs((int)(a >> 23) - 127);
    const int cut = 23 - (size < 4 ? 3 : size < 8 ? 2 : size < 16 ? 1 : 0);
    const uint32_t v = a + (1u << (cut - 1)) - 1 + (a >> cut & 1);
    const int e = (int)(v >> 23) - 127;
    const uint32_t n = (uint32_t)abs(e), minus = e < 0, f = v & 0x7FFFFFu;
    if (e < -15)
        return (uint8_t)(sign | (uint32_t)(e + 23));
    if (n >= 8)
        return (uint8_t)(sign | 0x60 | minus << 4 | (n & 7) << 1 | f >> 22);
    if (n >= 4)
        return (uint8_t)(sign | 0x40 | minus << 4 | (n & 3) << 2 | f >> 21);
    if (n >= 2)
        return (uint8_t)(sign | 0x20 | minus << 4 | (n & 1) << 3 | f >> 20);
    return (uint8_t)(sign | (n ? 0x10 | minus << 3 : 8) | f >> 20);
}

uint8_t ts_f32_to_e8m0(float x)
{
    const uint32_t a = ts_fp8_bits(x) & 0x7FFFFFFFu;
    if (a > 0x7F800000u)
        return 255;
    const uint32_t code = (a + 0x400000u) >> 23; /* 2^-127 itself is subnormal: half of 2^-126 */
    return (uint8_t)(a < 0x800000u ? a >= 0x600000u : code < 254 ? code : 254);
}
