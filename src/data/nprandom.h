/* NumPy's RandomState (MT19937 seeded with one integer), because Megatron's data order comes from
 * it. */
#ifndef TS_DATA_NPRANDOM_H
#define TS_DATA_NPRANDOM_H
#include <stdint.h>

typedef struct ts_nprandom {
    uint32_t state[624];
    int at;
} ts_nprandom;

void ts_nprandom_init(ts_nprandom *r, uint32_t seed);
uint32_t ts_nprandom_next(ts_nprandom *r);
/* RandomState.shuffle of n items. */
void ts_nprandom_shuffle_u32(ts_nprandom *r, uint32_t *v, int64_t n);
void ts_nprandom_shuffle_i64(ts_nprandom *r, int64_t *v, int64_t n);
/* Python's random.Random(seed).shuffle of n items, below 2^32: the same MT19937, seeded and drawn from in another way. */
void ts_nprandom_python_shuffle(uint32_t seed, uint32_t *v, int64_t n);
/* torch.randperm(n) on the CPU of a generator with this seed, which is the same MT19937; n below
 * 2^32. */
void ts_nprandom_torch_permutation(uint32_t seed, uint32_t *out, int64_t n);
#endif
