/* Random numbers by address, not by draw: Philox4x32-10 (Salmon et al., "Parallel random numbers:
 * as easy as 1, 2, 3", SC 2011). A number depends on the seed, what it is for, the step, the layer
 * and the element's global position, so it is the same on every layout and needs no state to
 * resume. */
#ifndef TS_BASE_RNG_H
#define TS_BASE_RNG_H
#include <stdint.h>

typedef enum ts_rng_purpose {
    TS_RNG_INIT = 1,     /* initial weights: stream = parameter number */
    TS_RNG_HIDDEN_DROPOUT,
    TS_RNG_ATTN_DROPOUT,
    TS_RNG_SAMPLE,       /* choosing the next token */
    TS_RNG_ROUND,        /* stochastic rounding */
    TS_RNG_TEST,
    TS_RNG_CROSS_HIDDEN_DROPOUT, /* after, and in, attention to a second sequence */
    TS_RNG_CROSS_ATTN_DROPOUT,
    TS_RNG_PROJECTION, /* of gradients: stream = parameter number, step = how often it was made */
    TS_RNG_JITTER,     /* of what a router reads */
    TS_RNG_GUMBEL,     /* of its logits, for choosing */
    TS_RNG_SEATS,      /* who passes a full expert by */
    TS_RNG_EMBEDDING,  /* noise of embeddings: stream = which use of the table */
    TS_RNG_NEW_ROWS,   /* of tokens that a vocabulary gets: stream = 0 of the embedding, 1 of the output layer */
    TS_RNG_ADAPTER,    /* dropout of what an adapter reads: stream = its number */
    TS_RNG_FACTORS,    /* where a search for singular vectors begins */
} ts_rng_purpose;

/* One stream of numbers: everything but the position. */
typedef struct ts_rng {
    uint32_t key[2];
    uint32_t hi[2]; /* the upper half of the counter */
} ts_rng;

static inline ts_rng ts_rng_stream(uint64_t seed, ts_rng_purpose purpose, uint64_t step,
                                   uint32_t layer)
{
    return (ts_rng){ { (uint32_t)seed, (uint32_t)(seed >> 32) ^ (uint32_t)step * 0x9E3779B9u },
                     { layer << 8 | (uint32_t)purpose,
                       (uint32_t)step ^ (uint32_t)(step >> 32) * 0x85EBCA6Bu } };
}

/* Four 32-bit numbers for block `i` of the stream; element e has number e % 4 of block e / 4. */
static inline void ts_rng_block(const ts_rng *r, uint64_t i, uint32_t out[4])
{
    uint32_t c0 = (uint32_t)i, c1 = (uint32_t)(i >> 32), c2 = r->hi[0], c3 = r->hi[1];
    uint32_t k0 = r->key[0], k1 = r->key[1];
    for (int n = 0; n < 10; n++) {
        const uint64_t a = (uint64_t)0xD2511F53u * c0, b = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)b;
        c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)a;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

/* Uniform in [0, 1), 24 bits. */
static inline float ts_rng_uniform(uint32_t u) { return (float)(u >> 8) * 0x1p-24f; }

/* n values from N(0, std^2) for elements first..first+n-1 of the stream (Box-Muller on pairs). */
void ts_rng_normal(const ts_rng *r, uint64_t first, int64_t n, float std, float *out);
#endif
