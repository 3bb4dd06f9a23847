/* A number in fp32 as the nearest in bf16 (ties to even), which is used by itself, and what gives it back: its
 * own lower 16 bits, and one bit that says of a tie whether it was rounded up. Both together take the four bytes
 * of the number; the bit has a place of its own. Finite numbers alone. */
#ifndef TS_BASE_HALVES_H
#define TS_BASE_HALVES_H
#include "base/dtype.h"

#include <stdbool.h>

/* The high half is ts_f32_to_bf16. */
static inline uint16_t ts_f32_low(float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    return (uint16_t)u;
}

/* In the middle between two, and the upper one is even. */
static inline bool ts_f32_ties_up(float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    return (u & 0x1FFFFu) == 0x18000u;
}

static inline float ts_f32_join(uint16_t high, uint16_t low, bool tie_up)
{
    const uint32_t up = low > 0x8000u || (low == 0x8000u && tie_up);
    const uint32_t u = ((uint32_t)high << 16 | low) - (up << 16);
    float f;
    memcpy(&f, &u, 4);
    return f;
}
#endif
