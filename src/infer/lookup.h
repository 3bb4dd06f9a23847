/* Guesses without a model: text that repeats (prompt lookup decoding). */
#ifndef TS_INFER_LOOKUP_H
#define TS_INFER_LOOKUP_H
#include "base/mem.h"

/* How ids [n] go on where their last tokens, `longest` of them or as many as there are such, stood before: the newest such
 * place counts, of the longest match. Up to `most` guesses to out; how many. */
int64_t ts_lookup(const int32_t *ids, int64_t n, int64_t longest, int64_t most, int32_t *out);
/* The same as a ts_drafter_fn; longest: an int64_t. */
int64_t ts_lookup_guess(void *longest, const int32_t *ids, int64_t n, int64_t most, int32_t *out);
#endif
