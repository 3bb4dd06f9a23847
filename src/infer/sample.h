/* The next token from logits: transformers' processors, in its order.
 *
 *   repetition penalty r: a logit z of a token that the text has becomes z * r where z < 0,
 *   else z / r
 *   fewer than min_new_tokens new ones: end-of-text tokens are out
 *   and when sampling: z / temperature; top-k (equals of the k-th stay); top-p; min-p
 *
 * Tokens of equal logits rank by id. A choice depends on the seed, the line's number and the
 * position only. */
#ifndef TS_INFER_SAMPLE_H
#define TS_INFER_SAMPLE_H
#include "base/mem.h"
#include "base/rng.h"
#include "model/arch.h"

typedef struct ts_sampling {
    bool do_sample;
    double temperature;
    int64_t top_k;               /* 0: all */
    double top_p, min_p;         /* 1, 0: all */
    double repetition_penalty;   /* 1: none */
    int64_t min_new_tokens;
    uint64_t seed;
    int32_t eos[TS_ARCH_MAX_EOS];
    int n_eos;
    /* tokens that top-k, top-p and min-p leave at least (1; more for beams) */
    int64_t keep;
} ts_sampling;

/* One more token that ends texts; more than there is room for is TS_ERR_USER. */
ts_status ts_sampling_add_eos(ts_sampling *s, int32_t id) TS_NODISCARD;

static inline bool ts_sampling_ends(const ts_sampling *s, int32_t id)
{
    for (int i = 0; i < s->n_eos; i++)
        if (s->eos[i] == id)
            return true;
    return false;
}

/* Tokens that a text has, as bits. Zero-initialise; deinit. */
typedef struct ts_seen {
    uint64_t *bits;
    int32_t *ids;                /* each once */
    size_t n, cap_bits, cap_ids;
} ts_seen;
ts_status ts_seen_add(ts_seen *s, int64_t vocab, const int32_t *ids, int64_t n) TS_NODISCARD;
void ts_seen_reset(ts_seen *s);  /* empty, memory kept */
void ts_seen_deinit(ts_seen *s);

typedef struct ts_candidate {
    float z;
    int32_t id;
} ts_candidate;

/* Work space of one sampler. */
typedef struct ts_sampler {
    const ts_sampling *o;
    int64_t vocab;
    float *z;                    /* [vocab] processed logits */
    ts_candidate *list;
    /* candidates of the last call; their z are what softmax runs over */
    int64_t n;
    size_t cap_z, cap_list;
    /* Before a call: ids that fit a grammar, as bits, and whether the text may end (end-of-text tokens); NULL: all. */
    const uint64_t *allowed;
    bool may_end;
} ts_sampler;
/* Options are borrowed. */
ts_status ts_sampler_init(ts_sampler *s, const ts_sampling *o, int64_t vocab) TS_NODISCARD;
void ts_sampler_deinit(ts_sampler *s);

/* The arg-max, the first of equals; -1 when there is none (a logit is not a number). */
int32_t ts_argmax(const float *z, int64_t n);
/* Natural logarithm of the sum of exponentials. */
double ts_log_sum_exp(const float *z, int64_t n);

/* Where a choice is made: line of the input (from 0) and number of new tokens before it. Texts of one line that are drawn
 * apart have numbers of their own above the line's TS_LINE_BITS bits. */
typedef struct ts_place_in_line {
    int64_t line, at;
} ts_place_in_line;
enum { TS_LINE_BITS = 32 };

/* Processes logits into s->z (penalties only; temperature and below with do_sample). seen may be
 * NULL where there is no repetition penalty. */
void ts_sampler_process(ts_sampler *s, const float *logits, const ts_seen *seen,
                        int64_t new_tokens);
/* The candidates that sampling leaves of s->z, best first where their number was cut. */
ts_status ts_sampler_filter(ts_sampler *s) TS_NODISCARD;
/* The next token; logits that are not numbers are TS_ERR_RUN. */
ts_status ts_sampler_next(ts_sampler *s, const float *logits, const ts_seen *seen,
                          ts_place_in_line place, int32_t *out) TS_NODISCARD;
/* Uniform in [0, 1) with 53 bits: number `draw` of this place. */
double ts_sample_uniform(uint64_t seed, ts_place_in_line place, int64_t draw);
#endif
