/* The merging half of BPE training: from words and their counts, the pairs in the order in which
 * they are joined. */
#ifndef TS_TEXT_BPE_BPE_LEARN_H
#define TS_TEXT_BPE_BPE_LEARN_H
#include "base/mem.h"

/* Different words, each as TS_BPE_WORD_HEAD cells (how many symbols, and the word's count in two)
 * and then its symbols. Symbols are ids >= 0. */
typedef struct ts_bpe_words {
    int32_t *cell;
    size_t n, cap;
} ts_bpe_words;
enum { TS_BPE_WORD_HEAD = 3 };

ts_status ts_bpe_words_add(ts_bpe_words *w, int64_t count, size_t n_symbols,
                           int32_t **symbols) TS_NODISCARD;

/* Told that left and right are joined, in order; gives the id of the result and says whether this
 * was the last. */
typedef ts_status ts_bpe_join_fn(void *ctx, int32_t left, int32_t right, int32_t *made, bool *stop);

/* Joins the most frequent pair, of equally frequent ones that with the lower ids, until join says
 * stop or no pair occurs min_frequency times. The words are consumed. */
ts_status ts_bpe_learn(ts_bpe_words *words, int64_t min_frequency, ts_bpe_join_fn *join,
                       void *ctx) TS_NODISCARD;
#endif
