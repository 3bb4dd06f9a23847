/* Learning a byte-level BPE vocabulary from text (Sennrich et al., arXiv 1508.07909; over bytes as
 * GPT-2).
 *
 * Ids: special tokens, then the 256 bytes in the order of their characters in the byte-level
 * alphabet, then merges by rank. The most frequent pair is merged first; of equally frequent ones
 * the pair with the lower ids: the same vocabulary as Hugging Face's BpeTrainer makes. */
#ifndef TS_TEXT_BPE_BPE_TRAIN_H
#define TS_TEXT_BPE_BPE_TRAIN_H
#include "base/str.h"

typedef struct ts_bpe_trainer ts_bpe_trainer;

ts_status ts_bpe_trainer_create(ts_bpe_trainer **out) TS_NODISCARD;
void ts_bpe_trainer_destroy(ts_bpe_trainer **t);
typedef struct ts_bpe_text {
    const char *s; /* valid UTF-8 */
    size_t n;
} ts_bpe_text;
/* Counts the words of texts, each cut as a whole by GPT-2's pattern; on all cores. (That trainer
 * reads files by lines with their ends, and other texts whole.) */
ts_status ts_bpe_trainer_feed(ts_bpe_trainer *t, const ts_bpe_text *texts, size_t n) TS_NODISCARD;
/* Once, after the last text: merges until there are vocab_size tokens or no pair is left that occurs
 * min_frequency times. progress (may be NULL) is told the number of tokens now and then. */
ts_status ts_bpe_trainer_run(ts_bpe_trainer *t, int64_t vocab_size, int64_t min_frequency,
                             const char *const *special, size_t n_special,
                             void (*progress)(void *ctx, int64_t tokens), void *ctx) TS_NODISCARD;
int64_t ts_bpe_trainer_tokens(const ts_bpe_trainer *t);
/* The result as a tokenizer.json. */
ts_status ts_bpe_trainer_json(const ts_bpe_trainer *t, ts_str *out) TS_NODISCARD;
#endif
