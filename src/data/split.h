/* Megatron's words for data: blends ("0.3 a 0.7 b") and splits ("949,50,1"). */
#ifndef TS_DATA_SPLIT_H
#define TS_DATA_SPLIT_H
#include "base/option.h"

/* Borrowed prefixes; weights NULL: none were given, else they sum to 1. */
typedef struct ts_blend_words {
    const char **prefixes;
    double *weights;
    int64_t n;
} ts_blend_words;
/* An odd number of words, or a first word of a pair that is no number: prefixes without weights.
 * `option` stands in messages. */
ts_status ts_blend_words_parse(const char *option, const ts_option_list *words,
                               ts_blend_words *out) TS_NODISCARD;
void ts_blend_words_deinit(ts_blend_words *b);

/* Shares of the three parts, which sum to 1. */
ts_status ts_split_shares(const char *text, double out[3]) TS_NODISCARD;
/* Of n samples that are tuned on, as MindSpeed LLM counts: each part's number rounded (half to even), and what that
 * is too many or too few taken from all bounds behind the first. */
void ts_split_samples(const double share[3], int part, int64_t n, int64_t *first, int64_t *count);
/* Where the three parts begin and end, as fractions: part k is [out[k], out[k + 1]). */
ts_status ts_split_parse(const char *text, double out[4]) TS_NODISCARD;
/* The same for n elements, rounded half to even. */
void ts_split_range(const double split[4], int part, int64_t n, int64_t *first, int64_t *count);
#endif
