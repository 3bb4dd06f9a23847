/* NumPy's default_rng (PCG64, seeded with one integer by its SeedSequence), because Hugging Face's data sets are
 * interleaved by it. */
#ifndef TS_DATA_PCG64_H
#define TS_DATA_PCG64_H
#include <stdint.h>

typedef struct ts_pcg64 {
    uint64_t state[2], increment[2]; /* low, high */
} ts_pcg64;

void ts_pcg64_init(ts_pcg64 *r, uint32_t seed);
uint64_t ts_pcg64_next(ts_pcg64 *r);
/* Generator.random: in [0, 1). */
static inline double ts_pcg64_double(ts_pcg64 *r) { return (double)(ts_pcg64_next(r) >> 11) / 9007199254740992.0; }
#endif
