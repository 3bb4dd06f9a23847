/* NF4 (QLoRA, Dettmers et al., arXiv 2305.14314) with double quantisation, bit for bit as bitsandbytes has it.
 *
 * A matrix is taken flat, row after row, in blocks of 64 values:
 *
 *   value = level[code] * most, rounded to the type that the matrix had   code: 4 bits; most: the block's largest magnitude
 *   most  = nested level[code] * nested most + offset                     code: 8 bits; nested most: of 256 blocks each
 *
 * where the offset is the mean of what the blocks have at most. All of it is in fp32, each operation rounded. */
#ifndef TS_BASE_NF4_H
#define TS_BASE_NF4_H
#include "base/dtype.h"

enum { TS_NF4_BLOCK = 64, TS_NF4_NESTED = 256, TS_NF4_LEVELS = 16, TS_NF4_NESTED_LEVELS = 256 };

extern const float ts_nf4_levels[TS_NF4_LEVELS];               /* ascending, from -1 to 1 */
extern const float ts_nf4_nested_levels[TS_NF4_NESTED_LEVELS]; /* likewise */

/* The largest magnitude of a block's n values; NaN where one is not finite. The last block of a matrix is shorter, or
 * not, and has at least 1e-38 where it is shorter. */
float ts_nf4_most(const float *v, int64_t n);
/* The codes of a block's n values, of which each is at most `most` in magnitude, one a byte: the nearest level's, of two
 * equally near the lower one's. */
void ts_nf4_encode(const float *v, int64_t n, float most, uint8_t *code);
/* What n blocks have at most, in 8 bits. nested [n / 256, rounded up]. Returns the offset. Blocks that all have the same
 * have it exactly. */
float ts_nf4_nest(const float *most, int64_t n, uint8_t *code, float *nested);
/* And back. */
static inline float ts_nf4_most_of(float level, float nested, float offset)
{
    const float product = level * nested;
    return product + offset;
}
/* The sixteen values that a block has, in type t. */
static inline void ts_nf4_values(const float level[TS_NF4_LEVELS], float most, ts_dtype t, float to[TS_NF4_LEVELS])
{
    for (int i = 0; i < TS_NF4_LEVELS; i++) {
        const float v = level[i] * most;
        to[i] = t == TS_DTYPE_BF16  ? ts_bf16_to_f32(ts_f32_to_bf16(v))
                : t == TS_DTYPE_F16 ? ts_f16_to_f32(ts_f32_to_f16(v))
                                    : v;
    }
}
#endif
