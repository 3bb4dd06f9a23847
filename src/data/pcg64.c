#include "data/pcg64.h"

__extension__ typedef unsigned __int128 u128;

static u128 join(const uint64_t v[2]) { return (u128)v[1] << 64 | v[0]; }

static void part(u128 x, uint64_t out[2])
{
    out[0] = (uint64_t)x;
    out[1] = (uint64_t)(x >> 64);
}

static void step(ts_pcg64 *r)
{
    static const uint64_t multiplier[2] = { 4865540595714422341u, 2549297995355413924u };
    part(join(r->state) * join(multiplier) + join(r->increment), r->state);
}

/* ---- SeedSequence ---- */

static uint32_t hash(uint32_t x, uint32_t *constant, uint32_t multiplier)
{
    x ^= *constant;
    *constant *= multiplier;
    x *= *constant;
    return x ^ x >> 16;
}

static uint32_t mix(uint32_t x, uint32_t y)
{
    const uint32_t r = 0xca01f9ddu * x - 0x4973f715u * y;
    return r ^ r >> 16;
}

/* Four numbers of 64 bits, low halves first. */
static void seed_words(uint32_t seed, uint32_t out[8])
{
    uint32_t pool[4], constant = 0x43b0d7e5u;
    for (int i = 0; i < 4; i++)
        pool[i] = hash(i ? 0 : seed, &constant, 0x931e8875u);
    for (int from = 0; from < 4; from++)
        for (int to = 0; to < 4; to++)
            if (from != to)
                pool[to] = mix(pool[to], hash(pool[from], &constant, 0x931e8875u));
    constant = 0x8b51f9ddu;
    for (int i = 0; i < 8; i++)
        out[i] = hash(pool[i % 4], &constant, 0x58f38dedu);
}

/* ---- the generator ---- */

void ts_pcg64_init(ts_pcg64 *r, uint32_t seed)
{
    uint32_t w[8];
    uint64_t v[4];
    seed_words(seed, w);
    for (int i = 0; i < 4; i++)
        v[i] = w[2 * i] | (uint64_t)w[2 * i + 1] << 32;
    *r = (ts_pcg64){ 0 };
    part(((u128)v[2] << 64 | v[3]) << 1 | 1, r->increment);
    step(r);
    part(join(r->state) + ((u128)v[0] << 64 | v[1]), r->state);
    step(r);
}

uint64_t ts_pcg64_next(ts_pcg64 *r)
{
    step(r);
    const uint64_t x = r->state[0] ^ r->state[1];
    const unsigned turn = (unsigned)(r->state[1] >> 58);
    return x >> turn | x << (-turn & 63);
}
