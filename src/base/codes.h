/* Blocks of numbers in few bits: a code for each number and what they are multiples of, for state that is read,
 * changed in fp32 and written again (moments). A number is off by one step between codes at most, half of one
 * where it is not a second moment that would vanish; what was read and is written again unchanged keeps its
 * value.
 *
 *   bf16                    the number, rounded to nearest; there is no scale
 *   f16, e4m3, e5m2, hif8   value = code's / largest code's x the block's largest size, which is kept in fp32
 *                           (hif8: 15 counts as its largest, 224 for second moments)
 *   mx                      blocks of 32 with a power of two as scale (e8m0); codes are of the number's square
 *                           with its sign (e4m3; second moments e5m2)
 *   dynamic                 a number in [-1, 1] as a power of ten and a fraction that has the fewer bits the
 *                           smaller the power is, times the block's largest number: Dettmers et al., arXiv
 *                           2110.02861; second moments, which have no sign, have the sign's bit for the fraction
 *   i8                      a whole number from -127 to 127, in 127ths of the block's largest size, kept in fp32
 *
 * Second moments other than 0 are never written as 0, since others are divided by their roots. */
#ifndef TS_BASE_CODES_H
#define TS_BASE_CODES_H
#include "base/rng.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum ts_codes {
    TS_CODES_NONE, /* fp32 */
    TS_CODES_BF16,
    TS_CODES_F16,
    TS_CODES_E4M3,
    TS_CODES_E5M2,
    TS_CODES_HIF8,
    TS_CODES_MX,
    TS_CODES_DYNAMIC,
    TS_CODES_I8,
} ts_codes;

enum { TS_CODES_BLOCK = 64 }; /* numbers of a block; shares are cut between blocks (tensor/shards.h) */

/* Bytes of one number's code, and of what a whole block has besides. */
size_t ts_codes_size(ts_codes c);
size_t ts_codes_scale_bytes(ts_codes c);

/* A block, or the first n numbers of one. second: they are second moments, none below 0. Of numbers that are not
 * finite bf16 keeps what they are; f16 reads some of the block as NaN; others are not to be given any. */
void ts_codes_write(ts_codes c, bool second, const float *x, int64_t n, void *codes, void *scale);
/* The same of i8, each number up or down at random: by number first + i of the stream's 16-bit ones, so that the mean
 * over these is the number. */
void ts_codes_write_random(const float *x, int64_t n, const ts_rng *rng, int64_t first, void *codes, void *scale);
void ts_codes_read(ts_codes c, bool second, const void *codes, const void *scale, int64_t n, float *x);
#endif
