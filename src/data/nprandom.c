#include "data/nprandom.h"

enum { N = 624, M = 397 };

void ts_nprandom_init(ts_nprandom *r, uint32_t seed)
{
    r->state[0] = seed;
    for (uint32_t i = 1; i < N; i++)
        r->state[i] = 1812433253u * (r->state[i - 1] ^ r->state[i - 1] >> 30) + i;
    r->at = N;
}

static void refill(ts_nprandom *r)
{
    uint32_t *s = r->state;
    for (int i = 0; i < N; i++) {
        const uint32_t y = (s[i] & 0x80000000u) | (s[(i + 1) % N] & 0x7FFFFFFFu);
        s[i] = s[(i + M) % N] ^ y >> 1 ^ ((y & 1) ? 0x9908B0DFu : 0);
    }
    r->at = 0;
}

uint32_t ts_nprandom_next(ts_nprandom *r)
{
    if (r->at == N)
        refill(r);
    uint32_t y = r->state[r->at++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9D2C5680u;
    y ^= y << 15 & 0xEFC60000u;
    return y ^ y >> 18;
}

/* Uniform in [0, max] by masking and rejection, one output up to 32 bits and two above, as NumPy
 * does. */
static uint64_t draw(ts_nprandom *r, uint64_t max)
{
    uint64_t mask = max, v;
    for (int s = 1; s < 64; s *= 2)
        mask |= mask >> s;
    do {
        v = ts_nprandom_next(r);
        if (max > 0xFFFFFFFFu)
            v = v << 32 | ts_nprandom_next(r);
    } while ((v &= mask) > max);
    return v;
}

/* Large arrays live far from the caches: partners are drawn AHEAD of their swap and fetched
 * meanwhile. The draws do not depend on the values, so the order is the plain one. */
enum { AHEAD = 32 };

#define SHUFFLE(v, n)                                                                              \
    do {                                                                                           \
        uint64_t next[AHEAD];                                                                      \
        for (int64_t top = (n) - 1; top > 0; top -= AHEAD) {                                       \
            const int count = top < AHEAD ? (int)top : AHEAD;                                      \
            for (int k = 0; k < count; k++) {                                                      \
                next[k] = draw(r, (uint64_t)(top - k));                                            \
                __builtin_prefetch(&(v)[next[k]], 1);                                              \
            }                                                                                      \
            for (int k = 0; k < count; k++) {                                                      \
                const __typeof__((v)[0]) t = (v)[top - k];                                         \
                (v)[top - k] = (v)[next[k]];                                                       \
                (v)[next[k]] = t;                                                                  \
            }                                                                                      \
        }                                                                                          \
    } while (0)

void ts_nprandom_shuffle_u32(ts_nprandom *r, uint32_t *v, int64_t n) { SHUFFLE(v, n); }
void ts_nprandom_shuffle_i64(ts_nprandom *r, int64_t *v, int64_t n) { SHUFFLE(v, n); }

/* init_by_array of the seed's one word. */
static void init_python(ts_nprandom *r, uint32_t seed)
{
    ts_nprandom_init(r, 19650218u);
    uint32_t *s = r->state, i = 1;
    for (int k = 0; k < N; k++) {
        s[i] = (s[i] ^ (s[i - 1] ^ s[i - 1] >> 30) * 1664525u) + seed;
        if (++i == N)
            s[0] = s[N - 1], i = 1;
    }
    for (int k = 1; k < N; k++) {
        s[i] = (s[i] ^ (s[i - 1] ^ s[i - 1] >> 30) * 1566083941u) - i;
        if (++i == N)
            s[0] = s[N - 1], i = 1;
    }
    s[0] = 0x80000000u;
}

/* A partner is the upper bits of an output, as many as the number of candidates has. */
void ts_nprandom_python_shuffle(uint32_t seed, uint32_t *v, int64_t n)
{
    ts_nprandom r;
    init_python(&r, seed);
    for (int64_t i = n - 1; i > 0; i--) {
        const int bits = 64 - __builtin_clzll((unsigned long long)i + 1);
        uint32_t j;
        do
            j = ts_nprandom_next(&r) >> (32 - bits);
        while (j > i);
        const uint32_t t = v[i];
        v[i] = v[j];
        v[j] = t;
    }
}

/* PyTorch's way with many items: each goes to a place among those before it. */
static void permute_inside_out(ts_nprandom *r, uint32_t *v, int64_t n)
{
    uint64_t next[AHEAD];
    for (int64_t at = 0; at < n; at += AHEAD) {
        const int count = n - at < AHEAD ? (int)(n - at) : AHEAD;
        for (int k = 0; k < count; k++) {
            uint64_t x = ts_nprandom_next(r);
            x = x << 32 | ts_nprandom_next(r);
            next[k] = x % (uint64_t)(at + k + 1);
            __builtin_prefetch(&v[next[k]], 1);
        }
        for (int k = 0; k < count; k++) {
            v[at + k] = v[next[k]];
            v[next[k]] = (uint32_t)(at + k);
        }
    }
}

/* And with fewer: from the first place on, a partner among those that are left, by a remainder.
 * Partners are fetched ahead as above. */
void ts_nprandom_torch_permutation(uint32_t seed, uint32_t *v, int64_t n)
{
    ts_nprandom r;
    uint64_t next[AHEAD];
    ts_nprandom_init(&r, seed);
    for (int64_t i = 0; i < n; i++)
        v[i] = (uint32_t)i;
    if (n >= (int64_t)(UINT32_MAX / 20)) {
        permute_inside_out(&r, v, n);
        return;
    }
    for (int64_t at = 0; at < n - 1; at += AHEAD) {
        const int count = n - 1 - at < AHEAD ? (int)(n - 1 - at) : AHEAD;
        for (int k = 0; k < count; k++) {
            next[k] = (uint64_t)(at + k) + ts_nprandom_next(&r) % (uint64_t)(n - at - k);
            __builtin_prefetch(&v[next[k]], 1);
        }
        for (int k = 0; k < count; k++) {
            const uint32_t t = v[at + k];
            v[at + k] = v[next[k]];
            v[next[k]] = t;
        }
    }
}
